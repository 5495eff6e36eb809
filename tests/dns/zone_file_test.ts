import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  buildDnsMessage,
  type DnsRecord,
  dnsRecordText,
  parseDnsMessage,
  parseZoneFile,
  ZoneFileError,
} from "../../src/dns/mod.ts";
import { fuzzEffort, fuzzText } from "../support/fuzz.ts";

const lines = (text: string, origin: string = "example"): string[] =>
  parseZoneFile(text, { origin, ttl: 60 }).map(dnsRecordText);

/** The master file of RFC 1035 section 5.3, with times that fit today's reading. */
const isiEdu = `
@   IN  SOA     VENERA      Action\\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        NS      VAXA
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32
`;

describe("A zone file", () => {
  it("is read as RFC 1035 section 5.3 shows", () => {
    assertEquals(parseZoneFile(isiEdu, { origin: "ISI.EDU" }).map(dnsRecordText), [
      "ISI.EDU. 60 IN SOA VENERA.ISI.EDU. Action\\.domains.ISI.EDU. 20 7200 600 3600000 60",
      "ISI.EDU. 60 IN NS A.ISI.EDU.",
      "ISI.EDU. 60 IN NS VENERA.ISI.EDU.",
      "ISI.EDU. 60 IN NS VAXA.ISI.EDU.",
      "ISI.EDU. 60 IN MX 10 VENERA.ISI.EDU.",
      "ISI.EDU. 60 IN MX 20 VAXA.ISI.EDU.",
      "A.ISI.EDU. 60 IN A 26.3.0.103",
      "VENERA.ISI.EDU. 60 IN A 10.1.0.52",
      "VENERA.ISI.EDU. 60 IN A 128.9.0.32",
    ]);
  });

  it("has directives, TTLs and classes in either order, and times with units", () => {
    const text = `
$TTL 1h30m
a        A 192.0.2.1
b 5      A 192.0.2.1
c IN 6   A 192.0.2.1
d 7 IN   A 192.0.2.1
e in     a 192.0.2.1
$ORIGIN sub
f        A 192.0.2.1
@        A 192.0.2.1
$ORIGIN other.
g        A 192.0.2.1
h.       A 192.0.2.1
$TTL 1w
i        TYPE1 192.0.2.1`;
    assertEquals(lines(text).map((line) => line.split(" ").slice(0, 2).join(" ")), [
      "a.example. 5400",
      "b.example. 5",
      "c.example. 6",
      "d.example. 7",
      "e.example. 5400",
      "f.sub.example. 5400",
      "sub.example. 5400",
      "g.other. 5400",
      "h. 5400",
      "i.other. 604800",
    ]);
    // Without $TTL: the one before (RFC 1035), the zone's minimum for the SOA record itself.
    const records = parseZoneFile("a SOA b c 1 2 3 4 99\n NS x\n 7 NS y\n NS z");
    assertEquals(records.map(({ ttl }) => ttl), [99, 99, 7, 7]);
  });

  it("has quoted strings, escapes, comments and parentheses anywhere", () => {
    const text = `a TXT "one; (two)""adjacent" three "fo\\"ur" "" "\\000\\255" ; comment ( "
b\\.c ( ; begins
  TXT ; goes on
  x ) ; ends
"q q".x TXT a\\;b\\ c`;
    assertEquals(lines(text), [
      `a.example. 60 IN TXT "one; (two)" "adjacent" "three" "fo\\"ur" "" "\\000\\255"`,
      `b\\.c.example. 60 IN TXT "x"`,
      `q\\032q.x.example. 60 IN TXT "a;b c"`,
    ]);
    assertStrictEquals(parseZoneFile(text.replaceAll("\n", "\r\n"), { origin: "example", ttl: 60 }).length, 3);
  });

  it("knows each type that messages do, and others as bytes", () => {
    const text = `
a AAAA  2001:db8::1
a NS    ns
a PTR   host.example.net.
a DNAME other.
a SRV   0 5 5060 sip
a CAA   0 issue "ca.example; policy=ev"
a HTTPS 0 cdn.example.net.
a SVCB  1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 mandatory=alpn,port
a HTTPS 16 . alpn="h2,h3-19" ipv6hint=2001:db8::1 key667=hello\\210qoo ech=AAECAw== no-default-alpn
a SPF   "v=spf1 -all"
a TYPE731 \\# 6 abcdef (
  01 23 45 )
a A     \\# 4 c0000201
a MX    \\# 8 000a 04 61626364 00`;
    assertEquals(lines(text).map((line) => line.slice("a.example. 60 IN ".length)), [
      "AAAA 2001:db8::1",
      "NS ns.example.",
      "PTR host.example.net.",
      "DNAME other.",
      "SRV 0 5 5060 sip.example.",
      'CAA 0 issue "ca.example; policy=ev"',
      "HTTPS 0 cdn.example.net.",
      "SVCB 1 . mandatory=alpn,port alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2",
      'HTTPS 16 . alpn=h2,h3-19 no-default-alpn ech=AAECAw== ipv6hint=2001:db8::1 key667="hello\\210qoo"',
      'SPF "v=spf1 -all"',
      "TYPE731 \\# 6 abcdef012345",
      "A 192.0.2.1",
      "MX 10 abcd.",
    ]);
  });

  it("is refused with the line and a code", () => {
    const wrong: [code: string, line: number, text: string][] = [
      ["ZONE_SYNTAX", 2, `a A 192.0.2.1\nb TXT "x\n`],
      ["ZONE_SYNTAX", 1, "a TXT x\\"],
      ["ZONE_SYNTAX", 2, "\na ( A 192.0.2.1\n\n"],
      ["ZONE_SYNTAX", 1, "a ) A 192.0.2.1"],
      ["ZONE_BAD_NAME", 1, "  A 192.0.2.1"],
      ["ZONE_BAD_NAME", 1, "a..b A 192.0.2.1"],
      ["ZONE_BAD_NAME", 1, `${"a".repeat(64)} A 192.0.2.1`],
      ["ZONE_BAD_NAME", 1, "b\u00fccher A 192.0.2.1"],
      ["ZONE_BAD_TYPE", 1, "a"],
      ["ZONE_BAD_TYPE", 1, "a IN"],
      ["ZONE_BAD_TYPE", 1, "a NONSENSE x"],
      ["ZONE_BAD_TYPE", 1, "a CH TXT x"],
      ["ZONE_BAD_TYPE", 1, "a NAPTR 1 2 3"],
      ["ZONE_BAD_DATA", 1, "a A 192.0.2"],
      ["ZONE_BAD_DATA", 1, "a A 192.0.2.1 x"],
      ["ZONE_BAD_DATA", 1, "a A"],
      ["ZONE_BAD_DATA", 1, "a MX 65536 b"],
      ["ZONE_BAD_DATA", 1, "a MX b"],
      ["ZONE_BAD_DATA", 1, `a TXT ${"x".repeat(256)}`],
      ["ZONE_BAD_DATA", 1, "a TXT \\25"],
      ["ZONE_BAD_DATA", 1, "a TXT \\256"],
      ["ZONE_BAD_DATA", 1, "a SOA b c 1 2 3 4 x"],
      ["ZONE_BAD_DATA", 1, "a SVCB 1 . port=65536"],
      ["ZONE_BAD_DATA", 1, "a SVCB 1 . port=1 port=2"],
      ["ZONE_BAD_DATA", 1, "a SVCB 1 . nonsense=1"],
      ["ZONE_BAD_DATA", 1, "a SVCB 1 . alpn="],
      ["ZONE_BAD_DATA", 1, "a TYPE1 \\# 3 00"],
      ["ZONE_BAD_DATA", 1, "a A \\# 3 000000"],
      ["ZONE_BAD_DATA", 1, "a NS \\# 15 0b 6161616161616161616161 c001 00"],
      ["ZONE_BAD_DATA", 1, "a TYPE1 \\# 1 0g"],
      ["ZONE_BAD_DIRECTIVE", 1, "$INCLUDE /etc/passwd"],
      ["ZONE_BAD_DIRECTIVE", 1, "$TTL"],
      ["ZONE_BAD_TTL", 1, "$TTL x"],
    ];
    for (const [code, line, text] of wrong) {
      const error = assertThrows(
        () => parseZoneFile(text, { origin: "example", ttl: 1 }),
        ZoneFileError,
        undefined,
        text,
      );
      assertEquals([error.code, error.line], [code, line], text);
    }
    assertStrictEquals(assertThrows(() => parseZoneFile("a A 192.0.2.1"), ZoneFileError).code, "ZONE_BAD_TTL");
    assertThrows(() => parseZoneFile("", { origin: "a..b" }), RangeError);
    for (const ttl of [NaN, -1, 1.5, Infinity, 2 ** 31]) assertThrows(() => parseZoneFile("", { ttl }), RangeError);
  });

  it("is written by the text of its records, and read as them again; mutated ones too", () => {
    const seeds = [
      isiEdu,
      `$TTL 5\na TXT "x\\000" y\nb HTTPS 1 . alpn=h2 port=1\nc TYPE9 \\# 2 0001\nd CAA 0 issue "x"\ne SRV 1 2 3 f\n`,
    ];
    const words = [
      ...'()"\\;@$. \t\n\r',
      "\\000",
      "$TTL 1\n",
      "$ORIGIN a.\n",
      "A 192.0.2.1",
      "IN",
      "\\#",
      "\u00ff",
      "=",
      ",",
    ];
    let records: DnsRecord[] = [];
    let good = 0;
    fuzzText({ seeds, words }, 21, 6000 * fuzzEffort, (text) => {
      try {
        records = parseZoneFile(text, { origin: "example", ttl: 1 });
      } catch (error) {
        if (error instanceof ZoneFileError) return;
        throw error;
      }
      good++;
      assertEquals(parseZoneFile(records.map(dnsRecordText).join("\n")), records);
      const message = {
        id: 0,
        flags: 0,
        questions: [],
        answers: records,
        authorities: [],
        additionals: [],
      };
      const parsed = parseDnsMessage(buildDnsMessage(message));
      assertStrictEquals(parsed.answers.length, message.answers.length);
    });
    assert(good > 300, `${good} were good`);
  });
});
