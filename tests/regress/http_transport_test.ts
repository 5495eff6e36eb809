/** Counterparts of those of libevent's regress cases for its HTTP server that run plainly and over TLS (http and https_openssl_ by the same name). */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it as itPlainly } from "@std/testing/bdd";
import { EV_READ, type EventBase, type Listener } from "../../src/core/mod.ts";
import type { HttpServer } from "../../src/http/mod.ts";
import type { TlsContext } from "../../src/tls/mod.ts";
import { until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { BODY, bodyOf, CHUNKS, get, RegressClient, regressServer } from "./http_server_support.ts";

for (const isTls of [false, true]) {
  const it = isTls ? itNeeds.bind(null, "openssl", "openssl") : itPlainly;
  describe(isTls ? "an HTTP server by TLS" : "an HTTP server", () => {
    forEachBackend((backend) => {
      let base: EventBase;
      let contexts: { server: TlsContext; client: TlsContext } | undefined;
      let server: HttpServer;

      beforeEach(() => {
        base = backend.newBase();
        contexts = isTls ? { server: serverContext(), client: clientContext() } : undefined;
        server = regressServer(base, { leniency: { allowHostMismatch: true } });
      });
      afterEach(() => {
        server.close();
        contexts?.server.close();
        contexts?.client.close();
        base.close();
      });

      const listen = (): Listener => server.listen({ port: 0, tls: contexts?.server });
      const connect = (port: number): RegressClient => new RegressClient(base, port, contexts?.client);

      it("answers a request in two halves, a whole one and one with a whole URI, on both of its sockets", () => {
        const [first, second] = [listen(), listen()];
        const halves = connect(first.port).send("GET /test HTTP/1.1\r\nHost: some");
        until(base, () => server.connectionCount === 1, "it has come");
        const replies = [
          halves.send("host\r\nConnection: close\r\n\r\n").untilOver(),
          connect(second.port).send(get("/test")).untilOver(),
          connect(second.port).send(get("http://somehost.net/test")).untilOver(),
        ];
        for (const reply of replies) {
          assertStringIncludes(reply, "\r\nContent-Type: ");
          assertEquals(bodyOf(reply), BODY);
        }
      });

      it("says that half a request is none when its client ends its side", () => {
        const client = connect(listen().port).send("GET /test HTTP/1.1\r\nHost: somehost\r\n");
        client.stream.endWriting();
        assertStringIncludes(client.untilOver(), "HTTP/1.1 400 Bad Request\r\n");
        assertEquals(client.failed, false);
      });

      it("does not wait for ever for the other half of a request", () => {
        server.setTimeouts({ headerTimeoutMs: 10 });
        const client = connect(listen().port).send("GET /test HTTP/1.1\r\nHost: somehost\r\n");
        assertStringIncludes(client.untilOver(), "HTTP/1.1 408 Request Timeout\r\n");
      });

      it("sends chunks as they are made, and keeps the connection for the next request", () => {
        const { port } = listen();
        const chunked = CHUNKS.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("") + "0\r\n\r\n";
        const reply = connect(port).send(get("/chunked")).untilOver();
        assertStringIncludes(reply, "\r\nTransfer-Encoding: chunked\r\n");
        assertStringIncludes(reply, "\r\nConnection: close\r\n");
        assertEquals(bodyOf(reply), chunked);
        const client = connect(port);
        for (let round = 0; round < 2; round++) {
          client.text = "";
          client.send("GET /chunked HTTP/1.1\r\nHost: somehost\r\n\r\n").until("0\r\n\r\n");
          assertEquals(bodyOf(client.text), chunked);
        }
        assertEquals(server.connectionCount, 1);
        client.stream.close();
      });

      it("sends pieces of a body whose length it has said", () => {
        const reply = connect(listen().port).send(get("/streamed")).untilOver();
        assertStringIncludes(reply, "\r\nContent-Length: 39\r\n");
        assert(!reply.includes("Transfer-Encoding"));
        assertEquals(bodyOf(reply), CHUNKS.join(""));
      });

      it("survives a client that sends what is no request while its large reply is under way, and then goes", () => {
        const { port } = listen();
        const client = connect(port);
        client.stream.disable(EV_READ);
        client.send("GET /large HTTP/1.1\r\nHost: somehost\r\n\r\n");
        until(base, () => server.connectionCount === 1, "it has come");
        client.send("foobar");
        base.loopExit(10);
        base.dispatch();
        client.stream.close();
        until(base, () => server.connectionCount === 0, "it is forgotten");
        assertEquals(bodyOf(connect(port).send(get("/test")).untilOver()), BODY);
      });
    });
  });
}
