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
 */
export class EpollBackend implements Backend {
  readonly name = "epoll";
  readonly features: number = FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE;
  readonly waitFd: number;

  readonly #set: EpollSet;

  /** @throws {SystemError} when the kernel refuses another epoll instance (EMFILE, ENOMEM). */
  constructor(options: EpollOptions = {}) {
    this.#set = new EpollSet(options);
    this.waitFd = this.#set.fd;
  }

  /** What it sleeps by; a kernel without `epoll_pwait2` shows at the first sleep that would need it. */
  get clock(): EpollClock {
    return this.#set.clock;
  }

  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    const operation = after === 0 ? EPOLL_CTL_DEL : before === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const result = this.#set.control(operation, fd, after, 0);
    if (result >= 0) return 0;
    switch (operation) {
      case EPOLL_CTL_MOD:
        // The descriptor was closed and its number reused: to the kernel it is new.
        return result === -ENOENT ? this.#set.control(EPOLL_CTL_ADD, fd, after, 0) : result;
      case EPOLL_CTL_ADD:
        // The number was reused by dup() of a file that we still watch.
        return result === -EEXIST ? this.#set.control(EPOLL_CTL_MOD, fd, after, 0) : result;
      default:
        // Closed before it was deleted: the kernel has forgotten it already.
        return result === -ENOENT || result === -EBADF || result === -EPERM ? 0 : result;
    }
  }

  wait(timeoutMs: number): number {
    return this.#set.wait(timeoutMs);
  }

  fdAt(index: number): number {
    return this.#set.fdAt(index);
  }

  eventsAt(index: number): number {
    return this.#set.eventsAt(index);
  }

  close(): void {
    this.#set.close();
  }
}
