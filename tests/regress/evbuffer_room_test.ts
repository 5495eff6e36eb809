/** Counterparts of libevent's evbuffer cases about room that is reserved or made. docs/parity.md lists them. */
import { assert, assertEquals, assertGreaterOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer, ROOM_BYTES_MAX } from "../../src/core/evbuffer.ts";
import { contentOf, inChains, textOf, validate } from "./evbuffer_support.ts";

/** Whether `second` begins where `first` ends. */
function assertFollows(first: Uint8Array, second: Uint8Array): void {
  assertStrictEquals(first.buffer, second.buffer);
  assertEquals(first.byteOffset + first.length, second.byteOffset);
}

describe("room that is reserved", () => {
  it("lies in one chunk where that has enough, in two where not, and is taken up as far as it was written", () => {
    const buffer = new EvBuffer();
    const first = buffer.reserve(1024, 2);
    assertEquals([first.length, first[0]!.length, buffer.length], [1, 1024, 0]);
    const used = [first[0]!.subarray(0, 512).fill(0x70)];
    assertEquals(buffer.commit(used), 512);
    const second = buffer.reserve(32, 2);
    assertEquals(second.length, 1);
    assertFollows(used[0]!, second[0]!);
    used.push(second[0]!.subarray(0, 8).fill(0x71));
    assertEquals([buffer.commit([used[1]!]), buffer.length], [8, 520]);
    const third = buffer.reserve(504 + 64, 2);
    assertEquals(third.map(({ length }) => length), [504, 64]);
    assertFollows(used[1]!, third[0]!);
    used.push(third[0]!.subarray(0, 1).fill(0x72));
    assertEquals([buffer.commit([used[2]!]), buffer.length], [1, 521]);
    const fourth = buffer.reserve(503 + 64, 2);
    assertEquals(fourth.map(({ length }) => length), [503, 64]);
    fourth[0]!.fill(0x73);
    fourth[1]!.fill(0x74);
    assertEquals(buffer.commit([fourth[0]!.subarray(0, 400), fourth[1]!.subarray(0, 60)]), 460);
    validate(buffer);
    const expected = "p".repeat(512) + "q".repeat(8) + "r" + "s".repeat(400);
    assertEquals(buffer.peek().map(textOf), [expected, "t".repeat(60)]);
  });

  it("grows as more is asked for, whether nothing, a byte or a full chunk was committed before, and is given up for the next", () => {
    for (const before of [0, 1, 1024]) {
      const pool = new ChunkPool();
      const buffer = new EvBuffer({ pool });
      const [first] = buffer.reserve(1024, 2);
      assertEquals(buffer.commit(before), before);
      const room = before % 1024 === 0 ? 0 : 1024 - before;
      for (const size of [room + 128, room + 5000, room + 20_000]) {
        const extents = buffer.reserve(size, 2);
        assertEquals(extents.length, room === 0 ? 1 : 2);
        assertEquals(extents.reduce((sum, { length }) => sum + length, 0), size);
        if (room > 0) assertFollows(first!.subarray(0, before), extents[0]!);
        validate(buffer);
      }
      const [whole] = buffer.reserve(room + 128, 1);
      assertGreaterOrEqual(whole!.length, room + 128);
      buffer.close();
      assertEquals(pool.bytesLent, 0);
    }
  });

  it("leaves no gap between what was committed of its first part and what is added next", () => {
    const buffer = new EvBuffer();
    buffer.add("a");
    const extents = buffer.reserve(4096, 2);
    assertEquals(extents.length, 2);
    extents[0]![0] = 0x62;
    assertEquals(buffer.commit([extents[0]!.subarray(0, 1)]), 1);
    buffer.add("c");
    assertEquals(contentOf(buffer), "abc");
  });

  it("can be asked for again after nothing of it was used, whatever was prepended before", () => {
    const buffer = new EvBuffer();
    buffer.addReference(new Uint8Array(0));
    buffer.prepend("fog");
    buffer.add("");
    const extents = buffer.reserve(4096, 2);
    assertEquals(buffer.commit(extents.map((extent) => extent.subarray(0, 0))), 0);
    assertGreaterOrEqual(buffer.reserve(8192, 2).length, 1);
    assertEquals(contentOf(buffer), "fog");
  });
});

describe("room that is made", () => {
  it("is there in one piece on an empty buffer, and is not made twice", () => {
    const pool = new ChunkPool();
    const buffer = new EvBuffer({ pool });
    buffer.expand(20_000);
    const lent = pool.bytesLent;
    assertGreaterOrEqual(lent, 20_000);
    buffer.add(new Uint8Array(1024));
    buffer.expand(1024);
    assertEquals([pool.bytesLent, buffer.contiguousLength], [lent, 1024]);
    validate(buffer);
    buffer.add(new Uint8Array(18_976));
    assertEquals(buffer.contiguousLength, 20_000);
  });

  it("is there behind a byte at the end of a drained chunk", () => {
    const buffer = new EvBuffer();
    buffer.add("x".repeat(1023));
    buffer.drain(1022);
    buffer.expand(40);
    buffer.add("y".repeat(40));
    validate(buffer);
    assert(buffer.peek().map(textOf).join("") === `x${"y".repeat(40)}`);
    assertEquals(buffer.peek().at(-1)!.length, 40);
  });

  it("is made between adding much and pulling all of it up", () => {
    const buffer = new EvBuffer();
    for (let count = 0; count < 3; count++) buffer.add("x".repeat(4096));
    buffer.expand(1024);
    assertEquals(buffer.pullup(-1)?.length, 3 * 4096);
    validate(buffer);
  });

  it("is refused where it is more than there can be, and the buffer goes on", () => {
    const pool = new ChunkPool();
    const buffer = new EvBuffer({ pool });
    buffer.add("1");
    for (const bytes of [ROOM_BYTES_MAX + 1, Number.MAX_SAFE_INTEGER, Infinity]) {
      assertThrows(() => buffer.expand(bytes), RangeError, "at most");
      assertThrows(() => buffer.reserve(bytes), RangeError, "at most");
    }
    buffer.add("2");
    assertEquals([contentOf(buffer), pool.bytesLent], ["12", 1024]);
  });

  it("takes what is added after it, behind what was there, with a little or no room left in the chunk before", () => {
    for (const [text, room] of [["1", 2048], ["p".repeat(1014), 100]] as const) {
      const buffer = new EvBuffer();
      buffer.add(text);
      buffer.expand(room);
      buffer.add("2");
      validate(buffer);
      buffer.add("3");
      assertEquals([buffer.length, textOf(buffer.pullup(-1))], [text.length + 2, `${text}23`]);
    }
  });

  it("is given up for a reference that is added after it", () => {
    const buffer = inChains("p".repeat(1014));
    buffer.expand(100);
    buffer.addReference(Uint8Array.of(0x32));
    buffer.add("3");
    validate(buffer);
    assertEquals(textOf(buffer.pullup(-1)), `${"p".repeat(1014)}23`);
  });
});
