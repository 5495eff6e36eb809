import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_WRITE,
  EventBase,
  EVLOOP_NONBLOCK,
  FilterBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, openDescriptorCount, readText } from "../support/descriptors.ts";
import { assertRejectsWith } from "./async_support.ts";
import { journal, settle } from "./bufferevent_support.ts";

/** More than the kernel holds between two sockets. */
const MANY = 4_000_000;

forEachBackend((backend) => {
  describe("a callback on the output of a connection", () => {
    let base: EventBase;
    let descriptors: Descriptors;
    let connection: SocketBufferEvent;
    let far: number;
    let told: string[];
    let errors: unknown[];

    beforeEach(() => {
      base = backend.newBase();
      errors = [];
      base.onError = (error) => errors.push(error);
      descriptors = new Descriptors();
      const [near, other] = descriptors.socketpair();
      far = other;
      connection = new SocketBufferEvent(base, near, { keepOpen: true });
      told = journal(connection);
    });
    afterEach(() => {
      connection.close();
      descriptors[Symbol.dispose]();
      base.close();
    });

    /** Reads at the other end until nothing more comes; returns how many bytes that were. */
    function received(): number {
      let total = 0;
      for (let idle = 0; idle < 3;) {
        base.loop(EVLOOP_NONBLOCK);
        const count = empty(far);
        total += count;
        idle = count === 0 ? idle + 1 : 0;
      }
      return total;
    }

    /** Calls `callback` when something has left the output. */
    function whenSent(callback: () => void): void {
      connection.output.addCallback((_buffer, { deleted }) => {
        if (deleted > 0) callback();
      });
    }

    it("may throw: the rest is sent, and who waits for that is told", () => {
      whenSent(() => {
        throw new Error("from the callback");
      });
      connection.write(new Uint8Array(MANY));
      assertEquals(received(), MANY);
      assertEquals(told, ["write"]);
      assert(errors.length > 1);
    });

    it("may throw as the last bytes leave of a connection that is to be closed", () => {
      whenSent(() => {
        throw new Error("from the callback");
      });
      connection.write("the end");
      connection.closeAfterFlush();
      settle(base);
      assertEquals([connection.closed, errors.length, empty(far)], [true, 1, 7]);
    });

    it("may throw when what will never be sent is dropped: the error is told all the same", () => {
      whenSent(() => {
        throw new Error("from the callback");
      });
      descriptors.close(far);
      connection.write("to nobody");
      settle(base);
      assertEquals(told, ["ERROR|WRITING"]);
      assertEquals([errors.length, connection.output.length], [1, 0]);
    });

    it("may ask for what is under way", () => {
      whenSent(() => void connection.flush());
      connection.write(new Uint8Array(MANY));
      assertEquals(received(), MANY);
      assertEquals(errors, []);
    });

    it("may disable writing, and nothing more is sent until it is enabled again", () => {
      whenSent(() => connection.disable(EV_WRITE));
      connection.maxSingleWrite = MANY;
      connection.write(new Uint8Array(MANY));
      const first = received();
      assert(first > 0 && first < MANY);
      assertEquals(received(), 0);
      connection.enable(EV_WRITE);
      assert(received() > 0);
      assertEquals(errors, []);
    });
  });

  describe("memory that was added by reference, and then transferred away,", () => {
    let base: EventBase;
    let descriptors: Descriptors;
    let connection: SocketBufferEvent;
    let far: number;
    let before: number;

    beforeEach(() => {
      before = openDescriptorCount();
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
      assertNoneLeft(before);
    });

    function addDetached(to: BufferEvent): void {
      const bytes = new Uint8Array(new ArrayBuffer(1000));
      to.output.addReference(bytes);
      bytes.buffer.transfer();
    }

    it("is an error of the connection, told after what was queued before has been sent", () => {
      const told = journal(connection);
      connection.write("before");
      addDetached(connection);
      connection.write("behind");
      connection.flush();
      settle(base);
      assertEquals(told, ["ERROR|WRITING"]);
      assertEquals([connection.error?.code, connection.output.length, readText(far)], ["DETACHED", 0, "before"]);
    });

    it("keeps nobody from closing the connection", () => {
      addDetached(connection);
      connection.closeAfterFlush();
      settle(base);
      assert(connection.closed);
    });

    it("is an error of the filter on top, which can be closed", () => {
      using top = new FilterBufferEvent(connection);
      const told = journal(top);
      addDetached(top);
      settle(base);
      assertEquals(told.at(-1), "ERROR|WRITING");
      assertEquals(top.error?.code, "DETACHED");
      top.closeAfterFlush();
      settle(base);
      assert(top.closed);
    });

    it("rejects whoever waits until it is sent", async () => {
      addDetached(connection);
      const flushed = connection.flushed();
      settle(base);
      await assertRejectsWith(flushed, "DETACHED");
    });
  });
});

describe("the end of what lies in one piece", () => {
  it("is sent from where it is, also more than two gigabytes behind the beginning", () => {
    using base = new EventBase();
    using descriptors = new Descriptors();
    const [near, far] = descriptors.socketpair();
    using connection = new SocketBufferEvent(base, near, { keepOpen: true });
    connection.disable(EV_WRITE);
    const { output } = connection;
    const before = 2 ** 31 + 5;
    // The system gives memory only to the pages that are written to.
    const chain = output.reserveTail(before + 5);
    chain.bytes.set(new TextEncoder().encode("hello"), before);
    output.commitTail(before + 5);
    output.unfreezeFront();
    output.drain(before);
    output.freezeFront();
    connection.enable(EV_WRITE);
    settle(base);
    assertEquals([readText(far), output.length, connection.error], ["hello", 0, null]);
  });
});
