/** Descriptors that are closed behind the loop's back, and numbers that come to mean something else. */
import { assert, assertEquals, assertFalse, assertNotEquals, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EV_PERSIST, EV_READ, EV_TIMEOUT, EV_WRITE, EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import { close, fcntl, open, os, SystemError } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, type Pair, readText, writeText } from "../support/descriptors.ts";

const { F_DUPFD_CLOEXEC, O_RDONLY } = os.constants;

const libc = openFromLibc({ dup2: { args: ["i32", "i32"], result: "i32" } });

/** Makes `fd` mean what `other` means, closing what it meant before without a word to anybody. */
function replace(fd: number, other: number): void {
  assertEquals(libc.dup2(other, fd), fd);
}

/** A socketpair whose near end has the number `fd`, which must be free. */
function pairAt(fds: Descriptors, fd: number): Pair {
  const [near, far] = fds.socketpair();
  if (near === fd) return [near, far];
  replace(fd, near);
  fds.close(near);
  return [fds.own(fd), far];
}

forEachBackend(({ newBase, name }) => {
  it("deleting an event after its descriptor was closed is harmless", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    const event = base.event(near, EV_READ | EV_WRITE | EV_PERSIST, () => {}).add(1000);
    fds.close(near);
    event.delete();
    assertEquals(event.pending(), 0);
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
  });

  it("a number that is used again after close and delete is watched anew", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    let stale = 0, fresh = 0;
    const old = base.event(near, EV_READ | EV_PERSIST, () => stale++).add();
    fds.close(near);
    const [again, far] = pairAt(fds, near);
    assertEquals(again, near);
    old.delete();
    base.event(near, EV_READ, () => fresh++).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals([stale, fresh], [0, 1]);
  });

  it("a number that is used again before the delete is watched by both events once the second is of another kind", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    let reads = 0, writes = 0;
    base.event(near, EV_READ, () => reads++).add();
    fds.close(near);
    const [, far] = pairAt(fds, near);
    // The backend is told of a change from reading to both, while the kernel knows nothing of this socket.
    base.event(near, EV_WRITE, () => writes++).add();
    writeText(far, "x");
    base.loop(EVLOOP_NONBLOCK);
    assertEquals([reads, writes], [1, 1]);
  });

  it("a duplicate that takes the number of its watched original is watched", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const spare = fds.own(fcntl(near, F_DUPFD_CLOEXEC, 0));
    let stale = 0, fresh = 0;
    const old = base.event(near, EV_READ | EV_PERSIST, () => stale++).add();
    fds.close(near);
    // While the number is closed nothing can be taken out of an epoll, which goes on watching the open duplicate.
    old.delete();
    replace(near, spare);
    fds.own(near);
    base.event(near, EV_READ, () => fresh++).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals([stale, fresh], [0, 1]);
  });

  it("both numbers of a duplicated descriptor can be watched, and one outlives the other", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const spare = fds.own(fcntl(near, F_DUPFD_CLOEXEC, 0));
    const log: string[] = [];
    base.event(near, EV_READ, () => log.push("original")).add();
    base.event(spare, EV_READ, () => log.push("duplicate")).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(log.sort(), ["duplicate", "original"]);
    log.length = 0;
    const first = base.event(near, EV_READ, () => log.push("original")).add();
    base.event(spare, EV_READ, () => log.push(`duplicate ${readText(spare)}`)).add();
    first.delete();
    fds.close(near);
    assertFalse(base.dispatch());
    assertEquals(log, ["duplicate x"]);
  });

  it("dup2 onto a watched number leaves the new socket to the event that is added after the old one is deleted", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const [other, otherFar] = fds.socketpair();
    let stale = 0, fresh = 0;
    const old = base.event(near, EV_READ | EV_PERSIST, () => stale++).add();
    replace(near, other);
    old.delete();
    base.event(near, EV_READ, () => fresh++).add();
    assertNotEquals(near, other);
    writeText(otherFar, "x");
    assertFalse(base.dispatch());
    assertEquals([stale, fresh], [0, 1]);
    fds.close(far);
  });

  it("a regular file is refused by epoll with EPERM and ready everywhere else", () => {
    using base = newBase();
    using fds = new Descriptors();
    const folder = mkdtempSync(join(tmpdir(), "evbase-file-"));
    try {
      writeFileSync(join(folder, "file"), "content");
      const fd = fds.own(open(join(folder, "file"), O_RDONLY));
      const log: number[] = [];
      const event = base.event(fd, EV_READ, (what) => log.push(what));
      if (name === "epoll") {
        const error = assertThrows(() => event.add(5), SystemError, `watch descriptor ${fd}`);
        assertEquals([error.code, error.syscall], ["EPERM", "epoll"]);
        // Nothing of the failed addition stays, its timeout neither.
        assertEquals(event.pending(), 0);
      } else {
        event.add(60_000);
      }
      assertFalse(base.dispatch());
      assertEquals(log, name === "epoll" ? [] : [EV_READ]);
      event.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("an addition that the kernel refuses leaves the event as it was, and it can be activated", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    close(near);
    const log: number[] = [];
    const event = base.event(near, EV_READ, (what) => log.push(what));
    if (name === "epoll" || name === "kqueue") {
      assertEquals(assertThrows(() => event.add(1000), SystemError).code, "EBADF");
      assertEquals(event.pending(), 0);
    }
    event.activate(EV_TIMEOUT);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_TIMEOUT]);
    pairAt(fds, near);
  });

  it("a descriptor that is closed while watched is reported by poll, refused by select and forgotten by the others", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    let calls = 0;
    const event = base.event(near, EV_READ, () => calls++).add();
    fds.close(near);
    if (name === "select") assertEquals(assertThrows(() => base.loop(EVLOOP_NONBLOCK), SystemError).code, "EBADF");
    else base.loop(EVLOOP_NONBLOCK);
    // A changelist has not told the kernel before the descriptor is closed, and then reports what the kernel refuses.
    assertEquals(calls, name === "poll" || name === "epoll (with changelist)" ? 1 : 0);
    event.delete();
    assertEquals(base.loop(EVLOOP_NONBLOCK), 1);
    assert(!base.gotBreak);
  });

  it("descriptors above a thousand are watched like any other", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const high = fds.own(fcntl(near, F_DUPFD_CLOEXEC, 1500));
    let calls = 0;
    base.event(high, EV_READ, () => calls++).add();
    writeText(far, "x");
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });
});
