import {
  allocate,
  bind,
  encodeSocketAddress,
  formatSocketAddress,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  systemError,
} from "../ffi/mod.ts";
import { setReuseAddress } from "./socket_options.ts";

/**
 * Gives a socket that is to connect the address of its own side. A port may be used again at once after an earlier connection from it.
 *
 * @internal
 * @throws {SystemError} when the address cannot be had.
 */
export function bindTo(fd: number, address: SocketAddress): void {
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress(address, bytes);
  if (address.family !== "unix") setReuseAddress(fd);
  const result = bind(fd, bytes, length);
  if (result < 0) throw systemError(result, "bind", `connect from ${formatSocketAddress(address)}`);
}
