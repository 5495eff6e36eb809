import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FrameParser, type FrameParserOptions, type WebSocketLimits } from "../../src/ws/mod.ts";
import { concat, frame, hex, masked, parse, transcribe, utf8 } from "./frame_support.ts";

const server: FrameParserOptions = { from: "client" };
const client: FrameParserOptions = { from: "server" };
const limited = (limits: Partial<WebSocketLimits>): FrameParserOptions => ({ from: "client", limits });

describe("a FrameParser", () => {
  it("reads the examples of RFC 6455 section 5.7", () => {
    assertEquals(parse(hex("81 05 48656c6c6f"), client), ["MESSAGE 1 48656c6c6f."]);
    assertEquals(parse(hex("81 85 37fa213d 7f9f4d5158"), server), ["MESSAGE 1 48656c6c6f."]);
    assertEquals(parse(hex("01 03 48656c 80 02 6c6f"), client), ["MESSAGE 1 48656c6c6f."]);
    assertEquals(parse(hex("89 05 48656c6c6f"), client), ["CONTROL 9 48656c6c6f"]);
    assertEquals(parse(hex("8a 85 37fa213d 7f9f4d5158"), server), ["CONTROL 10 48656c6c6f"]);
    const bytes = new Uint8Array(256).fill(0x61);
    assertEquals(parse(concat(hex("82 7e 0100"), bytes), client), [`MESSAGE 2 ${"61".repeat(256)}.`]);
    const many = concat(hex("82 7f 00000000 00010000"), new Uint8Array(65_536).fill(0x62));
    assertEquals(transcribe([many], client), [`MESSAGE 2 ${"62".repeat(65_536)}.`]);
  });

  it("reads frames of every length around the bounds of its three forms", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 47, 48, 49, 50, 51, 52, 124, 125, 126, 127, 128, 255, 256, 1000]) {
      const payload = new Uint8Array(length).map((_, at) => at * 7);
      const text = Array.from(payload, (byte) => byte.toString(16).padStart(2, "0")).join("");
      assertEquals(parse(masked(2, payload), server), [`MESSAGE 2 ${text}.`]);
      assertEquals(parse(frame(2, payload), client), [`MESSAGE 2 ${text}.`]);
    }
    for (const length of [65_535, 65_536, 65_537]) {
      const payload = new Uint8Array(length).map((_, at) => at * 11);
      const text = Array.from(payload, (byte) => byte.toString(16).padStart(2, "0")).join("");
      for (const cut of [1, 2, 3, 9, 10, 13, 14, 15, 16, 17, 40_001]) {
        const bytes = masked(2, payload);
        assertEquals(transcribe([bytes.slice(0, cut), bytes.slice(cut)], server), [`MESSAGE 2 ${text}.`]);
      }
    }
  });

  it("finds control frames between fragments, and empty fragments", () => {
    const bytes = concat(
      masked(1, "a", { fin: false }),
      masked(9, "ping"),
      masked(0, "", { fin: false }),
      masked(10, ""),
      masked(0, "bc", { fin: false }),
      masked(0, ""),
      masked(2, ""),
      masked(8, hex("03e8")),
    );
    const expected = ["CONTROL 9 70696e67", "CONTROL 10", "MESSAGE 1 616263.", "MESSAGE 2 .", "CONTROL 8 03e8"];
    assertEquals(parse(bytes, server), expected);
  });

  it("takes thousands of empty fragments without going deeper and deeper", () => {
    const parts = Array.from({ length: 30_000 }, (_, at) => masked(at === 0 ? 1 : 0, "", { fin: false }));
    assertEquals(transcribe([concat(...parts, masked(0, "x"))], server), ["MESSAGE 1 78."]);
  });

  it("tells that a message is compressed by its first frame", () => {
    const bytes = concat(masked(1, "ab", { fin: false, rsv: 4 }), masked(0, "c"), masked(2, "d"));
    const expected = ["MESSAGE 1* 616263.", "MESSAGE 2 64."];
    assertEquals(parse(bytes, { ...server, mayCompress: true }), expected);
  });

  it("refuses limits that are none", () => {
    for (const value of [0, -1, 1.5, NaN, Infinity, 2 ** 31]) {
      assertThrows(() => new FrameParser(limited({ maxFrameBytes: value })), RangeError, "maxFrameBytes");
      assertThrows(() => new FrameParser(limited({ maxFragments: value })), RangeError, "maxFragments");
    }
  });
});

/** Bytes that are refused, why, and by whom they are read. */
type Refusal = readonly [title: string, bytes: Uint8Array, error: string, options: FrameParserOptions];

const compressing: FrameParserOptions = { from: "client", mayCompress: true };
const refusals: readonly Refusal[] = [
  ...[1, 2, 3, 5, 6, 7].map((rsv): Refusal => [
    `section 5.2: reserved bits ${rsv}`,
    masked(1, "x", { rsv }),
    "WS_RESERVED_BITS 1002",
    compressing,
  ]),
  [
    "section 5.2: the first reserved bit without the extension",
    masked(1, "x", { rsv: 4 }),
    "WS_RESERVED_BITS 1002",
    server,
  ],
  ["RFC 7692 section 6: it in a ping", masked(9, "x", { rsv: 4 }), "WS_RESERVED_BITS 1002", compressing],
  [
    "RFC 7692 section 6.1: it in a continuation",
    concat(masked(1, "x", { fin: false, rsv: 4 }), masked(0, "y", { rsv: 4 })),
    "WS_RESERVED_BITS 1002",
    compressing,
  ],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): Refusal => [
    `section 5.2: opcode ${opcode}`,
    masked(opcode, ""),
    "WS_RESERVED_OPCODE 1002",
    server,
  ]),
  ...[8, 9, 10].flatMap((opcode): Refusal[] => [
    [
      `section 5.5: control frame ${opcode} in fragments`,
      masked(opcode, "", { fin: false }),
      "WS_CONTROL_FRAGMENTED 1002",
      server,
    ],
    [
      `section 5.5: control frame ${opcode} of 126 bytes`,
      masked(opcode, new Uint8Array(126)),
      "WS_CONTROL_TOO_LONG 1002",
      server,
    ],
    [
      `section 5.5: control frame ${opcode} with a length of 64 bits`,
      Uint8Array.of(128 | opcode, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      "WS_CONTROL_TOO_LONG 1002",
      server,
    ],
  ]),
  ["section 5.1: a client's frame without a mask", frame(1, "x"), "WS_MASK_MISSING 1002", server],
  ["section 5.1: a client's close without a mask", frame(8, ""), "WS_MASK_MISSING 1002", server],
  ["section 5.1: a server's frame with a mask", masked(1, "x"), "WS_MASK_FORBIDDEN 1002", client],
  ["section 5.2: 125 in 16 bits", hex("82 7e 007d"), "WS_LENGTH_NOT_MINIMAL 1002", client],
  ["section 5.2: 0 in 16 bits", hex("82 fe 0000 01020304"), "WS_LENGTH_NOT_MINIMAL 1002", server],
  ["section 5.2: 65,535 in 64 bits", hex("82 7f 000000000000ffff"), "WS_LENGTH_NOT_MINIMAL 1002", client],
  ["section 5.2: 5 in 64 bits", hex("82 7f 0000000000000005"), "WS_LENGTH_NOT_MINIMAL 1002", client],
  ["section 5.2: the highest bit of 64", hex("82 7f 8000000000000000"), "WS_LENGTH_OUT_OF_RANGE 1002", client],
  ["section 5.2: all bits of 64", hex("82 ff ffffffffffffffff 01020304"), "WS_LENGTH_OUT_OF_RANGE 1002", server],
  ["section 5.2: the largest length there is", hex("82 7f 7fffffffffffffff"), "WS_FRAME_TOO_LARGE 1009", client],
  ["section 5.2: a length of 2^32 + 1", hex("82 7f 0000000100000001"), "WS_FRAME_TOO_LARGE 1009", client],
  ["section 5.4: a continuation of nothing", masked(0, "x"), "WS_UNEXPECTED_CONTINUATION 1002", server],
  [
    "section 5.4: a continuation after the end",
    concat(masked(1, "x", { fin: false }), masked(0, "y"), masked(0, "z", { fin: false })),
    "WS_UNEXPECTED_CONTINUATION 1002",
    server,
  ],
  [
    "section 5.4: a message within a message",
    concat(masked(1, "x", { fin: false }), masked(1, "y")),
    "WS_EXPECTED_CONTINUATION 1002",
    server,
  ],
  [
    "section 5.4: one of another kind within a message",
    concat(masked(2, "x", { fin: false }), masked(10, ""), masked(1, "y", { fin: false })),
    "WS_EXPECTED_CONTINUATION 1002",
    server,
  ],
  [
    "section 10.4: a frame over the limit",
    masked(2, utf8("abcd")),
    "WS_FRAME_TOO_LARGE 1009",
    limited({ maxFrameBytes: 3 }),
  ],
  [
    "section 10.4: a message over the limit in its last fragment",
    concat(masked(2, "ab", { fin: false }), masked(9, "a ping does not count"), masked(0, "cd")),
    "WS_MESSAGE_TOO_LARGE 1009",
    limited({ maxMessageBytes: 3 }),
  ],
  [
    "section 10.4: more fragments than the limit, all empty",
    concat(masked(2, "", { fin: false }), masked(0, "", { fin: false }), masked(0, "")),
    "WS_TOO_MANY_FRAGMENTS 1008",
    limited({ maxFragments: 2 }),
  ],
];

describe("a FrameParser refuses", () => {
  for (const [title, bytes, error, options] of refusals) {
    it(title, () => assertEquals(parse(bytes, options).at(-1), `ERROR ${error}`));
  }

  it("nothing that is just within its limits", () => {
    const limits = { maxFrameBytes: 2, maxMessageBytes: 4, maxFragments: 2 };
    const message = concat(masked(2, "ab", { fin: false }), masked(0, "cd"));
    assertEquals(parse(concat(message, message), limited(limits)), ["MESSAGE 2 61626364.", "MESSAGE 2 61626364."]);
  });

  it("what is wrong before its payload has come", () => {
    assertEquals(transcribe([hex("82 fe")], server), []);
    assertEquals(transcribe([hex("c1 81")], server), ["ERROR WS_RESERVED_BITS 1002"]);
    assertEquals(transcribe([hex("82 7f 0000000001000001")], client), ["ERROR WS_FRAME_TOO_LARGE 1009"]);
  });
});
