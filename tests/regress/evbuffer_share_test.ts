/** Counterparts of libevent's evbuffer cases about callbacks, shared memory and frozen ends. docs/parity.md lists them. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BufferCallback, EvBuffer } from "../../src/core/evbuffer.ts";
import { EVBUFFER_EOL_LF } from "../../src/core/evbuffer_search.ts";
import { close, os, setNonBlocking, socketpair } from "../../src/ffi/mod.ts";
import { ascii, contentOf, textOf, validate } from "./evbuffer_support.ts";

describe("callbacks", () => {
  it("hear of each change while they are registered and enabled, and may change the buffer themselves", () => {
    const buffer = new EvBuffer();
    const logTo = (log: string[]): BufferCallback => (_, { originalLength, added, deleted }) => {
      log.push(`${originalLength} to ${originalLength + added - deleted}`);
    };
    const [firstLog, secondLog]: [string[], string[]] = [[], []];
    const first = buffer.addCallback(logTo(firstLog));
    const second = buffer.addCallback(logTo(secondLog));
    buffer.add("thirty bytes of nothing at all");
    second.enabled = false;
    buffer.drain(10);
    buffer.prepend("Hullo");
    second.enabled = true;
    buffer.addReference(ascii("Farewell"));
    assert(buffer.removeCallback(first));
    buffer.drain(buffer.length);
    assertEquals(buffer.removeCallback(logTo(secondLog)), false);
    buffer.add("X");
    assert(buffer.removeCallback(second));
    buffer.add("unheard");
    assertEquals(firstLog, ["0 to 30", "30 to 20", "20 to 25", "25 to 33"]);
    assertEquals(secondLog, ["0 to 30", "25 to 33", "33 to 0", "0 to 1"]);

    const thirsty = buffer.addCallback((changed, { added }) => {
      if (added > 0) changed.drain(Infinity);
    });
    buffer.add("gone at once");
    assertEquals(buffer.length, 0);
    assert(buffer.removeCallback(thirsty));
    buffer.add("this stays");
    assertEquals(contentOf(buffer), "this stays");
  });
});

describe("memory by reference", () => {
  it("is never written to, and given back once, after its last byte", () => {
    const text = "Red right returning, but not everywhere.";
    const memory = ascii(text);
    const [source, target] = [new EvBuffer(), new EvBuffer()];
    let released = 0;
    source.addReference(memory, (bytes) => {
      assertStrictEquals(bytes, memory);
      released++;
    });
    const [space] = target.reserve(text.length);
    assertEquals(source.remove(space!.subarray(0, 10)), 10);
    source.prepend("*****");
    source.drain(5);
    assertEquals(textOf(memory), text);
    assertEquals(released, 0);
    assertEquals(source.remove(space!.subarray(10)), text.length - 10);
    assertEquals([target.commit([space!]), released], [text.length, 1]);
    validate(source);
    assertEquals(contentOf(target), text);
  });

  it("goes through drains, prepends, moves and closing to the call of its own owner", () => {
    const [one, two] = ["When the fog lifts at noon", "the ferries blow their horns"];
    const [buffer, other] = [new EvBuffer(), new EvBuffer()];
    const released: string[] = [];
    const add = (to: EvBuffer, text: string): void =>
      to.addReference(ascii(text), (bytes) => released.push(textOf(bytes)!));
    add(buffer, one);
    buffer.add(", ");
    add(buffer, two);
    assertEquals(buffer.length, one.length + two.length + 2);
    assertEquals([textOf(buffer.take(6)), textOf(buffer.take(5))], [one.slice(0, 6), one.slice(6, 11)]);
    buffer.prepend("I hope ");
    validate(buffer);
    buffer.drain(7);
    buffer.drain(one.length - 12);
    assertEquals([released.length, textOf(buffer.take(1)), released], [0, "n", [one]]);
    buffer.drain(6);
    other.add("those ");
    other.addBuffer(buffer);
    assertEquals([textOf(other.take(13)), released.length], ["those ferries", 1]);
    other.drain(other.length);
    assertEquals(released, [one, two]);
    buffer.add("A gull ");
    add(buffer, "on a mast");
    buffer.add(" waits.");
    buffer.close();
    assertEquals(released, [one, two, "on a mast"]);
  });

  it("may begin in the middle, and its owner gets back all of it", () => {
    const prefix = "header: ";
    const [one, two] = ["When the fog lifts at noon", "the ferries blow their horns"];
    const buffer = new EvBuffer();
    const released: Uint8Array[] = [];
    const memories = [ascii(prefix + one), ascii(prefix + two)];
    buffer.addReferencePart(memories[0]!, prefix.length, one.length, (bytes) => released.push(bytes));
    buffer.add(", ");
    buffer.addReferencePart(memories[1]!, prefix.length, two.length, (bytes) => released.push(bytes));
    assertEquals([buffer.length, contentOf(buffer)], [one.length + two.length + 2, `${one}, ${two}`]);
    buffer.prepend("I hope ");
    assertEquals(textOf(memories[0]!), prefix + one);
    buffer.drain(7 + one.length);
    assertEquals(released.length, 1);
    const other = new EvBuffer();
    other.addBuffer(buffer);
    other.drain(Infinity);
    assertEquals(released.length, 2);
    released.forEach((bytes, index) => assertStrictEquals(bytes, memories[index]));
    for (const [offset, length] of [[0, 9], [8, 1], [-1, 2], [0.5, 2]] as const) {
      assertThrows(() => buffer.addReferencePart(new Uint8Array(8), offset, length), RangeError);
    }
    assertEquals(buffer.length, 0);
  });

  it("joins what stands behind room that was made and not used", () => {
    const buffer = new EvBuffer();
    buffer.add("p".repeat(1014));
    buffer.expand(100);
    buffer.addReference(ascii("2"));
    validate(buffer);
    buffer.add("3");
    assertEquals(textOf(buffer.pullup(-1)), `${"p".repeat(1014)}23`);
    validate(buffer);
  });
});

describe("what two buffers show", () => {
  it("is the same until each goes its own way, and outlives the buffer it came from", () => {
    const text = "When the fog lifts at noon, the ferries blow their horns";
    const [source, copy] = [new EvBuffer(), new EvBuffer()];
    source.add(text);
    copy.addBufferReference(source);
    assertThrows(() => copy.addBufferReference(copy), TypeError, "itself");
    assertEquals([contentOf(source), contentOf(copy)], [text, text]);
    for (const buffer of [source, copy]) {
      assertEquals([textOf(buffer.take(6)), textOf(buffer.take(5))], [text.slice(0, 6), text.slice(6, 11)]);
      buffer.prepend("I hope ");
      assertEquals(contentOf(buffer), `I hope ${text.slice(11)}`);
    }
    source.close();
    assertEquals([textOf(copy.take(7)), textOf(copy.take(6))], ["I hope ", text.slice(11, 17)]);
  });

  it("stays in the one when the other is drained", () => {
    const [source, copy] = [new EvBuffer(), new EvBuffer()];
    source.add("the same for all");
    copy.addBufferReference(source);
    source.drain(source.length);
    validate(source, copy);
    assertEquals([source.length, copy.length], [0, 16]);
    copy.drain(copy.length);
    validate(source, copy);
    assertEquals(copy.length, 0);
  });
});

/** A buffer, one beside it, and the two ends of a socket pair. */
function withSockets(body: (buffer: EvBuffer, other: EvBuffer, ends: Int32Array) => void): void {
  const ends = new Int32Array(2);
  assertEquals(socketpair(os.constants.AF_UNIX, os.constants.SOCK_STREAM, 0, ends), 0);
  using buffer = new EvBuffer();
  using other = new EvBuffer();
  try {
    for (const fd of ends) setNonBlocking(fd);
    buffer.add("a line that was here\nand a rest");
    other.add("xyz");
    body(buffer, other, ends);
  } finally {
    for (const fd of ends) close(fd);
  }
}

describe("a frozen end", () => {
  const refused = (end: string, ...calls: (() => unknown)[]): void => {
    for (const call of calls) assertThrows(call, TypeError, `${end} is frozen`);
  };

  it("at the front lets bytes enter at the back, and none leave or enter before them", () => {
    withSockets((buffer, other, ends) => {
      buffer.freezeFront();
      buffer.add("");
      const [space] = buffer.reserve(10);
      space!.fill(0x58);
      assertEquals(buffer.commit([space!]), 10);
      buffer.addReference(ascii("by ref"));
      buffer.add("text");
      buffer.addBuffer(other);
      assertEquals(buffer.length, 31 + 10 + 6 + 4 + 3);
      other.add("xyz");
      assertEquals([other.writeTo(ends[0]!), buffer.readFrom(ends[1]!)], [3, 3]);
      const content = contentOf(buffer);
      other.add("xyz");
      refused(
        "front",
        () => buffer.remove(new Uint8Array(1)),
        () => buffer.drain(3),
        () => buffer.prepend("dummy"),
        () => buffer.readLine(EVBUFFER_EOL_LF),
        () => buffer.removeBuffer(other, 3),
        () => buffer.prependBuffer(other),
        () => buffer.writeTo(ends[0]!),
        () => buffer.writeTo(ends[0]!, 5),
      );
      assertEquals([contentOf(buffer), contentOf(other)], [content, "xyz"]);
    });
  });

  it("at the back lets bytes leave and enter at the front, and none enter behind them", () => {
    withSockets((buffer, other, ends) => {
      buffer.freezeBack();
      refused(
        "back",
        () => buffer.add(""),
        () => buffer.reserve(10),
        () => buffer.commit(0),
        () => buffer.addReference(ascii("by ref")),
        () => buffer.add("text"),
        () => buffer.addBuffer(other),
        () => buffer.addBufferReference(other),
        () => buffer.addFile(0, 0, 5),
        () => buffer.readFrom(ends[1]!),
      );
      assertEquals([buffer.length, other.length], [31, 3]);
      assertEquals([buffer.remove(new Uint8Array(1)), buffer.drain(3)], [1, 3]);
      buffer.prepend("dummy");
      assertEquals(buffer.readLine(EVBUFFER_EOL_LF), "dummyne that was here");
      assertEquals([buffer.removeBuffer(other, 3), buffer.drain(3)], [3, 3]);
      buffer.prependBuffer(other);
      assertEquals(contentOf(buffer), "xyzandrest");
      assertEquals([buffer.writeTo(ends[0]!, 4), buffer.writeTo(ends[0]!), other.readFrom(ends[1]!)], [4, 6, 10]);
      assertEquals(contentOf(other), "xyzandrest");
    });
  });
});
