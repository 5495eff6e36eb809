/**
 * Time that passes only when somebody waits for it, as in runner.c: the clock is read and backends sleep through here. No verdict then
 * depends on how busy the machine is, and an hour passes in no time.
 */
import type { Backend } from "../../src/backends/mod.ts";
import { sys } from "../../src/ffi/libc.ts";

/** What the clock shows at the start, in milliseconds. */
const START_MS = 1_000_000;

/** What the kernel reported in one wait. */
export interface Ready {
  readonly fd: number;
  readonly bits: number;
}

/** Who wants to know about waits. */
export interface Waiting {
  /** A wait has ended with `ready`; it may still be reordered. */
  waited(ready: readonly Ready[]): void;
  /** Nothing is ready and nothing ever will be. */
  stuck(): void;
}

/** The clock of one scenario. */
export class VirtualTime {
  /** Milliseconds since the scenario began. */
  elapsedMs = 0;

  /** Runs `body` with every reading of a clock answered by this one. */
  during<T>(body: () => T): T {
    const calls = sys as { clock_gettime: (clock: number, time: Uint8Array) => number };
    const real = calls.clock_gettime;
    calls.clock_gettime = (_clock, time) => {
      const words = new Uint32Array(time.buffer);
      const nowMs = START_MS + this.elapsedMs;
      words[0] = Math.floor(nowMs / 1000);
      words[1] = 0;
      words[2] = Math.round(nowMs % 1000 * 1e6);
      words[3] = 0;
      return 0;
    };
    try {
      return body();
    } finally {
      calls.clock_gettime = real;
    }
  }

  /**
   * Makes `backend` never sleep: where nothing is ready, the time passes at once. Its reports come in C's order, which is that of the
   * descriptors' numbers for select, of its slots for poll, and the kernel's own for epoll. kqueue, which tells of both directions of a
   * descriptor apart, is brought into select's shape.
   */
  govern(backend: Backend, waiting: Waiting): Backend {
    const wait = backend.wait.bind(backend),
      fdAt = backend.fdAt.bind(backend),
      eventsAt = backend.eventsAt.bind(backend);
    const slots = backend.name === "poll" ? followSlots(backend) : undefined;
    let ready: Ready[] = [];
    backend.wait = (timeoutMs) => {
      const count = wait(0);
      ready = Array.from({ length: Math.max(0, count) }, (_, index) => ({ fd: fdAt(index), bits: eventsAt(index) }));
      if (backend.name === "kqueue") ready = mergeDirections(ready);
      if (slots !== undefined) ready.sort((a, b) => slots.indexOf(a.fd) - slots.indexOf(b.fd));
      else if (backend.name === "select" || backend.name === "kqueue") ready.sort((a, b) => a.fd - b.fd);
      if (count === 0) {
        if (timeoutMs > 0) this.elapsedMs += Math.ceil(timeoutMs);
        if (timeoutMs < 0) waiting.stuck();
      }
      waiting.waited(ready);
      return count < 0 ? count : ready.length;
    };
    backend.fdAt = (index) => ready[index]!.fd;
    backend.eventsAt = (index) => ready[index]!.bits;
    return backend;
  }
}

function mergeDirections(ready: readonly Ready[]): Ready[] {
  const bits = new Map<number, number>();
  for (const each of ready) bits.set(each.fd, (bits.get(each.fd) ?? 0) | each.bits);
  return [...bits].map(([fd, both]) => ({ fd, bits: both }));
}

/** Keeps the order that poll's slots have: a new descriptor goes to the end, and the last one takes the place of one that leaves. */
function followSlots(backend: Backend): number[] {
  const slots: number[] = [];
  const watch = backend.watch.bind(backend);
  backend.watch = (fd, before, after) => {
    const at = slots.indexOf(fd);
    if (after !== 0 && at < 0) slots.push(fd);
    if (after === 0 && at >= 0) {
      const last = slots.pop()!;
      if (last !== fd) slots[at] = last;
    }
    return watch(fd, before, after);
  };
  return slots;
}
