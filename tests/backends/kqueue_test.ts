import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_CONSTANT_TIME,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
  READY_SIGNAL,
} from "../../src/backends/mod.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { DoubledKqueueBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";
import { KqueueDouble } from "../support/kqueue_double.ts";
import { runScript } from "../support/run_script.ts";
import { readiness, ready } from "./readiness.ts";

const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = INTEREST_READ | INTEREST_WRITE, EDGE = INTEREST_EDGE;
const { EBADF, EINTR, EINVAL, EMFILE, ENOENT, ENOMEM, EPERM, EPIPE } = os.errno as Record<string, number>;
const errnos = { EBADF: EBADF!, EINVAL: EINVAL!, ENOENT: ENOENT!, ENOMEM: ENOMEM!, EPERM: EPERM!, EPIPE: EPIPE! };

describe("KqueueBackend over a double", { ignore: os.name !== "linux" }, () => {
  let backend: DoubledKqueueBackend;
  let descriptors: Descriptors;
  beforeEach(() => {
    backend = new DoubledKqueueBackend();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  /** The changes since the last call: `+r` adds a read filter, `-w` deletes a write filter, `^` clears on report. */
  function changes(): string {
    const { EVFILT_READ, EVFILT_SIGNAL, KEV_ADD, KEV_CLEAR } = backend.double.constants;
    return backend.double.changes.splice(0).map(({ filter, flags }) =>
      ((flags & KEV_ADD) !== 0 ? "+" : "-") +
      (filter === EVFILT_READ ? "r" : filter === EVFILT_SIGNAL ? "s" : "w") +
      ((flags & KEV_CLEAR) !== 0 ? "^" : "")
    ).join(" ");
  }

  it("has libevent's name and features", () => {
    assertStrictEquals(backend.name, "kqueue");
    assertStrictEquals(backend.features, FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_ANY_DESCRIPTOR);
  });

  it("turns a step from one interest to another into changes of filters", () => {
    const [fd] = descriptors.socketpair();
    const steps: readonly (readonly [number, string])[] = [
      [READ, "+r"],
      [BOTH, "-r +r +w"],
      [WRITE, "-r -w +w"],
      [READ, "+r -w"],
      [0, "-r"],
      [BOTH | EDGE, "+r^ +w^"],
      [READ | EDGE, "-r +r^ -w"],
      [READ, "-r +r"],
      [BOTH | EDGE, "-r +r^ +w^"],
      [BOTH, "-r +r -w +w"],
      [0, "-r -w"],
      [INTEREST_CLOSED, ""],
      [INTEREST_CLOSED | EDGE, ""],
      [INTEREST_CLOSED | READ, "+r"],
      [0, "-r"],
    ];
    let before = 0;
    for (const [after, expected] of steps) {
      assertStrictEquals(backend.watch(fd, before, after), 0);
      assertStrictEquals(changes(), expected, `${before} to ${after}`);
      before = after;
    }
    assertStrictEquals(backend.double.filterCount(fd), 0);
  });

  it("hands nothing over when nothing changes", () => {
    const [fd] = descriptors.socketpair();
    for (const interest of [0, READ, BOTH | EDGE]) assertStrictEquals(backend.watch(fd, interest, interest), 0);
    assertStrictEquals(changes(), "");
  });

  it("answers with the error of an addition that is refused", () => {
    const [fd] = descriptors.socketpair();
    for (const error of Object.values(errnos)) {
      backend.double.refuseNextChange = error;
      assertStrictEquals(backend.watch(fd, 0, READ), -error);
      assertStrictEquals(backend.double.filterCount(fd), 0);
    }
    assertStrictEquals(backend.watch(fd, 0, READ), 0);
  });

  it("takes back one filter when the other was refused, so that an addition is all or nothing", () => {
    const [fd] = descriptors.socketpair();
    backend.double.refuseNextChange = errnos.ENOMEM;
    assertStrictEquals(backend.watch(fd, 0, BOTH), -errnos.ENOMEM);
    assertStrictEquals(backend.double.filterCount(fd), 0);
    assertStrictEquals(backend.wait(0), 0);
    assertStrictEquals(backend.watch(fd, 0, READ), 0);
    backend.double.refuseNextChange = errnos.ENOMEM;
    assertStrictEquals(backend.watch(fd, READ, BOTH), -errnos.ENOMEM);
    assertStrictEquals(backend.double.filterCount(fd), 1);
    assertEquals([...ready(backend)], []);
    assertStrictEquals(backend.watch(fd, READ, BOTH), 0);
    assertEquals([...ready(backend)], [[fd, WRITE]]);
  });

  it("does not mind a deletion that comes too late, but any other that fails", () => {
    const [fd] = descriptors.socketpair();
    for (const [name, error] of Object.entries(errnos)) {
      assertStrictEquals(backend.watch(fd, 0, READ), 0);
      backend.double.refuseNextChange = error;
      const isHarmless = ["ENOENT", "EBADF", "EINVAL"].includes(name);
      assertStrictEquals(backend.watch(fd, READ, 0), isHarmless ? 0 : -error, name);
      backend.watch(fd, READ, 0);
    }
  });

  it("hands on the failure of the call itself", () => {
    const [fd] = descriptors.socketpair();
    backend.double.failNextCall = errnos.EBADF;
    assertStrictEquals(backend.watch(fd, 0, READ), -errnos.EBADF);
    backend.double.failNextCall = EINTR!;
    assertStrictEquals(backend.wait(0), -EINTR!);
    assertStrictEquals(backend.wait(0), 0);
    const double = new KqueueDouble();
    double.failNextCall = EMFILE!;
    assertThrows(() => new DoubledKqueueBackend(double), Error, "Cannot create a kqueue");
  });

  it("reports each direction by itself, with a mark that edges are welcome", () => {
    const [near, far] = descriptors.socketpair();
    writeText(far, "x");
    backend.watch(near, 0, BOTH);
    assertStrictEquals(backend.wait(-1), 2);
    assertEquals([backend.fdAt(0), backend.fdAt(1)], [near, near]);
    assertEquals([backend.eventsAt(0), backend.eventsAt(1)].sort(), [READ | EDGE, WRITE | EDGE]);
  });

  it("finds more than its first array holds", () => {
    const pairs = Array.from({ length: 64 }, () => descriptors.socketpair());
    for (const [near, far] of pairs) {
      writeText(far, "x");
      backend.watch(near, 0, BOTH);
    }
    assertStrictEquals(backend.wait(-1), 64);
    assertStrictEquals(backend.wait(-1), 128);
    const found = new Map<number, number>();
    for (let index = 0; index < 128; index++) {
      found.set(backend.fdAt(index), (found.get(backend.fdAt(index)) ?? 0) | backend.eventsAt(index));
    }
    assertEquals(found, new Map(pairs.map(([near]) => [near, BOTH | EDGE])));
  });

  it("stops reporting a closed descriptor even while a duplicate is open", () => {
    const [near, far] = descriptors.socketpair();
    descriptors.own(fcntl(near, os.constants.F_DUPFD_CLOEXEC, 200));
    const high = descriptors.own(fcntl(near, os.constants.F_DUPFD_CLOEXEC, 210));
    writeText(far, "x");
    backend.watch(high, 0, READ);
    assertStrictEquals(readiness(backend, high), READ);
    descriptors.close(high);
    assertEquals([...ready(backend)], []);
  });

  it("reports signals beside descriptors until told to stop", () => {
    const [near, far] = descriptors.socketpair();
    backend.watch(near, 0, READ);
    assertStrictEquals(backend.watchSignal(12, true), 0);
    assertStrictEquals(changes(), "+r +s");
    assertStrictEquals(backend.wait(0), 0);
    backend.double.raise(12);
    backend.double.raise(12);
    assertStrictEquals(backend.wait(-1), 1);
    assertEquals([backend.fdAt(0), backend.eventsAt(0)], [12, READY_SIGNAL]);
    assertStrictEquals(backend.wait(0), 0);
    writeText(far, "x");
    backend.double.raise(12);
    assertStrictEquals(backend.wait(-1), 2);
    assertStrictEquals(backend.watchSignal(12, false), 0);
    assertStrictEquals(changes(), "-s");
    backend.double.raise(12);
    assertEquals([...ready(backend)], [[near, READ]]);
    assertStrictEquals(backend.watchSignal(12, false), 0);
    assertStrictEquals(backend.watchSignal(99, true), -errnos.EINVAL);
  });
});

describe("the library that EVBASE_KQUEUE_LIBRARY names", { ignore: os.name !== "linux" }, () => {
  const program = `
    import { openKqueue } from "../../src/ffi/mod.ts";
    try { console.log(openKqueue() === undefined); } catch (error) { console.log(error.message, error.cause !== undefined); }`;

  it("is not needed", async () => {
    assertStrictEquals((await runScript(program)).stdout, "true");
    assertStrictEquals((await runScript(program, { env: { EVBASE_KQUEUE_LIBRARY: "" } })).stdout, "true");
  });

  it("is named by the error when it cannot be loaded", async () => {
    const { stdout } = await runScript(program, { env: { EVBASE_KQUEUE_LIBRARY: "/nowhere/libkqueue.so" } });
    assertStrictEquals(
      stdout,
      "Cannot load the kqueue library /nowhere/libkqueue.so named by EVBASE_KQUEUE_LIBRARY true",
    );
  });
});
