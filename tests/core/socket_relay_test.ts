/** Bytes pass from socket to socket through the kernel, or through memory where that cannot be; nobody may notice which. */
import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual, assertThrows, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import {
  ConnectionError,
  type EventBase,
  RateLimit,
  RateLimitGroup,
  SocketBufferEvent,
  SocketRelay,
  type SocketRelayOptions,
  SystemError,
} from "../../src/core/mod.ts";
import { allocate, open as openFile, os, read, shutdown, write } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, openDescriptorCount, type Pair, readText, writeText } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { canFail, type Fault, withFault, withFaults } from "../support/faults.ts";
import { assertSameBytes, pattern, resetAndClose, runFor, settle, tcpPair, until } from "./bufferevent_support.ts";

const { SHUT_WR } = os.constants;
const { EAGAIN } = os.errno as { EAGAIN: number };

let calls = 0;

/** How bytes pass: what is refused so that they have to go that way. */
const ways: Record<string, readonly Fault[]> = {
  "as they can": [],
  ...(canFail("splice") && {
    "through memory, where sockets cannot be spliced": [{ call: "splice", error: "EINVAL" }],
    "through memory, where the call is unknown": [{ call: "splice", error: "ENOSYS" }],
    "through memory, where there are no pipes": [{ call: "pipe", error: "EMFILE" }],
    "when pipes stay small": [{ call: "fcntl", error: "EPERM", when: (_fd, command) => command === 1031 }],
    "when calls are interrupted": [{ call: "splice", error: "EINTR", when: (from) => ++calls % 3 === 0 && from > 0 }],
  }),
};
/** A relay, and the outer ends of its two sockets. */
interface Stage {
  readonly base: EventBase;
  readonly descriptors: Descriptors;
  readonly relay: SocketRelay;
  readonly near: number;
  readonly far: number;
  readonly told: (Error | null)[];
}

forEachBackend((backend) => {
  const families: Record<string, (descriptors: Descriptors) => Pair> = {
    "TCP sockets": tcpPair,
    "Unix sockets": (descriptors) => descriptors.socketpair(),
  };

  /** Runs `body` with a relay between two socket pairs, and sees that it leaves no descriptor open. */
  function withRelay(
    open: (descriptors: Descriptors) => Pair,
    body: (stage: Stage) => void,
    options: SocketRelayOptions = {},
    prepare: (one: SocketBufferEvent, other: SocketBufferEvent) => void = () => {},
  ): void {
    using base = backend.newBase();
    const before = openDescriptorCount();
    {
      using descriptors = new Descriptors();
      const [[near, one], [far, other]] = [open(descriptors), open(descriptors)];
      const [first, second] = [one, other].map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
      const sides = [first!, second!] as const;
      prepare(...sides);
      const told: (Error | null)[] = [];
      using relay = new SocketRelay(...sides, options, (error) => told.push(error));
      assertEquals(sides.map(({ closed }) => closed), [true, true]);
      body({ base, descriptors, relay, near, far, told });
    }
    assertLessOrEqual(openDescriptorCount(), before);
  }

  /** Sends `bytes` into one end while the other one takes at most `pieceMax` at a time; returns what came out. */
  function carry(base: EventBase, from: number, to: number, bytes: Uint8Array, pieceMax: number): Uint8Array {
    const received = allocate(bytes.length);
    const piece = allocate(pieceMax);
    let sent = 0;
    let count = 0;
    const step = (): boolean => {
      if (sent < bytes.length) {
        const rest = allocate(Math.min(100_000, bytes.length - sent));
        rest.set(bytes.subarray(sent, sent + rest.length));
        sent += Math.max(0, write(from, rest, rest.length));
      }
      const taken = read(to, piece, pieceMax);
      if (taken > 0) {
        received.set(piece.subarray(0, taken), count);
        count += taken;
      }
      settle(base);
      return count === bytes.length;
    };
    for (let turns = 0; !step(); turns++) if (turns > 100_000) fail(`only ${count} of ${bytes.length} bytes came`);
    return received;
  }

  for (const [family, open] of Object.entries(families)) {
    for (const [way, faults] of Object.entries(ways)) {
      describe(`a relay between ${family}, ${way}`, () => {
        it("carries bytes both ways, in order, to readers fast and slow", () => {
          withFaults(faults, () =>
            withRelay(open, ({ base, relay, near, far, told }) => {
              const there = pattern(1_200_000);
              const back = there.slice(0, 300_000).reverse();
              assertSameBytes(carry(base, near, far, there, 65_536), there);
              assertSameBytes(carry(base, far, near, back, 5000), back);
              until(base, () => relay.waitingBytes === 0, "the rest");
              assertEquals([relay.bytesForth, relay.bytesBack, told], [there.length, back.length, []]);
            }));
        });

        it("passes each end on behind the last byte, and is done after both", () => {
          withFaults(faults, () =>
            withRelay(open, ({ base, relay, near, far, told }) => {
              writeText(near, "question");
              shutdown(near, SHUT_WR);
              until(base, () => relay.bytesForth === 8, "the question");
              settle(base);
              assertEquals([readText(far), readText(far), told], ["question", "", []]);
              writeText(far, "answer");
              until(base, () => relay.bytesBack === 6, "the answer");
              assertEquals([readText(near), readText(near)], ["answer", -EAGAIN]);
              shutdown(far, SHUT_WR);
              until(base, () => told.length > 0, "the end");
              assertEquals([readText(near), told, relay.closed], ["", [null], true]);
            }));
        });

        it("reads no more than may wait while a side takes nothing, and goes on when it does", () => {
          const waitingBytesMax = 100_000;
          withFaults(faults, () =>
            withRelay(open, ({ base, relay, near, far }) => {
              const bytes = allocate(1000);
              let sent = 0;
              let full = 0;
              // A thousand pieces fill a pipe with fewer bytes than it has room for.
              for (let idle = 0; idle < 20;) {
                idle++;
                for (let count = write(near, bytes, bytes.length), pieces = 0; count > 0; pieces++) {
                  sent += count;
                  idle = 0;
                  count = pieces < 30 ? write(near, bytes, bytes.length) : 0;
                }
                settle(base);
                full = Math.max(full, relay.waitingBytes);
              }
              assertGreater(full, 0);
              assertLessOrEqual(full, waitingBytesMax);
              let received = 0;
              until(base, () => {
                received += empty(far);
                return received === sent;
              }, "all that was sent");
              assertEquals(relay.bytesForth, sent);
            }, { waitingBytesMax }));
        });

        it("sends first what both sides have received and queued before", () => {
          withFaults(faults, () => {
            const file = fileURLToPath(import.meta.url);
            withRelay(
              open,
              ({ base, near, far }) => {
                writeText(near, "-late");
                settle(base);
                let text = "";
                until(base, () => {
                  const more = readText(far, 65_536);
                  if (typeof more === "string") text += more;
                  return text.endsWith("-late");
                }, "everything");
                assertEquals([text.slice(0, 7), text.slice(-11)], ["queued/", "input!-late"]);
                assertEquals(readText(near), "for one");
              },
              {},
              (one, other) => {
                other.output.add("queued/");
                other.output.addFile(openFile(file, 0), 0, 5000, { closeOnFree: true });
                one.output.add("for one");
                one.input.unfreezeBack();
                one.input.add("input!");
              },
            );
          });
        });
      });
    }
  }

  describe("a relay", () => {
    it("does not turn in circles while a pipe is full of small pieces", () => {
      if (!canFail("splice")) return;
      withRelay((descriptors) => descriptors.socketpair(), ({ base, relay, near, far }) => {
        let sent = 0;
        for (let idle = 0; idle < 20; idle++) {
          for (; write(near, allocate(1), 1) > 0; sent++) idle = 0;
          settle(base);
        }
        const before = relay.waitingBytes;
        assertGreater(before, 0);
        assertLess(before, 4096);
        withFault({ call: "splice", error: "EAGAIN", times: 0 }, (count) => {
          for (let turns = 0; turns < 10; turns++) settle(base);
          assertEquals(count.calls, 0);
        });
        assertEquals(relay.waitingBytes, before);
        let received = 0;
        until(base, () => {
          received += empty(far);
          return received === sent;
        }, "what was held");
      });
    });

    it("takes from a side at a time what its maxSingleRead says, and sends together what it has taken in a turn", () => {
      if (!canFail("splice")) return;
      const reads: number[] = [];
      let sends = 0;
      const watch = (_from: number, _at: unknown, to: number, _to: unknown, count: number): boolean => {
        if (to === relayedFd) sends++;
        else reads.push(count);
        return false;
      };
      let relayedFd = -1;
      withFault({ call: "splice", error: "EAGAIN", when: watch as (...args: number[]) => boolean }, () =>
        withRelay(
          tcpPair,
          ({ base, relay, near }) => {
            settle(base);
            assertEquals(write(near, allocate(40_960), 40_960), 40_960);
            until(base, () => relay.bytesForth === 40_960, "all of it");
            assertEquals(new Set(reads), new Set([4096]));
            assertLess(sends, 4);
          },
          {},
          (one, other) => {
            one.maxSingleRead = 4096;
            relayedFd = other.fd;
          },
        ));
    });

    it("shares a few pipes among all that keep up, and gives them back with the last one", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const before = openDescriptorCount();
      const relays: { near: number; far: number; relay: SocketRelay }[] = [];
      for (let count = 0; count < 20; count++) {
        const [[near, one], [far, other]] = [descriptors.socketpair(), descriptors.socketpair()];
        const [first, second] = [one, other].map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
        relays.push({ near, far, relay: new SocketRelay(first!, second!) });
      }
      for (const { near } of relays) writeText(near, "bytes");
      settle(base);
      for (const { far } of relays) assertEquals(readText(far), "bytes");
      assertLessOrEqual(openDescriptorCount() - before, 20 * 4 + 8);
      for (const { relay } of relays) relay.close();
      assertEquals(openDescriptorCount() - before, 20 * 2);
    });

    it("resets both sides when one has failed, and tells why", () => {
      withRelay(tcpPair, ({ base, descriptors, near, far, told, relay }) => {
        writeText(far, "something");
        until(base, () => relay.bytesBack === 9, "the bytes");
        resetAndClose(descriptors, near);
        until(base, () => told.length > 0, "the failure");
        const [error] = told;
        assert(error instanceof SystemError, String(error));
        assertEquals(error.code, "ECONNRESET");
        assertEquals(readText(far), -os.errno["ECONNRESET"]!);
        assertEquals([relay.closed, told.length], [true, 1]);
      });
    });

    it("fails when a side takes no more while bytes wait for it", () => {
      withRelay(tcpPair, ({ base, descriptors, near, far, told, relay }) => {
        const bytes = allocate(100_000);
        for (let idle = 0; idle < 20;) {
          idle = write(near, bytes, bytes.length) > 0 ? 0 : idle + 1;
          settle(base);
        }
        assertGreater(relay.waitingBytes, 0);
        resetAndClose(descriptors, far);
        until(base, () => told.length > 0, "the failure");
        assert(told[0] instanceof SystemError);
      });
    });

    it("is closed by a reset, in the middle of everything, and with its loop", () => {
      for (const byLoop of [false, true]) {
        using descriptors = new Descriptors();
        const before = openDescriptorCount();
        const base = backend.newBase();
        const [[near, one], [far, other]] = [tcpPair(descriptors), tcpPair(descriptors)];
        const [first, second] = [one, other].map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
        const relay = new SocketRelay(first!, second!, {}, () => fail("called back"));
        const bytes = allocate(100_000);
        while (write(near, bytes, bytes.length) > 0) settle(base);
        if (byLoop) base.close();
        else relay.close();
        relay.close();
        assertEquals([relay.closed, relay.waitingBytes], [true, 0]);
        assertEquals(readText(near), -os.errno["ECONNRESET"]!);
        descriptors.close(near);
        descriptors.close(far);
        base.close();
        assertEquals(openDescriptorCount(), before);
      }
    });

    it("may be closed before it has begun, and then calls nobody back", () => {
      withRelay((descriptors) => descriptors.socketpair(), ({ base, relay, near, told }) => {
        relay.close();
        settle(base);
        assertEquals([told, readText(near)], [[], ""]);
      });
    });

    it("fails after the idle time, which starts anew with every byte", () => {
      withVirtualTime(backend, (base) => {
        using descriptors = new Descriptors();
        const [[near, one], [far, other]] = [descriptors.socketpair(), descriptors.socketpair()];
        const [first, second] = [one, other].map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
        const told: (Error | null)[] = [];
        using relay = new SocketRelay(first!, second!, { idleTimeoutMs: 1000 }, (error) => told.push(error));
        for (const fd of [near, far, near]) {
          runFor(base, 900);
          writeText(fd, "x");
        }
        runFor(base, 900);
        assertEquals([told, relay.closed, readText(far)], [[], false, "xx"]);
        runFor(base, 200);
        assert(told[0] instanceof ConnectionError);
        assertEquals([told[0].code, told.length, relay.closed], ["TIMEOUT", 1, true]);
      });
    });

    it("fails when memory that was queued by reference was taken away", () => {
      const bytes = allocate(1000);
      withRelay(
        tcpPair,
        ({ base, told }) => {
          structuredClone(bytes, { transfer: [bytes.buffer] });
          until(base, () => told.length > 0, "the failure");
          assert(told[0] instanceof TypeError);
        },
        {},
        (_one, other) => other.output.addReference(bytes),
      );
    });

    it("may be closed by whoever is told that a reference is needed no longer", () => {
      let close = (): void => {};
      withRelay(
        tcpPair,
        ({ base, relay, near, told }) => {
          close = () => relay.close();
          settle(base);
          assertEquals([relay.closed, told, readText(near)], [true, [], -os.errno["ECONNRESET"]!]);
        },
        {},
        (_one, other) => other.output.addReference(allocate(1000), () => close()),
      );
    });

    it("refuses what it cannot relay, and leaves it as it was", () => {
      using base = backend.newBase();
      using elsewhere = backend.newBase();
      using descriptors = new Descriptors();
      const [a, b] = descriptors.socketpair();
      const [c] = descriptors.socketpair();
      using one = new SocketBufferEvent(base, a, { keepOpen: true });
      using other = new SocketBufferEvent(base, b, { keepOpen: true });
      using stranger = new SocketBufferEvent(elsewhere, c, { keepOpen: true });
      using unconnected = new SocketBufferEvent(base, -1);
      assertThrows(() => new SocketRelay(one, one), TypeError, "same connection");
      assertThrows(() => new SocketRelay(one, stranger), TypeError, "different loops");
      assertThrows(() => new SocketRelay(one, unconnected), TypeError, "not connected");
      for (const waitingBytesMax of [0, -1, 1.5, NaN]) {
        assertThrows(() => new SocketRelay(one, other, { waitingBytesMax }), RangeError, "waitingBytesMax");
      }
      for (const idleTimeoutMs of [0, -1, NaN]) {
        assertThrows(() => new SocketRelay(one, other, { idleTimeoutMs }), RangeError, "idleTimeoutMs");
      }
      const limit = new RateLimit({ readRate: 1, readBurst: 1, writeRate: 1, writeBurst: 1 });
      one.setRateLimit(limit);
      assertThrows(() => new SocketRelay(one, other), TypeError, "rate limit");
      one.setRateLimit(null);
      using group = new RateLimitGroup(base, limit);
      group.add(other);
      assertThrows(() => new SocketRelay(one, other), TypeError, "rate limit");
      group.remove(other);
      assertEquals([one.closed, other.closed, one.fd, other.fd], [false, false, a, b]);
      const relay = new SocketRelay(one, other);
      relay.close();
      descriptors.release(a);
      descriptors.release(b);
    });
  });
});
