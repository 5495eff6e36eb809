import type { SystemError } from "../ffi/mod.ts";
import { AddressQueue, type IpSocketAddress } from "./address_queue.ts";
import { ConnectAttempt } from "./connect_attempt.ts";
import type { LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";

/** How the addresses of a host are tried. */
export interface RaceOptions {
  /** How long one address is waited for before the next is tried as well (Connection Attempt Delay). */
  readonly attemptDelayMs: number;
  /** How many addresses are tried at most. */
  readonly addressesMax: number;
  /** The address of this side, of the family of all addresses that are added; undefined: the system's choice. */
  readonly localAddress: IpSocketAddress | undefined;
  /** The queue in which its events run. */
  readonly level: number;
  /** Called from the loop with the socket that was connected first. */
  connected(fd: number): void;
  /** Called when all addresses have failed; perhaps from inside a call of the race. */
  failed(errors: readonly SystemError[]): void;
}

/**
 * Connects to whichever address of a host answers first (RFC 8305 section 5): one attempt after the other, the next one
 * begun when the one before has failed or was waited for long enough. The first that succeeds ends the others.
 *
 * @internal
 */
export class HappyEyeballs {
  readonly #base: EventBase;
  readonly #options: RaceOptions;
  readonly #queue: AddressQueue;
  readonly #attempts = new Set<ConnectAttempt>();
  readonly #errors: SystemError[] = [];
  readonly #delay: LoopEvent;
  #isStarted = false;
  #isComplete = false;
  #isOver = false;

  constructor(base: EventBase, options: RaceOptions) {
    this.#base = base;
    this.#options = options;
    this.#queue = new AddressQueue(options.addressesMax);
    this.#delay = base.timer(() => this.#next());
    this.#delay.level = options.level;
  }

  /** Adds addresses, which are tried once the race is started. */
  add(addresses: Iterable<IpSocketAddress>): void {
    for (const address of addresses) this.#queue.add(address);
    // The last attempt has been waited for already if the delay is not running any more.
    if (this.#isStarted && this.#delay.pending() === 0) this.#next();
  }

  /** Has a family tried first, if nothing was tried yet. */
  prefer(family: "ipv4" | "ipv6"): void {
    this.#queue.prefer(family);
  }

  /** Begins with what there is. Starting twice is harmless. */
  start(): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    this.#next();
  }

  /** No more addresses will come. */
  complete(): void {
    this.#isComplete = true;
    if (this.#isStarted) this.#failIfDone();
  }

  /** Whether an address of that family waits to be tried. */
  has(family: "ipv4" | "ipv6"): boolean {
    return this.#queue.has(family);
  }

  /** How many different addresses there were. */
  get addressCount(): number {
    return this.#queue.count;
  }

  /** What has failed so far. */
  get errors(): readonly SystemError[] {
    return this.#errors;
  }

  /** Ends everything without a result. */
  cancel(): void {
    this.#isOver = true;
    this.#delay.close();
    for (const attempt of this.#attempts) attempt.close();
    this.#attempts.clear();
  }

  /** Begins the next attempt that can be begun. */
  #next(): void {
    for (let address = this.#queue.take(); address !== undefined && !this.#isOver; address = this.#queue.take()) {
      const attempt = new ConnectAttempt(address, this.#options.localAddress);
      const error = attempt.begin(this.#base, this.#options.level, (error) => this.#ended(attempt, error));
      if (error === null) {
        this.#attempts.add(attempt);
        this.#delay.add(this.#options.attemptDelayMs);
        return;
      }
      this.#errors.push(error);
    }
    this.#failIfDone();
  }

  #ended(attempt: ConnectAttempt, error: SystemError | null): void {
    this.#attempts.delete(attempt);
    if (error === null) {
      const fd = attempt.takeFd();
      this.cancel();
      this.#options.connected(fd);
      return;
    }
    this.#errors.push(error);
    // What has failed is not waited for.
    this.#next();
  }

  #failIfDone(): void {
    if (
      this.#isOver || !this.#isComplete || this.#attempts.size > 0 || this.#queue.has("ipv4") || this.#queue.has("ipv6")
    ) {
      return;
    }
    this.cancel();
    this.#options.failed(this.#errors);
  }
}
