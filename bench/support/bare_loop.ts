import { allocate, close, epollControl, epollCreate, epollWait, os } from "../../src/ffi/mod.ts";

const { EPOLLIN, EPOLL_CTL_ADD } = os.constants;
const { size, fields } = os.structs.epoll_event!;
/** As many as libevent asks for at first. */
const EVENTS_MAX = 32;
const STRIDE = size / 4;
const FD_WORD = fields.fd.offset / 4;

/** A descriptor that is watched. */
interface Watched {
  readonly fd: number;
  readonly callback: (what: number, watched: { readonly fd: number }) => void;
}

/**
 * The least that a loop over epoll can be on a JavaScript runtime: the system calls, and a function for each descriptor. No timers, signals, priorities or
 * promises, and nothing is checked. It tells how much of what our own loop costs is the runtime's.
 */
export class BareLoop {
  readonly #epoll = epollCreate();
  readonly #watched: Watched[] = [];
  readonly #events = allocate(size * EVENTS_MAX);
  readonly #words = new Int32Array(this.#events.buffer as ArrayBuffer);
  #isStopped = false;

  /** Calls back whenever `fd` is readable. */
  watch(fd: number, callback: Watched["callback"]): void {
    const change = allocate(size);
    const words = new Int32Array(change.buffer as ArrayBuffer);
    words[0] = EPOLLIN;
    words[FD_WORD] = fd;
    const result = epollControl(this.#epoll, EPOLL_CTL_ADD, fd, change);
    if (result < 0) throw new Error(`Cannot watch descriptor ${fd}: error ${-result}`);
    this.#watched[fd] = { fd, callback };
  }

  /** Waits and calls back until it is stopped. */
  dispatch(): void {
    this.#isStopped = false;
    while (!this.#isStopped) {
      const count = epollWait(this.#epoll, this.#events, EVENTS_MAX, -1);
      for (let index = 0; index < count; index++) {
        const watched = this.#watched[this.#words[index * STRIDE + FD_WORD]!]!;
        watched.callback(EPOLLIN, watched);
      }
    }
  }

  /** Ends {@linkcode BareLoop.dispatch} when all that is ready has been called. */
  loopBreak(): void {
    this.#isStopped = true;
  }

  [Symbol.dispose](): void {
    close(this.#epoll);
  }
}
