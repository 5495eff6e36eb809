import { assertEquals, assertGreater, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_EARLY_CLOSE,
  INTEREST_CLOSED,
  INTEREST_READ,
  INTEREST_WRITE,
  PollBackend,
} from "../../src/backends/mod.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { Descriptors, fill, writeText } from "../support/descriptors.ts";
import { readiness, ready } from "./readiness.ts";

const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = INTEREST_READ | INTEREST_WRITE;
const { F_DUPFD_CLOEXEC, POLLRDHUP } = os.constants;

/** Above every limit on descriptors. */
const NEVER_OPEN = 0x7fff;

describe("PollBackend", () => {
  let backend: PollBackend;
  let descriptors: Descriptors;
  beforeEach(() => {
    backend = new PollBackend();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  it("has libevent's name and features", () => {
    assertStrictEquals(backend.name, "poll");
    assertStrictEquals(backend.features, FEATURE_ANY_DESCRIPTOR | (POLLRDHUP !== 0 ? FEATURE_EARLY_CLOSE : 0));
    assertStrictEquals(backend.waitFd, -1);
  });

  it("finds any number at once", () => {
    for (const total of [31, 32, 33, 64, 65, 200]) {
      while (ready(backend).size < total) backend.watch(descriptors.socketpair()[0], 0, WRITE);
      assertStrictEquals(backend.wait(0), total);
    }
  });

  it("reports a hang-up and an error as both directions, whichever was asked for", () => {
    const [readEnd, writeEnd] = descriptors.pipe();
    backend.watch(readEnd, 0, READ);
    descriptors.close(writeEnd);
    assertStrictEquals(readiness(backend, readEnd), BOTH);
    backend.watch(readEnd, READ, 0);
    const [reader, writer] = descriptors.pipe();
    fill(writer);
    backend.watch(writer, 0, WRITE);
    descriptors.close(reader);
    assertStrictEquals(readiness(backend, writer), BOTH);
  });

  it("reports a descriptor that is not open as both directions, until it is let go", () => {
    const [near] = descriptors.socketpair();
    backend.watch(NEVER_OPEN, 0, READ);
    backend.watch(near, 0, WRITE);
    for (let round = 0; round < 3; round++) {
      assertEquals(ready(backend, -1), new Map([[NEVER_OPEN, BOTH], [near, WRITE]]));
    }
    assertStrictEquals(backend.watch(NEVER_OPEN, READ, 0), 0);
    assertEquals([...ready(backend, -1)], [[near, WRITE]]);
  });

  it("forgets what the last user of a slot was ready for", () => {
    const [near, far] = descriptors.socketpair(), [idle] = descriptors.socketpair();
    writeText(far, "x");
    backend.watch(near, 0, READ);
    assertStrictEquals(readiness(backend, near), READ);
    backend.watch(near, READ, 0);
    backend.watch(idle, 0, READ);
    assertStrictEquals(backend.wait(0), 0);
  });

  it("takes large descriptor numbers", () => {
    const [near, far] = descriptors.socketpair();
    const high = descriptors.own(fcntl(near, F_DUPFD_CLOEXEC, 230));
    writeText(far, "x");
    backend.watch(high, 0, READ | INTEREST_CLOSED);
    assertEquals([...ready(backend, -1)], [[high, READ]]);
    assertStrictEquals(backend.watch(5_000_000, 0, 0), 0);
  });

  it("lets a delete of something that it never had pass", () => {
    const [near] = descriptors.socketpair(), [other] = descriptors.socketpair();
    backend.watch(near, 0, WRITE);
    assertStrictEquals(backend.watch(other, READ, 0), 0);
    assertStrictEquals(backend.watch(NEVER_OPEN, READ, 0), 0);
    assertEquals([...ready(backend, -1)], [[near, WRITE]]);
  });

  it("does not always begin with the same descriptor", () => {
    for (let count = 0; count < 16; count++) backend.watch(descriptors.socketpair()[0], 0, WRITE);
    const first = new Set<number>();
    // 16 to the power of 99 to one that a fair start passes.
    for (let round = 0; round < 100; round++) {
      assertStrictEquals(backend.wait(0), 16);
      first.add(backend.fdAt(0));
    }
    assertGreater(first.size, 1);
  });
});
