/** A Worker is terminated while another thread sleeps for its loop: the kernel still writes when that sleep ends. */
import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { allocate, close, fcntl, listDirectory, open, os, runtime } from "../../src/ffi/mod.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";

const { F_DUPFD_CLOEXEC, O_RDONLY } = os.constants;
const WATCHED = 255;
const PAGE_BYTES = 4096;
/** The first numbers in /proc's line of a thread that sleeps in poll or ppoll with so many descriptors. */
const SLEEPS = /^(7|271|73) 0x([0-9a-f]+) 0x100 /;

/** The content of one of the kernel's small files, "" when there is none. By our own calls, since Deno reads no such file for anybody. */
function kernelText(path: string): string {
  const fd = open(path, O_RDONLY);
  if (fd < 0) return "";
  const text = readText(fd);
  close(fd);
  return typeof text === "string" ? text : "";
}

/** Where the list lies that some thread of this process sleeps on for the Worker; undefined when none does. */
function sleptOn(): number | undefined {
  const tasks = listDirectory("/proc/self/task", 10_000);
  if (typeof tasks === "number") throw new Error(`Cannot list the threads: ${tasks}`);
  for (const { name } of tasks) {
    const match = SLEEPS.exec(kernelText(`/proc/self/task/${name}/syscall`));
    if (match !== null) return parseInt(match[2]!, 16);
  }
  return undefined;
}

async function eventually(done: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 15_000; !done(); await new Promise((resolve) => setTimeout(resolve, 2))) {
    assert(performance.now() < end, `waited too long: ${what}`);
  }
}

it(
  "a sleep that outlives its Worker writes into nobody's memory",
  { ignore: kernelText("/proc/self/syscall") === "" },
  async () => {
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    const copies = Array.from({ length: WATCHED }, () => fds.own(fcntl(near, F_DUPFD_CLOEXEC, 0)));
    const worker = new Worker(new URL("../support/sleeper_worker_thread.ts", import.meta.url).href, { type: "module" });
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message));
    });
    worker.postMessage(copies);
    await eventually(() => sleptOn() !== undefined, "the sleep");
    // Pages of its own: what Deno allocates for a buffer does not begin with a page.
    assertEquals(sleptOn()! % PAGE_BYTES, 0);
    worker.terminate();
    // Until the thread has really gone with all its memory, which shows nowhere, some of it is taken again and again.
    const taken: Uint8Array[] = [];
    for (let round = 0; round < 50; round++) {
      for (let count = 0; count < 200; count++) taken.push(allocate(8 * 256).fill(0xaa));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    // On Bun the sleep ends with the Worker that it is for; on Deno nothing ends it.
    if (runtime.name === "deno") {
      assert(sleptOn() !== undefined, "the sleep has ended, and this test has tested nothing");
    }
    writeText(far, "x");
    await eventually(() => sleptOn() === undefined, "the end of the sleep");
    assertEquals(taken.filter((bytes) => bytes.some((byte) => byte !== 0xaa)).length, 0);
  },
);
