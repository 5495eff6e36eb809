/**
 * Feeds mutated input to whatever eats bytes, the same input again in other pieces, and compares. Runs are seeded, so that what has
 * failed once fails again: the message holds the input.
 *
 * To cover another parser, give {@linkcode fuzz} its seeds, words that mean something to it, and a function that writes down what it says
 * about some pieces.
 */
import { assert, assertStrictEquals } from "@std/assert";
import process from "node:process";

/** A source of numbers that gives the same ones for the same seed (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e37_79b9) | 1;
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.floor(((x >>> 0) / 0x1_0000_0000) * limit);
  }

  /** One of several. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** What is fuzzed. Texts have one byte per character. */
export interface FuzzTarget {
  /** Good input, to begin with. */
  readonly seeds: readonly string[];
  /** Pieces of input that mean something, to put in somewhere. */
  readonly words: readonly string[];
  /**
   * Everything that was learned from these pieces. It must not depend on where they were cut, must not throw, and should check
   * that no more was done than the bytes are worth.
   */
  readonly transcript: (pieces: readonly Uint8Array[]) => string;
}

const LONGEST = 2000;

/** How much is tried: 1 on every run, more where `EVBASE_TESTS` is "full". */
export const fuzzEffort: number = process.env["EVBASE_TESTS"] === "full" ? 10 : 1;

/** `text` with one to four things changed. */
export function mutated(random: Random, text: string, { seeds, words }: Pick<FuzzTarget, "seeds" | "words">): string {
  let result = text;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(result.length + 1);
    const until = Math.min(result.length, at + random.below(random.below(3) === 0 ? 40 : 4));
    const before = result.slice(0, at);
    const after = result.slice(until);
    switch (random.below(7)) {
      case 0:
        result = before + String.fromCharCode(random.below(256)) + result.slice(at + 1);
        break;
      case 1:
        result = before + after;
        break;
      case 2:
        result = before + result.slice(at, until).repeat(2 + random.below(8)) + after;
        break;
      case 3:
        result = before + random.pick(words) + result.slice(at);
        break;
      case 4:
        result = before + random.pick(words) + after;
        break;
      case 5:
        result = before + random.pick(seeds);
        break;
      default:
        result = before + random.pick(words).repeat(1 + random.below(60)) + result.slice(at);
    }
  }
  return result.slice(0, LONGEST);
}

/** The bytes in pieces that are cut anywhere, empty ones among them. */
function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const longest = 1 + random.below(64);
  for (let at = 0; at < bytes.length;) {
    const length = random.below(longest + 1);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function singleBytes(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}

/** Tries `rounds` mutated inputs; each has to give one transcript, in one piece, in random pieces and byte by byte. */
export function fuzz(target: FuzzTarget, seed: number, rounds: number): void {
  const random = new Random(seed);
  // What was mutated is mutated again, so that changes add up; the good seeds come back often enough to stay near what is accepted.
  const pool = [...target.seeds];
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const text = mutated(random, random.pick(random.below(4) === 0 ? pool : target.seeds), target);
    const bytes = bytesOf(text);
    const whole = transcriptOf(target, [bytes], text);
    assertStrictEquals(transcriptOf(target, cut(random, bytes), text), whole, `in pieces: ${JSON.stringify(text)}`);
    if (round % 4 === 0) {
      assertStrictEquals(
        transcriptOf(target, singleBytes(bytes), text),
        whole,
        `byte by byte: ${JSON.stringify(text)}`,
      );
    }
    if (seen.has(whole)) continue;
    seen.add(whole);
    if (pool.length < 500) pool.push(text);
    else pool[random.below(pool.length)] = text;
  }
  // Fuzzing that always sees the same is broken.
  assert(seen.size > rounds / 20, `only ${seen.size} different transcripts in ${rounds} rounds`);
}

function transcriptOf(target: FuzzTarget, pieces: readonly Uint8Array[], text: string): string {
  try {
    return target.transcript(pieces);
  } catch (error) {
    throw new Error(`Fuzzing failed with ${JSON.stringify(text)}`, { cause: error });
  }
}

/** Tries `rounds` mutated texts on what takes them whole; `check` throws where something is wrong. */
export function fuzzText(
  { seeds, words }: Pick<FuzzTarget, "seeds" | "words">,
  seed: number,
  rounds: number,
  check: (text: string) => void,
): void {
  const random = new Random(seed);
  for (let round = 0; round < rounds; round++) {
    const text = mutated(random, random.pick(seeds), { seeds, words });
    try {
      check(text);
    } catch (error) {
      throw new Error(`Fuzzing failed with ${JSON.stringify(text)}: ${error}`, { cause: error });
    }
  }
}
