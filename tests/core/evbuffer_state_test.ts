import { assertEquals, assertFalse, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { type BufferCallback, EvBuffer } from "../../src/core/evbuffer.ts";
import { EVBUFFER_EOL_LF } from "../../src/core/evbuffer_search.ts";

let pool: ChunkPool;
let buffer: EvBuffer;
let other: EvBuffer;

function startEmpty(): void {
  pool = new ChunkPool();
  buffer = new EvBuffer({ pool });
  other = new EvBuffer({ pool });
}

describe("EvBuffer.freezeFront", () => {
  beforeEach(startEmpty);

  it("forbids everything that takes from or adds to the front", () => {
    buffer.add("line\n");
    other.add("more");
    buffer.freezeFront();
    const forbidden: (() => unknown)[] = [
      () => buffer.drain(1),
      () => buffer.remove(new Uint8Array(1)),
      () => buffer.take(1),
      () => buffer.takeText(),
      () => buffer.copyOut(new Uint8Array(1)),
      () => buffer.readLine(EVBUFFER_EOL_LF),
      () => buffer.prepend("x"),
      () => buffer.prependBuffer(other),
      () => other.addBuffer(buffer),
      () => other.prependBuffer(buffer),
      () => buffer.removeBuffer(other, 1),
      () => buffer.writeTo(-1),
    ];
    for (const call of forbidden) assertThrows(call, TypeError, "front is frozen");
    assertEquals([buffer.length, other.length, buffer.isFrontFrozen], [5, 4, true]);
    buffer.unfreezeFront();
    assertEquals([buffer.drain(1), buffer.isFrontFrozen], [1, false]);
  });

  it("allows to add, look, search and close", () => {
    buffer.freezeFront();
    buffer.add("abc");
    buffer.addBuffer(other);
    assertEquals(buffer.pullup(-1)?.length, 3);
    assertEquals(buffer.peek().length, 1);
    assertEquals(buffer.search("c"), 2);
    buffer.close();
    assertEquals(buffer.length, 0);
  });
});

describe("EvBuffer.freezeBack", () => {
  beforeEach(startEmpty);

  it("forbids everything that adds to the back", () => {
    buffer.add("abc");
    other.add("def");
    buffer.reserve(10);
    buffer.freezeBack();
    const forbidden: (() => unknown)[] = [
      () => buffer.add("x"),
      () => buffer.addAll([new Uint8Array(1)]),
      () => buffer.addAscii("x"),
      () => buffer.addLatin1("x"),
      () => buffer.addReference(new Uint8Array(1)),
      () => buffer.addFile(0, 0, 1),
      () => buffer.addBuffer(other),
      () => other.removeBuffer(buffer, 1),
      () => buffer.reserve(1),
      () => buffer.commit(1),
      () => buffer.reserveTail(1),
      () => buffer.readFrom(-1),
    ];
    for (const call of forbidden) assertThrows(call, TypeError, "back is frozen");
    assertEquals([buffer.length, other.length, buffer.isBackFrozen], [3, 3, true]);
    buffer.unfreezeBack();
    buffer.add("x");
    assertEquals([buffer.length, buffer.isBackFrozen], [4, false]);
  });

  it("allows to prepend and to take", () => {
    buffer.freezeBack();
    buffer.prepend("abc");
    buffer.prependBuffer(other);
    assertEquals(buffer.takeText(), "abc");
  });
});

describe("EvBuffer.addCallback", () => {
  beforeEach(startEmpty);

  let seen: [number, number, number][];
  const record: BufferCallback = (_, { originalLength, added, deleted }): void => {
    seen.push([originalLength, added, deleted]);
  };

  beforeEach(() => {
    seen = [];
    buffer.addCallback(record);
  });

  it("reports the length before, the bytes added and the bytes deleted, once per operation", () => {
    buffer.add("abcdef\r\n");
    buffer.readLine();
    buffer.add("xy");
    buffer.prepend("w");
    buffer.drain(1);
    buffer.addAll([new Uint8Array(2), new Uint8Array(3)]);
    buffer.remove(new Uint8Array(4));
    buffer.reserveTail(3);
    buffer.commitTail(3);
    assertEquals(seen, [[0, 8, 0], [8, 0, 8], [0, 2, 0], [2, 1, 0], [3, 0, 1], [2, 5, 0], [7, 0, 4], [3, 3, 0]]);
  });

  it("is not called when nothing changed", () => {
    buffer.add("");
    buffer.drain(5);
    buffer.addBuffer(other);
    buffer.pullup(-1);
    buffer.expand(100);
    buffer.reserve(100);
    buffer.commit(0);
    assertEquals(seen, []);
  });

  it("is called for both buffers when bytes move", () => {
    const theirs: number[] = [];
    other.addCallback((_, { added, deleted }) => theirs.push(added - deleted));
    other.add("abcdef");
    other.removeBuffer(buffer, 2);
    buffer.addBuffer(other);
    assertEquals(seen, [[0, 2, 0], [2, 4, 0]]);
    assertEquals(theirs, [6, -2, -4]);
  });

  it("calls the one registered last first", () => {
    const order: number[] = [];
    for (const i of [1, 2, 3]) buffer.addCallback(() => order.push(i));
    buffer.add("a");
    assertEquals(order, [3, 2, 1]);
  });

  it("skips a disabled registration", () => {
    const entry = buffer.addCallback(record);
    entry.enabled = false;
    buffer.add("a");
    assertEquals(seen.length, 1);
    entry.enabled = true;
    buffer.add("a");
    assertEquals(seen.length, 3);
  });

  it("stops after removal by registration or by function", () => {
    const entry = buffer.addCallback(record);
    assertEquals([buffer.removeCallback(entry), buffer.removeCallback(entry)], [true, false]);
    assertEquals([buffer.removeCallback(record), buffer.removeCallback(record)], [true, false]);
    buffer.add("a");
    assertEquals(seen, []);
  });

  it("may remove itself and its neighbours while it runs", () => {
    const order: string[] = [];
    const first = buffer.addCallback(() => order.push("first"));
    const second = buffer.addCallback(() => order.push("second"));
    buffer.addCallback(function self() {
      order.push("self");
      buffer.removeCallback(self);
      buffer.removeCallback(second);
    });
    buffer.add("a");
    buffer.removeCallback(first);
    assertEquals(order, ["self", "first"]);
    assertEquals(seen.length, 1);
  });

  it("may change the buffer, which is reported by calls of its own", () => {
    const lengths: number[] = [];
    buffer.addCallback((changed, change) => {
      if (change.added > 1) changed.drain(change.added - 1);
      lengths.push(change.originalLength, change.added, change.deleted);
    });
    buffer.add("abcdef");
    assertEquals(lengths, [6, 0, 5, 0, 6, 0]);
    assertEquals(seen, [[6, 0, 5], [0, 6, 0]]);
    assertEquals(buffer.takeText(), "f");
  });

  it("lets what a callback throws reach the caller and works on afterwards", () => {
    const entry = buffer.addCallback(() => {
      throw new Error("callback failed");
    });
    assertThrows(() => buffer.add("abc"), Error, "callback failed");
    buffer.removeCallback(entry);
    buffer.add("def");
    assertEquals(seen, [[0, 3, 0], [3, 3, 0]]);
    assertEquals(buffer.takeText(), "abcdef");
  });

  it("is not called after a callback has closed the buffer", () => {
    buffer.addCallback((closed) => closed.close());
    buffer.add("abc");
    assertEquals([seen, buffer.length, pool.bytesLent], [[], 0, 0]);
    buffer.add("def");
    assertEquals(seen, []);
  });

  it("is not called by close", () => {
    buffer.add("abc");
    buffer.close();
    assertEquals(seen.length, 1);
  });
});

describe("EvBuffer.reserve and commit", () => {
  beforeEach(startEmpty);

  it("add what was written", () => {
    const [space] = buffer.reserve(100);
    assertEquals(space!.length, 100);
    space!.set([1, 2, 3]);
    assertEquals(buffer.commit(2), 2);
    assertEquals(buffer.take(), Uint8Array.of(1, 2));
  });

  it("give one extent in one piece and several where that saves memory", () => {
    buffer.add(new Uint8Array(1000));
    assertEquals(buffer.reserve(100, 1).map((view) => view.length), [100]);
    assertEquals(buffer.reserve(100, 2).map((view) => view.length), [24, 76]);
    assertEquals(buffer.reserve(20, 2).map((view) => view.length), [20]);
  });

  it("take extents cut to what was written", () => {
    buffer.add(new Uint8Array(1000));
    const [a, b] = buffer.reserve(100, 2);
    a!.fill(1);
    b!.fill(2);
    assertEquals(buffer.commit([a!.subarray(0, 3), b!.subarray(0, 4)]), 7);
    buffer.drain(1000);
    assertEquals(buffer.take(), Uint8Array.of(1, 1, 1, 2, 2, 2, 2));
  });

  it("give at least one byte", () => {
    assertEquals(buffer.reserve(0).map((view) => view.length), [1]);
  });

  it("refuse extents that start elsewhere or are longer than reserved, and more than reserved", () => {
    const [space] = buffer.reserve(10);
    assertThrows(() => buffer.commit([space!.subarray(1)]), TypeError, "extent 0");
    assertThrows(() => buffer.commit([new Uint8Array(10)]), TypeError, "extent 0");
    assertThrows(() => buffer.commit([new Uint8Array(space!.buffer, space!.byteOffset, 11)]), RangeError, "11 bytes");
    assertThrows(() => buffer.commit([space!, space!]), RangeError, "2 extents");
    for (const count of [11, -1, 0.5]) assertThrows(() => buffer.commit(count), RangeError, "10 are reserved");
    assertEquals(buffer.commit([space!]), 10);
  });

  it("refuse to commit when nothing is reserved, when done before, and when data was added meanwhile", () => {
    assertThrows(() => buffer.commit(0), TypeError, "no space is reserved");
    buffer.reserve(10);
    buffer.commit(1);
    assertThrows(() => buffer.commit(1), TypeError, "no space is reserved");
    buffer.reserve(10);
    buffer.add("abc");
    assertThrows(() => buffer.commit(1), TypeError, "has changed");
    assertEquals(buffer.length, 4);
  });

  it("show nothing that passed through another buffer before", () => {
    other.add(new Uint8Array(1024).fill(0x73));
    other.drain(1024);
    assertEquals(pool.bytesFree, 1024);
    const [space] = buffer.reserve(1024);
    assertEquals(space!.every((byte) => byte === 0), true);
  });

  it("give up the space that was reserved before", () => {
    buffer.reserve(100);
    buffer.reserve(2000);
    assertEquals(pool.bytesLent, 4096);
    buffer.commit(0);
    assertEquals(pool.bytesLent, 0);
  });

  it("refuse what is no size", () => {
    for (const size of [-1, NaN, 1.5]) assertThrows(() => buffer.reserve(size), RangeError, "reserve");
    assertThrows(() => buffer.reserve(1, 0), RangeError, "extents");
  });
});

describe("EvBuffer.reserveTail and commitTail", () => {
  beforeEach(startEmpty);

  it("use the room of the last chunk when it is enough", () => {
    buffer.add("abc");
    const chain = buffer.reserveTail(1000);
    assertStrictEquals(chain, buffer.firstChain);
    chain.bytes[chain.end] = 0x64;
    buffer.commitTail(1);
    assertFalse(chain.exposed);
    assertEquals(buffer.takeText(), "abcd");
  });

  it("use a new chunk when it is not, and give it back when nothing was written", () => {
    buffer.add(new Uint8Array(1000));
    const chain = buffer.reserveTail(100);
    assertNotStrictEquals(chain, buffer.firstChain);
    assertEquals(pool.bytesLent, 1024 + 4096);
    buffer.commitTail(0);
    assertEquals([pool.bytesLent, buffer.length], [1024, 1000]);
  });

  it("refuse to commit more than there is room for", () => {
    assertThrows(() => buffer.commitTail(1), RangeError, "0 are reserved");
    buffer.reserveTail(10);
    for (const count of [1025, -1, NaN, 0.5, Infinity]) {
      assertThrows(() => buffer.commitTail(count), RangeError, `Cannot commit ${count} bytes`);
    }
    assertEquals(buffer.length, 0);
  });
});
