import { allocate, os, select } from "../ffi/mod.ts";
import { type Backend, FEATURE_ANY_DESCRIPTOR, INTEREST_READ, INTEREST_WRITE, TIMEOUT_MS_MAX } from "./backend.ts";
import { HangUpProbe } from "./hang_up_probe.ts";

/** macOS's plain `select` stops at FD_SETSIZE; elsewhere the kernel reads as many bits as it is told to. */
const DESCRIPTOR_LIMIT = os.name === "darwin" ? 1024 : Infinity;
const BITS_FIRST = 1024;
/**
 * While somebody waits to write, hang-ups are looked for that `select` does not tell of: whenever it has found nothing else, at least once in so
 * many milliseconds, and where it always finds something once in so many waits.
 */
const PROBE_MS = 500;
const PROBE_WAITS = 256;

/** One growable fd_set: descriptor n is bit `n & 7` of byte `n >> 3`, on every system we support. */
class DescriptorSet {
  /** What is watched. */
  wanted: Uint8Array = allocate(BITS_FIRST / 8);
  /** What the kernel overwrites. */
  ready: Uint8Array = allocate(BITS_FIRST / 8);

  grow(bytes: number): void {
    const larger = allocate(bytes);
    larger.set(this.wanted);
    this.wanted = larger;
    this.ready = allocate(bytes);
  }

  assign(fd: number, on: boolean): void {
    const mask = 1 << (fd & 7);
    if (on) this.wanted[fd >> 3]! |= mask;
    else this.wanted[fd >> 3]! &= ~mask;
  }
}

/**
 * `select(2)`, the oldest interface. Its sets grow past the traditional 1,024 descriptors where the system allows that;
 * where it does not (macOS), watching a larger one is refused.
 */
export class SelectBackend implements Backend {
  /** As {@linkcode Backend.name}. */
  readonly name = "select";
  /** As {@linkcode Backend.features}. */
  readonly features: number = FEATURE_ANY_DESCRIPTOR;
  /** As {@linkcode Backend.waitFd}. */
  readonly waitFd: number = -1;
  /** As {@linkcode Backend.reportsOnce}. */
  readonly reportsOnce: boolean = true;

  readonly #reads = new DescriptorSet();
  readonly #writes = new DescriptorSet();
  readonly #timeout: Uint8Array = allocate(os.structs.timeval.size);
  readonly #timeoutWords: Int32Array = new Int32Array(this.#timeout.buffer as ArrayBuffer);
  // Above the largest descriptor watched, by a byte's bits at most; never shrinks below what is still watched.
  #limit = 0;
  // How many descriptors are watched for room to write, and how many waits have not looked for their hang-ups.
  #writeCount = 0;
  #unprobedWaits = 0;
  readonly #probe = new HangUpProbe();
  #fds: Int32Array = new Int32Array(64);
  #masks: Uint8Array = new Uint8Array(64);
  // How many reports there are, and which of them is the first.
  #filled = 0;
  #first = 0;

  /** As {@linkcode Backend.watch}. */
  watch(fd: number, before: number, after: number): number {
    if (before === after) return 0;
    if (fd >= DESCRIPTOR_LIMIT) {
      throw new RangeError(
        `Cannot watch descriptor ${fd} with select: it reaches ${
          DESCRIPTOR_LIMIT - 1
        } on this system; use kqueue or poll`,
      );
    }
    const bytes = this.#reads.wanted.length;
    if (fd >= bytes * 8) {
      const needed = Math.max(bytes * 2, ((fd >> 6) + 1) * 8);
      this.#reads.grow(needed);
      this.#writes.grow(needed);
    }
    this.#writeCount += Number((after & INTEREST_WRITE) !== 0) - Number((before & INTEREST_WRITE) !== 0);
    this.#reads.assign(fd, (after & INTEREST_READ) !== 0);
    this.#writes.assign(fd, (after & INTEREST_WRITE) !== 0);
    if ((after & (INTEREST_READ | INTEREST_WRITE)) !== 0) this.#limit = Math.max(this.#limit, fd + 1);
    else if (fd >> 3 === (this.#limit - 1) >> 3) this.#lowerLimit();
    return 0;
  }

  /** As {@linkcode Backend.wait}. */
  wait(timeoutMs: number): number {
    const used = (this.#limit + 63) >> 6 << 3;
    if (this.#writeCount === 0) return this.#select(timeoutMs, used);
    const isDue = ++this.#unprobedWaits === PROBE_WAITS;
    const hungUp = isDue ? this.#collectHangUps(used) : 0;
    if (hungUp > 0) return hungUp;
    const result = this.#select(timeoutMs < 0 || timeoutMs > PROBE_MS ? PROBE_MS : timeoutMs, used);
    return result === 0 ? this.#collectHangUps(used) : result;
  }

  #select(timeoutMs: number, used: number): number {
    copyBytes(this.#reads, used);
    copyBytes(this.#writes, used);
    let timeout: Uint8Array | null = null;
    if (timeoutMs >= 0) {
      const microseconds = Math.ceil(Math.min(timeoutMs, TIMEOUT_MS_MAX) * 1000);
      this.#timeoutWords[0] = Math.floor(microseconds / 1e6);
      this.#timeoutWords[2] = microseconds % 1e6;
      timeout = this.#timeout;
    }
    const result = select(this.#limit, this.#reads.ready, this.#writes.ready, null, timeout);
    return result <= 0 ? result : this.#collect(result, used);
  }

  /**
   * Lists what is ready, to be read from a random one of them on, so that one busy descriptor is not always served before the
   * others. A random start among all numbers would hardly ever lie between neighbours, and so keep most of them in order.
   */
  #collect(bits: number, used: number): number {
    if (bits > this.#fds.length) {
      this.#fds = new Int32Array(bits * 2);
      this.#masks = new Uint8Array(bits * 2);
    }
    const reads = this.#reads.ready, writes = this.#writes.ready;
    let filled = 0;
    for (let at = 0; at < used && bits > 0; at++) {
      const readable = reads[at]!, writable = writes[at]!;
      for (let either = readable | writable, bit = 0; either !== 0; either >>= 1, bit++) {
        if ((either & 1) === 0) continue;
        const canRead = (readable >> bit) & 1, canWrite = (writable >> bit) & 1;
        this.#fds[filled] = at * 8 + bit;
        this.#masks[filled++] = canRead * INTEREST_READ | canWrite * INTEREST_WRITE;
        bits -= canRead + canWrite;
      }
    }
    this.#filled = filled;
    this.#first = Math.floor(Math.random() * filled);
    return filled;
  }

  /** Lists what has hung up while somebody waits to write, as ready for that: then writing says so. */
  #collectHangUps(used: number): number {
    this.#unprobedWaits = 0;
    const count = this.#probe.find(this.#writes.wanted, used);
    if (count > this.#fds.length) {
      this.#fds = new Int32Array(count * 2);
      this.#masks = new Uint8Array(count * 2);
    }
    this.#fds.set(this.#probe.found.subarray(0, count));
    this.#masks.fill(INTEREST_WRITE, 0, count);
    this.#filled = count;
    this.#first = 0;
    return count;
  }

  /** Where the report that is `index` behind the first one stands. */
  #placeOf(index: number): number {
    const place = this.#first + index;
    return place < this.#filled ? place : place - this.#filled;
  }

  /** As {@linkcode Backend.fdAt}. */
  fdAt(index: number): number {
    return this.#fds[this.#placeOf(index)]!;
  }

  /** As {@linkcode Backend.eventsAt}. */
  eventsAt(index: number): number {
    return this.#masks[this.#placeOf(index)]!;
  }

  /** As {@linkcode Backend.close}. */
  close(): void {
    this.#limit = 0;
  }

  #lowerLimit(): void {
    let byte = (this.#limit - 1) >> 3;
    while (byte >= 0 && (this.#reads.wanted[byte]! | this.#writes.wanted[byte]!) === 0) byte--;
    this.#limit = (byte + 1) * 8;
  }
}

function copyBytes(set: DescriptorSet, length: number): void {
  const { wanted, ready } = set;
  for (let i = 0; i < length; i++) ready[i] = wanted[i]!;
}
