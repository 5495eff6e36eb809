import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_FINISHED,
  BEV_FLUSH,
  BEV_NORMAL,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
} from "../../src/core/mod.ts";
import { SUSPEND_BANDWIDTH, SUSPEND_LOOKUP } from "../../src/core/suspension.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { assertSameBytes, inputText, journal, pattern, runFor, settle, until } from "./bufferevent_support.ts";
import { forEachKind } from "./connection_kinds.ts";

forEachBackend((backend) =>
  forEachKind((kind) => {
    let base: EventBase;
    let descriptors: Descriptors;
    let near: BufferEvent;
    let far: BufferEvent;
    let told: string[];
    let farTold: string[];

    beforeEach(() => {
      base = backend.newBase();
      descriptors = new Descriptors();
      [near, far] = kind.open(base, descriptors);
      told = journal(near);
      farTold = journal(far);
      near.enable(EV_READ);
    });
    afterEach(() => {
      near.close();
      far.close();
      descriptors[Symbol.dispose]();
      base.close();
    });

    describe("data", () => {
      it("arrives whole and in order, both ways at once", () => {
        const bytes = pattern(700_001);
        far.enable(EV_READ);
        near.write(bytes);
        far.write(bytes);
        until(base, () => far.input.length + near.input.length === 2 * bytes.length, "all of it");
        assertSameBytes(near.input.take(), bytes);
        assertSameBytes(far.input.take(), bytes);
      });

      it("is told to both sides once it has moved", () => {
        far.write("hello");
        assertEquals(told, []);
        settle(base);
        assertEquals(told, ["read"]);
        assertEquals(farTold, ["write"]);
        assertEquals(inputText(near), "hello");
      });

      it("waits while its writer is disabled", () => {
        far.disable(EV_WRITE);
        far.write("hello");
        settle(base);
        assertEquals(near.input.length, 0);
        far.enable(EV_WRITE);
        settle(base);
        assertEquals(inputText(near), "hello");
      });

      it("waits while its reader is disabled, and is told of when it is enabled", () => {
        near.disable(EV_READ);
        far.write("hello");
        settle(base);
        assertEquals(near.input.length, 0);
        assertEquals(told, []);
        near.enable(EV_READ);
        settle(base);
        assertEquals(told, ["read"]);
        assertEquals(inputText(near), "hello");
      });

      it("that lies in the input already is not told of by enabling", () => {
        far.write("hello");
        settle(base);
        near.disable(EV_READ);
        near.enable(EV_READ);
        settle(base);
        assertEquals(told, ["read"]);
      });

      it("goes to a sink instead of the input", () => {
        let received = "";
        near.setSink({
          receive: (bytes, start, end) => received += new TextDecoder().decode(bytes.subarray(start, end)),
        });
        near.setWatermark(EV_READ, 100, 0);
        far.write("hello");
        settle(base);
        far.write(" again");
        settle(base);
        assertEquals(received, "hello again");
        assertEquals(near.input.length, 0);
        assertEquals(told, []);
      });

      it("is read into memory, and into a buffer", () => {
        far.write("hello world");
        settle(base);
        const start = new Uint8Array(new ArrayBuffer(5));
        assertEquals(near.read(start), 5);
        assertEquals(new TextDecoder().decode(start), "hello");
        const rest = new EvBuffer();
        assertEquals(near.readBuffer(rest), 6);
        assertEquals(near.readBuffer(rest), 0);
        assertEquals(rest.takeText(), " world");
      });

      it("can be moved on from one buffer to another", () => {
        const source = new EvBuffer();
        source.add("from a buffer");
        far.writeBuffer(source);
        assertEquals(source.length, 0);
        settle(base);
        assertEquals(inputText(near), "from a buffer");
      });
    });

    describe("the buffers", () => {
      it("refuse bytes that were never received, and keep those that were not sent", () => {
        far.disable(EV_WRITE);
        far.write("queued");
        assertThrows(() => near.input.add("faked"), TypeError, "frozen");
        const more = new EvBuffer();
        more.add("faked");
        assertThrows(() => near.input.addBuffer(more), TypeError, "frozen");
        assertThrows(() => far.output.drain(1), TypeError, "frozen");
        assertThrows(() => far.output.take(), TypeError, "frozen");
        assertThrows(() => far.output.prepend("first"), TypeError, "frozen");
        far.enable(EV_WRITE);
        settle(base);
        assertEquals(inputText(near), "queued");
      });

      it("are frozen again after traffic, also when a callback on them throws", () => {
        near.input.addCallback(() => {
          throw new Error("on purpose");
        });
        assertThrows(
          () => {
            far.write("x");
            settle(base);
          },
          Error,
          "on purpose",
        );
        assert(near.input.isBackFrozen);
        assert(near.output.isFrontFrozen);
        assert(far.output.isFrontFrozen);
      });
    });

    describe("watermarks", () => {
      it("are told one direction at a time, and are 0 at first", () => {
        assertEquals(near.getWatermark(EV_READ), { low: 0, high: 0 });
        near.setWatermark(EV_READ, 10, 20);
        near.setWatermark(EV_WRITE, 100, 2000);
        assertEquals(near.getWatermark(EV_READ), { low: 10, high: 20 });
        assertEquals(near.getWatermark(EV_WRITE), { low: 100, high: 2000 });
        assertThrows(() => near.getWatermark(EV_READ | EV_WRITE), TypeError, "one direction");
        assertThrows(() => near.getWatermark(0), TypeError, "one direction");
        assertThrows(() => near.setWatermark(EV_READ, -1, 0), RangeError, "byte counts");
      });

      it("are byte counts, or refused at once", () => {
        for (const [low, high] of [[2.5, 0], [0, 2.5], [-1, 0], [0, -1], [NaN, 0], [0, NaN]] as const) {
          for (const directions of [EV_READ, EV_WRITE]) {
            assertThrows(() => near.setWatermark(directions, low, high), RangeError, "byte counts");
          }
        }
        near.setWatermark(EV_READ | EV_WRITE, 0, Infinity);
        far.write("hello");
        until(base, () => near.input.length === 5, "the data");
      });

      it("hold reading at the high one, and the callback below the low one", () => {
        near.setWatermark(EV_READ, 10, 20);
        far.write("0123456789".repeat(5) + "012345678");
        const pieces: number[] = [];
        journal(near, { read: (connection) => pieces.push(connection.input.take().length) });
        settle(base);
        until(base, () => pieces.reduce((sum, piece) => sum + piece, 0) >= 50, "five tens");
        settle(base);
        assert(pieces.every((piece) => piece >= 10 && piece <= 20), String(pieces));
        assertEquals(pieces.reduce((sum, piece) => sum + piece, 0) + near.input.length, 59);
      });

      it("suspend and resume at once when they are changed", () => {
        far.write("0123456789");
        settle(base);
        assertEquals(near.input.length, 10);
        near.setWatermark(EV_READ, 0, 5);
        far.write("more");
        settle(base);
        assertEquals(near.input.length, 10);
        near.setWatermark(EV_READ, 0, 12);
        settle(base);
        assertEquals(near.input.length, 12);
        near.setWatermark(EV_READ, 0, 0);
        settle(base);
        assertEquals(inputText(near), "0123456789more");
      });

      it("hold the write callback back until the output is down to the low one", () => {
        near.setWatermark(EV_READ, 0, 4);
        far.setWatermark(EV_WRITE, 3, 0);
        far.write("0123");
        settle(base);
        assertEquals(farTold, ["write"]);
      });
    });

    describe("suspension", () => {
      it("holds a direction for each of its reasons, until the last one is gone", () => {
        near.suspend(EV_READ, SUSPEND_LOOKUP);
        near.suspend(EV_READ, SUSPEND_BANDWIDTH);
        far.write("hello");
        settle(base);
        near.resume(EV_READ, SUSPEND_LOOKUP);
        near.resume(EV_READ, SUSPEND_LOOKUP);
        settle(base);
        assertEquals(near.input.length, 0);
        assertEquals(near.enabled, EV_READ | EV_WRITE);
        near.resume(EV_READ, SUSPEND_BANDWIDTH);
        settle(base);
        assertEquals(inputText(near), "hello");
        far.suspend(EV_WRITE, SUSPEND_LOOKUP);
        far.write("again");
        settle(base);
        assertEquals(near.input.length, 0);
        far.resume(EV_READ | EV_WRITE, SUSPEND_LOOKUP);
        settle(base);
        assertEquals(inputText(near), "again");
      });

      it("does not enable what is disabled", () => {
        near.suspend(EV_READ, SUSPEND_LOOKUP);
        near.disable(EV_READ);
        near.resume(EV_READ, SUSPEND_LOOKUP);
        far.write("x");
        settle(base);
        assertEquals(near.input.length, 0);
      });
    });

    describe("a read callback that leaves the input above its high watermark", () => {
      it("is called again if it has taken something, and not if it waits for something else", () => {
        far.write("0123456789");
        settle(base);
        let calls = 0;
        let takes = 1;
        near.setCallbacks({
          read: (connection) => {
            calls++;
            connection.input.drain(takes);
          },
        });
        near.setWatermark(EV_READ, 0, 4);
        near.trigger(EV_READ);
        settle(base);
        // From nine down to three, which is below the mark.
        assertEquals([calls, near.input.length], [7, 3]);
        takes = 0;
        far.write("more");
        settle(base);
        settle(base);
        assertEquals([calls, near.input.length], [8, 4]);
      });
    });

    describe("trigger()", () => {
      it("calls when the watermarks allow it", () => {
        near.trigger(EV_READ | EV_WRITE);
        settle(base);
        assertEquals(told, ["read", "write"]);
        near.setWatermark(EV_READ, 1, 0);
        near.trigger(EV_READ);
        settle(base);
        assertEquals(told.length, 2);
        near.trigger(EV_READ, { ignoreWatermarks: true });
        settle(base);
        assertEquals(told, ["read", "write", "read"]);
      });

      it("calls from inside, or from the loop where that is asked for", () => {
        near.trigger(EV_READ);
        assertEquals(told.length, kind.defers ? 0 : 1);
        settle(base);
        near.trigger(EV_READ, { defer: true });
        near.trigger(EV_READ, { defer: true });
        assertEquals(told.length, 1);
        settle(base);
        assertEquals(told, ["read", "read"]);
      });

      it("gives deferred callbacks their order, and events one call", () => {
        near.triggerEvent(BEV_EVENT_EOF | BEV_EVENT_READING, { defer: true });
        near.trigger(EV_WRITE, { defer: true });
        near.trigger(EV_READ, { defer: true });
        near.triggerEvent(BEV_EVENT_ERROR, { defer: true });
        near.triggerEvent(0x80, { defer: true });
        assertEquals(told, []);
        settle(base);
        assertEquals(told, ["CONNECTED", "read", "write", "EOF|ERROR|READING"]);
      });

      it("calls nobody after closing, however it was asked", () => {
        near.trigger(EV_READ | EV_WRITE, { defer: true });
        near.triggerEvent(BEV_EVENT_EOF, { defer: true });
        near.close();
        near.trigger(EV_READ | EV_WRITE);
        near.triggerEvent(BEV_EVENT_EOF);
        settle(base);
        assertEquals(told, []);
      });

      it("goes on with the rest when a deferred callback throws", () => {
        const calls: string[] = [];
        near.setCallbacks({
          read: () => {
            calls.push("read");
            throw new Error("on purpose");
          },
          write: () => calls.push("write"),
        });
        near.trigger(EV_READ | EV_WRITE, { defer: true });
        assertThrows(() => settle(base), Error, "on purpose");
        settle(base);
        assertEquals(calls, ["read", "write"]);
      });
    });

    describe("callbacks", () => {
      it("can be asked for", () => {
        const callbacks = { read: () => {} };
        near.setCallbacks(callbacks);
        assertStrictEquals(near.getCallbacks(), callbacks);
      });

      it("may close their connection, whichever they are", () => {
        for (const which of ["read", "write", "event"] as const) {
          const [one, other] = kind.open(base, descriptors);
          other.enable(EV_READ);
          one.enable(EV_READ);
          let calls = 0;
          one.setCallbacks({
            [which]: () => {
              calls++;
              one.close();
            },
          });
          other.write("x");
          one.write("y");
          settle(base);
          one.triggerEvent(BEV_EVENT_EOF);
          settle(base);
          assertEquals(calls, 1, which);
          assert(one.closed);
          one.close();
          other.close();
        }
      });

      it("on the output may flush and change what is enabled, and nothing is sent twice or lost", () => {
        far.enable(EV_READ);
        // More than is sent in two goes.
        const sent = pattern(900_000);
        let calls = 0;
        near.output.addCallback((_, { deleted }) => {
          if (deleted === 0 || calls++ > 0) return;
          near.flush();
          near.enable(EV_WRITE);
          near.trigger(EV_WRITE);
        });
        near.write(sent);
        near.write("end");
        until(base, () => far.input.length >= sent.length + 3, "all of it");
        settle(base);
        assertSameBytes(far.input.take(sent.length), sent);
        assertEquals(inputText(far), "end");
      });

      it("may write, which is sent with what was written before", () => {
        far.enable(EV_READ);
        journal(near, { read: (connection) => connection.writeBuffer(connection.input) });
        far.write("echo");
        until(base, () => far.input.length === 4, "the echo");
        assertEquals(inputText(far), "echo");
      });
    });

    describe("timeouts", () => {
      it("end reading when nothing comes, and writing when nothing goes", () => {
        near.setTimeouts(20, -1);
        far.setTimeouts(-1, 10);
        near.disable(EV_READ);
        runFor(base, 30);
        assertEquals([told, farTold], [[], []]);
        near.enable(EV_READ);
        until(base, () => told.length > 0, "the read timeout");
        assertEquals(told, ["TIMEOUT|READING"]);
        assertEquals(near.enabled, EV_WRITE);
        // As much as no kernel takes.
        far.write(new Uint8Array(new ArrayBuffer(40_000_000)));
        until(base, () => farTold.includes("TIMEOUT|WRITING"), "the write timeout");
        assertEquals(far.enabled, 0);
        assertThrows(() => near.setTimeouts(NaN, 1), RangeError);
      });

      it("are put off by progress, and taken back", () => {
        near.setTimeouts(60_000, 60_000);
        far.write("x");
        settle(base);
        near.setTimeouts(-1, -1);
        runFor(base, 5);
        assertEquals(told, ["read"]);
      });
    });

    describe("flush()", () => {
      it("passes on what is queued, in every mode", () => {
        for (const mode of [BEV_NORMAL, BEV_FLUSH]) {
          far.write("x");
          far.flush(EV_WRITE, mode);
          settle(base);
        }
        assertEquals(inputText(near), "xx");
        far.write("y");
        far.flush(EV_READ | EV_WRITE, BEV_FINISHED);
        settle(base);
        assertEquals(inputText(near), "y");
        far.close();
        assertFalse(far.flush());
      });
    });

    describe("closeAfterFlush()", () => {
      it("closes at once when nothing is queued", () => {
        far.closeAfterFlush();
        assert(far.closed);
      });

      it("closes when everything has gone, and the other side gets it all and then the end", () => {
        const bytes = pattern(300_000);
        far.write(bytes);
        far.closeAfterFlush();
        // The filters hand everything on and the sockets are kept open here, so that only a pair and TLS tell of the end.
        until(base, () => near.input.length === bytes.length && far.closed, "all of it");
        settle(base);
        assertSameBytes(near.input.take(), bytes);
        assertEquals(told.filter((entry) => entry !== "read"), /pair|TLS/.test(kind.name) ? ["EOF|READING"] : []);
      });
    });

    describe("priority", () => {
      it("is the middle one of the base at first", () => {
        assertEquals(near.priority, base.priorities >> 1);
      });
    });

    it("a closed connection takes everything without effect", () => {
      near.close();
      near.close();
      near.write("x");
      near.enable(EV_READ | EV_WRITE);
      near.setTimeouts(1, 1);
      near.setWatermark(EV_READ, 1, 2);
      near.flush();
      near.closeAfterFlush();
      runFor(base, 3);
      assertEquals(told, []);
      assertEquals(near.fd, -1);
    });
  })
);
