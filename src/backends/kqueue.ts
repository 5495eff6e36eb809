import { allocate, close, type KqueueProvider, os, systemError } from "../ffi/mod.ts";
import {
  type Backend,
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_CONSTANT_TIME,
  FEATURE_EDGE,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
  putTimespec,
  READY_SIGNAL,
} from "./backend.ts";

const EVENTS_FIRST = 64, EVENTS_MAX = 4096;
// Two filters, each removed and added at once at most.
const CHANGES_MAX = 4;

/**
 * kqueue of macOS and FreeBSD (reference: kqueue(2)).
 *
 * A change goes to the kernel at once instead of with the next wait: interest rarely changes on a busy connection, and
 * an error then reaches whoever asked for the change. `EV_RECEIPT` keeps such a call from fetching events.
 */
export class KqueueBackend implements Backend {
  /** As {@linkcode Backend.name}. */
  readonly name = "kqueue";
  // kqueue cannot report a closed peer apart from readability, so there is no FEATURE_EARLY_CLOSE.
  /** As {@linkcode Backend.features}. */
  readonly features: number = FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_ANY_DESCRIPTOR;
  /** As {@linkcode Backend.waitFd}. */
  readonly waitFd: number;

  readonly #provider: KqueueProvider;
  // struct kevent as 32-bit words: ident 0-1, filter and flags in the halves of 2, fflags 3, data 4-5, udata 6-7.
  readonly #stride: number;
  readonly #changes: Uint8Array;
  readonly #changeWords: Int32Array;
  readonly #receipts: Uint8Array;
  readonly #receiptWords: Int32Array;
  readonly #timeout: Uint8Array = allocate(16);
  readonly #timeoutWords: Int32Array = new Int32Array(this.#timeout.buffer as ArrayBuffer);
  readonly #zero: Uint8Array = allocate(16);
  #events: Uint8Array;
  #words: Int32Array;
  #capacity = EVENTS_FIRST;
  #full = false;

  /**
   * Opens a kqueue.
   *
   * @throws {SystemError} when the kernel refuses another kqueue (EMFILE, ENOMEM).
   */
  constructor(provider: KqueueProvider) {
    this.#provider = provider;
    this.#stride = provider.eventSize / 4;
    this.#changes = allocate(provider.eventSize * CHANGES_MAX);
    this.#changeWords = new Int32Array(this.#changes.buffer as ArrayBuffer);
    this.#receipts = allocate(provider.eventSize * CHANGES_MAX);
    this.#receiptWords = new Int32Array(this.#receipts.buffer as ArrayBuffer);
    this.#events = allocate(provider.eventSize * EVENTS_FIRST);
    this.#words = new Int32Array(this.#events.buffer as ArrayBuffer);
    const fd = provider.kqueue();
    if (fd < 0) throw systemError(fd, "kqueue", "create a kqueue");
    this.waitFd = fd;
  }

  /** As {@linkcode Backend.watch}. */
  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    const result = this.#submit(this.#putInterest(fd, before, after));
    // An addition is all or nothing, as with epoll: one filter may have been accepted where the other was refused.
    if (result < 0 && (after & ~before) !== 0) this.#submit(this.#putInterest(fd, after, before));
    return result;
  }

  /** As {@linkcode Backend.watchSignal}. */
  watchSignal(signo: number, on: boolean): number {
    const { EVFILT_SIGNAL, KEV_ADD, KEV_DELETE } = this.#provider.constants;
    this.#putChange(0, signo, EVFILT_SIGNAL, on ? KEV_ADD : KEV_DELETE);
    return this.#submit(1);
  }

  /** Writes the changes of both filters and returns how many there are, four at most. */
  #putInterest(fd: number, before: number, after: number): number {
    const { EVFILT_READ, EVFILT_WRITE } = this.#provider.constants;
    const count = this.#putFilter(0, fd, EVFILT_READ, before, after, INTEREST_READ);
    return this.#putFilter(count, fd, EVFILT_WRITE, before, after, INTEREST_WRITE);
  }

  #putFilter(count: number, fd: number, filter: number, before: number, after: number, interest: number): number {
    const { KEV_ADD, KEV_DELETE, KEV_CLEAR } = this.#provider.constants;
    const had = (before & interest) !== 0, wanted = (after & interest) !== 0;
    // A filter that stays is taken out and added again too. Whether it reports edges is settled when it is created; and if the
    // descriptor was closed and its number reused, the kernel has forgotten it.
    if (had) this.#putChange(count++, fd, filter, KEV_DELETE);
    if (wanted) {
      this.#putChange(count++, fd, filter, KEV_ADD | ((after & INTEREST_EDGE) !== 0 ? KEV_CLEAR : 0));
    }
    return count;
  }

  #putChange(index: number, ident: number, filter: number, flags: number): void {
    const words = this.#changeWords, at = index * this.#stride;
    words.fill(0, at, at + this.#stride);
    words[at] = ident;
    words[at + 2] = (filter & 0xffff) | (flags | this.#provider.constants.KEV_RECEIPT) << 16;
  }

  /** Hands over the first `count` changes and returns 0 or the first error that matters. */
  #submit(count: number): number {
    if (count === 0) return 0;
    let received: number;
    // Interrupted, some of the changes may have been made: to make them again does no harm.
    do received = this.#provider.kevent(this.waitFd, this.#changes, count, this.#receipts, count, this.#zero); while (
      received === -os.errno.EINTR!
    );
    if (received < 0) return received;
    for (let index = 0; index < received; index++) {
      const at = index * this.#stride;
      const flags = this.#receiptWords[at + 2]! >>> 16;
      const error = this.#receiptWords[at + 4]!;
      if ((flags & this.#provider.constants.KEV_ERROR) === 0 || error === 0) continue;
      if (!this.#isHarmless(index, error)) return -error;
    }
    return 0;
  }

  /** A delete that comes too late is no error: closing a descriptor removes its filters. */
  #isHarmless(index: number, error: number): boolean {
    const deleting =
      ((this.#changeWords[index * this.#stride + 2]! >>> 16) & this.#provider.constants.KEV_DELETE) !== 0;
    const { ENOENT, EBADF, EINVAL } = os.errno;
    return deleting && (error === ENOENT || error === EBADF || error === EINVAL);
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    if (this.#full) this.#grow();
    let timeout: Uint8Array | null = null;
    if (timeoutMs >= 0) {
      putTimespec(this.#timeoutWords, timeoutMs);
      timeout = this.#timeout;
    }
    const count = this.#provider.kevent(this.waitFd, null, 0, this.#events, this.#capacity, timeout);
    this.#full = count === this.#capacity && count < EVENTS_MAX;
    return count;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#events = allocate(this.#capacity * this.#stride * 4);
    this.#words = new Int32Array(this.#events.buffer as ArrayBuffer);
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return this.#words[index * this.#stride]!;
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    const at = index * this.#stride;
    const filter = this.#words[at + 2]! << 16 >> 16;
    const flags = this.#words[at + 2]! >>> 16;
    const { EVFILT_READ, EVFILT_WRITE, EVFILT_SIGNAL, KEV_ERROR } = this.#provider.constants;
    if ((flags & KEV_ERROR) !== 0) return INTEREST_READ | INTEREST_WRITE;
    switch (filter) {
      case EVFILT_READ:
        return INTEREST_READ | INTEREST_EDGE;
      case EVFILT_WRITE:
        return INTEREST_WRITE | INTEREST_EDGE;
      case EVFILT_SIGNAL:
        return READY_SIGNAL;
      default:
        return 0;
    }
  }

  /** As {@linkcode Backend.close}. */
  close(): void {
    close(this.waitFd);
  }
}
