/** Mutated DNS messages: nothing is thrown but DnsMessageError, time is bounded, and what was read is written to what is read the same. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { buildDnsMessage, DnsMessageError, isSameDnsName, normalDnsName, parseDnsMessage } from "../../src/dns/mod.ts";
import { fuzzEffort, fuzzText, mutated, Random } from "../support/fuzz.ts";
import { bytes, hex } from "./message_support.ts";

function textOf(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const head = `"www" "ExAmple" "com" 00 0001 0001`;
const seeds = [
  `beef 0100 0001 0000 0000 0001 ${head} 00 0029 04d0 00000000 0000`,
  `1234 8580 0001 0002 0001 0002 ${head} c00c 0005 0001 00000e10 0006 "web" c010 c02d 0001 0001 0000003c 0004 c0000201
   c010 0002 0001 00015180 0005 "ns" c010 c04f 001c 0001 00000001 0010 20010db8000000000000000000000001
   00 0029 04d0 00008000 000c 000a 0008 0102030405060708`,
  `0001 8180 0001 0001 0000 0000 ${head} c00c 0006 0001 00000001 001a "a" c010 c010 00000001 00000002 00000003 00000004 00000005`,
  `0001 8180 0001 0001 0000 0000 ${head} c00c 0041 0001 00000001 0012 0001 "f" 00 0001 0003 "h2" 0004 0004 c0000201`,
  `0001 8180 0001 0003 0000 0000 ${head} c00c 0010 0001 00000001 0006 "abc" "d" c00c 0021 0001 00000001 000a 0001 0002 0003 "b" c010
   c00c 0101 0001 00000001 0008 00 "issue" 61`,
  `0001 8180 0000 0001 0000 0000 00 f234 0003 00000001 0003 c00c00`,
].map((text) => textOf(bytes(text)));

const words = [
  "\xc0\x0c",
  "\xc0\x00",
  "\xff\xff",
  "\x00",
  "\x00\x00\x01\x00\x01",
  "\x3f",
  "\x40",
  "\x80",
  "\x01a",
  `\x3f${"x".repeat(63)}`,
  "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00",
  "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x7f\x00\x00\x01",
  "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x01\x00\x02\xc0\x0c",
];

/** The message, or the code it is refused with. */
function read(data: Uint8Array): ReturnType<typeof parseDnsMessage> | string {
  try {
    return parseDnsMessage(data);
  } catch (error) {
    if (error instanceof DnsMessageError) return error.code;
    throw error;
  }
}

describe("Fuzzing finds no DNS message", () => {
  it("that is read with another error, or changed by being built again", () => {
    const verdicts = new Map<string, number>();
    fuzzText({ seeds, words }, 11, 20_000 * fuzzEffort, (text) => {
      const message = read(bytesOf(text));
      const verdict = typeof message === "string" ? message : "good";
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      if (typeof message === "string") return;
      const built = buildDnsMessage(message);
      assertEquals(parseDnsMessage(built), message);
      assertEquals(hex(buildDnsMessage(parseDnsMessage(built))), hex(built));
      // A cut one is a message as well.
      const cut = parseDnsMessage(buildDnsMessage({ ...message, questions: [] }, { maxBytes: 512 }));
      assert(cut.answers.length <= message.answers.length);
    });
    // Fuzzing that sees one side only is broken.
    assert((verdicts.get("good") ?? 0) > 200, JSON.stringify([...verdicts]));
    assert(verdicts.size >= 7, JSON.stringify([...verdicts]));
  });

  it("whose names have a text that means another name", () => {
    const random = new Random(12);
    for (let round = 0; round < 4000 * fuzzEffort; round++) {
      const message = read(bytesOf(mutated(random, random.pick(seeds), { seeds, words })));
      if (typeof message === "string") continue;
      for (const { name } of [...message.questions, ...message.answers]) {
        const normal = normalDnsName(name);
        assertEquals(normalDnsName(normal), normal);
        assert(isSameDnsName(name, normal));
        assert(/^[!-~]+$/.test(name), name);
      }
    }
  });

  it("that takes longer than its length is worth", () => {
    const random = new Random(13);
    const started = performance.now();
    for (let round = 0; round < 40 * fuzzEffort; round++) {
      const data = new Uint8Array(65_535);
      const word = bytesOf(random.pick(words) + random.pick(words));
      for (let at = 0; at + word.length <= data.length; at += word.length) data.set(word, at);
      data.set(bytesOf(random.pick(seeds)).subarray(0, 12 + random.below(30)));
      data.set([0xff, 0xff, 0xff, 0xff], 4);
      read(data);
    }
    // A quadratic reader takes minutes; the limit leaves a loaded machine a hundredfold.
    assert(performance.now() - started < 30_000 * fuzzEffort);
  });
});
