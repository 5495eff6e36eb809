import { assert, assertEquals, assertFalse } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { gzipSync } from "node:zlib";
import type { EventBase, SecureLayer } from "../../src/core/mod.ts";
import { HttpClient, HttpClientConnection, type HttpClientOptions, HttpServer } from "../../src/http/mod.ts";
import type { TlsBufferEvent, TlsContext } from "../../src/tls/mod.ts";
import { eventually, isPending } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { breakEncryption, clientContext, serverContext } from "../tls/tls_support.ts";
import { HOST } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let far: EventBase;

  beforeEach(() => {
    base = backend.newBase();
    far = backend.newBase();
  });
  afterEach(() => {
    base.close();
    far.close();
  });

  /** Runs `body` beside a server that lives on another loop, so that only the client's connections keep ours alive. */
  async function withFarServer(
    body: (client: HttpClient, url: string, server: HttpServer) => Promise<void>,
    options: HttpClientOptions = {},
    tls?: TlsContext,
  ): Promise<void> {
    using server = new HttpServer(far, {}, (request) => {
      if (request.target === "/large") request.reply(200, new Uint8Array(2_000_000));
      else if (request.target === "/gzip") request.reply(200, gzipSync("decoded"), { "Content-Encoding": "gzip" });
      else if (request.target === "/close") request.reply(200, "closed", { Connection: "close" });
      else if (request.target === "/echo") request.takeOver(101, { Upgrade: "echo", Connection: "Upgrade" });
      else request.reply(200, "hello");
    });
    const { port } = server.listen({ host: HOST, port: 0, tls });
    const running = far.run();
    using client = new HttpClient(base, options);
    try {
      await body(client, tls === undefined ? `http://${HOST}:${port}` : `https://localhost:${port}`, server);
    } finally {
      far.loopBreak();
      await running;
    }
  }

  describe("A connection that is kept and has nothing to do", () => {
    const reuses = async (client: HttpClient, url: string, server: HttpServer): Promise<void> => {
      for (let round = 0; round < 2; round++) {
        const requested = client.request(url);
        assertFalse(await base.run());
        assertEquals((await requested).text(), "hello");
        assertEquals([client.idleCount, client.connectionCount, server.connectionCount], [1, 1, 1]);
      }
    };

    it("does not keep the loop alive, and is used again when that runs again", () => withFarServer(reuses));

    itNeeds("openssl", "openssl", "nor does one that speaks TLS", async () => {
      using serverTls = serverContext();
      using clientTls = clientContext();
      await withFarServer(reuses, { tls: clientTls }, serverTls);
    });

    itNeeds("openssl", "openssl", "is replaced when TLS can send nothing more over it", async () => {
      using serverTls = serverContext();
      using clientTls = clientContext();
      const secured: TlsBufferEvent[] = [];
      const tls: SecureLayer = {
        role: "client",
        secure(underlying, options) {
          secured.push(clientTls.secure(underlying, options));
          return secured.at(-1)!;
        },
      };
      await withFarServer(
        async (client, url) => {
          for (let round = 0; round < 2; round++) {
            const requested = client.request(url);
            await base.run();
            assertEquals((await requested).text(), "hello");
            breakEncryption(secured[round]!);
          }
          assertEquals([secured.length, secured[0]!.closed], [2, true]);
        },
        { tls, readTimeoutMs: 3000 },
        serverTls,
      );
    });

    it("keeps it alive if told to, and if it is nobody else's", () =>
      withFarServer(async (client, url) => {
        const { port } = new URL(url);
        using own = new HttpClientConnection(base, { host: HOST, port: Number(port) });
        for (
          const [request, end] of [
            [() => client.request(url), () => client.closeIdle()],
            [() => own.send("/"), () => own.close()],
          ] as const
        ) {
          const requested = request();
          const running = base.run();
          assertEquals((await requested).text(), "hello");
          assert(await isPending(running));
          end();
          assertFalse(await running);
        }
      }, { idleKeepsLoop: true }));

    it("is noticed when the server closes it, as long as something else keeps the loop alive", () =>
      withFarServer(async (client, url, server) => {
        using limit = base.timer(() => {});
        limit.add(60_000);
        const running = base.run();
        assertEquals((await client.request(url)).text(), "hello");
        server.close();
        await eventually(() => client.connectionCount === 0, "it is given up");
        base.loopBreak();
        await running;
      }));
  });

  describe("A loop with a client on it", () => {
    it("goes on while requests are awaited one after the other, whatever becomes of their connections", () =>
      withFarServer(async (client, url) => {
        const running = base.run();
        for (const [path, text] of [["/close", "closed"], ["/", "hello"], ["/gzip", "decoded"], ["/close", "closed"]]) {
          assertEquals(await (await client.fetch(`${url}${path}`)).text(), text);
        }
        assertFalse(await running);
      }));

    it("is there for as long as a response is not read to its end, however slowly that is done", () =>
      withFarServer(async (client, url) => {
        const running = base.run();
        const response = await client.fetch(`${url}/large`);
        let length = 0;
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
          if (length === 0) assert(await isPending(running));
          length += piece.length;
        }
        assertEquals(length, 2_000_000);
        assertFalse(await running);
      }, { readTimeoutMs: Infinity }));

    it("is kept alive by a connection that was handed over to somebody else", () =>
      withFarServer(async (client, url) => {
        const running = base.run();
        const response = await client.request(`${url}/echo`, { headers: { Upgrade: "echo", Connection: "Upgrade" } });
        using stream = response.takeOver();
        const read = stream.readExactly(1);
        read.catch(() => {});
        assert(await isPending(running));
        stream.close();
        assertFalse(await running);
      }));
  });
});
