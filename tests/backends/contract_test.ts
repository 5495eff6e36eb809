/** What every backend must do alike; where they may differ, a feature bit says so. */
import { assert, assertEquals, assertGreater, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  type Backend,
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
} from "../../src/backends/mod.ts";
import { clockMs, dup, fcntl, open, os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, fill, type Pair, writeText } from "../support/descriptors.ts";
import { readiness, ready } from "./readiness.ts";

const { CLOCK_MONOTONIC, F_DUPFD_CLOEXEC, O_RDONLY, SHUT_WR } = os.constants;
const { EBADF, EPERM } = os.errno as Record<"EBADF" | "EPERM", number>;
const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = INTEREST_READ | INTEREST_WRITE;

/** From here on no other thread of the runtime opens anything, so that a closed number stays closed. */
const QUIET = 200;

function sorted(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}

forEachBackend(({ open: openBackend, name }) => {
  let backend: Backend;
  let descriptors: Descriptors;
  beforeEach(() => {
    backend = openBackend();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  const has = (feature: number): boolean => (backend.features & feature) !== 0;
  const watch = (fd: number, before: number, after: number): void =>
    assertStrictEquals(backend.watch(fd, before, after), 0);

  /** Moves a descriptor to a number above {@linkcode QUIET}. */
  function raised(fd: number): number {
    const high = descriptors.own(fcntl(fd, F_DUPFD_CLOEXEC, QUIET));
    descriptors.close(fd);
    return high;
  }

  /** Opens another file under the number that was `fd`, ready in both directions. */
  function reuse(fd: number): void {
    const [near, far] = descriptors.socketpair();
    writeText(far, "x");
    assertStrictEquals(descriptors.own(fcntl(near, F_DUPFD_CLOEXEC, fd)), fd);
    descriptors.close(near);
  }

  /** Two sockets, the first with something to read. */
  function readablePair(): Pair {
    const [near, far] = descriptors.socketpair();
    writeText(far, "x");
    return [near, far];
  }

  describe("waiting", () => {
    it("finds nothing where nothing is watched", () => {
      assertStrictEquals(backend.wait(0), 0);
    });

    it("finds nothing where nothing is ready", () => {
      const [near, far] = descriptors.socketpair(), [idle] = descriptors.socketpair();
      fill(near);
      watch(near, 0, BOTH);
      watch(idle, 0, READ);
      assertEquals([...ready(backend)], []);
      empty(far);
      assertEquals([...ready(backend)], [[near, WRITE]]);
    });

    it("reports what can be read, again and again until it is read", () => {
      const [near, far] = descriptors.socketpair();
      watch(near, 0, READ);
      assertEquals([...ready(backend)], []);
      writeText(far, "x");
      for (let round = 0; round < 3; round++) assertEquals([...ready(backend, -1)], [[near, READ]]);
      empty(near);
      assertEquals([...ready(backend)], []);
    });

    it("reports what can be written, until it is full", () => {
      const [near] = descriptors.socketpair();
      watch(near, 0, WRITE);
      for (let round = 0; round < 3; round++) assertEquals([...ready(backend, -1)], [[near, WRITE]]);
      fill(near);
      assertEquals([...ready(backend)], []);
    });

    it("reports both directions of one descriptor, and several descriptors at once", () => {
      const [near] = readablePair(), [other] = readablePair(), [idle] = descriptors.socketpair();
      watch(near, 0, BOTH);
      watch(other, 0, READ);
      watch(idle, 0, READ);
      assertEquals(ready(backend, -1), new Map([[near, BOTH], [other, READ]]));
    });

    it("sleeps no shorter than it is told, fractions of a millisecond included", () => {
      const [near] = descriptors.socketpair();
      watch(near, 0, READ);
      for (const timeoutMs of [0.2, 1, 1.5, 0.001, 7.3]) {
        for (let round = 0; round < 5; round++) {
          const start = clockMs(CLOCK_MONOTONIC);
          assertEquals([...ready(backend, timeoutMs)], []);
          assertGreaterOrEqual(clockMs(CLOCK_MONOTONIC) - start, timeoutMs);
        }
      }
    });

    it("takes a time of many days for a long one, not for a wrong one", () => {
      const [near] = readablePair();
      watch(near, 0, READ);
      for (const timeoutMs of [2 ** 31, 2 ** 32, 2 ** 40, Infinity]) {
        assertEquals([...ready(backend, timeoutMs)], [[near, READ]]);
      }
    });
  });

  describe("changing the interest", () => {
    it("from every set to every other one has the effect of the last", () => {
      for (const before of [0, READ, WRITE, BOTH]) {
        for (const after of [0, READ, WRITE, BOTH]) {
          const [near] = readablePair();
          watch(near, 0, before);
          assertStrictEquals(readiness(backend, near), before, `only ${before}`);
          watch(near, before, after);
          assertStrictEquals(readiness(backend, near), after, `${before} to ${after}`);
          watch(near, after, 0);
          assertStrictEquals(readiness(backend, near), 0, `${before} to ${after} to nothing`);
        }
      }
    });

    it("works while something has just been found ready", () => {
      const [near] = readablePair(), [other] = readablePair();
      watch(near, 0, READ);
      watch(other, 0, READ);
      assertEquals(ready(backend, -1), new Map([[near, READ], [other, READ]]));
      watch(near, READ, 0);
      assertEquals([...ready(backend, -1)], [[other, READ]]);
      watch(near, 0, BOTH);
      watch(other, READ, WRITE);
      assertEquals(ready(backend, -1), new Map([[near, BOTH], [other, WRITE]]));
    });

    it("to what it is already is accepted, even for a descriptor that is not open", () => {
      assertStrictEquals(backend.watch(QUIET + 100, READ, READ), 0);
      assertStrictEquals(backend.watch(QUIET + 100, 0, 0), 0);
      assertStrictEquals(backend.wait(0), 0);
    });

    it("keeps the descriptors apart when they come and go in any order", () => {
      const pairs = Array.from({ length: 12 }, () => readablePair());
      for (const [near] of pairs) watch(near, 0, READ);
      const gone = [0, 11, 5, 6, 3].map((index) => pairs[index]![0]);
      for (const fd of gone) watch(fd, READ, 0);
      const left = pairs.map(([near]) => near).filter((fd) => !gone.includes(fd));
      assertEquals(sorted(ready(backend, -1).keys()), sorted(left));
      for (const fd of gone) watch(fd, 0, WRITE);
      for (const fd of left) watch(fd, READ, 0);
      assertEquals(ready(backend, -1), new Map(gone.map((fd) => [fd, WRITE])));
    });
  });

  describe("a peer that is gone", () => {
    it("makes a socket ready for whatever was asked", () => {
      for (const interest of [READ, WRITE, BOTH]) {
        const [near, far] = descriptors.socketpair();
        fill(near);
        watch(near, 0, interest);
        descriptors.close(far);
        assertStrictEquals(readiness(backend, near, -1) & interest, interest);
        watch(near, interest, 0);
      }
    });

    it("makes either end of a pipe ready", () => {
      const [readEnd, writeEnd] = descriptors.pipe();
      watch(readEnd, 0, READ);
      descriptors.close(writeEnd);
      assertStrictEquals(readiness(backend, readEnd, -1) & READ, READ);
      watch(readEnd, READ, 0);
      const [reader, writer] = descriptors.pipe();
      fill(writer);
      watch(writer, 0, WRITE);
      descriptors.close(reader);
      assertStrictEquals(readiness(backend, writer, -1) & WRITE, WRITE);
    });

    it("is told from unread data where the backend can, and is no error where it cannot", () => {
      const [near, far] = readablePair();
      watch(near, 0, INTEREST_CLOSED);
      assertStrictEquals(readiness(backend, near), 0);
      assertStrictEquals(shutdown(far, SHUT_WR), 0);
      const told = has(FEATURE_EARLY_CLOSE) ? INTEREST_CLOSED : 0;
      assertStrictEquals(readiness(backend, near), told);
      watch(near, INTEREST_CLOSED, INTEREST_CLOSED | READ);
      assertStrictEquals(readiness(backend, near), told | READ);
      watch(near, INTEREST_CLOSED | READ, INTEREST_CLOSED);
      assertStrictEquals(readiness(backend, near), told);
      watch(near, INTEREST_CLOSED, 0);
      assertStrictEquals(readiness(backend, near), 0);
    });

    it("is not told to whoever did not ask", () => {
      const [near, far] = descriptors.socketpair();
      assertStrictEquals(shutdown(far, SHUT_WR), 0);
      watch(near, 0, BOTH);
      assertStrictEquals(readiness(backend, near), BOTH);
    });
  });

  describe("edges", () => {
    it("are reported once each where the backend can", () => {
      if (!has(FEATURE_EDGE)) return;
      const [near, far] = readablePair();
      watch(near, 0, READ | INTEREST_EDGE);
      assertStrictEquals(readiness(backend, near), READ);
      assertStrictEquals(readiness(backend, near), 0);
      writeText(far, "y");
      assertStrictEquals(readiness(backend, near), READ);
      assertStrictEquals(readiness(backend, near), 0);
    });

    it("give way to levels and come back when the interest says so", () => {
      if (!has(FEATURE_EDGE)) return;
      const [near] = readablePair();
      watch(near, 0, BOTH);
      assertStrictEquals(readiness(backend, near), BOTH);
      assertStrictEquals(readiness(backend, near), BOTH);
      watch(near, BOTH, BOTH | INTEREST_EDGE);
      assertStrictEquals(readiness(backend, near), BOTH);
      assertStrictEquals(readiness(backend, near), 0);
      watch(near, BOTH | INTEREST_EDGE, BOTH);
      assertStrictEquals(readiness(backend, near), BOTH);
      assertStrictEquals(readiness(backend, near), BOTH);
      watch(near, BOTH, READ | INTEREST_EDGE);
      assertStrictEquals(readiness(backend, near), READ);
      assertStrictEquals(readiness(backend, near), 0);
    });

    it("are as good as levels where the backend has none", () => {
      if (has(FEATURE_EDGE)) return;
      const [near] = readablePair();
      watch(near, 0, READ | INTEREST_EDGE);
      assertStrictEquals(readiness(backend, near), READ);
      assertStrictEquals(readiness(backend, near), READ);
      watch(near, READ | INTEREST_EDGE, 0);
      assertStrictEquals(readiness(backend, near), 0);
    });
  });

  describe("a descriptor closed behind its back", () => {
    it("can be deleted", () => {
      const fd = raised(readablePair()[0]);
      watch(fd, 0, BOTH);
      descriptors.close(fd);
      watch(fd, BOTH, 0);
      assertStrictEquals(backend.wait(0), 0);
    });

    it("can be deleted after its number was used again, and leaves the new one alone", () => {
      const fd = raised(readablePair()[0]);
      watch(fd, 0, BOTH);
      descriptors.close(fd);
      reuse(fd);
      watch(fd, BOTH, 0);
      assertStrictEquals(readiness(backend, fd), 0);
      watch(fd, 0, READ);
      assertStrictEquals(readiness(backend, fd), READ);
    });

    it("passes every part of a changed interest on to the new one under its number", () => {
      for (const [before, after] of [[READ, BOTH], [WRITE, BOTH], [BOTH, READ], [READ, WRITE]] as const) {
        const fd = raised(readablePair()[0]);
        watch(fd, 0, before);
        descriptors.close(fd);
        reuse(fd);
        watch(fd, before, after);
        assertStrictEquals(readiness(backend, fd), after, `${before} to ${after}`);
        watch(fd, after, 0);
        descriptors.close(fd);
      }
    });

    it("can be watched afresh while a duplicate keeps its file open", () => {
      const fd = raised(readablePair()[0]);
      const duplicate = descriptors.own(dup(fd));
      watch(fd, 0, READ);
      descriptors.close(fd);
      assertStrictEquals(descriptors.own(fcntl(duplicate, F_DUPFD_CLOEXEC, fd)), fd);
      watch(fd, 0, BOTH);
      assertStrictEquals(readiness(backend, fd), BOTH);
    });
  });

  it("watches a descriptor and its duplicate each for itself", () => {
    const [near] = readablePair();
    const duplicate = descriptors.own(dup(near));
    watch(near, 0, READ);
    watch(duplicate, 0, WRITE);
    assertEquals(ready(backend, -1), new Map([[near, READ], [duplicate, WRITE]]));
    watch(near, READ, 0);
    assertEquals([...ready(backend, -1)], [[duplicate, WRITE]]);
  });

  it("reports a descriptor that was never open, when it is watched or when it waits", () => {
    const result = backend.watch(QUIET + 100, 0, READ);
    if (result !== 0) return assertStrictEquals(result, -EBADF);
    const found = backend.wait(0);
    assert(found === -EBADF || (found === 1 && backend.fdAt(0) === QUIET + 100), String(found));
    watch(QUIET + 100, READ, 0);
    assertStrictEquals(backend.wait(0), 0);
  });

  it("watches regular files where it says so, and refuses them elsewhere", () => {
    const fd = descriptors.own(open("/etc/hosts", O_RDONLY));
    // A changelist learns too late that epoll refuses it, and then reports it as poll would.
    const isAccepted = has(FEATURE_ANY_DESCRIPTOR) || name === "epoll (with changelist)";
    if (!isAccepted) return assertStrictEquals(backend.watch(fd, 0, READ), -EPERM);
    watch(fd, 0, READ);
    assertStrictEquals(readiness(backend, fd, -1), READ);
    watch(fd, READ, 0);
    assertStrictEquals(readiness(backend, fd), 0);
  });

  it("has a descriptor that another thread can wait for, if it has one at all", () => {
    const [near] = readablePair();
    if (backend.waitFd < 0) return assertStrictEquals(backend.waitFd, -1);
    const outer = openBackend();
    try {
      assertStrictEquals(outer.watch(backend.waitFd, 0, READ), 0);
      assertStrictEquals(readiness(outer, backend.waitFd), 0);
      watch(near, 0, READ);
      assertStrictEquals(readiness(outer, backend.waitFd, -1), READ);
      empty(near);
      assertEquals([...ready(backend)], []);
      assertStrictEquals(readiness(outer, backend.waitFd), 0);
    } finally {
      outer.close();
    }
  });

  it("finds all of 500 ready descriptors, and forgets those that are let go", () => {
    const fds = Array.from({ length: 250 }, () => descriptors.socketpair()).flat();
    for (const fd of fds) writeText(fd, "x");
    for (const fd of fds) watch(fd, 0, BOTH);
    const sweep = (): Set<number> => {
      const seen = new Set<number>();
      // However few fit into one wait, no descriptor may starve.
      for (let round = 0; round < 50; round++) for (const fd of ready(backend).keys()) seen.add(fd);
      return seen;
    };
    assertStrictEquals(sweep().size, 500);
    const kept = fds.filter((_, index) => index % 3 === 0);
    for (const fd of fds) if (!kept.includes(fd)) watch(fd, BOTH, 0);
    assertEquals(sorted(sweep()), sorted(kept));
    assertGreater(kept.length, 100);
  });
});
