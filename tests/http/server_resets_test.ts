/** Clients that reset their connection, at every point of a request and of its reply. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_READ,
  type EventBase,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
  setResetOnClose,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { type HttpHandler, type HttpRequest, HttpServer } from "../../src/http/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { type BackendUnderTest, forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { BareClient } from "./bare_client.ts";
import { get, post } from "./server_support.ts";

/** A server whose handlers are remembered, and what must be as before when all clients have gone. */
interface Stage {
  readonly base: EventBase;
  readonly server: HttpServer;
  readonly port: number;
  /** Requests that wait for a reply, in the order in which they came. */
  readonly waiting: HttpRequest[];
  /** How many handlers were told that their client has gone. */
  closed: number;
}

/** Runs `body`, then asks for a page and counts what is left. */
function withStage(
  backend: BackendUnderTest,
  handler: (request: HttpRequest, stage: Stage) => void,
  body: (stage: Stage) => void,
): void {
  using base = backend.newBase();
  const errors: unknown[] = [];
  const handle: HttpHandler = (request) => {
    if (request.path === "/ok") return request.reply(200, "ok");
    request.onClose = () => void stage.closed++;
    handler(request, stage);
  };
  using server = new HttpServer(base, { onError: (error) => void errors.push(error) }, handle);
  const { port } = server.listen({ port: 0 });
  const stage: Stage = { base, server, port, waiting: [], closed: 0 };
  const isServed = (): void => {
    using client = BareClient.tcp(port);
    client.send(get("/ok", "Connection: close\r\n"));
    until(base, () => (client.read(), client.standing !== "open"), "it is served");
    assertStringIncludes(client.received, "\r\n\r\nok");
    until(base, () => server.connectionCount === 0, "nobody is left");
  };
  isServed();
  const before = [openDescriptorCount(), sharedChunkPool.bytesLent];
  body(stage);
  until(base, () => server.connectionCount === 0, "they are forgotten");
  isServed();
  assertEquals([openDescriptorCount(), sharedChunkPool.bytesLent], before, "descriptors and buffers");
  assertEquals(errors, []);
}

/** Connects, and has the server take the connection up. */
function connected({ base, server, port }: Stage): BareClient {
  const count = server.connectionCount;
  const client = BareClient.tcp(port);
  until(base, () => server.connectionCount > count, "it has come");
  return client;
}

const CHUNKED =
  "POST /wait HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
const EXPECTING = post("/wait", "body", "Expect: 100-continue\r\n");

describe("an HttpServer whose client resets the connection", () => {
  forEachBackend((backend) => {
    it("after any byte of a request, read or not, forgets it, and tells the handler that was at work", () =>
      withStage(backend, (request, stage) => void stage.waiting.push(request), (stage) => {
        for (const text of [get("/wait"), post("/wait", "body"), CHUNKED, EXPECTING, get("/ok") + get("/wait")]) {
          for (let cut = 0; cut <= text.length; cut++) {
            for (const isRead of [true, false]) {
              const [closed, called] = [stage.closed, stage.waiting.length];
              const client = connected(stage);
              client.send(text.slice(0, cut));
              // A machine that is busy may pass it on a little later.
              if (isRead && cut === text.length) until(stage.base, () => stage.waiting.length > called, "it is read");
              else if (isRead) settle(stage.base);
              client.reset();
              until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
              const handled = stage.waiting.length - called;
              assertEquals(stage.closed - closed, handled, "every handler is told, once");
              if (isRead) assertEquals(handled, Number(cut === text.length), text.slice(0, cut));
            }
          }
        }
        assert(stage.waiting.every(({ finished }) => finished));
      }));

    it("at any point of a body that a handler takes meanwhile", () => {
      let told = 0;
      withStage(backend, () => {}, (stage) => {
        let begun = 0;
        stage.server.route("/digest", (request) => {
          begun++;
          request.onBody = () => {};
          request.onClose = () => void told++;
        }, { streamBody: true });
        for (const text of [post("/digest", "body"), CHUNKED.replace("/wait", "/digest")]) {
          for (let cut = text.indexOf("\r\n\r\n") + 4; cut <= text.length; cut++) {
            const client = connected(stage);
            client.send(text.slice(0, cut));
            settle(stage.base);
            client.reset();
            until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
          }
        }
        assertEquals(told, begun);
        assert(begun > 20);
      });
    });

    it("at any point of a reply that comes in pieces", () => {
      const pieces = 12;
      const handler = (request: HttpRequest): void => {
        let sent = 0;
        const next = (): void => {
          if (sent++ < pieces) request.replyChunk(`<${sent}>`);
          else request.replyEnd();
        };
        request.onDrain = next;
        request.replyStart(200);
        next();
      };
      withStage(backend, handler, (stage) => {
        for (let seen = 1; seen <= pieces; seen++) {
          for (const isRead of [true, false]) {
            const client = connected(stage);
            client.send(get("/stream"));
            // Turn by turn, each of which sends a piece or so.
            for (let turn = 0; turn < 1000 && !client.received.includes(`<${seen}>`); turn++) {
              stage.base.loop(EVLOOP_NONBLOCK);
              client.read();
            }
            assertStringIncludes(client.received, `<${seen}>`);
            if (!isRead) client.send(get("/more"));
            client.reset();
            until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
          }
        }
      });
    });

    it("at any point of a large reply, most of which has not left", () => {
      const large = new Uint8Array(new ArrayBuffer(8 << 20));
      const handler = (request: HttpRequest): void => {
        if (request.path !== "/last") return request.reply(200, large);
        request.closeAfterReply();
        request.reply(200, large);
      };
      withStage(backend, handler, (stage) => {
        for (const path of ["/large", "/last"]) {
          for (let taken = 0; taken < 6; taken++) {
            const client = connected(stage);
            client.send(get(path));
            settle(stage.base);
            for (let round = 0; round < taken; round++) {
              client.read(200_000);
              settle(stage.base);
            }
            client.reset();
            until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
          }
        }
      });
    });

    it("before its handler replies, in every way, which has no effect then", () => {
      const ways: readonly ((request: HttpRequest) => void)[] = [
        (request) => request.reply(200, "too late"),
        (request) => request.replyError(404),
        (request) => {
          request.replyStart(200);
          request.replyChunk("a");
          request.replyChunk("b");
          request.replyEnd();
        },
        (request) => request.abort(),
      ];
      withStage(backend, (request, stage) => void stage.waiting.push(request), (stage) => {
        for (const way of ways) {
          for (const isNoticed of [true, false]) {
            const client = connected(stage);
            client.send(get("/wait") + get("/wait"));
            until(stage.base, () => stage.waiting.length === 1, "it is asked");
            const request = stage.waiting.pop()!;
            client.reset();
            if (isNoticed) until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
            way(request);
            until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
            // Where the reset was not noticed yet, the request behind it may have been taken up.
            stage.waiting.length = 0;
          }
        }
      });
    });

    itNeeds("openssl", "openssl", "at any point of a handshake of TLS, and of a request behind it", () => {
      const large = new Uint8Array(new ArrayBuffer(1 << 20));
      using context = serverContext();
      using clients = clientContext();
      withStage(backend, (request) => request.reply(200, large), (stage) => {
        const listener = stage.server.listen({ port: 0, tls: context });
        const { port } = listener;
        let furthest = 0;
        for (let turns = 0; turns < 24; turns++) {
          const socket = new SocketBufferEvent(stage.base);
          socket.connect({ family: "ipv4", host: "127.0.0.1", port });
          const client = clients.secure(socket, { hostname: "localhost" });
          client.enable(EV_READ);
          client.write(get("/large"));
          until(stage.base, () => stage.server.connectionCount === 1, "it has come");
          for (let turn = 0; turn < turns; turn++) stage.base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE);
          furthest = Math.max(furthest, client.input.length);
          assertEquals(setResetOnClose(socket.fd, true), 0);
          socket.close();
          client.close();
          until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
        }
        assert(stage.server.unlisten(listener));
        assert(furthest > 0, "some of them have got as far as the reply");
      });
    });

    it("on a connection that was taken over leaves it to who took it", () => {
      let ended = 0;
      const handler = (request: HttpRequest): void => {
        const stream = request.takeOver(101);
        stream.setCallbacks({
          event: () => {
            ended++;
            stream.close();
          },
        });
        stream.enable(EV_READ);
      };
      withStage(backend, handler, (stage) => {
        const client = connected(stage);
        client.send(get("/chat", "Connection: Upgrade\r\nUpgrade: x\r\n"));
        until(stage.base, () => client.read().includes("101"), "it is taken over");
        client.reset();
        until(stage.base, () => stage.server.connectionCount === 0, "it is forgotten");
        assertEquals(ended, 1);
      });
    });
  });
});
