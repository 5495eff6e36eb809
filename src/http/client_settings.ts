import type { ConnectorOptions } from "./connector_options.ts";
import { type HttpLeniency, type HttpLimits, httpLimits } from "./limits.ts";

/** How an `HttpClientConnection` connects, and what it puts up with. Times are in milliseconds; Infinity: for ever. */
export interface HttpClientConnectionOptions extends ConnectorOptions {
  /** How long may nothing come while a response is owed; 50 s by default. It does not run while the response is paused. */
  readonly readTimeoutMs?: number | undefined;
  /** How long may the server take nothing of what is to be sent; 50 s by default. */
  readonly writeTimeoutMs?: number | undefined;
  /** How long a server may take to ask for a body by 100 before it is sent anyway; 1 s by default. */
  readonly expectTimeoutMs?: number | undefined;
  /** How often connecting is tried again (evhttp_connection_set_retries); -1: for ever. 0 by default. */
  readonly retries?: number | undefined;
  /** How long is waited before that the first time; twice as long each time after, up to an hour. 2 s by default. */
  readonly initialRetryMs?: number | undefined;
  /** Limits of the parser; `maxBodyBytes` is that of responses which are collected. See {@linkcode HttpLimits} for the defaults. */
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Deviations from the RFC to accept; none by default. */
  readonly leniency?: HttpLeniency | undefined;
  /** Connect again to the address that was connected to before, without a lookup (EVHTTP_CON_REUSE_CONNECTED_ADDR). False by default. */
  readonly reuseConnectedAddress?: boolean | undefined;
  /**
   * Go on reading after sending has failed, since the server may have answered before it closed (EVHTTP_CON_READ_ON_WRITE_ERROR). True by
   * default, unlike in libevent.
   */
  readonly readOnWriteError?: boolean | undefined;
  /**
   * Whether the loop stays alive for a connection that is kept and has nothing to do. By default it does for one that was made by itself, as in
   * libevent, and does not for those of an `HttpClient`.
   */
  readonly idleKeepsLoop?: boolean | undefined;
  /** Most requests that may wait, the one under way included; 1000 by default. */
  readonly maxQueued?: number | undefined;
}

/** The same, checked and complete. */
export interface ClientSettings {
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly expectTimeoutMs: number;
  readonly retries: number;
  readonly initialRetryMs: number;
  readonly limits: HttpLimits;
  readonly maxBodyBytes: number;
  readonly leniency: HttpLeniency;
  readonly reuseConnectedAddress: boolean;
  readonly readOnWriteError: boolean;
  readonly idleKeepsLoop: boolean;
  readonly maxQueued: number;
}

const NO_LENIENCY: HttpLeniency = Object.freeze({});

/** @throws {RangeError} when a number is out of its range. */
export function clientSettings(options: HttpClientConnectionOptions): ClientSettings {
  const { retries = 0 } = options;
  if (!(Number.isInteger(retries) && retries >= -1) && retries !== Infinity) {
    throw new RangeError(`Cannot set retries to ${retries}: expected a whole number, or -1 for no end`);
  }
  const limits = httpLimits(options.limits);
  return {
    readTimeoutMs: positive("readTimeoutMs", options.readTimeoutMs ?? 50_000),
    writeTimeoutMs: positive("writeTimeoutMs", options.writeTimeoutMs ?? 50_000),
    expectTimeoutMs: positive("expectTimeoutMs", options.expectTimeoutMs ?? 1000),
    initialRetryMs: positive("initialRetryMs", options.initialRetryMs ?? 2000),
    maxQueued: positive("maxQueued", options.maxQueued ?? 1000),
    retries: retries < 0 ? Infinity : retries,
    // The body's limit is one of each request; the parser has none of its own.
    limits: httpLimits({ ...limits, maxBodyBytes: Infinity }),
    maxBodyBytes: limits.maxBodyBytes,
    leniency: options.leniency ?? NO_LENIENCY,
    reuseConnectedAddress: options.reuseConnectedAddress === true,
    readOnWriteError: options.readOnWriteError !== false,
    idleKeepsLoop: options.idleKeepsLoop !== false,
  };
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`Cannot set ${name} to ${value}: expected a number above zero`);
  return value;
}
