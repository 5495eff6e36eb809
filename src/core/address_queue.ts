import { ipSocketAddress, type Ipv4SocketAddress, type Ipv6SocketAddress } from "../ffi/mod.ts";

/** The address of a host, with the port to connect to. */
export type IpSocketAddress = Ipv4SocketAddress | Ipv6SocketAddress;

/**
 * The addresses of a host that are still to be tried: those of either family in the order in which they came, and the two
 * families in turns (RFC 8305 section 4, First Address Family Count 1). Addresses may be added while others are tried.
 *
 * @internal
 */
export class AddressQueue {
  readonly #waiting = { ipv4: [] as IpSocketAddress[], ipv6: [] as IpSocketAddress[] };
  readonly #seen = new Set<string>();
  readonly #addressesMax: number;
  #last: "ipv4" | "ipv6" | null = null;
  #isBegun = false;

  /** @param addressesMax how many are tried in all; further ones are ignored. */
  constructor(addressesMax: number) {
    this.#addressesMax = addressesMax;
  }

  /** Adds an address, unless it was there before or there were too many. */
  add(address: IpSocketAddress): void {
    const key = address.family === "ipv6" ? `${address.host}%${address.scope}` : address.host;
    if (this.#seen.has(key) || this.#seen.size >= this.#addressesMax) return;
    this.#seen.add(key);
    // The family of the first one is the resolver's preference, unless that is told otherwise.
    if (this.#seen.size === 1) this.prefer(address.family);
    this.#waiting[address.family].push(address);
  }

  /** Has a family tried first, if nothing was tried yet. */
  prefer(family: "ipv4" | "ipv6"): void {
    if (!this.#isBegun) this.#last = other(family);
  }

  /** The next address to try, or undefined when there is none for the time being. */
  take(): IpSocketAddress | undefined {
    const turn = other(this.#last ?? "ipv4");
    const address = this.#waiting[turn].shift() ?? this.#waiting[other(turn)].shift();
    if (address === undefined) return undefined;
    this.#isBegun = true;
    this.#last = address.family;
    return address;
  }

  /** Whether an address of that family waits to be tried. */
  has(family: "ipv4" | "ipv6"): boolean {
    return this.#waiting[family].length > 0;
  }

  /** How many addresses there have been. */
  get count(): number {
    return this.#seen.size;
  }
}

function other(family: "ipv4" | "ipv6"): "ipv4" | "ipv6" {
  return family === "ipv4" ? "ipv6" : "ipv4";
}

/** The addresses that need no resolver: literals, and "localhost" with all below it (RFC 6761 section 6.3); else undefined. */
export function knownAddresses(host: string, port: number): readonly IpSocketAddress[] | undefined {
  const literal = ipSocketAddress(host, port);
  if (literal !== undefined) return [literal];
  if (!/^(?:.+\.)?localhost\.?$/i.test(host)) return undefined;
  return [{ family: "ipv6", host: "::1", port, scope: 0 }, { family: "ipv4", host: "127.0.0.1", port }];
}
