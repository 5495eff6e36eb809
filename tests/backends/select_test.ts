import { assertEquals, assertGreater, assertGreaterOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { FEATURE_ANY_DESCRIPTOR, INTEREST_READ, INTEREST_WRITE, SelectBackend } from "../../src/backends/mod.ts";
import { descriptorLimit, fcntl, os, setDescriptorLimit, shutdown } from "../../src/ffi/mod.ts";
import { Descriptors, empty, fill, writeText } from "../support/descriptors.ts";
import { readiness, ready } from "./readiness.ts";

const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = INTEREST_READ | INTEREST_WRITE;
const { F_DUPFD_CLOEXEC } = os.constants;

describe("SelectBackend", () => {
  let backend: SelectBackend;
  let descriptors: Descriptors;
  beforeEach(() => {
    backend = new SelectBackend();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  it("has libevent's name and features", () => {
    assertStrictEquals(backend.name, "select");
    assertStrictEquals(backend.features, FEATURE_ANY_DESCRIPTOR);
    assertStrictEquals(backend.waitFd, -1);
  });

  it("finds any number at once, each descriptor only once", () => {
    const fds = Array.from({ length: 200 }, () => descriptors.socketpair()).flat();
    for (const fd of fds) {
      writeText(fd, "x");
      backend.watch(fd, 0, BOTH);
    }
    assertStrictEquals(backend.wait(-1), 400);
    assertEquals(ready(backend, -1), new Map(fds.map((fd) => [fd, BOTH])));
  });

  it("finds what has hung up while it waits for room, also where others are always ready", () => {
    const blocked = Array.from({ length: 70 }, () => {
      const [near, far] = descriptors.socketpair();
      fill(near);
      backend.watch(near, 0, WRITE);
      return [near, far] as const;
    });
    assertEquals([...ready(backend)], []);
    for (const [, far] of blocked.slice(1)) shutdown(far, os.constants.SHUT_RDWR);
    assertEquals(ready(backend, -1), new Map(blocked.slice(1).map(([near]) => [near, WRITE])));
    const [busy, other] = descriptors.socketpair();
    writeText(other, "x");
    backend.watch(busy, 0, READ);
    const found = new Set<number>();
    for (let round = 0; round < 600; round++) for (const fd of ready(backend).keys()) found.add(fd);
    assertEquals(found, new Set([busy, ...blocked.slice(1).map(([near]) => near)]));
    for (const [near] of blocked) backend.watch(near, WRITE, 0);
    assertEquals([...ready(backend, -1)], [[busy, READ]]);
  });

  it("keeps neighbours in one byte of its sets apart", () => {
    const pairs = Array.from({ length: 20 }, () => descriptors.socketpair());
    const readable = pairs.filter((_, index) => index % 3 === 0);
    for (const [near] of pairs) backend.watch(near, 0, READ);
    for (const [, far] of readable) writeText(far, "x");
    assertEquals(ready(backend, -1), new Map(readable.map(([near]) => [near, READ])));
    for (const [near] of readable) empty(near);
    assertStrictEquals(backend.wait(0), 0);
  });

  it("answers -EBADF while one of its descriptors is closed, and recovers when that is let go", () => {
    const [near] = descriptors.socketpair();
    const closed = descriptors.own(fcntl(near, F_DUPFD_CLOEXEC, 200));
    backend.watch(near, 0, WRITE);
    backend.watch(closed, 0, WRITE);
    descriptors.close(closed);
    assertStrictEquals(backend.wait(0), -os.errno["EBADF"]!);
    assertStrictEquals(backend.watch(closed, WRITE, 0), 0);
    assertEquals([...ready(backend, -1)], [[near, WRITE]]);
  });

  it("does not lose lower descriptors when the highest ones are let go", () => {
    const [low, far] = descriptors.socketpair();
    const highs = [100, 101, 107, 108, 130].map((base) => descriptors.own(fcntl(low, F_DUPFD_CLOEXEC, base)));
    writeText(far, "x");
    backend.watch(low, 0, READ);
    for (const fd of highs) backend.watch(fd, 0, READ);
    for (const fd of highs.sort((a, b) => b - a)) {
      assertStrictEquals(readiness(backend, fd), READ);
      backend.watch(fd, READ, 0);
      assertStrictEquals(readiness(backend, fd), 0);
      assertStrictEquals(readiness(backend, low), READ);
    }
    backend.watch(low, READ, 0);
    assertStrictEquals(backend.wait(0), 0);
  });

  it("begins with each of neighbours equally often", () => {
    const [, far] = descriptors.socketpair();
    // Of one byte of the sets, and far from the beginning.
    const fds = [200, 201, 206].map((from) => descriptors.own(fcntl(far, F_DUPFD_CLOEXEC, from)));
    for (const fd of fds) backend.watch(fd, 0, WRITE);
    const firsts = new Map(fds.map((fd) => [fd, 0]));
    for (let round = 0; round < 600; round++) {
      assertStrictEquals(backend.wait(0), 3);
      const first = backend.fdAt(0);
      firsts.set(first, firsts.get(first)! + 1);
      assertEquals([0, 1, 2].map((index) => backend.fdAt(index)).sort(), fds);
    }
    // 200 on average, and 100 is nine standard deviations away.
    for (const count of firsts.values()) assertGreater(count, 100);
  });

  it("does not always begin with the same descriptor", () => {
    for (let count = 0; count < 60; count++) backend.watch(descriptors.socketpair()[0], 0, WRITE);
    const first = new Set<number>();
    for (let round = 0; round < 100; round++) {
      assertStrictEquals(backend.wait(0), 60);
      first.add(backend.fdAt(0));
    }
    assertGreater(first.size, 1);
  });

  describe("beyond 1,024 descriptors", () => {
    let original = 0;
    beforeEach(() => {
      original = descriptorLimit();
      // The limit of the run may be 1,024; what a test has raised it also lowers.
      if (original < 6000) assertStrictEquals(setDescriptorLimit(6000), 0);
    });
    afterEach(() => {
      descriptors[Symbol.dispose]();
      if (original < 6000) assertStrictEquals(setDescriptorLimit(original), 0);
    });

    it("grows its sets where the system allows that", { ignore: os.name === "darwin" }, () => {
      const [low, far] = descriptors.socketpair();
      backend.watch(low, 0, READ);
      writeText(far, "x");
      for (const base of [1023, 5000, 1024, 1500, 2047, 2048]) {
        const high = descriptors.own(fcntl(low, F_DUPFD_CLOEXEC, base));
        assertGreaterOrEqual(high, base);
        assertStrictEquals(backend.watch(high, 0, BOTH), 0);
        assertEquals(ready(backend, -1), new Map([[low, READ], [high, BOTH]]));
        assertStrictEquals(backend.watch(high, BOTH, 0), 0);
        assertEquals([...ready(backend, -1)], [[low, READ]]);
      }
    });

    it("is refused by macOS, which would read past the end", { ignore: os.name !== "darwin" }, () => {
      assertThrows(() => backend.watch(1024, 0, READ), RangeError, "use kqueue or poll");
      assertStrictEquals(backend.wait(0), 0);
    });
  });
});
