import { FEATURE_EARLY_CLOSE } from "../backends/mod.ts";
import { libcPath, MappedBytes, os, runtime, systemError, type Waiter, WakeChannel } from "../ffi/mod.ts";
import { EV_CLOSED, EV_READ, EV_WRITE } from "./constants.ts";
import type { Reactor } from "./reactor.ts";
import { EMPTY, RAN, SLEPT, STOPPED, type TurnOutcome } from "./turn.ts";

/** Options of {@linkcode EventBase.run}. */
export interface RunOptions {
  /** Ends the loop when aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Keeps the loop alive until it is settled, whether anything is pending or not, and ends it then. So a program may await whatever it likes
   * between two requests: a file, or a host timer.
   */
  readonly until?: PromiseLike<unknown> | undefined;
}

/** What has become of the promise that a run ends with. */
interface Awaited {
  isSettled: boolean;
  failure: { readonly reason: unknown } | null;
}

/** Turns run back to back while there is work; then the host's loop gets its turn. */
const TURNS_PER_TASK = 8;
/** How long to leave a sleeper alone that fails time and again, without memory, or without a thread, or finds nothing to sleep on. */
const FAILED_SLEEP_MS = 10;
/** Room for the first 512 descriptors. */
const POLLFDS_BYTES_FIRST = 4096;
const { POLLIN, POLLOUT, POLLRDHUP } = os.constants;

/**
 * Runs a base beside the host's loop. While there is work it runs some turns per host task; when there is none, another
 * thread sleeps in `poll(2)` on the base's behalf and this one goes back to the host.
 *
 * @internal
 */
export class HostLoop {
  readonly #reactor: Reactor;
  #waiter: Waiter | undefined;
  #wake: WakeChannel | undefined;
  // How often in a row the sleeper has failed.
  #failures = 0;
  // struct pollfd: descriptor in 32 bits, `events` and `revents` in 16 bits each. The other thread may still be at it when this
  // one is terminated.
  #pollfds: MappedBytes | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /**
   * Runs `turn` until it says STOPPED, or EMPTY twice running; the result is true for STOPPED. Between the two the host has its turn: whoever
   * has awaited what was pending last may be about to ask for more, or has begun to run the loop first. `until` is
   * something pending, and the end when it is settled.
   */
  async run(turn: () => TurnOutcome, { signal, until }: RunOptions): Promise<boolean> {
    if (signal?.aborted === true) return true;
    const awaited = until === undefined ? null : this.#await(until);
    const stop = (): void => this.#reactor.base.loopBreak();
    signal?.addEventListener("abort", stop);
    let wasEmpty = false;
    try {
      for (;;) {
        let outcome: TurnOutcome = RAN;
        let count = 0;
        while (count < TURNS_PER_TASK && outcome === RAN && awaited?.isSettled !== true) {
          outcome = turn();
          count++;
        }
        // Here, since promise reactions may run inside of a turn, when nobody sleeps who could be woken.
        if (awaited?.isSettled === true) {
          if (awaited.failure !== null) throw awaited.failure.reason;
          return true;
        }
        if (outcome === STOPPED || (outcome === EMPTY && wasEmpty && count === 1)) return outcome === STOPPED;
        wasEmpty = outcome === EMPTY;
        // Time runs on while the host has the thread.
        this.#reactor.clock.forget();
        if (outcome === SLEPT) await this.#sleep();
        else if (this.#reactor.backend.mustPause === true) await pause(FAILED_SLEEP_MS);
        else await new Promise<void>((resolve) => runtime.setImmediate(resolve));
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      if (awaited !== null) this.#reactor.countVirtual(-1);
    }
  }

  /** Waits for `until` as for an event, whose end wakes the sleeper. */
  #await(until: PromiseLike<unknown>): Awaited {
    this.#reactor.countVirtual(1);
    const awaited: Awaited = { isSettled: false, failure: null };
    const settle = (failure: Awaited["failure"]): void => {
      awaited.isSettled = true;
      awaited.failure = failure;
      // Perhaps that of a later run, if this one is over: it looks around and sleeps on.
      this.#reactor.wakeSleeper?.();
    };
    try {
      until.then(() => settle(null), (reason) => settle({ reason }));
    } catch (reason) {
      // As a promise takes it that is resolved with such an object.
      if (!awaited.isSettled) settle({ reason });
    }
    return awaited;
  }

  /** Gives the sleeping thread and its descriptors back. */
  close(): void {
    this.#waiter?.close();
    this.#wake?.close();
    this.#pollfds?.unmap();
    this.#waiter = this.#wake = this.#pollfds = undefined;
    this.#view = new DataView(new ArrayBuffer(0));
  }

  /** Sleeps until a descriptor is ready, a timer is due, or something was changed meanwhile. */
  async #sleep(): Promise<void> {
    const reactor = this.#reactor;
    this.#waiter ??= runtime.createWaiter(libcPath);
    const wake = this.#wake ??= openWake();
    const timeoutMs = reactor.timeToNextMs();
    const count = this.#fillPollfds(wake.readFd);
    let woken = false;
    reactor.wakeSleeper = () => {
      if (!woken) wake.signal();
      woken = true;
    };
    try {
      const result = await this.#waiter.wait(this.#pollfds!.bytes, count, Math.ceil(Math.min(timeoutMs, 2 ** 31 - 1)));
      this.#failures = result < 0 ? this.#failures + 1 : 0;
      // The first time it was most likely a signal, and to be heard of at once.
      if (this.#failures > 1 || reactor.backend.mustPause === true) {
        await pause(timeoutMs < 0 ? FAILED_SLEEP_MS : Math.min(FAILED_SLEEP_MS, timeoutMs));
      }
    } finally {
      reactor.wakeSleeper = null;
      // Also what an earlier drain has left, or nobody could sleep any more.
      if (woken || this.#isReported(0)) wake.drain();
    }
  }

  /** Lists what the other thread has to watch: the backend's own descriptor, or every descriptor where it has none. */
  #fillPollfds(wakeFd: number): number {
    const { backend, fds } = this.#reactor;
    this.#put(0, wakeFd, POLLIN);
    if (backend.waitFd >= 0) {
      this.#put(1, backend.waitFd, POLLIN);
      return 2;
    }
    // Waking for what the backend cannot report would mean waking for it again and again.
    const reported = EV_READ | EV_WRITE | ((backend.features & FEATURE_EARLY_CLOSE) !== 0 ? EV_CLOSED : 0);
    let count = 1;
    for (let fd = 0; fd < fds.limit; fd++) {
      const interest = fds.interestIn(fd) & reported;
      if (interest === 0) continue;
      const events = ((interest & EV_READ) !== 0 ? POLLIN : 0) | ((interest & EV_WRITE) !== 0 ? POLLOUT : 0) |
        ((interest & EV_CLOSED) !== 0 ? POLLRDHUP : 0);
      this.#put(count++, fd, events);
    }
    return count;
  }

  /** Whether the last sleep found entry `index` ready. */
  #isReported(index: number): boolean {
    return this.#view.getInt16(index * 8 + 6, true) !== 0;
  }

  #put(index: number, fd: number, events: number): void {
    const at = index * 8;
    if (at + 8 > this.#view.byteLength) this.#growPollfds();
    this.#view.setInt32(at, fd, true);
    this.#view.setInt16(at + 4, events, true);
    this.#view.setInt16(at + 6, 0, true);
  }

  #growPollfds(): void {
    const smaller = this.#pollfds;
    const larger = MappedBytes.map(Math.max(POLLFDS_BYTES_FIRST, this.#view.byteLength * 2));
    if (typeof larger === "number") throw systemError(larger, "mmap", "list the descriptors to wait for");
    if (smaller !== undefined) {
      larger.bytes.set(smaller.bytes);
      smaller.unmap();
    }
    this.#pollfds = larger;
    this.#view = new DataView(larger.bytes.buffer, 0, larger.bytes.length);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function openWake(): WakeChannel {
  const wake = WakeChannel.open();
  if (typeof wake === "number") throw systemError(wake, "eventfd", "open a wake-up channel");
  return wake;
}
