import { systemError, type WakeChannel } from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { openChannel, PortBell } from "./port_bell.ts";
import { PortMemory, WAKE_ASKED } from "./port_memory.ts";
import { PortQueue } from "./port_queue.ts";
import { type PortMessagesOptions, PortReaders } from "./port_readers.ts";
import type { Reactor } from "./reactor.ts";

/** What a {@linkcode LoopPortSender} is opened with. `postMessage` carries it to any thread of this process. */
export interface LoopPortHandle {
  /** The descriptor that wakes the loop. Only senders may touch it: they know when it is no longer the port's. */
  readonly fd: number;
  /** Messages under way, and who is doing what. */
  readonly memory: SharedArrayBuffer;
}

/** Options of a {@linkcode LoopPort}. */
export interface LoopPortOptions {
  /**
   * How many bytes of messages may be under way, 256 KiB by default and 1 GiB at most; rounded up to a multiple of 4096.
   * Each message takes up a multiple of 128 of them.
   */
  readonly capacityBytes?: number | undefined;
  /**
   * Whether the open port keeps the loop alive, since somebody may post at any time; true by default. A port that does
   * not counts as the loop's own: its messages do not end a pass with `EVLOOP_ONCE` either.
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * Called after {@linkcode LoopPortSender.wake}, once for any number of calls before the loop looks, and after whatever
   * that sender had posted before. Of a port that is iterated over it is called as soon as the loop looks, whatever messages
   * still wait.
   */
  readonly onWake?: (() => void) | undefined;
}

const CAPACITY_BYTES_DEFAULT = 256 * 1024;

/** Receives one message; the bytes are the callee's to keep. */
export type MessageCallback = (message: Uint8Array<ArrayBuffer>) => void;

/** After so many messages other events have their turn, so that busy senders cannot starve the descriptors. */
const MESSAGES_PER_TURN = 256;

/**
 * Receives messages and wake-ups from other threads in the thread of a loop. Its {@linkcode LoopPort.handle} goes to
 * Workers by `postMessage`; there a {@linkcode LoopPortSender} is opened with it, by as many threads as you like.
 *
 * Messages are bytes and arrive complete, in the order in which each sender posted them. What does not fit is refused,
 * never dropped: see {@linkcode LoopPortSender.post}. No thread waits for another, so a Worker may be terminated at any time; all
 * that can be lost with it is the message it was posting, and the room that message had taken.
 *
 * A base that is closed closes its ports.
 *
 * @example With a callback
 * ```ts
 * import { EventBase, LoopPort, LoopPortSender } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const port = new LoopPort(base, (message) => {
 *   console.log(new TextDecoder().decode(message));
 *   port.close();
 * });
 * // Usually in a Worker, with the handle from worker.postMessage(port.handle).
 * using sender = new LoopPortSender(port.handle);
 * sender.post("Hello from another thread");
 * base.dispatch();
 * ```
 *
 * @example In a loop of its own
 * ```ts
 * import { EventBase, LoopPort, LoopPortSender } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const port = new LoopPort(base);
 * const running = base.run();
 * using sender = new LoopPortSender(port.handle);
 * sender.post("Hello");
 * for await (const message of port) {
 *   console.log(new TextDecoder().decode(message));
 *   port.close();
 * }
 * await running;
 * ```
 */
export class LoopPort implements AsyncIterable<Uint8Array<ArrayBuffer>, undefined>, Disposable {
  /** What senders are opened with. After the port is closed it still can be opened, and says `closed`. */
  readonly handle: LoopPortHandle;
  readonly #channel: WakeChannel;
  readonly #memory: PortMemory;
  readonly #queue: PortQueue;
  readonly #bell: PortBell;
  readonly #event: LoopEvent;
  readonly #reactor: Reactor;
  readonly #onMessage: MessageCallback | undefined;
  // Only without a callback.
  readonly #readers: PortReaders | undefined;
  readonly #onWake: (() => void) | undefined;
  #isWakeDue = false;
  #closed = false;

  /**
   * Opens the port. Without a callback, its messages wait for {@linkcode LoopPort.messages}.
   *
   * @param onMessage called from the loop with each message; the bytes are the callee's to keep. If it throws, that message
   * counts as delivered and the rest follows.
   * @throws {SystemError} when no descriptor is to be had (EMFILE, ENFILE).
   * @throws {RangeError} for a capacity that is no whole number from 1 to 1 GiB.
   * @throws {TypeError} when `onMessage` is neither a function nor undefined.
   */
  constructor(base: EventBase, onMessage?: MessageCallback, options: LoopPortOptions = {}) {
    if (onMessage !== undefined && typeof onMessage !== "function") {
      throw new TypeError("Cannot open a loop port: its callback is not a function");
    }
    const { capacityBytes = CAPACITY_BYTES_DEFAULT, keepAlive = true, onWake } = options;
    this.#reactor = reactorOf(base);
    this.#onMessage = onMessage;
    this.#onWake = onWake;
    this.#memory = PortMemory.create(capacityBytes);
    this.#queue = new PortQueue(this.#memory);
    const channel = openChannel();
    if (typeof channel === "number") throw systemError(channel, "eventfd", "open a loop port");
    this.#channel = channel;
    this.#bell = new PortBell(this.#memory.cells, channel.writeFd);
    this.handle = { fd: channel.writeFd, memory: this.#memory.shared };
    this.#readers = onMessage === undefined ? this.#newReaders() : undefined;
    try {
      this.#event = new LoopEvent(base, channel.readFd, EV_READ | EV_PERSIST, () => this.#receive(), !keepAlive);
      this.#event.priority = base.priorities >> 1;
      this.#event.add();
    } catch (error) {
      this.#bell.shut(channel);
      throw error;
    }
    this.#reactor.dependents.add(this);
  }

  #newReaders(): PortReaders {
    const queue = this.#queue;
    const source = {
      take: () => queue.take(),
      get isEmpty() {
        return queue.isEmpty;
      },
      ring: () => void this.#bell.ring(),
    };
    return new PortReaders(source, MESSAGES_PER_TURN);
  }

  /** Most bytes that can be under way, and in one message: what was asked for, rounded up. */
  get capacityBytes(): number {
    return this.#memory.capacityBytes;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  #receive(): void {
    this.#bell.answer(this.#channel);
    // Before the messages are fetched, so that those which were posted before the wake-up are among them.
    if (Atomics.exchange(this.#memory.cells, WAKE_ASKED, 0) !== 0) this.#isWakeDue = true;
    if (this.#onMessage === undefined) {
      this.#readers!.serve();
      this.#callWake();
      return;
    }
    try {
      for (let count = 0; count < MESSAGES_PER_TURN; count++) {
        if (this.#closed) return;
        const message = this.#queue.take();
        if (message === undefined) {
          this.#callWake();
          return;
        }
        this.#onMessage(message);
      }
    } finally {
      // For what is left over nobody else would ring: its senders did, and this very look has answered them.
      if (!this.#closed && (!this.#queue.isEmpty || this.#isWakeDue)) this.#bell.ring();
    }
  }

  #callWake(): void {
    if (!this.#isWakeDue) return;
    this.#isWakeDue = false;
    this.#onWake?.();
  }

  /**
   * Iterates over the messages, of a port that has no callback. They wait in the port until they are asked for, so that a slow
   * reader is bounded by the capacity: meanwhile `post()` answers false. Where several iterations are under way, each message
   * goes to one of them, in the order in which they ask.
   *
   * The iteration ends when the port is closed, by this side or with its base, and when `signal` is aborted, which counts as
   * being told to stop, not as an error. Ending it, by `break` for instance, leaves the port open.
   *
   * The loop has to run meanwhile: use {@linkcode EventBase.run}, since `dispatch()` leaves no room for promises on every
   * runtime. After 256 messages in one turn the rest waits for the next one.
   *
   * @throws {TypeError} when the port was opened with a callback.
   */
  messages(options: PortMessagesOptions = {}): AsyncIterableIterator<Uint8Array<ArrayBuffer>, undefined> {
    if (this.#readers === undefined) {
      throw new TypeError("Cannot iterate over the messages of a loop port: they go to its callback");
    }
    return this.#readers.iterate(options.signal);
  }

  /** Same as {@linkcode LoopPort.messages} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array<ArrayBuffer>, undefined> {
    return this.messages();
  }

  /**
   * Stops receiving and gives the descriptor back, whatever the senders are doing: from now on `post()` and `wake()` answer
   * false. Messages that were not delivered are dropped. Closing twice is harmless.
   *
   * It waits for senders that are writing to the descriptor at this moment, which takes microseconds, and at most about
   * 20 ms. Should one be terminated in the middle of that, the descriptor is not closed, since nobody can tell a dead sender
   * from a slow one, but kept for the next port of this thread.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reactor.dependents.delete(this);
    this.#event.close();
    this.#bell.shut(this.#channel);
    this.#readers?.close();
  }

  /** Same as {@linkcode LoopPort.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
