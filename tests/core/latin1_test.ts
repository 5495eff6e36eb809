import { assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { latin1 } from "../../src/core/latin1.ts";

describe("latin1", () => {
  it("makes one character of each byte, whichever it is", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, code) => code);
    const expected = Array.from(bytes, (code) => String.fromCharCode(code)).join("");
    assertStrictEquals(latin1(bytes, 0, 256), expected);
    for (let code = 0; code < 256; code++) assertStrictEquals(latin1(bytes, code, code + 1), expected[code]);
  });

  it("makes text of any length of any part, also of memory that is seen through a view", () => {
    const memory = Uint8Array.from({ length: 200 }, (_, index) => index * 37 & 0xff);
    const bytes = memory.subarray(7, 190);
    for (let length = 0; length <= 100; length++) {
      for (const start of [0, 1, 5, 83]) {
        const expected = String.fromCharCode(...bytes.subarray(start, start + length));
        assertStrictEquals(latin1(bytes, start, start + length), expected, `${length} bytes from ${start} on`);
      }
    }
  });

  it("gives text that stays when the memory changes", () => {
    const bytes = new Uint8Array(64).fill(0x61);
    const [short, long] = [latin1(bytes, 0, 3), latin1(bytes, 0, 64)];
    bytes.fill(0x62);
    assertStrictEquals(short + long, "a".repeat(67));
  });
});
