/**
 * How much memory does a server need for a connection on which nothing happens, ours beside its peers?
 *
 * Tiny by default: it then only says that every server takes the connections. `EVBASE_BENCH=full` weighs the processes.
 */
import { assert } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { readFileSync } from "node:fs";
import {
  allocate,
  close,
  connect,
  encodeSocketAddress,
  os,
  recv,
  send,
  setDescriptorLimit,
  setNonBlocking,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../src/ffi/mod.ts";
import { compile, type CProgram } from "./support/c_program.ts";
import { runWith } from "./support/runtimes.ts";
import { ServerProcess } from "./support/server_process.ts";
import { isFull } from "./support/settings.ts";
import { figure, markdownTable } from "./support/table.ts";

/** Connections that are there before the first weighing, so that what a server needs once does not count. */
const FIRST = isFull ? 2000 : 5;
/** Exchanges on one of those, so that the code which serves them is compiled, which does not count either. */
const FIRST_EXCHANGES = isFull ? 10_000 : 10;
const COUNT = isFull ? 10_000 : 20;
const SETTLE_MS = isFull ? 1500 : 1;

/** What a server and its clients say to each other. */
interface Talk {
  readonly request: Uint8Array;
  /** How an answer ends. */
  readonly end: string;
}

const ECHO: Talk = { request: bytesOf("!"), end: "!" };
const HTTP: Talk = {
  request: bytesOf("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"),
  end: "Hello, World!",
};

const PROGRAM = "bench/support/idle_program.ts";
const libevent: CProgram = compile("bench/peers/echo.c", ["event_core"]);
const evhttp: CProgram = compile("bench/peers/evhttp.c", ["event_core", "event_extra"]);
const GC = ["--v8-flags=--expose-gc"];
const commands = new Map<string, readonly [Talk, readonly string[] | undefined]>([
  ["evbase, Bun", [ECHO, runWith("bun", PROGRAM)]],
  ["evbase, Deno", [ECHO, runWith("deno", PROGRAM, [], GC)]],
  ["Bun.listen", [ECHO, runWith("bun", "bench/peers/bun_listen.ts")]],
  ["Deno.listen", [ECHO, runWith("deno", "bench/peers/deno_listen.ts")]],
  ["node:net, Bun", [ECHO, runWith("bun", "bench/peers/node_net.ts")]],
  ["node:net, Deno", [ECHO, runWith("deno", "bench/peers/node_net.ts")]],
  ["C libevent", [ECHO, libevent.path === undefined ? undefined : [libevent.path]]],
  ["evbase HTTP, Bun", [HTTP, runWith("bun", PROGRAM, ["http"])]],
  ["evbase HTTP, Deno", [HTTP, runWith("deno", PROGRAM, ["http"], GC)]],
  ["Bun.serve", [HTTP, runWith("bun", "bench/peers/bun_serve.ts")]],
  ["Deno.serve", [HTTP, runWith("deno", "bench/peers/deno_serve.ts")]],
  ["C libevent, evhttp", [HTTP, evhttp.path === undefined ? undefined : [evhttp.path]]],
]);

const answer = allocate(4096);
const decoder = new TextDecoder();

function bytesOf(text: string): Uint8Array {
  const bytes = allocate(text.length);
  new TextEncoder().encodeInto(text, bytes);
  return bytes;
}

function open(port: number): number {
  const { AF_INET, SOCK_STREAM } = os.constants;
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port }, address);
  const fd = socket(AF_INET, SOCK_STREAM, 0);
  // Blocking, since there is nothing else to do meanwhile.
  if (fd < 0 || setNonBlocking(fd, false) < 0 || connect(fd, address, length) < 0) {
    throw new Error(`Cannot open a connection to port ${port}`);
  }
  return fd;
}

/** A request and its answer, after which the server has certainly accepted. */
function exchange(fd: number, { request, end }: Talk): void {
  if (send(fd, request, request.length, 0) !== request.length) throw new Error("A request could not be sent");
  for (let text = ""; !text.endsWith(end);) {
    const count = recv(fd, answer, answer.length, 0);
    if (count <= 0) throw new Error(`An answer did not come: ${count}`);
    text += decoder.decode(answer.subarray(0, count));
  }
}

/** Bytes of memory that a process has for itself. */
async function weigh(server: ServerProcess, collects: boolean): Promise<number> {
  for (let times = 0; times < 3; times++) {
    if (collects) server.signal("SIGUSR2");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
  if (os.name !== "linux") return NaN;
  return Number(/^Rss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.pid}/smaps_rollup`, "utf8"))?.[1]) * 1024;
}

describe("connections on which nothing happens", () => {
  const rows: string[][] = [];

  beforeAll(() => void setDescriptorLimit(COUNT + FIRST + 500));
  afterAll(() => {
    libevent[Symbol.dispose]();
    evhttp[Symbol.dispose]();
    if (isFull) {
      console.log(`\n${markdownTable(["RSS bytes per idle connection", "silent", "after an exchange"], rows)}\n`);
    }
  });

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  for (const [name, [talk, command]] of commands) {
    if (command === undefined) continue;
    it(`are taken by ${name}`, async () => {
      const collects = name.startsWith("evbase");
      const server = await ServerProcess.start(command);
      const open_: number[] = [];
      try {
        const add = (count: number): void => {
          for (let i = 0; i < count; i++) open_.push(open(server.port));
          // Connections are accepted in order: when the last one is served, all are.
          exchange(open_.at(-1)!, talk);
        };
        add(FIRST);
        for (let round = 0; round < FIRST_EXCHANGES; round++) exchange(open_[0]!, talk);
        const before = await weigh(server, collects);
        add(COUNT - FIRST);
        const silent = await weigh(server, collects);
        for (const fd of open_.slice(FIRST)) exchange(fd, talk);
        const used = await weigh(server, collects);
        if (isFull) assert(silent > before, `${name} weighs less than before`);
        rows.push([name, figure((silent - before) / (COUNT - FIRST), 0), figure((used - before) / (COUNT - FIRST), 0)]);
      } finally {
        for (const fd of open_) close(fd);
        await server.stop();
      }
    });
  }
});
