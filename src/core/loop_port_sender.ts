import type { LoopPortHandle } from "./loop_port.ts";
import { PortBell } from "./port_bell.ts";
import { PortMemory, WAKE_ASKED } from "./port_memory.ts";
import { PortQueue } from "./port_queue.ts";

const encoder = new TextEncoder();

/**
 * The sending side of a {@linkcode LoopPort}, in any thread of the process. It owns nothing but views of the shared memory:
 * a Worker may end or be terminated without closing it.
 *
 * A burst of messages costs one system call: only the first after the loop has looked writes to the descriptor.
 *
 * @example In a Worker
 * ```ts
 * import { LoopPortSender } from "@evbase/evbase/core";
 *
 * self.onmessage = ({ data: handle }) => {
 *   using sender = new LoopPortSender(handle);
 *   sender.post("ready");
 * };
 * ```
 */
export class LoopPortSender implements Disposable {
  readonly #memory: PortMemory;
  readonly #queue: PortQueue;
  readonly #bell: PortBell;
  #closed = false;

  /**
   * Opens a sender. If the port was closed meanwhile, that is no error: it is {@linkcode LoopPortSender.closed} from the start.
   *
   * @param handle the port's {@linkcode LoopPort.handle}, or what arrived of it by `postMessage`.
   * @throws {TypeError} when `handle` is anything else.
   */
  constructor(handle: LoopPortHandle) {
    const { fd, memory } = handle;
    if (!Number.isInteger(fd) || fd < 0) {
      throw new TypeError(`Cannot open a loop port's handle: ${fd} is not a descriptor`);
    }
    this.#memory = PortMemory.open(memory);
    this.#queue = new PortQueue(this.#memory);
    this.#bell = new PortBell(this.#memory.cells, fd);
  }

  /** Most bytes that can be under way, and in one message. */
  get capacityBytes(): number {
    return this.#memory.capacityBytes;
  }

  /** Whether this sender or the port was closed. */
  get closed(): boolean {
    return this.#closed || this.#bell.isShut;
  }

  /**
   * Posts a copy of `message`, a string as UTF-8, and never blocks.
   *
   * @returns true when it is on its way, which is no promise that it is delivered: the port may be closed before it gets to
   * it. False when there is no room for it at the moment, or when either side is {@linkcode LoopPortSender.closed}.
   * @throws {RangeError} for a message that is larger than the port's capacity: there would never be room for it.
   * @throws {TypeError} when `message` is neither bytes nor a string.
   */
  post(message: Uint8Array | string): boolean {
    const bytes = typeof message === "string" ? encoder.encode(message) : message;
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError("Cannot post a message: it is neither a Uint8Array nor a string");
    }
    if (bytes.length > this.capacityBytes) {
      throw new RangeError(`Cannot post ${bytes.length} bytes: the port takes at most ${this.capacityBytes}`);
    }
    return !this.closed && this.#queue.push(bytes) && this.#bell.ring();
  }

  /** Wakes the loop without a message; the port's `onWake` is called. Returns false when either side is closed. */
  wake(): boolean {
    if (this.closed) return false;
    Atomics.store(this.#memory.cells, WAKE_ASKED, 1);
    return this.#bell.ring();
  }

  /** Posts no more. Neither the port nor other senders are concerned. Closing twice is harmless. */
  close(): void {
    this.#closed = true;
  }

  /** Same as {@linkcode LoopPortSender.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
