import { assert, assertEquals, assertLessOrEqual, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectNet } from "node:net";
import { join } from "node:path";
import {
  EV_READ,
  EV_TIMEOUT,
  EventBase,
  EVLOOP_NONBLOCK,
  Listener,
  PairBufferEvent,
  SocketBufferEvent,
  socketPair,
} from "../../src/core/mod.ts";
import { open, os } from "../../src/ffi/mod.ts";
import { type HttpHandler, HttpServer, type StreamMaker } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { HttpClient } from "../support/http_client.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { echo, eventually, get, post, withServer } from "./server_support.ts";

const whoAmI: HttpHandler = (request) => request.reply(200, JSON.stringify(request.remoteAddress));

describe("an HttpServer over TLS", () => {
  const { authority } = testCertificates();

  forEachBackend((backend) => {
    it("answers as it does without", () =>
      withServer({}, (request) => {
        if (request.path === "/large") request.reply(200, request.body);
        else if (request.path === "/address") whoAmI(request);
        else echo(request);
      }, async ({ server }) => {
        using context = serverContext();
        const { port } = server.listen({ port: 0, tls: context });
        using client = await HttpClient.connectTls(port, authority.certificate);
        const large = "0123456789abcdef".repeat(40_000);
        for (let round = 0; round < 3; round++) {
          client.send(get("/a") + post("/b", "body") + post("/large", large) + get("/address") + get("/c"));
          assertEquals((await client.reply()).body, "GET /a ");
          assertEquals((await client.reply()).body, "POST /b body");
          assertEquals((await client.reply()).body === large, true);
          assertStringIncludes((await client.reply()).body, `"127.0.0.1"`);
          assertEquals((await client.reply()).body, "GET /c ");
        }
        const last = "y".repeat(3_000_000);
        const text = await client.send(post("/large", last, "Connection: close\r\n")).untilClose();
        assert(text.endsWith(`\r\n\r\n${last}`), "the last reply came whole");
        await eventually("it is forgotten", () => server.connectionCount === 0);
      }, backend.newBase()));
  });

  it("sends files, which have to be read for that", () =>
    withServer({}, (request) => {
      const fd = fileDescriptor();
      request.replyFile(200, { fd, offset: 0, length: 40, closeOnFree: true });
    }, async ({ server }) => {
      using context = serverContext();
      const { port } = server.listen({ port: 0, tls: context });
      const counts: number[] = [];
      for (let round = 0; round < 4; round++) {
        using client = await HttpClient.connectTls(port, authority.certificate);
        assertStringIncludes((await client.send(get("/")).reply()).body, "import { assert");
        client.close();
        await eventually("the connection is forgotten", () => server.connectionCount === 0);
        counts.push(openDescriptorCount());
      }
      // The first one may have had a runtime open something for good.
      assert(counts[3]! <= counts[1]!, counts.join());
    }));

  it("survives clients that speak no TLS, and tells of them who asks", async () => {
    const codes: string[] = [];
    await withServer({ onConnectionError: ({ code }) => void codes.push(code) }, echo, async ({ server }) => {
      using context = serverContext();
      const { port } = server.listen({ port: 0, tls: context });
      using plain = await HttpClient.connect(port);
      await plain.send(get("/")).untilGone();
      using client = await HttpClient.connectTls(port, authority.certificate);
      assertEquals((await client.send(get("/x")).reply()).body, "GET /x ");
      assertEquals(codes.length, 1);
      assert(codes[0]!.startsWith("TLS_"), codes[0]);
    });
  });

  it("refuses connections over the limit in the same way", () =>
    withServer({ maxConnections: 1 }, echo, async ({ server }) => {
      using context = serverContext();
      const { port } = server.listen({ port: 0, tls: context });
      using first = await HttpClient.connectTls(port, authority.certificate);
      await first.send(get("/")).reply();
      using second = await HttpClient.connectTls(port, authority.certificate);
      assertStringIncludes(await second.untilGone(), "HTTP/1.1 503 ");
    }));

  it("takes the side of a server only", () => {
    using base = new EventBase();
    using server = new HttpServer(base);
    using context = clientContext();
    const before = openDescriptorCount();
    assertThrows(() => server.listen({ port: 0, tls: context }), TypeError, `role is "client"`);
    // Fewer where the runtime has only now closed what was a client's.
    assertLessOrEqual(openDescriptorCount(), before);
  });
});

describe("what an HttpServer listens on", () => {
  it("may be several sockets, which can be looked at and given up one by one", () =>
    withServer({}, echo, async ({ server, port }) => {
      const second = server.listen({ port: 0 });
      assertEquals(server.listeners.map((each) => each.port), [port, second.port]);
      using client = await HttpClient.connect(second.port);
      assertEquals((await client.send(get("/1")).reply()).body, "GET /1 ");
      assertEquals([server.unlisten(second), server.unlisten(second), second.closed], [true, false, true]);
      assertEquals((await client.send(get("/2")).reply()).body, "GET /2 ");
      assertEquals(server.listeners.map((each) => each.port), [port]);
    }));

  it("may be a listener that exists, or a listening descriptor", () =>
    withServer({}, echo, async ({ base, server }) => {
      const listener = new Listener(base, { port: 0 });
      server.adoptListener(listener);
      server.adoptListener(listener);
      using first = await HttpClient.connect(listener.port);
      assertEquals((await first.send(get("/1")).reply()).body, "GET /1 ");
      const owner = new Listener(base, { port: 0, disabled: true, keepOpen: true });
      server.listen({ fd: owner.fd });
      owner.close();
      using second = await HttpClient.connect(owner.port);
      assertEquals((await second.send(get("/2")).reply()).body, "GET /2 ");
      assertEquals(server.listeners.length, 3);
      server.close();
      assertEquals([listener.closed, server.listeners], [true, []]);
    }));

  it("may be a Unix socket, whose clients have no address to speak of", async () => {
    const folder = mkdtempSync("/tmp/evbase-http-");
    try {
      await withServer({}, whoAmI, async ({ server }) => {
        const path = join(folder, "socket");
        server.listen({ path });
        const text = await new Promise<string>((resolve, reject) => {
          let received = "";
          const socket = connectNet({ path }, () => socket.write(get("/", "Connection: close\r\n")));
          socket.on("data", (bytes) => void (received += bytes));
          socket.on("end", () => resolve(received));
          socket.on("error", reject);
        });
        assert(text.endsWith(`{"family":"unix","path":""}`), text);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("makes streams in its own way before the server's way", () => {
    const made: string[] = [];
    const maker = (name: string): StreamMaker => (base, fd) => {
      made.push(name);
      return new SocketBufferEvent(base, fd);
    };
    return withServer({ makeStream: maker("server") }, echo, async ({ server, exchange }) => {
      const { port } = server.listen({ port: 0, makeStream: maker("listener") });
      using client = await HttpClient.connect(port);
      assertEquals((await client.send(get("/1")).reply()).body, "GET /1 ");
      await exchange(get("/2", "Connection: close\r\n"));
      assertEquals(made, ["listener", "server"]);
    });
  });
});

describe("what an HttpServer serves", () => {
  it("may be a connected socket", () => {
    using base = new EventBase();
    using server = new HttpServer(base, {}, echo);
    const [ours, theirs] = socketPair();
    server.accept(ours);
    using client = new SocketBufferEvent(base, theirs);
    answered(base, client);
  });

  it("may be any stream", () => {
    using base = new EventBase();
    using server = new HttpServer(base, {}, echo);
    const [client, stream] = PairBufferEvent.create(base);
    server.serveStream(stream);
    answered(base, client);
    server.close();
    assertEquals(stream.closed, true);
  });

  it("may end while its handler waits with the end of a body, and not before all of that has come", () => {
    for (const length of [4, 5]) {
      using base = new EventBase();
      using server = new HttpServer(base);
      const [client, stream] = PairBufferEvent.create(base);
      server.setHandler((request) => {
        request.onBody = (piece) => {
          assertEquals(piece.length, 4);
          request.pauseBody();
          base.once(-1, EV_TIMEOUT, () => request.resumeBody(), 5);
        };
        request.onBodyEnd = () => request.reply(200, "all");
      }, { streamBody: true });
      server.serveStream(stream);
      client.write(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n\r\nbody`);
      client.endWriting();
      let text = "";
      client.setCallbacks({
        read: () => void (text += client.input.takeText()),
        event: () => base.loopBreak(),
      });
      client.enable(EV_READ);
      base.dispatch();
      assertStringIncludes(text, length === 4 ? "HTTP/1.1 200 " : "HTTP/1.1 400 ");
    }
  });

  it("is no connection when it has no descriptor", () => {
    using base = new EventBase();
    using server = new HttpServer(base, {}, echo);
    for (const fd of [-1, 1.5, NaN, Infinity]) {
      assertThrows(() => server.accept(fd), RangeError, `Cannot accept a connection: ${fd} is no descriptor`);
    }
    assertEquals(server.connectionCount, 0);
  });

  it("is no stream that was closed before, whoever did that, and none counts against the most there may be", () => {
    using base = new EventBase();
    let isBanned = true;
    const makeStream: StreamMaker = (base, fd) => {
      const stream = new SocketBufferEvent(base, fd);
      if (isBanned) stream.close();
      return stream;
    };
    using server = new HttpServer(base, { maxConnections: 1, makeStream }, echo);
    const [closed] = PairBufferEvent.create(base);
    closed.close();
    server.serveStream(closed);
    const [banned, away] = socketPair();
    using _other = new SocketBufferEvent(base, away);
    server.accept(banned);
    using tls = serverContext();
    const [bannedToo, awayToo] = socketPair();
    using _another = new SocketBufferEvent(base, awayToo);
    server.accept(bannedToo, { tls });
    assertEquals(server.connectionCount, 0);
    isBanned = false;
    const [ours, theirs] = socketPair();
    server.accept(ours);
    using client = new SocketBufferEvent(base, theirs);
    client.enable(EV_READ);
    client.write(get("/"));
    for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
    assertStringIncludes(client.input.takeText(), "HTTP/1.1 200 OK\r\n");
  });

  it("is closed when it cannot be served", () => {
    using base = new EventBase();
    using other = new EventBase();
    using server = new HttpServer(base, {
      makeStream: () => {
        throw new Error("no stream");
      },
    });
    const before = openDescriptorCount();
    const [stream] = PairBufferEvent.create(other);
    assertThrows(() => server.serveStream(stream), TypeError, "another base");
    assertEquals(stream.closed, true);
    for (let count = 0; count < 3; count++) {
      const [ours, theirs] = socketPair();
      assertThrows(() => server.accept(ours), Error, "no stream");
      new SocketBufferEvent(base, theirs).close();
    }
    server.close();
    const [ours, theirs] = socketPair();
    assertThrows(
      () => server.accept(ours, { makeStream: (base, fd) => new SocketBufferEvent(base, fd) }),
      Error,
      "closed",
    );
    new SocketBufferEvent(base, theirs).close();
    assertEquals(openDescriptorCount(), before);
  });
});

function answered(base: EventBase, client: SocketBufferEvent | PairBufferEvent): void {
  client.write(get("/", "Connection: close\r\n"));
  let text = "";
  client.setCallbacks({
    read: () => void (text += client.input.takeText()),
    event: () => base.loopBreak(),
  });
  client.enable(2);
  base.dispatch();
  assert(text.endsWith("\r\n\r\nGET / "), text);
}

function fileDescriptor(): number {
  return open(new URL(import.meta.url).pathname, os.constants.O_RDONLY);
}
