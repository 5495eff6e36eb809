import { allocate, decodeSocketAddress, SOCKET_ADDRESS_BYTES_MAX, type SocketAddress } from "../ffi/mod.ts";

/**
 * One of a socket's two addresses.
 *
 * @param read `getsockname` or `getpeername`.
 * @returns the address, or `-errno` (ENOTCONN, EBADF, ...).
 *
 * @internal
 */
export function socketAddress(
  fd: number,
  read: (fd: number, bytes: Uint8Array) => number,
): SocketAddress | number {
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = read(fd, bytes);
  return length < 0 ? length : decodeSocketAddress(bytes, length);
}

/** {@linkcode socketAddress}, or undefined where there is none to be had. */
export function optionalAddress(
  fd: number,
  read: (fd: number, bytes: Uint8Array) => number,
): SocketAddress | undefined {
  const address = fd < 0 ? -1 : socketAddress(fd, read);
  return typeof address === "number" ? undefined : address;
}
