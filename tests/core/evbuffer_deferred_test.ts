import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BufferCallback, EvBuffer } from "../../src/core/evbuffer.ts";
import { EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import type { EventBase } from "../../src/core/event_base.ts";
import { forEachBackend } from "../support/backends.ts";

type Seen = [number, number, number][];

/** Notes length before, bytes added and bytes deleted. */
function noteIn(seen: Seen): BufferCallback {
  return (_, { originalLength, added, deleted }) => void seen.push([originalLength, added, deleted]);
}

forEachBackend(({ newBase }) => {
  /** Runs `body` with a base and a buffer whose callbacks it calls. */
  function deferred(body: (base: EventBase, buffer: EvBuffer, seen: Seen) => void): void {
    using base = newBase();
    using buffer = new EvBuffer();
    const seen: Seen = [];
    buffer.add("there before");
    buffer.addCallback(noteIn(seen));
    buffer.deferCallbacks(base);
    body(base, buffer, seen);
  }

  describe("callbacks that are deferred", () => {
    it("run once from the loop, with the sums of all changes", () =>
      deferred((base, buffer, seen) => {
        buffer.add("abcdef");
        buffer.drain(13);
        buffer.prepend("xy");
        assertEquals(seen, []);
        base.dispatch();
        assertEquals(seen, [[12, 8, 13]]);
        base.dispatch();
        assertEquals(seen.length, 1);
        buffer.drain(Infinity);
        base.dispatch();
        assertEquals(seen[1], [7, 0, 7]);
      }));

    it("hear of bytes that came and went", () =>
      deferred((base, buffer, seen) => {
        buffer.prepend("abc");
        buffer.drain(3);
        base.dispatch();
        assertEquals(seen, [[12, 3, 3]]);
      }));

    it("run newest first, and not where they were disabled or removed meanwhile", () =>
      deferred((base, buffer) => {
        const order: string[] = [];
        const [, disabled, removed] = ["oldest", "disabled", "removed", "newest"].map((name) =>
          buffer.addCallback(() => order.push(name))
        );
        buffer.add("a");
        disabled!.enabled = false;
        buffer.removeCallback(removed!);
        base.dispatch();
        assertEquals(order, ["newest", "oldest"]);
      }));

    it("may change the buffer, and run once more for that", () =>
      deferred((base, buffer, seen) => {
        buffer.addCallback((changed, { added }) => void (added > 1 && changed.drain(added - 1)));
        buffer.add("abc");
        base.dispatch();
        assertEquals(seen, [[12, 3, 0], [15, 0, 2]]);
        assertEquals(buffer.length, 13);
      }));

    it("leave those alone that are to run at once, which hear of each change by itself", () =>
      deferred((base, buffer, seen) => {
        const atOnce: Seen = [];
        buffer.addCallback(noteIn(atOnce)).immediate = true;
        buffer.add("abc");
        buffer.drain(1);
        assertEquals([atOnce, seen], [[[12, 3, 0], [15, 0, 1]], []]);
        base.dispatch();
        assertEquals([atOnce.length, seen], [2, [[12, 3, 1]]]);
      }));

    it("run at the middle priority", () => {
      using base = newBase({ priorities: 3 });
      using buffer = new EvBuffer();
      const order: string[] = [];
      buffer.addCallback(() => order.push("callback"));
      buffer.deferCallbacks(base);
      for (const priority of [2, 0]) {
        const event = base.event(-1, 0, () => order.push(`priority ${priority}`));
        event.priority = priority;
        event.activate(0);
      }
      buffer.add("a");
      base.dispatch();
      assertEquals(order, ["priority 0", "callback", "priority 2"]);
    });

    it("do not run for a buffer that was closed, nor on a base that was", () =>
      deferred((base, buffer, seen) => {
        buffer.add("a");
        buffer.close();
        assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
        buffer.deferCallbacks(base);
        buffer.addCallback(noteIn(seen));
        base.close();
        buffer.add("b");
        assertEquals(seen, []);
      }));

    it("hear of nothing that changed while nobody was registered", () =>
      deferred((base, buffer, seen) => {
        const callback = noteIn(seen);
        while (buffer.length < 14) buffer.add("a");
        base.dispatch();
        seen.length = 0;
        using quiet = new EvBuffer();
        quiet.deferCallbacks(base);
        quiet.add("unheard");
        quiet.addCallback(callback);
        base.dispatch();
        quiet.add("heard");
        assert(quiet.removeCallback(callback));
        quiet.addCallback(callback);
        base.dispatch();
        assertEquals(seen, [[7, 5, 0]]);
      }));

    it("move to another base with what is due", () => {
      using other = newBase();
      deferred((base, buffer, seen) => {
        buffer.add("abc");
        buffer.deferCallbacks(other);
        base.dispatch();
        assertEquals(seen, []);
        other.dispatch();
        assertEquals(seen, [[12, 3, 0]]);
      });
    });

    it("end the loop with what one of them throws, after the others were told", () =>
      deferred((base, buffer, seen) => {
        const entry = buffer.addCallback(() => {
          throw new Error("callback failed");
        });
        buffer.add("a");
        assertThrows(() => base.dispatch(), Error, "callback failed");
        buffer.removeCallback(entry);
        buffer.add("b");
        base.dispatch();
        assertEquals(seen, [[12, 1, 0], [13, 1, 0]]);
      }));

    it("hear of moves on both sides", () =>
      deferred((base, buffer, seen) => {
        using other = new EvBuffer();
        const theirs: Seen = [];
        other.addCallback(noteIn(theirs));
        other.add("abcdef");
        buffer.addBuffer(other);
        buffer.removeBuffer(other, 5);
        assertEquals([seen, theirs], [[], [[0, 6, 0], [6, 0, 6], [0, 5, 0]]]);
        base.dispatch();
        assertEquals(seen, [[12, 6, 5]]);
      }));
  });
});
