/** Watched files that are closed while a duplicate keeps them open: an epoll goes on reporting them, and cannot be told to stop. */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { it } from "@std/testing/bdd";
import { EV_CLOSED, EV_ET, EV_PERSIST, EV_READ, EV_WRITE } from "../../src/core/constants.ts";
import { dup, fcntl, os, shutdown } from "../../src/ffi/mod.ts";
import { assertNoneLeft, faultyBase, never, total } from "../faults/waiting.ts";
import { type BackendUnderTest, forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { withFault, withFaults } from "../support/faults.ts";
import { runFor, settle } from "./bufferevent_support.ts";

const { F_DUPFD_CLOEXEC } = os.constants;
const { EAGAIN } = os.errno as Record<"EAGAIN", number>;

/** Watches a socket, closes it although a duplicate is open, deletes its event and makes the file ready. */
function makeGhost(fds: Descriptors, { base }: ReturnType<typeof faultyBase>): { fd: number; duplicate: number } {
  const [near, far] = fds.socketpair();
  const duplicate = fds.own(dup(near));
  const event = base.event(near, EV_READ | EV_PERSIST, () => {
    throw new Error("A file that nobody waits for was reported");
  }).add();
  // A changelist tells the kernel only now.
  settle(base);
  fds.close(near);
  event.delete();
  writeText(far, "ghost");
  return { fd: near, duplicate };
}

/** Turns the loop for a while in which nothing happens, and expects that it sleeps. */
function assertSleeps({ base, waitFaults }: ReturnType<typeof faultyBase>): void {
  withFaults(waitFaults({ error: "EINTR", when: never }), (...counts) => {
    runFor(base, 20);
    assertLessOrEqual(total(counts), 8);
  });
}

/** The double is an epoll itself, and its kernel has the trouble that a kqueue does not have. */
function forEachReal(body: (backend: BackendUnderTest) => void): void {
  forEachBackend((backend) => {
    if (!backend.isDouble) body(backend);
  });
}

forEachReal((backend) => {
  const isEpoll = backend.name.startsWith("epoll");

  it("the loop sleeps although a file whose event is gone is ready", () => {
    using fds = new Descriptors();
    const faulty = faultyBase(backend);
    using _base = faulty.base;
    const { duplicate } = makeGhost(fds, faulty);
    const before = openDescriptorCount();
    for (let round = 0; round < 2; round++) assertSleeps(faulty);
    assertNoneLeft(before);
    assertEquals(readText(duplicate), "ghost");
  });

  it("whoever waits for the number now hears of the new file only", () => {
    using fds = new Descriptors();
    const faulty = faultyBase(backend);
    using base = faulty.base;
    const { fd } = makeGhost(fds, faulty);
    const [near, far] = fds.socketpair();
    const again = near === fd ? near : fds.own(fcntl(near, F_DUPFD_CLOEXEC, fd));
    assertEquals(again, fd);
    const log: unknown[] = [];
    base.event(again, EV_READ | EV_PERSIST, () => log.push(readText(again))).add();
    settle(base);
    assertEquals(log, []);
    assertSleeps(faulty);
    writeText(far, "x");
    settle(base);
    assertEquals(log, ["x"]);
    assertSleeps(faulty);
  });

  it("many such files at once, and again, cost one fresh instance each time", () => {
    using fds = new Descriptors();
    const faulty = faultyBase(backend);
    using _base = faulty.base;
    for (let round = 0; round < 3; round++) {
      withFault({ call: isEpoll ? "epoll_create1" : "close", error: "EMFILE", when: never }, (count) => {
        for (let ghosts = 0; ghosts < 10; ghosts++) makeGhost(fds, faulty);
        assertSleeps(faulty);
        // A changelist may settle between the first and the last of them.
        if (backend.name === "epoll") assertLessOrEqual(count.calls, 10);
      });
    }
  });

  it("everything else goes on being watched: reading, writing, closing, edges, and fractions of a millisecond", () => {
    using fds = new Descriptors();
    const faulty = faultyBase(backend);
    using base = faulty.base;
    const log: string[] = [];
    const [reader, readerFar] = fds.socketpair();
    const [writer] = fds.socketpair();
    const [closer, closerFar] = fds.socketpair();
    const [edge, edgeFar] = fds.socketpair();
    const [silent] = fds.socketpair();
    base.event(reader, EV_READ | EV_PERSIST, () => log.push(`read ${readText(reader)}`)).add();
    base.event(silent, EV_READ | EV_PERSIST, () => log.push("silent")).add();
    const edges = EV_READ | EV_PERSIST | (isEpoll ? EV_ET : 0);
    base.event(edge, edges, () => log.push(`edge ${readText(edge)}`)).add();
    const hasClosed = (base.features & 0x08) !== 0;
    if (hasClosed) base.event(closer, EV_CLOSED, () => log.push("closed")).add();
    makeGhost(fds, faulty);
    settle(base);
    assertEquals(log, []);
    base.event(writer, EV_WRITE, () => log.push("write")).add();
    writeText(readerFar, "a");
    writeText(edgeFar, "b");
    shutdown(closerFar, os.constants.SHUT_WR);
    settle(base);
    const expected = ["edge b", "read a", "write", ...(hasClosed ? ["closed"] : [])].sort();
    assertEquals(log.sort(), expected);
    let fired = false;
    base.timer(() => fired = true).add(0.5);
    runFor(base, 5);
    assertEquals(fired, true);
    assertSleeps(faulty);
  });

  it("a run sleeps too, and wakes for the rest", async () => {
    using fds = new Descriptors();
    const faulty = faultyBase(backend);
    using base = faulty.base;
    makeGhost(fds, faulty);
    const [near, far] = fds.socketpair();
    const log: unknown[] = [];
    base.event(near, EV_READ, () => log.push(readText(near))).add();
    setTimeout(() => writeText(far, "x"), 40);
    await withFaults(faulty.waitFaults({ error: "EINTR", when: never }), async (...counts) => {
      assertEquals(await base.run(), false);
      assertLessOrEqual(total(counts), 8);
    });
    assertEquals(log, ["x"]);
  });

  if (!isEpoll) return;

  for (
    const { call, error } of [
      { call: "epoll_create1", error: "EMFILE" },
      { call: "dup3", error: "EBUSY" },
      { call: "epoll_ctl", error: "ENOMEM" },
    ]
  ) {
    it(`no fresh instance to be had (${call}: ${error}) means a slower loop that loses nothing, until there is one`, async () => {
      using fds = new Descriptors();
      const faulty = faultyBase(backend);
      using base = faulty.base;
      const log: unknown[] = [];
      const [near, far] = fds.socketpair();
      base.event(near, EV_READ | EV_PERSIST, () => log.push(readText(near))).add();
      makeGhost(fds, faulty);
      const faults = [...faulty.waitFaults({ error: "EINTR", when: never }), { call, error }];
      for (const isBlocking of [true, false]) {
        await withFaults(faults, async (...counts) => {
          const started = performance.now();
          const waits = (): number => total(counts.slice(0, -1));
          base.timer(() => {
            writeText(far, "x");
            base.loopExit(40);
          }).add(20);
          if (isBlocking) base.dispatch();
          else await base.run();
          // A run takes up to eight turns before it pauses.
          assertLessOrEqual(waits(), 16 + 9 * (performance.now() - started) / 10);
          // A changelist reports what it cannot add.
          assertEquals(log.splice(0).filter((entry) => entry !== -EAGAIN), ["x"]);
        });
      }
      assertSleeps(faulty);
      log.length = 0;
      writeText(far, "y");
      settle(base);
      assertEquals(log, ["y"]);
    });
  }
});
