/** Queueing bytes that are their owner's again at once, of which what leaves at once is not copied. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_WRITE, type EventBase, RateLimit, SocketBufferEvent } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { journal, pattern, resetAndClose, settle, tcpPair, twoEnds, until } from "./bufferevent_support.ts";

/** More than any socket takes in one go. */
const MUCH = 8_000_000;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  /** Writes a copy of `length` bytes behind "head", spoils them at once, and checks what comes out at the far end. */
  function sendAndSpoil(near: SocketBufferEvent, far: SocketBufferEvent, length: number): void {
    const expected = pattern(length);
    const bytes = expected.slice();
    near.write("head");
    near.writeCopy(bytes);
    bytes.fill(0);
    near.write("tail");
    until(base, () => far.input.length === length + 8, "all of it");
    const got = far.input.take();
    const text = (start: number, end: number): string => new TextDecoder().decode(got.subarray(start, end));
    assertEquals([text(0, 4), text(length + 4, length + 8)], ["head", "tail"]);
    assert(got.subarray(4, length + 4).every((byte, at) => byte === expected[at]), `${length} bytes`);
  }

  describe("SocketBufferEvent.writeCopy()", () => {
    it("sends what there was, in order, whatever becomes of the bytes afterwards", () => {
      const [near, far] = twoEnds(base, descriptors);
      for (const length of [1, 32 * 1024, 32 * 1024 + 1, 100_000, MUCH]) sendAndSpoil(near, far, length);
      near.close();
      far.close();
    });

    it("does so whatever stands in the way of sending at once", () => {
      const [near, far] = twoEnds(base, descriptors);
      near.disable(EV_WRITE);
      const bytes = pattern(100_000);
      near.writeCopy(bytes);
      assertEquals(near.output.length, 100_000);
      near.enable(EV_WRITE);
      until(base, () => far.input.length === 100_000, "what was queued while writing was disabled");
      far.input.drain(Infinity);

      near.maxSingleWrite = 1000;
      sendAndSpoil(near, far, 50_000);
      near.maxSingleWrite = MUCH;

      const added: number[] = [];
      const entry = near.output.addCallback((_buffer, { added: count }) => void added.push(count));
      sendAndSpoil(near, far, 50_000);
      assertEquals(added.filter((count) => count > 0), [4, 50_000, 4]);
      near.output.removeCallback(entry);

      near.write(pattern(5000));
      sendAndSpoilBehind(near, far, 5000);

      near.setRateLimit(new RateLimit({ writeRate: 1e6, writeBurst: 1e6 }));
      sendAndSpoil(near, far, 50_000);
      near.close();
      far.close();
    });

    function sendAndSpoilBehind(near: SocketBufferEvent, far: SocketBufferEvent, before: number): void {
      const bytes = pattern(60_000);
      near.writeCopy(bytes);
      assertEquals(near.output.length, before + 60_000);
      bytes.fill(0);
      until(base, () => far.input.length === before + 60_000, "both");
      assertEquals(far.input.take().subarray(before), pattern(60_000));
    }

    it("tells once that something has left, from the loop", () => {
      const [near, far] = twoEnds(base, descriptors);
      const told = journal(near);
      near.writeCopy(pattern(50_000));
      assertEquals([near.output.length, told], [0, []]);
      settle(base);
      assertEquals(told, ["write"]);
      until(base, () => far.input.length === 50_000, "all of it");
      settle(base);
      assertEquals(told, ["write"]);
      near.close();
      far.close();
    });

    it("tells from the loop of a failure, and keeps nothing of anybody's", () => {
      const [one, other] = tcpPair(descriptors);
      const near = new SocketBufferEvent(base, one, { keepOpen: true });
      resetAndClose(descriptors, other);
      const told = journal(near);
      near.writeCopy(pattern(50_000));
      assertEquals(told, []);
      until(base, () => told.length > 0, "the failure");
      assertEquals([told, near.error?.code, near.output.length], [["ERROR|WRITING"], "ECONNRESET", 0]);
      near.close();
    });

    it("queues for a connection that has no socket yet", () => {
      const near = new SocketBufferEvent(base);
      const bytes = pattern(50_000);
      near.writeCopy(bytes);
      bytes.fill(0);
      near.output.unfreezeFront();
      assertEquals(near.output.take(), pattern(50_000));
      near.close();
    });
  });
});
