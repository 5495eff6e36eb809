/** A server whose system calls really are interrupted and refused, by strace, still serves every client. */
import { assertEquals, assertMatch } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { runtime } from "../../src/ffi/mod.ts";
import { itNeeds } from "../support/requires.ts";

const source = new URL("../../src/", import.meta.url).href;
const TIME_LIMIT_MS = 20_000;
const CLIENTS = 12;

/** Answers each connection's bytes in capitals, and ends by itself after the last one. */
const server = `
import { BEV_EVENT_EOF, EV_READ, EV_WRITE, EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
const base = new EventBase({ ignoreEnvironment: true });
let served = 0;
const listener = new Listener(base, { port: 0, onError: () => {} }, (fd) => {
  const client = new SocketBufferEvent(base, fd);
  client.setCallbacks({
    read: () => client.write(new TextDecoder().decode(client.input.take()).toUpperCase()),
    event: (what) => {
      if ((what & BEV_EVENT_EOF) === 0) console.log("error " + client.error);
      client.closeAfterFlush();
      served++;
    },
  });
  client.enable(EV_READ | EV_WRITE);
});
// A sleep with a fraction of a millisecond takes the other call that waits.
const ticker = base.timer(() => {
  if (served === ${CLIENTS}) base.loopBreak();
}, { repeat: true });
ticker.add(3.7);
// Killing strace does not end what it traces.
base.loopExit(${TIME_LIMIT_MS});
console.log("port " + listener.port);
base.dispatch();
console.log("served " + served);
`;

/** One client: sends a line in two pieces and returns what comes back until the end. */
function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(line.slice(0, 3));
      setTimeout(() => socket.end(line.slice(3)), 5);
    });
    socket.setEncoding("utf8").on("data", (text: string) => answer += text);
    socket.on("close", () => resolve(answer)).on("error", reject);
  });
}

/** Runs the server under strace, serves the clients and returns what the server printed and what strace has seen fail. */
async function serve(injections: readonly string[]): Promise<{ answers: string[]; printed: string; trace: string }> {
  const folder = mkdtempSync(join(tmpdir(), "evbase-strace-"));
  try {
    const program = join(folder, "server.ts"), trace = join(folder, "trace");
    writeFileSync(program, server.replaceAll('"../../src/', `"${source}`));
    const host = runtime.name === "deno"
      ? ["run", "--no-prompt", "--no-config", "--no-check", "--allow-ffi", program]
      : ["run", program];
    const calls = injections.map((injection) => injection.split(":")[0]!);
    const args = ["-f", "-qq", "-o", trace, "-e", `trace=${calls.join(",")}`];
    for (const injection of injections) args.push("-e", `inject=${injection}`);
    const child = spawn("strace", [...args, process.execPath, ...host], { stdio: ["ignore", "pipe", "inherit"] });
    const limit = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT_MS);
    let printed = "";
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const port = new Promise<number>((resolve, reject) => {
      child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
        const found = /port (\d+)\n/.exec(printed);
        if (found !== null) resolve(Number(found[1]));
      });
      void ended.then(() => reject(new Error(`The server ended early: ${printed}`)));
    });
    try {
      const number = await port;
      const answers: string[] = [];
      for (let client = 0; client < CLIENTS; client += 4) {
        const lines = [0, 1, 2, 3].map((offset) => `client ${client + offset}\n`);
        answers.push(...await Promise.all(lines.map((line) => ask(number, line))));
      }
      await ended;
      return { answers, printed, trace: readFileSync(trace, "utf8") };
    } finally {
      clearTimeout(limit);
      child.kill("SIGKILL");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const cases: readonly (readonly [title: string, injections: readonly string[]])[] = [
  ["whose waits are interrupted", [
    "epoll_wait:error=EINTR:when=3+5",
    "epoll_pwait2:error=EINTR:when=2+3",
    "epoll_pwait:error=EINTR:when=3+5",
  ]],
  ["whose reads and writes are interrupted", ["recvfrom:error=EINTR:when=2+3", "sendto:error=EINTR:when=1+3"]],
  ["whose reads and writes find nothing at first", ["recvfrom:error=EAGAIN:when=1+2", "sendto:error=EAGAIN:when=1+2"]],
  ["that runs out of descriptors now and then", ["accept4:error=EMFILE:when=2+4"]],
];

describe("a server under strace", () => {
  for (const [title, injections] of cases) {
    itNeeds("strace", "strace", `${title} serves every client`, async () => {
      const { answers, printed, trace } = await serve(injections);
      assertEquals(answers, Array.from({ length: CLIENTS }, (_, client) => `CLIENT ${client}\n`));
      assertMatch(printed, new RegExp(`^port \\d+\\nserved ${CLIENTS}\\n$`));
      assertMatch(trace, /\(INJECTED\)/);
    });
  }
});
