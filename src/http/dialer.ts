import { type BufferEvent, type EventBase, type LoopEvent, type SocketAddress, SystemError } from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import type { ClientSettings, HttpClientConnectionOptions } from "./client_settings.ts";
import { StreamOpening } from "./connector.ts";
import type { StreamTarget } from "./connector_options.ts";
import { hostOf } from "./stream_target.ts";

const RETRY_MS_MAX = 3_600_000;

/** Who wants to be connected. */
export interface DialerOwner {
  /** There is a stream, the owner's to close. Called from the loop. */
  connected(stream: BufferEvent): void;
  /** There is none, however often it was tried. Called from the loop. */
  gaveUp(error: unknown): void;
}

/**
 * Connects to a target whenever asked to, and tries again as often as it may, after a time that doubles.
 *
 * @internal
 */
export class Dialer {
  readonly #base: EventBase;
  readonly #target: StreamTarget;
  readonly #options: HttpClientConnectionOptions;
  readonly #settings: ClientSettings;
  readonly #owner: DialerOwner;
  readonly #retryTimer: LoopEvent;
  readonly #tellRefusal: Deferred;
  #refusal: SystemError | null = null;
  #opening: StreamOpening | null = null;
  #isDialing = false;
  #retriesLeft: number;
  #retryMs: number;
  #address: StreamTarget | null = null;

  constructor(
    base: EventBase,
    target: StreamTarget,
    options: HttpClientConnectionOptions,
    settings: ClientSettings,
    owner: DialerOwner,
  ) {
    this.#base = base;
    this.#target = target;
    this.#options = options;
    this.#settings = settings;
    this.#owner = owner;
    this.#retriesLeft = settings.retries;
    this.#retryMs = settings.initialRetryMs;
    this.#retryTimer = base.timer(() => this.#openAgain());
    this.#tellRefusal = new Deferred(base, base.priorities >> 1, () => this.#failed(this.#refusal));
  }

  /**
   * Begins, unless it has begun already.
   *
   * @throws {TypeError} or {RangeError} for a target or an option that is none.
   */
  dial(): void {
    if (this.#isDialing) return;
    this.#open();
    this.#isDialing = true;
  }

  /** Gives it up; nobody is told. */
  cancel(): void {
    this.#opening?.cancel();
    this.#retryTimer.delete();
    this.#tellRefusal.cancel();
    this.#startAnew();
  }

  /** Gives it up for good. */
  close(): void {
    this.cancel();
    this.#retryTimer.close();
  }

  #startAnew(): void {
    this.#opening = null;
    this.#isDialing = false;
    this.#retriesLeft = this.#settings.retries;
    this.#retryMs = this.#settings.initialRetryMs;
  }

  #openAgain(): void {
    try {
      this.#open();
    } catch (error) {
      // There is no caller now, and trying again will not help.
      this.#startAnew();
      this.#owner.gaveUp(error);
    }
  }

  #open(): void {
    const options = this.#options;
    const address = this.#address;
    const owner = {
      opened: (stream: BufferEvent): void => this.#opened(stream),
      failed: (error: Error): void => this.#failed(error),
    };
    try {
      this.#opening = address === null
        ? new StreamOpening(this.#base, this.#target, options, owner)
        : new StreamOpening(
          this.#base,
          address,
          { ...options, tlsHostname: options.tlsHostname ?? hostOf(this.#target) },
          owner,
        );
    } catch (error) {
      // What the system has refused is told from the loop, as everything that is no mistake of the caller's.
      if (!(error instanceof SystemError)) throw error;
      this.#refusal = error;
      this.#tellRefusal.schedule();
    }
  }

  #opened(stream: BufferEvent): void {
    this.#startAnew();
    if (this.#settings.reuseConnectedAddress && this.#options.proxy === undefined) {
      const address = (stream as { readonly remoteAddress?: SocketAddress }).remoteAddress;
      if (address !== undefined && address.family !== "unix") this.#address = targetAt(address);
    }
    this.#owner.connected(stream);
  }

  #failed(error: unknown): void {
    this.#opening = null;
    if (this.#retriesLeft > 0) {
      this.#retriesLeft--;
      this.#retryTimer.add(this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
      return;
    }
    this.#startAnew();
    this.#owner.gaveUp(error);
  }
}

function targetAt(address: Exclude<SocketAddress, { readonly family: "unix" }>): StreamTarget {
  const { host, port } = address;
  return { host: address.family === "ipv6" && address.scope !== 0 ? `${host}%${address.scope}` : host, port };
}
