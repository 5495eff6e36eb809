import {
  allocate,
  encodeSocketAddress,
  interfaceIndex,
  ipSocketAddress,
  type Ipv4SocketAddress,
  type Ipv6SocketAddress,
  os,
  parseIpv4,
  parseIpv6,
  setSocketOption,
  setSocketOptionBytes,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  systemError,
} from "../ffi/mod.ts";
import type { NetworkInterface } from "./datagram_options.ts";
import { getIpv6Only } from "./socket_options.ts";

const c = os.constants;
const { group_req, group_source_req, ip_mreq_source, ip_mreqn } = os.structs;

type Family = SocketAddress["family"];

/** Where and from whom a multicast group is received. */
export interface MembershipOptions {
  /** The interface to receive it on; by default the routing table says which. */
  readonly interface?: NetworkInterface | undefined;
  /** Receive what this address sends only (source-specific multicast, RFC 4607). */
  readonly source?: string | undefined;
}

/** The index of an interface given by index or name. */
function indexOf(given: NetworkInterface): number {
  if (typeof given === "number") {
    if (!Number.isInteger(given) || given < 0 || given > 0x7fffffff) {
      throw new RangeError(`Cannot use interface ${given}: an index is a whole number`);
    }
    return given;
  }
  const index = interfaceIndex(given);
  if (index === 0) throw systemError(-os.errno["ENXIO"]!, "if_nametoindex", `find the network interface "${given}"`);
  return index;
}

function scopeIndex(scope: string): number {
  return /^[0-9]{1,9}$/.test(scope) ? Number(scope) : interfaceIndex(scope);
}

function groupAddress(group: string): Ipv4SocketAddress | Ipv6SocketAddress {
  const address = ipSocketAddress(group, 0, scopeIndex);
  if (address === undefined) throw new TypeError(`Cannot use "${group}" as a multicast group: it is not an IP address`);
  const first = address.family === "ipv4" ? parseIpv4(address.host)![0]! : parseIpv6(address.host)![0]!;
  const isGroup = address.family === "ipv4" ? first >= 224 && first <= 239 : first === 0xff;
  if (!isGroup) {
    throw new TypeError(
      `Cannot use ${group} as a multicast group: those are ${
        address.family === "ipv4" ? "224.0.0.0 to 239.255.255.255" : "ff00:: to ffff:..."
      }`,
    );
  }
  return address;
}

/**
 * Joins or leaves a group.
 *
 * @throws {SystemError} when the kernel refuses (EADDRINUSE: joined already, EADDRNOTAVAIL: not joined, ENODEV, ENOBUFS: too many).
 */
export function changeMembership(
  fd: number,
  family: Family,
  isJoin: boolean,
  group: string,
  options: MembershipOptions,
): void {
  const address = groupAddress(group);
  if (family === "unix" || (family === "ipv4" && address.family === "ipv6")) {
    throw new TypeError(`Cannot ${isJoin ? "join" : "leave"} ${group}: the socket is of family "${family}"`);
  }
  const level = address.family === "ipv4" ? c.IPPROTO_IP : c.IPPROTO_IPV6;
  const result = options.source !== undefined
    ? changeSource(fd, level, isJoin, address, options.source, options.interface)
    : changeGroup(fd, level, isJoin, address, options.interface);
  if (result < 0) {
    const action = `${isJoin ? "join" : "leave"} the multicast group`;
    throw systemError(result, "setsockopt", action, { address: group });
  }
  if (isJoin) receiveOwnGroupsOnly(fd, address.family);
}

function changeGroup(
  fd: number,
  level: number,
  isJoin: boolean,
  group: Ipv4SocketAddress | Ipv6SocketAddress,
  from: NetworkInterface | undefined,
): number {
  const byAddress = typeof from === "string" ? parseIpv4(from) : null;
  if (group.family === "ipv4" && byAddress !== null) {
    const value = allocate(ip_mreqn.size);
    value.set(parseIpv4(group.host)!, ip_mreqn.fields.multiaddr.offset);
    value.set(byAddress, ip_mreqn.fields.address.offset);
    return setSocketOptionBytes(fd, level, isJoin ? c.IP_ADD_MEMBERSHIP : c.IP_DROP_MEMBERSHIP, value);
  }
  const { interface: at, group: groupAt } = group_req.fields;
  const value = allocate(group_req.size);
  putIndex(value, at.offset, interfaceFor(group, from));
  putAddress(value, groupAt.offset, group);
  return setSocketOptionBytes(fd, level, isJoin ? c.MCAST_JOIN_GROUP : c.MCAST_LEAVE_GROUP, value);
}

function changeSource(
  fd: number,
  level: number,
  isJoin: boolean,
  group: Ipv4SocketAddress | Ipv6SocketAddress,
  source: string,
  from: NetworkInterface | undefined,
): number {
  const address = ipSocketAddress(source, 0, scopeIndex);
  if (address === undefined || address.family !== group.family) {
    throw new TypeError(`Cannot use "${source}" as the source of ${group.host}: it is not an address of that family`);
  }
  const byAddress = typeof from === "string" ? parseIpv4(from) : null;
  if (group.family === "ipv4" && byAddress !== null) {
    const { multiaddr, interface: interfaceAt, sourceaddr } = ip_mreq_source.fields;
    const value = allocate(ip_mreq_source.size);
    value.set(parseIpv4(group.host)!, multiaddr.offset);
    value.set(byAddress, interfaceAt.offset);
    value.set(parseIpv4(address.host)!, sourceaddr.offset);
    const option = isJoin ? c.IP_ADD_SOURCE_MEMBERSHIP : c.IP_DROP_SOURCE_MEMBERSHIP;
    return setSocketOptionBytes(fd, level, option, value);
  }
  const { interface: at, group: groupAt, source: sourceAt } = group_source_req.fields;
  const value = allocate(group_source_req.size);
  putIndex(value, at.offset, interfaceFor(group, from));
  putAddress(value, groupAt.offset, group);
  putAddress(value, sourceAt.offset, address);
  return setSocketOptionBytes(fd, level, isJoin ? c.MCAST_JOIN_SOURCE_GROUP : c.MCAST_LEAVE_SOURCE_GROUP, value);
}

/** The interface as it was given, or in the group's scope; 0: the kernel chooses. */
function interfaceFor(group: Ipv4SocketAddress | Ipv6SocketAddress, from: NetworkInterface | undefined): number {
  if (from === undefined) return group.family === "ipv6" ? group.scope : 0;
  return indexOf(from);
}

function putIndex(value: Uint8Array, at: number, index: number): void {
  new DataView(value.buffer).setUint32(at, index, true);
}

function putAddress(value: Uint8Array, at: number, address: SocketAddress): void {
  encodeSocketAddress(address, value.subarray(at, at + SOCKET_ADDRESS_BYTES_MAX));
}

/** Linux hands a socket every group that any socket of the host has joined, unless told not to. */
function receiveOwnGroupsOnly(fd: number, family: "ipv4" | "ipv6"): void {
  // Kernels before 4.20 do not know it for IPv6; nothing is worse than before then.
  if (family === "ipv4" && c.IP_MULTICAST_ALL !== 0) setSocketOption(fd, c.IPPROTO_IP, c.IP_MULTICAST_ALL, 0);
  if (family === "ipv6" && c.IPV6_MULTICAST_ALL !== 0) setSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_ALL, 0);
}

/** Whether IPv4 packets leave by this IPv6 socket, too. */
function isDualStack(fd: number, family: Family): boolean {
  return family === "ipv6" && getIpv6Only(fd) === 0;
}

function setForFamily(fd: number, family: Family, four: number, six: number, value: number, action: string): void {
  if (family === "unix") throw new TypeError(`Cannot ${action}: the socket is of family "unix"`);
  const result = family === "ipv4"
    ? setSocketOption(fd, c.IPPROTO_IP, four, value)
    : setSocketOption(fd, c.IPPROTO_IPV6, six, value);
  if (result < 0) throw systemError(result, "setsockopt", action);
  // Systems other than Linux do not know the options of IPv4 on such a socket; nothing is worse than before then.
  if (isDualStack(fd, family)) setSocketOption(fd, c.IPPROTO_IP, four, value);
}

function checkHops(hops: number, min: number): void {
  if (!Number.isInteger(hops) || hops < min || hops > 255) {
    throw new RangeError(`Cannot set a time to live of ${hops}: expected ${min} to 255 hops`);
  }
}

/** Hops that unicast packets may take. */
export function setTtl(fd: number, family: Family, hops: number): void {
  checkHops(hops, 1);
  setForFamily(fd, family, c.IP_TTL, c.IPV6_UNICAST_HOPS, hops, "set the time to live");
}

/** Hops that multicast packets may take. */
export function setMulticastTtl(fd: number, family: Family, hops: number): void {
  checkHops(hops, 0);
  setForFamily(fd, family, c.IP_MULTICAST_TTL, c.IPV6_MULTICAST_HOPS, hops, "set the time to live of multicast");
}

/** Whether multicast comes back to this host. */
export function setMulticastLoopback(fd: number, family: Family, on: boolean): void {
  setForFamily(fd, family, c.IP_MULTICAST_LOOP, c.IPV6_MULTICAST_LOOP, on ? 1 : 0, "set the loopback of multicast");
}

/** Where multicast leaves; of a dual-stack socket that of both families, or by an IPv4 address that of IPv4 alone. */
export function setMulticastInterface(fd: number, family: Family, through: NetworkInterface): void {
  const action = "choose the interface for multicast";
  if (family === "unix") throw new TypeError(`Cannot ${action}: the socket is of family "unix"`);
  const hasFour = family === "ipv4" || isDualStack(fd, family);
  const byAddress = hasFour && typeof through === "string" ? parseIpv4(through) : null;
  const index = byAddress === null ? indexOf(through) : 0;
  const value = allocate(ip_mreqn.size);
  if (byAddress !== null) value.set(byAddress, ip_mreqn.fields.address.offset);
  else putIndex(value, ip_mreqn.fields.ifindex.offset, index);
  let result = hasFour ? setSocketOptionBytes(fd, c.IPPROTO_IP, c.IP_MULTICAST_IF, value) : 0;
  // As above, IPv6 alone decides where both are meant.
  if (family === "ipv6" && byAddress === null) result = setSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_IF, index);
  if (result < 0) throw systemError(result, "setsockopt", action);
}
