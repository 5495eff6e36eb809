import {
  allocate,
  encodeSocketAddress,
  formatIpv6,
  parseIpv4,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
} from "../ffi/mod.ts";

/**
 * Where a datagram goes: a sockaddr and ancillary data, somewhere in larger memory.
 *
 * @internal
 */
export interface DatagramRoute {
  /** Memory with the sockaddr. */
  readonly names: Uint8Array;
  /** Where it begins. */
  readonly nameAt: number;
  /** Its bytes. */
  readonly nameLength: number;
  /** Memory with the ancillary data. */
  readonly controls: Uint8Array;
  /** Where it begins. */
  readonly controlAt: number;
  /** Its bytes; 0 for none. */
  readonly controlLength: number;
}

const nothing = allocate(0);

/**
 * The route to an address, encoded once for any number of datagrams to it in a row.
 *
 * @internal
 */
export class AddressRoute implements DatagramRoute {
  readonly names: Uint8Array<ArrayBuffer> = allocate(SOCKET_ADDRESS_BYTES_MAX);
  readonly nameAt = 0;
  nameLength = 0;
  readonly controls: Uint8Array = nothing;
  readonly controlAt = 0;
  readonly controlLength = 0;
  #last: SocketAddress | undefined;

  /**
   * Points it to `address`.
   *
   * @param family of the socket: an IPv6 one reaches IPv4 by mapped addresses.
   * @throws {TypeError | RangeError} when it is no address, or of another family.
   */
  point(address: SocketAddress, family: SocketAddress["family"]): this {
    if (this.#last !== undefined && isSame(address, this.#last)) return this;
    this.#last = undefined;
    this.nameLength = encodeSocketAddress(inFamily(address, family), this.names);
    // A copy: the caller may change the object meanwhile, whatever its type says.
    this.#last = { ...address };
    return this;
  }
}

function isSame(one: SocketAddress, other: SocketAddress): boolean {
  switch (one.family) {
    case "ipv4":
      return other.family === "ipv4" && one.port === other.port && one.host === other.host;
    case "ipv6":
      return other.family === "ipv6" && one.port === other.port && one.host === other.host &&
        one.scope === other.scope && one.flow === other.flow;
    default:
      return other.family === "unix" && one.path === other.path;
  }
}

/**
 * The address as a socket of `family` takes it.
 *
 * @internal
 */
export function inFamily(address: SocketAddress, family: SocketAddress["family"]): SocketAddress {
  if (address.family === family) return address;
  const four = address.family === "ipv4" && family === "ipv6" ? parseIpv4(address.host) : null;
  if (four === null || address.family !== "ipv4") {
    throw new TypeError(`Cannot send to an address of family "${address.family}" from a socket of family "${family}"`);
  }
  const mapped = allocate(16);
  mapped[10] = mapped[11] = 0xff;
  mapped.set(four, 12);
  return { family: "ipv6", host: formatIpv6(mapped), port: address.port, scope: 0 };
}
