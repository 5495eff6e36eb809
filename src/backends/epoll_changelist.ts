import { os } from "../ffi/mod.ts";
import {
  type Backend,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_READ,
  INTEREST_WRITE,
} from "./backend.ts";
import { ChangeList } from "./changelist.ts";
import { type EpollClock, type EpollOptions, EpollSet } from "./epoll_set.ts";

const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = os.constants;
const { ENOENT, EEXIST, EBADF, EPERM, EINTR } = os.errno as Record<
  "ENOENT" | "EEXIST" | "EBADF" | "EPERM" | "EINTR",
  number
>;

/** How long to sleep at most while a descriptor waits for the kernel to have memory for it. */
const RETRY_MS = 10;

/**
 * epoll that is told of changes with the next wait, and of no more than the last word on each descriptor
 * (EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST). It spares calls where interest comes and goes within a turn: an event that is
 * added again by its own callback costs one instead of two, one that is added and deleted none.
 *
 * **Refused descriptors.** Since {@linkcode EpollChangelistBackend.watch} always succeeds, a descriptor that the kernel turns
 * out to refuse (EBADF, EPERM for a regular file) is reported ready for what was asked, with every wait until its interest is
 * withdrawn or the kernel accepts it, which is tried each time. Its owner thus meets the error in its own next call, and a
 * regular file is always ready, as it is with poll. Where the kernel is merely short of something (ENOMEM, ENOSPC) a wait
 * sleeps a little all the same.
 *
 * **Duplicates.** A descriptor that is let go and then closed while a duplicate keeps its file open is closed before the
 * kernel has heard of the first, and can no longer be named to it: its entry goes on reporting under a number that may mean
 * another file by then. (libevent therefore forbids duplicates here.) Every entry carries a tag by which such a report is
 * recognised and dropped; the epoll instance is then replaced by a fresh one, since nothing else ends them.
 */
export class EpollChangelistBackend implements Backend {
  /** As {@linkcode Backend.name}. */
  readonly name = "epoll (with changelist)";
  /** As {@linkcode Backend.features}. */
  readonly features: number = FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE;

  readonly #set: EpollSet;
  readonly #changes = new ChangeList();
  // The last wait found so many in the kernel, and behind them so many that the kernel had refused; the latter stay at the
  // head of the list.
  #found = 0;
  #refused = 0;
  // Whether one of them is to be reported without sleeping: it would not get better.
  #isHopeless = false;

  /**
   * Opens an epoll instance.
   *
   * @throws {SystemError} when the kernel refuses another epoll instance (EMFILE, ENOMEM).
   */
  constructor(options: EpollOptions = {}) {
    this.#set = new EpollSet(options);
  }

  /** The epoll instance. Whoever asks is about to sleep on it, so the kernel hears of the latest changes first. */
  get waitFd(): number {
    if (this.#changes.count > this.#refused) this.#flush(this.#refused);
    return this.#set.fd;
  }

  /** As {@linkcode Backend.mustPause}. */
  get mustPause(): boolean {
    return this.#set.mustPause || (this.#refused > 0 && !this.#isHopeless);
  }

  /** What it sleeps by; a kernel without `epoll_pwait2` shows at the first sleep that would need it. */
  get clock(): EpollClock {
    return this.#set.clock;
  }

  /** As {@linkcode Backend.watch}. */
  watch(fd: number, before: number, after: number): number {
    if (fd < 0) return -EBADF;
    if (before !== after) this.#changes.put(fd, after);
    return 0;
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    const refused = this.#changes.count === 0 ? 0 : this.#flush(0);
    const result = this.#set.wait(refused > 0 ? this.#timeToRetryMs(timeoutMs) : timeoutMs);
    if (result < 0 && (result !== -EINTR || refused === 0)) {
      this.#found = this.#refused = 0;
      return result;
    }
    this.#found = result > 0 ? this.#withoutGhosts(result) : 0;
    this.#refused = refused;
    return this.#found + refused;
  }

  #timeToRetryMs(timeoutMs: number): number {
    if (this.#isHopeless) return 0;
    return timeoutMs < 0 ? RETRY_MS : Math.min(RETRY_MS, timeoutMs);
  }

  /** Tells the kernel what stands in the list from `start` on. Returns how many entries the list keeps: those refused. */
  #flush(start: number): number {
    const changes = this.#changes;
    const count = changes.count;
    let kept = start;
    if (start === 0) this.#isHopeless = false;
    for (let index = start; index < count; index++) {
      const fd = changes.fdAt(index);
      if (this.#tell(fd, changes.operationFor(fd))) changes.settle(fd);
      else changes.keep(kept++, fd);
    }
    changes.truncate(kept);
    return kept;
  }

  /** Returns false when the kernel refuses. A delete is never refused: then there is nothing to delete any more. */
  #tell(fd: number, operation: number): boolean {
    switch (operation) {
      case EPOLL_CTL_ADD:
        return this.#add(fd);
      case EPOLL_CTL_MOD:
        return this.#modify(fd);
      case EPOLL_CTL_DEL:
        this.#set.control(operation, fd, 0, 0);
    }
    return true;
  }

  #add(fd: number): boolean {
    const interest = this.#changes.wanted(fd), tag = this.#changes.newTag(fd);
    const result = this.#set.control(EPOLL_CTL_ADD, fd, interest, tag);
    // The number was reused by dup() of a file that the kernel still watches under it.
    return this.#isDone(result === -EEXIST ? this.#set.control(EPOLL_CTL_MOD, fd, interest, tag) : result);
  }

  #modify(fd: number): boolean {
    const result = this.#set.control(EPOLL_CTL_MOD, fd, this.#changes.wanted(fd), this.#changes.tagOf(fd));
    if (result >= 0) return true;
    // The descriptor was closed, and its number may have been reused.
    if (result === -ENOENT || result === -EBADF || result === -EPERM) this.#changes.forget(fd);
    return result === -ENOENT ? this.#add(fd) : this.#isDone(result);
  }

  #isDone(result: number): boolean {
    if (result === -EBADF || result === -EPERM) this.#isHopeless = true;
    return result >= 0;
  }

  /** Takes reports out whose file has lost its number, and ends them for good. Returns how many are left. */
  #withoutGhosts(count: number): number {
    const set = this.#set, changes = this.#changes;
    let kept = 0;
    for (let index = 0; index < count; index++) {
      if (!changes.isCurrent(set.fdAt(index), set.tagAt(index))) continue;
      if (kept !== index) set.move(index, kept);
      kept++;
    }
    // Should there be no descriptor left for a fresh instance, the next ghost asks again, after a pause.
    if (kept < count && set.renew() === 0) changes.forgetAll();
    return kept;
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return index < this.#found ? this.#set.fdAt(index) : this.#changes.fdAt(index - this.#found);
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    if (index < this.#found) return this.#set.eventsAt(index);
    const wanted = this.#changes.wanted(this.fdAt(index));
    const directions = wanted & (INTEREST_READ | INTEREST_WRITE);
    // Who waits for a direction too learns through that one: a closed peer would be another piece of news.
    return directions !== 0 ? directions : wanted & INTEREST_CLOSED;
  }

  /** As {@linkcode Backend.close}. */
  close(): void {
    this.#set.close();
  }
}
