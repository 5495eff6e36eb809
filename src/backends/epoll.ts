import { os } from "../ffi/mod.ts";
import { type Backend, FEATURE_CONSTANT_TIME, FEATURE_EARLY_CLOSE, FEATURE_EDGE } from "./backend.ts";
import { type EpollClock, type EpollOptions, EpollSet } from "./epoll_set.ts";

const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = os.constants;
const { ENOENT, EEXIST, EBADF, EPERM } = os.errno as Record<"ENOENT" | "EEXIST" | "EBADF" | "EPERM", number>;

/**
 * Linux's epoll, level-triggered unless an interest asks for edges (reference: epoll(7)).
 *
 * A descriptor may have been closed, and its number reused, without a word to us; the kernel then knows another interest
 * than we think. The fallbacks in {@linkcode EpollBackend.watch} put that right.
 *
 * **Ghosts.** If a duplicate keeps the closed file open, the kernel goes on reporting it under the old number, and without the
 * number nobody can tell it to stop (libevent spins then, or calls whoever waits for that number now). So what is added under a
 * number after its file was found to be gone carries another tag. A report with an older one is turned into one without
 * readiness, upon which {@linkcode EpollBackend.renew} is called. As long as no descriptor is closed before it is deleted, all
 * this costs one comparison per wait.
 */
export class EpollBackend implements Backend {
  /** As {@linkcode Backend.name}. */
  readonly name = "epoll";
  /** As {@linkcode Backend.features}. */
  readonly features: number = FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE;
  /** As {@linkcode Backend.waitFd}. */
  readonly waitFd: number;
  /** As {@linkcode Backend.reportsOnce}. */
  readonly reportsOnce: boolean = true;

  readonly #set: EpollSet;
  // By descriptor, how often its file was found to be gone; undefined while none was.
  #tags: Int32Array | undefined;
  // Whether the last wait met a ghost.
  #isHaunted = false;

  /**
   * Opens an epoll instance.
   *
   * @throws {SystemError} when the kernel refuses another epoll instance (EMFILE, ENOMEM).
   */
  constructor(options: EpollOptions = {}) {
    this.#set = new EpollSet(options);
    this.waitFd = this.#set.fd;
  }

  /** What it sleeps by; a kernel without `epoll_pwait2` shows at the first sleep that would need it. */
  get clock(): EpollClock {
    return this.#set.clock;
  }

  /** As {@linkcode Backend.watch}. */
  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    const operation = after === 0 ? EPOLL_CTL_DEL : before === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const result = this.#set.control(operation, fd, after, this.#tagOf(fd));
    if (result >= 0) return 0;
    switch (operation) {
      case EPOLL_CTL_MOD:
        // The descriptor was closed and its number reused: to the kernel it is new.
        return result === -ENOENT ? this.#set.control(EPOLL_CTL_ADD, fd, after, this.#newTag(fd)) : result;
      case EPOLL_CTL_ADD:
        // The number was reused by dup() of a file that we still watch.
        return result === -EEXIST ? this.#set.control(EPOLL_CTL_MOD, fd, after, this.#tagOf(fd)) : result;
      default:
        if (result !== -ENOENT && result !== -EBADF && result !== -EPERM) return result;
        // Closed before it was deleted: the kernel has forgotten it already, unless a duplicate keeps its file open.
        this.#newTag(fd);
        return 0;
    }
  }

  #tagOf(fd: number): number {
    return this.#tags === undefined ? 0 : this.#tags[fd] ?? 0;
  }

  #newTag(fd: number): number {
    if (this.#tags === undefined || fd >= this.#tags.length) {
      const larger = new Int32Array(Math.max(64, 2 * (this.#tags?.length ?? 0), fd + 1));
      if (this.#tags !== undefined) larger.set(this.#tags);
      this.#tags = larger;
    }
    return ++this.#tags[fd]!;
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    const count = this.#set.wait(timeoutMs);
    if (this.#tags !== undefined) this.#blankGhosts(count);
    return count;
  }

  /** Takes the readiness out of the reports of files that have lost their number. */
  #blankGhosts(count: number): void {
    const set = this.#set;
    this.#isHaunted = false;
    for (let index = 0; index < count; index++) {
      if (set.tagAt(index) === this.#tagOf(set.fdAt(index))) continue;
      set.blank(index);
      this.#isHaunted = true;
    }
  }

  /** As {@linkcode Backend.renew}. */
  renew(interest: Uint8Array): number {
    // One fresh instance ends all the ghosts of a wait.
    if (!this.#isHaunted) return 0;
    const result = this.#set.renew((epollFd) => this.#fill(epollFd, interest));
    if (result < 0) return result;
    this.#isHaunted = false;
    this.#tags = undefined;
    return 0;
  }

  /** Adds all that is wanted to a fresh instance, whose tags begin at zero. Returns 0 or `-errno`. */
  #fill(epollFd: number, interest: Uint8Array): number {
    for (let fd = 0; fd < interest.length; fd++) {
      if (interest[fd] === 0) continue;
      const result = this.#set.control(EPOLL_CTL_ADD, fd, interest[fd]!, 0, epollFd);
      // Closed, and not deleted yet: it cannot be watched any more, and whoever deletes it will not mind.
      if (result < 0 && result !== -EBADF && result !== -EPERM) return result;
    }
    return 0;
  }

  /** As {@linkcode Backend.mustPause}. */
  get mustPause(): boolean {
    return this.#set.mustPause;
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return this.#set.fdAt(index);
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    return this.#set.eventsAt(index);
  }

  /** As {@linkcode Backend.close}. */
  close(): void {
    this.#set.close();
  }
}
