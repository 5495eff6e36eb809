import {
  assert,
  assertEquals,
  assertFalse,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

let pool: ChunkPool;
let buffer: EvBuffer;
let other: EvBuffer;

function startEmpty(): void {
  pool = new ChunkPool();
  buffer = new EvBuffer({ pool });
  other = new EvBuffer({ pool });
}

/** Fills a buffer with several chains, each with the given text. */
function fillWithPieces(target: EvBuffer, ...pieces: string[]): void {
  for (const piece of pieces) target.addReference(ascii(piece));
}

describe("EvBuffer memory", () => {
  beforeEach(startEmpty);

  it("is not held by an empty buffer", () => {
    assertEquals(pool.bytesLent, 0);
    buffer.add("some bytes");
    assertEquals(pool.bytesLent, 1024);
    buffer.drain(10);
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
  });

  it("is taken in growing chunks as small pieces are added", () => {
    const lent: number[] = [];
    for (let i = 0; i < 30; i++) {
      buffer.add(new Uint8Array(1000));
      if (lent.at(-1) !== pool.bytesLent) lent.push(pool.bytesLent);
    }
    assertEquals(lent, [1024, 1024 + 4096, 1024 + 4096 + 16_384, 1024 + 4096 + 2 * 16_384]);
  });

  it("fills the room of the last chunk before it takes another one", () => {
    buffer.add(new Uint8Array(1000));
    buffer.add(new Uint8Array(1000));
    assertEquals(buffer.contiguousLength, 1024);
  });

  it("is given back as the front is drained, chunk by chunk", () => {
    buffer.add(new Uint8Array(1024));
    buffer.add(new Uint8Array(100));
    buffer.drain(1023);
    assertEquals(pool.bytesLent, 1024 + 4096);
    buffer.drain(1);
    assertEquals(pool.bytesLent, 4096);
  });

  it("is given back by close, reserved room included", () => {
    buffer.add("abc");
    buffer.reserveTail(2000);
    other.reserve(100);
    buffer.close();
    other.close();
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
  });

  it("is given back at the end of a using block", () => {
    {
      using scoped = new EvBuffer({ pool });
      scoped.add("abc");
    }
    assertEquals(pool.bytesLent, 0);
  });

  it("is contiguous for as much as expand was asked for", () => {
    buffer.add(new Uint8Array(1000));
    buffer.expand(2000);
    buffer.add(new Uint8Array(500));
    buffer.add(new Uint8Array(1500));
    assertEquals(buffer.peek().map((view) => view.length), [1000, 2000]);
  });

  it("refuses to expand by something that is no number of bytes", () => {
    for (const bytes of [-1, 0.5, NaN]) assertThrows(() => buffer.expand(bytes), RangeError, "expand");
  });
});

describe("EvBuffer.add and prepend", () => {
  beforeEach(startEmpty);

  it("add appends bytes and prepend puts them first", () => {
    buffer.add(ascii("middle "));
    buffer.add("end");
    buffer.prepend("start ");
    assertEquals(buffer.takeText(), "start middle end");
  });

  it("accept nothing and change nothing", () => {
    buffer.add("");
    buffer.add(new Uint8Array(0));
    buffer.prepend("");
    buffer.addAscii("");
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
  });

  it("write text as UTF-8, whatever its length", () => {
    for (const text of [1, 10, 100, 10_000].flatMap((n) => ["h\u00e9 \u20ac \u{1f600}".repeat(n), "plain".repeat(n)])) {
      buffer.add(text);
      assertEquals(buffer.length, new TextEncoder().encode(text).length);
      assert(buffer.takeText() === text);
    }
  });

  it("write a lone surrogate as U+FFFD", () => {
    buffer.add("a\ud800b");
    assertEquals(buffer.take(), Uint8Array.of(0x61, 0xef, 0xbf, 0xbd, 0x62));
  });

  it("prepend fits into the room that drained bytes left", () => {
    buffer.add("0123456789");
    buffer.drain(6);
    buffer.prepend("abcdef");
    assertEquals(buffer.contiguousLength, 10);
    assertEquals(buffer.takeText(), "abcdef6789");
  });

  it("prepend spreads over the room at the front and a new chunk", () => {
    buffer.add("0123456789");
    buffer.drain(3);
    buffer.prepend("abcdef");
    assertEquals(buffer.peek().map((view) => view.length), [3, 10]);
    buffer.prepend("xyz");
    assertEquals(buffer.peek().map((view) => view.length), [6, 10]);
    assertEquals(buffer.takeText(), "xyzabcdef3456789");
  });

  it("addAll adds several pieces as one", () => {
    assertEquals(buffer.addAll([ascii("one "), new Uint8Array(0), ascii("two")]), 7);
    assertEquals(buffer.takeText(), "one two");
  });

  it("addAll keeps and reports what came before its source failed", () => {
    const added: number[] = [];
    buffer.addCallback((_, change) => added.push(change.added));
    function* failing(): Generator<Uint8Array> {
      yield ascii("kept");
      throw new Error("source failed");
    }
    assertThrows(() => buffer.addAll(failing()), Error, "source failed");
    assertEquals([buffer.takeText(), added[0]], ["kept", 4]);
  });

  it("addLatin1 writes one byte per character and refuses what has none", () => {
    buffer.addLatin1("\u00ff\u0080");
    assertEquals(buffer.peek()[0], Uint8Array.of(0xff, 0x80));
    assertThrows(() => buffer.addLatin1("ab\u010a"), RangeError, "U+010A at index 2");
    assertEquals(buffer.length, 2);
    buffer.drain(2);
    const long = "0123456789".repeat(20) + "\u00e9";
    buffer.addLatin1(long);
    assertEquals(String.fromCharCode(...buffer.take()), long);
    assertThrows(() => buffer.addLatin1(long + "\u0101"), RangeError, "U+0101 at index 201");
    assertEquals(buffer.length, 0);
  });

  it("addAscii refuses a character that cut to a byte would be a line feed", () => {
    assertThrows(() => buffer.addAscii("X-Name: a\u010aX-Other: b"), RangeError, "U+010A at index 9");
    assertThrows(() => buffer.addAscii("caf\u00e9"), RangeError, "ASCII");
    assertThrows(() => buffer.addAscii("a".repeat(200) + "\u010a"), RangeError, "U+010A at index 200");
    assertEquals(buffer.length, 0);
    buffer.addAscii("plain");
    assertEquals(buffer.takeText(), "plain");
  });
});

describe("EvBuffer.remove, copyOut, drain and take", () => {
  beforeEach(startEmpty);

  it("return what there is when more is asked for", () => {
    buffer.add("abcdef");
    const target = new Uint8Array(10);
    assertEquals(buffer.copyOut(target), 6);
    assertEquals(buffer.remove(target.subarray(0, 4)), 4);
    assertEquals(buffer.drain(10), 2);
    assertEquals(buffer.drain(10), 0);
    assertEquals(buffer.remove(target), 0);
    assertEquals(buffer.take(5).length, 0);
  });

  it("copyOut starts at any position and leaves everything in place", () => {
    fillWithPieces(buffer, "abc", "def", "ghi");
    const target = new Uint8Array(4);
    assertEquals(buffer.copyOut(target, 2), 4);
    assertEquals(target, ascii("cdef"));
    assertEquals(buffer.copyOut(target, 7), 2);
    assertEquals(buffer.copyOut(target, 100), 0);
    assertEquals(buffer.length, 9);
  });

  it("peek and pullup take what is below zero, and Infinity at a peek, for everything, and refuse what is no count", () => {
    buffer.add("0123456789");
    for (const count of [-1, -0.5, -Infinity, Infinity]) {
      assertEquals(buffer.peek(count, 2).map((view) => view.length), [8]);
    }
    assertEquals(buffer.pullup(-1)?.length, 10);
    for (const count of [0.5, 2.5, NaN]) {
      assertThrows(() => buffer.peek(count), RangeError, "peek");
      assertThrows(() => buffer.pullup(count), RangeError, "pull up");
    }
    assertEquals(buffer.takeText(), "0123456789");
  });

  it("drain accepts Infinity for everything and refuses what is no count", () => {
    buffer.add("abc");
    assertEquals(buffer.drain(Infinity), 3);
    for (const count of [-1, 1.5, NaN]) assertThrows(() => buffer.drain(count), RangeError, "drain");
  });

  it("take returns memory that shares nothing with the buffer", () => {
    buffer.add("abc");
    const taken = buffer.take(2);
    buffer.add("def");
    assertEquals(taken, ascii("ab"));
    assertEquals(taken.buffer.byteLength, 2);
  });

  it("takeText keeps a byte order mark and replaces what is not UTF-8", () => {
    buffer.add(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0xff));
    assertEquals(buffer.takeText(), "\ufeffa\ufffd");
  });
});

describe("EvBuffer.addBuffer, prependBuffer and removeBuffer", () => {
  beforeEach(startEmpty);

  it("move everything without copying", () => {
    buffer.add("first ");
    other.add("second");
    const memory = other.peek()[0]!.buffer;
    buffer.addBuffer(other);
    assertStrictEquals(buffer.peek()[1]!.buffer, memory);
    assertEquals([buffer.length, other.length], [12, 0]);
    other.prependBuffer(buffer);
    assertEquals([buffer.length, other.takeText()], [0, "first second"]);
  });

  it("prependBuffer keeps the order of both buffers", () => {
    fillWithPieces(buffer, "e", "f");
    fillWithPieces(other, "a", "b", "cd");
    buffer.prependBuffer(other);
    buffer.add("g");
    assertEquals(buffer.takeText(), "abcdefg");
  });

  it("do nothing for an empty source and for the buffer itself", () => {
    buffer.add("abc");
    for (const source of [buffer, other]) {
      buffer.addBuffer(source);
      buffer.prependBuffer(source);
      assertEquals(source.removeBuffer(buffer, 10), 0);
      assertEquals(buffer.length, 3);
    }
  });

  it("move between two empty buffers and leave both usable", () => {
    buffer.addBuffer(other);
    buffer.prependBuffer(other);
    assertEquals(other.removeBuffer(buffer, 1), 0);
    buffer.add("a");
    other.addBuffer(buffer);
    buffer.add("b");
    assertEquals([other.takeText(), buffer.takeText()], ["a", "b"]);
  });

  it("removeBuffer moves whole chunks and copies only the part of the last one", () => {
    buffer.add(new Uint8Array(1024).fill(1));
    buffer.add(new Uint8Array(100).fill(2));
    const memory = buffer.peek()[0]!.buffer;
    assertEquals(buffer.removeBuffer(other, 1050), 1050);
    const views = other.peek();
    assertStrictEquals(views[0]!.buffer, memory);
    assertEquals([other.length, buffer.length], [1050, 74]);
    assertNotStrictEquals(views[1]!.buffer, buffer.peek()[0]!.buffer);
    assertEquals(other.removeBuffer(buffer, 5000), 1050);
    assertEquals(buffer.length, 1124);
  });

  it("removeBuffer shares a part of borrowed memory instead of copying it", () => {
    let released = 0;
    const bytes = ascii("abcdef");
    buffer.addReference(bytes, () => released++);
    assertEquals(buffer.removeBuffer(other, 2), 2);
    assertStrictEquals(other.peek()[0]!.buffer, bytes.buffer);
    buffer.drain(4);
    assertEquals(released, 0);
    other.drain(2);
    assertEquals(released, 1);
  });
});

describe("EvBuffer.pullup and peek", () => {
  beforeEach(startEmpty);

  it("pullup joins as many bytes as asked for and no more chunks than needed", () => {
    fillWithPieces(buffer, "abc", "def", "ghi");
    assertEquals(buffer.pullup(4), ascii("abcd"));
    assertEquals(buffer.contiguousLength, 4);
    assertEquals(buffer.pullup(-1), ascii("abcdefghi"));
    buffer.add("j");
    assertEquals(buffer.takeText(), "abcdefghij");
  });

  it("pullup returns null for none and for more than there is", () => {
    assertEquals([buffer.pullup(-1), buffer.pullup(0), buffer.pullup(1)], [null, null, null]);
    buffer.add("abc");
    assertEquals([buffer.pullup(0), buffer.pullup(4)], [null, null]);
    assertEquals(buffer.pullup(3), ascii("abc"));
  });

  it("pullup gives the memory of borrowed chains back as it joins them", () => {
    let released = 0;
    for (const piece of ["abc", "def"]) buffer.addReference(ascii(piece), () => released++);
    buffer.pullup(4);
    assertEquals(released, 1);
    buffer.pullup(6);
    assertEquals(released, 2);
  });

  it("peek shows every chunk, or the part asked for, without removing it", () => {
    fillWithPieces(buffer, "abc", "def", "ghi");
    const text = (views: Uint8Array[]): string[] => views.map((view) => String.fromCharCode(...view));
    assertEquals(text(buffer.peek()), ["abc", "def", "ghi"]);
    assertEquals(text(buffer.peek(4)), ["abc", "d"]);
    assertEquals(text(buffer.peek(4, 2)), ["c", "def"]);
    assertEquals(text(buffer.peek(-1, 8)), ["i"]);
    assertEquals([buffer.peek(0), buffer.peek(1, 9), other.peek()], [[], [], []]);
    assertEquals(buffer.length, 9);
  });

  it("memory seen by a user never serves another buffer", () => {
    for (const look of [() => buffer.peek(), () => buffer.pullup(-1), () => buffer.reserve(1)]) {
      buffer.add("secret");
      const seen = buffer.firstChain!.bytes;
      look();
      buffer.drain(6);
      other.add("of another connection");
      assertNotStrictEquals(other.firstChain!.bytes, seen);
      other.drain(100);
      buffer.close();
    }
  });

  it("memory read in place through firstChain stays in circulation", () => {
    buffer.add("abc");
    const chain = buffer.firstChain!;
    assertFalse(chain.exposed);
    buffer.drain(3);
    other.add("def");
    assertStrictEquals(other.firstChain, chain);
  });
});
