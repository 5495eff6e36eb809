import { assert, assertEquals, assertFalse, assertGreater, assertLessOrEqual, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { ring, Wakeup } from "../../src/core/wakeup.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";

/** Rings `times` times, `afterMs` after it was told to, and counts in shared memory before each. */
const bellman = `
  import { ring } from "../../src/core/wakeup.ts";
  self.onmessage = ({ data: { handle, times, afterMs, counter } }) => {
    const rung = new Int32Array(counter);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, afterMs);
    for (let count = 0; count < times; count++) {
      Atomics.add(rung, 0, 1);
      ring(handle);
    }
  };
  self.postMessage("ready");
`;

let folder = "";
let worker: Worker;

async function startBellman(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), "evbase-worker-"));
  const file = join(folder, "bellman.ts");
  writeFileSync(file, bellman.replace("../../src/", new URL("../../src/", import.meta.url).href));
  worker = new Worker(pathToFileURL(file).href, { type: "module" });
  await new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

function order(handle: number, times: number, afterMs: number): Int32Array {
  const counter = new SharedArrayBuffer(4);
  worker.postMessage({ handle, times, afterMs, counter });
  return new Int32Array(counter);
}

describe("a Wakeup rung by a Worker", () => {
  beforeEach(startBellman);
  afterEach(() => {
    worker.terminate();
    rmSync(folder, { recursive: true });
  });

  it("wakes a loop that blocks its thread", () => {
    using base = new EventBase();
    let calls = 0;
    const wakeup = new Wakeup(base, () => {
      calls++;
      wakeup.close();
    });
    order(wakeup.handle, 1, 10);
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });

  it("wakes a loop that sleeps beside the host's", async () => {
    using base = new EventBase();
    let calls = 0;
    const wakeup = new Wakeup(base, () => {
      calls++;
      wakeup.close();
    });
    order(wakeup.handle, 1, 10);
    assertFalse(await base.run());
    assertEquals(calls, 1);
  });

  it("loses no ring among many: the last one is always answered", () => {
    using base = new EventBase();
    const times = 5000;
    let calls = 0;
    const wakeup: Wakeup = new Wakeup(base, () => {
      calls++;
      if (Atomics.load(rung, 0) === times) wakeup.close();
    });
    const rung = order(wakeup.handle, times, 0);
    assertFalse(base.dispatch());
    assertGreater(calls, 0);
    assertLessOrEqual(calls, times);
  });
});

describe("Wakeup", () => {
  it("cannot be made on a closed base, and then leaves no descriptor behind", () => {
    const base = new EventBase();
    base.close();
    const before = openDescriptorCount();
    for (let round = 0; round < 10; round++) assertThrows(() => new Wakeup(base, () => {}), Error, "closed");
    assertEquals(openDescriptorCount(), before);
  });

  it("is harmless after it is closed, and after its base is", () => {
    const base = new EventBase();
    const wakeup = new Wakeup(base, () => {});
    wakeup.close();
    wakeup.close();
    wakeup.ring();
    assertFalse(base.dispatch());
    const other = new Wakeup(base, () => {});
    base.close();
    other.ring();
    other.close();
  });
});

forEachBackend(({ newBase }) => {
  it("a wakeup calls once for any number of rings before the loop looks, and again for later ones", () => {
    using base = newBase();
    let calls = 0;
    using wakeup = new Wakeup(base, () => calls++);
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(calls, 0);
    for (let count = 0; count < 100; count++) ring(wakeup.handle);
    wakeup.ring();
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(calls, 1);
    ring(wakeup.handle);
    base.loop(EVLOOP_ONCE);
    assertEquals(calls, 2);
  });

  it("a wakeup keeps the loop alive while it is open", () => {
    using base = newBase();
    const wakeup = new Wakeup(base, () => {});
    assertEquals(base.loop(EVLOOP_NONBLOCK), 0);
    base.timer(() => wakeup.close()).add(1);
    assertFalse(base.dispatch());
    assert(!base.gotBreak);
  });
});
