/** Closing every kind of connection, and closeAfterFlush(): what is still to be told is told before, and it is closed in any case. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_ERROR,
  BEV_EVENT_EOF,
  BEV_FINISHED,
  BEV_OK,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  FilterBufferEvent,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, fill, readText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { journal, settle, until } from "./bufferevent_support.ts";
import { forEachKind, freshEnds } from "./connection_kinds.ts";

function bufferOf(text: string): EvBuffer {
  const buffer = new EvBuffer();
  buffer.add(text);
  return buffer;
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    freshEnds(() => kind.open(base, descriptors), (fresh) => [near, far] = fresh);

    it("what waited for the loop is told before it is closed", () => {
      far.enable(EV_READ);
      const told = journal(near);
      near.trigger(EV_READ | EV_WRITE, { defer: true });
      near.triggerEvent(BEV_EVENT_EOF, { defer: true });
      near.closeAfterFlush();
      until(base, () => near.closed, "the close");
      assertEquals(told, ["read", "EOF"]);
    });

    it("what waited for the loop is told although all has been sent meanwhile", () => {
      far.enable(EV_READ);
      const told = journal(near);
      near.write("goodbye");
      near.triggerEvent(BEV_EVENT_EOF, { defer: true });
      near.closeAfterFlush();
      near.flush();
      until(base, () => near.closed, "the close");
      assertEquals(told, ["EOF"]);
      settle(base);
      assertEquals(far.input.takeText(), "goodbye");
    });

    it("it is closed when nothing is taken within the write timeout, which is told before", () => {
      if (near.fd >= 0) fill(near.fd);
      const told = journal(near);
      near.setTimeouts(-1, 5);
      near.write("x");
      near.closeAfterFlush();
      until(base, () => near.closed, "the close");
      assertEquals(told, ["TIMEOUT|WRITING"]);
    });

    it("an error of the peer's is told before it is closed", () => {
      if (near.fd < 0) return;
      for (const waits of [false, true]) {
        if (waits) {
          near.close();
          [near, far] = kind.open(base, descriptors);
        }
        const told = journal(near);
        const { fd } = far;
        // From below, so that nothing is said on top.
        far.rateBearer.close();
        descriptors.close(fd);
        near.write("anybody there?");
        if (waits) near.trigger(EV_READ, { defer: true });
        near.closeAfterFlush();
        until(base, () => near.closed, "the close");
        assertEquals(told, waits ? ["read", "ERROR|WRITING"] : ["ERROR|WRITING"]);
      }
    });

    it("what is written after it was closed is dropped, and given back", () => {
      const [silent] = kind.open(base, descriptors);
      near.write("written before");
      for (const connection of [near, silent]) {
        connection.close();
        let released = 0;
        connection.output.addReference(new Uint8Array(1000), () => released++);
        connection.write("x".repeat(1000));
        connection.writeBuffer(bufferOf("more"));
        assertEquals([connection.output.length, connection.queuedBytes, released], [0, 0, 1]);
      }
      settle(base);
    });

    it("it is closed although a callback that waited for the loop throws", () => {
      far.enable(EV_READ);
      near.setCallbacks({
        read: () => {
          throw new Error("on purpose");
        },
      });
      near.trigger(EV_READ, { defer: true });
      near.closeAfterFlush();
      assertThrows(() => settle(base), Error, "on purpose");
      until(base, () => near.closed, "the close");
    });
  });

  for (const deferCallbacks of [false, true]) {
    describe(`a filter that ${deferCallbacks ? "defers" : "calls back at once"}`, () => {
      let under: SocketBufferEvent;
      let far: number;

      beforeEach(() => {
        const [near, other] = descriptors.socketpair();
        under = new SocketBufferEvent(base, near, { keepOpen: true });
        far = other;
      });
      afterEach(() => under.close());

      for (const layers of [1, 2]) {
        it(`over ${layers - 1} others tells that the peer has gone, also while a callback waits for the loop`, () => {
          for (const waits of [true, false]) {
            const [near, other] = descriptors.socketpair();
            let top: BufferEvent = new SocketBufferEvent(base, near, { keepOpen: true });
            for (let layer = 0; layer < layers; layer++) {
              top = new FilterBufferEvent(top, { deferCallbacks: deferCallbacks && layer === layers - 1 });
            }
            const told = journal(top);
            descriptors.close(other);
            top.write("anybody there?");
            if (waits) top.trigger(EV_READ, { defer: true });
            top.closeAfterFlush();
            until(base, () => top.closed, "the close");
            assertEquals(told, waits ? ["read", "ERROR|WRITING"] : ["ERROR|WRITING"]);
          }
        });
      }

      it("tells of a transform that fails at the end, and that is when it is closed", () => {
        const filter = new FilterBufferEvent(under, {
          deferCallbacks,
          output: (source, target, _limit, mode) => {
            if (mode === BEV_FINISHED) return BEV_ERROR;
            source.removeBuffer(target, Infinity);
            return BEV_OK;
          },
        });
        const told = journal(filter);
        filter.write("sent");
        filter.closeAfterFlush();
        until(base, () => filter.closed, "the close");
        assertEquals(told.at(-1), "ERROR|WRITING");
        assertEquals(readText(far), "sent");
      });

      it("is closed although its transform throws at the end", () => {
        const filter = new FilterBufferEvent(under, {
          deferCallbacks,
          output: (source, target, _limit, mode) => {
            if (mode === BEV_FINISHED) throw new Error("on purpose");
            source.removeBuffer(target, Infinity);
            return BEV_OK;
          },
        });
        filter.write("sent");
        assertThrows(() => filter.closeAfterFlush(), Error, "on purpose");
        until(base, () => filter.closed, "the close");
        assertEquals(readText(far), "sent");
      });

      it("runs its transform for the last time once, however often it is closed", () => {
        let finished = 0;
        const filter = new FilterBufferEvent(under, {
          deferCallbacks,
          output: (source, target, _limit, mode) => {
            if (mode === BEV_FINISHED) finished++;
            source.removeBuffer(target, Infinity);
            return BEV_OK;
          },
        });
        fill(under.fd);
        filter.write("x");
        filter.closeAfterFlush();
        settle(base);
        filter.closeAfterFlush();
        settle(base);
        assertEquals([filter.closed, finished], [false, 1]);
        filter.close();
      });

      it("ends what it sends once, although its writing was ended before, unless more was written meanwhile", () => {
        for (const [more, expected] of [["", "x."], ["y", "x.y."]] as const) {
          const [one, other] = PairBufferEvent.create(base);
          other.enable(EV_READ);
          const filter = new FilterBufferEvent(one, {
            deferCallbacks,
            output: (source, target, limit, mode) => {
              source.removeBuffer(target, limit);
              if (mode === BEV_FINISHED) target.add(".");
              return BEV_OK;
            },
          });
          filter.write("x");
          filter.endWriting();
          filter.endWriting();
          filter.write(more);
          filter.closeAfterFlush();
          settle(base);
          assertEquals([filter.closed, other.input.takeText()], [true, expected]);
          other.close();
        }
      });

      it("sends what its transform makes when that asks for the end", () => {
        for (const end of ["closeAfterFlush", "endWriting"] as const) {
          const [one, other] = PairBufferEvent.create(base);
          other.enable(EV_READ);
          const filter: FilterBufferEvent = new FilterBufferEvent(one, {
            deferCallbacks,
            output: (source, target, _limit, mode) => {
              const bytes = source.take();
              if (bytes.length > 0) filter[end]();
              target.add(bytes);
              if (mode === BEV_FINISHED) target.add(".");
              return BEV_OK;
            },
          });
          const told = journal(other);
          filter.write("quit");
          settle(base);
          assertEquals([other.input.takeText(), told.at(-1)], ["quit.", "EOF|READING"], end);
          assertEquals(filter.closed, end === "closeAfterFlush");
          filter.close();
          other.close();
        }
      });

      it("leaves the connection underneath open where it is to be kept, and tells what is due before", () => {
        const filter = new FilterBufferEvent(under, { deferCallbacks, keepOpen: true });
        const told = journal(filter);
        filter.write("sent");
        filter.triggerEvent(BEV_EVENT_EOF, { defer: true });
        filter.closeAfterFlush();
        until(base, () => filter.closed, "the close");
        assert(!under.closed);
        settle(base);
        assertEquals(told.at(-1), "EOF");
        assertEquals(readText(far), "sent");
      });
    });
  }

  it("an end of a pair tells what is due before it is closed, although the other one is closed first", () => {
    const [near, far] = PairBufferEvent.create(base);
    const told = journal(near);
    near.enable(EV_READ);
    near.write("never read");
    near.triggerEvent(BEV_EVENT_EOF, { defer: true });
    near.closeAfterFlush();
    far.close();
    until(base, () => near.closed, "the close");
    assertEquals(told, ["EOF"]);
  });
});
