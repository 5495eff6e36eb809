/** What a backend finds ready, in a form that tests can compare. */
import { assertGreaterOrEqual } from "@std/assert";
import { type Backend, INTEREST_CLOSED, INTEREST_READ, INTEREST_WRITE } from "../../src/backends/mod.ts";
import { os } from "../../src/ffi/mod.ts";

const BITS = INTEREST_READ | INTEREST_WRITE | INTEREST_CLOSED;

/** One wait: every ready descriptor with its bits. kqueue reports each direction by itself; here they are together. */
export function ready(backend: Backend, timeoutMs: number = 0): Map<number, number> {
  let count: number;
  // A runtime may interrupt its own threads at any time, to collect garbage for one.
  do count = backend.wait(timeoutMs); while (count === -os.errno["EINTR"]!);
  assertGreaterOrEqual(count, 0);
  const found = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const fd = backend.fdAt(index);
    found.set(fd, (found.get(fd) ?? 0) | (backend.eventsAt(index) & BITS));
  }
  return found;
}

/** One wait: the bits of `fd`, 0 when it is not ready. */
export function readiness(backend: Backend, fd: number, timeoutMs: number = 0): number {
  return ready(backend, timeoutMs).get(fd) ?? 0;
}
