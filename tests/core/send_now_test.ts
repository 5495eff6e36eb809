/** Sending past the output, which connections on top of a socket do with memory that is not theirs to queue. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EV_WRITE, type EventBase, RateLimit, SocketBufferEvent } from "../../src/core/mod.ts";
import { addressOf, allocate } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { inputText, journal, pattern, resetAndClose, settle, tcpPair, twoEnds, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  describe("SocketBufferEvent.sendNow()", () => {
    it("sends ahead of what is queued afterwards, and tells of it once, from the loop", () => {
      const [near, far] = twoEnds(base, descriptors);
      const told = journal(near);
      const bytes = new TextEncoder().encode("first ");
      assertEquals(near.sendNow(addressOf(bytes), bytes.length), 6);
      near.write("second");
      assertEquals(near.sendNow(addressOf(bytes), bytes.length), 0);
      assertEquals(told, []);
      until(base, () => far.input.length === 12, "both");
      assertEquals([inputText(far), told], ["first second", ["write"]]);
      assertEquals(near.sendNow(addressOf(bytes), bytes.length), 6);
      until(base, () => told.length === 2, "it is told of without anything queued");
      near.close();
      far.close();
    });

    it("takes what the kernel takes, and not what writing is suspended or limited for", () => {
      const [near, far] = twoEnds(base, descriptors);
      far.disable(EV_READ);
      const bytes = allocate(8_000_000);
      bytes.set(pattern(bytes.length));
      near.maxSingleWrite = 100;
      assertEquals(near.sendNow(addressOf(bytes), bytes.length), 100);
      near.maxSingleWrite = bytes.length;
      const sent = near.sendNow(addressOf(bytes), bytes.length);
      assertLess(sent, bytes.length);
      assertEquals(near.sendNow(addressOf(bytes), bytes.length), 0);
      far.enable(EV_READ);
      until(base, () => far.input.length === 100 + sent, "what was sent");
      near.disable(EV_WRITE);
      assertEquals(near.sendNow(addressOf(bytes), 1), 0);
      near.enable(EV_WRITE);
      const entry = near.output.addCallback(() => {});
      assertEquals(near.sendNow(addressOf(bytes), 1), 0);
      near.output.removeCallback(entry);
      near.setRateLimit(new RateLimit({ writeRate: 10, writeBurst: 10 }));
      assertEquals(near.sendNow(addressOf(bytes), 1), 0);
      near.close();
      assertEquals(near.sendNow(addressOf(bytes), 1), 0);
      far.close();
    });

    it("tells of what has left although writing was disabled right afterwards", () => {
      const [near, far] = twoEnds(base, descriptors);
      const told = journal(near);
      const bytes = allocate(10);
      near.sendNow(addressOf(bytes), bytes.length);
      near.disable(EV_WRITE);
      settle(base);
      assertEquals(told, ["write"]);
      near.close();
      far.close();
    });

    it("keeps what the kernel has refused for whatever is sent next", () => {
      const [one, other] = tcpPair(descriptors);
      const near = new SocketBufferEvent(base, one, { keepOpen: true });
      resetAndClose(descriptors, other);
      const told = journal(near);
      const bytes = allocate(10);
      assertEquals([near.sendNow(addressOf(bytes), 10), near.sendNow(addressOf(bytes), 10)], [0, 0]);
      assertEquals(told, []);
      near.write(bytes);
      until(base, () => told.length > 0, "the failure");
      assertEquals([told, near.error?.code], [["ERROR|WRITING"], "ECONNRESET"]);
      assert(near.output.length === 0);
      near.close();
    });
  });
});
