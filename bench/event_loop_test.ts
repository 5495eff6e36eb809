/**
 * What does it cost to be told that one of many descriptors is ready? Bytes travel along a row of socket pairs: each callback
 * reads one and passes it on to the next pair. All backends of this system side by side.
 *
 * Tiny by default: it then only says that no byte is lost. `EVBASE_BENCH=full` measures on the runtime that runs it.
 */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BackendName, backendNames, EV_PERSIST, EV_READ, EventBase } from "../mod.ts";
import { allocate, close, os, recv, runtime, send, socketpair } from "../src/ffi/mod.ts";
import { isFull, rounds } from "./support/settings.ts";
import { interleaved, timeMs } from "./support/stopwatch.ts";
import { figure, markdownTable } from "./support/table.ts";

/** One row of pairs. */
interface Shape {
  readonly pairs: number;
  /** Bytes on their way at once. */
  readonly active: number;
  /** How often one is passed on, all together. */
  readonly passes: number;
}

// Pairs take two descriptors each, and select knows numbers below 1024 only.
const shapes: Shape[] = isFull
  ? [{ pairs: 100, active: 1, passes: 100_000 }, { pairs: 400, active: 100, passes: 100_000 }]
  : [{ pairs: 20, active: 3, passes: 300 }];

const { AF_UNIX, SOCK_STREAM } = os.constants;
const byte = allocate(1);

function openPairs(count: number): Int32Array[] {
  return Array.from({ length: count }, () => {
    const pair = new Int32Array(2);
    const result = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    if (result < 0) throw new Error(`Cannot open a pair of sockets: error ${-result}`);
    return pair;
  });
}

/** Lets the bytes travel; returns how many milliseconds that took. */
function travel(backend: BackendName, { pairs: count, active, passes }: Shape): number {
  const pairs = openPairs(count);
  try {
    using base = new EventBase({ avoid: backendNames().filter((name) => name !== backend) });
    assertEquals(base.backendName, backend);
    let [toPass, received] = [passes, 0];
    for (const [index, pair] of pairs.entries()) {
      const next = pairs[(index + 1) % count]!;
      base.event(pair[0]!, EV_READ | EV_PERSIST, (_what, event) => {
        if (recv(event.fd, byte, 1, 0) !== 1) return;
        received++;
        if (toPass-- > 0) send(next[1]!, byte, 1, 0);
        else if (received === passes + active) base.loopBreak();
      }).add();
    }
    for (let i = 0; i < active; i++) send(pairs[Math.floor(i * count / active)]![1]!, byte, 1, 0);
    // A lost byte would leave the loop waiting for ever; this ends it, and the count then tells.
    base.loopExit(30_000);
    const ms = timeMs(() => base.dispatch());
    assertEquals(received, passes + active);
    return ms;
  } finally {
    for (const pair of pairs) pair.forEach((fd) => close(fd));
  }
}

describe("bytes that travel along socket pairs", () => {
  for (const shape of shapes) {
    it(`all arrive on every backend: ${shape.pairs} pairs, ${shape.active} bytes at once`, () => {
      const subjects = new Map(backendNames().map((name) => [name, () => travel(name, shape)]));
      const found = interleaved(subjects, shape.passes + shape.active, rounds);
      assertEquals(found.size, backendNames().length);
      if (!isFull) return;
      const rows = [...found].map(([name, ns]) => [name, figure(ns, 0), figure(1e6 / ns, 0)]);
      const title = `${shape.pairs} pairs, ${shape.active} active, on ${runtime.name}`;
      console.log(`\n${markdownTable([title, "ns/event", "thousand events/s"], rows)}\n`);
    });
  }
});
