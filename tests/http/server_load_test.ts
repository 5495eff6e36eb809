import { assertEquals, assertGreater, assertLess, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { EpollBackend } from "../../src/backends/mod.ts";
import { type ConnectionFailure, EV_READ, EventBase, SocketBufferEvent, SystemError } from "../../src/core/mod.ts";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { descriptorLimit, os, setDescriptorLimit } from "../../src/ffi/mod.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { HostProgram } from "../support/host_program.ts";
import { HttpClient } from "../support/http_client.ts";
import { runScript } from "../support/run_script.ts";
import { echo, eventually, get, type RunningServer, signal, withServer } from "./server_support.ts";

const MIB = 1024 * 1024;

/** A client on the server's own loop, which opens thousands of connections faster than the runtime's sockets do. */
class LoopClient {
  readonly #stream: SocketBufferEvent;

  constructor(base: EventBase, port: number) {
    this.#stream = new SocketBufferEvent(base);
    this.#stream.connect({ family: "ipv4", host: "127.0.0.1", port });
    this.#stream.enable(EV_READ);
  }

  /** Sends `text`. */
  send(text: string): void {
    this.#stream.write(text);
  }

  /** Sends `text` and waits for `count` replies. */
  async exchange(text: string, count: number): Promise<void> {
    const done = signal();
    let seen = 0;
    this.#stream.setCallbacks({
      read: ({ input }) => {
        for (let at = input.search("HTTP/1.1 200 OK"); at >= 0; at = input.search("HTTP/1.1 200 OK")) {
          input.drain(at + 15);
          if (++seen === count) done.resolve();
        }
      },
    });
    this.#stream.write(text);
    await done.promise;
  }

  close(): void {
    this.#stream.close();
  }
}

/** Opens `count` connections, makes a request on each in one of several ways, and closes them. */
async function openAndClose({ base, port, server }: RunningServer, count: number): Promise<void> {
  for (let index = 0; index < count; index += 50) {
    const clients = Array.from({ length: 50 }, () => new LoopClient(base, port));
    await Promise.all(clients.map((client, at) => {
      switch (at % 4) {
        case 0:
          return client.exchange(get("/", "Connection: close\r\n"), 1);
        case 1:
          return client.exchange(`${get("/a")}${get("/b")}GET /half HTTP`, 2);
        case 2:
          return client.exchange(get("/later"), 1);
        default:
          return Promise.resolve();
      }
    }));
    for (const client of clients) client.close();
    await eventually("the server has noticed", () => server.connectionCount === 0);
  }
}

describe("an HttpServer under load", () => {
  it("gives back everything that two thousand connections took", () => {
    const later = (request: Parameters<typeof echo>[0]): void => void setTimeout(() => echo(request), 1);
    return withServer({}, (request) => request.path === "/later" ? later(request) : echo(request), async (running) => {
      const facts = (): number[] => [
        openDescriptorCount(),
        reactorOf(running.base).pendingCount,
        sharedChunkPool.bytesLent,
      ];
      await openAndClose(running, 500);
      const before = facts();
      const rss = process.memoryUsage().rss;
      await openAndClose(running, 2000);
      assertEquals(facts(), before, "descriptors, pending events, buffers");
      assertLess(process.memoryUsage().rss - rss, 64 * MIB);
    });
  });

  it("serves a thousand connections at once, over and over", () => {
    const limit = descriptorLimit();
    if (limit < 2200) assertEquals(setDescriptorLimit(2200), 0, "more descriptors");
    return withServer({}, echo, async ({ base, port, server }) => {
      const clients = Array.from({ length: 1000 }, () => new LoopClient(base, port));
      for (let round = 0; round < 3; round++) {
        await Promise.all(clients.map((client) => client.exchange(get("/"), 1)));
        assertEquals(server.connectionCount, 1000);
      }
      for (const client of clients) client.close();
      await eventually("all are gone", () => server.connectionCount === 0);
    });
  });

  it("survives a thousand connections that are reset in whatever state they are", () =>
    withServer({}, echo, async ({ base, port, server, connect }) => {
      for (let round = 0; round < 10; round++) {
        const clients = Array.from({ length: 100 }, () => new LoopClient(base, port));
        // Every one is closed with a reply unread, whose arrival then is answered by a reset.
        for (const [at, client] of clients.entries()) client.send(get("/").repeat(at % 7));
        await clients[50]!.exchange(get("/"), 1);
        for (const client of clients) client.close();
      }
      await eventually("all are gone", () => server.connectionCount === 0);
      assertEquals((await (await connect()).send(get("/")).reply()).status, 200);
    }));
});

/** Serves by dispatch(), which lets nothing else run, until it is asked for /stop. */
const DISPATCHER = `
import { EventBase } from "../../src/core/mod.ts";
import { HttpServer } from "../../src/http/mod.ts";

const base = new EventBase();
const server = new HttpServer(base, {}, async (request) => {
  await Promise.resolve();
  if (request.path === "/stop") base.loopExit(20);
  request.reply(200, request.path);
});
console.log("port " + server.listen({ port: 0 }).port + ".");
// Promise reactions run within dispatch() only when it is not called from one itself, as a module's own code may be.
setTimeout(() => {
  base.dispatch();
  server.close();
  base.close();
  console.log("stopped");
});
`;

describe("an HttpServer that serves by dispatch()", () => {
  it("answers clients in other processes, also from promise reactions", async () => {
    const program = new HostProgram(DISPATCHER);
    await program.printed(".");
    using client = await HttpClient.connect(Number(/port (\d+)/.exec(program.output)?.[1]));
    client.send(get("/a") + get("/b"));
    assertEquals([(await client.reply()).body, (await client.reply()).body], ["/a", "/b"]);
    assertEquals((await client.send(get("/stop")).reply()).body, "/stop");
    assertMatch(await program.result(), /stopped/);
  });
});

/** Refuses to watch any descriptor from `firstRefused` on, as the kernel does beyond fs.epoll.max_user_watches. */
class FullBackend extends EpollBackend {
  firstRefused = Infinity;

  override watch(fd: number, before: number, after: number): number {
    return fd >= this.firstRefused && before === 0 ? -os.errno["ENOSPC"]! : super.watch(fd, before, after);
  }
}

describe("an HttpServer whose backend is full", () => {
  it("gives up a connection that cannot be watched, and goes on with the others", () => {
    const failed: string[] = [];
    const backend = new FullBackend();
    const body = async ({ server, connect }: RunningServer): Promise<void> => {
      const { port } = server.listen({ port: 0 });
      const early = await connect();
      assertEquals((await early.send(get("/a")).reply()).body, "GET /a ");
      const before = openDescriptorCount();
      backend.firstRefused = 0;
      const late = await HttpClient.connect(port);
      assertEquals(await late.untilGone(), "");
      assertEquals([failed, server.connectionCount], [["ENOSPC"], 1]);
      late.close();
      await eventually("its descriptors are back", () => openDescriptorCount() <= before);
      assertEquals((await early.send(get("/b")).reply()).body, "GET /b ");
      backend.firstRefused = Infinity;
      assertEquals((await (await connect()).send(get("/c")).reply()).body, "GET /c ");
    };
    const options = { onConnectionError: (error: ConnectionFailure): void => void failed.push(error.code) };
    return withServer(options, echo, body, new EventBase({ openBackend: () => backend }));
  });
});

describe("HttpServer.listen", () => {
  it("says plainly that a port is in use", () =>
    withServer({}, echo, ({ port, server }) => {
      const error = assertThrows(() => server.listen({ port }), SystemError) as SystemError;
      assertEquals(error.code, "EADDRINUSE");
      assertMatch(error.message, new RegExp(`127\\.0\\.0\\.1.*${port}.*EADDRINUSE|${port}.*EADDRINUSE`));
      return Promise.resolve();
    }));
});

/** Runs out of descriptors with 40 clients waiting, idles, then frees some. Prints what the test looks at. */
const EXHAUSTION = `
import { EventBase, EV_READ, SocketBufferEvent } from "../../src/core/mod.ts";
import { HttpServer } from "../../src/http/mod.ts";
import { clockMs, setDescriptorLimit, socket, close } from "../../src/ffi/mod.ts";

const CPU_TIME = 2;
const base = new EventBase();
const server = new HttpServer(base, {}, (request) => request.reply(200, "x"));
const failures = new Set();
let failureCount = 0;
const { port } = server.listen({ port: 0, onError: (error) => { failures.add(error.code); failureCount++; } });
// The limit leaves room for the clients and some of the server's ends of them. Descriptor numbers are given lowest first.
const lowest = socket(2, 1, 0);
close(lowest);
setDescriptorLimit(lowest + 64);
let replies = 0;
const clients = [];
for (let count = 0; count < 40; count++) {
  const client = new SocketBufferEvent(base);
  client.setCallbacks({ read: () => { replies++; client.input.drain(1e6); } });
  client.connect({ family: "ipv4", host: "127.0.0.1", port });
  client.enable(EV_READ);
  client.write("GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n");
  clients.push(client);
}
base.loopExit(200);
base.dispatch();
const served = replies;
const before = clockMs(CPU_TIME);
base.loopExit(1000);
base.dispatch();
const idleCpuMs = clockMs(CPU_TIME) - before;
for (const client of clients.slice(0, 20)) client.close();
for (let waited = 0; waited < 100 && (server.connectionCount !== 20 || replies < 40); waited++) {
  base.loopExit(50);
  base.dispatch();
}
console.log(JSON.stringify({ served, idleCpuMs, failures: [...failures], failureCount, replies, open: server.connectionCount }));
server.close();
for (const client of clients) client.close();
base.close();
`;

describe("an HttpServer without descriptors", () => {
  it("neither spins nor gives up, and goes on as soon as there are some", async () => {
    const { code, stdout, stderr } = await runScript(EXHAUSTION);
    assertEquals([code, stderr], [0, ""]);
    const facts = JSON.parse(stdout) as {
      served: number;
      idleCpuMs: number;
      failures: string[];
      failureCount: number;
      replies: number;
      open: number;
    };
    // 64 descriptors are 40 clients and 24 connections.
    assertEquals([facts.served, facts.failures], [24, ["EMFILE"]]);
    assertGreater(facts.failureCount, 1);
    assertLess(facts.idleCpuMs, 300);
    // 24 had theirs, and of the 16 that waited those whose client was still there.
    assertEquals(facts.open, 20);
    assertGreater(facts.replies, 24);
  });
});
