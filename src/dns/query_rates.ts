import type { SocketAddress } from "../core/mod.ts";
import { addressBytes, isMappedIpv4 } from "./address_policy.ts";

/** Networks that are told apart; more of them share. A power of two. */
const SLOTS = 4096;

/** What is to be done about a query. */
export const PASS = 0, CUT = 1, DROP = 2;

/**
 * How many queries networks may ask a second: a token bucket for each, in a table whose size does not depend on who asks. Networks that
 * share a slot share its rate, and nobody can tell which do, since the hash begins with a random number.
 *
 * @internal
 */
export class QueryRates {
  readonly #perSecond: number;
  readonly #tokens = new Float64Array(SLOTS);
  readonly #filledMs = new Float64Array(SLOTS).fill(-Infinity);
  readonly #beyond = new Uint8Array(SLOTS);
  readonly #seed = crypto.getRandomValues(new Uint32Array(1))[0]!;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Counts a query from `address` at the time `nowMs`. Answers {@linkcode PASS}, {@linkcode CUT} or {@linkcode DROP}. */
  count(address: SocketAddress, nowMs: number): number {
    const slot = this.#slotOf(address);
    const most = this.#perSecond * 2;
    // The first time is infinitely long ago, so the bucket is full.
    const earned = (nowMs - this.#filledMs[slot]!) / 1000 * this.#perSecond;
    const tokens = Math.min(most, this.#tokens[slot]! + earned);
    this.#filledMs[slot] = nowMs;
    if (tokens >= 1) {
      this.#tokens[slot] = tokens - 1;
      return PASS;
    }
    this.#tokens[slot] = tokens;
    this.#beyond[slot] = this.#beyond[slot]! ^ 1;
    return this.#beyond[slot] === 1 ? CUT : DROP;
  }

  #slotOf(address: SocketAddress): number {
    if (address.family === "unix") return 0;
    const bytes = addressBytes(address.host);
    // A socket for both families sees IPv4 addresses as mapped ones.
    const isIpv4 = bytes !== undefined && isMappedIpv4(bytes);
    const [start, end] = isIpv4 ? [12, 15] : [0, 7];
    let hash = this.#seed;
    for (let index = start; index < end; index++) hash = Math.imul(hash ^ (bytes?.[index] ?? 0), 0x0100_0193);
    return (hash ^ hash >>> 15) & (SLOTS - 1);
  }
}
