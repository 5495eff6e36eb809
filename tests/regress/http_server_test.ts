/** Counterparts of libevent's regress cases for its HTTP server (group http); what its clients sent there stands here as bytes. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, it } from "@std/testing/bdd";
import { EV_TIMEOUT, type EventBase, SystemError } from "../../src/core/mod.ts";
import {
  EVHTTP_REQ_COPY,
  EVHTTP_REQ_DELETE,
  EVHTTP_REQ_GET,
  EVHTTP_REQ_HEAD,
  EVHTTP_REQ_LOCK,
  EVHTTP_REQ_MKCOL,
  EVHTTP_REQ_MOVE,
  EVHTTP_REQ_PATCH,
  EVHTTP_REQ_PROPFIND,
  EVHTTP_REQ_PROPPATCH,
  EVHTTP_REQ_PUT,
  EVHTTP_REQ_UNLOCK,
  HttpHost,
  type HttpRequest,
  HttpServer,
} from "../../src/http/mod.ts";
import { runFor, settle, until } from "../core/bufferevent_support.ts";
import { BareClient } from "../http/bare_client.ts";
import { forEachBackend } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { BODY, bodyOf, exchange, get, RegressClient, regressServer } from "./http_server_support.ts";

const CUSTOM = 0x10000;

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => {
    base = backend.newBase();
  });
  afterEach(() => base.close());

  it("virtual hosts answer for their names and aliases, and nobody for the rest", () => {
    using server = regressServer(base, { leniency: { allowHostMismatch: true } });
    const { port } = server.listen({ port: 0 });
    const [second, third] = [new HttpHost(), new HttpHost()];
    second.route("/funnybunny", (request) => request.reply(200, BODY));
    third.route("/blackcoffee", (request) => request.reply(200, BODY));
    server.addVirtualHost("foo.com", second);
    server.addVirtualHost("bar.*.foo.com", third);
    second.addAlias("manolito.info");
    third.addAlias("bonkers.org");
    const ask = (target: string, host: string): string =>
      exchange(base, port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assertMatch(ask("/funnybunny", "somehost"), /^HTTP\/1\.1 404 /);
    const good = [
      ["/funnybunny", "foo.com"],
      ["/blackcoffee", "bar.magic.foo.com"],
      ["/funnybunny", "manolito.info"],
      ["/blackcoffee", "bonkers.org:8000"],
      // The host of the target is the one that counts.
      ["http://manolito.info/funnybunny", "somehost"],
    ] as const;
    for (const [target, host] of good) assertEquals(bodyOf(ask(target, host)), BODY, `${target} at ${host}`);
  });

  it("POST and PUT bring their bodies, and every other method that is allowed its request", () => {
    const methods = [
      ["DELETE", EVHTTP_REQ_DELETE],
      ["PROPFIND", EVHTTP_REQ_PROPFIND],
      ["PROPPATCH", EVHTTP_REQ_PROPPATCH],
      ["MKCOL", EVHTTP_REQ_MKCOL],
      ["LOCK", EVHTTP_REQ_LOCK],
      ["UNLOCK", EVHTTP_REQ_UNLOCK],
      ["COPY", EVHTTP_REQ_COPY],
      ["MOVE", EVHTTP_REQ_MOVE],
    ] as const;
    for (const [name, bit] of methods) {
      const seen: number[] = [];
      using server = new HttpServer(base, { allowedMethods: bit }, (request) => {
        seen.push(request.methodId);
        request.reply(200, BODY);
      });
      const { port } = server.listen({ port: 0 });
      // As in C's test there are bytes behind the request that nobody has announced.
      const reply = exchange(base, port, `${name} /it HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\n\r\nbody`);
      assertEquals([bodyOf(reply), seen], [BODY, [bit]], name);
    }
    using server = regressServer(base);
    const { port } = server.listen({ port: 0 });
    for (const [name, path] of [["POST", "/postit"], ["PUT", "/putit"]] as const) {
      const data = "Okay.  Not really printf";
      const request =
        `${name} ${path} HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\nContent-Length: ${data.length}\r\n\r\n${data}`;
      assertEquals(bodyOf(exchange(base, port, request)), `${name} ${data}`);
    }
  });

  it("a custom method reaches its handler, a known one that is not allowed gets 405, and an unknown one 501", () => {
    const customMethods = [{ name: "CUSTOM", id: CUSTOM, hasBody: false }];
    using server = new HttpServer(base, { allowedMethods: EVHTTP_REQ_PATCH | CUSTOM, customMethods }, (request) => {
      request.reply(200, String(request.methodId));
    });
    const { port } = server.listen({ port: 0 });
    const verdicts = [["GET", 405], ["PATCH", 200], ["FLOOP", 501], ["CUSTOM", 200]] as const;
    for (const [method, status] of verdicts) {
      const request = `${method} /test HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\n\r\n`;
      assertMatch(exchange(base, port, request), new RegExp(`^HTTP/1\\.1 ${status} `), method);
    }
    assertEquals(bodyOf(exchange(base, port, get("/x").replace("GET", "CUSTOM"))), String(CUSTOM));
  });

  it("what is no request gets 400", () => {
    using server = regressServer(base);
    const { port } = server.listen({ port: 0 });
    assertMatch(exchange(base, port, "illegal request\r\n"), /^HTTP\/1\.1 400 Bad Request\r\n/);
  });

  it("a target with a query reaches the handler of its path", () => {
    using server = regressServer(base);
    const { port } = server.listen({ port: 0 });
    const reply = exchange(base, port, get("/?arg=val"));
    assertStringIncludes(reply, "\r\nContent-Type: text/plain");
    assertEquals(bodyOf(reply), "DISPATCHER_TEST");
  });

  it("one of the highest ports can be listened on", () => {
    for (let down = 0; down < 50; down++) {
      using server = regressServer(base);
      try {
        assertEquals(server.listen({ port: 65_535 - down }).port, 65_535 - down);
        return;
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EADDRINUSE") throw error;
      }
    }
    assert(false, "all of them are taken");
  });

  it("a client that says nothing, or ends its side after a reply, gets no 400 for that", () => {
    using server = regressServer(base);
    const { port } = server.listen({ port: 0 });
    const silent = new RegressClient(base, port);
    until(base, () => server.connectionCount === 1, "it has come");
    silent.stream.closeAfterFlush();
    until(base, () => server.connectionCount === 0, "it is forgotten");
    assertEquals(silent.text, "");

    using client = BareClient.tcp(port);
    until(base, () => server.connectionCount === 1, "it has come");
    client.send("GET /test HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    until(base, () => (client.read(), client.received.includes(BODY)), "it is answered");
    client.endWriting();
    until(base, () => server.connectionCount === 0, "it is forgotten");
    client.read();
    assertStringIncludes(client.received, "\r\nContent-Type: text/plain");
    assertEquals([bodyOf(client.received), client.standing], [BODY, "ended"]);
  });

  it("a half request gets 400 when its client ends its side, and 408 when its time is up", () =>
    withVirtualTime(backend, (base) => {
      using server = regressServer(base, { headerTimeoutMs: 1000 });
      using ending = BareClient.paired(server);
      using waiting = BareClient.paired(server);
      for (const client of [ending, waiting]) client.send("GET /test HTTP/1.1\r\nHost: somehost\r\n");
      settle(base);
      ending.endWriting();
      settle(base);
      ending.read();
      assertMatch(ending.received, /^HTTP\/1\.1 400 /);
      assertEquals(ending.standing, "ended");
      runFor(base, 900);
      assertEquals(waiting.read(), "");
      runFor(base, 200);
      assertMatch(waiting.read(), /^HTTP\/1\.1 408 /);
      runFor(base, 1500);
      assertEquals(server.connectionCount, 0);
    }));

  it("an idle connection is closed when its time is up, and one whose reply is late when it has gone", () =>
    withVirtualTime(backend, (base) => {
      const waiting: HttpRequest[] = [];
      using server = regressServer(base, { keepAliveTimeoutMs: 100 });
      server.route("/largedelay", (request) => void waiting.push(request));
      using client = BareClient.paired(server);
      client.send("GET /test HTTP/1.1\r\nHost: somehost\r\n\r\n");
      settle(base);
      assertEquals(bodyOf(client.read()), BODY);
      runFor(base, 600);
      client.read();
      assertEquals([client.standing, server.connectionCount], ["ended", 0]);

      using late = BareClient.paired(server);
      late.send("GET /largedelay HTTP/1.1\r\nHost: somehost\r\n\r\n");
      runFor(base, 500);
      assertEquals(waiting.length, 1);
      late.close();
      runFor(base, 500);
      waiting[0]!.reply(200, BODY);
      settle(base);
      assertEquals(server.connectionCount, 0);
    }));

  it("a client that goes while a handler sends chunks ends them, and the handler is told", () => {
    for (const isOneShot of [false, true]) {
      let [told, sent] = [0, 0];
      let request: HttpRequest | undefined;
      // Where nothing is sent any more, a client that ends its side has to count as gone to be noticed.
      using server = regressServer(base, { allowHalfClose: !isOneShot }, (asked) => {
        request = asked;
        asked.onClose = () => void told++;
        asked.connection.onClose = () => void told++;
        asked.replyStart(200);
        const trickle = (): void => {
          if (asked.finished) return;
          asked.replyChunk(`${sent++}`);
          if (!isOneShot) base.once(-1, EV_TIMEOUT, trickle, 3);
        };
        base.once(-1, EV_TIMEOUT, trickle, 3);
      });
      const { port } = server.listen({ port: 0 });
      const client = new RegressClient(base, port).send("GET /test HTTP/1.1\r\nHost: some\r\n\r\n");
      client.until("\r\n\r\n1\r\n0");
      client.stream.close();
      until(base, () => told === 2, "it is told");
      assertEquals([server.connectionCount, request?.finished], [0, true]);
    }
  });

  it("a handler learns when its reply has left", () => {
    const told: string[] = [];
    using server = regressServer(base, {}, (request) => {
      request.onComplete = (isSent) => void told.push(`sent ${isSent}, ${request.finished}`);
      request.reply(200, BODY);
      told.push("replied");
    });
    assertEquals(bodyOf(exchange(base, server.listen({ port: 0 }).port, get("/test"))), BODY);
    assertEquals(told, ["replied", "sent true, true"]);
  });

  it("folded fields are joined where that is allowed, and refused where it is not", () => {
    const seen: (string | null | undefined)[] = [];
    const fields =
      "X-Multi-Extra-WS:  libevent  \r\n\t\t\t2.1 \r\nX-Multi:  aaaaaaaa\r\n a\r\n\tEND\r\nX-Last: last\r\n";
    for (const allowObsFold of [true, false]) {
      using server = regressServer(base, { leniency: { allowObsFold } }, (request) => {
        for (const name of ["X-Multi", "X-Multi-Extra-WS", "X-Last"]) seen.push(request.headers.get(name));
        request.reply(200, BODY);
      });
      const { port } = server.listen({ port: 0 });
      assertMatch(exchange(base, port, get("/test", fields)), allowObsFold ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 400 /);
    }
    assertEquals(seen, ["aaaaaaaa a END", "libevent 2.1", "last"]);
  });

  it("a negative length is refused in a request, and cannot be sent in a reply", () => {
    const thrown: unknown[] = [];
    using server = regressServer(base, { onError: (error) => void thrown.push(error) }, (request) => {
      if (request.headers.has("x-negative")) request.replyStart(200, { "Content-Length": "-100" });
      else request.reply(200, BODY, { "Content-Length": "-100" });
    });
    const { port } = server.listen({ port: 0 });
    const post = "POST /postit HTTP/1.1\r\nHost: somehost\r\nContent-Length: -100\r\n\r\n";
    assertMatch(exchange(base, port, post), /^HTTP\/1\.1 400 /);
    assertMatch(exchange(base, port, get("/test", "X-Negative: makeitso\r\n")), /^HTTP\/1\.1 500 /);
    assert(thrown[0] instanceof RangeError);
    // For a whole reply the length is ours to say.
    const reply = exchange(base, port, get("/test"));
    assertStringIncludes(reply, `\r\nContent-Length: ${BODY.length}\r\n`);
    assert(!reply.includes("-100"));
  });

  it("chunks are put together, however they are cut, and a size like 0xe is refused", () => {
    using server = regressServer(base);
    const { port } = server.listen({ port: 0 });
    const head =
      "POST /chunked_input HTTP/1.1\r\nHost: somehost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    const client = new RegressClient(base, port).send(head);
    for (let chunk = 0; chunk < 3; chunk++) {
      client.send("e\r\n").send(BODY).send("\n\r\n");
      settle(base);
    }
    assertEquals(bodyOf(client.send("0\r\n\r\n").untilOver()), `${BODY}\n`.repeat(3));
    const malformed = new RegressClient(base, port).send(`${head}0xe\r\n${BODY}\n\r\n0\r\n\r\n`);
    assertMatch(malformed.untilOver(), /^HTTP\/1\.1 400 Bad Request\r\n/);
  });

  it("what is too long is refused, each with its own status, and what is expected only if it can be had", () => {
    const size = 3 << 20;
    const long = "a".repeat(size - 1);
    using server = regressServer(base, {
      limits: { maxHeaderBytes: size - 1, maxTargetBytes: size - 1, maxBodyBytes: size - 2 },
    });
    const { port } = server.listen({ port: 0 });
    const post = (fields: string, length: number): string =>
      `POST /postit HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\nContent-Length: ${length}\r\n${fields}\r\n`;
    const verdict = (request: string): string | undefined =>
      /^HTTP\/1\.1 (\d+)/.exec(exchange(base, port, request))?.[1];
    assertEquals(verdict(get("/?arg=val", `Longheader: ${long}\r\n`)), "431");
    assertEquals(verdict(get(`/${long}`)), "414");
    assertEquals(verdict(post("", long.length) + long), "413");
    assertEquals(verdict(post("Expect: 100-continue\r\n", long.length)), "413");
    assertEquals(verdict(post("Expect: 101-continue\r\n", 1 << 20)), "417");
    const part = long.slice(0, 1 << 20);
    const client = new RegressClient(base, port).send(post("Expect: 100-continue\r\n", part.length));
    assertEquals(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    assert(client.send(part).untilOver().endsWith(`POST ${part}`));
  });

  it("a reply reaches a client that is still sending what nobody wants", () => {
    using server = regressServer(base, { limits: { maxBodyBytes: 3 << 19 } });
    const { port } = server.listen({ port: 0 });
    const client = new RegressClient(base, port);
    client.send(`POST / HTTP/1.1\r\nHost: somehost\r\nContent-Length: ${3 << 20}\r\n\r\n${"a".repeat(3 << 20)}`);
    client.stream.endWriting();
    assertMatch(client.untilOver(), /^HTTP\/1\.1 413 /);
    assertEquals(client.failed, false);
  });

  it("HEAD brings no body, whatever its request brings", () => {
    using server = regressServer(base, { allowedMethods: EVHTTP_REQ_HEAD });
    server.setHandler((request) => request.reply(200, BODY));
    server.route("/timeout", (request) => base.once(-1, EV_TIMEOUT, () => request.reply(200, BODY), 1));
    const { port } = server.listen({ port: 0 });
    const extra = "this is the body that HEAD should not have".repeat(10_000);
    for (const path of ["/timeout", "/__gencb__"]) {
      const head =
        `HEAD ${path} HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\nContent-Length: ${extra.length}\r\n\r\n`;
      const reply = exchange(base, port, head + extra);
      assertStringIncludes(reply, `\r\nContent-Length: ${BODY.length}\r\n`);
      assertEquals([reply.slice(0, 13), bodyOf(reply)], ["HTTP/1.1 200 ", ""]);
    }
  });

  it("errors have pages of the server's own where it makes one, and are said by the handler where it does", () => {
    const allowedMethods = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE;
    const cases = [
      // Whether there is a handler, what the page maker returns, the method, and what comes of it.
      [false, null, "GET", 404, /There is nothing at/],
      [false, null, "POST", 405, /Method Not Allowed/],
      [true, null, "GET", 404, /404 Not Found/],
      [true, null, "POST", 405, /Method Not Allowed/],
      [false, "own", "GET", 404, /^404$/],
      [false, undefined, "POST", 405, /Method Not Allowed/],
      [true, "own", "GET", 404, /^404$/],
      [true, "own", "POST", 405, /^405$/],
      [false, undefined, "GET", 404, /There is nothing at/],
    ] as const;
    for (const [hasHandler, page, method, status, content] of cases) {
      const onErrorPage = page === null ? undefined : (code: number) => page === "own" ? String(code) : undefined;
      using server = new HttpServer(base, { allowedMethods, onErrorPage });
      if (hasHandler) server.setHandler((request) => request.replyError(404));
      const request = `${method} /missing HTTP/1.1\r\nHost: somehost\r\nConnection: close\r\n\r\n`;
      const reply = exchange(base, server.listen({ port: 0 }).port, request);
      assertMatch(reply, new RegExp(`^HTTP/1\\.1 ${status} `));
      assertStringIncludes(reply, "\r\nContent-Type: text/html");
      assertMatch(bodyOf(reply), content);
    }
  });

  it("a request that is not welcome ends its connection, and no other", () => {
    let noticed = 0;
    using server = regressServer(base, { onNewRequest: () => ++noticed % 7 !== 1 });
    const { port } = server.listen({ port: 0 });
    const clients = Array.from({ length: 100 }, () => new RegressClient(base, port).send(get("/test")));
    const replies = clients.map((client) => client.untilOver());
    assertEquals(noticed, 100);
    assertEquals(replies.filter((reply) => reply === "").length, Math.ceil(100 / 7));
    assertEquals(replies.filter((reply) => reply !== "").every((reply) => bodyOf(reply) === BODY), true);
  });

  it("a connection over the limit gets 503, and those within it what they asked for", () => {
    using server = regressServer(base, { maxConnections: 1 });
    const { port } = server.listen({ port: 0 });
    const first = new RegressClient(base, port).send("GET /test HTTP/1.1\r\nHost: somehost\r\n\r\n");
    first.until(BODY);
    assertMatch(exchange(base, port, get("/test")), /^HTTP\/1\.1 503 /);
    first.stream.close();
    until(base, () => server.connectionCount === 0, "there is room");
    assertEquals(bodyOf(exchange(base, port, get("/test"))), BODY);
  });

  it("a body that comes late, but in time, is waited for", () =>
    withVirtualTime(backend, (base) => {
      using server = regressServer(base, { writeTimeoutMs: 100, bodyTimeoutMs: 500 });
      using client = BareClient.paired(server);
      const data = "Okay.  Not really printf";
      client.send(`POST /postit HTTP/1.1\r\nHost: somehost\r\nContent-Length: ${data.length}\r\n\r\n`);
      runFor(base, 400);
      assertEquals(client.read(), "");
      client.send(data);
      settle(base);
      assertEquals(bodyOf(client.read()), `POST ${data}`);
    }));

  it("routes are set once, and can be taken away and set again", () => {
    using server = new HttpServer(base);
    const answer = (request: HttpRequest): void => request.reply(200);
    server.route("/test", answer);
    assertThrows(() => server.route("/test", answer), Error, "it has a handler already");
    assertEquals([server.unroute("/test"), server.unroute("/test")], [true, false]);
    server.route("/test", answer);
  });
});
