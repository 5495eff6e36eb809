/**
 * The constants that belong to datagrams, by their names in C: what they mean, and their values on each system.
 *
 * @module
 */

/** Numbers from `netinet/*.h` and `net/if.h`; part of OsConstants, whose comment speaks of zeros. */
export interface OsDatagramConstants {
  /** Hops an IPv4 packet may take. */
  readonly IP_TTL: number;
  /** Reports interface and destination of each IPv4 packet (struct in_pktinfo), and takes them when sending; absent on FreeBSD. */
  readonly IP_PKTINFO: number;
  /** Reports the destination of each IPv4 packet (struct in_addr), and takes it as the source when sending; absent on Linux. */
  readonly IP_RECVDSTADDR: number;
  /** Reports the interface of each IPv4 packet (struct sockaddr_dl); absent on Linux. */
  readonly IP_RECVIF: number;
  /** Interface that IPv4 multicast leaves by (struct ip_mreqn). */
  readonly IP_MULTICAST_IF: number;
  /** Hops an IPv4 multicast packet may take. */
  readonly IP_MULTICAST_TTL: number;
  /** Whether IPv4 multicast comes back to this host. */
  readonly IP_MULTICAST_LOOP: number;
  /** Whether a socket gets the groups that other sockets have joined; Linux only. */
  readonly IP_MULTICAST_ALL: number;
  /** Joins an IPv4 group (struct ip_mreqn). */
  readonly IP_ADD_MEMBERSHIP: number;
  /** Leaves an IPv4 group (struct ip_mreqn). */
  readonly IP_DROP_MEMBERSHIP: number;
  /** Joins an IPv4 group for one source (struct ip_mreq_source). */
  readonly IP_ADD_SOURCE_MEMBERSHIP: number;
  /** Leaves an IPv4 group for one source (struct ip_mreq_source). */
  readonly IP_DROP_SOURCE_MEMBERSHIP: number;
  /** Hops an IPv6 packet may take. */
  readonly IPV6_UNICAST_HOPS: number;
  /** Index of the interface that IPv6 multicast leaves by. */
  readonly IPV6_MULTICAST_IF: number;
  /** Hops an IPv6 multicast packet may take. */
  readonly IPV6_MULTICAST_HOPS: number;
  /** Whether IPv6 multicast comes back to this host. */
  readonly IPV6_MULTICAST_LOOP: number;
  /** IP_MULTICAST_ALL for IPv6; Linux only. */
  readonly IPV6_MULTICAST_ALL: number;
  /** Asks for IPV6_PKTINFO with each IPv6 packet. */
  readonly IPV6_RECVPKTINFO: number;
  /** Interface and destination of an IPv6 packet (struct in6_pktinfo). */
  readonly IPV6_PKTINFO: number;
  /** Joins a group of either family on an interface (struct group_req). */
  readonly MCAST_JOIN_GROUP: number;
  /** Leaves it again. */
  readonly MCAST_LEAVE_GROUP: number;
  /** Joins a group for one source (struct group_source_req). */
  readonly MCAST_JOIN_SOURCE_GROUP: number;
  /** Leaves it again. */
  readonly MCAST_LEAVE_SOURCE_GROUP: number;
  /** Level IPPROTO_UDP: has the kernel cut what is sent into datagrams of so many bytes (uint16); Linux only. */
  readonly UDP_SEGMENT: number;
  /** Bytes that an interface's name takes, its zero byte included. */
  readonly IF_NAMESIZE: number;
}

/** Linux, glibc and musl. */
export const linuxDatagramConstants: OsDatagramConstants = {
  IP_TTL: 2,
  IP_PKTINFO: 8,
  IP_RECVDSTADDR: 0,
  IP_RECVIF: 0,
  IP_MULTICAST_IF: 32,
  IP_MULTICAST_TTL: 33,
  IP_MULTICAST_LOOP: 34,
  IP_MULTICAST_ALL: 49,
  IP_ADD_MEMBERSHIP: 35,
  IP_DROP_MEMBERSHIP: 36,
  IP_ADD_SOURCE_MEMBERSHIP: 39,
  IP_DROP_SOURCE_MEMBERSHIP: 40,
  IPV6_UNICAST_HOPS: 16,
  IPV6_MULTICAST_IF: 17,
  IPV6_MULTICAST_HOPS: 18,
  IPV6_MULTICAST_LOOP: 19,
  IPV6_MULTICAST_ALL: 29,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  MCAST_JOIN_GROUP: 42,
  MCAST_LEAVE_GROUP: 45,
  MCAST_JOIN_SOURCE_GROUP: 46,
  MCAST_LEAVE_SOURCE_GROUP: 47,
  UDP_SEGMENT: 103,
  IF_NAMESIZE: 16,
};

/** macOS. */
export const darwinDatagramConstants: OsDatagramConstants = {
  IP_TTL: 4,
  IP_PKTINFO: 26,
  IP_RECVDSTADDR: 7,
  IP_RECVIF: 20,
  IP_MULTICAST_IF: 9,
  IP_MULTICAST_TTL: 10,
  IP_MULTICAST_LOOP: 11,
  IP_MULTICAST_ALL: 0,
  IP_ADD_MEMBERSHIP: 12,
  IP_DROP_MEMBERSHIP: 13,
  IP_ADD_SOURCE_MEMBERSHIP: 70,
  IP_DROP_SOURCE_MEMBERSHIP: 71,
  IPV6_UNICAST_HOPS: 4,
  IPV6_MULTICAST_IF: 9,
  IPV6_MULTICAST_HOPS: 10,
  IPV6_MULTICAST_LOOP: 11,
  IPV6_MULTICAST_ALL: 0,
  IPV6_RECVPKTINFO: 61,
  IPV6_PKTINFO: 46,
  MCAST_JOIN_GROUP: 80,
  MCAST_LEAVE_GROUP: 81,
  MCAST_JOIN_SOURCE_GROUP: 82,
  MCAST_LEAVE_SOURCE_GROUP: 83,
  UDP_SEGMENT: 0,
  IF_NAMESIZE: 16,
};

/** FreeBSD. */
export const freebsdDatagramConstants: OsDatagramConstants = {
  IP_TTL: 4,
  IP_PKTINFO: 0,
  IP_RECVDSTADDR: 7,
  IP_RECVIF: 20,
  IP_MULTICAST_IF: 9,
  IP_MULTICAST_TTL: 10,
  IP_MULTICAST_LOOP: 11,
  IP_MULTICAST_ALL: 0,
  IP_ADD_MEMBERSHIP: 12,
  IP_DROP_MEMBERSHIP: 13,
  IP_ADD_SOURCE_MEMBERSHIP: 70,
  IP_DROP_SOURCE_MEMBERSHIP: 71,
  IPV6_UNICAST_HOPS: 4,
  IPV6_MULTICAST_IF: 9,
  IPV6_MULTICAST_HOPS: 10,
  IPV6_MULTICAST_LOOP: 11,
  IPV6_MULTICAST_ALL: 0,
  IPV6_RECVPKTINFO: 36,
  IPV6_PKTINFO: 46,
  MCAST_JOIN_GROUP: 80,
  MCAST_LEAVE_GROUP: 81,
  MCAST_JOIN_SOURCE_GROUP: 82,
  MCAST_LEAVE_SOURCE_GROUP: 83,
  UDP_SEGMENT: 0,
  IF_NAMESIZE: 16,
};
