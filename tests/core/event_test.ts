import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FEATURE_EARLY_CLOSE, FEATURE_EDGE } from "../../src/backends/mod.ts";
import {
  EV_CLOSED,
  EV_ET,
  EV_PERSIST,
  EV_READ,
  EV_SIGNAL,
  EV_TIMEOUT,
  EV_WRITE,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, fill, readText, writeText } from "../support/descriptors.ts";

const { SHUT_WR } = os.constants;

describe("LoopEvent", () => {
  it("refuses flags that exclude each other, unknown ones, and a descriptor that is no integer", () => {
    using base = new EventBase();
    assertThrows(() => base.event(1, EV_SIGNAL | EV_READ, () => {}), TypeError, "EV_SIGNAL excludes");
    assertThrows(() => base.event(1, 0x40, () => {}), TypeError, "0x40");
    assertThrows(() => base.event(1.5, EV_READ, () => {}), TypeError, "1.5");
  });

  it("tells what it was made from", () => {
    using base = new EventBase();
    const callback = (): void => {};
    const event = new LoopEvent(base, 7, EV_READ | EV_TIMEOUT | EV_PERSIST, callback);
    assertEquals(event.fd, 7);
    assertEquals(event.events, EV_READ | EV_TIMEOUT | EV_PERSIST);
    assertStrictEquals(event.callback, callback);
    assertStrictEquals(event.base, base);
    assertEquals(event.pending(), 0);
  });

  it("accepts a negative descriptor, which is never ready but can be activated", () => {
    using base = new EventBase();
    const log: number[] = [];
    const event = base.event(-1, EV_READ, (what) => log.push(what));
    event.add();
    assertEquals(event.pending(), EV_READ);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    assertEquals(log, []);
    event.activate(EV_READ);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_READ]);
  });

  it("is waited for by kind and deleted by close, after which it cannot be added", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const event = base.event(near, EV_READ | EV_WRITE | EV_PERSIST, () => {}).add(1000);
    assertEquals(event.pending(), EV_READ | EV_WRITE | EV_TIMEOUT);
    assertEquals(event.pending(EV_WRITE), EV_WRITE);
    event.activate(EV_CLOSED);
    assertEquals(event.pending(), EV_READ | EV_WRITE | EV_CLOSED | EV_TIMEOUT);
    event.close();
    event.close();
    assertEquals(event.pending(), 0);
    assertThrows(() => event.add(), Error, "closed");
    assertThrows(() => event.activate(EV_READ), Error, "closed");
    assertFalse(base.dispatch());
  });

  it("runs once with all bits when it was activated several times", () => {
    using base = new EventBase();
    const log: number[] = [];
    const event = base.event(-1, 0, (what) => log.push(what));
    event.activate(EV_READ);
    event.activate(EV_WRITE);
    event.activate(EV_READ, 5);
    base.dispatch();
    assertEquals(log, [EV_READ | EV_WRITE]);
  });

  it("does not run when it is deleted after it was queued, by another event of the same pass", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const log: string[] = [];
    const events: LoopEvent[] = ["a", "b", "c"].map((name, index) => {
      const [near, far] = fds.socketpair();
      writeText(far, "x");
      return base.event(near, EV_READ | EV_PERSIST, () => {
        log.push(name);
        for (const other of events) other.delete();
        assertEquals(events[index]!.pending(), 0);
      });
    });
    for (const event of events) event.add();
    assertFalse(base.dispatch());
    assertEquals(log.length, 1);
  });

  it("may be added again in its own callback", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let text = "";
    base.event(near, EV_READ, (_what, event) => {
      assertEquals(event.pending(), 0);
      text += readText(near, 1);
      if (text.length < 3) event.add();
    }).add();
    writeText(far, "abcd");
    assertFalse(base.dispatch());
    assertEquals(text, "abc");
  });

  it("keeps no second registration when it is added twice", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let calls = 0;
    const event = base.event(near, EV_READ, () => calls++).add().add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
    assertEquals(event.pending(), 0);
  });

  it("registers no descriptor when it is added while it waits to run after an activation by hand", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    const event = base.event(near, EV_READ, (what) => log.push(what));
    event.activate(EV_READ);
    event.add();
    assertEquals(base.loop(EVLOOP_ONCE), 0);
    assertEquals(log, [EV_READ]);
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(log, [EV_READ]);
  });

  it("still takes the timeout that such an addition asks for", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const log: number[] = [];
    const event = base.event(near, EV_READ | EV_PERSIST, (what) => {
      log.push(what);
      if (what === EV_TIMEOUT) event.delete();
    });
    event.activate(EV_READ);
    event.add(1);
    assertEquals(event.pending(), EV_READ | EV_TIMEOUT);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_READ, EV_TIMEOUT]);
  });
});

describe("EventBase.once", () => {
  it("calls in the order of the calls when there is nothing to wait for", () => {
    using base = new EventBase();
    const log: number[] = [];
    for (let index = 0; index < 4; index++) {
      base.once(-1, EV_TIMEOUT, (what) => {
        assertEquals(what, EV_TIMEOUT);
        log.push(index);
      }, index % 2 === 0 ? undefined : 0);
    }
    assertFalse(base.dispatch());
    assertEquals(log, [0, 1, 2, 3]);
  });

  it("waits for a descriptor or a time, whichever comes first, and calls once", () => {
    using base = new EventBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    base.once(near, EV_READ, (what) => log.push(what), 5);
    assertFalse(base.dispatch());
    writeText(far, "x");
    base.once(near, EV_READ, (what) => log.push(what), 60_000);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_TIMEOUT, EV_READ]);
  });

  it("refuses signals and persistence", () => {
    using base = new EventBase();
    assertThrows(() => base.once(1, EV_SIGNAL, () => {}), TypeError);
    assertThrows(() => base.once(1, EV_READ | EV_PERSIST, () => {}), TypeError);
  });
});

forEachBackend(({ newBase }) => {
  it("runs several events of a descriptor newest first", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    for (const name of ["first", "second", "third"]) base.event(near, EV_READ, () => log.push(name)).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(log, ["third", "second", "first"]);
  });

  it("tells each event of a descriptor only what it waits for", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: [string, number][] = [];
    base.event(near, EV_READ, (what) => log.push(["read", what])).add();
    base.event(near, EV_WRITE, (what) => log.push(["write", what])).add();
    base.event(near, EV_READ | EV_WRITE, (what) => log.push(["both", what])).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    const seen = new Map<string, number>();
    for (const [name, what] of log) seen.set(name, (seen.get(name) ?? 0) | what);
    assertEquals(seen.get("read"), EV_READ);
    assertEquals(seen.get("write"), EV_WRITE);
    assert((seen.get("both")! & (EV_READ | EV_WRITE)) !== 0);
  });

  it("stops watching for writing when only a reader is left, and for anything when none is", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let writes = 0, reads = 0;
    const writer = base.event(near, EV_WRITE | EV_PERSIST, () => {
      if (++writes === 3) writer.delete();
    }).add();
    const reader = base.event(near, EV_READ | EV_PERSIST, () => {
      reads++;
      reader.delete();
    }).add();
    base.timer(() => writeText(far, "x")).add(5);
    assertFalse(base.dispatch());
    assertEquals([writes, reads], [3, 1]);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
  });

  it("reports room to write only when there is some", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    fill(near);
    let calls = 0;
    base.event(near, EV_WRITE, () => calls++).add();
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(calls, 0);
    empty(far);
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });

  it("reports the end of a stream as readable, and a vanished peer to readers and writers", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    shutdown(far, SHUT_WR);
    base.event(near, EV_READ, () => log.push(`read ${readText(near) === ""}`)).add();
    assertFalse(base.dispatch());
    fds.close(far);
    base.event(near, EV_READ, () => log.push("read")).add();
    base.event(near, EV_WRITE, () => log.push("write")).add();
    assertFalse(base.dispatch());
    assertEquals(log.sort(), ["read", "read true", "write"]);
  });

  it("reports a closed peer with data unread where the backend can, and never where it cannot", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: number[] = [];
    base.event(near, EV_CLOSED, (what) => log.push(what)).add();
    writeText(far, "unread");
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(log, []);
    shutdown(far, SHUT_WR);
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(log, (base.features & FEATURE_EARLY_CLOSE) !== 0 ? [EV_CLOSED] : []);
    assertEquals(readText(near), "unread");
  });

  it("fires once per change with EV_ET where the backend can, and else as long as it lasts", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const hasEdges = (base.features & FEATURE_EDGE) !== 0;
    const results: number[] = [];
    const event = base.event(near, EV_READ | EV_PERSIST | EV_ET, (what) => results.push(what)).add();
    writeText(far, "x");
    for (let round = 0; round < 3; round++) base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals(results.length, hasEdges ? 1 : 3);
    writeText(far, "y");
    for (let round = 0; round < 3; round++) base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals(results.length, hasEdges ? 2 : 6);
    assertEquals(results[0], hasEdges ? EV_READ | EV_ET : EV_READ);
    event.delete();
  });

  it("keeps the other direction of an edge-triggered descriptor apart", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    let reads = 0, writes = 0;
    const reader = base.event(near, EV_READ | EV_PERSIST | EV_ET, () => reads++).add();
    const writer = base.event(near, EV_WRITE | EV_PERSIST | EV_ET, () => writes++).add();
    writeText(far, "x");
    base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals([reads, writes], [1, 1]);
    writer.delete();
    writeText(far, "y");
    base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assertEquals([reads, writes], [2, 1]);
    reader.delete();
  });
});
