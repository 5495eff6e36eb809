/** Mutated tagged data: nothing is thrown but TagError, and what was read is written to what is read the same. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import { TagError, TagReader } from "../../src/rpc/mod.ts";
import { fuzz, fuzzEffort, fuzzText } from "../support/fuzz.ts";
import { fullLetter, Letter, shortLetter } from "./letter.ts";
import { bytes, hex } from "./tag_support.ts";

function textOf(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const seeds = [
  textOf(Letter.marshal(fullLetter())),
  textOf(Letter.marshal(shortLetter())),
  textOf(Letter.marshal({ ...shortLetter(), duel: { weapon: "", call: "x", rounds: [] } })),
  textOf(bytes('01 05 "niels" 03 03 343210 05 09 f88776655443322110 02 04 014021a7')),
];

const words = [
  "\x01\x01a",
  "\x02\x01b",
  "\x03\x00",
  "\x04\x00",
  "\x04\x10\x10",
  "\x07\x00",
  "\xa1\x82\x04\x01x",
  "\xff\xff\xff\xff\x0f",
  "\xff\xff\xff\xff\x1f",
  "\x7f\xff\xff\xff\xf0",
  "\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0",
  "\x80",
  "\x00",
  "\x03\x10\x18" + "y".repeat(24),
];

function verdictOf<T>(read: () => T): T | TagError {
  try {
    return read();
  } catch (error) {
    if (error instanceof TagError) return error;
    throw error;
  }
}

describe("Fuzzing finds no tagged data", () => {
  it("that a structure refuses with another error, or that changes by being marshalled again", () => {
    const verdicts = new Map<string, number>();
    fuzzText({ seeds, words }, 21, 20_000 * fuzzEffort, (text) => {
      const letter = verdictOf(() => Letter.unmarshal(bytesOf(text)));
      const verdict = letter instanceof TagError ? letter.code : "good";
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      if (letter instanceof TagError) return;
      const again = Letter.marshal(letter);
      assertEquals(Letter.unmarshal(again), letter);
      assertStrictEquals(hex(Letter.marshal(Letter.unmarshal(again))), hex(again));
    });
    // Fuzzing that sees one side only is broken.
    assert((verdicts.get("good") ?? 0) > 200, JSON.stringify([...verdicts]));
    assert(verdicts.size >= 8, JSON.stringify([...verdicts]));
  });

  it("whose records depend on how a buffer holds it", () => {
    fuzz({ seeds, words, transcript }, 22, 1500 * fuzzEffort);
  });
});

/** Tries everything on each record, then goes on behind it. */
function transcript(pieces: readonly Uint8Array[]): string {
  const buffer = new EvBuffer();
  for (const piece of pieces) if (piece.length > 0) buffer.addReference(piece.slice());
  const reader = new TagReader(buffer);
  const said: string[] = [];
  const say = (what: unknown): void => {
    said.push(what instanceof TagError ? what.code : what instanceof Uint8Array ? hex(what) : String(what));
  };
  for (;;) {
    const before = reader.length;
    const header = verdictOf(() => reader.peekHeader());
    if (header instanceof TagError) {
      say(header);
      say(verdictOf(() => reader.peekTag()));
      break;
    }
    const { tag } = header;
    say(`${tag} ${header.length} ${reader.peekLength()}`);
    say(verdictOf(() => reader.int(tag + 1)));
    // What fits takes the record; what does not leaves it to the next.
    const readers: readonly (() => unknown)[] = [
      () => reader.timeval(tag).microseconds,
      () => reader.int(tag),
      () => reader.int64(tag),
      () => reader.string(tag),
      () => reader.bytes(tag),
    ];
    const taken = readers.some((read) => {
      const value = verdictOf(read);
      say(value);
      assert(!(value instanceof TagError) || reader.length === before);
      return !(value instanceof TagError);
    });
    if (!taken) break;
    assert(before - reader.length >= 2);
  }
  buffer.close();
  return said.join("\n");
}
