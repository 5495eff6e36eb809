import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MonotonicClock, type MonotonicClockKind } from "../../src/core/mod.ts";
import { sys } from "../../src/ffi/libc.ts";
import { os } from "../../src/ffi/mod.ts";

/** Has every clock show what `read` says, in milliseconds, while `body` runs. */
function withClock(read: (id: number) => number, body: () => void): void {
  const table = sys as unknown as Record<string, unknown>;
  const real = table["clock_gettime"];
  table["clock_gettime"] = (id: number, time: Uint8Array): number => {
    const ms = read(id);
    const view = new DataView(time.buffer);
    view.setBigInt64(0, BigInt(Math.floor(ms / 1000)), true);
    view.setBigInt64(8, BigInt(Math.round((ms % 1000) * 1e6)), true);
    return 0;
  };
  try {
    body();
  } finally {
    table["clock_gettime"] = real;
  }
}

describe("MonotonicClock", () => {
  it("reads the system's clock of its kind, precise without a word", () => {
    const { CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME } = os.constants;
    const kinds: [MonotonicClockKind | undefined, number][] = [
      [undefined, CLOCK_MONOTONIC],
      ["precise", CLOCK_MONOTONIC],
      ["fast", CLOCK_MONOTONIC_COARSE],
      ["fallback", CLOCK_REALTIME],
    ];
    for (const [kind, id] of kinds) {
      withClock((asked) => asked === id ? 1234.5 : 99, () => {
        const clock = new MonotonicClock(kind);
        assertEquals([clock.kind, clock.now()], [kind ?? "precise", 1234.5]);
      });
    }
  });

  it("goes on from where it was when the clock beneath it is set back, and jumps with it when it is set forward", () => {
    let time = 10_000;
    withClock(() => time, () => {
      const clock = new MonotonicClock("fallback");
      const at = (now: number): number => {
        time = now;
        return clock.now();
      };
      assertEquals([at(10_000), at(10_005)], [10_000, 10_005]);
      // Set back by four seconds: time stands still once, and then runs.
      assertEquals([at(6_000), at(6_001), at(6_250.5)], [10_005, 10_006, 10_255.5]);
      assertEquals([at(5_000), at(5_000), at(5_003)], [10_255.5, 10_255.5, 10_258.5]);
      assertEquals(at(100_000), 105_255.5);
    });
  });

  it("passes as any other clock does", () => {
    // What a coarse clock may lag behind: a tick, of 10 ms in the slowest kernels.
    const lags = { precise: 0.1, fast: 11, fallback: 1 };
    for (const kind of ["precise", "fast", "fallback"] as const) {
      const clock = new MonotonicClock(kind);
      const outer = performance.now();
      const start = clock.now();
      const inner = performance.now();
      let last = start;
      while (performance.now() - inner < 30) {
        const now = clock.now();
        assert(now >= last);
        last = now;
      }
      const innerMs = performance.now() - inner;
      const passed = clock.now() - start;
      const outerMs = performance.now() - outer;
      assertGreaterOrEqual(passed, innerMs - lags[kind]);
      assertLessOrEqual(passed, outerMs + lags[kind]);
    }
  });

  it("moves in steps of under half a millisecond, and the fast one in steps of under 25", () => {
    for (const [kind, stepMsMax] of [["precise", 0.5], ["fast", 25], ["fallback", 0.5]] as const) {
      const clock = new MonotonicClock(kind);
      const steps = Array.from({ length: 10 }, () => {
        const before = clock.now();
        let after = before;
        while (after === before) after = clock.now();
        return after - before;
      });
      // The smallest: whoever was put to sleep in between proves nothing.
      assertLessOrEqual(Math.min(...steps), stepMsMax);
    }
  });

  it("refuses a kind that does not exist", () => {
    assertThrows(() => new MonotonicClock("sundial" as "fast"), TypeError, '"sundial"');
  });
});
