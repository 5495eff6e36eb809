import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import {
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "../../src/core/evbuffer_search.ts";

/** A small generator with a fixed seed (xorshift, 32 bits), so that a failure can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const endings: Record<EolStyle, RegExp> = {
  [EVBUFFER_EOL_ANY]: /[\r\n]+/,
  [EVBUFFER_EOL_CRLF]: /\r?\n/,
  [EVBUFFER_EOL_CRLF_STRICT]: /\r\n/,
  [EVBUFFER_EOL_LF]: /\n/,
  [EVBUFFER_EOL_NUL]: /\0/,
};

/** A buffer beside the simplest thing that could be one: a string with one Latin-1 character per byte. */
class Pair {
  readonly buffer: EvBuffer;
  text = "";
  changes = 0;
  expectedChanges = 0;

  constructor(pool: ChunkPool) {
    this.buffer = new EvBuffer({ pool });
    this.buffer.addCallback((buffer, { originalLength, added, deleted }) => {
      assertEquals(buffer.length, originalLength + added - deleted);
      this.changes += added - deleted;
    });
  }

  set(text: string): void {
    this.expectedChanges += text.length - this.text.length;
    this.text = text;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

const alphabet = "\r\n\0abc\xff";

function run(seed: number, steps: number): void {
  const random = randomFrom(seed);
  const pool = new ChunkPool();
  const pairs = [new Pair(pool), new Pair(pool)];
  let borrowed = 0;
  const sizes = [1, 3, 10, 200, 1024, 5000, 20_000, 70_000];
  const randomText = (): string => {
    const size = random(sizes[random(random(8) === 0 ? 8 : 5)]!);
    const piece = Array.from({ length: Math.min(size, 50) }, () => alphabet[random(alphabet.length)]!).join("");
    return piece.repeat(Math.ceil(size / 50)).slice(0, size);
  };
  for (let step = 0; step < steps; step++) {
    const pair = pairs[random(2)]!;
    const other = pairs[0] === pair ? pairs[1]! : pairs[0]!;
    const { buffer, text } = pair;
    const operation = random(20);
    const count = random(2) === 0 ? random(text.length + 10) : random(30);
    const context = `seed ${seed}, step ${step}, operation ${operation}`;
    if (text.length > 200_000) {
      buffer.drain(150_000);
      pair.set(text.slice(150_000));
    } else if (operation < 2) {
      const data = randomText();
      buffer.add(bytesOf(data));
      pair.set(text + data);
    } else if (operation === 2) {
      const data = randomText();
      buffer.addLatin1(data);
      pair.set(text + data);
    } else if (operation === 3) {
      const data = randomText();
      buffer.add(data);
      pair.set(text + latin1(new TextEncoder().encode(data)));
    } else if (operation === 4) {
      const data = randomText();
      buffer.prepend(bytesOf(data));
      pair.set(data + text);
    } else if (operation === 5) {
      const data = randomText();
      borrowed++;
      buffer.addReference(bytesOf(data), (memory) => {
        // What an owner may do with memory that was given back; nobody may still look at it.
        memory.fill(0x2a);
        borrowed--;
      });
      pair.set(text + data);
    } else if (operation === 6) {
      assertEquals(buffer.drain(count), Math.min(count, text.length), context);
      pair.set(text.slice(count));
    } else if (operation === 7) {
      assertEquals(latin1(buffer.take(count)), text.slice(0, count), context);
      pair.set(text.slice(count));
    } else if (operation === 8) {
      const target = new Uint8Array(count);
      const from = random(text.length + 3);
      const copied = buffer.copyOut(target, from);
      assertEquals(latin1(target.subarray(0, copied)), text.slice(from, from + count), context);
    } else if (operation === 9) {
      const all = random(3) === 0;
      const view = buffer.pullup(all ? -1 : count);
      const expected = all ? text : count > text.length ? "" : text.slice(0, count);
      assertEquals(view === null ? "" : latin1(view), expected, context);
    } else if (operation === 10) {
      const from = random(text.length + 3);
      assertEquals(buffer.peek(count, from).map(latin1).join(""), text.slice(from, from + count), context);
    } else if (operation === 11) {
      const style = random(5) as EolStyle;
      const match = endings[style].exec(text);
      const line = buffer.readLineBytes(style);
      assertEquals(line === null ? null : latin1(line), match === null ? null : text.slice(0, match.index), context);
      if (match !== null) pair.set(text.slice(match.index + match[0].length));
    } else if (operation === 12) {
      const at = random(text.length + 1);
      const needle = random(2) === 0 ? text.slice(at, at + random(8)) : randomText().slice(0, random(6));
      const [from, to] = [random(text.length + 1), random(text.length + 20)];
      const expected = text.slice(0, to).indexOf(needle, from);
      assertEquals(buffer.searchRange(bytesOf(needle), from, to), from > to ? -1 : expected, context);
    } else if (operation === 13) {
      const byte = alphabet.charCodeAt(random(alphabet.length));
      const from = random(text.length + 1);
      assertEquals(buffer.indexOf(byte, from), text.indexOf(String.fromCharCode(byte), from), context);
    } else if (operation === 14) {
      buffer.addBuffer(other.buffer);
      pair.set(text + other.text);
      other.set("");
    } else if (operation === 15) {
      buffer.prependBuffer(other.buffer);
      pair.set(other.text + text);
      other.set("");
    } else if (operation === 16) {
      assertEquals(buffer.removeBuffer(other.buffer, count), Math.min(count, text.length), context);
      other.set(other.text + text.slice(0, count));
      pair.set(text.slice(count));
    } else if (operation === 17) {
      const data = randomText();
      const extents = buffer.reserve(data.length + random(100), 1 + random(2));
      let rest = bytesOf(data);
      const filled = extents.map((extent) => {
        const part = rest.subarray(0, extent.length);
        extent.set(part);
        rest = rest.subarray(part.length);
        return extent.subarray(0, part.length);
      });
      assertEquals(buffer.commit(random(2) === 0 ? filled : data.length), data.length, context);
      pair.set(text + data);
    } else if (operation === 18) {
      const data = randomText();
      const chain = buffer.reserveTail(data.length + random(50));
      chain.bytes.set(bytesOf(data), chain.end);
      buffer.commitTail(data.length);
      pair.set(text + data);
    } else {
      buffer.expand(count);
    }
    for (const { buffer, text } of pairs) {
      assertEquals(buffer.length, text.length, context);
    }
    if (step % 50 === 0) {
      assertEquals(buffer.peek().map(latin1).join("") === pair.text, true, context);
    }
  }
  for (const pair of pairs) {
    assertEquals(pair.changes, pair.expectedChanges);
    assert(latin1(pair.buffer.take()) === pair.text);
    pair.buffer.close();
  }
  assertEquals(borrowed, 0);
  assertEquals(pool.bytesLent, 0);
}

describe("EvBuffer beside a plain string", () => {
  for (const seed of [1, 20_011, 987_654_321]) {
    it(`behaves the same through 1,700 random operations from seed ${seed}`, () => run(seed, 1700));
  }
});
