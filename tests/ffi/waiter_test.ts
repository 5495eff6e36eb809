import { assert, assertEquals, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { allocate, libcPath, os, runtime, type Waiter } from "../../src/ffi/mod.ts";
import { Descriptors, empty, writeText } from "../support/descriptors.ts";
import { runScript } from "../support/run_script.ts";

const { POLLIN, POLLNVAL, POLLOUT } = os.constants;

/** Above every limit on descriptors. */
const NEVER_OPEN = 0x7fff_fff0;

function pollfds(...entries: readonly (readonly [fd: number, events: number])[]): Uint8Array<ArrayBuffer> {
  const bytes = allocate(entries.length * 8);
  entries.forEach(([fd, events], index) => {
    new Int32Array(bytes.buffer)[index * 2] = fd;
    new Int16Array(bytes.buffer)[index * 4 + 2] = events;
  });
  return bytes;
}

function reported(bytes: Uint8Array<ArrayBuffer>, index: number): number {
  return new Int16Array(bytes.buffer)[index * 4 + 3]!;
}

describe("a waiter", () => {
  let descriptors: Descriptors;
  let waiter: Waiter;
  beforeEach(() => {
    descriptors = new Descriptors();
    waiter = runtime.createWaiter(libcPath);
  });
  afterEach(() => {
    waiter.close();
    descriptors[Symbol.dispose]();
  });

  it("wakes when a descriptor becomes ready, while the host's own timers run", async () => {
    const [readEnd, writeEnd] = descriptors.pipe();
    const fds = pollfds([readEnd, POLLIN]);
    const waited = waiter.wait(fds, 1, -1);
    // Only a host that goes on turning gets to write what the wait is for.
    setTimeout(() => writeText(writeEnd, "x"), 5);
    assertStrictEquals(await waited, 1);
    assertStrictEquals(reported(fds, 0), POLLIN);
  });

  it("tells at once what is ready already", async () => {
    const [readEnd, writeEnd] = descriptors.pipe();
    const fds = pollfds([readEnd, POLLIN], [writeEnd, POLLOUT]);
    assertStrictEquals(await waiter.wait(fds, 2, -1), 1);
    assertEquals([reported(fds, 0), reported(fds, 1)], [0, POLLOUT]);
    // Only as many entries as it is told count.
    assertStrictEquals(await waiter.wait(fds, 1, 0), 0);
  });

  it("answers 0 when the time has passed, and not before", async () => {
    const [readEnd] = descriptors.pipe();
    const fds = pollfds([readEnd, POLLIN]);
    const start = performance.now();
    assertStrictEquals(await waiter.wait(fds, 1, 30), 0);
    assertGreaterOrEqual(performance.now() - start, 29.5);
  });

  it("marks a descriptor that is not open", async () => {
    // Not one that was just closed: another thread of the runtime may open something under its number at any time.
    const fds = pollfds([NEVER_OPEN, POLLIN]);
    assertStrictEquals(await waiter.wait(fds, 1, -1), 1);
    assertStrictEquals(reported(fds, 0), POLLNVAL);
  });

  it("serves 200 waits in a row, each from an array of its own", async () => {
    const [readEnd, writeEnd] = descriptors.pipe();
    for (let round = 0; round < 200; round++) {
      const fds = pollfds([readEnd, POLLIN]);
      const waited = waiter.wait(fds, 1, -1);
      writeText(writeEnd, "x");
      assertStrictEquals(await waited, 1);
      assertStrictEquals(reported(fds, 0), POLLIN);
      assertStrictEquals(empty(readEnd), 1);
      // In between, one that finds nothing: a left-over answer of the last would show here.
      if (round % 20 === 0) assertStrictEquals(await waiter.wait(fds, 1, 0), 0);
    }
  });

  it("can be closed without ever having waited", () => {
    const unused = runtime.createWaiter(libcPath);
    unused.close();
    assert(true);
  });

  it("works beside a second one", async () => {
    const other = runtime.createWaiter(libcPath);
    try {
      const [readEnd, writeEnd] = descriptors.pipe(), [otherEnd, otherWriteEnd] = descriptors.pipe();
      const fds = pollfds([readEnd, POLLIN]), otherFds = pollfds([otherEnd, POLLIN]);
      const waits = [waiter.wait(fds, 1, -1), other.wait(otherFds, 1, -1)];
      writeText(otherWriteEnd, "x");
      assertStrictEquals(await waits[1], 1);
      assertStrictEquals(reported(fds, 0), 0);
      writeText(writeEnd, "x");
      assertStrictEquals(await waits[0], 1);
    } finally {
      other.close();
    }
  });
});

describe("a process with a waiter", () => {
  const opening = `
    import { allocate, libcPath, openEventfd, pipe, runtime } from "../../src/ffi/mod.ts";
    const ends = new Int32Array(2);
    pipe(ends);
    const fds = allocate(8);
    new Int32Array(fds.buffer)[0] = ends[0];
    new Int16Array(fds.buffer)[2] = ${POLLIN};
    const waiter = runtime.createWaiter(libcPath);`;

  it("stays alive while a wait is under way", async () => {
    const { code, stdout } = await runScript(`${opening}
      waiter.wait(fds, 1, 300).then((result) => {
        console.log("waited", result);
        waiter.close();
      });`);
    assertEquals([code, stdout], [0, "waited 0"]);
  });

  it("ends by itself once the waiter is closed", async () => {
    const { code, stdout } = await runScript(`${opening}
      console.log(await waiter.wait(fds, 1, 1), await waiter.wait(fds, 1, 1));
      waiter.close();`);
    assertEquals([code, stdout], [0, "0 0"]);
  });

  it("ends by itself when an idle waiter is never closed", async () => {
    const { code, stdout } = await runScript(`${opening}
      console.log(await waiter.wait(fds, 1, 1));`);
    assertEquals([code, stdout], [0, "0"]);
  });
});
