import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  getDeferredAccept,
  getFastOpen,
  getKeepAlive,
  getNoDelay,
  getUserTimeoutMs,
  keepAliveAfter,
  setDeferredAccept,
  setFastOpen,
  setKeepAlive,
  setNoDelay,
  setUserTimeoutMs,
} from "../../src/core/mod.ts";
import { acceptFilter, os, socket } from "../../src/ffi/mod.ts";
import { Descriptors } from "../support/descriptors.ts";
import { listeningSocket } from "./bufferevent_support.ts";

const c = os.constants;
const { EBADF, ENOPROTOOPT, EOPNOTSUPP } = os.errno as Record<string, number>;
const onLinux = os.name === "linux";

describe("TCP options", () => {
  let descriptors: Descriptors;
  let tcp: number;

  beforeEach(() => {
    descriptors = new Descriptors();
    tcp = descriptors.own(socket(c.AF_INET, c.SOCK_STREAM, 0));
  });
  afterEach(() => descriptors[Symbol.dispose]());

  it("setNoDelay() sets and clears TCP_NODELAY", () => {
    assertEquals(getNoDelay(tcp), 0);
    assertEquals([setNoDelay(tcp, true), getNoDelay(tcp)], [0, 1]);
    assertEquals([setNoDelay(tcp, false), getNoDelay(tcp)], [0, 0]);
  });

  it("setKeepAlive() sets all four settings, and false switches probing off", () => {
    assertEquals(getKeepAlive(tcp), false);
    const settings = { idleSeconds: 77, intervalSeconds: 11, count: 5 };
    assertEquals([setKeepAlive(tcp, settings), getKeepAlive(tcp)], [0, settings]);
    assertEquals([setKeepAlive(tcp, false), getKeepAlive(tcp)], [0, false]);
  });

  it("setKeepAlive() with a number of seconds gives a dead connection up after twice the time", () => {
    for (const [seconds, intervalSeconds] of [[300, 100], [100, 33], [3, 1], [2, 1], [1, 1]] as const) {
      assertEquals(keepAliveAfter(seconds), { idleSeconds: seconds, intervalSeconds, count: 3 });
      assertEquals([setKeepAlive(tcp, seconds), getKeepAlive(tcp)], [0, keepAliveAfter(seconds)]);
    }
    for (const seconds of [0, -1, 1.5, NaN, 2 ** 31]) {
      assertThrows(() => setKeepAlive(tcp, seconds), RangeError, `Cannot use ${seconds}`);
    }
  });

  it("setKeepAlive() reports the setting that the kernel refuses", () => {
    assert(setKeepAlive(tcp, { idleSeconds: -1, intervalSeconds: 1, count: 1 }) as number < 0);
    assert(setKeepAlive(tcp, { idleSeconds: 1, intervalSeconds: 1, count: 1_000_000 }) as number < 0);
  });

  it("setDeferredAccept() asks for a second without a word, and takes it back with 0", { ignore: !onLinux }, () => {
    const { fd } = listeningSocket(descriptors);
    assertEquals(getDeferredAccept(fd), 0);
    assertEquals([setDeferredAccept(fd), getDeferredAccept(fd)], [0, 1]);
    // Linux counts in retransmissions, of which the next takes twice as long.
    assertEquals(setDeferredAccept(fd, 20), 0);
    assertGreaterOrEqual(getDeferredAccept(fd), 20);
    assertLessOrEqual(getDeferredAccept(fd), 40);
    assertEquals([setDeferredAccept(fd, 0), getDeferredAccept(fd)], [0, 0]);
  });

  it("setFastOpen() is read as it was set", { ignore: !onLinux }, () => {
    const { fd } = listeningSocket(descriptors);
    assertEquals(getFastOpen(fd), 0);
    assertEquals([setFastOpen(fd, 16), getFastOpen(fd)], [0, 16]);
    assertEquals([setFastOpen(fd, 0), getFastOpen(fd)], [0, 0]);
  });

  it("setUserTimeoutMs() is there on Linux only", () => {
    assertEquals(setUserTimeoutMs(tcp, 1500), onLinux ? 0 : -ENOPROTOOPT!);
    assertEquals(getUserTimeoutMs(tcp), onLinux ? 1500 : -ENOPROTOOPT!);
  });

  it("an accept filter is its name in 16 bytes and 240 of arguments", () => {
    const bytes = acceptFilter("dataready");
    assertEquals(bytes.length, 256);
    assertEquals(new TextDecoder().decode(bytes.subarray(0, 10)), "dataready\0");
    assert(bytes.subarray(9).every((byte) => byte === 0));
    assertEquals(acceptFilter("x".repeat(20))[15], 0);
  });

  it("refuse numbers that no C int holds", () => {
    for (const set of [setDeferredAccept, setFastOpen, setUserTimeoutMs]) {
      for (const value of [-1, 0.5, NaN, 2 ** 31]) {
        assertThrows(() => set(tcp, value), RangeError, `Cannot use ${value}`);
      }
    }
  });

  it("report -errno for a descriptor that is not open, and for one of another kind", () => {
    assertEquals([setNoDelay(15_000, true), setKeepAlive(15_000, false), setKeepAlive(15_000, 9)], [
      -EBADF!,
      -EBADF!,
      -EBADF!,
    ]);
    assertEquals([getNoDelay(15_000), getKeepAlive(15_000), getFastOpen(15_000)], [-EBADF!, -EBADF!, -EBADF!]);
    const [unix] = descriptors.socketpair();
    assertEquals(setNoDelay(unix, true), -EOPNOTSUPP!);
  });
});
