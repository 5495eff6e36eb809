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
const COUNT = isFull ? 10_000 : 20;
const SETTLE_MS = isFull ? 1500 : 1;

const PROGRAM = "bench/support/echo_program.ts";
const libevent: CProgram = compile("bench/peers/echo.c", ["event_core"]);
const commands = new Map<string, readonly string[] | undefined>([
  ["evbase, Bun", runWith("bun", PROGRAM)],
  ["evbase, Deno", runWith("deno", PROGRAM, [], ["--v8-flags=--expose-gc"])],
  ["Bun.listen", runWith("bun", "bench/peers/bun_listen.ts")],
  ["Deno.listen", runWith("deno", "bench/peers/deno_listen.ts")],
  ["node:net, Bun", runWith("bun", "bench/peers/node_net.ts")],
  ["node:net, Deno", runWith("deno", "bench/peers/node_net.ts")],
  ["C libevent", libevent.path === undefined ? undefined : [libevent.path]],
]);

const byte = allocate(1);

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

/** One byte there and back, after which the server has certainly accepted. */
function exchange(fd: number): void {
  if (send(fd, byte, 1, 0) !== 1 || recv(fd, byte, 1, 0) !== 1) throw new Error("A byte did not come back");
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
    if (isFull) {
      console.log(`\n${markdownTable(["RSS bytes per idle connection", "silent", "after an exchange"], rows)}\n`);
    }
  });

  if (libevent.path === undefined) it.skip(`leaves out C libevent: ${libevent.problem}`, () => {});

  for (const [name, command] of commands) {
    if (command === undefined) continue;
    it(`are taken by ${name}`, async () => {
      const collects = name.startsWith("evbase");
      const server = await ServerProcess.start(command);
      const open_: number[] = [];
      try {
        const add = (count: number): void => {
          for (let i = 0; i < count; i++) open_.push(open(server.port));
          // Connections are accepted in order: when the last one is served, all are.
          exchange(open_.at(-1)!);
        };
        add(FIRST);
        const before = await weigh(server, collects);
        add(COUNT - FIRST);
        const silent = await weigh(server, collects);
        for (const fd of open_) exchange(fd);
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
