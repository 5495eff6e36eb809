/**
 * Calls that only datagram sockets need: each returns its result when >= 0, else `-errno`. Many messages in one call are the
 * business of {@linkcode MessageBatch}.
 *
 * @module
 */

import { errno, sys } from "./libc.ts";
import { os } from "./platform.ts";
import { allocate, cString, stringIn } from "./strings.ts";

const nameBytes = allocate(os.constants.IF_NAMESIZE);

/** Sends one datagram of `length` bytes to the sockaddr in the first `addressLength` bytes of `address`; null: to whom the socket is connected. */
export function sendto(
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array | null,
  addressLength: number,
): number {
  const result = sys.sendto(fd, bytes, length, flags, address, addressLength);
  return result < 0 ? -errno[0]! : result;
}

/**
 * Receives one datagram of at most `length` bytes. `lengthStorage` (one 32-bit cell) holds the room in `address` before, and
 * the sockaddr's length after.
 */
export function recvfrom(
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array | null,
  lengthStorage: Uint8Array | null,
): number {
  const result = sys.recvfrom(fd, bytes, length, flags, address, lengthStorage);
  return result < 0 ? -errno[0]! : result;
}

/** The index of the network interface called `name`; 0 when there is none. */
export function interfaceIndex(name: string): number {
  if (name === "" || name.includes("\0")) return 0;
  return sys.if_nametoindex(cString(name));
}

/** The name of the network interface with this index; undefined when there is none. */
export function interfaceName(index: number): string | undefined {
  const found = Number(sys.if_indextoname(index, nameBytes));
  return found === 0 ? undefined : stringIn(nameBytes);
}

/** Tells the kernel to forget the peer of a datagram socket. */
export function disconnect(fd: number): number {
  // A sockaddr of no family, which is all zeros on every system but for the BSDs' length byte.
  const nobody = allocate(16);
  if (os.hasSockaddrLength) nobody[0] = nobody.length;
  const called = sys.connect(fd, nobody, nobody.length);
  const result = called < 0 ? -errno[0]! : called;
  // The BSDs disconnect and complain about the address all the same.
  const { EAFNOSUPPORT, EINVAL } = os.errno;
  return os.hasSockaddrLength && (result === -EAFNOSUPPORT! || result === -EINVAL!) ? 0 : result;
}
