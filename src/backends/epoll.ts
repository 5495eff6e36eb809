import { allocate, close, epollControl, epollCreate, epollWait, os, systemError } from "../ffi/mod.ts";
import {
  type Backend,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
  wholeMilliseconds,
} from "./backend.ts";

const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET } = os.constants;
const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = os.constants;
const { ENOENT, EEXIST, EBADF, EPERM } = os.errno as Record<"ENOENT" | "EEXIST" | "EBADF" | "EPERM", number>;

const EVENTS_FIRST = 32, EVENTS_MAX = 4096;

/**
 * Linux's epoll, level-triggered unless an interest asks for edges (reference: epoll(7)).
 *
 * A descriptor may have been closed, and its number reused, without a word to us; the kernel then knows another interest
 * than we think. The fallbacks in {@linkcode EpollBackend.watch} put that right.
 */
export class EpollBackend implements Backend {
  readonly name = "epoll";
  readonly features: number = FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE;
  readonly waitFd: number;

  // struct epoll_event as 32-bit words: `events` comes first, the low half of `data` holds the descriptor. It is packed
  // on x86-64 only, so the table tells the distances.
  readonly #stride: number;
  readonly #fdWord: number;
  readonly #change: Uint8Array;
  readonly #changeWords: Int32Array;
  #events: Uint8Array;
  #words: Int32Array;
  #capacity = EVENTS_FIRST;
  #full = false;

  /** @throws {SystemError} when the kernel refuses another epoll instance (EMFILE, ENOMEM). */
  constructor() {
    const layout = os.structs.epoll_event!;
    this.#stride = layout.size / 4;
    this.#fdWord = layout.fields.fd.offset / 4;
    this.#change = allocate(layout.size);
    this.#changeWords = new Int32Array(this.#change.buffer);
    this.#events = allocate(layout.size * EVENTS_FIRST);
    this.#words = new Int32Array(this.#events.buffer);
    const fd = epollCreate();
    if (fd < 0) throw systemError(fd, "epoll_create1", "create an epoll instance");
    this.waitFd = fd;
  }

  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    const words = this.#changeWords;
    words[0] = toEpoll(after);
    words[this.#fdWord] = fd;
    const operation = after === 0 ? EPOLL_CTL_DEL : before === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const result = epollControl(this.waitFd, operation, fd, this.#change);
    if (result >= 0) return 0;
    switch (operation) {
      case EPOLL_CTL_MOD:
        // The descriptor was closed and its number reused: to the kernel it is new.
        return result === -ENOENT ? epollControl(this.waitFd, EPOLL_CTL_ADD, fd, this.#change) : result;
      case EPOLL_CTL_ADD:
        // The number was reused by dup() of a file that we still watch.
        return result === -EEXIST ? epollControl(this.waitFd, EPOLL_CTL_MOD, fd, this.#change) : result;
      default:
        // Closed before it was deleted: the kernel has forgotten it already.
        return result === -ENOENT || result === -EBADF || result === -EPERM ? 0 : result;
    }
  }

  wait(timeoutMs: number): number {
    // The last wait filled the array: more may have been waiting, and by now the caller has read what it held.
    if (this.#full) this.#grow();
    const count = epollWait(this.waitFd, this.#events, this.#capacity, wholeMilliseconds(timeoutMs));
    this.#full = count === this.#capacity && count < EVENTS_MAX;
    return count;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#events = allocate(this.#capacity * this.#stride * 4);
    this.#words = new Int32Array(this.#events.buffer);
  }

  fdAt(index: number): number {
    return this.#words[index * this.#stride + this.#fdWord]!;
  }

  eventsAt(index: number): number {
    return fromEpoll(this.#words[index * this.#stride]!);
  }

  close(): void {
    close(this.waitFd);
  }
}

function toEpoll(interest: number): number {
  return ((interest & INTEREST_READ) !== 0 ? EPOLLIN : 0) |
    ((interest & INTEREST_WRITE) !== 0 ? EPOLLOUT : 0) |
    ((interest & INTEREST_CLOSED) !== 0 ? EPOLLRDHUP : 0) |
    ((interest & INTEREST_EDGE) !== 0 ? EPOLLET : 0);
}

function fromEpoll(events: number): number {
  // An error or a full hang-up must reach whoever waits, in either direction, so that the next call can report it.
  if ((events & EPOLLERR) !== 0 || (events & (EPOLLHUP | EPOLLRDHUP)) === EPOLLHUP) {
    return INTEREST_READ | INTEREST_WRITE | INTEREST_EDGE;
  }
  return ((events & EPOLLIN) !== 0 ? INTEREST_READ : 0) |
    ((events & EPOLLOUT) !== 0 ? INTEREST_WRITE : 0) |
    ((events & EPOLLRDHUP) !== 0 ? INTEREST_CLOSED : 0) | INTEREST_EDGE;
}
