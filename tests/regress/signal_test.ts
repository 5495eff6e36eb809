/** Counterparts of libevent's group "signal" that `tests/core/signal_test.ts` does not have; `docs/parity.md` says which is which. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { it } from "@std/testing/bdd";
import { EV_SIGNAL, EV_TIMEOUT, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";

const { SIGALRM, SIGCONT, SIGUSR1 } = os.constants;
const libc = openFromLibc({ raise: { args: ["i32"], result: "i32" } });

/** Raises `signo` in this thread: its handler has run when this returns. */
function raise(signo: number): void {
  assertEquals(libc.raise(signo), 0);
}

forEachBackend(({ newBase }) => {
  it("a signal arrives after its event was added, deleted and added again", () => {
    using base = newBase();
    const log: number[] = [];
    const event = base.signal(SIGALRM, (what) => {
      log.push(what);
      event.delete();
    });
    event.add();
    event.delete();
    event.add();
    raise(SIGALRM);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_SIGNAL]);
  });

  it("a signal that is raised before the loop runs is seen by a loop that only looks", () => {
    using base = newBase();
    const log: number[] = [];
    using event = base.signal(SIGUSR1, (what) => log.push(what)).add();
    raise(SIGUSR1);
    base.loop(EVLOOP_NONBLOCK);
    event.delete();
    assertEquals(log, [EV_SIGNAL]);
  });

  it("a signal event whose time has passed is told so", () => {
    using base = newBase();
    const log: number[] = [];
    using event = base.signal(SIGUSR1, (what) => log.push(what)).add(0.01);
    base.loop(EVLOOP_ONCE);
    event.delete();
    assertEquals(log, [EV_TIMEOUT]);
  });

  it("a signal event that was deleted is not called, and the signal goes where it went before", () => {
    using base = newBase();
    const log: number[] = [];
    // Without a handler this one does nothing to a process that runs.
    using event = base.signal(SIGCONT, (what) => log.push(what)).add();
    event.delete();
    raise(SIGCONT);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
    assertEquals(log, []);
  });

  it("a callback that raises its own signal is called again, until it asks the loop to end", () => {
    using base = newBase();
    let calls = 0;
    using _event = base.signal(SIGUSR1, () => {
      if (++calls < 5) raise(SIGUSR1);
      else base.loopExit();
    }).add();
    base.timer(() => raise(SIGUSR1)).add(0);
    assert(base.dispatch());
    assertEquals(calls, 5);
  });

  it("a signal event that closes itself at the first of two signals is not called for the second", () => {
    using base = newBase();
    let calls = 0;
    base.signal(SIGUSR1, (_what, event) => {
      calls++;
      event.close();
    }).add();
    raise(SIGUSR1);
    raise(SIGUSR1);
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });

  it("bases with signal events leave no descriptor behind, closed in either order, with the events added or deleted", () => {
    const round = (order: readonly number[], isDeleted: boolean): void => {
      const bases = [newBase(), newBase()];
      const events = bases.map((base) => base.signal(SIGUSR1, () => {}).add());
      if (isDeleted) events.forEach((event) => event.delete());
      order.forEach((index) => bases[index]!.close());
    };
    // The pipe that all bases of a thread share stays.
    round([0, 1], false);
    const before = openDescriptorCount();
    for (const order of [[0, 1], [1, 0]]) for (const isDeleted of [false, true]) round(order, isDeleted);
    assertEquals(openDescriptorCount(), before);
  });
});
