/**
 * Clients that take all the time they can get. Their time is virtual: it passes only while the loop waits, so that no verdict depends on how
 * busy the machine is, and a day takes a moment. Meanwhile another client has to be served, always.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { type HttpHandler, HttpServer, type HttpServerOptions } from "../../src/http/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { serverContext } from "../tls/tls_support.ts";
import { BareClient } from "./bare_client.ts";
import { get, post } from "./server_support.ts";

/** What the server's buffers may hold because of one slow client, whatever it does. */
const BUFFER_BYTES_MAX = 256 * 1024;
const CHUNKED = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";

/** One that sends something at first, and then piece after piece for ever. */
interface Dribble {
  readonly title: string;
  readonly first: string;
  /** The pieces that follow, over and over. */
  readonly pieces: readonly string[];
  /** Between two of them. */
  readonly stepMs: number;
  /** How its reply begins; "" where it gets none. */
  readonly verdict: string;
  /** The earliest and latest moment of the end. */
  readonly endsMs: readonly [number, number];
  readonly isTls?: boolean;
}

/** The times that hold by default. */
const HEAD_MS = 20_000, BODY_MS = 30_000, IDLE_MS = 75_000, WRITE_MS = 30_000, HANDSHAKE_MS = 60_000;

const dribbles: readonly Dribble[] = [
  {
    title: "a head that comes byte by byte and never ends has one limit of time for all of it",
    first: "GET / HTTP/1.1\r\nHost: t\r\nX: ",
    pieces: ["x"],
    stepMs: 1000,
    verdict: "HTTP/1.1 408 ",
    endsMs: [HEAD_MS, HEAD_MS + 1000],
  },
  {
    title: "fields without end are cut off by their number",
    first: "GET / HTTP/1.1\r\nHost: t\r\n",
    pieces: ["X: y\r\n"],
    stepMs: 100,
    verdict: "HTTP/1.1 431 ",
    endsMs: [9900, 10_100],
  },
  {
    title: "a field without end is cut off by its length",
    first: "GET / HTTP/1.1\r\nHost: t\r\nX: ",
    pieces: ["x".repeat(1000)],
    stepMs: 100,
    verdict: "HTTP/1.1 431 ",
    endsMs: [3000, 3500],
  },
  {
    title: "a target without end is cut off by its length",
    first: "GET /",
    pieces: ["x".repeat(1000)],
    stepMs: 100,
    verdict: "HTTP/1.1 414 ",
    endsMs: [700, 1000],
  },
  {
    title: "empty lines without end are no requests, and refused after a few",
    first: "",
    pieces: ["\r\n"],
    stepMs: 10_000,
    verdict: "HTTP/1.1 400 ",
    endsMs: [40_000, 50_000],
  },
  {
    title: "empty lines that come so slowly that they are not refused do not keep an idle connection open",
    first: "",
    pieces: ["\r\n"],
    stepMs: 20_000,
    verdict: "",
    endsMs: [IDLE_MS, IDLE_MS + 20_000],
  },
  {
    title: "a chunk extension without end is cut off by its length",
    first: `${CHUNKED}5;x=`,
    pieces: ["x".repeat(100)],
    stepMs: 10_000,
    verdict: "HTTP/1.1 413 ",
    endsMs: [400_000, 420_000],
  },
  {
    title: "an extension of every chunk counts against the same limit",
    first: CHUNKED,
    pieces: ["1;x=", "y".repeat(100), "\r\nz\r\n"],
    stepMs: 10_000,
    verdict: "HTTP/1.1 413 ",
    endsMs: [1_100_000, 1_200_000],
  },
  {
    title: "a chunk size without end is refused",
    first: CHUNKED,
    pieces: ["0"],
    stepMs: 1000,
    verdict: "HTTP/1.1 400 ",
    endsMs: [1000, 40_000],
  },
  {
    title: "trailer fields without end are cut off by their number",
    first: `${CHUNKED}0\r\n`,
    pieces: ["X: y\r\n"],
    stepMs: 10_000,
    verdict: "HTTP/1.1 431 ",
    endsMs: [990_000, 1_010_000],
  },
  {
    title: "a trailer field without end is cut off by its length",
    first: `${CHUNKED}0\r\nX: `,
    pieces: ["x".repeat(100)],
    stepMs: 10_000,
    verdict: "HTTP/1.1 431 ",
    endsMs: [800_000, 840_000],
  },
  {
    title: "a body of which nothing comes is not waited for, however long it is to be",
    first: "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 16777216\r\n\r\n",
    pieces: [""],
    stepMs: 1000,
    verdict: "HTTP/1.1 408 ",
    endsMs: [BODY_MS, BODY_MS + 1000],
  },
  {
    title: "a body that stops in the middle of a chunk is not waited for",
    first: `${CHUNKED}5\r\nab`,
    pieces: [""],
    stepMs: 1000,
    verdict: "HTTP/1.1 408 ",
    endsMs: [BODY_MS, BODY_MS + 1000],
  },
  {
    title: "a connection on which nothing is ever said is closed",
    first: "",
    pieces: [""],
    stepMs: 1000,
    verdict: "",
    endsMs: [IDLE_MS, IDLE_MS + 1000],
  },
  {
    title: "a connection by TLS on which nothing is ever said is closed",
    first: "",
    pieces: [""],
    stepMs: 1000,
    verdict: "",
    endsMs: [HANDSHAKE_MS, HANDSHAKE_MS + 1000],
    isTls: true,
  },
  {
    title: "a handshake of TLS that comes byte by byte has one limit of time for all of it",
    // The head of a record that announces 16 KiB of a ClientHello.
    first: "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03",
    pieces: ["x"],
    stepMs: 1000,
    verdict: "",
    endsMs: [HANDSHAKE_MS, HANDSHAKE_MS + 1000],
    isTls: true,
  },
];

const answer: HttpHandler = (request) => request.reply(200, `${request.path} ${request.body.length}`);

/** Lets `ms` pass. */
function pass(base: EventBase, ms: number): void {
  base.loopExit(ms);
  base.dispatch();
}

/** Whoever has to be served all the time. */
function serveMeanwhile(base: EventBase, other: BareClient): void {
  other.received = "";
  other.send(get("/other"));
  settle(base);
  other.read();
  assert(other.received.endsWith("\r\n\r\n/other 0"), other.received);
}

function withVirtualServer(
  backend: Parameters<Parameters<typeof forEachBackend>[0]>[0],
  options: HttpServerOptions,
  handler: HttpHandler,
  body: (base: EventBase, server: HttpServer, elapsedMs: () => number) => void,
): void {
  const lent = sharedChunkPool.bytesLent;
  withVirtualTime(backend, (base, time) => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    using server = new HttpServer(base, { onError, onConnectionError: () => {}, ...options }, handler);
    body(base, server, () => time.elapsedMs);
    assertEquals(errors, []);
  });
  assertEquals(sharedChunkPool.bytesLent, lent, "all buffers are given back");
}

describe("an HttpServer whose client dribbles", () => {
  forEachBackend((backend) => {
    for (const { title, first, pieces, stepMs, verdict, endsMs, isTls } of dribbles) {
      const register = isTls === true ? itNeeds.bind(null, "openssl", "openssl") : it;
      register(title, () => {
        using context = isTls === true ? serverContext() : undefined;
        withVirtualServer(backend, {}, answer, (base, server, elapsedMs) => {
          using other = BareClient.paired(server);
          using client = BareClient.paired(server, context === undefined ? {} : { tls: context });
          settle(base);
          const lent = sharedChunkPool.bytesLent;
          const beganMs = elapsedMs();
          client.send(first);
          let heldMax = 0;
          for (let step = 0; client.standing === "open"; step++) {
            assertLess(elapsedMs() - beganMs, 10 * endsMs[1], "it is still there");
            client.send(pieces[step % pieces.length]!);
            pass(base, stepMs);
            client.read();
            heldMax = Math.max(heldMax, sharedChunkPool.bytesLent - lent);
            if (step % 7 === 0) serveMeanwhile(base, other);
          }
          // The last second is that in which it may still read the reply.
          assertGreaterOrEqual(elapsedMs() - beganMs, endsMs[0]);
          assertLessOrEqual(elapsedMs() - beganMs, endsMs[1] + stepMs + 1000);
          if (isTls !== true) assertEquals(client.received.slice(0, verdict.length || Infinity), verdict);
          assertLess(heldMax, BUFFER_BYTES_MAX);
          serveMeanwhile(base, other);
          pass(base, 2000);
          assertEquals(server.connectionCount, 1);
        });
      });
    }

    it("serves requests that come byte by byte, as long as each head is in time and each body goes on", () =>
      withVirtualServer(backend, {}, answer, (base, server) => {
        using other = BareClient.paired(server);
        using client = BareClient.paired(server);
        for (
          const [stepMs, text] of [[300, get("/a")], [29_000, post("/b", "body")], [
            29_000,
            `${CHUNKED}2\r\nab\r\n0\r\n\r\n`,
          ]] as const
        ) {
          const head = text.indexOf("\r\n\r\n") + 4;
          for (let at = 0; at < text.length; at++) {
            client.send(text[at]!);
            pass(base, at < head ? 200 : stepMs);
            serveMeanwhile(base, other);
          }
          client.read();
        }
        assertEquals(client.received.match(/\/[ab]? \d/g), ["/a 0", "/b 4", "/ 2"]);
        assertEquals(client.standing, "open");
      }));

    it("cuts off who takes nothing of a reply, and lets everybody take time who takes a little", () => {
      const size = 8 << 20;
      const large = new Uint8Array(new ArrayBuffer(size));
      const handler: HttpHandler = (request) => request.path === "/large" ? request.reply(200, large) : answer(request);
      withVirtualServer(backend, {}, handler, (base, server, elapsedMs) => {
        using other = BareClient.paired(server);
        using never = BareClient.paired(server);
        using slow = BareClient.paired(server);
        never.send(get("/large"));
        slow.send(get("/large", "Connection: close\r\n"));
        const beganMs = elapsedMs();
        // All that the kernel holds, every twenty seconds: it reports room only when most of that has been taken.
        for (let round = 0; slow.standing === "open"; round++) {
          assertLess(round, 1000, "it comes to an end");
          pass(base, 20_000);
          slow.read();
          serveMeanwhile(base, other);
          if (round === 2) assertEquals([elapsedMs() - beganMs, server.connectionCount], [3 * 20_000, 2]);
        }
        assertLess(size, slow.received.length);
        never.read();
        assertLess(never.received.length, size);
        assertEquals(never.standing === "open", false);
      });
    });

    it("does not let a handler wait for ever that streams to who takes nothing", () => {
      let [closed, produced] = [0, 0];
      const piece = new Uint8Array(new ArrayBuffer(16 * 1024));
      const handler: HttpHandler = (request) => {
        if (request.path !== "/stream") return answer(request);
        request.onClose = () => void closed++;
        request.onDrain = () => produce();
        request.replyStart(200);
        const produce = (): void => {
          while (!request.finished && request.replyChunk(piece) < 64 * 1024) produced += piece.length;
        };
        produce();
      };
      withVirtualServer(backend, {}, handler, (base, server) => {
        using other = BareClient.paired(server);
        using client = BareClient.paired(server);
        const lent = sharedChunkPool.bytesLent;
        client.send(get("/stream"));
        pass(base, WRITE_MS / 2);
        assertLess(sharedChunkPool.bytesLent - lent, BUFFER_BYTES_MAX);
        serveMeanwhile(base, other);
        assertEquals(closed, 0);
        pass(base, WRITE_MS);
        assertEquals([closed, server.connectionCount], [1, 1]);
        // What the kernel has taken, which is not ours to bound.
        assertLess(produced, 4 << 20);
      });
    });
  });
});
