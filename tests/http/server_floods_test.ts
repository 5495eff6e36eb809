/** Clients that send as fast as they can what never ends, or more than anybody reads, or come in thousands. */
import { assertEquals, assertGreaterOrEqual, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { descriptorLimit, setDescriptorLimit } from "../../src/ffi/mod.ts";
import { type HttpHandler, HttpServer } from "../../src/http/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { HostProgram } from "../support/host_program.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { BareClient, bytesOf } from "./bare_client.ts";
import { eventually, get, withServer } from "./server_support.ts";

const MIB = 1 << 20;
/** What the server's buffers may hold because of one client, besides a body that is within its limit. */
const BUFFER_BYTES_MAX = 256 * 1024;
/** A flood that has not been stopped by then never will be. */
const FLOOD_BYTES = 32 * MIB;
const CHUNKED = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";

interface Flood {
  readonly title: string;
  readonly first: string;
  /** What follows, over and over. */
  readonly piece: string;
  readonly verdict: string;
  /** So much of it is a body that the server may hold. */
  readonly bodyBytes?: number;
}

const floods: readonly Flood[] = [
  { title: "a method", first: "", piece: "A", verdict: "501" },
  { title: "a target", first: "GET /", piece: "a", verdict: "414" },
  { title: "a version", first: "GET / HTTP/1.", piece: "1", verdict: "400" },
  { title: "a field's name", first: "GET / HTTP/1.1\r\n", piece: "a", verdict: "431" },
  { title: "a field's value", first: "GET / HTTP/1.1\r\nHost: t\r\nX:", piece: " ", verdict: "431" },
  { title: "fields", first: "GET / HTTP/1.1\r\nHost: t\r\n", piece: "X:\r\n", verdict: "431" },
  { title: "empty lines", first: "", piece: "\r\n", verdict: "400" },
  { title: "a length", first: "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: ", piece: "0", verdict: "431" },
  { title: "a chunk's size", first: CHUNKED, piece: "0", verdict: "400" },
  { title: "a chunk's extension", first: `${CHUNKED}5;a="`, piece: "a", verdict: "413" },
  { title: "extensions of small chunks", first: CHUNKED, piece: "1;a\r\nx\r\n", verdict: "413", bodyBytes: 4096 },
  { title: "trailer fields", first: `${CHUNKED}0\r\n`, piece: "X: y\r\n", verdict: "431" },
  { title: "a trailer field", first: `${CHUNKED}0\r\nX: `, piece: "y", verdict: "431" },
  { title: "small chunks", first: CHUNKED, piece: "1\r\nx\r\n", verdict: "413", bodyBytes: MIB },
  { title: "large chunks", first: CHUNKED, piece: `8000\r\n${"x".repeat(0x8000)}\r\n`, verdict: "413", bodyBytes: MIB },
  { title: "bytes that are no request", first: "", piece: "\x16\x03\x01\x00", verdict: "400" },
];

describe("an HttpServer that is flooded without end by", () => {
  const answer: HttpHandler = (request) => request.reply(200, request.path);

  forEachBackend((backend) => {
    for (const { title, first, piece, verdict, bodyBytes = 0 } of floods) {
      it(`${title} says ${verdict}, and goes on serving others`, () =>
        withVirtualTime(backend, (base) => {
          using server = new HttpServer(base, { limits: { maxBodyBytes: MIB } }, answer);
          using other = BareClient.paired(server);
          using client = BareClient.paired(server);
          const bytes = bytesOf(piece.repeat(Math.ceil(65_536 / piece.length)));
          settle(base);
          const lent = sharedChunkPool.bytesLent;
          client.send(first);
          let [sent, at, heldMax] = [0, 0, 0];
          while (client.standing === "open" && sent < FLOOD_BYTES) {
            const count = client.sendSome(bytes, at);
            sent += count;
            at = (at + count) % bytes.length;
            settle(base);
            heldMax = Math.max(heldMax, sharedChunkPool.bytesLent - lent);
            client.read();
            if (client.received !== "" && sent > 2 * MIB + bodyBytes) break;
            other.received = "";
            other.send(get("/other"));
            settle(base);
            assertStringIncludes(other.read(), "\r\n\r\n/other");
          }
          assertEquals(client.received.slice(0, 13), `HTTP/1.1 ${verdict} `);
          assertLess(heldMax, BUFFER_BYTES_MAX + 2 * bodyBytes);
          // It stops listening to who goes on, and forgets it.
          for (let step = 0; step < 30 && server.connectionCount > 1; step++) {
            client.sendSome(bytes);
            base.loopExit(1000);
            base.dispatch();
          }
          assertEquals(server.connectionCount, 1);
        }));
    }
  });
});

describe("an HttpServer before ten thousand requests in one write", () => {
  const count = 10_000;
  const filler = ".".repeat(1000);
  const handler: HttpHandler = (request) => request.reply(200, request.path + filler);
  const requests = bytesOf(Array.from({ length: count }, (_, index) => get(`/${index}`)).join(""));

  forEachBackend((backend) => {
    it("answers them in order, and holds no more replies than it may for who does not read", () =>
      withVirtualTime(backend, (base) => {
        let handled = 0;
        const counting: HttpHandler = (request) => {
          handled++;
          return handler(request);
        };
        const maxOutputBytes = 64 * 1024;
        using server = new HttpServer(base, { maxOutputBytes }, counting);
        using client = BareClient.paired(server);
        settle(base);
        const lent = sharedChunkPool.bytesLent;
        let sent = 0;
        for (let stuck = 0; stuck < 20; stuck++) {
          const taken = client.sendSome(requests, sent);
          sent += taken;
          if (taken > 0) stuck = 0;
          settle(base);
          assertLess(sharedChunkPool.bytesLent - lent, maxOutputBytes + BUFFER_BYTES_MAX);
        }
        assertLess(handled, count / 2);
        let [expected, tail] = [0, ""];
        for (let rounds = 0; expected < count; rounds++) {
          assertLess(rounds, 100_000, "it goes on");
          tail += client.read(65_536);
          client.received = "";
          const paths = [...tail.matchAll(/\r\n\r\n\/(\d+)\.{1000}/g)];
          for (const [, number] of paths) assertEquals(Number(number), expected++);
          if (paths.length > 0) tail = tail.slice(paths.at(-1)!.index + paths.at(-1)![0].length);
          sent += client.sendSome(requests, sent);
          settle(base);
        }
        assertEquals([handled, sent, server.connectionCount], [count, requests.length, 1]);
      }));
  });
});

/** Clients in a process of their own, in all the ways in which a request can be half there. Prints how many are connected, and how they ended. */
const HALF_OPEN = `
import { EventBase, EV_READ, EV_WRITE, SocketBufferEvent } from "../../src/core/mod.ts";
import { setDescriptorLimit } from "../../src/ffi/mod.ts";

const [count, port] = [COUNT, PORT];
setDescriptorLimit(count + 100);
const host = "Host: t\\r\\n";
const halves = ["G", "GET / HTTP/1.1\\r\\n", "GET / HTTP/1.1\\r\\n" + host, "GET / HTTP/1.1\\r\\n" + host + "X: " + "x".repeat(1000),
  "POST / HTTP/1.1\\r\\n" + host + "Content-Length: 16777216\\r\\n\\r\\n", "POST / HTTP/1.1\\r\\n" + host + "Content-Length: 9\\r\\n\\r\\nhalf",
  "POST / HTTP/1.1\\r\\n" + host + "Transfer-Encoding: chunked\\r\\n\\r\\n5;x=y", "POST / HTTP/1.1\\r\\n" + host + "Expect: 100-continue\\r\\nContent-Length: 5\\r\\n\\r\\n",
  "POST / HTTP/1.1\\r\\n" + host + "Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\nX: "];
const base = new EventBase();
let [opened, connected, timedOut, ended] = [0, 0, 0, 0];
const open = () => {
  const half = halves[opened++ % halves.length];
  const client = new SocketBufferEvent(base);
  let isTimedOut = false;
  client.setCallbacks({
    read: () => isTimedOut ||= client.input.takeText().includes("HTTP/1.1 408 "),
    event: (what) => {
      if ((what & 0x80) !== 0) {
        client.write(half);
        if (++connected === count) console.log("all are connected.");
        if (opened < count) open();
        return;
      }
      if (isTimedOut) timedOut++;
      ended++;
      client.close();
      if (ended === count) base.loopBreak();
    },
  });
  client.connect({ family: "ipv4", host: "127.0.0.1", port });
  client.enable(EV_READ | EV_WRITE);
};
for (let first = 0; first < 50; first++) open();
base.dispatch();
console.log(JSON.stringify({ connected, timedOut, ended }));
`;

describe("an HttpServer before ten thousand requests that are never complete", () => {
  it("serves others meanwhile, in little memory, and ends them all when their time is up", async () => {
    // Both ends of ours, the test's own and the runtime's; a process has its own limit, so that the clients do not count.
    const wanted = 10_300;
    if (descriptorLimit() < wanted) setDescriptorLimit(wanted);
    // Where the system allows fewer it is as many as it allows.
    const count = Math.min(10_000, descriptorLimit() - 300);
    assertGreaterOrEqual(count, 500);
    const times = { headerTimeoutMs: 600_000, bodyTimeoutMs: 600_000, keepAliveTimeoutMs: 600_000 };
    const options = { ...times, maxConnections: 20_000 };
    await withServer(options, (request) => request.reply(200, request.path), async ({ server, port, connect }) => {
      const other = await connect();
      const before = process.memoryUsage().rss;
      const clients = new HostProgram(HALF_OPEN.replace("COUNT", String(count)).replace("PORT", String(port)));
      await clients.printed("all are connected.");
      await eventually("all have come", () => server.connectionCount === count + 1);
      for (let round = 0; round < 100; round++) {
        assertEquals((await other.send(get(`/${round}`)).reply()).body, `/${round}`);
      }
      assertEquals((await (await connect()).send(get("/new")).reply()).body, "/new");
      // A request that is half there takes its parser, its head and little else.
      const perClient = (process.memoryUsage().rss - before) / count;
      assertLess(perClient, 16 * 1024);
      server.setTimeouts({ headerTimeoutMs: 1, bodyTimeoutMs: 1 });
      const ends = JSON.parse((await clients.result()).split("\n").at(-1)!) as Record<string, number>;
      assertEquals(ends, { connected: count, timedOut: count, ended: count });
      assertEquals((await other.send(get("/after")).reply()).body, "/after");
      await eventually("they are forgotten", () => server.connectionCount === 2);
    });
  });
});
