import { assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";
import { assertSameBytes, inputText, pattern, settle, until } from "./bufferevent_support.ts";

describe("the owner of a buffer", () => {
  it("hears of changes after the callbacks, and of nothing once the buffer is closed", () => {
    const told: string[] = [];
    const buffer = new EvBuffer();
    buffer.owner = { bufferChanged: (_buffer, added, deleted) => void told.push(`owner +${added} -${deleted}`) };
    buffer.addCallback((_buffer, { added, deleted }) => void told.push(`callback +${added} -${deleted}`));
    buffer.add("");
    buffer.add("four");
    buffer.drain(1);
    buffer.commitTail((buffer.reserveTail(1), 1));
    buffer.close();
    buffer.add("x");
    assertEquals(told, [
      "callback +4 -0",
      "owner +4 -0",
      "callback +0 -1",
      "owner +0 -1",
      "callback +1 -0",
      "owner +1 -0",
    ]);
  });

  it("hears of a change although a callback has thrown, and so do the other callbacks and the other buffer", () => {
    const told: string[] = [];
    const hear = (name: string): EvBuffer => {
      const buffer = new EvBuffer();
      buffer.owner = { bufferChanged: (_buffer, added, deleted) => void told.push(`${name} +${added} -${deleted}`) };
      buffer.addCallback((_buffer, { added, deleted }) => void told.push(`first of ${name} +${added} -${deleted}`));
      buffer.addCallback(() => {
        throw new Error(`a callback of ${name}`);
      });
      return buffer;
    };
    using source = hear("source");
    using target = hear("target");
    assertThrows(() => source.add("four"), Error, "a callback of source");
    assertEquals(told.splice(0), ["first of source +4 -0", "source +4 -0"]);
    assertThrows(() => source.removeBuffer(target, 1), Error, "a callback of");
    assertEquals(told.splice(0).sort(), [
      "first of source +0 -1",
      "first of target +1 -0",
      "source +0 -1",
      "target +1 -0",
    ]);
    assertThrows(() => target.addBuffer(source), Error, "a callback of");
    assertEquals(told.splice(0), ["first of source +0 -3", "source +0 -3", "first of target +3 -0", "target +3 -0"]);
  });

  it("finds bytes that were added from the middle of an array in their place, however many", () => {
    const bytes = pattern(3000);
    for (const count of [0, 1, 127, 128, 129, 1024, 2500]) {
      using buffer = new EvBuffer();
      // With nothing before them, behind a chunk with room, behind one that is full, and into room that was asked for.
      for (
        const prepare of [() => {}, () => buffer.add("abc"), () => buffer.add(pattern(1024)), () => buffer.expand(2000)]
      ) {
        prepare();
        buffer.drain(buffer.length);
        prepare();
        const before = buffer.length;
        buffer.addSlice(bytes, 300, 300 + count);
        assertEquals(buffer.length, before + count);
        buffer.drain(before);
        assertSameBytes(buffer.take(), bytes.subarray(300, 300 + count));
      }
    }
  });
});

forEachBackend((backend) => {
  describe("a connection whose buffers defer their callbacks", () => {
    let base: EventBase;
    let descriptors: Descriptors;
    let connection: SocketBufferEvent;
    let far: number;

    beforeEach(() => {
      base = backend.newBase();
      descriptors = new Descriptors();
      const [near, other] = descriptors.socketpair();
      far = other;
      connection = new SocketBufferEvent(base, near, { keepOpen: true });
    });
    afterEach(() => {
      connection.close();
      descriptors[Symbol.dispose]();
      base.close();
    });

    it("still sends what is queued, and reads on as soon as its input is below the high watermark", () => {
      connection.output.deferCallbacks(base);
      connection.input.deferCallbacks(base);
      connection.setWatermark(EV_READ, 0, 3);
      connection.enable(EV_READ);
      connection.write("hello");
      settle(base);
      assertEquals(readText(far), "hello");
      writeText(far, "abcdef");
      until(base, () => connection.input.length === 3, "the first half");
      settle(base);
      assertEquals(inputText(connection), "abc");
      until(base, () => connection.input.length === 3, "the second half");
      assertEquals(inputText(connection), "def");
    });

    it("reads on below the high watermark although a callback on its input has thrown", () => {
      connection.setWatermark(EV_READ, 0, 3);
      connection.enable(EV_READ);
      writeText(far, "abcdef");
      until(base, () => connection.input.length === 3, "the first half");
      connection.input.addCallback((_buffer, { deleted }) => {
        if (deleted > 0) throw new Error("not interested");
      });
      assertThrows(() => connection.input.drain(3), Error, "not interested");
      until(base, () => connection.input.length === 3, "the second half");
    });

    it("has buffers of its own also when they are first asked for after it was used", () => {
      connection.enable(EV_READ);
      connection.setWatermark(EV_READ, 0, 2);
      writeText(far, "xyz");
      until(base, () => connection.input.length === 2, "what fits");
      assertEquals(connection.output.length, 0);
      assertEquals([connection.input.isBackFrozen, connection.output.isFrontFrozen], [true, true]);
      connection.close();
      assertEquals([connection.input.length, connection.output.length], [0, 0]);
    });
  });
});
