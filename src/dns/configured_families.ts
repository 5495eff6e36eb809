import { type IpSocketAddress, isLocal } from "../core/mod.ts";
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
import type { IpFamily } from "./address_lookup.ts";

const { AF_INET, AF_INET6, SOCK_DGRAM } = os.constants;

/** Addresses of name servers of the root: what has a way to them has a way to the internet. Nothing is sent there. */
const FAR: Readonly<Record<IpFamily, IpSocketAddress>> = {
  ipv4: { family: "ipv4", host: "198.41.0.4", port: 53 },
  ipv6: { family: "ipv6", host: "2001:503:ba3e::2:30", port: 53, scope: 0 },
};

/** Whether this host has an address of a family that leads out (AI_ADDRCONFIG): the kernel is asked by which it would go there. @internal */
export function isConfigured(family: IpFamily): boolean {
  const fd = socket(family === "ipv4" ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) return false;
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const result = connect(fd, bytes, encodeSocketAddress(FAR[family], bytes));
  const address = result < 0 ? undefined : optionalAddress(fd, getsockname);
  close(fd);
  return address !== undefined && !isLocal(address);
}
