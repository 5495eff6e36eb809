import { allocate, systemError, WakeChannel, write } from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";

/**
 * A bell that other threads ring to call back in the loop's thread. Its {@linkcode Wakeup.handle} is a mere number: post
 * it to a Worker and ring there with {@linkcode ring}. Any number of rings before the loop looks are one call.
 *
 * While open it keeps the loop alive, since somebody may ring at any time.
 *
 * @example
 * ```ts
 * import { EventBase, ring, Wakeup } from "@evbase/evbase";
 *
 * const base = new EventBase();
 * const wakeup = new Wakeup(base, () => {
 *   console.log("woken");
 *   wakeup.close();
 * });
 * ring(wakeup.handle); // usually from a Worker
 * base.dispatch();
 * ```
 */
export class Wakeup implements Disposable {
  /** What {@linkcode ring} takes, in any thread of this process; meaningless once closed. */
  readonly handle: number;
  readonly #channel: WakeChannel;
  readonly #event: LoopEvent;
  #closed = false;

  /**
   * Opens the bell.
   *
   * @throws {SystemError} when no descriptor is to be had (EMFILE, ENFILE).
   */
  constructor(base: EventBase, callback: () => void) {
    const channel = WakeChannel.open();
    if (typeof channel === "number") throw systemError(channel, "eventfd", "open a wake-up channel");
    this.#channel = channel;
    this.handle = channel.writeFd;
    try {
      this.#event = new LoopEvent(base, channel.readFd, EV_READ | EV_PERSIST, () => {
        channel.drain();
        callback();
      });
      this.#event.add();
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** Rings from this thread. */
  ring(): void {
    if (!this.#closed) this.#channel.signal();
  }

  /** Stops listening and closes the descriptors; nobody may ring any more. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#event.close();
    this.#channel.close();
  }

  /** Same as {@linkcode Wakeup.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const one = allocate(8);
one[0] = 1;

/** Rings the {@linkcode Wakeup} with this handle, from any thread. */
export function ring(handle: number): void {
  write(handle, one, 8);
}
