import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type DnsAnswer, type DnsData, DnsError, dnsRecord } from "../../mod.ts";
import { AnswerCache } from "../../src/dns/answer_cache.ts";
import { DEFAULT_SETTINGS } from "../../src/dns/resolver_options.ts";

const A = 1;
const AAAA = 28;

function answer(name: string, ttl: number, count: number = 1): DnsAnswer {
  const records = Array.from(
    { length: count },
    (_, index) => dnsRecord(name, ttl + index, { kind: "A", address: `192.0.2.${index}` }),
  );
  const common = { name, canonicalName: name, type: A, ttl, records };
  return { ...common, isAuthentic: false, isTruncated: false, isFromCache: false };
}

/** An answer of one record with that much text. */
function longAnswer(name: string, bytes: number): DnsAnswer {
  const strings = Array.from({ length: Math.ceil(bytes / 250) }, () => new Uint8Array(250));
  return { ...answer(name, 60), records: [dnsRecord(name, 60, { kind: "TXT", strings })] };
}

describe("AnswerCache", () => {
  it("gives answers with what is left of their time, until it is over", () => {
    const cache = new AnswerCache();
    cache.store("Www.test", A, answer("Www.test", 10, 2), DEFAULT_SETTINGS, 1000);
    const found = cache.find("wWW.TEST", A, 4500) as DnsAnswer;
    assertEquals([found.ttl, found.isFromCache, found.records.map(({ ttl }) => ttl)], [7, true, [7, 8]]);
    assertStrictEquals(cache.find("www.test", AAAA, 4500), undefined);
    assert(cache.find("www.test", A, 10_999) !== undefined);
    assertStrictEquals(cache.find("www.test", A, 11_000), undefined);
    assertStrictEquals(cache.size, 0);
  });

  it("gives back every kind of answer as it was, but for its age", () => {
    const alone = answer("Www.test", 60);
    const [record] = alone.records;
    const six: DnsData = { kind: "AAAA", address: "2001:db8::1" };
    const kinds: readonly DnsAnswer[] = [
      alone,
      { ...alone, isAuthentic: true },
      { ...alone, type: AAAA, records: [dnsRecord("Www.test", 60, six)] },
      { ...alone, canonicalName: "alias.test" },
      { ...alone, ttl: 30 },
      { ...alone, records: [{ ...record!, name: "WWW.test" }] },
      { ...alone, records: [{ ...record!, class: 3, data: { kind: "unknown", bytes: new Uint8Array(4) } }] },
      {
        ...alone,
        type: 15,
        records: [dnsRecord("Www.test", 60, { kind: "MX", preference: 1, exchange: "mail.test" })],
      },
      { ...alone, type: 255 },
      answer("Www.test", 60, 3),
    ];
    for (const kind of kinds) {
      const cache = new AnswerCache();
      cache.store("Www.test", kind.type, kind, DEFAULT_SETTINGS, 1000.75);
      assertEquals(cache.find("www.test", kind.type, 1999), { ...kind, isFromCache: true });
      const older = kind.records.map((one) => ({ ...one, ttl: one.ttl - 2 }));
      assertEquals(cache.find("www.test", kind.type, 3000), {
        ...kind,
        records: older,
        ttl: kind.ttl - 2,
        isFromCache: true,
      });
    }
  });

  it("keeps within the limits of times", () => {
    const cache = new AnswerCache();
    const settings = { ...DEFAULT_SETTINGS, cacheTtlMin: 5, cacheTtlMax: 100, cacheNegativeTtlMax: 20 };
    cache.store("short.test", A, answer("short.test", 0), settings, 0);
    cache.store("long.test", A, answer("long.test", 1_000_000), settings, 0);
    cache.store("none.test", A, new DnsError("DNS_NODATA", "none.test", { ttl: 50 }), settings, 0);
    cache.store("fault.test", A, new DnsError("DNS_SERVFAIL", "fault.test"), settings, 0);
    cache.store("cut.test", A, { ...answer("cut.test", 50), isTruncated: true }, settings, 0);
    const known = (nowMs: number): string[] =>
      ["short", "long", "none", "fault", "cut"].filter((name) => cache.find(`${name}.test`, A, nowMs) !== undefined);
    assertEquals(known(4999), ["short", "long", "none"]);
    assertEquals(known(19_999), ["long", "none"]);
    assertEquals(known(99_999), ["long"]);
    assertEquals(known(100_000), []);
  });

  it("knows of a name that does not exist that it has no records of any type", () => {
    const cache = new AnswerCache();
    cache.store("no.test", A, new DnsError("DNS_NXDOMAIN", "no.test", { ttl: 10 }), DEFAULT_SETTINGS, 0);
    assertEquals((cache.find("no.test", AAAA, 1) as DnsError).code, "DNS_NXDOMAIN");
  });

  it("keeps what it knows of one name apart by type, in whatever order it goes", () => {
    const types = [A, AAAA, 15];
    for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]]) {
      const cache = new AnswerCache();
      for (const type of types) cache.store("a.test", type, answer("a.test", 60), DEFAULT_SETTINGS, 0);
      const left = new Set(types);
      for (const index of order) {
        cache.delete("a.test", [types[index]!]);
        left.delete(types[index]!);
        assertEquals(types.filter((type) => cache.find("a.test", type, 1) !== undefined), [...left]);
        assertStrictEquals(cache.size, left.size);
      }
    }
  });

  it("counts a long record for as many as its bytes are worth, and keeps out what is too much for it", () => {
    const cache = new AnswerCache();
    const settings = { ...DEFAULT_SETTINGS, cacheRecordsMax: 100 };
    const names = Array.from({ length: 50 }, (_, index) => `n${index}`);
    for (const name of names) cache.store(name, A, answer(name, 60), settings, 0);
    cache.store("long", A, longAnswer("long", 60_000), settings, 0);
    assertEquals([cache.find("long", A, 1), cache.size], [undefined, 50], "it would have driven out all others");
    for (const name of ["x", "y", "z"]) cache.store(name, A, longAnswer(name, 10_000), settings, 0);
    assertEquals(["x", "y", "z"].map((name) => cache.find(name, A, 1) !== undefined), [false, true, true]);
  });

  it("forgets first what was not asked for the longest, counting records", () => {
    const cache = new AnswerCache();
    const settings = { ...DEFAULT_SETTINGS, cacheRecordsMax: 10 };
    for (const name of ["a", "b", "c"]) cache.store(name, A, answer(name, 60, 3), settings, 0);
    assert(cache.find("a", A, 1) !== undefined);
    cache.store("d", A, answer("d", 60, 3), settings, 0);
    assertEquals(["a", "b", "c", "d"].map((name) => cache.find(name, A, 1) !== undefined), [true, false, true, true]);
    cache.store("e", A, answer("e", 60, 200), settings, 0);
    assertStrictEquals(cache.size, 3, "one that is larger than all has no place");
    for (let round = 0; round < 100; round++) {
      cache.store("f", A, answer("f", 60, 5), settings, round * 61_000);
      cache.store("g", A, answer("g", 60, 5), settings, round * 61_000);
      assertStrictEquals(cache.size, 2);
      if (round % 2 === 0) cache.find("f", A, round * 61_000 + 60_001);
    }
    cache.delete("f", [A]);
    assertStrictEquals(cache.size, 1);
    cache.clear();
    assertStrictEquals(cache.size, 0);
  });
});
