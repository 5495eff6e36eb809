import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type DnsAnswer, type DnsData, DnsError, type DnsMessage, type DnsRecord, dnsRecord } from "../../mod.ts";
import { readAnswer } from "../../src/dns/answer.ts";
import { AnswerCache } from "../../src/dns/answer_cache.ts";
import { DEFAULT_SETTINGS } from "../../src/dns/resolver_options.ts";
import { a, cname, soa } from "./scripted_server.ts";

const A = 1, CNAME = 5, AAAA = 28;

type Line = readonly [name: string, ttl: number, data: DnsData];

function message(answers: readonly Line[], rcode: number = 0, authorities: readonly Line[] = []): DnsMessage {
  return {
    id: 1,
    flags: 0x8180 | rcode,
    questions: [],
    answers: answers.map((line) => dnsRecord(...line)),
    authorities: authorities.map((line) => dnsRecord(...line)),
    additionals: [],
  };
}

describe("what a response says", () => {
  it("about an alias of a name that does not exist is remembered no longer than the alias", () => {
    const alias: Line = ["www.test", 20, cname("gone.test")];
    for (const [rcode, code] of [[3, "DNS_NXDOMAIN"], [0, "DNS_NODATA"]] as const) {
      const error = readAnswer(message([alias], rcode, [["test", 100, soa(50)]]), "www.test", A) as DnsError;
      assertEquals([error.code, error.host, error.canonicalName, error.ttl], [code, "www.test", "gone.test", 20]);
    }
    const plain = readAnswer(message([], 3, [["test", 100, soa(50)]]), "www.test", A) as DnsError;
    assertEquals([plain.canonicalName, plain.ttl], ["www.test", 50]);
  });

  it("about an alias of a name that does not exist is no word about other types of the alias", () => {
    const cache = new AnswerCache();
    const response = message([["www.test", 20, cname("gone.test")]], 3, [["test", 100, soa(50)]]);
    cache.store("www.test", A, readAnswer(response, "www.test", A), DEFAULT_SETTINGS, 0);
    assertStrictEquals(cache.find("www.test", CNAME, 1), undefined);
    assertStrictEquals(cache.find("www.test", AAAA, 1), undefined);
    const known = cache.find("WWW.test", A, 1) as DnsError;
    assertEquals([known.code, known.host, known.canonicalName], ["DNS_NXDOMAIN", "WWW.test", "gone.test"]);
  });

  it("in another class than the internet's is not believed", () => {
    const chaos = (record: DnsRecord): DnsRecord => ({ ...record, class: 3 });
    const response = message([["www.test", 20, a("192.0.2.1")]]);
    const { code } = readAnswer({ ...response, answers: response.answers.map(chaos) }, "www.test", A) as DnsError;
    assertStrictEquals(code, "DNS_NODATA");
    const mixed = [...response.answers.map(chaos), ...response.answers];
    assertEquals((readAnswer({ ...response, answers: mixed }, "www.test", A) as DnsAnswer).records, response.answers);
  });

  it("is found behind as many aliases as there are, in any order", () => {
    for (const count of [1, 15, 16, 17, 18, 40, 2000]) {
      const chain = Array.from({ length: count }, (_, at): Line => [`C${at}.test`, 60 + at, cname(`c${at + 1}.test`)]);
      const address: Line = [`C${count}.TEST`, 20, a("192.0.2.1")];
      const other: Line = ["bank.test", 5, a("192.0.2.66")];
      for (const answers of [[...chain, other, address], [address, ...chain.toReversed(), other]]) {
        const answer = readAnswer(message(answers), "c0.test", A) as DnsAnswer;
        assertEquals([answer.canonicalName, answer.ttl], [`c${count}.test`, 20]);
        assertEquals(answer.records, [dnsRecord(`c${count}.test`, 20, a("192.0.2.1"))]);
        const missing = readAnswer(message(answers, 3), "c0.test", A) as DnsError;
        assertEquals([missing.code, missing.canonicalName], ["DNS_NXDOMAIN", `c${count}.test`]);
      }
      const none = readAnswer(message(chain), "c0.test", A) as DnsError;
      assertEquals([none.code, none.canonicalName], ["DNS_NODATA", `c${count}.test`]);
    }
  });

  it("is none where aliases lead in a circle, whatever else it says", () => {
    for (const count of [1, 2, 16, 17, 300]) {
      const circle = Array.from({ length: count }, (_, at): Line => {
        return [`c${at}.test`, 60, cname(`C${(at + 1) % count}.test`)];
      });
      for (const rcode of [0, 3]) {
        const response = message([["www.test", 60, cname("c0.test")], ...circle], rcode, [["test", 100, soa(50)]]);
        const error = readAnswer(response, "www.test", A) as DnsError;
        assertEquals([error.code, error.rcode, error.ttl], ["DNS_BAD_ANSWER", rcode, undefined]);
      }
      const { records } = readAnswer(message(circle), "c0.test", CNAME) as DnsAnswer;
      assertEquals(records, [dnsRecord("c0.test", 60, cname(`C${1 % count}.test`))]);
    }
  });

  it("is found in a time that its length is worth, where long names lead through many aliases", () => {
    const long = (index: number): string => Array.from({ length: 4 }, () => `\\${100 + index}`.repeat(60)).join(".");
    const chain = Array.from({ length: 17 }, (_, index): Line => [long(index), 60, cname(long(index + 1))]);
    const others = Array.from({ length: 4500 }, (): Line => [long(99), 60, cname("a.test")]);
    const response = message([...chain, ...others]);
    const many = Array.from({ length: 4500 }, (_, at): Line => [`c${at}.test`, 60, cname(`c${at + 1}.test`)]);
    const circle = Array.from({ length: 4500 }, (): Line => ["c0.test", 60, cname("C0.test")]);
    const started = performance.now();
    for (let round = 0; round < 5; round++) {
      assert(readAnswer(response, long(0), A) instanceof DnsError);
      assert(readAnswer(message(many), "c0.test", A) instanceof DnsError);
      assert(readAnswer(message(circle), "c0.test", A) instanceof DnsError);
    }
    assert(performance.now() - started < 5000);
  });
});
