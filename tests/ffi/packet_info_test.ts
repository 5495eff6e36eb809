import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { allocate, os, PACKET_INFO_BYTES, readPacketInfo, writeReplyInfo } from "../../src/ffi/mod.ts";

const { IPPROTO_IP, IPPROTO_IPV6, IP_PKTINFO, IPV6_PKTINFO, SOL_SOCKET } = os.constants;

/** One piece of ancillary data as Linux lays it out: length, level, type, then the data, padded to eight bytes. */
function piece(
  level: number,
  type: number,
  data: readonly number[],
  claimedBytes: number = 16 + data.length,
): number[] {
  const bytes = new Uint8Array(16 + (data.length + 7 & -8));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, claimedBytes, true);
  view.setInt32(8, level, true);
  view.setInt32(12, type, true);
  bytes.set(data, 16);
  return [...bytes];
}

// Interface 3; answers leave from 10.0.0.1, the packet went to 10.0.0.9.
const four = piece(IPPROTO_IP, IP_PKTINFO, [3, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 9]);
const six = (first: number, second: number): number[] =>
  piece(IPPROTO_IPV6, IPV6_PKTINFO, [first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 7, 0, 0, 0]);

function read(...pieces: number[][]): ReturnType<typeof readPacketInfo> {
  const bytes = pieces.flat();
  // Not at the beginning of the memory.
  return readPacketInfo(new Uint8Array([0xff, ...bytes, 0xff]).subarray(0), 1, bytes.length);
}

function reply(...pieces: number[][]): number[] {
  const into = allocate(4 + PACKET_INFO_BYTES).fill(0xee);
  const length = writeReplyInfo(new Uint8Array(pieces.flat()), 0, pieces.flat().length, into, 4);
  return [...into.subarray(4, 4 + length)];
}

describe("packet info", { ignore: os.name !== "linux" }, () => {
  it("is found among other pieces", () => {
    const other = piece(SOL_SOCKET, 29, [1, 2, 3]);
    assertEquals(read(other, four), { localAddress: "10.0.0.9", interfaceIndex: 3 });
    assertEquals(read(other, six(0x20, 1), other), { localAddress: "2001::5", interfaceIndex: 7 });
    assertEquals(read(other), undefined);
    assertEquals(read(), undefined);
  });

  it("is not looked for beyond the end, whatever a piece claims", () => {
    for (const claimed of [0, 1, 15, 16, 27, 1000, 0xffffffff]) {
      assertEquals(read(piece(IPPROTO_IP, IP_PKTINFO, [3, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 9], claimed)), undefined);
    }
    for (let length = 0; length < 28; length++) {
      assertEquals(readPacketInfo(new Uint8Array(four), 0, length), undefined);
    }
  });

  it("becomes an answer from the address that was asked", () => {
    assertEquals(reply(four), piece(IPPROTO_IP, IP_PKTINFO, [0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0]));
    const expected = six(0x20, 1);
    expected[16 + 16] = 0;
    assertEquals(reply(six(0x20, 1)), expected);
  });

  it("names the interface for link-local addresses only, and never answers from a group", () => {
    assertEquals(reply(six(0xfe, 0x80)), six(0xfe, 0x80));
    assertEquals(reply(six(0xff, 2)), []);
    assertEquals(reply(piece(SOL_SOCKET, 29, [1, 2, 3])), []);
  });

  it("of an IPv4 packet on a dual-stack socket is read in IPv6's form, and answered from where IPv4's says", () => {
    const mapped = (...host: number[]): number[] =>
      piece(IPPROTO_IPV6, IPV6_PKTINFO, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...host, 7, 0, 0, 0]);
    const answer = piece(IPPROTO_IP, IP_PKTINFO, [0, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0]);
    const group = mapped(239, 255, 77, 77);
    for (const pieces of [[group, four], [four, group]]) {
      assertEquals(read(...pieces), { localAddress: "::ffff:239.255.77.77", interfaceIndex: 7 });
      assertEquals(reply(...pieces), answer);
    }
    // Without it only what can be told by the address itself is not answered from.
    assertEquals(reply(group), []);
    assertEquals(reply(mapped(255, 255, 255, 255)), []);
    const one = mapped(223, 0, 0, 1);
    one[16 + 16] = 0;
    assertEquals(reply(mapped(223, 0, 0, 1)), one);
  });
});
