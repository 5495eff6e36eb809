import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_READING,
  BEV_FINISHED,
  BEV_FLUSH,
  EV_READ,
  EV_WRITE,
  type EventBase,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
  PairBufferEvent,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { inputText, journal, runFor, settle } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let near: PairBufferEvent;
  let far: PairBufferEvent;
  let told: string[];

  beforeEach(() => {
    base = backend.newBase();
    [near, far] = PairBufferEvent.create(base);
    told = journal(near);
    near.enable(EV_READ);
  });
  afterEach(() => {
    near.close();
    far.close();
    base.close();
  });

  describe("a pair of connections", () => {
    it("knows its ends, has no descriptor, and does not keep the loop from ending", () => {
      const before = openDescriptorCount();
      const [one, other] = PairBufferEvent.create(base);
      assertStrictEquals(one.partner, other);
      assertStrictEquals(other.partner, one);
      assertEquals([one.fd, other.fd], [-1, -1]);
      assertEquals(openDescriptorCount(), before);
      base.dispatch();
      one.close();
      assertEquals([one.partner, other.partner], [null, null]);
      other.close();
    });

    it("moves the bytes themselves, at once, and tells of them from the loop", () => {
      far.write("hello");
      assertEquals(far.output.length, 0);
      assertEquals(inputText(near), "hello");
      assertEquals(told, []);
      settle(base);
      assertEquals(told, ["read"]);
    });

    it("stops at the high watermark of the reader, and goes on as it is drained", () => {
      near.setWatermark(EV_READ, 0, 3);
      far.write("0123456789");
      assertEquals([near.input.length, far.output.length], [3, 7]);
      near.input.drain(2);
      assertEquals([near.input.length, far.output.length], [3, 5]);
      near.setWatermark(EV_READ, 0, 0);
      assertEquals([near.input.length, far.output.length], [8, 0]);
      assertEquals(inputText(near), "23456789");
    });

    it("has nothing to do in the loop where the other end is full, and goes on when a callback on its input takes some meanwhile", () => {
      near.setWatermark(EV_READ, 10, 4);
      far.write("0123456789");
      assertEquals([near.input.length, far.output.length], [4, 6]);
      assertEquals(base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK), 1);
      near.input.addCallback((input, { added }) => {
        if (added > 0) input.drain(input.length);
      });
      near.input.drain(4);
      settle(base);
      assertEquals([near.input.length, far.output.length], [0, 0]);
    });

    it("has nothing to wait for when its output is drained by hand: no timeout, and no close", () => {
      const farTold = journal(far);
      for (const closes of [false, true]) {
        near.disable(EV_READ);
        far.write("stuck");
        // No turn of the loop before the queue is empty, so the time cannot be up.
        far.setTimeouts(-1, 3);
        if (closes) far.closeAfterFlush();
        far.output.unfreezeFront();
        far.output.drain(2);
        assertFalse(far.closed);
        far.output.drain(Infinity);
        assertEquals(far.closed, closes);
        far.output.freezeFront();
        runFor(base, 10);
      }
      assertEquals(farTold, []);
    });

    it("may be drained by a callback on the other end's input while it is passed on and closed after that", () => {
      const nearTold = journal(near);
      near.setWatermark(EV_READ, 0, 4);
      near.input.addCallback(() => {
        if (far.output.length === 0 || far.closed) return;
        far.output.unfreezeFront();
        far.output.drain(Infinity);
      });
      near.disable(EV_READ);
      far.write("0123456789");
      far.closeAfterFlush();
      near.enable(EV_READ);
      assert(far.closed);
      assertEquals(inputText(near), "0123");
      settle(base);
      assertEquals(nearTold, ["read", "EOF|READING"]);
    });

    it("is flushed over watermarks and into an end that does not read", () => {
      near.disable(EV_READ);
      far.write("x");
      assertFalse(far.flush());
      assert(far.flush(EV_WRITE, BEV_FLUSH));
      assertEquals(inputText(near), "x");
      near.setWatermark(EV_READ, 0, 2);
      far.write("yyyy");
      assert(near.flush(EV_READ, BEV_FLUSH));
      assertEquals(inputText(near), "yyyy");
      assertFalse(near.flush(EV_READ, BEV_FLUSH));
    });

    it("tells the other end which direction has finished", () => {
      far.write("x");
      far.flush(EV_WRITE, BEV_FINISHED);
      far.flush(EV_READ, BEV_FINISHED);
      settle(base);
      assertEquals(told, ["read", "EOF|READING|WRITING"]);
    });

    it("tells once of an end that has finished and is closed then, unless it has sent more", () => {
      far.endWriting();
      settle(base);
      far.close();
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      // As after the end of any stream, no timeout runs.
      assertEquals(near.enabled, EV_WRITE);
      const [one, other] = PairBufferEvent.create(base);
      const heard = journal(one);
      one.enable(EV_READ);
      other.endWriting();
      settle(base);
      other.write("after all");
      settle(base);
      other.close();
      settle(base);
      assertEquals(heard, ["EOF|READING", "read", "EOF|READING"]);
      one.close();
    });

    it("tells of an end that was closed after its data, as soon as that is read", () => {
      near.disable(EV_READ);
      far.write("lost, since nobody reads");
      far.close();
      settle(base);
      assertEquals(told, []);
      near.enable(EV_READ);
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      assertEquals(near.enabled, EV_WRITE);
      near.enable(EV_READ);
      settle(base);
      assertEquals(told.length, 1);
    });

    it("tells of data before the end, also when both come while the data before is being told of", () => {
      near.setCallbacks({
        read: () => {
          const text = inputText(near);
          told.push(text);
          if (text !== "one") return;
          far.write("two");
          far.close();
        },
        event: (what) => told.push(`event ${what}`),
      });
      far.write("one");
      settle(base);
      assertEquals(told, ["one", "two", `event ${BEV_EVENT_EOF | BEV_EVENT_READING}`]);
    });

    it("closes after flushing, or when the other end is gone", () => {
      near.disable(EV_READ);
      far.write("x");
      far.closeAfterFlush();
      assertFalse(far.closed);
      near.enable(EV_READ);
      assert(far.closed);
      settle(base);
      assertEquals(told, ["read", "EOF|READING"]);
      const [one, other] = PairBufferEvent.create(base);
      one.write("x");
      one.closeAfterFlush();
      other.close();
      assert(one.closed);
    });

    it("goes on when an end is closed by the callback of either", () => {
      near.setCallbacks({ read: () => far.close(), event: (what) => told.push(`event ${what}`) });
      far.setCallbacks({ write: () => near.close() });
      far.write("x");
      settle(base);
      assert(near.closed || far.closed);
      settle(base);
    });

    it("tells of what has moved although a callback on a buffer has thrown", () => {
      for (const buffer of [far.output, near.input]) {
        const entry = buffer.addCallback(() => {
          throw new Error("from the callback");
        });
        assertThrows(() => far.write("hello"), Error, "from the callback");
        buffer.removeCallback(entry);
        settle(base);
        assertEquals([told.splice(0), inputText(near), far.output.length], [["read"], "hello", 0]);
      }
    });

    it("passes a long conversation without recursion", () => {
      let rounds = 0;
      far.enable(EV_READ);
      for (const end of [near, far]) {
        end.setCallbacks({ read: (end) => (++rounds < 20_000 ? end.writeBuffer(end.input) : undefined) });
      }
      near.write("ball");
      base.dispatch();
      assertEquals(rounds, 20_000);
    });

    it("has no priority of its own", () => {
      assertThrows(() => near.priority = 0, TypeError, "none of its own");
    });

    it("does not time out a writer without data, nor a reader that is full", () => {
      near.setTimeouts(3, 3);
      far.setTimeouts(3, 3);
      near.setWatermark(EV_READ, 0, 1);
      far.write("xx");
      runFor(base, 10);
      assertEquals(told, ["read"]);
      assertEquals(far.enabled, 0);
    });
  });
});
