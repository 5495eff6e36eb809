import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { buildDnsMessage, type DnsMessage, parseDnsMessage, simpleEdns } from "../../src/dns/mod.ts";
import { PlainQuery } from "../../src/dns/plain_query.ts";
import { Random } from "../support/fuzz.ts";

const DESIRED = 0x0100;

function query(name: string, changes: Partial<DnsMessage> = {}): Uint8Array {
  const questions = [{ name, type: 1, class: 1 }];
  return buildDnsMessage({
    id: 0x1234,
    flags: DESIRED,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
    ...changes,
  });
}

const opt = (changes: object): Partial<DnsMessage> => ({ edns: { ...simpleEdns(1232), ...changes } });
const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;

/** What is read as a plain query, in memory that holds more. */
function read(bytes: Uint8Array): PlainQuery | null {
  const memory = new Uint8Array(bytes.length + 300).fill(0xc0);
  memory.set(bytes);
  return PlainQuery.read(memory, bytes.length);
}

describe("A plain query", () => {
  it("is what a parser reads", () => {
    const plain = [
      query("www.example.org"),
      query("WwW.Example.ORG", opt({})),
      query(".", opt({ flags: 0x8000, udpSize: 4096, extendedRcode: 7 })),
      query(longest),
      query("a\\.b.\\000\\255.test"),
    ];
    for (const bytes of plain) {
      const read = PlainQuery.read(bytes, bytes.length)!;
      assertEquals(read.message(read.question()), parseDnsMessage(bytes));
    }
  });

  it("is no other", () => {
    const [record] = parseDnsMessage(query("a.test")).questions;
    const other = [
      query("a.test", { flags: 0x8000 }),
      query("a.test", { flags: 0x2000 }),
      query("a.test", { questions: [] }),
      query("a.test", { questions: [record!, record!] }),
      query("a.test", opt({ version: 1 })),
      query("a.test", opt({ options: [{ code: 10, data: new Uint8Array(8) }] })),
      query("a.test", {
        additionals: [{ name: "a", type: 1, class: 1, ttl: 1, data: { kind: "A", address: "192.0.2.1" } }],
      }),
      query("a.test").slice(0, -1),
      Uint8Array.of(...query("a.test"), 0),
      // A pointer, a label of a kind that there is not, and a name that is too long.
      Uint8Array.of(...query(".").slice(0, 12), 0xc0, 12, 0, 1, 0, 1),
      Uint8Array.of(...query(".").slice(0, 12), 0x41, 12, 0, 1, 0, 1),
      Uint8Array.of(...query(longest).slice(0, 12), 1, 97, ...query(longest).slice(12)),
    ];
    for (const bytes of other) assertStrictEquals(read(bytes), null);
  });

  it("keeps what it says when its memory is used again", () => {
    const bytes = query("www.example.org", opt({ udpSize: 4000 }));
    const expected = parseDnsMessage(bytes);
    const plain = PlainQuery.read(bytes, bytes.length)!;
    plain.keep();
    bytes.fill(0xff);
    assertEquals(plain.message(plain.question()), expected);
  });

  it("is what a parser reads, however a query was changed", () => {
    const random = new Random(7);
    const seeds = [query("www.example.org"), query("a.b.c.test", opt({})), query(longest, opt({ flags: 0x8000 }))];
    let count = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = random.pick(seeds).slice();
      for (let left = random.below(3); left >= 0; left--) bytes[random.below(bytes.length)] = random.below(256);
      const cut = random.below(8) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes;
      const plain = read(cut);
      if (plain === null) continue;
      count++;
      assertEquals(plain.message(plain.question()), parseDnsMessage(cut));
    }
    assert(count > 1000, `${count} were plain`);
  });
});
