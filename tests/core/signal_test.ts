import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_PERSIST, EV_READ, EV_SIGNAL, EV_TIMEOUT, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import type { SignalDetails } from "../../src/core/signal_details.ts";
import { allocate, getpid, kill, muteSignal, os, sigqueue, SystemError, unmuteSignal } from "../../src/ffi/mod.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import { get, set } from "../../src/ffi/struct.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

const { SIGUSR1, SIGUSR2, SIGKILL, SIGCHLD, SIG_DFL, SIG_IGN } = os.constants;
/** A real-time signal: these queue instead of merging. */
const REALTIME = 40;
const isLinux = os.name === "linux";
const ownUid = openFromLibc({ getuid: { args: [], result: "u32" } }).getuid();

const libc = openFromLibc({
  raise: { args: ["i32"], result: "i32" },
  sigaction: { args: ["i32", "buffer", "buffer"], result: "i32" },
});

/**
 * Raises `signo` in this thread, so that its handler has run when this returns. A signal to the whole process may be handled
 * by any thread, at any time, and standard signals that wait for that are one.
 */
function raise(signo: number, times: number = 1): void {
  for (let count = 0; count < times; count++) assertEquals(libc.raise(signo), 0);
}

/** The address of the handler that the kernel calls for `signo` now. */
function handlerOf(signo: number): bigint {
  const layout = os.structs.sigaction;
  const current = allocate(layout.size);
  assertEquals(libc.sigaction(signo, null, current), 0);
  return BigInt(get(new DataView(current.buffer), layout.fields.handler));
}

forEachBackend(({ newBase }) => {
  it("a signal that the process sends to itself arrives, as a name or as a number", () => {
    using base = newBase();
    const log: string[] = [];
    using named = base.signal("SIGUSR2", (what, event) => log.push(`${what === EV_SIGNAL} ${event.fd === SIGUSR2}`))
      .add();
    raise(SIGUSR2);
    base.loop(EVLOOP_ONCE);
    named.delete();
    using numbered = base.signal(SIGUSR2, () => log.push("number")).add();
    raise(SIGUSR2);
    base.loop(EVLOOP_ONCE);
    numbered.delete();
    assertEquals(log, ["true true", "number"]);
    assertFalse(base.dispatch());
  });

  it("several events of a signal are called newest first", () => {
    using base = newBase();
    const log: string[] = [];
    for (const name of ["first", "second", "third"]) {
      new LoopEvent(base, SIGUSR2, EV_SIGNAL, () => log.push(name)).add();
    }
    raise(SIGUSR2);
    assertFalse(base.dispatch());
    assertEquals(log, ["third", "second", "first"]);
  });

  it("several signals before the loop looks are as many calls", () => {
    using base = newBase();
    let calls = 0;
    using _event = base.signal("SIGUSR2", () => calls++).add();
    raise(SIGUSR2, 3);
    base.loop(EVLOOP_ONCE);
    assertEquals(calls, 3);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    assertEquals(calls, 3);
  });

  it("a signal raised in a callback is served in the next turn", () => {
    using base = newBase();
    const log: string[] = [];
    using _event = base.signal("SIGUSR2", () => log.push("signal")).add();
    base.event(-1, 0, () => {
      log.push("a");
      raise(SIGUSR2);
    }).activate(EV_TIMEOUT);
    base.event(-1, 0, () => log.push("b")).activate(EV_TIMEOUT);
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(log, ["a", "b", "signal"]);
  });

  it("a waiting loop is woken by a signal", () => {
    using base = newBase();
    const log: number[] = [];
    const event = base.signal("SIGUSR2", (what) => {
      log.push(what);
      event.delete();
    }).add();
    base.timer(() => raise(SIGUSR2)).add(2);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_SIGNAL]);
  });
});

describe("a signal event", () => {
  it("that is deleted in its own callback is not called for what is left", () => {
    using base = new EventBase();
    let calls = 0;
    const event = base.signal("SIGUSR2", () => {
      if (++calls === 2) event.delete();
    }).add();
    raise(SIGUSR2, 5);
    assertFalse(base.dispatch());
    assertEquals(calls, 2);
  });

  it("may be closed in its own callback, and others of the signal are still called", () => {
    using base = new EventBase();
    const log: string[] = [];
    const older = base.signal("SIGUSR2", () => {
      log.push("older");
      older.close();
    }).add();
    const newer = base.signal("SIGUSR2", () => {
      log.push("newer");
      newer.close();
    }).add();
    raise(SIGUSR2, 2);
    assertFalse(base.dispatch());
    assertEquals(log, ["newer", "older"]);
  });

  it("is not called for what is left after loopBreak", () => {
    using base = new EventBase();
    let calls = 0;
    using _event = base.signal("SIGUSR2", () => {
      calls++;
      base.loopBreak();
    }).add();
    raise(SIGUSR2, 3);
    assert(base.dispatch());
    assertEquals(calls, 1);
  });

  it("can activate itself in its callback without end, and other events get their turn", () => {
    using base = new EventBase();
    let calls = 0, others = 0;
    const event = base.signal("SIGUSR2", () => {
      if (++calls > 1000) throw new Error("called over and over in one turn");
      event.activate(EV_SIGNAL, 2);
    });
    event.activate(EV_SIGNAL);
    base.event(-1, 0, () => others++).activate(EV_TIMEOUT);
    base.timer(() => base.loopBreak()).add(0);
    assert(base.dispatch());
    assertEquals(others, 1);
    assert(calls <= 5, `${calls} calls`);
    event.delete();
  });

  it("is called as often as asked when it is activated by hand", () => {
    using base = new EventBase();
    let calls = 0;
    const event = base.signal("SIGUSR2", () => calls++);
    event.activate(EV_SIGNAL, 3);
    event.activate(EV_SIGNAL, 2);
    assertFalse(base.dispatch());
    assertEquals(calls, 5);
  });

  it("with a timeout is called for either, and repeats when it is persistent", () => {
    using base = new EventBase();
    const log: number[] = [];
    const event = base.signal("SIGUSR2", (what) => {
      log.push(what);
      if (log.length === 1) raise(SIGUSR2);
      if ((what & EV_SIGNAL) !== 0) event.delete();
    }).add(1);
    assertFalse(base.dispatch());
    assertEquals(log[0], EV_TIMEOUT);
    assertEquals(log.at(-1)! & EV_SIGNAL, EV_SIGNAL);
  });

  it("is called once for a signal that comes in the turn of its timeout, and told of both", () => {
    using base = new EventBase();
    const log: number[] = [];
    const event = base.signal("SIGUSR2", (what) => log.push(what));
    for (const calls of [1, 2]) {
      event.activate(EV_TIMEOUT);
      event.activate(EV_SIGNAL, calls);
      assertFalse(base.dispatch());
      assertEquals(log.splice(0), new Array(calls).fill(EV_SIGNAL | EV_TIMEOUT));
    }
  });

  it("is called for a signal that came before the loop began, and not for one before it was added", () => {
    using base = new EventBase();
    let calls = 0;
    using event = base.signal("SIGUSR2", () => calls++).add();
    raise(SIGUSR2);
    assertEquals(calls, 0);
    base.loop(EVLOOP_ONCE);
    assertEquals(calls, 1);
    event.delete();
    assertFalse(base.dispatch());
  });

  it("cannot be added for a signal that nobody can catch or that does not exist", () => {
    using base = new EventBase();
    const event = base.signal("SIGKILL", () => {});
    assertEquals(event.fd, SIGKILL);
    assertEquals(assertThrows(() => event.add(), SystemError).code, "EINVAL");
    assertEquals(event.pending(), 0);
    assertThrows(() => base.signal("SIGNOTHING", () => {}), TypeError, "SIGNOTHING");
    assertThrows(() => base.signal("toString", () => {}), TypeError);
    assertThrows(() => base.signal(0, () => {}), TypeError);
    assertThrows(() => base.signal(1000, () => {}), TypeError);
    assertThrows(() => new LoopEvent(base, 1000, EV_SIGNAL, () => {}).add(), SystemError, "EINVAL");
    assertFalse(base.dispatch());
  });

  it("leaves descriptors their order: a signal's event of better priority comes first", () => {
    using base = new EventBase({ priorities: 2 });
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const log: string[] = [];
    const reader = base.event(near, EV_READ, () => log.push(`read ${readText(near)}`));
    const signal = base.event(SIGUSR2, EV_SIGNAL, () => log.push("signal"));
    reader.priority = 1;
    signal.priority = 0;
    reader.add();
    signal.add();
    writeText(far, "x");
    raise(SIGUSR2);
    assertFalse(base.dispatch());
    assertEquals(log, ["signal", "read x"]);
  });
});

describe("signals with several bases", () => {
  it("reach every base that waits for them, whichever runs", () => {
    using first = new EventBase();
    using second = new EventBase();
    const log: string[] = [];
    using one = first.signal("SIGUSR2", () => log.push("first")).add();
    using two = second.signal("SIGUSR2", () => log.push("second")).add();
    raise(SIGUSR2, 2);
    first.loop(EVLOOP_ONCE);
    second.loop(EVLOOP_ONCE);
    assertEquals(log, ["first", "first", "second", "second"]);
    one.delete();
    raise(SIGUSR2);
    second.loop(EVLOOP_ONCE);
    assertEquals(log.length, 5);
    two.delete();
  });

  it("that came to one which is closed are not told to the next", () => {
    const first = new EventBase();
    using other = new EventBase();
    first.signal("SIGUSR2", () => {}).add();
    let others = 0;
    using event = other.signal("SIGUSR1", () => others++).add();
    raise(SIGUSR2);
    raise(SIGUSR1);
    first.close();
    using second = new EventBase();
    let calls = 0;
    using late = second.signal("SIGUSR2", () => calls++).add();
    for (let turn = 0; turn < 2; turn++) {
      second.loop(EVLOOP_NONBLOCK);
      other.loop(EVLOOP_NONBLOCK);
    }
    assertEquals([calls, others], [0, 1]);
    event.delete();
    raise(SIGUSR2);
    second.loop(EVLOOP_ONCE);
    late.delete();
    assertEquals(calls, 1);
  });

  it("go on for the others when one is closed", () => {
    const first = new EventBase();
    using second = new EventBase();
    let calls = 0;
    first.signal("SIGUSR2", () => {}).add();
    using _event = second.signal("SIGUSR2", () => calls++).add();
    first.close();
    raise(SIGUSR2);
    second.loop(EVLOOP_ONCE);
    assertEquals(calls, 1);
  });
});

describe("the handler that a signal had before", () => {
  it("stands again after the last event is deleted, whether by delete, by close or with the base", () => {
    const before = handlerOf(SIGUSR2);
    const base = new EventBase();
    const events = [base.signal("SIGUSR2", () => {}).add(), base.signal("SIGUSR2", () => {}).add()];
    const ours = handlerOf(SIGUSR2);
    assert(ours !== before);
    events[0]!.delete();
    assertEquals(handlerOf(SIGUSR2), ours);
    events[1]!.close();
    assertEquals(handlerOf(SIGUSR2), before);
    base.signal("SIGUSR2", () => {}).add();
    assertEquals(handlerOf(SIGUSR2), ours);
    base.close();
    assertEquals(handlerOf(SIGUSR2), before);
  });

  it("does not take the place of one that somebody has installed over ours since", () => {
    const layout = os.structs.sigaction;
    const saved = allocate(layout.size), theirs = allocate(layout.size);
    set(new DataView(theirs.buffer), layout.fields.handler, BigInt(SIG_IGN));
    assertEquals(libc.sigaction(SIGUSR2, null, saved), 0);
    try {
      using base = new EventBase();
      using event = base.signal("SIGUSR2", () => {}).add();
      libc.sigaction(SIGUSR2, theirs, null);
      event.delete();
      assertEquals(handlerOf(SIGUSR2), BigInt(SIG_IGN));
      // It is what stands before ours the next time.
      event.add();
      event.delete();
      assertEquals(handlerOf(SIGUSR2), BigInt(SIG_IGN));
      // Where kqueue reports signals, likewise.
      libc.sigaction(SIGUSR2, saved, null);
      assertEquals(muteSignal(SIGUSR2), 0);
      set(new DataView(theirs.buffer), layout.fields.handler, BigInt(SIG_DFL));
      libc.sigaction(SIGUSR2, theirs, null);
      unmuteSignal(SIGUSR2);
      assertEquals(handlerOf(SIGUSR2), BigInt(SIG_DFL));
    } finally {
      libc.sigaction(SIGUSR2, saved, null);
    }
  });

  it("stands again when a signal event without EV_PERSIST has run", () => {
    const before = handlerOf(SIGUSR2);
    using base = new EventBase();
    base.event(SIGUSR2, EV_SIGNAL, () => assertEquals(handlerOf(SIGUSR2), before)).add();
    raise(SIGUSR2);
    assertFalse(base.dispatch());
  });

  it("is put aside and back where kqueue reports signals beside it", () => {
    const before = handlerOf(SIGUSR2);
    assertEquals(muteSignal(SIGUSR2), 0);
    assertEquals(muteSignal(SIGUSR2), 0);
    assertEquals(handlerOf(SIGUSR2), BigInt(SIG_IGN));
    raise(SIGUSR2);
    unmuteSignal(SIGUSR2);
    assertEquals(handlerOf(SIGUSR2), BigInt(SIG_IGN));
    unmuteSignal(SIGUSR2);
    assertEquals(handlerOf(SIGUSR2), before);
    unmuteSignal(SIGUSR2);
    const child = handlerOf(SIGCHLD);
    assertEquals(muteSignal(SIGCHLD), 0);
    assertEquals(handlerOf(SIGCHLD), BigInt(SIG_DFL));
    unmuteSignal(SIGCHLD);
    assertEquals(handlerOf(SIGCHLD), child);
    assert(muteSignal(SIGKILL) < 0);
  });
});

describe("signalDetails", { ignore: !isLinux }, () => {
  it("tell who sent a signal, why and with which value, and are there only during the callback", () => {
    using base = new EventBase();
    const seen: (SignalDetails | null)[] = [];
    using event = base.signal(SIGUSR1, (_what, event) => seen.push(event.signalDetails)).add();
    assertEquals(kill(getpid(), SIGUSR1), 0);
    base.loop(EVLOOP_ONCE);
    assertEquals(sigqueue(getpid(), SIGUSR1, 0x12345678), 0);
    base.loop(EVLOOP_ONCE);
    assertEquals(event.signalDetails, null);
    const pid = getpid(), uid = ownUid;
    assertEquals(seen.length, 2);
    assertEquals({ ...seen[0], value: 0 }, { signo: SIGUSR1, code: 0, pid, uid, value: 0 });
    assertEquals(seen[1], { signo: SIGUSR1, code: -1, pid, uid, value: 0x12345678 });
  });

  it("are null where a callback was activated by hand", () => {
    using base = new EventBase();
    const seen: (SignalDetails | null)[] = [];
    const event = base.event(SIGUSR1, EV_SIGNAL | EV_PERSIST, (_what, event) => seen.push(event.signalDetails));
    event.activate(EV_SIGNAL, 2);
    base.dispatch();
    assertEquals(seen, [null, null]);
  });

  it("stay with their call when an earlier call throws", () => {
    using base = new EventBase();
    const seen: (number | undefined)[] = [];
    using _event = base.signal(REALTIME, (_what, event) => {
      seen.push(event.signalDetails?.value);
      if (seen.length === 2) throw new Error("mine");
    }).add();
    for (let value = 1; value <= 4; value++) assertEquals(sigqueue(getpid(), REALTIME, value), 0);
    let errors = 0;
    while (seen.length < 4) {
      try {
        base.loop(EVLOOP_ONCE);
      } catch {
        errors++;
      }
    }
    // Several threads may each take one, so only who got what is certain, not when.
    assertEquals(seen.sort(), [1, 2, 3, 4]);
    assertEquals(errors, 1);
  });
});
