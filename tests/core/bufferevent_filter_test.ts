import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_ERROR,
  BEV_FINISHED,
  BEV_FLUSH,
  BEV_NEED_MORE,
  BEV_NORMAL,
  BEV_OK,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EvBuffer,
  type EventBase,
  FilterBufferEvent,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, fill } from "../support/descriptors.ts";
import { inputText, journal, runFor, settle, until } from "./bufferevent_support.ts";

/** Puts an `x` before each byte. */
function stuff(source: EvBuffer, target: EvBuffer, limit: number): number {
  for (const byte of source.take(Math.max(1, Math.floor(limit / 2)))) target.add(Uint8Array.of(120, byte));
  return BEV_OK;
}

/** Takes those away. */
function unstuff(source: EvBuffer, target: EvBuffer, limit: number): number {
  if (source.length < 2) return BEV_NEED_MORE;
  const pairs = source.take(Math.min(source.length & ~1, limit * 2));
  for (let at = 1; at < pairs.length; at += 2) target.add(pairs.subarray(at, at + 1));
  return BEV_OK;
}

forEachBackend((backend) => {
  for (const below of ["sockets", "a pair"]) {
    describe(`a filter over ${below}`, () => {
      let base: EventBase;
      let descriptors: Descriptors;
      let under: BufferEvent;
      let far: BufferEvent;
      let open: FilterBufferEvent[];

      beforeEach(() => {
        base = backend.newBase();
        descriptors = new Descriptors();
        open = [];
        if (below === "a pair") {
          [under, far] = PairBufferEvent.create(base);
        } else {
          const [one, other] = descriptors.socketpair();
          under = new SocketBufferEvent(base, one, { keepOpen: true });
          far = new SocketBufferEvent(base, other, { keepOpen: true });
        }
        far.enable(EV_READ);
      });
      afterEach(() => {
        for (const filter of open) filter.close();
        under.close();
        far.close();
        descriptors[Symbol.dispose]();
        base.close();
      });

      function filter(options: ConstructorParameters<typeof FilterBufferEvent>[1] = {}): FilterBufferEvent {
        const filter = new FilterBufferEvent(under, options);
        open.push(filter);
        return filter;
      }

      it("leaves what has come in to its own turn while something is written", () => {
        const top = filter();
        top.enable(EV_READ);
        far.write("in");
        if (below === "a pair") assertEquals(under.input.length, 2);
        const before = under.input.length;
        top.write("out");
        assertEquals([under.input.length, top.input.length], [before, 0]);
        settle(base);
        assertEquals([inputText(top), inputText(far)], ["in", "out"]);
      });

      it("changes what goes out and what comes in", () => {
        const top = filter({ output: stuff, input: unstuff });
        const told = journal(top);
        top.enable(EV_READ);
        top.write("abc");
        settle(base);
        assertEquals(inputText(far), "xaxbxc");
        assertEquals(told, ["write"]);
        far.write("xdxex");
        settle(base);
        assertEquals(inputText(top), "de");
        far.write("f");
        settle(base);
        assertEquals(inputText(top), "f");
        assertEquals(told, ["write", "read", "read"]);
      });

      it("knows what is underneath, and has its descriptor", () => {
        const top = filter();
        assertStrictEquals(top.underlying, under);
        assertEquals(top.fd, under.fd);
        assertThrows(() => top.priority = 0, TypeError);
      });

      it("can stand on another one", () => {
        const top = new FilterBufferEvent(filter({ output: stuff, input: unstuff }), { output: stuff, input: unstuff });
        open.push(top);
        top.enable(EV_READ);
        top.write("a");
        far.write("xxxb");
        settle(base);
        assertEquals([inputText(far), inputText(top)], ["xxxa", "b"]);
      });

      it("lets the connection underneath read only while it reads itself", () => {
        const top = filter();
        far.write("x");
        settle(base);
        assertEquals(under.input.length + top.input.length, 0);
        top.enable(EV_READ);
        settle(base);
        top.disable(EV_READ);
        far.write("y");
        settle(base);
        assertEquals(inputText(top), "x");
        assertEquals(under.input.length, 0);
      });

      it("goes on with what is left underneath when it is drained, or enabled again", () => {
        const top = filter({ input: unstuff });
        const told = journal(top);
        top.setWatermark(EV_READ, 0, 2);
        top.enable(EV_READ);
        far.write("xaxbxcxdxexf");
        settle(base);
        assertEquals(inputText(top), "ab");
        settle(base);
        top.disable(EV_READ);
        assertEquals(inputText(top), "cd");
        settle(base);
        assertEquals(top.input.length, 0);
        top.enable(EV_READ);
        settle(base);
        assertEquals(inputText(top), "ef");
        assertEquals(told, ["read", "read", "read"]);
      });

      it("passes data on that was left underneath before it came", () => {
        under.enable(EV_READ);
        far.write("early");
        settle(base);
        assertEquals(under.input.length, 5);
        const top = filter();
        const told = journal(top);
        top.enable(EV_READ);
        settle(base);
        assertEquals(told, ["read"]);
        assertEquals(inputText(top), "early");
      });

      it("makes no more output than the connection underneath wants to hold", () => {
        const limits: number[] = [];
        under.setWatermark(EV_WRITE, 0, 6);
        under.disable(EV_WRITE);
        const top = filter({
          output: (source, target, limit) => {
            limits.push(limit);
            return stuff(source, target, limit);
          },
        });
        under.disable(EV_WRITE);
        top.write("abcdefgh");
        assertEquals([under.output.length, top.output.length], [6, 5]);
        assertEquals(limits, [6]);
        under.enable(EV_WRITE);
        until(base, () => far.input.length === 16, "the rest");
        assertEquals(inputText(far), "xaxbxcxdxexfxgxh");
      });

      it("runs its transforms over watermarks and while disabled when it is flushed", () => {
        const modes: number[] = [];
        const top = filter({
          output: (source, target, limit, mode) => {
            modes.push(mode);
            assertEquals(limit, mode === BEV_NORMAL ? 2 : Infinity);
            source.removeBuffer(target, limit);
            return BEV_OK;
          },
        });
        under.setWatermark(EV_WRITE, 0, 2);
        top.disable(EV_WRITE);
        top.write("abcdef");
        assertEquals(modes, []);
        assert(top.flush(EV_WRITE, BEV_FLUSH));
        assert(modes.every((mode) => mode === BEV_FLUSH));
        settle(base);
        assertEquals(inputText(far), "abcdef");
        top.flush(EV_WRITE, BEV_FINISHED);
        assertEquals(modes.at(-1), BEV_FINISHED);
      });

      it("lets a transform hold data back until there is more, or no more to come", () => {
        const top = filter({
          output: (source, target, limit, mode) => {
            if (source.length < 4 && mode === BEV_NORMAL) return BEV_NEED_MORE;
            source.removeBuffer(target, limit);
            return BEV_OK;
          },
        });
        top.write("ab");
        settle(base);
        assertEquals(far.input.length, 0);
        top.write("cd");
        settle(base);
        assertEquals(inputText(far), "abcd");
        top.write("e");
        top.closeAfterFlush();
        until(base, () => far.input.length === 1, "the end");
        assert(top.closed);
      });

      it("makes input of what was held back before the end is told", () => {
        const top = filter({
          input: (source, target, limit, mode) => {
            if (mode !== BEV_FINISHED) return BEV_NEED_MORE;
            source.removeBuffer(target, limit);
            return BEV_OK;
          },
        });
        let text = "";
        const told = journal(top, { read: (connection) => text += inputText(connection) });
        top.enable(EV_READ);
        far.write("held back");
        settle(base);
        if (far instanceof SocketBufferEvent) far.endWriting();
        else far.close();
        until(base, () => told.length > 1, "the end");
        assertEquals(told, ["read", "EOF|READING"]);
        assertEquals(text, "held back");
      });

      it("does not start a transform again from inside itself", () => {
        let depth = 0;
        const top: FilterBufferEvent = filter({
          output: (source, target, limit) => {
            assertEquals(++depth, 1);
            if (source.length === 3) top.write("!");
            source.removeBuffer(target, limit);
            depth--;
            return BEV_OK;
          },
        });
        top.write("abc");
        settle(base);
        assertEquals(inputText(far), "abc!");
      });

      it("sends what is written while its input is made", () => {
        for (const by of ["its transform", "a callback on its input"]) {
          const [one, other] = PairBufferEvent.create(base);
          other.enable(EV_READ);
          const top: FilterBufferEvent = new FilterBufferEvent(one, {
            input: (source, target, limit) => {
              if (by === "its transform") top.write("pong");
              source.removeBuffer(target, limit);
              return BEV_OK;
            },
          });
          if (by !== "its transform") top.input.addCallback((_, { added }) => added > 0 && top.write("pong"));
          top.enable(EV_READ);
          other.write("ping");
          settle(base);
          assertEquals([inputText(other), inputText(top)], ["pong", "ping"], by);
          top.close();
        }
      });

      it("goes on with its input when that is drained while its output is made", () => {
        const top = filter();
        top.setWatermark(EV_READ, 0, 2);
        top.enable(EV_READ);
        far.write("abcd");
        settle(base);
        const told = journal(top);
        top.output.addCallback((_, { deleted }) => {
          if (deleted > 0) top.input.drain(2);
        });
        top.write("x");
        settle(base);
        assertEquals([inputText(top), told.includes("read")], ["cd", true]);
      });

      it("is not kept busy by a transform that calls nothing a success", () => {
        let calls = 0;
        const top = filter({
          output: () => {
            calls++;
            return BEV_OK;
          },
        });
        top.write("abc");
        top.flush(EV_WRITE, BEV_FLUSH);
        settle(base);
        assertEquals([calls, top.output.length], [2, 3]);
      });

      it("tells of a transform that can do no more, and disables its direction", () => {
        const top = filter({ output: () => BEV_ERROR, input: () => BEV_ERROR });
        const told = journal(top);
        top.enable(EV_READ);
        top.write("x");
        assertEquals(told, []);
        settle(base);
        assertEquals(told, ["ERROR|WRITING"]);
        far.write("y");
        settle(base);
        assertEquals(told, ["ERROR|WRITING", "ERROR|READING"]);
        assertEquals([top.enabled, top.error], [0, null]);
      });

      it("tells of what came about before a transform has thrown", () => {
        const errors: unknown[] = [];
        base.onError = (error) => errors.push(error);
        const top = filter({
          input: (source, target) => {
            const line = source.readLine();
            if (line === null) return BEV_NEED_MORE;
            if (line === "bad") throw new Error("on purpose");
            target.add(line);
            return BEV_OK;
          },
        });
        const told = journal(top);
        top.enable(EV_READ);
        far.write("good\nbad\n");
        settle(base);
        assertEquals([told, inputText(top), errors.length], [["read"], "good", 1]);
      });

      it("stays in order when a transform throws", () => {
        let explosive = true;
        const top = filter({
          output: (source, target, limit) => {
            if (explosive) throw new Error("on purpose");
            source.removeBuffer(target, limit);
            return BEV_OK;
          },
        });
        assertThrows(() => top.write("x"), Error, "on purpose");
        assert(top.output.isFrontFrozen);
        explosive = false;
        top.write("y");
        settle(base);
        assertEquals(inputText(far), "xy");
      });

      it("may be closed by its own transforms", () => {
        for (const direction of ["input", "output"] as const) {
          const [one, other] = PairBufferEvent.create(base);
          const top: FilterBufferEvent = new FilterBufferEvent(one, {
            [direction]: () => {
              top.close();
              return BEV_OK;
            },
          });
          top.enable(EV_READ);
          if (direction === "output") top.write("x");
          other.write("x");
          settle(base);
          assert(top.closed);
          assertFalse(top.flush());
          other.close();
        }
      });

      it("closes with what is underneath, either way, and once", () => {
        let closes = 0;
        const top = filter({ onClose: () => closes++ });
        top.close();
        assert(under.closed);
        top.close();
        assertEquals(closes, 1);
        const [one, other] = PairBufferEvent.create(base);
        const second = new FilterBufferEvent(one, { onClose: () => closes++ });
        one.close();
        assert(second.closed);
        assertEquals(closes, 2);
        assertThrows(() => new FilterBufferEvent(one), TypeError, "closed");
        other.close();
      });

      it("gives the connection underneath back where it is to be kept", () => {
        const top = filter({ keepOpen: true });
        top.write("through the filter");
        top.closeAfterFlush();
        assert(top.closed);
        assertFalse(under.closed);
        const told = journal(under);
        far.write("past it");
        settle(base);
        assertEquals(inputText(far), "through the filter");
        assertEquals(inputText(under), "past it");
        assert(told.includes("read"));
        // Callbacks that somebody else has set meanwhile stay.
        const second = filter({ keepOpen: true });
        const mine = {};
        under.setCallbacks(mine);
        const kept = filter({ keepOpen: true });
        under.setCallbacks(mine);
        kept.close();
        assertStrictEquals(under.getCallbacks(), mine);
        // And so does another filter that has taken over.
        const third = filter({ keepOpen: true });
        second.close();
        assertFalse(third.closed);
        third.setCallbacks({ event: () => {} });
        under.close();
        assert(third.closed);
      });

      it("counts what is still underneath as not written", () => {
        far.disable(EV_READ);
        if (under.fd >= 0) fill(under.fd);
        const top = filter();
        const told = journal(top);
        top.setTimeouts(-1, 5);
        runFor(base, 10);
        assertEquals(told, []);
        top.write("stuck");
        assertEquals(top.output.length, 0);
        until(base, () => told.includes("TIMEOUT|WRITING"), "the timeout");
        assertEquals(top.enabled, 0);
      });

      it("has nothing to wait for when what its transform holds back is drained by hand", () => {
        const top = filter({ output: () => BEV_NEED_MORE });
        const told = journal(top);
        // No turn of the loop before the queue is empty, so the time cannot be up.
        top.setTimeouts(-1, 3);
        top.write("held back");
        top.output.unfreezeFront();
        top.output.drain(Infinity);
        runFor(base, 10);
        assertEquals(told, []);
      });
    });
  }
});
