import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  type EventBase,
  FilterBufferEvent,
  PairBufferEvent,
  RateLimit,
  RateLimitGroup,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { runFor } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  describe("a rate limit group", () => {
    /** Runs `body` with `count` connections in pairs of socket ends, in virtual time. */
    function withPairs(
      count: number,
      body: (base: EventBase, senders: SocketBufferEvent[], receivers: SocketBufferEvent[]) => void,
    ): void {
      using descriptors = new Descriptors();
      withVirtualTime(backend, (base) => {
        const senders: SocketBufferEvent[] = [];
        const receivers: SocketBufferEvent[] = [];
        for (let index = 0; index < count; index++) {
          const [one, other] = descriptors.socketpair();
          senders.push(new SocketBufferEvent(base, one, { keepOpen: true }));
          receivers.push(new SocketBufferEvent(base, other, { keepOpen: true }));
          receivers[index]!.enable(EV_READ);
        }
        body(base, senders, receivers);
        for (const connection of [...senders, ...receivers]) connection.close();
      });
    }

    const received = (receivers: BufferEvent[]): number[] => receivers.map(({ input }) => input.length);
    const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);

    it("lets its members send so much together, and each its share", () => {
      withPairs(4, (base, senders, receivers) => {
        using group = new RateLimitGroup(base, new RateLimit({ writeRate: 400, tickMs: 100 }));
        for (const sender of senders) {
          group.add(sender);
          assertEquals(sender.rateLimitGroup, group);
          sender.write(new Uint8Array(new ArrayBuffer(10_000)));
        }
        assertEquals(group.size, 4);
        assertEquals(senders.map(({ maxToWrite }) => maxToWrite), [100, 100, 100, 100]);
        runFor(base, 1050);
        // The first tick's worth and ten more; a member may get more than is left by its least share.
        const total = sum(received(receivers));
        assert(total >= 4400 && total <= 4400 + 64, String(total));
        assertEquals([group.totalWritten, group.totalRead], [total, 0]);
        for (const each of received(receivers)) assert(each > 600 && each < 1700, String(received(receivers)));
        group.resetTotals();
        assertEquals(group.totalWritten, 0);
      });
    });

    it("gives each member its least share, which is never more than a tick's worth", () => {
      withPairs(2, (base, senders) => {
        using group = new RateLimitGroup(base, new RateLimit({ writeRate: 50, readRate: 40, tickMs: 100 }));
        assertEquals(group.minShare, 40);
        for (const sender of senders) group.add(sender);
        assertEquals(senders[0]!.maxToWrite, 40);
        group.minShare = 10;
        assertEquals([group.minShare, senders[0]!.maxToWrite], [10, 25]);
        group.limit = new RateLimit({ writeRate: 5, tickMs: 100 });
        assertEquals([group.minShare, senders[0]!.maxToWrite], [5, 5]);
        assertThrows(() => group.minShare = 0, RangeError);
        assertThrows(() => group.minShare = 1.5, RangeError);
      });
    });

    it("limits a member by its own limit as well", () => {
      withPairs(2, (base, senders, receivers) => {
        using group = new RateLimitGroup(base, new RateLimit({ writeRate: 1000, tickMs: 100 }));
        const [slow, fast] = senders as [SocketBufferEvent, SocketBufferEvent];
        slow.setRateLimit(new RateLimit({ writeRate: 10, tickMs: 100 }));
        for (const sender of senders) {
          group.add(sender);
          sender.write(new Uint8Array(new ArrayBuffer(3000)));
        }
        assertEquals([slow.maxToWrite, fast.maxToWrite], [10, 500]);
        runFor(base, 350);
        assertEquals(received(receivers), [40, 3000]);
      });
    });

    it("stands still and goes on with all of its members, also with new ones", () => {
      withPairs(3, (base, senders, receivers) => {
        using group = new RateLimitGroup(base, new RateLimit({ readRate: 100, tickMs: 100 }));
        for (const receiver of receivers.slice(0, 2)) group.add(receiver);
        group.decrementRead(150);
        assertEquals(group.readLimit, -50);
        group.add(receivers[2]!);
        for (const sender of senders) sender.write("x");
        runFor(base, 50);
        assertEquals(received(receivers), [0, 0, 0]);
        assertEquals(receivers[0]!.maxToRead, 0);
        group.decrementRead(-60);
        runFor(base, 1);
        assertEquals(received(receivers), [1, 1, 1]);
        assertEquals(group.totalRead, 3);
        group.decrementWrite(5);
        assertEquals(group.writeLimit, Infinity);
        assertThrows(() => group.decrementRead(0.5), RangeError);
      });
    });

    it("lets a member go on alone once it is removed, and when the group is closed", () => {
      withPairs(2, (base, senders, receivers) => {
        const group = new RateLimitGroup(base, new RateLimit({ writeRate: 10, tickMs: 1000 }));
        for (const sender of senders) {
          group.add(sender);
          sender.write(new Uint8Array(new ArrayBuffer(500)));
        }
        runFor(base, 10);
        assert(sum(received(receivers)) < 40);
        group.remove(senders[0]!);
        group.remove(senders[0]!);
        assertEquals([group.size, senders[0]!.rateLimitGroup], [1, null]);
        runFor(base, 10);
        assertEquals(receivers[0]!.input.length, 500);
        assert(receivers[1]!.input.length < 40);
        group.close();
        runFor(base, 10);
        assertEquals(receivers[1]!.input.length, 500);
        assertEquals(group.size, 0);
        assertThrows(() => group.add(senders[0]!), Error, "closed");
      });
    });

    it("forgets members that are closed, and moves one that joins another group", () => {
      withPairs(2, (base, senders) => {
        using one = new RateLimitGroup(base, new RateLimit({ writeRate: 10 }));
        using other = new RateLimitGroup(base, new RateLimit({ writeRate: 20 }));
        one.add(senders[0]!);
        one.add(senders[0]!);
        one.add(senders[1]!);
        other.add(senders[0]!);
        assertEquals([one.size, other.size, senders[0]!.rateLimitGroup], [1, 1, other]);
        senders[0]!.close();
        senders[1]!.close();
        assertEquals([one.size, other.size], [0, 0]);
        one.add(senders[0]!);
        assertEquals(one.size, 0);
      });
    });

    it("wakes the loop only while members wait for it", () => {
      withVirtualTime(backend, (base) => {
        using group = new RateLimitGroup(base, new RateLimit({ writeRate: 10, tickMs: 100 }));
        const [near, far] = PairBufferEvent.create(base);
        group.add(near);
        base.dispatch();
        far.enable(EV_READ);
        near.write(new Uint8Array(new ArrayBuffer(35)));
        base.dispatch();
        assertEquals(far.input.length, 35);
        near.write(new Uint8Array(new ArrayBuffer(35)));
        runFor(base, 1);
        near.close();
        base.dispatch();
        far.close();
      });
    });

    it("takes a filter for the connection underneath, which moves the bytes", () => {
      withVirtualTime(backend, (base) => {
        using group = new RateLimitGroup(base, new RateLimit({ writeRate: 10, tickMs: 100 }));
        const [near, far] = PairBufferEvent.create(base);
        using filter = new FilterBufferEvent(near);
        group.add(filter);
        assertEquals([near.rateLimitGroup, filter.rateLimitGroup], [group, group]);
        far.enable(EV_READ);
        filter.write(new Uint8Array(new ArrayBuffer(35)));
        runFor(base, 50);
        assertEquals(far.input.length, 10);
        group.remove(filter);
        runFor(base, 1);
        assertEquals(far.input.length, 35);
        far.close();
      });
    });

    it("gives a member more than its share while the others want none, also over a pair", () => {
      for (const below of ["sockets", "a pair"]) {
        withPairs(2, (base, [idle, sender], [, receiver]) => {
          using group = new RateLimitGroup(base, new RateLimit({ writeRate: 10_000, readRate: 10_000, tickMs: 1000 }));
          const [near, far] = below === "a pair" ? PairBufferEvent.create(base) : [sender!, receiver!];
          for (const member of [idle!, near, far]) group.add(member);
          far.enable(EV_READ);
          near.write(new Uint8Array(new ArrayBuffer(9000)));
          runFor(base, 10);
          assertEquals(far.input.length, 9000, below);
          near.close();
          far.close();
        });
      }
    });

    it("lets all of its members go on, and go, although a callback of each throws as it does", () => {
      for (const closes of [false, true]) {
        withVirtualTime(backend, (base) => {
          let thrown = 0;
          base.onError = () => thrown++;
          const group = new RateLimitGroup(base, new RateLimit({ writeRate: 1000, tickMs: 100 }));
          const pairs = [1, 2, 3].map(() => PairBufferEvent.create(base));
          for (const [near, far] of pairs) {
            group.add(near);
            far.enable(EV_READ);
            far.input.addCallback(() => {
              throw new Error("on purpose");
            });
          }
          group.decrementWrite(1500);
          for (const [near] of pairs) near.write("x");
          if (closes) assertThrows(() => group.close(), Error, "on purpose");
          else runFor(base, 300);
          assertEquals(pairs.map(([, far]) => far.input.length), [1, 1, 1]);
          assertEquals([group.size, thrown], closes ? [0, 0] : [3, 1]);
          group.close();
          for (const [near, far] of pairs) {
            near.close();
            far.close();
          }
        });
      }
    });

    it("survives members that close each other as they go on", () => {
      withPairs(6, (base, senders, receivers) => {
        using group = new RateLimitGroup(base, new RateLimit({ readRate: 70, tickMs: 100 }));
        for (const receiver of receivers) {
          group.add(receiver);
          receiver.setCallbacks({ read: () => receivers.forEach((other) => other !== receiver && other.close()) });
        }
        group.decrementRead(100);
        for (const sender of senders) sender.write("x".repeat(500));
        runFor(base, 500);
        assertEquals(receivers.filter(({ closed }) => !closed).length, 1);
        assertEquals(group.size, 1);
      });
    });
  });
});
