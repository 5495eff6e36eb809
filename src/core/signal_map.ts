import { muteSignal, type SignalChannel, signalChannel, systemError, unmuteSignal } from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import type { Reactor } from "./reactor.ts";
import type { SignalDetails } from "./signal_details.ts";

/** Which bases of this thread wait for which signal. All of them share one channel, so each signal reaches every base. */
const subscribers = new Map<number, Set<SignalMap>>();

function subscribe(channel: SignalChannel, signo: number, map: SignalMap): void {
  const maps = subscribers.get(signo);
  if (maps !== undefined) {
    maps.add(map);
    return;
  }
  const result = channel.install(signo);
  if (result < 0) throw systemError(result, "sigaction", `catch signal ${signo}`);
  subscribers.set(signo, new Set([map]));
}

function unsubscribe(channel: SignalChannel, signo: number, map: SignalMap): void {
  const maps = subscribers.get(signo);
  if (maps === undefined || !maps.delete(map) || maps.size > 0) return;
  subscribers.delete(signo);
  channel.restore(signo);
}

/** Passes what has arrived to every base that waits for it, whichever base was the one to read. Returns whether there may be more. */
function deliver(channel: SignalChannel): boolean {
  return channel.drain((signo, count, record) => {
    const maps = subscribers.get(signo);
    if (maps === undefined) return;
    for (const map of maps) map.raised(signo, count, record);
  });
}

/** Which events of one base wait for which signal. */
export class SignalMap {
  readonly #reactor: Reactor;
  readonly #heads = new Map<number, LoopEvent>();
  // Watches the channel from the first signal event on.
  #watcher: LoopEvent | null = null;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /**
   * Adds `event` in front of its signal's list and starts catching the signal if it is the first.
   *
   * @throws {SystemError} when the signal cannot be caught (SIGKILL, SIGSTOP, numbers that do not exist).
   */
  add(event: LoopEvent): void {
    const signo = event.fd;
    const head = this.#heads.get(signo) ?? null;
    if (head === null) this.#start(signo);
    event.fdNext = head;
    event.fdPrevious = null;
    if (head !== null) head.fdPrevious = event;
    this.#heads.set(signo, event);
  }

  /** Takes `event` out, and gives the signal back to its old handler if it was the last. */
  remove(event: LoopEvent): void {
    if (event.fdNext !== null) event.fdNext.fdPrevious = event.fdPrevious;
    if (event.fdPrevious !== null) {
      event.fdPrevious.fdNext = event.fdNext;
    } else if (event.fdNext !== null) {
      this.#heads.set(event.fd, event.fdNext);
    } else {
      this.#heads.delete(event.fd);
      this.#stop(event.fd);
    }
    event.fdNext = null;
    event.fdPrevious = null;
  }

  /** Activates the events of `signo`, newest first. */
  raised(signo: number, count: number, details: SignalDetails | null): void {
    for (let event = this.#heads.get(signo) ?? null; event !== null; event = event.fdNext) {
      event.markSignal(count, details);
    }
  }

  /** Calls `visit` with every waiting signal event, by signal number. */
  forEach(visit: (event: LoopEvent) => void): void {
    for (const signo of [...this.#heads.keys()].sort((a, b) => a - b)) {
      for (let event = this.#heads.get(signo) ?? null; event !== null; event = event.fdNext) visit(event);
    }
  }

  #start(signo: number): void {
    const channel = signalChannel();
    if (channel === undefined) {
      const result = this.#reactor.backend.watchSignal?.(signo, true) ?? 0;
      if (result < 0) throw systemError(result, "kevent", `catch signal ${signo}`);
      const muteResult = muteSignal(signo);
      if (muteResult >= 0) return;
      this.#reactor.backend.watchSignal?.(signo, false);
      throw systemError(muteResult, "sigaction", `catch signal ${signo}`);
    }
    // What came to a base that was closed before it looked is still there, and is not for this one, which looks for the first time.
    while (this.#watcher === null && deliver(channel));
    subscribe(channel, signo, this);
    if (this.#watcher !== null) return;
    const read = EV_READ | EV_PERSIST;
    const watcher = new LoopEvent(this.#reactor.base, channel.readFd, read, () => void deliver(channel), true);
    try {
      watcher.add();
    } catch (error) {
      // A signal that is caught and then reaches nobody would be worse than one that is not caught.
      unsubscribe(channel, signo, this);
      throw error;
    }
    this.#watcher = watcher;
  }

  #stop(signo: number): void {
    const channel = signalChannel();
    if (channel === undefined) {
      unmuteSignal(signo);
      this.#reactor.backend.watchSignal?.(signo, false);
      return;
    }
    // The watcher stays, as in C: what was raised before this must not wait in the channel for whoever comes next.
    unsubscribe(channel, signo, this);
  }
}
