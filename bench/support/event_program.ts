/**
 * The event bench on whichever runtime runs it, in step with `bench/peers/event_bench.c`. Per line on standard input,
 * `PAIRS USED ACTIVE WARM_UP WRITES`, it watches PAIRS socket pairs and lets ACTIVE bytes travel along the first USED of them: WARM_UP
 * passes that do not count, then WRITES that do. It answers each line with `EVENTS WALL_US CPU_US`.
 *
 * ```sh
 * echo 100 100 1 100000 100000 | bun bench/support/event_program.ts [epoll | poll | ... | bare]
 * ```
 *
 * `bare` is no backend of ours, but a {@linkcode BareLoop}.
 */
import process from "node:process";
import { backendNames, EV_PERSIST, EV_READ, EventBase } from "../../mod.ts";
import { allocate, close, os, recv, send, setDescriptorLimit, socketpair } from "../../src/ffi/mod.ts";
import { BareLoop } from "./bare_loop.ts";
import { nextRequest } from "./requests.ts";
import { cpuUs } from "./stopwatch.ts";

const { AF_UNIX, SOCK_STREAM } = os.constants;
/** What a bench of 9,000 pairs needs, and a little more. */
const DESCRIPTORS = 19_000;

const backend = process.argv[2] ?? backendNames()[0]!;
const byte = allocate(1);
let [toPass, received, endsAt] = [0, 0, 0];

/** What the bench asks of a loop. */
interface Loop extends Disposable {
  watch(fd: number, callback: (what: number, event: { readonly fd: number }) => void): void;
  dispatch(): unknown;
  loopBreak(): void;
}

function newLoop(): Loop {
  if (backend === "bare") return new BareLoop();
  const base = new EventBase({ avoid: backendNames().filter((name) => name !== backend) });
  return {
    watch: (fd, callback) => void base.event(fd, EV_READ | EV_PERSIST, callback).add(),
    dispatch: () => base.dispatch(),
    loopBreak: () => base.loopBreak(),
    [Symbol.dispose]: () => base.close(),
  };
}

/** Lets the bytes travel, and ends when all have come to rest. */
function travel(loop: Loop, pairs: readonly Int32Array[], used: number, active: number, passes: number): void {
  [toPass, received, endsAt] = [passes, 0, passes + active];
  for (let i = 0; i < active; i++) send(pairs[Math.floor(i * used / active)]![1]!, byte, 1, 0);
  loop.dispatch();
}

function openPair(): Int32Array {
  const pair = new Int32Array(2);
  const result = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (result < 0) throw new Error(`Cannot open a pair of sockets: error ${-result}`);
  return pair;
}

function measure(count: number, used: number, active: number, warmUp: number, passes: number): string {
  using loop = newLoop();
  const pairs = Array.from({ length: count }, openPair);
  for (const [index, pair] of pairs.entries()) {
    const next = pairs[(index + 1) % used]![1]!;
    loop.watch(pair[0]!, (_what, { fd }) => {
      if (recv(fd, byte, 1, 0) !== 1) return;
      received++;
      if (toPass-- > 0) send(next, byte, 1, 0);
      else if (received === endsAt) loop.loopBreak();
    });
  }
  travel(loop, pairs, used, active, warmUp);
  const [startedMs, startedCpuUs] = [performance.now(), cpuUs()];
  travel(loop, pairs, used, active, passes);
  const [tookUs, tookCpuUs] = [(performance.now() - startedMs) * 1000, cpuUs() - startedCpuUs];
  for (const pair of pairs) pair.forEach((fd) => close(fd));
  return `${received} ${tookUs.toFixed(1)} ${tookCpuUs.toFixed(1)}`;
}

setDescriptorLimit(DESCRIPTORS);
for (let request = nextRequest(); request !== undefined; request = nextRequest()) {
  const [pairs = 0, used = 0, active = 0, warmUp = 0, passes = 0] = request;
  console.log(measure(pairs, used, active, warmUp, passes));
}
