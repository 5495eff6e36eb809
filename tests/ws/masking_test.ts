import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { applyMask } from "../../src/ws/masking.ts";

const KEY = [0x81, 0x02, 0xf3, 0x74];
const MASK = 0x8102f374;

/** Masked as RFC 6455 section 5.3 says it, octet by octet. */
function masked(payload: number[], offset: number): number[] {
  return payload.map((byte, index) => byte ^ KEY[(index + offset) % 4]!);
}

describe("applyMask (RFC 6455 section 5.3)", () => {
  it("masks every length, from every place in memory and in the frame, and nothing beside", () => {
    for (let length = 0; length < 70; length++) {
      for (let start = 0; start < 4; start++) {
        for (let offset = 0; offset < 5; offset++) {
          const payload = Array.from({ length }, (_, index) => index * 7 & 0xff);
          // A view whose memory begins where no word does.
          const bytes = new Uint8Array(new ArrayBuffer(200), 5, 100);
          bytes.set(payload, start);
          applyMask(bytes, start, start + length, MASK, offset);
          const expected = [
            ...new Array(start).fill(0),
            ...masked(payload, offset),
            ...new Array(100 - start - length).fill(0),
          ];
          assertEquals([...bytes], expected, `${length} bytes from ${start} on, ${offset} bytes into the frame`);
        }
      }
    }
  });

  it("masks all of memory that has grown or shrunk since it was masked last", () => {
    const growing = new ArrayBuffer(64, { maxByteLength: 1024 });
    const shared = new SharedArrayBuffer(64, { maxByteLength: 1024 });
    for (
      const [buffer, size] of [[growing, 64], [growing, 1000], [growing, 80], [shared, 64], [shared, 1000]] as const
    ) {
      if (buffer === growing) growing.resize(size);
      else shared.grow(size);
      const payload = Array.from({ length: size }, (_, index) => index * 7 & 0xff);
      const bytes = new Uint8Array(buffer);
      bytes.set(payload);
      applyMask(bytes, 0, size, MASK, 0);
      assertEquals([...bytes], masked(payload, 0), `${size} bytes`);
    }
  });

  it("tells whether what it has written is ASCII, wherever the only byte is that is not", () => {
    for (const length of [1, 2, 3, 4, 7, 47, 48, 49, 50, 51, 70]) {
      for (let start = 0; start < 4; start++) {
        for (let at = -1; at < length; at++) {
          const text = new Array(length).fill(0x7f);
          if (at >= 0) text[at] = 0x80;
          const bytes = new Uint8Array(new ArrayBuffer(100));
          // Bytes beside the payload do not matter.
          bytes.fill(0xff);
          bytes.set(masked(text, 0), start);
          const isAscii = applyMask(bytes, start, start + length, MASK, 0);
          assertStrictEquals(isAscii, at < 0, `byte ${at} of ${length}, from ${start} on`);
        }
      }
    }
  });
});
