import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { execFileSync } from "node:child_process";
import process from "node:process";
import {
  allocate,
  clockMs,
  descriptorLimit,
  errno,
  getpid,
  hostName,
  isSetuid,
  kill,
  mapMemory,
  os,
  protectMemory,
  read,
  runtime,
  setDescriptorLimit,
  sigaction,
  sigqueue,
  unmapMemory,
} from "../../src/ffi/mod.ts";
import { runScript } from "../support/run_script.ts";

const { CLOCK_MONOTONIC, CLOCK_REALTIME, PROT_READ, SIGKILL, SIGUSR2 } = os.constants;
const { EBADF, EINVAL, ENOMEM, ENOSYS, ESRCH } = os.errno as Record<
  "EBADF" | "EINVAL" | "ENOMEM" | "ENOSYS" | "ESRCH",
  number
>;

/** Above every process id a system gives out. */
const NO_PROCESS = 0x7ffffffe;
const PAGE = 65_536;

describe("errno", () => {
  it("is right after each of 100,000 failing calls while garbage is made", () => {
    const bytes = allocate(1);
    let wrong = 0;
    let garbage: unknown[] = [];
    for (let round = 0; round < 50_000; round++) {
      if (read(-1, bytes, 1) !== -EBADF) wrong++;
      garbage.push(new Array<number>(20).fill(round), { round: String(round) }, new Uint8Array(200));
      if (kill(NO_PROCESS, 0) !== -ESRCH) wrong++;
      if (garbage.length > 3000) garbage = [];
    }
    assertStrictEquals(wrong, 0);
  });

  it("is one mapped word", () => {
    kill(NO_PROCESS, 0);
    assertStrictEquals(errno.length, 1);
    assertStrictEquals(errno[0], ESRCH);
  });
});

describe("getenv", () => {
  it("reads what the process was started with", async () => {
    const { stdout, code } = await runScript(
      `import { getenv } from "../../src/ffi/mod.ts";
       console.log(JSON.stringify([getenv("A_TEXT"), getenv("EMPTY"), getenv("ABSENT") ?? null]));`,
      { env: { A_TEXT: "grün = 1", EMPTY: "" } },
    );
    assertEquals([code, stdout], [0, '["grün = 1","",null]']);
  });
});

describe("the process's identity", () => {
  it("has the id that the runtime tells", () => {
    assertStrictEquals(getpid(), process.pid);
    assertStrictEquals(hostName(), execFileSync("uname", ["-n"], { encoding: "utf8" }).trimEnd());
  });

  it("is not raised above that of whoever started it", () => {
    assertStrictEquals(isSetuid(), false);
  });
});

describe("kill and sigqueue", () => {
  it("answer 0 for signal 0 to ourselves, which sends nothing", () => {
    assertStrictEquals(kill(getpid(), 0), 0);
    assertStrictEquals(sigqueue(getpid(), 0, -5), os.name === "linux" ? 0 : -ENOSYS);
  });

  it("refuse a process or a signal that does not exist", () => {
    assertStrictEquals(kill(NO_PROCESS, 0), -ESRCH);
    assertStrictEquals(kill(getpid(), 9999), -EINVAL);
    if (os.name !== "linux") return;
    assertStrictEquals(sigqueue(NO_PROCESS, 0, 0), -ESRCH);
    assertStrictEquals(sigqueue(getpid(), 9999, 0), -EINVAL);
  });
});

describe("clockMs", () => {
  it("never runs backwards on the monotonic clock", () => {
    let last = clockMs(CLOCK_MONOTONIC);
    for (let round = 0; round < 1000; round++) {
      const now = clockMs(CLOCK_MONOTONIC);
      assertGreaterOrEqual(now, last);
      last = now;
    }
  });

  it("agrees with Date on the real-time clock", () => {
    const before = Date.now();
    const now = clockMs(CLOCK_REALTIME);
    const after = Date.now();
    // Date cuts off fractions; a correction of the system's clock may fall in between.
    assertGreaterOrEqual(now, before - 1000);
    assertLessOrEqual(now, after + 1000);
  });
});

describe("the limit on descriptors", () => {
  let original = 0;
  beforeEach(() => {
    original = descriptorLimit();
  });
  afterEach(() => {
    if (original !== Infinity) assertStrictEquals(setDescriptorLimit(original), 0);
  });

  it("reads back as it was set", () => {
    const lower = Math.min(original, 1024) - 1;
    assertStrictEquals(setDescriptorLimit(lower), 0);
    assertStrictEquals(descriptorLimit(), lower);
  });

  it("is never set to something smaller than what was asked for", () => {
    // Where the hard limit is lower the kernel refuses. 2^32 must not shrink to its low half, 0.
    for (const limit of [2 ** 32, 2 ** 32 + 7, Infinity]) {
      const result = setDescriptorLimit(limit);
      if (result === 0) assertStrictEquals(descriptorLimit(), Infinity);
      else assert([-EINVAL, -os.errno["EPERM"]!].includes(result), `${limit}: ${result}`);
      assertGreaterOrEqual(descriptorLimit(), original);
    }
  });
});

describe("mapped memory", () => {
  it("is zeroed, can be written, protected and given back", () => {
    const address = mapMemory(PAGE);
    assertGreaterOrEqual(address, 1);
    assertStrictEquals(address % 4096, 0);
    const bytes = new Uint8Array(runtime.viewAt(address, PAGE));
    assertStrictEquals(bytes.findIndex((byte) => byte !== 0), -1);
    bytes[PAGE - 1] = 7;
    assertStrictEquals(protectMemory(address, PAGE, PROT_READ), 0);
    assertStrictEquals(bytes[PAGE - 1], 7);
    assertStrictEquals(unmapMemory(address, PAGE), 0);
  });

  it("is refused where it makes no sense", () => {
    assertStrictEquals(mapMemory(0), -EINVAL);
    assertStrictEquals(unmapMemory(5, PAGE), -EINVAL);
    assertStrictEquals(protectMemory(5, PAGE, PROT_READ), -EINVAL);
    if (os.name === "linux") assertStrictEquals(protectMemory(0, PAGE, PROT_READ), -ENOMEM);
  });
});

describe("sigaction", () => {
  it("tells the previous disposition, and takes it back", () => {
    const size = os.structs.sigaction.size;
    const before = allocate(size), ignored = allocate(size), previous = allocate(size);
    new DataView(ignored.buffer).setBigUint64(os.structs.sigaction.fields.handler.offset, 1n, true);
    assertStrictEquals(sigaction(SIGUSR2, ignored, before), 0);
    // SIG_IGN is 1 on every system: the signal below would end this process otherwise.
    assertStrictEquals(kill(getpid(), SIGUSR2), 0);
    assertStrictEquals(sigaction(SIGUSR2, before, previous), 0);
    const { handler } = os.structs.sigaction.fields;
    assertStrictEquals(new DataView(previous.buffer).getBigUint64(handler.offset, true), 1n);
  });

  it("refuses a signal that cannot be caught", () => {
    const size = os.structs.sigaction.size;
    assertStrictEquals(sigaction(SIGKILL, allocate(size), allocate(size)), -EINVAL);
    assertStrictEquals(sigaction(9999, allocate(size), allocate(size)), -EINVAL);
  });
});
