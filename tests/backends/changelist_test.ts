/** What the changelist spares, and that it loses nothing by that: not the events of reused numbers, duplicates and refused descriptors. */
import { assertEquals, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  type BackendChoice,
  type EpollCalls,
  epollCalls,
  EpollChangelistBackend,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_EDGE,
  INTEREST_READ,
  INTEREST_WRITE,
} from "../../src/backends/mod.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { EV_READ } from "../../src/core/constants.ts";
import { allocate, clockMs, dup, fcntl, open, os, poll } from "../../src/ffi/mod.ts";
import { Descriptors, empty, readText, writeText } from "../support/descriptors.ts";
import { runScript } from "../support/run_script.ts";
import { readiness, ready } from "./readiness.ts";

const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = READ | WRITE, EDGE = INTEREST_EDGE, CLOSED = INTEREST_CLOSED;
const { CLOCK_MONOTONIC, EPOLLIN, EPOLLOUT, EPOLLRDHUP, F_DUPFD_CLOEXEC, O_RDONLY, POLLIN } = os.constants;
const { EBADF, ENOSPC } = os.errno as Record<"EBADF" | "ENOSPC", number>;
const isLinux = os.name === "linux";

/** From here on no other thread of the runtime opens anything, so that a closed number stays closed. */
const QUIET = 200;
const operations = ["", "add", "delete", "modify"];

/** The kernel's calls, written down; the next `epoll_ctl` can be made to fail. */
class Spy {
  /** Each `epoll_ctl`, as "add 200 rw". */
  log: string[] = [];
  /** How many reports each `epoll_wait` brought. */
  counts: number[] = [];
  refusal = 0;
  readonly calls: EpollCalls = {
    control: (epollFd, operation, fd, event) => {
      const events = new Int32Array(event.buffer)[0]!;
      const letters = [[EPOLLIN, "r"], [EPOLLOUT, "w"], [EPOLLRDHUP, "c"], [1 << 31, "e"]] as const;
      const said = letters.map(([bit, letter]) => (events & bit) !== 0 ? letter : "").join("");
      this.log.push(`${operations[operation]} ${fd} ${said}`.trim());
      const refusal = this.refusal;
      this.refusal = 0;
      return refusal !== 0 ? -refusal : epollCalls.control(epollFd, operation, fd, event);
    },
    wait: (epollFd, events, eventsMax, timeoutMs) => {
      const count = epollCalls.wait(epollFd, events, eventsMax, timeoutMs);
      this.counts.push(count);
      return count;
    },
    waitNanoseconds: undefined,
  };

  /** What was said since the last time. */
  take(): string[] {
    return this.log.splice(0);
  }
}

describe("EpollChangelistBackend", { ignore: !isLinux }, () => {
  let spy: Spy;
  let backend: EpollChangelistBackend;
  let descriptors: Descriptors;
  beforeEach(() => {
    spy = new Spy();
    backend = new EpollChangelistBackend({ calls: spy.calls });
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  const watch = (fd: number, before: number, after: number): void =>
    assertStrictEquals(backend.watch(fd, before, after), 0);

  /** A socket with a number at which nobody else opens anything, and its peer. */
  function quietPair(number: number = QUIET): [number, number] {
    const [near, far] = descriptors.socketpair();
    const high = descriptors.own(fcntl(near, F_DUPFD_CLOEXEC, number));
    descriptors.close(near);
    return [high, far];
  }

  it("has libevent's name and features", () => {
    assertStrictEquals(backend.name, "epoll (with changelist)");
    assertStrictEquals(backend.features, FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE);
  });

  describe("tells the kernel", () => {
    it("nothing before the wait, and then once what has come of all changes", () => {
      const [a] = quietPair(200), [b] = quietPair(210);
      watch(a, 0, READ);
      watch(b, 0, WRITE);
      watch(a, READ, BOTH);
      watch(b, WRITE, WRITE | CLOSED);
      watch(a, BOTH, WRITE);
      assertEquals(spy.take(), []);
      assertEquals(ready(backend), new Map([[a, WRITE], [b, WRITE]]));
      assertEquals(spy.take(), [`add ${a} w`, `add ${b} wc`]);
      backend.wait(0);
      assertEquals(spy.take(), []);
    });

    it("nothing of what was added and deleted, and nothing of what it does not know", () => {
      const [fd] = quietPair();
      watch(fd, 0, READ);
      watch(fd, READ, BOTH);
      watch(fd, BOTH, 0);
      watch(QUIET + 50, READ, 0);
      assertStrictEquals(backend.wait(0), 0);
      assertEquals(spy.take(), []);
    });

    it("nothing of an interest that came and went beside one that stayed", () => {
      const [fd] = quietPair();
      watch(fd, 0, READ);
      backend.wait(0);
      spy.take();
      watch(fd, READ, BOTH);
      watch(fd, BOTH, READ);
      backend.wait(0);
      assertEquals(spy.take(), []);
    });

    it("of a delete and an add in one call", () => {
      const [fd] = quietPair();
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      watch(fd, 0, WRITE | EDGE);
      backend.wait(0);
      watch(fd, WRITE | EDGE, 0);
      watch(fd, 0, READ);
      watch(fd, READ, 0);
      backend.wait(0);
      assertEquals(spy.take(), [`add ${fd} r`, `modify ${fd} r`, `modify ${fd} we`, `delete ${fd}`]);
    });

    it("of each descriptor once however many change how often", () => {
      const fds = Array.from({ length: 40 }, () => descriptors.socketpair()).flat();
      let interests = fds.map(() => 0);
      for (let round = 0; round < 5; round++) {
        for (let change = 1; change < 8; change++) {
          const next = fds.map((_, index) => [0, READ, WRITE, BOTH][(index + round + change * change) % 4]!);
          fds.forEach((fd, index) => watch(fd, interests[index]!, next[index]!));
          interests = next;
        }
        const expected = new Map(fds.map((fd, index) => [fd, interests[index]! & WRITE]));
        for (const [fd, bits] of expected) if (bits === 0) expected.delete(fd);
        // The first waits of a backend bring no more than their small arrays hold.
        for (let wait = 0; wait < 3; wait++) ready(backend);
        assertEquals(ready(backend), expected);
        const named = spy.take().map((said) => said.split(" ")[1]);
        assertStrictEquals(new Set(named).size, named.length);
      }
    });

    it("of a descriptor that changes a thousand times no less of the others", () => {
      const [fd] = quietPair(200), [last] = quietPair(210);
      for (let round = 0; round < 500; round++) {
        watch(fd, 0, READ);
        watch(fd, READ, 0);
      }
      watch(last, 0, WRITE);
      assertEquals([...ready(backend)], [[last, WRITE]]);
      assertEquals(spy.take(), [`add ${last} w`]);
    });

    it("at once when somebody asks for the descriptor to sleep on", () => {
      const [fd, far] = quietPair();
      const pollfd = allocate(8);
      writeText(far, "x");
      watch(fd, 0, READ);
      new Int32Array(pollfd.buffer)[0] = backend.waitFd;
      new Int16Array(pollfd.buffer)[2] = POLLIN;
      assertEquals(spy.take(), [`add ${fd} r`]);
      assertStrictEquals(poll(pollfd, 1, -1), 1);
      assertEquals([...ready(backend)], [[fd, READ]]);
      assertEquals(spy.take(), []);
    });
  });

  it("arms an edge anew when it was deleted and added", () => {
    const [fd, far] = quietPair();
    writeText(far, "x");
    watch(fd, 0, READ | EDGE);
    assertStrictEquals(readiness(backend, fd), READ);
    assertStrictEquals(readiness(backend, fd), 0);
    watch(fd, READ | EDGE, 0);
    watch(fd, 0, READ | EDGE);
    assertStrictEquals(readiness(backend, fd), READ);
    assertStrictEquals(readiness(backend, fd), 0);
  });

  it("refuses a negative descriptor at once", () => {
    assertStrictEquals(backend.watch(-1, 0, READ), -EBADF);
    assertStrictEquals(backend.wait(0), 0);
  });

  describe("a number that comes back with another file between two waits", () => {
    for (const deleted of ["before the close", "after it", "after the number is used again"]) {
      it(`is watched when the old interest was deleted ${deleted}`, () => {
        const [fd, far] = quietPair();
        watch(fd, 0, READ);
        assertStrictEquals(readiness(backend, fd), 0);
        if (deleted === "before the close") watch(fd, READ, 0);
        descriptors.close(fd);
        if (deleted === "after it") watch(fd, READ, 0);
        const [again, farNow] = quietPair();
        assertStrictEquals(again, fd);
        if (deleted === "after the number is used again") watch(fd, READ, 0);
        watch(fd, 0, READ);
        assertStrictEquals(readiness(backend, fd), 0);
        assertEquals(spy.take(), [`add ${fd} r`, `modify ${fd} r`, `add ${fd} r`]);
        writeText(farNow, "x");
        assertStrictEquals(readiness(backend, fd), READ);
        descriptors.close(far);
      });
    }

    it("is left alone when nobody asks for the new one", () => {
      const [fd] = quietPair();
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      const [again, far] = quietPair();
      writeText(far, "x");
      assertStrictEquals(readiness(backend, again), 0);
      assertEquals(spy.take(), [`add ${fd} r`, `delete ${fd}`]);
      watch(again, 0, READ);
      assertStrictEquals(readiness(backend, again), READ);
    });

    it("is watched when its file is a duplicate of the old one", () => {
      const [fd, far] = quietPair();
      const spare = descriptors.own(dup(fd));
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      backend.wait(0);
      assertStrictEquals(descriptors.own(fcntl(spare, F_DUPFD_CLOEXEC, fd)), fd);
      watch(fd, 0, READ);
      writeText(far, "x");
      assertEquals([...ready(backend)], [[fd, READ]]);
      assertEquals(spy.take(), [`add ${fd} r`, `delete ${fd}`, `add ${fd} r`, `modify ${fd} r`]);
    });
  });

  describe("a duplicate that keeps the file of a deleted and closed descriptor open", () => {
    it("makes no report, and does not keep the loop from sleeping", () => {
      const [fd, far] = quietPair(), [other, otherFar] = quietPair(220);
      const duplicate = descriptors.own(dup(fd));
      watch(fd, 0, READ);
      watch(other, 0, READ);
      assertStrictEquals(backend.wait(0), 0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      writeText(far, "x");
      const instance = backend.waitFd;
      spy.take();
      spy.counts = [];
      assertStrictEquals(backend.wait(1000), 0);
      // The kernel had one report, of the file that has lost its number; from now on it has none.
      const start = clockMs(CLOCK_MONOTONIC);
      assertEquals([...ready(backend, 10)], []);
      assertGreaterOrEqual(clockMs(CLOCK_MONOTONIC) - start, 10);
      assertEquals(spy.counts.filter((count) => count >= 0), [1, 0]);
      assertEquals(spy.take(), [`add ${other} r`]);
      assertStrictEquals(backend.waitFd, instance);
      writeText(otherFar, "y");
      assertEquals([...ready(backend)], [[other, READ]]);
      assertStrictEquals(readText(duplicate), "x");
    });

    it("is not taken for the file that has its number now", () => {
      const [fd, far] = quietPair();
      const duplicate = descriptors.own(dup(fd));
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      const [again, farNow] = quietPair();
      assertStrictEquals(again, fd);
      watch(again, 0, READ);
      writeText(far, "old");
      assertEquals([...ready(backend)], []);
      assertEquals([...ready(backend)], []);
      writeText(farNow, "new");
      assertEquals([...ready(backend)], [[again, READ]]);
      assertStrictEquals(readText(duplicate), "old");
    });

    it("can be watched itself", () => {
      const [fd, far] = quietPair();
      const duplicate = descriptors.own(dup(fd));
      watch(fd, 0, READ);
      backend.wait(0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      watch(duplicate, 0, READ);
      writeText(far, "x");
      for (let round = 0; round < 3; round++) assertEquals([...ready(backend, -1)], [[duplicate, READ]]);
    });

    it("costs no interest that another descriptor has, and no change that is under way", () => {
      const [fd, far] = quietPair(), [writer] = quietPair(220), [edge] = quietPair(230), [late] = quietPair(240);
      descriptors.own(dup(fd));
      watch(fd, 0, READ);
      watch(writer, 0, WRITE);
      watch(edge, 0, WRITE | EDGE);
      backend.wait(0);
      watch(fd, READ, 0);
      descriptors.close(fd);
      writeText(far, "x");
      assertEquals([...ready(backend)], [[writer, WRITE]]);
      watch(writer, WRITE, READ);
      watch(late, 0, WRITE);
      assertEquals(ready(backend), new Map([[edge, WRITE], [late, WRITE]]));
      watch(writer, READ, WRITE);
      assertEquals(ready(backend), new Map([[writer, WRITE], [late, WRITE]]));
    });
  });

  describe("a descriptor that the kernel refuses", () => {
    it("is ready for what was asked, with every wait, until it is let go", () => {
      const file = descriptors.own(open("/etc/hosts", O_RDONLY));
      const [near, far] = quietPair();
      watch(near, 0, READ);
      for (const interest of [READ, WRITE, BOTH]) {
        watch(file, 0, interest);
        for (let round = 0; round < 3; round++) assertEquals([...ready(backend, -1)], [[file, interest]]);
        writeText(far, "x");
        assertEquals(ready(backend, -1), new Map([[near, READ], [file, interest]]));
        empty(near);
        watch(file, interest, 0);
        assertStrictEquals(backend.wait(0), 0);
      }
    });

    it("may be one that is not open", () => {
      watch(QUIET, 0, WRITE);
      assertEquals([...ready(backend, -1)], [[QUIET, WRITE]]);
      watch(QUIET, WRITE, BOTH);
      assertEquals([...ready(backend, -1)], [[QUIET, BOTH]]);
    });

    it("may be one that was watched and is gone when its interest changes", () => {
      const [fd] = quietPair();
      watch(fd, 0, READ);
      backend.wait(0);
      descriptors.close(fd);
      watch(fd, READ, BOTH);
      assertEquals([...ready(backend, -1)], [[fd, BOTH]]);
      assertEquals([...ready(backend, -1)], [[fd, BOTH]]);
      assertEquals(spy.take(), [`add ${fd} r`, `modify ${fd} rw`, `add ${fd} rw`]);
    });

    it("is closed only for whoever waits for nothing else", () => {
      watch(QUIET, 0, CLOSED);
      assertEquals([...ready(backend, -1)], [[QUIET, CLOSED]]);
      watch(QUIET, CLOSED, CLOSED | READ);
      assertEquals([...ready(backend, -1)], [[QUIET, READ]]);
    });

    it("is watched as soon as the kernel takes it", () => {
      const [fd, far] = quietPair();
      spy.refusal = ENOSPC;
      watch(fd, 0, READ);
      assertEquals([...ready(backend, -1)], [[fd, READ]]);
      assertEquals([...ready(backend)], []);
      writeText(far, "x");
      assertEquals([...ready(backend, -1)], [[fd, READ]]);
      assertEquals(spy.take(), [`add ${fd} r`, `add ${fd} r`]);
    });

    it("does not lose its turn when somebody asks for the descriptor to sleep on", () => {
      const [fd] = quietPair(), [full] = quietPair(220), closed = QUIET + 50;
      spy.refusal = ENOSPC;
      watch(full, 0, READ);
      watch(closed, 0, READ);
      assertStrictEquals(backend.wait(0), 2);
      watch(fd, 0, WRITE);
      assertGreaterOrEqual(backend.waitFd, 0);
      assertEquals([backend.fdAt(0), backend.fdAt(1)], [full, closed]);
      assertEquals([backend.eventsAt(0) & BOTH, backend.eventsAt(1) & BOTH], [READ, READ]);
      assertEquals(ready(backend, -1), new Map([[fd, WRITE], [closed, READ]]));
    });
  });

  it("spares an event that its callback adds again every second call", () => {
    using base = new EventBase({ openBackend: () => new EpollChangelistBackend({ calls: spy.calls }) });
    const [fd, far] = quietPair();
    writeText(far, "x");
    let calls = 0;
    base.event(fd, EV_READ, (_what, event) => {
      if (++calls < 5) event.add();
    }).add();
    base.dispatch();
    assertStrictEquals(calls, 5);
    assertEquals(spy.take(), [`add ${fd} r`, ...new Array<string>(4).fill(`modify ${fd} r`)]);
  });
});

describe("choosing the changelist", { ignore: !isLinux }, () => {
  async function chosen(choice: BackendChoice, env: Record<string, string> = {}): Promise<string> {
    const { stdout, stderr } = await runScript(
      `import { chooseBackend } from "src:backends/mod.ts";
       const backend = chooseBackend(${JSON.stringify(choice)});
       console.log(backend.name);`,
      { env },
    );
    return stdout + stderr;
  }

  it("takes an option or a variable", async () => {
    assertStrictEquals(await chosen({ epollChangelist: true }), "epoll (with changelist)");
    assertStrictEquals(await chosen({}, { EVENT_EPOLL_USE_CHANGELIST: "" }), "epoll (with changelist)");
    assertStrictEquals(await chosen({ epollChangelist: false }), "epoll");
  });

  it("by a variable is forgone by whoever ignores the environment or avoids the variant", async () => {
    const env = { EVENT_EPOLL_USE_CHANGELIST: "1" };
    assertStrictEquals(await chosen({ ignoreEnvironment: true }, env), "epoll");
    assertStrictEquals(await chosen({ avoid: ["epoll (with changelist)"] }, env), "epoll");
    assertStrictEquals(await chosen({ ignoreEnvironment: true, epollChangelist: true }), "epoll (with changelist)");
  });

  it("has no effect where epoll is not chosen", async () => {
    assertStrictEquals(await chosen({ epollChangelist: true, avoid: ["epoll"] }), "poll");
    assertStrictEquals(await chosen({ epollChangelist: true }, { EVENT_NOEPOLL: "1" }), "poll");
  });

  it("is shown by its name", async () => {
    assertStrictEquals(
      await chosen({ epollChangelist: true }, { EVENT_SHOW_METHOD: "1" }),
      "epoll (with changelist)evbase using: epoll (with changelist)\n",
    );
  });
});
