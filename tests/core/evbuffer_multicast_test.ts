import { assert, assertEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { Descriptors } from "../support/descriptors.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

let pool: ChunkPool;
let source: EvBuffer;
let copies: EvBuffer[];

describe("EvBuffer.addBufferReference", () => {
  beforeEach(() => {
    pool = new ChunkPool();
    source = new EvBuffer({ pool });
    copies = Array.from({ length: 3 }, () => new EvBuffer({ pool }));
  });

  it("shows one message in many buffers, in memory of its own that goes back after the last", () => {
    source.add("to everybody");
    for (const copy of copies) copy.addBufferReference(source);
    assertEquals(pool.bytesLent, 1024);
    source.close();
    assertEquals(copies.map((copy) => copy.takeText()), ["to everybody", "to everybody", "to everybody"]);
    assertEquals([pool.bytesLent, pool.bytesFree], [0, 1024]);
  });

  it("lets neither side see what the other adds, at either end", () => {
    source.add("shared");
    source.drain(2);
    const [copy] = copies as [EvBuffer];
    copy.add("<");
    copy.addBufferReference(source);
    source.add(" + ours");
    source.prepend("ours + ");
    copy.add(">");
    copy.prepend("theirs ");
    assertEquals([source.takeText(), copy.takeText()], ["ours + ared + ours", "theirs <ared>"]);
    assertEquals(pool.bytesLent, 0);
  });

  it("keeps room that is written by reserveTail or expand out of what is shared", () => {
    source.add("shared");
    copies[0]!.addBufferReference(source);
    const chain = source.reserveTail(4);
    chain.bytes.set(ascii("tail"), chain.end);
    source.commitTail(4);
    copies[1]!.expand(100);
    copies[1]!.addBufferReference(source);
    copies[1]!.add("!");
    assertEquals(copies.map((copy) => copy.takeText()), ["shared", "sharedtail!", ""]);
    assertEquals(source.takeText(), "sharedtail");
    for (const copy of copies) copy.close();
    assertEquals(pool.bytesLent, 0);
  });

  it("shares again what is shared, in part and as a whole", () => {
    source.add("0123456789");
    const [first, second, third] = copies as [EvBuffer, EvBuffer, EvBuffer];
    first.addBufferReference(source);
    first.drain(4);
    second.addBufferReference(first);
    second.addBufferReference(source);
    assertEquals(second.removeBuffer(third, 8), 8);
    source.close();
    first.close();
    assertEquals([second.takeText(), third.takeText()], ["23456789", "45678901"]);
    assertEquals(pool.bytesLent, 0);
  });

  it("tells the owner of a reference once, after the last buffer that shows it", () => {
    let released = 0;
    source.addReference(ascii("borrowed"), () => released++);
    for (const copy of copies) copy.addBufferReference(source);
    source.close();
    copies[0]!.drain(8);
    copies[1]!.pullup(-1);
    assertEquals(released, 0);
    copies[2]!.drain(7);
    copies[2]!.close();
    copies[1]!.close();
    assertEquals(released, 1);
  });

  it("shares files too", () => {
    using descriptors = new Descriptors();
    const [from, to] = descriptors.socketpair();
    source.addFile(from, 5, 10);
    copies[0]!.addBufferReference(source);
    assertEquals([copies[0]!.length, source.drain(4), copies[0]!.length], [10, 4, 10]);
    descriptors.close(to);
  });

  it("changes only the buffer that is added to, by one change", () => {
    const seen: number[][] = [];
    source.add("abc");
    source.addReference(ascii("def"));
    for (const buffer of [source, copies[0]!]) {
      buffer.addCallback((_, { originalLength, added, deleted }) => seen.push([originalLength, added, deleted]));
    }
    copies[0]!.addBufferReference(source);
    assertEquals(seen, [[0, 6, 0]]);
  });

  it("does nothing for an empty buffer, and refuses itself and a frozen back", () => {
    const [copy] = copies as [EvBuffer];
    copy.freezeBack();
    copy.addBufferReference(source);
    source.add("a");
    assertThrows(() => copy.addBufferReference(source), TypeError, "back is frozen");
    assertThrows(() => source.addBufferReference(source), TypeError, "itself");
    source.freezeFront();
    copies[1]!.addBufferReference(source);
    assertEquals([copy.length, copies[1]!.takeText()], [0, "a"]);
  });

  it("gives up room that was reserved in what is shared now", () => {
    source.add("abc");
    const [space] = source.reserve(10);
    copies[0]!.addBufferReference(source);
    space!.fill(0x78);
    assertThrows(() => source.commit(10), TypeError, "has changed");
    assertEquals([source.takeText(), copies[0]!.takeText()], ["abc", "abc"]);
  });

  it("never lets memory that was looked at serve another buffer, through whichever side it was", () => {
    for (const look of [source, copies[0]!, copies[1]!]) {
      source.add("secret");
      copies[0]!.addBufferReference(source);
      copies[0]!.removeBuffer(copies[1]!, 3);
      const [view] = look.peek();
      const seen = view!.slice();
      for (const buffer of [source, ...copies]) buffer.drain(Infinity);
      assertEquals([pool.bytesLent, pool.bytesFree], [0, 0]);
      source.add("another");
      assertEquals(view, seen);
      source.drain(Infinity);
      pool.clear();
    }
  });

  it("sends the same to several sockets", () => {
    using descriptors = new Descriptors();
    const pairs = copies.map(() => descriptors.socketpair());
    source.add("GET ");
    source.addReference(new Uint8Array(2000).fill(0x61));
    for (const copy of copies) copy.addBufferReference(source);
    source.close();
    copies.forEach((copy, index) => assertEquals(copy.sendTo(pairs[index]![0]), 2004));
    for (const [, to] of pairs) {
      const arrived = new EvBuffer();
      assertEquals(arrived.readFrom(to), 2004);
      assert(arrived.takeText().startsWith("GET aaa"));
    }
    assertEquals(pool.bytesLent, 0);
  });
});
