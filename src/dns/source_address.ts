import { type IpSocketAddress, ipSocketAddress } from "../core/mod.ts";
import { optionalAddress } from "../core/socket_address.ts";
import {
  allocate,
  close,
  connect,
  encodeSocketAddress,
  getsockname,
  os,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../ffi/mod.ts";

const { AF_INET, AF_INET6, SOCK_DGRAM } = os.constants;
/** Some port: nothing is sent there. */
const PORT = 53;

/**
 * The address that this host would speak from to another one, by what the kernel says of a datagram socket that is connected to it; undefined when
 * there is no way there. No packet is sent.
 *
 * @internal
 */
export function sourceSocketAddress(destination: IpSocketAddress): IpSocketAddress | undefined {
  const fd = socket(destination.family === "ipv4" ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) return undefined;
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const result = connect(fd, bytes, encodeSocketAddress(destination, bytes));
  const address = result < 0 ? undefined : optionalAddress(fd, getsockname);
  close(fd);
  return address === undefined || address.family === "unix" ? undefined : address;
}

/** {@linkcode sourceSocketAddress} for addresses as text, with the number of an interface behind `%` where they have one. @internal */
export function sourceAddress(destination: string): string | undefined {
  const address = ipSocketAddress(destination, PORT);
  return address === undefined ? undefined : sourceSocketAddress(address)?.host;
}
