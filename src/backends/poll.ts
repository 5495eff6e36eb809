import { allocate, os, poll, pollNanoseconds } from "../ffi/mod.ts";
import {
  type Backend,
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_EARLY_CLOSE,
  INTEREST_CLOSED,
  INTEREST_READ,
  INTEREST_WRITE,
  putTimespec,
  wholeMilliseconds,
} from "./backend.ts";

const { POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDHUP } = os.constants;

const SLOTS_FIRST = 32;

/**
 * `poll(2)`: works on every system and with every kind of descriptor; the cost of a wait grows with the number watched.
 */
export class PollBackend implements Backend {
  /** As {@linkcode Backend.name}. */
  readonly name = "poll";
  /** As {@linkcode Backend.features}. */
  readonly features: number = FEATURE_ANY_DESCRIPTOR | (POLLRDHUP !== 0 ? FEATURE_EARLY_CLOSE : 0);
  /** As {@linkcode Backend.waitFd}. */
  readonly waitFd: number = -1;
  /** As {@linkcode Backend.reportsOnce}. */
  readonly reportsOnce: boolean = true;

  // struct pollfd: the descriptor in 32 bits, then `events` and `revents` in 16 bits each.
  #bytes: Uint8Array = allocate(SLOTS_FIRST * 8);
  #fds: Int32Array = new Int32Array(this.#bytes.buffer);
  #masks: Uint16Array = new Uint16Array(this.#bytes.buffer);
  #count = 0;
  // Descriptor -> slot + 1; 0 where the descriptor is not watched.
  #slotOf: Int32Array = new Int32Array(64);
  // Slots found ready by the last wait.
  #ready: Int32Array = new Int32Array(SLOTS_FIRST);
  readonly #timeout: Uint8Array = allocate(os.structs.timespec.size);
  readonly #timeoutWords: Int32Array = new Int32Array(this.#timeout.buffer as ArrayBuffer);

  /** As {@linkcode Backend.watch}. */
  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    if (fd >= this.#slotOf.length) this.#growIndex(fd);
    const slot = this.#slotOf[fd]! - 1;
    if (after === 0) {
      if (slot >= 0) this.#release(fd, slot);
      return 0;
    }
    const used = slot >= 0 ? slot : this.#take(fd);
    this.#masks[used * 4 + 2] = toPoll(after);
    return 0;
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    const found = this.#sleep(timeoutMs);
    if (found <= 0) return found;
    // A random start keeps one busy descriptor from always being served before the others.
    const count = this.#count, masks = this.#masks, ready = this.#ready;
    let slot = Math.floor(Math.random() * count);
    let filled = 0;
    for (let seen = 0; seen < count && filled < found; seen++) {
      if (masks[slot * 4 + 3] !== 0) ready[filled++] = slot;
      if (++slot === count) slot = 0;
    }
    return filled;
  }

  /** Plain `poll` where it is exact anyway: it is the cheaper call. */
  #sleep(timeoutMs: number): number {
    if (pollNanoseconds === undefined || timeoutMs < 0 || Number.isInteger(timeoutMs)) {
      return poll(this.#bytes, this.#count, wholeMilliseconds(timeoutMs));
    }
    putTimespec(this.#timeoutWords, timeoutMs);
    return pollNanoseconds(this.#bytes, this.#count, this.#timeout);
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return this.#fds[this.#ready[index]! * 2]!;
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    return fromPoll(this.#masks[this.#ready[index]! * 4 + 3]!);
  }

  /** As {@linkcode Backend.close}. */
  close(): void {
    this.#count = 0;
    this.#slotOf.fill(0);
  }

  #growIndex(fd: number): void {
    const larger = new Int32Array(Math.max(this.#slotOf.length * 2, fd + 1));
    larger.set(this.#slotOf);
    this.#slotOf = larger;
  }

  #take(fd: number): number {
    const slot = this.#count++;
    if (slot * 8 === this.#bytes.length) {
      const larger = allocate(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#fds = new Int32Array(larger.buffer);
      this.#masks = new Uint16Array(larger.buffer);
      this.#ready = new Int32Array(larger.length / 8);
    }
    this.#slotOf[fd] = slot + 1;
    this.#fds[slot * 2] = fd;
    this.#masks[slot * 4 + 3] = 0;
    return slot;
  }

  /** Moves the last slot into the one that becomes free, so that the array stays dense. */
  #release(fd: number, slot: number): void {
    const last = --this.#count;
    this.#slotOf[fd] = 0;
    if (slot === last) return;
    const moved = this.#fds[last * 2]!;
    this.#fds[slot * 2] = moved;
    this.#masks[slot * 4 + 2] = this.#masks[last * 4 + 2]!;
    this.#masks[slot * 4 + 3] = 0;
    this.#slotOf[moved] = slot + 1;
  }
}

function toPoll(interest: number): number {
  return ((interest & INTEREST_READ) !== 0 ? POLLIN : 0) |
    ((interest & INTEREST_WRITE) !== 0 ? POLLOUT : 0) |
    ((interest & INTEREST_CLOSED) !== 0 ? POLLRDHUP : 0);
}

function fromPoll(events: number): number {
  // The kernel reports these three unasked; whoever waits must learn of them, in either direction.
  const failed = (events & (POLLHUP | POLLERR | POLLNVAL)) !== 0 ? INTEREST_READ | INTEREST_WRITE : 0;
  return failed |
    ((events & POLLIN) !== 0 ? INTEREST_READ : 0) |
    ((events & POLLOUT) !== 0 ? INTEREST_WRITE : 0) |
    ((events & POLLRDHUP) !== 0 ? INTEREST_CLOSED : 0);
}
