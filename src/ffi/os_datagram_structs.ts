/**
 * Layouts that only datagrams need, for each system.
 *
 * @module
 */

import { bytes, type BytesField, i32, i64, type NumberField, type Struct, struct, u16, u32, u64 } from "./struct.ts";

/** Part of OsStructs. */
export interface OsDatagramStructs {
  /** Header of a piece of ancillary data; the data follows, aligned. */
  readonly cmsghdr: Struct<{ len: NumberField; level: NumberField; type: NumberField }>;
  /** One message of sendmmsg and recvmmsg; null on macOS, which has neither. */
  readonly mmsghdr: Struct<{ hdr: BytesField; len: NumberField }> | null;
  /** An IPv4 group and an interface, by address or by index. */
  readonly ip_mreqn: Struct<{ multiaddr: BytesField; address: BytesField; ifindex: NumberField }>;
  /** An IPv4 group, a sender, and an interface by its address. */
  readonly ip_mreq_source: Struct<{ multiaddr: BytesField; interface: BytesField; sourceaddr: BytesField }>;
  /** A group and the index of an interface. */
  readonly group_req: Struct<{ interface: NumberField; group: BytesField }>;
  /** A group, the index of an interface, and a sender. */
  readonly group_source_req: Struct<{ interface: NumberField; group: BytesField; source: BytesField }>;
  /** Where an IPv4 packet came in and went to; null on FreeBSD. */
  readonly in_pktinfo: Struct<{ ifindex: NumberField; spec_dst: BytesField; addr: BytesField }> | null;
  /** Where an IPv6 packet came in and went to. */
  readonly in6_pktinfo: Struct<{ addr: BytesField; ifindex: NumberField }>;
  /** A link-level address, of which we read the interface's index; null on Linux. */
  readonly sockaddr_dl: Struct<{ index: NumberField }> | null;
}

const ipMreqn: OsDatagramStructs["ip_mreqn"] = struct("struct ip_mreqn", "netinet/in.h", 12, {
  multiaddr: bytes(0, 4),
  address: bytes(4, 4),
  ifindex: i32(8),
}, "imr_");

const bsdMreqSource: OsDatagramStructs["ip_mreq_source"] = struct("struct ip_mreq_source", "netinet/in.h", 12, {
  multiaddr: bytes(0, 4),
  sourceaddr: bytes(4, 4),
  interface: bytes(8, 4),
}, "imr_");

const in6Pktinfo: OsDatagramStructs["in6_pktinfo"] = struct("struct in6_pktinfo", "netinet/in.h", 20, {
  addr: bytes(0, 16),
  ifindex: u32(16),
}, "ipi6_");

const bsdCmsghdr: OsDatagramStructs["cmsghdr"] = struct("struct cmsghdr", "sys/socket.h", 12, {
  len: u32(0),
  level: i32(4),
  type: i32(8),
}, "cmsg_");

const alignedGroups: Pick<OsDatagramStructs, "group_req" | "group_source_req"> = {
  group_req: struct("struct group_req", "netinet/in.h", 136, { interface: u32(0), group: bytes(8, 128) }, "gr_"),
  group_source_req: struct("struct group_source_req", "netinet/in.h", 264, {
    interface: u32(0),
    group: bytes(8, 128),
    source: bytes(136, 128),
  }, "gsr_"),
};

/** Linux. */
export const linuxDatagramStructs: OsDatagramStructs = {
  // musl declares len with four bytes and padding after them, as in msghdr.
  cmsghdr: struct("struct cmsghdr", "sys/socket.h", 16, { len: u64(0), level: i32(8), type: i32(12) }, "cmsg_"),
  mmsghdr: struct("struct mmsghdr", "sys/socket.h", 64, { hdr: bytes(0, 56), len: u32(56) }, "msg_"),
  ip_mreqn: ipMreqn,
  ip_mreq_source: struct("struct ip_mreq_source", "netinet/in.h", 12, {
    multiaddr: bytes(0, 4),
    interface: bytes(4, 4),
    sourceaddr: bytes(8, 4),
  }, "imr_"),
  ...alignedGroups,
  in_pktinfo: struct("struct in_pktinfo", "netinet/in.h", 12, {
    ifindex: i32(0),
    spec_dst: bytes(4, 4),
    addr: bytes(8, 4),
  }, "ipi_"),
  in6_pktinfo: in6Pktinfo,
  sockaddr_dl: null,
};

/** macOS, whose header packs the group structs to four bytes. */
export const darwinDatagramStructs: OsDatagramStructs = {
  cmsghdr: bsdCmsghdr,
  mmsghdr: null,
  ip_mreqn: ipMreqn,
  ip_mreq_source: bsdMreqSource,
  group_req: struct("struct group_req", "netinet/in.h", 132, { interface: u32(0), group: bytes(4, 128) }, "gr_"),
  group_source_req: struct("struct group_source_req", "netinet/in.h", 260, {
    interface: u32(0),
    group: bytes(4, 128),
    source: bytes(132, 128),
  }, "gsr_"),
  in_pktinfo: struct("struct in_pktinfo", "netinet/in.h", 12, {
    ifindex: u32(0),
    spec_dst: bytes(4, 4),
    addr: bytes(8, 4),
  }, "ipi_"),
  in6_pktinfo: in6Pktinfo,
  sockaddr_dl: struct("struct sockaddr_dl", "net/if_dl.h", 20, { index: u16(2) }, "sdl_"),
};

/** FreeBSD. */
export const freebsdDatagramStructs: OsDatagramStructs = {
  cmsghdr: bsdCmsghdr,
  mmsghdr: struct("struct mmsghdr", "sys/socket.h", 56, { hdr: bytes(0, 48), len: i64(48) }, "msg_"),
  ip_mreqn: ipMreqn,
  ip_mreq_source: bsdMreqSource,
  ...alignedGroups,
  in_pktinfo: null,
  in6_pktinfo: in6Pktinfo,
  sockaddr_dl: struct("struct sockaddr_dl", "net/if_dl.h", 54, { index: u16(2) }, "sdl_"),
};
