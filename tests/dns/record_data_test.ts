import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  buildDnsMessage,
  dnsClassName,
  dnsClassNumber,
  type DnsData,
  type DnsMessage,
  dnsRcodeName,
  dnsRecord,
  dnsTypeName,
  dnsTypeNumber,
  parseDnsMessage,
} from "../../src/dns/mod.ts";
import { bytes, hex } from "./message_support.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function messageOf(type: number, recordClass: number, data: DnsData): DnsMessage {
  const answers = [{ name: "a.example", type, class: recordClass, ttl: 5, data }];
  return { id: 0, flags: 0x8000, questions: [], answers, authorities: [], additionals: [], edns: undefined };
}

function wireOf(type: number, recordClass: number, rdata: string): Uint8Array {
  const data = bytes(rdata);
  const head = bytes(`0000 8000 0000 0001 0000 0000 "a" "example" 00`);
  const fields = [
    type >> 8,
    type & 255,
    recordClass >> 8,
    recordClass & 255,
    0,
    0,
    0,
    5,
    data.length >> 8,
    data.length & 255,
  ];
  return Uint8Array.from([...head, ...fields, ...data]);
}

/** Checks that the data is read from, and written to, these bytes. */
function assertBothWays(type: number, rdata: string, data: DnsData, recordClass: number = 1): void {
  const wire = wireOf(type, recordClass, rdata);
  assertEquals(parseDnsMessage(wire), messageOf(type, recordClass, data));
  assertEquals(hex(buildDnsMessage(messageOf(type, recordClass, data))), hex(wire));
}

describe("the data of a DNS record", () => {
  it("of RFC 1035's types has names that are compressed, both ways", () => {
    assertBothWays(2, `"ns" c00c`, { kind: "NS", target: "ns.a.example" });
    assertBothWays(5, "c00c", { kind: "CNAME", target: "a.example" });
    assertBothWays(12, `"b" c00e`, { kind: "PTR", target: "b.example" });
    assertBothWays(15, `000a "mail" c00e`, { kind: "MX", preference: 10, exchange: "mail.example" });
    assertBothWays(6, `"ns" c00c "root" c00e 00000001 00000002 00000003 00000004 ffffffff`, {
      kind: "SOA",
      primary: "ns.a.example",
      mailbox: "root.example",
      serial: 1,
      refresh: 2,
      retry: 3,
      expire: 4,
      minimum: 0xffff_ffff,
    });
  });

  it("of later types has names that are written out, and read compressed too (RFC 3597 section 4)", () => {
    const srv: DnsData = { kind: "SRV", priority: 1, weight: 2, port: 8080, target: "b.example" };
    assertBothWays(33, `0001 0002 1f90 "b" "example" 00`, srv);
    assertEquals(parseDnsMessage(wireOf(33, 1, `0001 0002 1f90 "b" c00e`)).answers[0]?.data, srv);
    assertBothWays(39, `"b" "example" 00`, { kind: "DNAME", target: "b.example" });
  });

  it("holds addresses, strings and authorities", () => {
    assertBothWays(1, "c0000201", { kind: "A", address: "192.0.2.1" });
    assertBothWays(28, "20010db8 00000000 00000000 00000001", { kind: "AAAA", address: "2001:db8::1" });
    assertBothWays(28, "00000000 00000000 0000ffff c0000201", { kind: "AAAA", address: "::ffff:192.0.2.1" });
    assertBothWays(16, `"v=spf1" 00 01ff`, { kind: "TXT", strings: [text("v=spf1"), text(""), Uint8Array.of(255)] });
    assertBothWays(99, `"x"`, { kind: "SPF", strings: [text("x")] });
    // RFC 8659 section 4.1.1.
    const value = text("ca1.example.net");
    assertBothWays(257, `00 "issue" 636131 2e 6578616d706c65 2e 6e6574`, {
      kind: "CAA",
      flags: 0,
      tag: "issue",
      value,
    });
  });

  it("of services is as RFC 9460 appendix D shows", () => {
    assertBothWays(65, `0000 "foo" "example" "com" 00`, {
      kind: "HTTPS",
      priority: 0,
      target: "foo.example.com",
      params: [],
    });
    assertBothWays(64, "0001 00", { kind: "SVCB", priority: 1, target: ".", params: [] });
    assertBothWays(64, `0010 "foo" "example" "com" 00 0003 0002 0035`, {
      kind: "SVCB",
      priority: 16,
      target: "foo.example.com",
      params: [{ key: 3, value: bytes("0035") }],
    });
    assertBothWays(64, `0001 "foo" "example" "com" 00 029b 0005 68656c6c6f`, {
      kind: "SVCB",
      priority: 1,
      target: "foo.example.com",
      params: [{ key: 667, value: text("hello") }],
    });
    const alpn = `0010 "foo" "example" "org" 00 0000 0004 0001 0004 0001 0009 "h2" "h3-19" 0004 0004 c0000201`;
    assertBothWays(64, alpn, {
      kind: "SVCB",
      priority: 16,
      target: "foo.example.org",
      params: [
        { key: 0, value: bytes("0001 0004") },
        { key: 1, value: bytes(`"h2" "h3-19"`) },
        { key: 4, value: bytes("c0000201") },
      ],
    });
  });

  it("of an unknown type, or of the internet's types in another class, is bytes (RFC 3597)", () => {
    assertBothWays(62_347, "c00c 00", { kind: "unknown", bytes: bytes("c00c00") });
    assertBothWays(1, `"x" c00e 0001`, { kind: "unknown", bytes: bytes(`"x" c00e 0001`) }, 3);
    assertBothWays(16, `"9.9.9"`, { kind: "TXT", strings: [text("9.9.9")] }, 3);
    // RFC 2136 section 2.5.2 deletes a set of records so.
    assertBothWays(1, "", { kind: "unknown", bytes: bytes("") }, 255);
  });

  it("is refused to the caller where it cannot be written", () => {
    const mx = { kind: "MX", preference: 1, exchange: "b" } as const;
    const wrong: DnsData[] = [
      { ...mx, preference: 65_536 },
      { ...mx, exchange: "b..c" },
      { kind: "TXT", strings: [] },
      { kind: "TXT", strings: [new Uint8Array(256)] },
      { kind: "CAA", flags: 0, tag: "a b", value: text("") },
      { kind: "CAA", flags: 256, tag: "a", value: text("") },
      { kind: "SRV", priority: 0, weight: -1, port: 0, target: "." },
      { kind: "SVCB", priority: 1, target: ".", params: [{ key: 2, value: text("") }, { key: 2, value: text("") }] },
      { kind: "SOA", primary: ".", mailbox: ".", serial: 2 ** 32, refresh: 0, retry: 0, expire: 0, minimum: 0 },
    ];
    for (const data of wrong) {
      const message = { ...messageOf(1, 1, mx), answers: [dnsRecord("a", 0, data)] };
      assertThrows(() => buildDnsMessage(message), RangeError, undefined, data.kind);
    }
    assertThrows(() => dnsRecord("a", 0, { kind: "unknown", bytes: text("") }), TypeError);
    const huge = messageOf(62_347, 1, { kind: "unknown", bytes: new Uint8Array(65_536) });
    assertThrows(() => buildDnsMessage(huge), RangeError, "the length of data");
  });
});

describe("the names of DNS numbers", () => {
  it("of types and classes are known both ways, numbers among them", () => {
    assertEquals([1, 28, 257, 65, 1234].map(dnsTypeName), ["A", "AAAA", "CAA", "HTTPS", "TYPE1234"]);
    assertEquals(["a", "Aaaa", "CAA", "TYPE1234", "type65535"].map(dnsTypeNumber), [1, 28, 257, 1234, 65_535]);
    for (const wrong of ["", "B", "TYPE", "TYPE65536", "TYPE-1", "constructor", "__PROTO__"]) {
      assertEquals(dnsTypeNumber(wrong), undefined);
    }
    assertEquals([1, 3, 77].map(dnsClassName), ["IN", "CH", "CLASS77"]);
    assertEquals(["in", "CLASS77", "X"].map(dnsClassNumber), [1, 77, undefined]);
  });

  it("of response codes are the usual ones", () => {
    assertEquals([0, 1, 2, 3, 4, 5, 9, 16, 23].map(dnsRcodeName), [
      "NOERROR",
      "FORMERR",
      "SERVFAIL",
      "NXDOMAIN",
      "NOTIMP",
      "REFUSED",
      "NOTAUTH",
      "BADVERS",
      "RCODE23",
    ]);
  });
});
