import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import {
  buildDnsMessage,
  DNS_FLAG_RECURSION_DESIRED,
  DNS_FLAG_RESPONSE,
  DNS_FLAG_TRUNCATED,
  type DnsMessage,
  dnsOpcode,
  dnsRcode,
  dnsRecord,
  EDNS_FLAG_DNSSEC_OK,
  EVDNS_FLAGS_AA,
  EVDNS_TYPE_A,
  parseDnsMessage,
  simpleEdns,
} from "../../src/dns/mod.ts";
import { bytes, hex } from "./message_support.ts";

const empty: DnsMessage = { id: 0, flags: 0, questions: [], answers: [], authorities: [], additionals: [] };
const question = { name: "www.ExAmple.com", type: EVDNS_TYPE_A, class: 1 };

/** A response with everything in it, from RFC 1035's own example names. */
const response = bytes(`
  1234 8580 0001 0002 0001 0002
  "www" "ExAmple" "com" 00 0001 0001
  c00c 0005 0001 00000e10 0006 "web" c010
  c02d 0001 0001 0000003c 0004 c0000201
  c010 0002 0001 00015180 0005 "ns" c010
  c04f 001c 0001 00000001 0010 20010db8000000000000000000000001
  00 0029 04d0 00 00 8000 000c 000a 0008 0102030405060708
`);

describe("a DNS message", () => {
  it("refers to nothing of the bytes that it was read from, also of a Buffer", () => {
    const read = (bytes: Uint8Array): DnsMessage => parseDnsMessage(bytes);
    const wire = Buffer.from(response);
    const message = read(wire);
    wire.fill(0);
    assertEquals(message, read(response));
  });

  it("asks as libevent's resolver does, byte for byte", () => {
    const query: DnsMessage = { ...empty, id: 0xbeef, flags: DNS_FLAG_RECURSION_DESIRED, questions: [question] };
    const wire = bytes(`beef 0100 0001 0000 0000 0000 "www" "ExAmple" "com" 00 0001 0001`);
    assertEquals(hex(buildDnsMessage(query)), hex(wire));
    const withSize = { ...query, edns: simpleEdns(1232) };
    const opt = bytes(`00 0029 04d0 00000000 0000`);
    wire[11] = 1;
    assertEquals(hex(buildDnsMessage(withSize)), hex(wire) + hex(opt));
  });

  it("is read with all sections, pointers followed, EDNS apart, and built to the same bytes", () => {
    const message = parseDnsMessage(response);
    assertEquals(message, {
      id: 0x1234,
      flags: DNS_FLAG_RESPONSE | EVDNS_FLAGS_AA | DNS_FLAG_RECURSION_DESIRED | 0x80,
      questions: [question],
      answers: [
        dnsRecord("www.ExAmple.com", 3600, { kind: "CNAME", target: "web.ExAmple.com" }),
        dnsRecord("web.ExAmple.com", 60, { kind: "A", address: "192.0.2.1" }),
      ],
      authorities: [dnsRecord("ExAmple.com", 86_400, { kind: "NS", target: "ns.ExAmple.com" })],
      additionals: [dnsRecord("ns.ExAmple.com", 1, { kind: "AAAA", address: "2001:db8::1" })],
      edns: {
        udpSize: 1232,
        version: 0,
        flags: EDNS_FLAG_DNSSEC_OK,
        extendedRcode: 0,
        options: [{ code: 10, data: bytes("0102030405060708") }],
      },
    });
    assertEquals(hex(buildDnsMessage(message)), hex(response));
  });

  it("points at the endings of earlier names, as RFC 1035 section 4.1.4 shows", () => {
    const ns = (name: string, target: string) => dnsRecord(name, 0, { kind: "NS", target });
    const answers = [ns("F.ISI.ARPA", "FOO.F.ISI.ARPA"), ns("ARPA", ".")];
    const wire = bytes(`
      0000 8000 0000 0002 0000 0000
      "F" "ISI" "ARPA" 00 0002 0001 00000000 0006 "FOO" c00c
      c012 0002 0001 00000000 0001 00
    `);
    assertEquals(hex(buildDnsMessage({ ...empty, flags: DNS_FLAG_RESPONSE, answers })), hex(wire));
    assertEquals(parseDnsMessage(wire).answers, answers);
  });

  it("does not point at a name in other letters, whose case would be lost", () => {
    const answers = [dnsRecord("www.example.com", 1, { kind: "A", address: "192.0.2.1" })];
    const built = parseDnsMessage(buildDnsMessage({ ...empty, questions: [question], answers }));
    assertStrictEquals(built.questions[0]?.name, "www.ExAmple.com");
    assertStrictEquals(built.answers[0]?.name, "www.example.com");
  });

  it("points nowhere beyond fourteen bits, and grows with what is in it", () => {
    const answers = Array.from(
      { length: 2500 },
      (_, index) => dnsRecord(`host-${index}.example.com`, 1, { kind: "A", address: "192.0.2.1" }),
    );
    const wire = buildDnsMessage({ ...empty, answers });
    // Names of seven to nine letters, a pointer, ten bytes and the address.
    assert(wire.length < 2500 * (1 + 9 + 2 + 14), `${wire.length} bytes`);
    assertEquals(parseDnsMessage(wire).answers, answers);
  });

  it("is cut to a size between two records, and says so", () => {
    const answers = Array.from(
      { length: 40 },
      (_, index) => dnsRecord(question.name, 1, { kind: "A", address: `192.0.2.${index}` }),
    );
    const message = { ...empty, flags: DNS_FLAG_RESPONSE, questions: [question], answers, edns: simpleEdns(4096) };
    const full = buildDnsMessage(message);
    for (let maxBytes = full.length; maxBytes >= 60; maxBytes--) {
      const wire = buildDnsMessage(message, { maxBytes });
      assert(wire.length <= maxBytes);
      const cut = parseDnsMessage(wire);
      assertStrictEquals((cut.flags & DNS_FLAG_TRUNCATED) !== 0, maxBytes < full.length);
      assertEquals(cut.answers, answers.slice(0, Math.floor((maxBytes - 33 - 11) / 16)));
      assertEquals(cut.edns, message.edns);
    }
    assertThrows(() => buildDnsMessage(message, { maxBytes: 40 }), RangeError, "its questions alone");
  });

  it("loses additional records by whole sets, without being called truncated", () => {
    const a = (name: string, last: number) => dnsRecord(name, 1, { kind: "A", address: `192.0.2.${last}` });
    const additionals = [a("a.example", 1), a("b.example", 2), a("b.example", 3), a("c.example", 4)];
    const full = buildDnsMessage({ ...empty, additionals });
    const kept = (maxBytes: number): number => {
      const cut = parseDnsMessage(buildDnsMessage({ ...empty, additionals }, { maxBytes }));
      assertStrictEquals(cut.flags, 0);
      return cut.additionals.length;
    };
    assertEquals([0, 1, 18, 19].map((less) => kept(full.length - less)), [4, 3, 3, 1]);
  });

  it("tells what it is for and how it ended, with the bits of EDNS", () => {
    assertStrictEquals(dnsOpcode({ flags: 5 << 11 | 0x8000 }), 5);
    assertStrictEquals(dnsRcode({ flags: 0x8003 }), 3);
    assertStrictEquals(dnsRcode({ flags: 0x8000, edns: { ...simpleEdns(512), extendedRcode: 1 } }), 16);
  });

  it("takes a TTL that would be negative for 0", () => {
    const wire = bytes(`0000 8000 0000 0001 0000 0000 00 0001 0001 80000000 0004 c0000201`);
    assertStrictEquals(parseDnsMessage(wire).answers[0]?.ttl, 0);
  });

  it("is refused to the caller who gets it wrong", () => {
    const a = dnsRecord("a", 0, { kind: "A", address: "192.0.2.1" });
    const build = (message: Partial<DnsMessage>) => () => buildDnsMessage({ ...empty, ...message });
    assertThrows(build({ id: 65_536 }), RangeError, "the id is 65536");
    assertThrows(build({ answers: [{ ...a, ttl: -1 }] }), RangeError, "the TTL is -1");
    assertThrows(build({ answers: [{ ...a, type: 28 }] }), TypeError, "a AAAA record: its data is of the kind A");
    assertThrows(build({ answers: [{ ...a, data: { kind: "A", address: "::1" } }] }), TypeError, "is no address");
    assertThrows(build({ questions: [{ ...question, name: "a..b" }] }), RangeError, "a label has 0");
    // What has failed leaves nothing behind.
    assertEquals(hex(buildDnsMessage(parseDnsMessage(response))), hex(response));
  });
});
