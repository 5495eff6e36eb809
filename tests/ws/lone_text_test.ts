import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FRAME_PIECE, FrameParser } from "../../src/ws/frame_parser.ts";
import { textOf } from "../../src/ws/text.ts";
import { LONE_LENGTH_MAX, loneText } from "../../src/ws/lone_text.ts";

/** RFC 6455 section 5.7: "A single-frame masked text message". */
const HELLO = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

/** The frame in the middle of other bytes, and what is made of it. */
function loneTextOf(
  frame: readonly number[],
  max: number = LONE_LENGTH_MAX,
): { text: string | null; after: number[] } {
  const bytes = new Uint8Array(new ArrayBuffer(frame.length + 7));
  bytes.set(frame, 3);
  const text = loneText(bytes, 3, 3 + frame.length, max);
  assertEquals([...bytes.subarray(0, 3), ...bytes.subarray(3 + frame.length)], [0, 0, 0, 0, 0, 0, 0]);
  return { text, after: [...bytes.subarray(3, 3 + frame.length)] };
}

/** A masked frame of text. */
function masked(payload: readonly number[], key: readonly number[] = [0x11, 0x92, 0x23, 0xf4]): number[] {
  const { length } = payload;
  const lengthBytes = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 255];
  return [0x81, ...lengthBytes, ...key, ...payload.map((byte, index) => byte ^ key[index % 4]!)];
}

function many(length: number): number[] {
  return new Array(length).fill(0x61);
}

describe("loneText", () => {
  it("takes the text of RFC 6455 section 5.7", () => {
    assertStrictEquals(loneTextOf(HELLO).text, "Hello");
  });

  it("takes every length that stands in the first four bytes, and none above the limit", () => {
    const lengths = [...Array.from({ length: 260 }, (_, length) => length), 1000, 4096, LONE_LENGTH_MAX];
    for (const length of lengths) {
      const payload = Array.from({ length }, (_, index) => (index * 7 + length) & 0x7f);
      const frame = masked(payload);
      assertStrictEquals(loneTextOf(frame).text, String.fromCharCode(...payload));
      assertStrictEquals(loneTextOf(frame, length).text, String.fromCharCode(...payload));
      assertStrictEquals(loneTextOf(frame, length - 1).text, null);
    }
  });

  it("takes text that is not ASCII, whatever its length", () => {
    for (const length of [1, 15, 16, 62, 63, 1000]) {
      const text = "\u{e9}".repeat(length) + "x";
      assertStrictEquals(loneTextOf(masked([...new TextEncoder().encode(text)])).text, text);
    }
    assertStrictEquals(loneTextOf(masked([0xef, 0xbb, 0xbf, 0x78])).text, "\u{feff}x");
  });

  it("leaves all that is anything else as it was", () => {
    const others: [string, readonly number[]][] = [
      ["nothing", []],
      ["bytes (section 5.6)", [0x82, ...HELLO.slice(1)]],
      ["a first fragment (section 5.4)", [0x01, ...HELLO.slice(1)]],
      ["a last fragment", [0x80, ...HELLO.slice(1)]],
      ["a ping (section 5.5.2)", [0x89, ...HELLO.slice(1)]],
      ["a compressed message (RFC 7692 section 6)", [0xc1, ...HELLO.slice(1)]],
      ["a reserved bit", [0xa1, ...HELLO.slice(1)]],
      ["no mask (section 5.1)", [0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0, 0, 0, 0]],
      ["a longer length than there is", [0x81, 0x86, ...HELLO.slice(2)]],
      ["a shorter length, and more behind", [0x81, 0x84, ...HELLO.slice(2)]],
      ["two messages", [...HELLO, ...HELLO]],
      ["a length of 125 in two bytes, which is no shortest one", [0x81, 0xfe, 0, 125, 1, 2, 3, 4, ...many(125)]],
      ["a length of 127 in eight bytes, as 127 would stand in the second", [0x81, 0xff, 1, 2, 3, 4, ...many(127)]],
      ["a length of 200 in eight bytes", [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 200, 1, 2, 3, 4, ...many(200)]],
      ["200 bytes, and one more behind", [...masked(many(200)), 1]],
      ["200 bytes but for one", masked(many(200)).slice(0, -1)],
      ["what is no UTF-8", masked([0x68, 0xff, 0x69, 0x6a, 0x6b])],
      ["half a character at the end", masked([0x68, 0xc3])],
      ["200 bytes that are no UTF-8", masked([...many(199), 0xa9])],
    ];
    for (let length = 1; length < HELLO.length; length++) {
      others.push([`its first ${length} bytes`, HELLO.slice(0, length)]);
    }
    for (const [name, frame] of others) {
      assertEquals(loneTextOf(frame), { text: null, after: [...frame] }, name);
    }
  });

  it("says what the parser says, whatever byte of a frame is another", () => {
    const frame = masked([...new TextEncoder().encode("a message")]);
    let taken = 0;
    for (let at = 0; at < frame.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = frame.with(at, byte);
        const { text } = loneTextOf(changed);
        if (text === null) continue;
        taken++;
        const parser = new FrameParser({ from: "client" });
        const bytes = new Uint8Array(changed);
        assertStrictEquals(parser.next(bytes, 0, bytes.length), FRAME_PIECE);
        assertEquals([parser.position, parser.messageStarts, parser.messageEnds, parser.opcode], [
          bytes.length,
          true,
          true,
          1,
        ]);
        assertStrictEquals(textOf(parser.payload, parser.payloadStart, parser.payloadEnd), text);
      }
    }
    assertStrictEquals(taken, 2 + 13 * 128);
  });
});
