/**
 * Where a packet came in: the ancillary data that the kernel adds to datagrams when asked to, and its way back.
 *
 * @module
 */

import { beginPiece, forEachPiece, PIECE_DATA } from "./ancillary.ts";
import { formatIpv4, formatIpv6 } from "./ip_text.ts";
import { os } from "./platform.ts";
import { setSocketOption } from "./sockets.ts";

const { IPPROTO_IP, IPPROTO_IPV6, IP_PKTINFO, IP_RECVDSTADDR, IP_RECVIF, IPV6_PKTINFO, IPV6_RECVPKTINFO } =
  os.constants;
const { in_pktinfo, in6_pktinfo, sockaddr_dl } = os.structs;

/** Room for the packet info of either family, and some more. */
export const PACKET_INFO_BYTES = 128;

/** What the kernel said about a packet. */
export interface PacketInfo {
  /** The address of this host that it was sent to; for multicast and broadcast that group's or broadcast address. */
  readonly localAddress: string;
  /** Index of the interface it came in by. */
  readonly interfaceIndex: number;
}

/** Asks for packet info with every datagram. Returns 0 or `-errno`. */
export function enablePacketInfo(fd: number, isIpv6: boolean): number {
  if (isIpv6) {
    // A dual-stack socket reports IPv4 packets in IPv6's form as well, on every system we support. IPv4's own form also says which
    // address a group or a broadcast address is to be answered from; a system that has it for IPv4 sockets alone refuses it here.
    const result = setSocketOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (result >= 0 && in_pktinfo !== null) setSocketOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
    return result;
  }
  if (in_pktinfo !== null) return setSocketOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
  const result = setSocketOption(fd, IPPROTO_IP, IP_RECVDSTADDR, 1);
  return result < 0 ? result : setSocketOption(fd, IPPROTO_IP, IP_RECVIF, 1);
}

/** Reads what {@linkcode enablePacketInfo} asked for out of `length` bytes of ancillary data at `start`; undefined when it is not there. */
export function readPacketInfo(controls: Uint8Array, start: number, length: number): PacketInfo | undefined {
  const view = new DataView(controls.buffer, controls.byteOffset);
  let [localAddress, interfaceIndex] = ["", 0];
  forEachPiece(view, start, length, (level, type, at, dataBytes) => {
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && dataBytes >= in6_pktinfo.size) {
      localAddress = formatIpv6(controls, at + in6_pktinfo.fields.addr.offset);
      interfaceIndex = view.getUint32(at + in6_pktinfo.fields.ifindex.offset, true);
    } else if (in_pktinfo !== null && level === IPPROTO_IP && type === IP_PKTINFO && dataBytes >= in_pktinfo.size) {
      // A dual-stack socket gets both forms, and all its addresses are those of IPv6.
      if (localAddress !== "") return;
      localAddress = formatIpv4(controls, at + in_pktinfo.fields.addr.offset);
      interfaceIndex = view.getUint32(at + in_pktinfo.fields.ifindex.offset, true);
    } else if (in_pktinfo === null && level === IPPROTO_IP && type === IP_RECVDSTADDR && dataBytes >= 4) {
      localAddress = formatIpv4(controls, at);
    } else if (sockaddr_dl !== null && level === IPPROTO_IP && type === IP_RECVIF && dataBytes >= 4) {
      interfaceIndex = view.getUint16(at + sockaddr_dl.fields.index.offset, true);
    }
  });
  return localAddress === "" ? undefined : { localAddress, interfaceIndex };
}

/**
 * Turns the packet info of a datagram into the ancillary data of its answer, so that it leaves from the address that was asked.
 * Groups and broadcast addresses are nobody's to answer from: then the kernel chooses.
 *
 * @param into where to write; {@linkcode PACKET_INFO_BYTES} from `at` on suffice.
 * @returns how many bytes were written, 0 when there is nothing to say.
 */
export function writeReplyInfo(
  controls: Uint8Array,
  start: number,
  length: number,
  into: Uint8Array,
  at: number,
): number {
  const view = new DataView(controls.buffer, controls.byteOffset);
  const out = new DataView(into.buffer, into.byteOffset);
  let written = 0;
  forEachPiece(view, start, length, (level, type, data, dataBytes) => {
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && dataBytes >= in6_pktinfo.size) {
      const addr = data + in6_pktinfo.fields.addr.offset;
      if (written > 0 || isNobodys(controls, addr)) return;
      written = beginPiece(out, at, level, type, in6_pktinfo.size);
      into.set(controls.subarray(addr, addr + 16), at + PIECE_DATA + in6_pktinfo.fields.addr.offset);
      // A link-local address means something on its own link only.
      if (controls[addr] === 0xfe && (controls[addr + 1]! & 0xc0) === 0x80) {
        const { offset } = in6_pktinfo.fields.ifindex;
        out.setUint32(at + PIECE_DATA + offset, view.getUint32(data + offset, true), true);
      }
    } else if (in_pktinfo !== null && level === IPPROTO_IP && type === IP_PKTINFO && dataBytes >= in_pktinfo.size) {
      // The kernel has already chosen the address to answer from, also for groups and broadcasts. So this counts on a dual-stack socket,
      // where it comes beside IPv6's form.
      const { offset } = in_pktinfo.fields.spec_dst;
      written = beginPiece(out, at, level, type, in_pktinfo.size);
      into.set(controls.subarray(data + offset, data + offset + 4), at + PIECE_DATA + offset);
    } else if (in_pktinfo === null && level === IPPROTO_IP && type === IP_RECVDSTADDR && dataBytes >= 4) {
      const isUnicast = controls[data]! < 224;
      if (written > 0 || !isUnicast) return;
      written = beginPiece(out, at, level, type, 4);
      into.set(controls.subarray(data, data + 4), at + PIECE_DATA);
    }
  });
  return written;
}

/** Whether an IPv6 address is that of a group, also of IPv4's, or of everybody there. */
function isNobodys(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] === 0xff) return true;
  return bytes[at + 12]! >= 224 && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff && isZero(bytes, at, at + 10);
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}
