/** A Worker that posts to a loop port, and how a test drives it. Everything goes through shared memory: the test's loop blocks. */
import type { LoopPortHandle } from "../../src/core/loop_port.ts";

/** What the Worker is to do. */
export interface PortOrder {
  /** Where to. */
  readonly handle: LoopPortHandle;
  /** How many messages; it ends earlier when the port is closed. */
  readonly count: number;
  /** First byte of every message. */
  readonly id: number;
  /** Posts nothing and only wakes, `count` times. */
  readonly isWaking?: boolean;
  /** Milliseconds to wait before the first message. */
  readonly afterMs?: number;
}

/** What goes to the Worker. */
export interface PortParcel {
  /** What to do. */
  readonly order: PortOrder;
  /** Where to note how far it has come. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

/** Cell of the progress: how many messages or wake-ups were accepted. */
export const ACCEPTED = 0;
/** Cell of the progress: 1 when the order is done, 2 when it failed. */
export const DONE = 1;

/** The message with number `sequence` of sender `id`: its length and its bytes follow from the two. */
export function messageOf(id: number, sequence: number): Uint8Array {
  const bytes = new Uint8Array(5 + (sequence * 37 + id) % 700).fill(sequence + id);
  bytes[0] = id;
  new DataView(bytes.buffer).setUint32(1, sequence);
  return bytes;
}

/** Whether `bytes` are what {@linkcode messageOf} has made; returns the number, or throws. */
export function sequenceIn(bytes: Uint8Array<ArrayBuffer>): number {
  const sequence = new DataView(bytes.buffer).getUint32(1);
  const expected = messageOf(bytes[0]!, sequence);
  if (bytes.length !== expected.length || bytes.some((byte, index) => byte !== expected[index])) {
    throw new Error(`A message of sender ${bytes[0]} that calls itself number ${sequence} was damaged`);
  }
  return sequence;
}

/** What a Worker has done so far. */
export class Progress {
  readonly cells: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(8));

  /** How many messages or wake-ups were accepted. */
  get accepted(): number {
    return Atomics.load(this.cells, ACCEPTED);
  }

  /** Blocks until the order is done. */
  wait(): void {
    const outcome = Atomics.wait(this.cells, DONE, 0, 10_000);
    if (outcome === "timed-out") throw new Error("The Worker did not end its order");
    if (Atomics.load(this.cells, DONE) !== 1) throw new Error("The Worker's order failed");
  }
}

/** The Worker, as its test sees it. */
export class PortWorker implements Disposable {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Starts a Worker and waits until it takes orders. */
  static async start(): Promise<PortWorker> {
    const worker = new Worker(new URL("port_worker_thread.ts", import.meta.url).href, { type: "module" });
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message));
    });
    return new PortWorker(worker);
  }

  /** Gives an order; it is carried out after the earlier ones, also while this thread blocks. */
  order(order: PortOrder): Progress {
    const progress = new Progress();
    this.#worker.postMessage({ order, progress: progress.cells } satisfies PortParcel);
    return progress;
  }

  /** Terminates it, whatever it is doing. */
  terminate(): void {
    this.#worker.terminate();
  }

  [Symbol.dispose](): void {
    this.terminate();
  }
}
