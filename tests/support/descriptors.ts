/** Descriptors for tests: made in one line, closed together, counted. */
import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { openFromLibc } from "../../src/ffi/libc.ts";
import { allocate, close, listDirectory, os, pipe, read, socketpair, write } from "../../src/ffi/mod.ts";

const { AF_UNIX, SOCK_STREAM } = os.constants;
const FIONREAD = os.name === "linux" ? 0x541b : 0x4004667f;
const libc = openFromLibc({ ioctl: { args: ["i32", "u32", "buffer"], result: "i32" } });

/** Two connected ends: for a pipe the reading one comes first. */
export type Pair = readonly [number, number];

/** Descriptors that are closed with it. */
export class Descriptors implements Disposable {
  readonly #open = new Set<number>();

  /** Two connected non-blocking Unix sockets. */
  socketpair(): Pair {
    const ends = new Int32Array(2);
    assertEquals(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    return [this.own(ends[0]!), this.own(ends[1]!)];
  }

  /** The two ends of a non-blocking pipe. */
  pipe(): Pair {
    const ends = new Int32Array(2);
    assertEquals(pipe(ends), 0);
    return [this.own(ends[0]!), this.own(ends[1]!)];
  }

  /** Takes `fd` on, if the call that made it has succeeded. */
  own(fd: number): number {
    assertGreaterOrEqual(fd, 0);
    this.#open.add(fd);
    return fd;
  }

  /** Leaves one of them to somebody else, who closes it; returns it. */
  release(fd: number): number {
    assertEquals(this.#open.delete(fd), true);
    return fd;
  }

  /** Closes one of them now. */
  close(fd: number): void {
    assertEquals(this.#open.delete(fd), true);
    assertEquals(close(fd), 0);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) close(fd);
    this.#open.clear();
  }
}

/** Writes `text` and expects that all of it is taken. */
export function writeText(fd: number, text: string): void {
  const bytes = allocate(text.length);
  bytes.set(new TextEncoder().encode(text));
  assertEquals(write(fd, bytes, bytes.length), bytes.length);
}

/** What there is to read, "" at the end, or `-errno`. */
export function readText(fd: number, max: number = 4096): string | number {
  const bytes = allocate(max);
  const count = read(fd, bytes, max);
  return count < 0 ? count : new TextDecoder().decode(bytes.subarray(0, count));
}

/** Writes until the other side takes no more. */
export function fill(fd: number): void {
  const bytes = allocate(65_536);
  while (write(fd, bytes, bytes.length) > 0);
}

/** Reads until there is no more; returns how many bytes that were. */
export function empty(fd: number): number {
  const bytes = allocate(65_536);
  let total = 0;
  for (let count = read(fd, bytes, bytes.length); count > 0; count = read(fd, bytes, bytes.length)) total += count;
  return total;
}

/** How many bytes can be read from `fd` now. */
export function waitingBytes(fd: number): number {
  const count = allocate(4);
  assertEquals(libc.ioctl(fd, FIONREAD, count), 0);
  return new Int32Array(count.buffer)[0]!;
}

/** How many descriptors this process has open; listing them takes one more, which is not counted. */
export function openDescriptorCount(): number {
  const entries = listDirectory(os.name === "linux" ? "/proc/self/fd" : "/dev/fd", 100_000);
  if (typeof entries === "number") throw new Error(`Cannot list the open descriptors: ${entries}`);
  return entries.length - 1;
}
