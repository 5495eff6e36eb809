/** Connections that are closed in the middle of a reply, by whom they do not expect it from, or before it. */
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BaseClosedError,
  type BufferEvent,
  EV_READ,
  EvBuffer,
  EVLOOP_NONBLOCK,
  SocketBufferEvent,
  socketPair,
} from "../../src/core/mod.ts";
import { open, os } from "../../src/ffi/mod.ts";
import { type HttpRequest, HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { get, post } from "./server_support.ts";

describe("a client that is closed by the handler of another before its reply has left", () => {
  forEachBackend((backend) => {
    /** Has one of two clients served by `begin`; then the handler of the other closes that one. */
    const closeByOther = (begin: (request: HttpRequest) => void): HttpServer => {
      using base = backend.newBase();
      let first: HttpRequest | null = null;
      const server = new HttpServer(base, {}, (request) => {
        if (first === null) {
          begin(first = request);
        } else {
          first.connection.close();
          request.reply(200, "other");
        }
      });
      const peers = [0, 1].map(() => {
        const [ours, theirs] = socketPair();
        server.accept(ours);
        return new SocketBufferEvent(base, theirs);
      });
      for (const peer of peers) peer.write(get("/"));
      for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
      for (const peer of peers) peer.close();
      assertEquals(server.connectionCount, 1);
      server.close();
      return server;
    };

    it("still has it sent, which is told", () => {
      const told: (boolean | string)[] = [];
      closeByOther((request) => {
        request.onComplete = (isSent) => told.push(isSent);
        request.connection.onClose = () => told.push("closed");
        request.reply(200, "first");
      });
      assertEquals(told, [true, "closed"]);
    });

    it("is not asked for the rest of it", () => {
      const told: string[] = [];
      const server = closeByOther((request) => {
        request.onDrain = () => {
          told.push("drain");
          request.replyEnd();
        };
        request.onClose = () => told.push("closed");
        request.replyStart(200);
        request.replyChunk("first");
      });
      assertEquals(told, ["closed"]);
      assertEquals(server.connectionCount, 0);
    });
  });
});

describe("a connection that is closed when all of a reply has left", () => {
  forEachBackend((backend) => {
    it("has it told as sent, also where nobody was told before", () => {
      using base = backend.newBase();
      const told: (boolean | string)[] = [];
      // More than is copied leaves at once.
      const body = new Uint8Array(64 * 1024).fill(0x78);
      using server = new HttpServer(base, {}, (request) => {
        request.onComplete = (isSent) => told.push(isSent);
        request.connection.onClose = () => told.push("closed");
        request.reply(200, body);
        told.push(request.connection.stream.output.length === 0);
        request.connection.close();
      });
      const [ours, theirs] = socketPair();
      server.accept(ours);
      using peer = new SocketBufferEvent(base, theirs);
      peer.write(get("/"));
      for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals(told, [true, true, "closed"]);
    });

    it("has it told as not sent where the rest of it was a file that is too short", () => {
      using base = backend.newBase();
      const told: boolean[] = [];
      const options = { onConnectionError: () => {} };
      using server = new HttpServer(base, options, (request) => {
        request.onComplete = (isSent) => told.push(isSent);
        const fd = open(new URL(import.meta.url).pathname, os.constants.O_RDONLY);
        request.replyFile(200, { fd, offset: 0, length: 1_000_000, closeOnFree: true });
      });
      const [ours, theirs] = socketPair();
      server.accept(ours);
      using peer = new SocketBufferEvent(base, theirs);
      peer.enable(EV_READ);
      peer.write(get("/"));
      for (let turn = 0; turn < 10; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals([told, server.connectionCount], [[false], 0]);
    });
  });
});

describe("a handler that ends its reply when its memory is given back", () => {
  forEachBackend((backend) => {
    it("does so in vain when that is because the connection is closed", () => {
      using base = backend.newBase();
      const told: string[] = [];
      let connection: HttpRequest["connection"] | null = null;
      const server = new HttpServer(base, {}, (request) => {
        connection = request.connection;
        request.connection.onClose = () => told.push("closed");
        const piece = new EvBuffer();
        piece.addReference(new Uint8Array(10_000_000), () => {
          told.push("given back");
          request.replyEnd();
        });
        request.replyStart(200);
        request.replyChunk(piece);
      });
      const [ours, theirs] = socketPair();
      server.accept(ours);
      const peer = new SocketBufferEvent(base, theirs);
      peer.write(get("/"));
      for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
      connection!.close();
      assertEquals(server.connectionCount, 0);
      peer.close();
      server.close();
      assertEquals([told, server.connectionCount], [["given back", "closed"], 0]);
    });
  });
});

describe("a request that waits for its reply when the base is closed", () => {
  forEachBackend((backend) => {
    it("is told, and its server is closed", () => {
      const base = backend.newBase();
      const told: string[] = [];
      using server = new HttpServer(base, {}, (request) => {
        request.onClose = () => void told.push("closed");
        request.signal.addEventListener("abort", () => told.push("aborted"));
        request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
        request.connection.server.base.loopBreak();
      });
      server.listen({ port: 0 });
      const [ours, theirs] = socketPair();
      server.serveStream(new SocketBufferEvent(base, ours));
      using client = new SocketBufferEvent(base, theirs);
      client.write(get("/"));
      base.loop();
      assertEquals(told, []);
      base.close();
      assertEquals(told, ["closed", "aborted", "complete false"]);
      assertEquals([server.connectionCount, server.listeners], [0, []]);
    });

    it("is told also when whoever is given memory of another one back throws", () => {
      const base = backend.newBase();
      const told: string[] = [];
      const failure = new Error("given back");
      using stack = new DisposableStack();
      const [end] = socketPair().map((fd) => stack.use(new SocketBufferEvent(base, fd))) as [SocketBufferEvent];
      // Those who have waited longest hear of it last.
      const waiting = end.readSome().catch((error: unknown) => error);
      using server = new HttpServer(base);
      server.setHandler((request) => {
        request.onClose = () => void told.push(`closed ${request.path}`);
        request.pauseBody();
        if (request.path !== "/throws") return;
        const piece = new EvBuffer();
        piece.addReference(new Uint8Array(5_000_000), () => {
          throw failure;
        });
        request.replyStart(200);
        request.replyChunk(piece);
      }, { streamBody: true });
      for (const path of ["/one", "/throws", "/two"]) {
        const [ours, theirs] = socketPair();
        server.accept(ours);
        stack.use(new SocketBufferEvent(base, theirs)).write(post(path, "body"));
      }
      for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals(server.connectionCount, 3);
      assertEquals(assertThrows(() => base.close()), failure);
      assertEquals(told.sort(), ["closed /one", "closed /throws", "closed /two"]);
      assertEquals([server.connectionCount, server.listeners], [0, []]);
      return waiting.then((error) => assertInstanceOf(error, BaseClosedError));
    });

    it("hears no more of what has been sent, however it goes on by that", () => {
      const base = backend.newBase();
      let links = 0;
      using server = new HttpServer(base, {}, (request) => {
        const next = (isSent: boolean): void => {
          if (++links % 100 === 0) base.loopBreak();
          if (isSent && links < 5000) request.replyChunk("", next);
        };
        request.replyStart(200);
        next(true);
      });
      const [ours, theirs] = socketPair();
      server.accept(ours);
      using client = new SocketBufferEvent(base, theirs);
      client.write(get("/"));
      base.loop();
      const before = links;
      assertEquals([before % 100, before < 5000], [0, true]);
      base.close();
      // That the last one was sent is still true, and the one behind it is not.
      assertEquals([links - before <= 2, server.connectionCount], [true, 0]);
    });

    it("leaves to its owner what was taken over", () => {
      const base = backend.newBase();
      const taken: BufferEvent[] = [];
      using server = new HttpServer(base, {}, (request) => {
        taken.push(request.takeOver(101));
        base.loopBreak();
      });
      const [ours, theirs] = socketPair();
      server.serveStream(new SocketBufferEvent(base, ours));
      using client = new SocketBufferEvent(base, theirs);
      client.write(get("/", "Connection: Upgrade\r\nUpgrade: echo\r\n"));
      base.loop();
      base.close();
      assertEquals([taken.length, taken[0]?.closed], [1, false]);
      server.close();
      assertEquals(taken[0]?.closed, true);
    });
  });
});

describe("a client that waits for its reply, and nothing more is read from", () => {
  forEachBackend((backend) => {
    const ends: Record<string, (request: HttpRequest) => void> = {
      "the reply": (request) => request.reply(200, "late"),
      "the connection's end": ({ connection }) => connection.close(),
      "the server's end": ({ connection }) => connection.server.close(),
    };
    /** Has so many requests sent at once. */
    const check = (requests: number, hasEnded: boolean, end: (request: HttpRequest) => void): void => {
      using base = backend.newBase();
      const asked: HttpRequest[] = [];
      // Nobody listens, and nothing is to be read: the handler's answer is all that there is to come.
      using server = new HttpServer(base, {}, (request) => void asked.push(request));
      const [ours, theirs] = socketPair();
      server.accept(ours);
      using peer = new SocketBufferEvent(base, theirs);
      peer.write(get("/").repeat(requests));
      for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
      if (hasEnded) peer.endWriting();
      for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
      assertEquals(asked.map(({ finished }) => finished), [false]);
      end(asked[0]!);
      // The others are not answered.
      if (requests > 1) server.close();
      for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
      assertEquals(server.connectionCount, 0);
    };

    it("keeps it running no longer, also when whoever is given memory back throws as it is closed", () => {
      using base = backend.newBase();
      using server = new HttpServer(base);
      server.setHandler((request) => {
        request.pauseBody();
        const piece = new EvBuffer();
        piece.addReference(new Uint8Array(5_000_000), () => {
          throw new Error("given back");
        });
        request.replyStart(200);
        request.replyChunk(piece);
      }, { streamBody: true });
      const [ours, theirs] = socketPair();
      server.accept(ours);
      using peer = new SocketBufferEvent(base, theirs);
      peer.write(post("/", "body"));
      for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
      assertThrows(() => server.close(), Error, "given back");
      for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
      assertEquals([base.loop(EVLOOP_NONBLOCK), server.connectionCount], [1, 0]);
    });

    // It has ended its side; or has sent more than is taken before there is a reply; or both.
    const cases = [[1, true], [5000, false], [5000, true]] as const;
    for (const [what, end] of Object.entries(ends)) {
      it(`keeps the loop running for it, until ${what}`, () => {
        for (const [requests, hasEnded] of cases) check(requests, hasEnded, end);
      });
    }
  });
});
