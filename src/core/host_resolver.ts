/** Which addresses are wanted. */
export type AddressFamily = "ipv4" | "ipv6" | "any";

/** An address that belongs to a name; a {@linkcode SocketAddress} of a host will do, its port is ignored. */
export interface HostAddress {
  /** The address, never a name. */
  readonly host: string;
  /** Index of the interface a link-local IPv6 address belongs to. */
  readonly scope?: number | undefined;
}

/** What a {@linkcode HostResolver} is told beside the name. */
export interface HostQuery {
  /** The addresses wanted; others are ignored. */
  readonly family: AddressFamily;
  /** Aborted when nobody wants to know any more. */
  readonly signal: AbortSignal;
  /**
   * Hands over addresses before the answer is complete, such as those of the family that came first (RFC 8305 section 3). They
   * may be part of the complete answer as well.
   */
  partial(addresses: Iterable<HostAddress>): void;
}

/** Turns names into addresses. It is passed as a value, since this part of the library knows no way of its own. */
export interface HostResolver {
  /**
   * Finds all addresses of `host`, best first (RFC 6724).
   *
   * @returns them, or a promise of them; a rejection, or nothing at all, is a failure to look up.
   */
  resolve(host: string, query: HostQuery): Iterable<HostAddress> | PromiseLike<Iterable<HostAddress>>;
}
