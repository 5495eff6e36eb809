/** What a user's code throws in the middle of something leaves nothing half done: no byte unheard of, no descriptor open. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_OK,
  type BufferEvent,
  ChunkPool,
  EV_READ,
  EvBuffer,
  type EventBase,
  FilterBufferEvent,
  LoopPort,
  PairBufferEvent,
  SocketBufferEvent,
  SocketRelay,
} from "../../src/core/mod.ts";
import { allocate } from "../../src/ffi/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, fill, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { text } from "./async_support.ts";
import { assertSameBytes, journal, pattern, settle, until } from "./bufferevent_support.ts";
import { forEachKind, freshEnds } from "./connection_kinds.ts";

function explode(): never {
  throw new Error("on purpose");
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let thrown: unknown[];

  freshBase(backend, (fresh) => {
    ({ base, descriptors } = fresh);
    thrown = [];
    base.onError = (error) => thrown.push(error);
  });

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    freshEnds(() => kind.open(base, descriptors), (fresh) => [near, far] = fresh);

    it("a callback on the input that throws keeps nobody from hearing of data, however much that is", () => {
      for (const size of [5, 300_000]) {
        const bytes = pattern(size);
        const received = new EvBuffer();
        near.setCallbacks({ read: (end) => void end.readBuffer(received) });
        near.enable(EV_READ);
        const entry = near.input.addCallback((_input, { added }) => {
          if (added > 0) explode();
        });
        try {
          far.write(bytes);
        } catch (error) {
          // A pair moves at once.
          thrown.push(error);
        }
        until(base, () => received.length === size, "the data");
        near.input.removeCallback(entry);
        assert(thrown.splice(0).length > 0);
        assertSameBytes(received.take(), bytes);
      }
    });

    it("a callback on the input that throws keeps nobody from what he awaits", async () => {
      near.input.addCallback((_input, { added }) => {
        if (added > 0) explode();
      });
      const reading = near.readExactly(5);
      try {
        far.write("hello");
      } catch (error) {
        thrown.push(error);
      }
      until(base, () => thrown.length > 0, "the data");
      settle(base);
      assertEquals(near.input.length, 0);
      assertEquals(text(await reading), "hello");
    });
  });

  describe("the owner of memory that was added by reference, who throws when it is given back,", () => {
    let released: string[];
    const owner = (name: string) => (): never => {
      released.push(name);
      return explode();
    };

    beforeEach(() => {
      released = [];
    });

    it("keeps a connection from nothing when it is closed", () => {
      const [near] = descriptors.socketpair();
      const connection = new SocketBufferEvent(base, descriptors.release(near));
      fill(near);
      connection.input.unfreezeBack();
      connection.input.addReference(allocate(5), owner("input"));
      connection.output.addReference(allocate(5), owner("output"));
      const before = openDescriptorCount();
      assertThrows(() => connection.close(), Error, "on purpose");
      assertEquals(released, ["input", "output"]);
      assertEquals(openDescriptorCount(), before - 1);
      assert(connection.closed);
    });

    it("keeps the other end of a pair from hearing of nothing", () => {
      const [near, far] = PairBufferEvent.create(base);
      far.enable(EV_READ);
      const told = journal(far);
      near.output.addReference(allocate(5), owner("passed on"));
      far.disable(EV_READ);
      near.output.addReference(allocate(5), owner("kept"));
      assertThrows(() => near.close(), Error, "on purpose");
      far.enable(EV_READ);
      settle(base);
      assertEquals([told.at(-1), far.partner], ["EOF|READING", null]);
      assertThrows(() => far.close(), Error, "on purpose");
      assertEquals(released, ["kept", "passed on"]);
    });

    it("keeps a filter and what is underneath from nothing when they are closed", () => {
      const [near] = descriptors.socketpair();
      const under = new SocketBufferEvent(base, descriptors.release(near));
      fill(near);
      let closes = 0;
      const filter = new FilterBufferEvent(under, { onClose: () => closes++ });
      filter.input.unfreezeBack();
      filter.input.addReference(allocate(5), owner("above"));
      under.output.addReference(allocate(5), owner("underneath"));
      const before = openDescriptorCount();
      assertThrows(() => filter.close(), Error, "on purpose");
      assertEquals([closes, under.closed, filter.closed], [1, true, true]);
      assertEquals(released, ["above", "underneath"]);
      assertEquals(openDescriptorCount(), before - 1);
    });

    it("keeps a relay from nothing when it is closed, by whomever", () => {
      for (const how of ["by hand", "with its base", "by an error"] as const) {
        const before = openDescriptorCount();
        const own = backend.newBase();
        own.onError = (error) => thrown.push(error);
        const [[near, one], [, other]] = [descriptors.socketpair(), descriptors.socketpair()];
        const sides = [one, other].map((fd) => new SocketBufferEvent(own, descriptors.release(fd)));
        const [first, second] = sides as [SocketBufferEvent, SocketBufferEvent];
        for (const fd of [one, other]) fill(fd);
        for (const side of sides) side.output.addReference(allocate(5), owner(how));
        const told: (Error | null)[] = [];
        const relay = new SocketRelay(first, second, {}, (error) => told.push(error));
        settle(own);
        // A second thing that goes with the base.
        const port = new LoopPort(own, () => {});
        if (how === "by hand") {
          assertThrows(() => relay.close(), Error, "on purpose");
        } else if (how === "with its base") {
          assertThrows(() => own.close(), Error, "on purpose");
          assert(port.closed);
        } else {
          descriptors.close(near);
          until(own, () => relay.closed, "the end");
          assertEquals(told.length, 1);
        }
        assert(relay.closed);
        assertEquals(released.splice(0), [how, how]);
        own.close();
        // But for the outer ends.
        assertNoneLeft(before + (how === "by an error" ? 1 : 2));
      }
    });
  });

  it("a callback on a buffer that throws as a relay takes what waits loses no byte, and no socket", () => {
    const [[near, one], [far, other]] = [descriptors.socketpair(), descriptors.socketpair()];
    const first = new SocketBufferEvent(base, descriptors.release(one));
    const second = new SocketBufferEvent(base, descriptors.release(other));
    first.enable(EV_READ);
    writeText(near, "received before, ");
    settle(base);
    second.write("queued before, ");
    first.write("queued back");
    for (const buffer of [first.input, first.output, second.output]) buffer.addCallback(explode);
    using _relay = new SocketRelay(first, second);
    writeText(near, "and sent after");
    settle(base);
    assertEquals(readText(far), "queued before, received before, and sent after");
    assertEquals(readText(near), "queued back");
  });

  it("a filter tells of what its transform has taken before it threw", () => {
    const [near, far] = descriptors.socketpair();
    const under = new SocketBufferEvent(base, descriptors.release(near));
    const filter = new FilterBufferEvent(under, {
      output: (source, target) => {
        source.removeBuffer(target, Infinity);
        if (target.length > 3) explode();
        return BEV_OK;
      },
    });
    const told = journal(filter);
    assertThrows(() => filter.write("hello"), Error, "on purpose");
    settle(base);
    assertEquals([told, readText(far)], [["write"], "hello"]);
    filter.close();
  });
});

describe("text that is refused", () => {
  it("leaves an empty buffer without memory", () => {
    const pool = new ChunkPool();
    using buffer = new EvBuffer({ pool });
    assertThrows(() => buffer.addAscii("ä"), RangeError);
    assertThrows(() => buffer.addLatin1("€".repeat(100)), RangeError);
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
  });
});
