/**
 * Socket addresses: as objects, as the bytes the kernel wants, and as text.
 *
 * Encoding and decoding are pure functions over bytes, so an accepted connection may keep the raw address of its peer
 * and turn it into an object only when somebody asks.
 *
 * @module
 */

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "./ip_text.ts";
import { os } from "./platform.ts";

/** An IPv4 address and port. */
export interface Ipv4SocketAddress {
  /** Tells the kinds of addresses apart. */
  readonly family: "ipv4";
  /** The address as a dotted quad; never a name. */
  readonly host: string;
  /** 0 to 65535; 0 asks for any free port. */
  readonly port: number;
}

/** An IPv6 address and port. */
export interface Ipv6SocketAddress {
  /** Tells the kinds of addresses apart. */
  readonly family: "ipv6";
  /** The address without brackets and scope; never a name. */
  readonly host: string;
  /** 0 to 65535; 0 asks for any free port. */
  readonly port: number;
  /** Index of the network interface a link-local address belongs to; 0 for none. */
  readonly scope: number;
  /** Traffic class and flow label (RFC 2553 section 3.3); absent means 0. */
  readonly flow?: number;
}

/** A Unix socket's address. */
export interface UnixSocketAddress {
  /** Tells the kinds of addresses apart. */
  readonly family: "unix";
  /** A file's path, an abstract name (Linux) behind a leading zero character, or empty for an unnamed socket. */
  readonly path: string;
}

/** Where a socket is or shall be. */
export type SocketAddress =
  | Ipv4SocketAddress
  | Ipv6SocketAddress
  | UnixSocketAddress;

/** Turns a scope as written after `%` into an interface index; 0 when there is no such interface. */
export type ScopeResolver = (name: string) => number;

/** Bytes that hold any socket address: the size of `struct sockaddr_storage`. */
export const SOCKET_ADDRESS_BYTES_MAX: number = 128;

const { AF_INET, AF_INET6, AF_UNIX } = os.constants;
const { sockaddr_in, sockaddr_in6, sockaddr_un } = os.structs;
const PATH_AT = sockaddr_un.fields.path.offset;
const utf8 = new TextEncoder();
// A file's name may begin with the bytes of a byte order mark, and they belong to the name.
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Writes `address` as the struct the kernel wants.
 *
 * @param address where a socket is or shall be
 * @param bytes where to write, from its beginning; {@linkcode SOCKET_ADDRESS_BYTES_MAX} bytes always suffice
 * @returns how many bytes the address takes: the length to hand to the kernel
 * @throws {TypeError} when the host is not an address of its family, or a path holds a zero character
 * @throws {RangeError} when a number is out of range, a path too long, or `bytes` too small
 */
export function encodeSocketAddress(
  address: SocketAddress,
  bytes: Uint8Array,
): number {
  switch (address.family) {
    case "ipv4": {
      const host = parseIpv4(address.host);
      if (host === null) {
        throw new TypeError(
          `Cannot use "${address.host}" as a host: it is not an IPv4 address`,
        );
      }
      begin(bytes, AF_INET, sockaddr_in.size);
      writePort(bytes, sockaddr_in.fields.port.offset, address.port);
      bytes.set(host, sockaddr_in.fields.addr.offset);
      return sockaddr_in.size;
    }
    case "ipv6": {
      const host = parseIpv6(address.host);
      if (host === null) {
        throw new TypeError(
          `Cannot use "${address.host}" as a host: it is not an IPv6 address`,
        );
      }
      const { port, flowinfo, addr, scope_id } = sockaddr_in6.fields;
      begin(bytes, AF_INET6, sockaddr_in6.size);
      writePort(bytes, port.offset, address.port);
      const view = new DataView(
        bytes.buffer,
        bytes.byteOffset,
        sockaddr_in6.size,
      );
      view.setUint32(flowinfo.offset, word("flow", address.flow ?? 0));
      bytes.set(host, addr.offset);
      view.setUint32(scope_id.offset, word("scope", address.scope), true);
      return sockaddr_in6.size;
    }
    case "unix":
      return encodeUnix(address.path, bytes);
    default:
      throw new TypeError(
        `Cannot encode a socket address of family "${(address as { family: unknown }).family}"`,
      );
  }
}

function encodeUnix(path: string, bytes: Uint8Array): number {
  const name = utf8.encode(path);
  const abstract = name[0] === 0;
  if (abstract && os.name !== "linux") {
    throw new TypeError(
      `Cannot use an abstract Unix socket name: only Linux has them, not ${os.name}`,
    );
  }
  if (!abstract && name.includes(0)) {
    throw new TypeError(
      `Cannot use ${JSON.stringify(path)} as a Unix socket path: it holds a zero character`,
    );
  }
  // A path ends with a zero byte that takes part of the room; an abstract name ends where the length says.
  const lengthMax = abstract ? os.pathMax : os.pathMax - 1;
  if (name.length > lengthMax) {
    const shown = JSON.stringify(path);
    throw new RangeError(
      `Cannot use ${shown} as a Unix socket path: ${name.length} bytes, the limit is ${lengthMax}`,
    );
  }
  const length = PATH_AT + name.length +
    (abstract || name.length === 0 ? 0 : 1);
  begin(bytes, AF_UNIX, length);
  bytes.set(name, PATH_AT);
  return length;
}

function begin(bytes: Uint8Array, family: number, length: number): void {
  if (bytes.length < length) {
    throw new RangeError(
      `Cannot encode a socket address: it takes ${length} bytes, the buffer has ${bytes.length}`,
    );
  }
  bytes.fill(0, 0, length);
  if (os.hasSockaddrLength) {
    bytes[0] = length;
    bytes[1] = family;
  } else {
    bytes[0] = family;
  }
}

function writePort(bytes: Uint8Array, offset: number, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(
      `Cannot use ${port} as a port: it must be an integer from 0 to 65535`,
    );
  }
  bytes[offset] = port >> 8;
  bytes[offset + 1] = port & 0xff;
}

function word(what: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new RangeError(
      `Cannot use ${value} as an IPv6 ${what}: it must be an integer from 0 to 4294967295`,
    );
  }
  return value;
}

/**
 * Reads an address the kernel wrote.
 *
 * @param bytes memory that holds the address, from its beginning
 * @param length the length the kernel gave. 0 is an unnamed Unix socket: that is how the sender of a datagram from an
 *   unbound one looks
 * @throws {RangeError} when the family is unknown, or the address is cut short
 */
export function decodeSocketAddress(
  bytes: Uint8Array,
  length: number = bytes.length,
): SocketAddress {
  if (length > bytes.length) {
    throw new RangeError(
      `Cannot decode a socket address of ${length} bytes: only ${bytes.length} are there`,
    );
  }
  if (length === 0) return { family: "unix", path: "" };
  const family = os.hasSockaddrLength ? bytes[1] : bytes[0]! | bytes[1]! << 8;
  if (family === AF_INET && length >= sockaddr_in.size) {
    const { port, addr } = sockaddr_in.fields;
    return {
      family: "ipv4",
      host: formatIpv4(bytes, addr.offset),
      port: portAt(bytes, port.offset),
    };
  }
  if (family === AF_INET6 && length >= sockaddr_in6.size) {
    const { port, flowinfo, addr, scope_id } = sockaddr_in6.fields;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const host = formatIpv6(bytes, addr.offset);
    const scope = view.getUint32(scope_id.offset, true);
    const flow = view.getUint32(flowinfo.offset);
    const address: Ipv6SocketAddress = {
      family: "ipv6",
      host,
      port: portAt(bytes, port.offset),
      scope,
    };
    return flow === 0 ? address : { ...address, flow };
  }
  if (family === AF_UNIX && length >= PATH_AT) {
    return { family: "unix", path: unixPath(bytes.subarray(PATH_AT, length)) };
  }
  throw new RangeError(
    `Cannot decode a socket address of family ${family} in ${length} bytes`,
  );
}

function portAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! << 8 | bytes[offset + 1]!;
}

function unixPath(name: Uint8Array): string {
  if (name.length > 0 && name[0] === 0) {
    return os.name === "linux" ? fromUtf8.decode(name) : "";
  }
  const end = name.indexOf(0);
  return fromUtf8.decode(end < 0 ? name : name.subarray(0, end));
}

/** The {@linkcode ScopeResolver} that knows no names: it takes decimal interface indexes only. */
export function numericScope(name: string): number {
  const index = /^[0-9]{1,10}$/.test(name) ? Number(name) : 0;
  return index <= 0xffffffff ? index : 0;
}

/**
 * Makes a socket address of a host that is an address, with or without a scope, and a port.
 *
 * @param host an IPv4 or IPv6 address without brackets, such as `127.0.0.1`, `::1` or `fe80::1%2`
 * @param port 0 to 65535; checked when the address is encoded
 * @param resolveScope finds the interface named after `%`
 * @returns undefined when `host` is no address, and so may be a name to look up, or when its scope is unknown. `%0` stands
 *   for no scope in particular (RFC 4007 section 11.2)
 */
export function ipSocketAddress(
  host: string,
  port: number,
  resolveScope: ScopeResolver = numericScope,
): Ipv4SocketAddress | Ipv6SocketAddress | undefined {
  const four = parseIpv4(host);
  if (four !== null) return { family: "ipv4", host, port };
  const percent = host.indexOf("%");
  const six = parseIpv6(percent < 0 ? host : host.slice(0, percent));
  if (six === null) return undefined;
  const zone = percent < 0 ? "0" : host.slice(percent + 1);
  const scope = zone === "0" ? 0 : resolveScope(zone);
  if (zone !== "0" && scope === 0) return undefined;
  return { family: "ipv6", host: formatIpv6(six), port, scope };
}

/**
 * Reads an address from text, in the forms of libevent's `evutil_parse_sockaddr_port`: `1.2.3.4`, `1.2.3.4:80`, `::1`,
 * `[::1]`, `[::1]:80`, each IPv6 address with an optional `%scope`; and `unix:/path`, or `unix:@name` for an abstract name.
 *
 * A missing port is 0. Unlike libevent this takes `:0`, which asks for any free port, and refuses whatever follows the
 * digits of the port.
 *
 * @param text the address
 * @param resolveScope finds the interface named after `%`
 * @throws {TypeError} when `text` has none of these forms
 */
export function parseSocketAddress(
  text: string,
  resolveScope: ScopeResolver = numericScope,
): SocketAddress {
  if (text.startsWith("unix:")) {
    return { family: "unix", path: text.slice(5).replace(/^@/, "\0") };
  }
  const bracketed = /^\[([^\]]*)\](?::([0-9]{1,5}))?$/.exec(text);
  const plain = bracketed ?? /^([^:]*)(?::([0-9]{1,5}))?$/.exec(text);
  const host = plain === null ? text : plain[1]!;
  const port = Number(plain?.[2] ?? 0);
  const address = ipSocketAddress(host, port, resolveScope);
  const wrongBrackets = bracketed !== null && address?.family === "ipv4";
  if (address === undefined || port > 65535 || wrongBrackets) {
    throw new TypeError(
      `Cannot parse "${text}" as a socket address: expected 1.2.3.4:80, [::1]:80, [fe80::1%2]:80 or unix:/path`,
    );
  }
  return address;
}

/**
 * Writes an address as {@linkcode parseSocketAddress} reads it, the port always included. The flow label is left out.
 *
 * @param address where a socket is
 */
export function formatSocketAddress(address: SocketAddress): string {
  switch (address.family) {
    case "ipv4":
      return `${address.host}:${address.port}`;
    case "ipv6":
      return `[${address.host}${address.scope === 0 ? "" : `%${address.scope}`}]:${address.port}`;
    case "unix":
      if (address.path.startsWith("\0")) {
        return `unix:@${address.path.slice(1)}`;
      }
      // A file really named "@..." must not be taken for an abstract name when read back.
      return address.path.startsWith("@") ? `unix:./${address.path}` : `unix:${address.path}`;
  }
}
