import { assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  EpollBackend,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
  INTEREST_CLOSED,
  INTEREST_READ,
  INTEREST_WRITE,
} from "../../src/backends/mod.ts";
import { allocate, dup, fcntl, os, poll } from "../../src/ffi/mod.ts";
import { Descriptors, fill, readText, writeText } from "../support/descriptors.ts";
import { runScript } from "../support/run_script.ts";
import { readiness, ready } from "./readiness.ts";

const READ = INTEREST_READ, WRITE = INTEREST_WRITE, BOTH = INTEREST_READ | INTEREST_WRITE;
const { F_GETFD, FD_CLOEXEC, POLLIN } = os.constants;

describe("EpollBackend", { ignore: os.name !== "linux" }, () => {
  let backend: EpollBackend;
  let descriptors: Descriptors;
  beforeEach(() => {
    backend = new EpollBackend();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    backend.close();
    descriptors[Symbol.dispose]();
  });

  it("has libevent's name and features", () => {
    assertStrictEquals(backend.name, "epoll");
    assertStrictEquals(backend.features, FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE);
  });

  it("finds twice as many in the next wait when its array was full", () => {
    for (let count = 0; count < 200; count++) {
      assertStrictEquals(backend.watch(descriptors.socketpair()[0], 0, WRITE), 0);
    }
    assertEquals([1, 2, 3, 4, 5].map(() => ready(backend).size), [32, 64, 128, 200, 200]);
  });

  it("keeps what it has found after a wait that filled its array", () => {
    const fds = Array.from({ length: 32 }, () => descriptors.socketpair()[0]);
    for (const fd of fds) assertStrictEquals(backend.watch(fd, 0, WRITE), 0);
    assertStrictEquals(backend.wait(-1), 32);
    const found = fds.map((_, index) => [backend.fdAt(index), backend.eventsAt(index) & BOTH]);
    assertEquals(found.sort(([a], [b]) => a! - b!), fds.sort((a, b) => a - b).map((fd) => [fd, WRITE]));
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

  it("reports a hang-up that it knows to be the peer's as closed", () => {
    const [near, far] = descriptors.socketpair();
    backend.watch(near, 0, READ | INTEREST_CLOSED);
    descriptors.close(far);
    assertStrictEquals(readiness(backend, near), READ | INTEREST_CLOSED);
  });

  it("goes on reporting a closed descriptor while a duplicate is open, as the kernel does", () => {
    const [near, far] = descriptors.socketpair();
    const duplicate = descriptors.own(dup(near));
    backend.watch(near, 0, READ);
    descriptors.close(near);
    writeText(far, "x");
    assertStrictEquals(readiness(backend, near), READ);
    assertStrictEquals(readText(duplicate), "x");
    assertStrictEquals(readiness(backend, near), 0);
  });

  it("polls readable itself while something is ready, and vanishes on exec", () => {
    const [near, far] = descriptors.socketpair();
    const pollfd = allocate(8);
    new Int32Array(pollfd.buffer)[0] = backend.waitFd;
    new Int16Array(pollfd.buffer)[2] = POLLIN;
    backend.watch(near, 0, READ);
    assertStrictEquals(poll(pollfd, 1, 0), 0);
    writeText(far, "x");
    assertStrictEquals(poll(pollfd, 1, -1), 1);
    assertStrictEquals(fcntl(backend.waitFd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  });

  it("answers -errno to a change that nothing can put right", () => {
    const { EBADF, EINVAL } = os.errno;
    assertStrictEquals(backend.watch(0x7fff_fff0, 0, READ), -EBADF!);
    assertStrictEquals(backend.watch(0x7fff_fff0, READ, BOTH), -EBADF!);
    assertStrictEquals(backend.watch(backend.waitFd, 0, READ), -EINVAL!);
  });

  it("says what it could not do when the kernel gives no instance", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { EpollBackend } from "../../src/backends/mod.ts";
      import { dup, setDescriptorLimit } from "../../src/ffi/mod.ts";
      const first = dup(2);
      setDescriptorLimit(first);
      try { new EpollBackend(); } catch (error) {
        setDescriptorLimit(1000);
        console.log([error.name, error.code, error.syscall, error.message].join("|"));
      }`);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^SystemError\|EMFILE\|epoll_create1\|Cannot create an epoll instance: .*\(EMFILE\)$/);
  });
});

describe("an interrupted wait", { ignore: os.name !== "linux" }, () => {
  it("answers -EINTR and leaves the backend in working order", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { EpollBackend, PollBackend, SelectBackend } from "../../src/backends/mod.ts";
      import { allocate, libcPath, os, pipe, runtime, SignalChannel, write } from "../../src/ffi/mod.ts";
      const channel = SignalChannel.open();
      channel.install(os.constants.SIGALRM);
      const { setitimer } = runtime.openLibrary(libcPath, { setitimer: { args: ["i32", "buffer", "buffer"], result: "i32" } });
      // Every 20 ms, since the first alarm may come before the wait.
      const every = allocate(32);
      for (const word of [2, 6]) new Int32Array(every.buffer)[word] = 20_000;
      for (const Backend of [EpollBackend, PollBackend, SelectBackend]) {
        const ends = new Int32Array(2);
        pipe(ends);
        const backend = new Backend();
        backend.watch(ends[0], 0, 2);
        setitimer(0, every, null);
        // None of these is short, however many bits it takes: only the alarm ends them.
        const results = [10_000, 2 ** 31, 2 ** 32, 2 ** 40, Infinity, -1].map((timeoutMs) => backend.wait(timeoutMs));
        const interrupted = results.every((result) => result === -os.errno.EINTR);
        setitimer(0, allocate(32), null);
        write(ends[1], allocate(1), 1);
        const found = backend.wait(10_000);
        console.log(backend.name, interrupted, found, backend.fdAt(0) === ends[0]);
        backend.close();
      }
      channel.restore(os.constants.SIGALRM);`);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.split("\n"), ["epoll", "poll", "select"].map((name) => `${name} true 1 true`));
  });
});
