/**
 * How long does a message from a Worker take to a loop, and how many go through, beside the host's postMessage?
 *
 * Tiny by default: it then only says that every message arrives. `EVBASE_BENCH=full` measures on the runtime that runs it.
 */
import { assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { EventBase, LoopPort } from "../mod.ts";
import { clockMs, os, runtime } from "../src/ffi/mod.ts";
import type { MessengerOrder } from "./support/port_messenger.ts";
import { isFull, rounds } from "./support/settings.ts";
import { figure, markdownTable, median, thousands } from "./support/table.ts";

const pacedCount = isFull ? 2000 : 10;
const burstCount = isFull ? 200_000 : 500;

/** Takes the messages of one order; `note` is called with each, and the promise ends with the last. */
type Receive = (order: Omit<MessengerOrder, "handle">, note: (message: Uint8Array) => void) => Promise<void>;

let worker: Worker;

/** Through a port, to a loop that is run by `run`. */
function throughPort(run: (base: EventBase) => unknown): Receive {
  return async (order, note) => {
    using base = new EventBase();
    let left = order.count;
    using port = new LoopPort(base, (message) => {
      note(message);
      if (--left === 0) port.close();
    });
    worker.postMessage({ ...order, handle: port.handle } satisfies MessengerOrder);
    await run(base);
  };
}

const byHost: Receive = (order, note) =>
  new Promise((resolve) => {
    let left = order.count;
    worker.onmessage = ({ data }) => {
      note(data as Uint8Array);
      if (--left === 0) resolve();
    };
    worker.postMessage(order satisfies MessengerOrder);
  });

const ways: ReadonlyMap<string, Receive> = new Map([
  ["LoopPort, dispatch()", throughPort((base) => base.dispatch())],
  ["LoopPort, run()", throughPort((base) => base.run())],
  ["postMessage of the host", byHost],
]);

const latenciesUs = new Map<string, number[]>();
const perSecond = new Map<string, number[]>();

function keep(where: Map<string, number[]>, name: string, figures: readonly number[]): void {
  where.set(name, [...where.get(name) ?? [], ...figures]);
}

/** One message at a time, each to a receiver that has gone to sleep. */
async function measureLatency(name: string, receive: Receive): Promise<void> {
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const took: number[] = [];
  await receive({ count: pacedCount, arrived }, (message) => {
    const nowMs = clockMs(os.constants.CLOCK_MONOTONIC);
    took.push((nowMs - new Float64Array(message.buffer, message.byteOffset, 1)[0]!) * 1000);
    Atomics.add(arrived, 0, 1);
    Atomics.notify(arrived, 0);
  });
  assertEquals(took.length, pacedCount);
  keep(latenciesUs, name, took);
}

/** As fast as the Worker can. */
async function measureBurst(name: string, receive: Receive): Promise<void> {
  let [bytes, firstMs, lastMs] = [0, 0, 0];
  await receive({ count: burstCount }, (message) => {
    lastMs = performance.now();
    if (bytes === 0) firstMs = lastMs;
    bytes += message.length;
  });
  assertEquals(bytes, burstCount * 64);
  keep(perSecond, name, [burstCount / (lastMs - firstMs) * 1000]);
}

function percentile(figures: readonly number[] | undefined, percent: number): number | undefined {
  const sorted = [...figures ?? []].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * percent / 100)];
}

describe("messages from a Worker", () => {
  beforeAll(async () => {
    worker = new Worker(new URL("support/port_messenger.ts", import.meta.url).href, { type: "module" });
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message));
    });
  });
  afterAll(() => worker.terminate());

  for (let round = 1; round <= rounds; round++) {
    it(`all arrive, one by one and in a burst, round ${round} of ${rounds}`, async () => {
      for (const [name, receive] of ways) {
        await measureLatency(name, receive);
        await measureBurst(name, receive);
      }
    });
  }

  it("have figures for every way", () => {
    assertEquals([...latenciesUs.keys()], [...ways.keys()]);
    if (!isFull) return;
    const hostUs = percentile(latenciesUs.get("postMessage of the host"), 50)!;
    const rows = [...ways.keys()].map((name) => {
      const found = latenciesUs.get(name);
      const p50 = percentile(found, 50)!;
      return [
        name,
        figure(p50 / hostUs),
        figure(p50, 1),
        figure(percentile(found, 99), 1),
        thousands(median(perSecond.get(name) ?? [])),
      ];
    });
    const head = [`64 bytes on ${runtime.name}`, "p50 / postMessage", "p50 us", "p99 us", "messages/s"];
    console.log(`\n${markdownTable(head, rows)}\n`);
  });
});
