import type { SystemError } from "../ffi/mod.ts";
import { ipSocketAddress } from "../ffi/mod.ts";
import { type IpSocketAddress, knownAddresses } from "./address_queue.ts";
import { Deferred } from "./deferred.ts";
import type { LoopEvent } from "./event.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import { HappyEyeballs } from "./happy_eyeballs.ts";
import { HostConnectError } from "./host_connect_error.ts";
import type { AddressFamily, HostAddress, HostResolver } from "./host_resolver.ts";

/** How to connect to a host by its name. */
export interface ConnectHostnameOptions {
  /** Finds the addresses. Literal addresses and "localhost" need none. */
  readonly resolver?: HostResolver | undefined;
  /** Which addresses to use; "any" by default. */
  readonly family?: AddressFamily | undefined;
  /** Gives up when aborted; the error is then `ECANCELED`. */
  readonly signal?: AbortSignal | undefined;
  /** How long one address is waited for before the next is tried as well; 250 ms by default, 100 to 2000 (RFC 8305 section 8). */
  readonly attemptDelayMs?: number | undefined;
  /** How long IPv6 addresses are waited for when the IPv4 ones are there; 50 ms by default (RFC 8305 section 3). */
  readonly resolutionDelayMs?: number | undefined;
  /** How long it may take in all, lookup included; 30 s by default, at most a day. */
  readonly connectTimeoutMs?: number | undefined;
  /** How many addresses are tried at most; 32 by default. */
  readonly addressesMax?: number | undefined;
  /**
   * The address of this side; port 0 for any. Only addresses of the same family are tried then. A port may be used again at once after
   * an earlier connection from it (SO_REUSEADDR). The system's choice by default.
   */
  readonly localAddress?: IpSocketAddress | undefined;
}

/** Who wants the connection. */
export interface HostConnectOwner {
  /** There is a socket that is connected. Called from the loop. */
  connected(fd: number): void;
  /** There is none, and why. Called from the loop. */
  failed(error: HostConnectError): void;
}

const ATTEMPT_DELAY_MS = 250;
const RESOLUTION_DELAY_MS = 50;
const CONNECT_TIMEOUT_MS = 30_000;
const DAY_MS = 86_400_000;
const ADDRESSES_MAX = 32;
/** A name of the DNS has at most so many characters (RFC 1035 section 2.3.4), a final dot included. */
const NAME_LENGTH_MAX = 254;

/**
 * A connect by host name that is under way: first the lookup, then, as soon as there are addresses, the race.
 *
 * @internal
 */
export class HostConnect {
  readonly #base: EventBase;
  readonly #host: string;
  readonly #port: number;
  readonly #family: AddressFamily;
  readonly #options: ConnectHostnameOptions;
  readonly #owner: HostConnectOwner;
  readonly #race: HappyEyeballs;
  readonly #lookup: AbortController = new AbortController();
  readonly #limit: LoopEvent;
  readonly #resolutionDelay: LoopEvent;
  readonly #tell: Deferred;
  readonly #abort: () => void;
  // What a race has opened is nobody's but its own, and there is no loop to end it.
  readonly #dependent: { close(): void } = { close: () => this.cancel() };
  #outcome: HostConnectError | null = null;
  #dnsError: Error | null = null;
  #isOver = false;

  /**
   * Checks everything and begins nothing.
   *
   * @throws {TypeError} when `host` is no name, or one that takes a resolver.
   * @throws {RangeError} when a number is out of its range.
   */
  constructor(
    base: EventBase,
    host: string,
    port: number,
    options: ConnectHostnameOptions,
    level: number,
    owner: HostConnectOwner,
  ) {
    const {
      localAddress,
      family = localAddress?.family ?? "any",
      attemptDelayMs = ATTEMPT_DELAY_MS,
      addressesMax = ADDRESSES_MAX,
    } = options;
    checkTarget(host, port, family, options);
    checkRange("attemptDelayMs", attemptDelayMs, 100, 2000);
    checkRange("addressesMax", addressesMax, 1, 1000);
    checkRange("resolutionDelayMs", options.resolutionDelayMs ?? RESOLUTION_DELAY_MS, 0, 2000);
    checkRange("connectTimeoutMs", options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, 1, DAY_MS);
    this.#base = base;
    this.#host = host;
    this.#port = port;
    this.#family = family;
    this.#options = options;
    this.#owner = owner;
    this.#race = new HappyEyeballs(base, {
      attemptDelayMs,
      addressesMax,
      localAddress,
      level,
      connected: (fd) => {
        this.cancel();
        this.#owner.connected(fd);
      },
      failed: (errors) => this.#racedInVain(errors),
    });
    this.#limit = base.timer(() => this.#fail(HostConnectError.tookTooLong(host, port, this.#race.errors)));
    this.#resolutionDelay = base.timer(() => this.#race.start());
    this.#tell = new Deferred(base, level, () => {
      const outcome = this.#outcome!;
      this.cancel();
      this.#owner.failed(outcome);
    });
    this.#abort = () => this.#fail(HostConnectError.aborted(host, port, options.signal?.reason, this.#race.errors));
  }

  /** Whether it has ended, one way or the other. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What the resolver has failed with; null if it has not. */
  get dnsError(): Error | null {
    return this.#dnsError;
  }

  /** Begins with the lookup. */
  start(): void {
    const { signal, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    // Nothing else may be pending while a resolver works somewhere else; this timer is.
    this.#limit.add(connectTimeoutMs);
    reactorOf(this.#base).dependents.add(this.#dependent);
    if (signal?.aborted === true) return this.#abort();
    signal?.addEventListener("abort", this.#abort);
    const known = knownAddresses(this.#host, this.#port);
    if (known !== undefined) this.#answered(known);
    else this.#resolve(this.#options.resolver!);
  }

  /** Ends everything; nobody is told. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    reactorOf(this.#base).dependents.delete(this.#dependent);
    this.#limit.close();
    this.#resolutionDelay.close();
    this.#tell.cancel();
    this.#race.cancel();
    this.#lookup.abort();
  }

  #resolve(resolver: HostResolver): void {
    const failed = (error: unknown): void => this.#lookupFailed(error);
    try {
      const answer = resolver.resolve(this.#host, {
        family: this.#family,
        signal: this.#lookup.signal,
        partial: (addresses) => this.#partlyAnswered(addresses),
      });
      if (isThenable(answer)) answer.then((addresses) => this.#answered(addresses)).then(undefined, failed);
      else this.#answered(answer);
    } catch (error) {
      failed(error);
    }
  }

  #partlyAnswered(addresses: Iterable<HostAddress>): void {
    if (this.#isOver || this.#outcome !== null) return;
    this.#race.add(this.#usable(addresses));
    // IPv6 is preferred, and deserves a moment if IPv4 was quicker.
    if (this.#race.has("ipv6")) this.#race.prefer("ipv6");
    if (this.#race.has("ipv6") || this.#family === "ipv4") this.#race.start();
    else if (this.#race.has("ipv4")) this.#resolutionDelay.add(this.#options.resolutionDelayMs ?? RESOLUTION_DELAY_MS);
  }

  #answered(addresses: Iterable<HostAddress>): void {
    if (this.#isOver || this.#outcome !== null) return;
    const usable = [...this.#usable(addresses)];
    // What has come before may have been in front only because it was quicker.
    if (usable.length > 0) this.#race.prefer(usable[0]!.family);
    this.#race.add(usable);
    this.#lookupEnded();
  }

  #lookupFailed(error: unknown): void {
    if (this.#isOver || this.#outcome !== null) return;
    this.#dnsError = error instanceof Error ? error : new Error(String(error));
    // What has come before may do.
    this.#lookupEnded();
  }

  #lookupEnded(): void {
    this.#resolutionDelay.delete();
    if (this.#race.addressCount === 0) {
      this.#dnsError ??= new Error("the resolver knows no usable address");
      this.#fail(HostConnectError.notFound(this.#host, this.#port, this.#dnsError));
      return;
    }
    this.#race.complete();
    this.#race.start();
  }

  /** The addresses of a family that is wanted. What is no address at all is the resolver's failure. */
  *#usable(addresses: Iterable<HostAddress>): Generator<IpSocketAddress> {
    for (const { host, scope } of addresses) {
      const address = ipSocketAddress(host, this.#port);
      if (address === undefined) {
        this.#dnsError = new TypeError(`the resolver has answered "${host}", which is no address`);
      } else if (this.#family === "any" || this.#family === address.family) {
        yield address.family === "ipv6" && scope !== undefined ? { ...address, scope } : address;
      }
    }
  }

  #racedInVain(errors: readonly SystemError[]): void {
    this.#fail(HostConnectError.unreachable(this.#host, this.#port, errors));
  }

  /** Tells of it from the loop, whoever we are called by. */
  #fail(error: HostConnectError): void {
    if (this.#isOver || this.#outcome !== null) return;
    this.#outcome = error;
    this.#race.cancel();
    this.#lookup.abort();
    this.#tell.schedule();
  }
}

function checkTarget(host: string, port: number, family: AddressFamily, options: ConnectHostnameOptions): void {
  // deno-lint-ignore no-control-regex -- a zero byte would end the name for whoever is written in C
  if (host === "" || host.length > NAME_LENGTH_MAX || /[\x00-\x20\x7f]/.test(host)) {
    throw new TypeError(`Cannot connect to ${JSON.stringify(host.slice(0, 300))}: it is neither a name nor an address`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Cannot connect to port ${port} of ${host}: ports are 1 to 65535`);
  }
  if (family !== "any" && family !== "ipv4" && family !== "ipv6") {
    throw new TypeError(`Cannot connect to ${host}: there is no address family "${family as string}"`);
  }
  if (options.localAddress !== undefined && family !== options.localAddress.family) {
    throw new TypeError(`Cannot connect to ${host} over ${family} from ${options.localAddress.host}`);
  }
  if (options.resolver === undefined && knownAddresses(host, port) === undefined) {
    throw new TypeError(`Cannot connect to "${host}": looking up names takes a resolver, given as an option`);
  }
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) {
    throw new RangeError(`Cannot connect with ${name} ${value}: it is ${least} to ${most}`);
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>>).then === "function";
}
