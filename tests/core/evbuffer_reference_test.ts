import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import { EvBuffer, EVBUFFER_EOL_ANY } from "../../src/core/evbuffer.ts";
import { allocate } from "../../src/ffi/mod.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

let buffer: EvBuffer;
let other: EvBuffer;

function startEmpty(): void {
  buffer = new EvBuffer();
  other = new EvBuffer();
}

describe("EvBuffer.addReference", () => {
  beforeEach(startEmpty);

  it("shows the memory it was given and gives it back after the last byte", () => {
    const bytes = ascii("abcdef");
    const released: Uint8Array[] = [];
    buffer.addReference(bytes, (memory) => released.push(memory));
    bytes[0] = 0x41;
    other.addBuffer(buffer);
    other.drain(5);
    assertEquals(released.length, 0);
    assertEquals(other.takeText(), "f");
    assertEquals(released.length, 1);
    assertStrictEquals(released[0], bytes);
  });

  it("gives the memory back when the buffer is closed", () => {
    let released = 0;
    for (let i = 0; i < 3; i++) buffer.addReference(ascii("abc"), () => released++);
    buffer.close();
    buffer.close();
    assertEquals(released, 3);
  });

  it("gives empty memory back at once", () => {
    let released = 0;
    buffer.addReference(new Uint8Array(0), () => released++);
    assertEquals([released, buffer.length], [1, 0]);
  });

  it("never writes into the memory", () => {
    const bytes = ascii("abcdef");
    const copy = bytes.slice();
    buffer.addReference(bytes.subarray(2, 4));
    buffer.add("xyz");
    buffer.drain(1);
    buffer.prepend("123");
    buffer.pullup(-1);
    assertEquals(bytes, copy);
    assertEquals(buffer.takeText(), "123dxyz");
  });

  it("does not call the owner when the back is frozen", () => {
    let released = 0;
    buffer.freezeBack();
    assertThrows(() => buffer.addReference(ascii("abc"), () => released++), TypeError, "frozen");
    buffer.close();
    assertEquals(released, 0);
  });

  it("refuses memory that was detached", () => {
    const bytes = new Uint8Array(new ArrayBuffer(8));
    bytes.buffer.transfer();
    assertThrows(() => buffer.addReference(bytes), TypeError, "detached");
  });

  it("refuses to show memory that was transferred away since, rather than show what is not in it", () => {
    const secret = new TextEncoder().encode("what another buffer held ".repeat(20));
    for (let round = 0; round < 3; round++) {
      using other = new EvBuffer();
      other.add(secret);
    }
    using buffer = new EvBuffer();
    buffer.add("GET / ");
    const bytes = allocate(100).fill(120);
    buffer.addReference(bytes);
    buffer.add("\r\nmore\r\n");
    bytes.buffer.transfer();
    const uses: Record<string, () => unknown> = {
      copyOut: () => buffer.copyOut(new Uint8Array(50)),
      remove: () => buffer.remove(new Uint8Array(50)),
      take: () => buffer.take(),
      takeText: () => buffer.takeText(),
      pullup: () => buffer.pullup(60),
      peek: () => buffer.peek(60),
      readLine: () => buffer.readLine(),
      searchEol: () => buffer.searchEol(EVBUFFER_EOL_ANY),
      search: () => buffer.search("more"),
      indexOf: () => buffer.indexOf(120),
    };
    for (const [name, use] of Object.entries(uses)) {
      assertThrows(use, TypeError, "detached", name);
      assertEquals(buffer.length, 6 + 100 + 8, name);
    }
    // What does not lie in it is there, and it can be got rid of.
    assertEquals(buffer.takeText(6), "GET / ");
    buffer.drain(100);
    assertEquals(buffer.readLine(), "");
    assertEquals(buffer.readLine(), "more");
  });

  it("tells every owner even when one of them throws", () => {
    let released = 0;
    buffer.addReference(ascii("a"), () => {
      throw new Error("owner failed");
    });
    buffer.addReference(ascii("b"), () => released++);
    assertThrows(() => buffer.drain(2), Error, "owner failed");
    assertEquals([released, buffer.length], [1, 0]);
  });

  it("drains and reports everything asked for even when an owner throws", () => {
    const deleted: number[] = [];
    let released = 0;
    buffer.addReference(ascii("a"), () => {
      throw new Error("owner failed");
    });
    buffer.addReference(ascii("b"), () => released++);
    buffer.add("cd");
    buffer.addCallback((_, change) => deleted.push(change.deleted));
    assertThrows(() => buffer.drain(3), Error, "owner failed");
    assertEquals([released, deleted], [1, [3]]);
    assertEquals(buffer.takeText(), "d");
  });

  it("tells owners in the order of their bytes, whether they are drained or joined", () => {
    const order: string[] = [];
    const fill = (): void => {
      for (const text of ["one", "two", "three"]) buffer.addReference(ascii(text), () => order.push(text));
    };
    fill();
    buffer.drain(Infinity);
    fill();
    assertEquals(buffer.pullup(-1)!.length, 11);
    assertEquals(order, ["one", "two", "three", "one", "two", "three"]);
  });

  it("lets an owner use the buffer while it is told", () => {
    buffer.addReference(ascii("abc"), () => buffer.add("added by the owner"));
    buffer.add("def");
    buffer.drain(4);
    assertEquals(buffer.takeText(), "efadded by the owner");
  });
});
