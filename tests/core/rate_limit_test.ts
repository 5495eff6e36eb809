import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  RateLimit,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { journal, runFor } from "./bufferevent_support.ts";
import { connectionKinds } from "./connection_kinds.ts";

forEachBackend((backend) => {
  // The limit of a connection on top of another one is that of the one underneath, which counts what goes over the wire.
  for (const kind of connectionKinds.filter(({ encrypts }) => encrypts !== true)) {
    describe(`a rate limit of ${kind.name}`, () => {
      /** Runs `body` with two ends, of which the second reads and drains, in virtual time. */
      function withEnds(body: (near: BufferEvent, far: BufferEvent, base: EventBase) => void): void {
        using descriptors = new Descriptors();
        withVirtualTime(backend, (base) => {
          const [near, far] = kind.open(base, descriptors);
          // A reader that stands still wants no data underneath it.
          near.enable(EV_READ);
          far.enable(EV_READ);
          body(near, far, base);
          near.close();
          far.close();
        });
      }

      /** How many bytes come into `connection` in each of the next `ticks` ticks of 100 ms. */
      function perTick(base: EventBase, connection: BufferEvent, ticks: number): number[] {
        const counts: number[] = [];
        for (let tick = 0; tick < ticks; tick++) {
          runFor(base, 100);
          counts.push(connection.input.length);
          connection.input.drain(Infinity);
        }
        return counts;
      }

      it("lets so many bytes out per tick", () => {
        withEnds((near, far, base) => {
          near.setRateLimit(new RateLimit({ writeRate: 100, tickMs: 100 }));
          near.write(new Uint8Array(new ArrayBuffer(1000)));
          runFor(base, 50);
          assertEquals(far.input.length, 100);
          assertEquals(perTick(base, far, 12), [200, 100, 100, 100, 100, 100, 100, 100, 100, 0, 0, 0]);
        });
      });

      it("lets so many bytes in per tick", () => {
        withEnds((near, far, base) => {
          near.setRateLimit(new RateLimit({ readRate: 30, tickMs: 100 }));
          far.write(new Uint8Array(new ArrayBuffer(100)));
          runFor(base, 50);
          assertEquals(near.input.length, 30);
          assertEquals(perTick(base, near, 4), [60, 30, 10, 0]);
        });
      });

      it("saves what a quiet time has left, up to the burst", () => {
        withEnds((near, far, base) => {
          near.setRateLimit(new RateLimit({ writeRate: 10, writeBurst: 35, tickMs: 100 }));
          runFor(base, 1050);
          assertEquals([near.writeLimit, near.readLimit], [35, Infinity]);
          assertEquals([near.maxToWrite, near.maxToRead], [35, near.maxSingleRead]);
          near.write(new Uint8Array(new ArrayBuffer(60)));
          runFor(base, 1);
          assertEquals(far.input.length, 35);
          far.input.drain(Infinity);
          assertEquals(perTick(base, far, 3), [10, 10, 5]);
        });
      });

      it("obeys what is taken and given by hand", () => {
        withEnds((near, far, base) => {
          assertThrows(() => near.decrementReadLimit(1), TypeError, "has none");
          near.setRateLimit(new RateLimit({ readRate: 10, writeRate: 10, tickMs: 100 }));
          assertThrows(() => near.decrementWriteLimit(0.5), RangeError, "bytes");
          runFor(base, 1);
          near.decrementWriteLimit(25);
          assertEquals(near.writeLimit, -15);
          near.write("12345");
          assertEquals(perTick(base, far, 2), [0, 5]);
          near.decrementReadLimit(10);
          far.write("x");
          runFor(base, 1);
          assertEquals(near.input.length, 0);
          near.decrementReadLimit(-1);
          runFor(base, 1);
          assertEquals(near.input.length, 1);
        });
      });

      it("can be changed and lifted", () => {
        withEnds((near, far, base) => {
          const limit = new RateLimit({ writeRate: 10, tickMs: 100 });
          near.setRateLimit(null);
          near.setRateLimit(limit);
          assertEquals(near.rateLimit, limit);
          near.write(new Uint8Array(new ArrayBuffer(500)));
          runFor(base, 50);
          assertEquals(far.input.length, 10);
          near.setRateLimit(new RateLimit({ writeRate: 20, tickMs: 50 }));
          runFor(base, 25);
          assertEquals(far.input.length, 10);
          runFor(base, 50);
          assertEquals(far.input.length, 30);
          near.setRateLimit(new RateLimit({ readRate: 1, tickMs: 100_000 }));
          runFor(base, 1);
          assertEquals([far.input.length, near.writeLimit], [500, Infinity]);
          near.setRateLimit(limit);
          near.write(new Uint8Array(new ArrayBuffer(500)));
          runFor(base, 1);
          assertEquals(far.input.length, 510);
          near.setRateLimit(null);
          runFor(base, 1);
          assertEquals(far.input.length, 1000);
          assertEquals([near.rateLimit, near.writeLimit], [null, Infinity]);
        });
      });

      it("is kept by a connection that closes after flushing", () => {
        withEnds((near, far, base) => {
          near.setRateLimit(new RateLimit({ writeRate: 10, tickMs: 100 }));
          near.write(new Uint8Array(new ArrayBuffer(35)));
          near.closeAfterFlush();
          runFor(base, 250);
          assertEquals([far.input.length, near.closed], [30, false]);
          runFor(base, 100);
          assertEquals([far.input.length, near.closed], [35, true]);
        });
      });

      it("wakes the loop only while somebody waits for it, and not after closing", () => {
        withEnds((near, far, base) => {
          const limit = new RateLimit({ readRate: 10, writeRate: 10, tickMs: 100 });
          near.setRateLimit(limit);
          near.disable(EV_READ);
          far.disable(EV_READ);
          base.dispatch();
          far.enable(EV_READ);
          near.write(new Uint8Array(new ArrayBuffer(100)));
          runFor(base, 10);
          near.close();
          far.close();
          base.dispatch();
        });
      });

      it("means nothing to a connection that is closed, and keeps no loop waiting", () => {
        withEnds((near, far, base) => {
          near.close();
          far.close();
          near.setRateLimit(new RateLimit({ readRate: 1, tickMs: 100 }));
          assertEquals(near.rateLimit, null);
          assertThrows(() => near.decrementReadLimit(5), TypeError, "has none");
          const before = base.now();
          base.dispatch();
          assertEquals(base.now(), before);
        });
      });

      it("stops no timeouts of what it lets go on, and all of what it holds back", () => {
        withEnds((near, far, base) => {
          const told = journal(near);
          near.setRateLimit(new RateLimit({ writeRate: 1, tickMs: 100 }));
          near.setTimeouts(-1, near instanceof FilterBufferEvent ? 250 : 50);
          near.write("123");
          runFor(base, 500);
          assertEquals(far.input.length, 3);
          assert(!told.includes("TIMEOUT|WRITING"), String(told));
          assertEquals(near.enabled & EV_WRITE, EV_WRITE);
        });
      });
    });
  }
});
