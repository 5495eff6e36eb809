/** A client that goes through proxies of HTTP and SOCKS. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { HttpClient, HttpServer, type ProxyOptions } from "../../src/http/mod.ts";
import { alongside, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { echo } from "./client_beside.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  describe("HttpClient goes through a proxy", () => {
    it("which is asked directly for http, with its credentials", () =>
      alongside(base, async () => {
        using proxy = new ScriptedServer(base, answering(ok("1"), ok("2")));
        const options = {
          kind: "http",
          host: HOST,
          port: proxy.port,
          credentials: { user: "u", password: "p" },
        } as const;
        using client = new HttpClient(base, { proxy: options });
        assertEquals((await client.request("http://example.test/a?b")).text(), "1");
        assertEquals((await client.request("http://other.test:81/")).text(), "2");
        assertEquals(proxy.peers.length, 1);
        assertEquals(proxy.peers[0]!.received.split("\r\n").filter((line) => line !== ""), [
          "GET http://example.test/a?b HTTP/1.1",
          "Host: example.test",
          "Proxy-Authorization: Basic dTpw",
          "GET http://other.test:81/ HTTP/1.1",
          "Host: other.test:81",
          "Proxy-Authorization: Basic dTpw",
        ]);
      }));

    it("over one connection, however often it is described, and with fields of its own", () =>
      alongside(base, async () => {
        using proxy = new ScriptedServer(base, answering(ok("1"), ok("2"), ok("3")));
        const headers = { "User-Agent": "proxied", "Proxy-Authorization": "Bearer token", Host: "ignored" };
        let secret = "a";
        using client = new HttpClient(base, {
          proxy: () => ({ kind: "http", host: HOST, port: proxy.port, headers: { ...headers, "X-Secret": secret } }),
        });
        await client.request("http://example.test/");
        await client.request("http://example.test/", { headers: { "user-agent": "mine" } });
        assertEquals([proxy.peers.length, client.connectionCount], [1, 1]);
        assertEquals(proxy.peers[0]!.received.split("\r\n").filter((line) => line !== ""), [
          "GET http://example.test/ HTTP/1.1",
          "Host: example.test",
          "User-Agent: proxied",
          "Proxy-Authorization: Bearer token",
          "X-Secret: a",
          "GET http://example.test/ HTTP/1.1",
          "Host: example.test",
          "user-agent: mine",
          "Proxy-Authorization: Bearer token",
          "X-Secret: a",
        ]);
        secret = "b";
        await client.request("http://example.test/");
        assertEquals(proxy.peers.length, 2);
      }));

    it("that is nowhere only for whom it was to go by, also when connections have to be waited for", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok("1"), ok("2"), ok("1"), ok("2")));
        for (const nowhere of [{ host: HOST, port: 0 }, { host: "no host", port: 80 }]) {
          const proxy = ({ pathname }: URL): ProxyOptions | null =>
            pathname === "/proxy" ? { kind: "http", ...nowhere } : null;
          using client = new HttpClient(base, { maxConnections: 1, proxy });
          const url = `http://${HOST}:${server.port}`;
          const first = client.request(`${url}/1`);
          const refused = await rejection(client.request(`${url}/proxy`));
          assertInstanceOf(refused, nowhere.port === 0 ? RangeError : TypeError);
          const last = client.request(`${url}/2`);
          assertEquals(client.waitingCount, 1);
          assertEquals([(await first).text(), (await last).text()], ["1", "2"]);
          assertEquals([client.waitingCount, client.connectionCount], [0, 1]);
        }
      }));

    it("of no kind that is not known", async () => {
      const proxy = { kind: "https", host: HOST, port: 1 } as unknown as ProxyOptions;
      using client = new HttpClient(base, { proxy });
      const error = await rejection(client.request("http://example.test/"));
      assertInstanceOf(error, TypeError);
      assert(error.message.includes('"https"'), error.message);
    });

    itNeeds(
      "openssl",
      "openssl",
      "which opens a tunnel for https, or is left out for some URLs",
      () =>
        alongside(base, async () => {
          using serverTls = serverContext();
          using clientTls = clientContext();
          using server = new HttpServer(base, {}, echo);
          const { port } = server.listen({ host: HOST, port: 0, tls: serverTls });
          let asked = "";
          using proxy = new ScriptedServer(base, (peer) => {
            asked = peer.received;
            peer.say("HTTP/1.1 200 OK\r\n\r\n");
            const { stream } = peer;
            const far = new SocketBufferEvent(base);
            far.connect({ family: "ipv4", host: HOST, port });
            stream.setCallbacks({ read: () => far.write(stream.input.take()), event: () => far.close() });
            far.setCallbacks({ read: () => stream.write(far.input.take()) });
            far.enable(EV_READ);
          });
          const options = { kind: "http", host: HOST, port: proxy.port } as const;
          using client = new HttpClient(base, {
            tls: clientTls,
            proxy: (url) => url.pathname === "/direct" ? null : options,
          });
          assertEquals((await client.request(`https://localhost:${port}/x`)).text(), "GET /x  ");
          assert(asked.startsWith(`CONNECT localhost:${port} HTTP/1.1\r\n`));
          assertEquals((await client.request(`https://localhost:${port}/direct`)).text(), "GET /direct  ");
          assertEquals(proxy.peers.length, 1);
        }),
    );
  });
});
