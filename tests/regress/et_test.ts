/** Counterparts of libevent's group "et"; the mixing error is in `tests/core/debug_mode_test.ts`. */
import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { FEATURE_EDGE } from "../../src/backends/mod.ts";
import { EV_ET, EV_PERSIST, EV_READ, EV_WRITE, EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import type { EventBase } from "../../src/core/event_base.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

const { SHUT_WR } = os.constants;

/** Two looks, each at what is ready now. */
function lookTwice(base: EventBase): void {
  for (let count = 0; count < 2; count++) base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

forEachBackend(({ newBase }) => {
  it("an edge is reported once and marked so, a level at each look", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    const log: number[] = [];
    writeText(far, "test string");
    shutdown(far, SHUT_WR);
    base.event(near, EV_READ | EV_ET | EV_PERSIST, (what) => {
      log.push(what);
      readText(near, 1);
    }).add();
    lookTwice(base);
    assertEquals(log, (base.features & FEATURE_EDGE) !== 0 ? [EV_READ | EV_ET] : [EV_READ, EV_READ]);
  });

  it("a writer stays edge-triggered when the reader beside it is deleted", () => {
    using base = newBase();
    if ((base.features & FEATURE_EDGE) === 0) return;
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    const reads: number[] = [], writes: number[] = [];
    writeText(far, "A");
    const reader = base.event(near, EV_READ | EV_ET | EV_PERSIST, (what) => reads.push(what)).add();
    base.event(near, EV_WRITE | EV_ET | EV_PERSIST, (what) => writes.push(what)).add();
    lookTwice(base);
    assertEquals([reads, writes], [[EV_READ | EV_ET], [EV_WRITE | EV_ET]]);
    reader.delete();
    fds.close(far);
    lookTwice(base);
    assertEquals([reads, writes], [[EV_READ | EV_ET], [EV_WRITE | EV_ET, EV_WRITE | EV_ET]]);
  });
});
