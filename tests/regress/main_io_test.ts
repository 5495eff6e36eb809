/** Counterparts of the cases of libevent's group "main" that are about descriptors; `docs/parity.md` says which is which. */
import { assert, assertEquals, assertFalse, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { it } from "@std/testing/bdd";
import { FEATURE_EARLY_CLOSE, FEATURE_EDGE } from "../../src/backends/mod.ts";
import {
  EV_CLOSED,
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { type EventBase, reactorOf } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import { allocate, dup, os, read, shutdown, socket, write } from "../../src/ffi/mod.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, fill, readText, writeText } from "../support/descriptors.ts";

const { AF_INET, SHUT_WR, SOCK_DGRAM } = os.constants;
const libc = openFromLibc({ dup2: { args: ["i32", "i32"], result: "i32" } });

/** Sends `bytes` through a socketpair by one writing and one reading event, and returns what arrives. */
function transfer(base: EventBase, fds: Descriptors, bytes: Uint8Array, flags: number): Uint8Array {
  const [near, far] = fds.socketpair();
  const received = allocate(bytes.length);
  const piece = allocate(128);
  let sent = 0, got = 0;
  const writer = base.event(near, EV_WRITE | flags, (_what, event) => {
    const length = Math.min(piece.length, bytes.length - sent);
    piece.set(bytes.subarray(sent, sent + length));
    const count = write(near, piece, length);
    assertGreater(count, 0);
    sent += count;
    if (sent < bytes.length) return void ((flags & EV_PERSIST) === 0 && event.add());
    shutdown(near, SHUT_WR);
    event.delete();
  });
  const reader = base.event(far, EV_READ | flags, (_what, event) => {
    const count = read(far, received.subarray(got), received.length - got);
    if (count <= 0) return event.delete();
    got += count;
    if ((flags & EV_PERSIST) === 0) event.add();
  });
  writer.add();
  reader.add();
  assertFalse(base.dispatch());
  assertEquals([sent, got], [bytes.length, bytes.length]);
  return received;
}

forEachBackend(({ newBase, isDouble }) => {
  it("a fresh base reads what there is and then the end, with a persistent event", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: (string | number)[] = [];
    writeText(near, "Hello");
    shutdown(near, SHUT_WR);
    base.event(far, EV_READ | EV_PERSIST, (_what, event) => {
      const text = readText(far);
      log.push(text);
      if (text === "") event.delete();
    }).add();
    assertFalse(base.dispatch());
    assertEquals(log, ["Hello", ""]);
  });

  it("an event that is not persistent is called once, though there is more", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: (string | number)[] = [];
    writeText(near, "Hello");
    base.event(far, EV_READ, () => {
      log.push(readText(far, 2));
      writeText(near, " again");
    }).add();
    assertFalse(base.dispatch());
    assertEquals(log, ["He"]);
  });

  it("two events that wait for the same reading are both called", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let calls = 0;
    writeText(near, "Hello");
    for (let count = 0; count < 2; count++) base.event(far, EV_READ, () => calls++).add();
    assertFalse(base.dispatch());
    assertEquals(calls, 2);
  });

  it("an event that waits to write writes at once", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    base.event(near, EV_WRITE, () => writeText(near, "Hello")).add();
    assertFalse(base.dispatch());
    assertEquals(readText(far), "Hello");
  });

  it("a peer that closes makes its other side readable and writable, and not before", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [reading, readingPeer] = fds.socketpair();
    const [writing, writingPeer] = fds.socketpair();
    fill(writing);
    const log: [string, number][] = [];
    base.event(reading, EV_READ, (what) => log.push(["read", what])).add();
    base.event(writing, EV_WRITE, (what) => log.push(["write", what])).add();
    base.timer((what) => {
      log.push(["close", what]);
      fds.close(readingPeer);
      fds.close(writingPeer);
    }).add(5);
    assertFalse(base.dispatch());
    assertEquals(log[0], ["close", EV_TIMEOUT]);
    assertEquals(log.slice(1).sort(), [["read", EV_READ], ["write", EV_WRITE]]);
  });

  it("EV_CLOSED alone tells of a close and of a shutdown, once or for as long as the event persists", () => {
    for (const ending of ["close", "shutdown"]) {
      for (const flags of [0, EV_PERSIST, EV_ET, EV_PERSIST | EV_ET]) {
        using base = newBase();
        const isEdge = (flags & EV_ET) !== 0;
        if ((base.features & FEATURE_EARLY_CLOSE) === 0 || (isEdge && (base.features & FEATURE_EDGE) === 0)) continue;
        using fds = new Descriptors();
        const [near, far] = fds.socketpair();
        const log: number[] = [];
        const event = base.event(near, EV_CLOSED | flags, (what) => {
          log.push(what);
          // A level that lasts would keep the loop from ever ending.
          if (log.length === 3) base.loopExit();
        }).add();
        if (ending === "close") fds.close(far);
        else assertEquals(shutdown(far, SHUT_WR), 0);
        const isPersistent = (flags & EV_PERSIST) !== 0;
        const label = `${ending} with flags ${flags}`;
        assertEquals(base.loop(EVLOOP_NONBLOCK), isPersistent ? 0 : 1, label);
        const expected = EV_CLOSED | (isEdge ? EV_ET : 0);
        assertEquals(log, new Array<number>(isPersistent && !isEdge ? 3 : 1).fill(expected), label);
        event.close();
      }
    }
  });

  it("many small writes arrive in order, whether events are added again or persist", () => {
    using base = newBase();
    using fds = new Descriptors();
    const bytes = Uint8Array.from({ length: 8192 }, (_, index) => index & 0xff);
    for (const flags of [0, EV_PERSIST]) assertEquals(transfer(base, fds, bytes, flags), bytes);
  });

  it("readers and writers on both ends at once pass everything on", () => {
    using base = newBase();
    using fds = new Descriptors();
    const ends = fds.socketpair();
    const toSend = [4096, 8192] as const;
    const received = [0, 0];
    const block = allocate(128);
    ends.forEach((fd, end) => {
      let left = toSend[end]!;
      base.event(fd, EV_READ, (_what, event) => {
        const count = read(fd, block, block.length);
        if (count <= 0) return;
        received[end]! += count;
        event.add();
      }).add();
      base.event(fd, EV_WRITE, (_what, event) => {
        const count = write(fd, block, Math.min(block.length, left));
        left -= Math.max(0, count);
        if (left > 0) event.add();
        else shutdown(fd, SHUT_WR);
      }).add();
    });
    assertFalse(base.dispatch());
    assertEquals(received, [8192, 4096]);
  });

  it("an event that is added while it waits in the same pass runs, and is then gone", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const called: LoopEvent[] = [];
    const events: LoopEvent[] = [];
    const start = (fd: number, otherIndex: number): LoopEvent =>
      base.event(fd, EV_READ, (_what, event) => {
        readText(fd);
        called.push(event);
        events[otherIndex]!.add();
      });
    events.push(start(near, 1), start(far, 0));
    writeText(near, "Hello");
    writeText(far, "Hello");
    for (const event of events) event.add();
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertEquals(called.length, 2);
    const [first, second] = called as [LoopEvent, LoopEvent];
    assertEquals([first.pending(EV_READ), second.pending(EV_READ)], [EV_READ, 0]);
    first.delete();
  });

  it("a reader and a writer on one descriptor are each called for their own", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    base.event(near, EV_READ, (what) => log.push(what)).add();
    base.event(near, EV_WRITE, (what) => log.push(what)).add();
    base.loop(EVLOOP_ONCE);
    assertEquals(log, [EV_WRITE]);
    writeText(far, "Hello");
    base.loop(EVLOOP_ONCE);
    assertEquals(log, [EV_WRITE, EV_READ]);
  });

  it("a duplicate that was closed, deleted and made again under its number is watched for something else", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    writeText(far, "Hello world");
    const spare = fds.own(dup(near));
    const seen = { original: 0, duplicate: 0 };
    const turn = (): typeof seen => {
      seen.original = seen.duplicate = 0;
      base.loop(EVLOOP_ONCE);
      return { ...seen };
    };
    base.event(near, EV_READ | EV_PERSIST, (what) => seen.original = what).add();
    const old = base.event(spare, EV_READ | EV_PERSIST, (what) => seen.duplicate = what).add();
    assertEquals(turn(), { original: EV_READ, duplicate: EV_READ });
    fds.close(spare);
    old.delete();
    assertEquals(turn(), { original: EV_READ, duplicate: 0 });
    assertEquals(libc.dup2(near, spare), spare);
    fds.own(spare);
    base.event(spare, EV_WRITE | EV_PERSIST, (what) => seen.duplicate = what).add();
    assertEquals(turn(), { original: EV_READ, duplicate: EV_WRITE });
  });

  it("many events that are ready together are all called, added at once or one after another", () => {
    // More than the first arrays of the backends hold; the double never reports more than 64 at a time.
    const MANY = isDouble ? 64 : 70;
    for (const oneAtATime of [false, true]) {
      using base = newBase();
      using fds = new Descriptors();
      const called = new Array<number>(MANY).fill(0);
      for (let index = 0; index < MANY; index++) {
        const fd = fds.own(socket(AF_INET, SOCK_DGRAM, 0));
        base.event(fd, EV_WRITE | (oneAtATime ? EV_PERSIST : 0), () => called[index]!++).add();
        if (oneAtATime) base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE);
      }
      base.loop(EVLOOP_NONBLOCK | (oneAtATime ? EVLOOP_ONCE : 0));
      assertEquals(called, called.map((_, index) => oneAtATime ? MANY - index + 1 : 1));
    }
  });

  it("callbacks that activate each other for the next turn leave the descriptors their turns", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let reads = 0, writes = 0, swaps = 0;
    base.event(near, EV_READ | EV_PERSIST, () => {
      reads++;
      readText(near);
    }).add();
    base.event(far, EV_WRITE | EV_PERSIST, () => {
      writes++;
      writeText(far, "x");
    }).add();
    const swap = (other: () => LoopEvent): LoopEvent =>
      base.event(-1, 0, () => {
        if (++swaps === 200) base.loopExit();
        reactorOf(base).activateLater(other());
      });
    const first = swap(() => second);
    const second: LoopEvent = swap(() => first);
    reactorOf(base).activateLater(first);
    assert(base.dispatch());
    assertEquals([writes, swaps], [200, 200]);
    // At the latest in the turn after each write; two writes may meet in one reading.
    assertGreaterOrEqual(reads, 99);
  });
});
