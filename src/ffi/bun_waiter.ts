/**
 * A sleeper for Bun, whose FFI cannot call C on another thread by itself: a Worker blocks in `poll` and answers through
 * shared memory.
 *
 * @module
 */

import type { Address, Waiter } from "./runtime.ts";

const STATE = 0, RESULT = 1, COUNT = 2, TIMEOUT = 3, ADDRESS_LOW = 4, ADDRESS_HIGH = 5, WORDS = 6;
const IDLE = 0, WAITING = 1, DONE = 2, STOP = 3;

/**
 * The Worker's program. It is text rather than a module of ours, so that bundlers and `https:` imports need not find a
 * second file. It sleeps in `Atomics.wait` between waits; the main thread ends it with STOP.
 */
const program = `
import { dlopen } from "bun:ffi";
self.onmessage = ({ data: { shared, libcPath } }) => {
  const words = new Int32Array(shared);
  const { poll } = dlopen(libcPath, { poll: { args: ["ptr", "u32", "i32"], returns: "i32" } }).symbols;
  for (;;) {
    const state = Atomics.load(words, ${STATE});
    if (state === ${STOP}) break;
    if (state !== ${WAITING}) {
      Atomics.wait(words, ${STATE}, state);
      continue;
    }
    const address = (words[${ADDRESS_LOW}] >>> 0) + words[${ADDRESS_HIGH}] * 4294967296;
    words[${RESULT}] = poll(address, words[${COUNT}], words[${TIMEOUT}]);
    Atomics.compareExchange(words, ${STATE}, ${WAITING}, ${DONE});
    Atomics.notify(words, ${STATE});
  }
  self.close?.();
  process.exit(0);
};
`;

/** The part of Bun's Worker that we use. */
interface BunWorker {
  onerror: ((event: unknown) => void) | null;
  postMessage(message: unknown): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}

/** Creates a {@linkcode Waiter}; the Worker starts (some 4 ms) at the first wait. */
export function createWaiter(libcPath: string, addressOf: (bytes: Uint8Array) => Address): Waiter {
  const shared = new SharedArrayBuffer(WORDS * 4);
  const words = new Int32Array(shared);
  let worker: BunWorker | undefined;
  let url = "";

  function start(): BunWorker {
    const globals = globalThis as unknown as {
      Worker: new (url: string, options: { type: "module" }) => BunWorker;
    };
    url = URL.createObjectURL(new Blob([program], { type: "application/javascript" }));
    const started = new globals.Worker(url, { type: "module" });
    // A Worker that cannot start answers nothing: the wait then ends as failed, and the loop looks again, with another one.
    started.onerror = () => {
      if (worker !== started) return;
      started.unref();
      worker = undefined;
      URL.revokeObjectURL(url);
      words[RESULT] = -1;
      Atomics.store(words, STATE, DONE);
      Atomics.notify(words, STATE);
    };
    started.postMessage({ shared, libcPath });
    return started;
  }

  return {
    async wait(pollfds, count, timeoutMs) {
      worker ??= start();
      const address = addressOf(pollfds);
      words[COUNT] = count;
      words[TIMEOUT] = timeoutMs;
      words[ADDRESS_LOW] = address | 0;
      words[ADDRESS_HIGH] = Math.floor(address / 4294967296);
      // A waiting `waitAsync` does not keep Bun alive, a referenced Worker does.
      worker.ref();
      Atomics.store(words, STATE, WAITING);
      Atomics.notify(words, STATE);
      for (;;) {
        const slept = Atomics.waitAsync(words, STATE, WAITING);
        if (slept.async) await slept.value;
        if (Atomics.load(words, STATE) === DONE) break;
      }
      Atomics.store(words, STATE, IDLE);
      worker?.unref();
      return words[RESULT]!;
    },
    close() {
      Atomics.store(words, STATE, STOP);
      Atomics.notify(words, STATE);
      worker?.unref();
      worker = undefined;
      if (url !== "") URL.revokeObjectURL(url);
    },
  };
}
