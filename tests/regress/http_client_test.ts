/** What libevent's regress group http asks of a client, for those cases that no other test of ours answers. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it as itPlainly } from "@std/testing/bdd";
import { EV_READ, type EventBase, type HostResolver, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import {
  HttpClientConnection,
  type HttpClientConnectionOptions,
  type HttpClientError,
  type HttpHandler,
  HttpServer,
  openStream,
} from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { OWN_HOST } from "../http/client_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";

const HOST = "127.0.0.1";

const answer: HttpHandler = (request) => {
  if (request.path === "/chunked") {
    request.replyStart(200, {});
    for (let count = 0; count < 100; count++) request.replyChunk(`piece ${count};`);
    request.replyEnd();
  } else if (request.path !== "/never") {
    request.reply(200, `${request.method} ${request.target} for ${request.headers.get("host")}`);
  }
};

forEachBackend((backend) => {
  let base: EventBase;
  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  for (const scheme of ["http", "https"]) {
    const it = scheme === "http" ? itPlainly : itNeeds.bind(null, "openssl", "openssl");
    describe(`A client by ${scheme}`, () => {
      /** Runs `body` beside a server. */
      function withServer(
        body: (port: number, options: HttpClientConnectionOptions) => Promise<void>,
        handler: HttpHandler = answer,
      ): Promise<void> {
        return alongside(base, async () => {
          using server = new HttpServer(base, {}, handler);
          if (scheme === "http") return await body(server.listen({ host: HOST, port: 0 }).port, {});
          using serverTls = serverContext();
          using tls = clientContext();
          await body(server.listen({ host: HOST, port: 0, tls: serverTls }).port, { tls, tlsHostname: "localhost" });
        });
      }

      it("makes a request, and three more over the same connection", () =>
        withServer(async (port, options) => {
          using connection = new HttpClientConnection(base, { host: HOST, port }, options);
          for (let count = 0; count < 4; count++) {
            const response = await connection.send(`/test?${count}`);
            assertEquals(response.text(), `GET /test?${count} for ${HOST}:${port}`);
          }
          assertEquals(connection.isConnected, true);
        }));

      it("makes requests over a stream that is there already", () =>
        withServer(async (port, options) => {
          const stream = await openStream(base, { host: HOST, port }, options);
          using connection = HttpClientConnection.over(stream, { host: HOST, port }, options);
          assertEquals(connection.stream, stream);
          for (let count = 0; count < 2; count++) {
            assertEquals((await connection.send("/")).text(), `GET / for ${HOST}:${port}`);
            assertEquals(connection.stream, stream);
          }
        }));

      it("is told when the server has gone that kept its connection, and asks it again when it is back", () =>
        alongside(base, async () => {
          using serverTls = serverContext();
          using clientTls = clientContext();
          const secure = scheme === "https";
          const listen = (port: number): { server: HttpServer; port: number } => {
            const server = new HttpServer(base, {}, answer);
            return {
              server,
              port: server.listen({ host: OWN_HOST, port, ...(secure ? { tls: serverTls } : {}) }).port,
            };
          };
          const first = listen(0);
          const options = secure ? { tls: clientTls, tlsHostname: "localhost" } : {};
          using connection = new HttpClientConnection(base, { host: OWN_HOST, port: first.port }, options);
          await connection.send("/");
          let closed = 0;
          connection.onClose = () => void closed++;
          first.server.close();
          await eventually(() => closed === 1 && !connection.isConnected, "the end is noticed");
          const refused = await rejection(connection.send("/")) as HttpClientError;
          assertEquals([refused.code, (refused.cause as { code: string }).code], [
            "HTTP_CONNECT_FAILED",
            "ECONNREFUSED",
          ]);
          using retrying = new HttpClientConnection(base, { host: OWN_HOST, port: first.port }, {
            ...options,
            retries: -1,
            initialRetryMs: 5,
          });
          const pending = retrying.send("/");
          assertEquals(await isPending(pending), true);
          const second = listen(first.port);
          assertEquals((await pending).status, 200);
          second.server.close();
        }));
    });
  }

  describe("A client by https whose peer breaks off", () => {
    const it = itNeeds.bind(null, "openssl", "openssl");

    it("takes a response that is complete although the end of TLS was not announced, and no other", () =>
      alongside(base, async () => {
        using serverTls = serverContext();
        using tls = clientContext();
        for (
          const [length, expected] of [["Content-Length: 4\r\n", "body"], ["", "HTTP_CONNECTION_FAILED"]] as const
        ) {
          const sockets: SocketBufferEvent[] = [];
          using listener = new Listener(base, { host: HOST, port: 0 }, (fd) => {
            const socket = new SocketBufferEvent(base, fd);
            sockets.push(socket);
            const stream = serverTls.secure(socket);
            stream.setCallbacks({
              read: () => {
                if (stream.input.take().length === 0) return;
                stream.write(`HTTP/1.1 200 OK\r\n${length}\r\nbody`);
                stream.flush();
                // What is underneath ends without a word of what is on top.
                stream.flushed().then(() => socket.endWriting());
              },
            });
            stream.enable(EV_READ);
          });
          const options = { tls, tlsHostname: "localhost" };
          using connection = new HttpClientConnection(base, { host: HOST, port: listener.port }, options);
          const outcome = await connection.send("/")
            .then((response) => response.text(), (error: HttpClientError) => error.code);
          assertEquals(outcome, expected);
          for (const socket of sockets) socket.close();
        }
      }));
  });

  describe("A client", () => {
    const it = itPlainly;
    /** A name server that answers with `hosts`, or never. */
    const resolving = (hosts: readonly string[] | "never"): HostResolver => ({
      resolve: () => hosts === "never" ? new Promise(() => {}) : Promise.resolve(hosts.map((host) => ({ host }))),
    });

    it("cancels a request in every state of a lookup and of a server, and makes the next one", async () => {
      for (const server of ["active", "inactive"]) {
        for (const lookup of ["none", "works", "fails", "never ends"]) {
          await alongside(base, async () => {
            const accepted: SocketBufferEvent[] = [];
            using listener = new Listener(base, { host: HOST, port: 0 }, (fd) => {
              accepted.push(new SocketBufferEvent(base, fd));
            });
            using http = new HttpServer(
              base,
              {},
              (request) => request.target === "/never" ? undefined : answer(request),
            );
            const port = server === "active" ? http.listen({ host: HOST, port: 0 }).port : listener.port;
            const resolver = resolving(lookup === "never ends" ? "never" : lookup === "fails" ? [] : [HOST]);
            const host = lookup === "none" ? HOST : "example.test";
            using connection = new HttpClientConnection(base, { host, port }, { resolver });
            const outcomes: string[] = [];
            const request = connection.request("/never", {}, (_, error) => void outcomes.push(error!.code));
            const another = connection.request("/never", {}, (_, error) => void outcomes.push(error!.code));
            if (lookup === "fails") await eventually(() => outcomes.length === 2, "there is no address");
            else if (lookup !== "never ends") await eventually(() => connection.isConnected, "it is connected");
            request.cancel();
            another.cancel();
            const failed = lookup === "fails";
            assertEquals(
              outcomes,
              Array(2).fill(failed ? "HTTP_CONNECT_FAILED" : "HTTP_CANCELLED"),
              `${server}, ${lookup}`,
            );
            if (server === "active" && (lookup === "none" || lookup === "works")) {
              assertEquals((await connection.send("/")).status, 200);
            }
            for (const peer of accepted) peer.close();
          });
        }
      }
    });

    it("makes requests over a Unix socket, also when something stood at its path before", () =>
      alongside(base, async () => {
        const path = `\0evbase-regress-${crypto.randomUUID()}`;
        using server = new HttpServer(base, {}, answer);
        server.listen({ path });
        using connection = new HttpClientConnection(base, { unixPath: path });
        assertEquals((await connection.send("/")).text(), "GET / for localhost");
        const stream = await openStream(base, { unixPath: path });
        using existing = HttpClientConnection.over(stream, { unixPath: path });
        assertEquals((await existing.send("/x")).text(), "GET /x for localhost");
      }));

    it("queues requests that are made before there is a connection, and from inside callbacks", () =>
      alongside(base, async () => {
        using server = new HttpServer(base, {}, answer);
        const { port } = server.listen({ host: HOST, port: 0 });
        using connection = new HttpClientConnection(base, { host: HOST, port });
        const targets: string[] = [];
        await new Promise<void>((resolve) => {
          for (const target of ["/1", "/2", "/3"]) {
            connection.request(target, {}, (response) => {
              targets.push(response!.text().split(" ")[1]!);
              connection.request(`${target}/again`, {}, (response) => {
                targets.push(response!.text().split(" ")[1]!);
                if (targets.length === 6) resolve();
              });
            });
          }
        });
        assertEquals(targets, ["/1", "/2", "/3", "/1/again", "/2/again", "/3/again"]);
      }));

    it("gets chunks as they come, and can stop in the middle of them", () =>
      alongside(base, async () => {
        using server = new HttpServer(base, {}, answer);
        const { port } = server.listen({ host: HOST, port: 0 });
        using connection = new HttpClientConnection(base, { host: HOST, port });
        let text = "";
        await connection.send("/chunked", { onData: (bytes) => void (text += new TextDecoder().decode(bytes)) });
        assertEquals(text, Array.from({ length: 100 }, (_, index) => `piece ${index};`).join(""));
        const error = await rejection(connection.send("/chunked", { onData: (_, __, request) => request.cancel() }));
        assertEquals((error as HttpClientError).code, "HTTP_CANCELLED");
        assertEquals((await connection.send("/")).status, 200);
      }));

    it("finds its server by the family that is asked for, and tells its address", () =>
      alongside(base, async () => {
        using server = new HttpServer(base, {}, answer);
        const { port } = server.listen({ host: HOST, port: 0 });
        server.listen({ host: "::1", port });
        const resolver = resolving(["::1", HOST]);
        for (
          const [family, expected] of [["ipv4", HOST], ["ipv6", "::1"], ["any", "::1"]] as const
        ) {
          using connection = new HttpClientConnection(base, { host: "example.test", port }, { resolver, family });
          const response = await connection.send("/");
          assertEquals(response.text(), `GET / for example.test:${port}`);
          const address = connection.remoteAddress as { readonly host: string; readonly port: number };
          assertEquals([address.host, address.port], [expected, port]);
        }
      }));

    it("gives up waiting for a server that says nothing, as soon as it was told to", () =>
      alongside(base, async () => {
        using server = new HttpServer(base, {}, answer);
        const { port } = server.listen({ host: HOST, port: 0 });
        using connection = new HttpClientConnection(base, { host: HOST, port }, { readTimeoutMs: 100 });
        const startMs = performance.now();
        const error = await rejection(connection.send("/never")) as HttpClientError;
        assertEquals(error.code, "HTTP_TIMEOUT");
        assert(performance.now() - startMs >= 90);
      }));

    it("connects again to the address that it knows, though the name leads elsewhere now", () =>
      alongside(base, async () => {
        const server = new HttpServer(base, {}, answer);
        const { port } = server.listen({ host: OWN_HOST, port: 0 });
        const answers = [[{ host: OWN_HOST }], [{ host: "127.0.0.77" }]];
        const resolver = { resolve: () => answers.shift() ?? [] };
        using connection = new HttpClientConnection(base, { host: "example.test", port }, {
          resolver,
          reuseConnectedAddress: true,
          retries: -1,
          initialRetryMs: 5,
        });
        await connection.send("/");
        server.close();
        await eventually(() => !connection.isConnected, "the end is noticed");
        const pending = connection.send("/");
        assertEquals(await isPending(pending), true);
        using again = new HttpServer(base, {}, answer);
        again.listen({ host: OWN_HOST, port });
        assertEquals((await pending).status, 200);
        assertEquals(answers.length, 1);
      }));
  });
});
