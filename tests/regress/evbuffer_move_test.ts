/** Counterparts of libevent's evbuffer cases about adding, moving and copying out. docs/parity.md lists them. */
import { assert, assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { ascii, contentOf, inChains, textOf, validate } from "./evbuffer_support.ts";

/** Shares `text` with a buffer, and then nothing: in C that leaves an empty chain behind. */
function addReferences(buffer: EvBuffer, ...texts: string[]): void {
  for (const text of texts) buffer.addReference(ascii(text));
}

describe("a buffer through its whole life", () => {
  it("adds, drains, prepends, pulls up and moves without losing a byte", () => {
    const [one, two] = [new EvBuffer(), new EvBuffer()];
    const zeros = new Uint8Array(512);
    one.add("north/7");
    assertEquals(contentOf(one), "north/7");
    one.addBuffer(two);
    one.drain(6);
    assertEquals(contentOf(one), "7");
    two.add("/north");
    one.addBuffer(two);
    assertEquals([two.length, contentOf(one)], [0, "7/north"]);
    one.add(zeros);
    assertEquals(one.pullup(7 + 512)?.subarray(0, 7), ascii("7/north"));
    one.prepend("compass");
    one.prepend("the");
    assertEquals(textOf(one.pullup(17)), "thecompass7/north");
    assertEquals(one.length, 17 + 512);
    one.drain(Infinity);
    two.drain(Infinity);
    for (let count = 1; count <= 3; count++) {
      two.add(zeros);
      one.addBuffer(two);
      validate(one, two);
      assertEquals([one.length, two.length], [count * 512, 0]);
    }
    assertEquals([one.removeBuffer(two, 1280), one.length, two.length], [1280, 256, 1280]);
    validate(one, two);
    assertEquals([one.pullup(-1), two.pullup(-1)], [new Uint8Array(256), new Uint8Array(1280)]);
    for (let round = 0; round < 3; round++) {
      const [space] = one.reserve(10_000);
      space!.forEach((_, index) => space![index] = index);
      assertEquals(one.commit([space!]), 10_000);
      validate(one);
      assertEquals(one.pullup(-1)!.subarray(-10_000), space!);
      one.drain(10_000 * 5000);
      assertEquals(one.length, 0);
    }
  });

  it("takes text of every length a thousand times over and wastes little room", () => {
    const letters = "zyxwvutsrqponmlkjihgfedcba".repeat(4);
    const buffer = new EvBuffer();
    let expected = 0;
    for (let round = 0; round < 1000; round++) {
      for (let length = 1; length < letters.length; length++) {
        buffer.add(letters.slice(0, length));
        expected += length;
      }
      if (round % 100 === 0) validate(buffer);
    }
    validate(buffer);
    assertEquals(buffer.length, expected);
    let allocated = 0;
    for (let chain = buffer.firstChain; chain !== null; chain = chain.next) allocated += chain.limit;
    assertLess((allocated - expected) / allocated, 0.125);
  });
});

describe("moving where nothing was added before", () => {
  it("moves a part of one reference behind bytes that nothing was added to", () => {
    const [source, target] = [new EvBuffer(), new EvBuffer()];
    addReferences(source, "NE", "NE");
    target.add("SW");
    addReferences(target, "");
    assertEquals([contentOf(source), contentOf(target)], ["NENE", "SW"]);
    assertEquals(source.removeBuffer(target, 3), 3);
    assertEquals([contentOf(source), contentOf(target)], ["E", "SWNEN"]);
  });

  it("moves a part of what was added behind references to something and to nothing", () => {
    const make = (): EvBuffer => {
      const [buffer, more] = [new EvBuffer(), new EvBuffer()];
      more.add("oak");
      addReferences(more, "elm");
      addReferences(buffer, "ash", "");
      buffer.addBuffer(more);
      return buffer;
    };
    const [source, target] = [make(), make()];
    assertEquals(contentOf(source), "ashoakelm");
    assertEquals(source.removeBuffer(target, 8), 8);
    assertEquals([contentOf(source), contentOf(target)], ["m", "ashoakelmashoakel"]);
  });

  it("moves a part of what was prepended to references to something and to nothing", () => {
    const make = (): EvBuffer => {
      const [buffer, more] = [new EvBuffer(), new EvBuffer()];
      more.add("oak");
      addReferences(more, "");
      addReferences(buffer, "ash", "");
      buffer.prependBuffer(more);
      return buffer;
    };
    const [source, target] = [make(), make()];
    assertEquals(contentOf(source), "oakash");
    assertEquals(source.removeBuffer(target, 5), 5);
    assertEquals([contentOf(source), contentOf(target)], ["h", "oakashoakas"]);
  });

  it("goes on after nothing was prepended and a byte was moved away", () => {
    const [one, two] = [new EvBuffer(), new EvBuffer()];
    addReferences(one, "ash");
    one.prepend("");
    assertEquals(one.removeBuffer(two, 1), 1);
    one.add("oak");
    assertEquals([contentOf(one), contentOf(two)], ["shoak", "a"]);
  });

  it("keeps the order when reserved room was left unused before the move", () => {
    const [one, two] = [new EvBuffer(), new EvBuffer()];
    one.add("111111");
    const [space] = one.reserve(1500, 2);
    space![0] = 0x32;
    one.commit([space!.subarray(0, 1)]);
    two.add("44");
    two.prepend("333");
    two.prependBuffer(one);
    one.addBuffer(two);
    assertEquals([contentOf(one), contentOf(two)], ["111111233344", ""]);
    assertEquals(one.removeBuffer(two, 11), 11);
    assertEquals([contentOf(one), contentOf(two)], ["4", "11111123334"]);
  });

  it("adds a buffer behind references to something and to nothing, or to nothing at all", () => {
    for (const first of ["ash", ""]) {
      const [buffer, more] = [new EvBuffer(), new EvBuffer()];
      more.add("oak");
      addReferences(buffer, first, "");
      buffer.addBuffer(more);
      assertEquals([contentOf(buffer), more.length], [`${first}oak`, 0]);
      validate(more);
    }
  });

  it("pulls up what nothing was added to, and nothing of an empty buffer", () => {
    const buffer = new EvBuffer();
    assertEquals(buffer.pullup(-1), null);
    buffer.add("oak");
    addReferences(buffer, "");
    assertEquals([textOf(buffer.pullup(-1)), textOf(buffer.pullup(3)), buffer.length], ["oak", "oak", 3]);
  });
});

describe("prepending", () => {
  it("uses a new chunk, the room of the first one, and both", () => {
    const buffer = new EvBuffer();
    buffer.prepend("a lighthouse blinks every 29 s");
    buffer.prepend("Note:");
    assertEquals(contentOf(buffer), "Note:a lighthouse blinks every 29 s");
    buffer.drain(5 + 13);
    buffer.prepend("it ");
    assertEquals([contentOf(buffer), buffer.peek().length], ["it blinks every 29 s", 1]);
    const long = "Whatever the weather, ".repeat(100);
    buffer.prepend(long);
    assertEquals([contentOf(buffer), buffer.peek().length], [`${long}it blinks every 29 s`, 2]);
  });

  it("puts a buffer before nothing and before something", () => {
    const [source, target] = [new EvBuffer(), new EvBuffer()];
    for (const number of [1, 2]) {
      source.add(`buoy ${number}; `);
      target.prependBuffer(source);
      validate(source, target);
    }
    assertEquals(contentOf(target), "buoy 2; buoy 1; ");
  });

  it("reports what needed a new chunk as one change, and keeps what was there", () => {
    const buffer = new EvBuffer();
    const changes: number[] = [];
    buffer.prepend("bay");
    const entry = buffer.addCallback((_, change) => {
      changes.push(change.originalLength, change.added, change.deleted);
    });
    buffer.prepend(new Uint8Array(8096).fill(0x41));
    buffer.removeCallback(entry);
    assertEquals(changes, [3, 8096, 0]);
    assert(buffer.pullup(8096)!.every((byte) => byte === 0x41));
    buffer.drain(8096);
    assertEquals(contentOf(buffer), "bay");
  });

  it("puts bytes before a reference to nothing", () => {
    const buffer = new EvBuffer();
    addReferences(buffer, "");
    buffer.prepend("bay");
    assertEquals(textOf(buffer.pullup(-1)), "bay");
    validate(buffer);
  });

  it("puts a buffer that holds a reference to nothing before bytes, which changes neither", () => {
    const [empty, full] = [new EvBuffer(), new EvBuffer()];
    addReferences(empty, "");
    full.add("bay");
    full.prependBuffer(empty);
    validate(empty, full);
    assertEquals([textOf(full.pullup(-1)), empty.pullup(-1)], ["bay", null]);
  });
});

describe("taking out", () => {
  it("adds several pieces and gives each of them back", () => {
    const pieces = ["Two tides a day.", "", "A neap tide is a weak one, a spring tide strong.", "Slack water."];
    const buffer = new EvBuffer();
    const sum = pieces.reduce((length, piece) => length + piece.length, 0);
    assertEquals([buffer.addAll(pieces.map(ascii)), buffer.length], [sum, sum]);
    for (const piece of pieces) assertEquals(textOf(buffer.take(piece.length)), piece);
    assertEquals(buffer.length, 0);
  });

  it("copies out from any position over any chains, cut to what there is", () => {
    const text = Array.from({ length: 206 }, (_, index) => String.fromCharCode(33 + index % 90)).join("");
    const buffer = new EvBuffer();
    addReferences(buffer, text.slice(0, 80), text.slice(80, 160));
    buffer.add(text.slice(160));
    const copy = (size: number, from = 0): string => {
      const target = new Uint8Array(size);
      const count = buffer.copyOut(target, from);
      return textOf(target.subarray(0, count))!;
    };
    for (const size of [0, 10, 80, 100, 206]) assertEquals(copy(size), text.slice(0, size));
    assertEquals(copy(230), text);
    const cursor = buffer.cursor();
    assert(cursor.set(15));
    for (const size of [10, 65, 66, 90, 160, 191, 400]) {
      assertEquals(copy(size, cursor.position), text.slice(15, 15 + size));
    }
    for (const from of [79, 80, 100, 160, 205, 206]) {
      assertEquals(copy(120, from), text.slice(from, from + 120));
    }
    assertEquals(contentOf(buffer), text);
  });

  it("counts the chains for as many bytes as are asked for, from any position", () => {
    const buffer = inChains("first of two chains\n", "second of two\n");
    const chains = (count: number, from: number): number => buffer.peek(count, from).length;
    assertEquals(chains(-1, 0), 2);
    const cursor = buffer.cursor();
    assert(cursor.move(18));
    const at = cursor.position;
    assertEquals([chains(-1, at), chains(2, at), chains(3, at)], [2, 1, 2]);
  });

  it("shows many chains, some of them, none, and those from a position on", () => {
    const texts = Array.from({ length: 16 }, (_, index) => `chain number ${index}\n`);
    const buffer = inChains(...texts);
    const peek = (count = -1, from = 0): (string | null)[] => buffer.peek(count, from).map(textOf);
    assertEquals(peek(), texts);
    assertEquals(peek(65_536), texts);
    // The last one ends where the bytes asked for do; C shows it to its end.
    assertEquals(peek(20), [texts[0]!, texts[1]!.slice(0, 5)]);
    assertEquals([peek(0), peek(100).length], [[], 7]);
    assertEquals([new EvBuffer().peek(), new EvBuffer().peek(50)], [[], []]);
    assertEquals(peek(40, 20), [texts[1]!.slice(5), texts[2]!, texts[3]!.slice(0, 15)]);
    assertEquals(peek(30, 30), [texts[2]!, texts[3]!]);
    assertEquals([peek(44, buffer.length), peek(-1, buffer.length)], [[], []]);
    assertStrictEquals(buffer.peek()[0]!.buffer, buffer.firstChain!.bytes.buffer);
  });
});
