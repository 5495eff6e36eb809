/** Buffers beside the simplest thing that could be one, and every operation as something that can be done to both. */
import { assert, assertEquals } from "@std/assert";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { type FileMode, FileSegment } from "../../src/core/file_segment.ts";

/** A small generator with a fixed seed (xorshift, 32 bits), so that a failure can be repeated. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Bytes as text, one character each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** The reverse of {@linkcode latin1}. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** A buffer and its model: a string with one character per byte, and another that says which of them belong to a file. */
export class Pair {
  readonly buffer: EvBuffer;
  text = "";
  /** One character per byte: `f` for those that belong to a file, `m` for those in memory. */
  kinds = "";
  isFrontFrozen = false;
  isBackFrozen = false;
  /** Calls of the callback since the last look, and what they told in all. */
  calls = 0;
  added = 0;
  deleted = 0;
  expectedAdded = 0;
  expectedDeleted = 0;
  readonly isDeferred: boolean;

  constructor(pool: ChunkPool, base: EventBase | null) {
    this.buffer = new EvBuffer({ pool });
    this.isDeferred = base !== null;
    this.buffer.addCallback((buffer, { originalLength, added, deleted }) => {
      assertEquals(buffer.length, originalLength + added - deleted);
      this.calls++;
      this.added += added;
      this.deleted += deleted;
    });
    if (base !== null) this.buffer.deferCallbacks(base);
  }

  append(text: string, kinds: string = "m".repeat(text.length)): void {
    this.text += text;
    this.kinds += kinds;
    this.expectedAdded += text.length;
  }

  prepend(text: string, kinds: string = "m".repeat(text.length)): void {
    this.text = text + this.text;
    this.kinds = kinds + this.kinds;
    this.expectedAdded += text.length;
  }

  /** Takes bytes off the front; returns them. */
  shift(count: number): { text: string; kinds: string } {
    const taken = { text: this.text.slice(0, count), kinds: this.kinds.slice(0, count) };
    this.text = this.text.slice(count);
    this.kinds = this.kinds.slice(count);
    this.expectedDeleted += taken.text.length;
    return taken;
  }

  /** Whether one of these bytes belongs to a file. */
  hasFile(from = 0, to: number = this.text.length): boolean {
    return this.kinds.slice(from, to).includes("f");
  }
}

/** An end of a buffer that an operation needs. */
export type End = readonly [Pair, "front" | "back"];

/** One thing done to a buffer. */
export interface Deed {
  /** Which ends must not be frozen. */
  readonly needs: readonly End[];
  /** Whether it looks at bytes of a file, and has to be refused for that. */
  readonly isRefused?: boolean;
  /** Does it to the buffer. */
  readonly call: () => unknown;
  /** Compares what it returned, and does it to the model. */
  readonly then?: (result: unknown) => void;
}

/** What the bytes in files and on the wire are made of: lines, and things that look like them. */
const ALPHABET = "\r\n\0abc\xff";
const SIZES = [1, 3, 10, 60, 200, 1024, 3000, 9000];
/** Length of the file behind all segments. */
const FILE_BYTES = 6000;

/** Everything a run needs: buffers, a loop, a file, a socket pair. */
export class World {
  readonly random: (below: number) => number;
  readonly pool = new ChunkPool();
  readonly base = new EventBase();
  readonly pairs: readonly Pair[];
  readonly segments: readonly FileSegment[];
  /** What the file holds. */
  readonly content: string;
  readonly fileFd: number;
  readonly ends: readonly [number, number];
  borrowed = 0;
  freed = 0;

  /** @param openFile opens a file with that content. */
  constructor(seed: number, openFile: (content: string) => number, ends: readonly [number, number]) {
    this.random = randomFrom(seed);
    // The last one hears of its changes from the loop.
    this.pairs = [0, 1, 2, 3].map((index) => new Pair(this.pool, index === 3 ? this.base : null));
    this.content = this.textOf(FILE_BYTES);
    this.fileFd = openFile(this.content);
    this.ends = ends;
    const modes: FileMode[] = ["sendfile", "mmap", "read"];
    this.segments = modes.map((mode) =>
      new FileSegment(this.fileFd, { offset: 100, length: 5000, mode, onFree: () => this.freed++ })
    );
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)]!;
  }

  /** Text of this length. */
  textOf(size: number): string {
    const piece = Array.from({ length: Math.min(size, 40) }, () => ALPHABET[this.random(ALPHABET.length)]!).join("");
    return piece.repeat(Math.ceil(size / 40)).slice(0, size);
  }

  /** Some text, mostly short. */
  someText(): string {
    return this.textOf(this.random(SIZES[this.random(this.random(6) === 0 ? 8 : 5)]!));
  }

  /** A number of bytes: often about as many as there are. */
  count({ text }: Pair): number {
    return this.random(2) === 0 ? this.random(text.length + 10) : this.random(30);
  }

  /** Another one than `pair`. */
  other(pair: Pair): Pair {
    return this.pick(this.pairs.filter((each) => each !== pair));
  }

  /** What the whole buffer holds, without changing or joining anything in it. */
  contentOf({ buffer }: Pair): string {
    using copy = new EvBuffer({ pool: this.pool });
    copy.addBufferReference(buffer);
    copy.loadFiles();
    const bytes = new Uint8Array(copy.length);
    copy.copyOut(bytes);
    return latin1(bytes);
  }

  /** Closes everything, after which nobody may hold anything. */
  close(): void {
    this.base.dispatch();
    for (const pair of this.pairs) {
      assertEquals([pair.added, pair.deleted], [pair.expectedAdded, pair.expectedDeleted]);
      assert(this.contentOf(pair) === pair.text);
      pair.buffer.close();
    }
    assertEquals(this.freed, 0);
    for (const segment of this.segments) segment.close();
    assertEquals([this.borrowed, this.freed, this.pool.bytesLent], [0, this.segments.length, 0]);
    this.base.close();
  }
}
