import { allocate, close, os, timerfdCreate, timerfdSet } from "../ffi/mod.ts";
import { putTimespec } from "./backend.ts";

// Where the time from now begins in a struct itimerspec: behind the interval, which is a struct timespec and stays zero.
const VALUE_WORD = os.structs.timespec.size / 4;

/**
 * A timerfd by which an epoll instance sleeps exactly where the kernel's own call takes whole milliseconds only.
 *
 * @internal
 */
export class EpollTimer {
  /** Polls readable when the timer has run out. */
  readonly fd: number;
  /** Whether it was started and has not been seen to run out. */
  runs = false;
  readonly #setting: Uint8Array = allocate(os.structs.timespec.size * 2);
  readonly #words: Int32Array = new Int32Array(this.#setting.buffer as ArrayBuffer);

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens one, or returns undefined where the kernel has none to give. */
  static open(): EpollTimer | undefined {
    const fd = timerfdCreate(os.constants.CLOCK_MONOTONIC);
    return fd < 0 ? undefined : new EpollTimer(fd);
  }

  /** Starts it anew, or stops it for 0. Either forgets that it has run out before. Returns 0 or `-errno`. */
  set(timeoutMs: number): number {
    putTimespec(this.#words, timeoutMs, VALUE_WORD);
    this.runs = timeoutMs > 0;
    return timerfdSet(this.fd, this.#setting);
  }

  /** Gives the descriptor back. */
  close(): void {
    close(this.fd);
  }
}
