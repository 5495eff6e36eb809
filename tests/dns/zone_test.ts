import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import {
  DNS_ERR_NOTEXIST,
  DNS_ERR_REFUSED,
  DNS_FLAG_TRUNCATED,
  dnsRcode,
  dnsRecordText,
  DnsServer,
  dnsTypeNumber,
  EVDNS_FLAGS_AA,
  Zone,
  ZoneFileError,
  zoneHandler,
} from "../../src/dns/mod.ts";
import { edns, query, UdpClient } from "./server_support.ts";

const zone = Zone.parse(`
$ORIGIN Example.org.
$TTL 1h
@         SOA   ns root 1 1d 2h 4w 5m
          NS    ns
          NS    ns.elsewhere.net.
          MX    10 mail
ns        A     192.0.2.53
          AAAA  2001:db8::53
mail      A     192.0.2.25
www       CNAME web
web       A     192.0.2.80
          10 A  192.0.2.81
          TXT   "hello"
out       CNAME www.elsewhere.net.
dangling  CNAME nothing
loop      CNAME pool
pool      CNAME loop
spiral    DNAME y.spiral
${Array.from({ length: 20 }, (_, index) => `link${index} CNAME link${index + 1}`).join("\n")}
_sip._tcp SRV   0 0 5060 web
a.b.deep  A     192.0.2.1
sub       NS    ns.sub
          NS    mail
          DS    \\# 2 0001
ns.sub    A     192.0.2.54
old       DNAME new
www.new   A     192.0.2.90
far       DNAME ${`${"x".repeat(60)}.`.repeat(3)}net.
; RFC 4592 section 2.2.1
*.wild            3600     TXT   "this is a wildcard"
*.wild            3600     MX    10 host1.wild
sub.*.wild        3600     TXT   "this is not a wildcard"
host1.wild        3600     A     192.0.2.1
_ssh._tcp.host1.wild 3600  SRV   0 0 22 host1.wild
`);

/** The answer as lines: response code with flag, then each section's records. */
function ask(name: string, type: string): string[] {
  const { rcode = 0, flags = 0, answers = [], authorities = [], additionals = [] } = zone.answer({
    name,
    type: dnsTypeNumber(type)!,
    class: 1,
  });
  return [
    `${rcode}${flags === EVDNS_FLAGS_AA ? " aa" : ""}`,
    ...answers.map((record) => `an ${dnsRecordText(record)}`),
    ...authorities.map((record) => `au ${dnsRecordText(record)}`),
    ...additionals.map((record) => `ad ${dnsRecordText(record)}`),
  ];
}

const negative = "au Example.org. 300 IN SOA ns.Example.org. root.Example.org. 1 86400 7200 2419200 300";

describe("A zone", () => {
  it("answers with a set of records, under the name it was asked by, with the least of their TTLs", () => {
    assertEquals(ask("wEb.eXample.ORG", "A"), [
      "0 aa",
      "an wEb.eXample.ORG. 10 IN A 192.0.2.80",
      "an wEb.eXample.ORG. 10 IN A 192.0.2.81",
    ]);
    assertEquals(ask("example.org", "SOA")[0], "0 aa");
  });

  it("adds the addresses of the hosts that it names, as far as they are its own", () => {
    assertEquals(ask("example.org", "NS"), [
      "0 aa",
      "an example.org. 3600 IN NS ns.Example.org.",
      "an example.org. 3600 IN NS ns.elsewhere.net.",
      "ad ns.Example.org. 3600 IN A 192.0.2.53",
      "ad ns.Example.org. 3600 IN AAAA 2001:db8::53",
    ]);
    assertEquals(ask("example.org", "MX").slice(2), ["ad mail.Example.org. 3600 IN A 192.0.2.25"]);
    assertStrictEquals(ask("_sip._tcp.example.org", "SRV").length, 4);
  });

  it("follows aliases inside, ends at those that lead outside, and in circles", () => {
    assertEquals(ask("www.example.org", "A").slice(0, 2), [
      "0 aa",
      "an www.example.org. 3600 IN CNAME web.Example.org.",
    ]);
    assertStrictEquals(ask("www.example.org", "A").length, 4);
    assertEquals(ask("www.example.org", "CNAME"), ["0 aa", "an www.example.org. 3600 IN CNAME web.Example.org."]);
    assertEquals(ask("out.example.org", "A"), ["0 aa", "an out.example.org. 3600 IN CNAME www.elsewhere.net."]);
    assertEquals(ask("loop.example.org", "A"), [
      "0 aa",
      "an loop.example.org. 3600 IN CNAME pool.Example.org.",
      "an pool.Example.org. 3600 IN CNAME loop.Example.org.",
    ]);
    assertEquals(ask("link1.example.org", "A").length, 18);
    // The DNAME record is there once, however often it redirects.
    assertEquals(ask("x.spiral.example.org", "A").slice(0, 4), [
      "0 aa",
      "an spiral.Example.org. 3600 IN DNAME y.spiral.Example.org.",
      "an x.spiral.example.org. 3600 IN CNAME x.y.spiral.Example.org.",
      "an x.y.spiral.Example.org. 3600 IN CNAME x.y.y.spiral.Example.org.",
    ]);
    assertEquals(ask("www.example.org", "MX"), [
      "0 aa",
      "an www.example.org. 3600 IN CNAME web.Example.org.",
      negative,
    ]);
    // RFC 6604: the code is about the end of the chain.
    assertEquals(ask("dangling.example.org", "A"), [
      `${DNS_ERR_NOTEXIST} aa`,
      "an dangling.example.org. 3600 IN CNAME nothing.Example.org.",
      negative,
    ]);
  });

  it("says how long to remember what is not there, and tells names without records from none", () => {
    assertEquals(ask("web.example.org", "AAAA"), ["0 aa", negative]);
    assertEquals(ask("b.deep.example.org", "A"), ["0 aa", negative]);
    assertEquals(ask("deep.example.org", "A"), ["0 aa", negative]);
    assertEquals(ask("x.deep.example.org", "A"), [`${DNS_ERR_NOTEXIST} aa`, negative]);
    assertEquals(ask("nothing.example.org", "A"), [`${DNS_ERR_NOTEXIST} aa`, negative]);
  });

  it("makes names up below a wildcard, as RFC 4592 section 2.2.1 shows", () => {
    assertEquals(ask("host3.wild.example.org", "MX").slice(0, 2), [
      "0 aa",
      "an host3.wild.example.org. 3600 IN MX 10 host1.wild.Example.org.",
    ]);
    assertEquals(ask("host3.wild.example.org", "A"), ["0 aa", negative]);
    assertEquals(ask("foo.bar.wild.example.org", "TXT").slice(1), [
      'an foo.bar.wild.example.org. 3600 IN TXT "this is a wildcard"',
    ]);
    assertEquals(ask("host1.wild.example.org", "MX"), ["0 aa", negative]);
    assertEquals(ask("sub.*.wild.example.org", "MX"), ["0 aa", negative]);
    assertEquals(ask("_telnet._tcp.host1.wild.example.org", "SRV")[0], `${DNS_ERR_NOTEXIST} aa`);
    assertEquals(ask("ghost.*.wild.example.org", "MX")[0], `${DNS_ERR_NOTEXIST} aa`);
  });

  it("refers to those who are responsible for what was delegated, with their addresses", () => {
    const referral = [
      "0",
      "au sub.Example.org. 3600 IN NS ns.sub.Example.org.",
      "au sub.Example.org. 3600 IN NS mail.Example.org.",
      "ad ns.sub.Example.org. 3600 IN A 192.0.2.54",
      "ad mail.Example.org. 3600 IN A 192.0.2.25",
    ];
    assertEquals(ask("x.sub.example.org", "A"), referral);
    assertEquals(ask("sub.example.org", "NS"), referral);
    assertEquals(ask("ns.sub.example.org", "A"), referral);
    // What is about the cut itself is on this side (RFC 4035 section 3.1.4.1).
    assertEquals(ask("sub.example.org", "DS"), ["0 aa", "an sub.example.org. 3600 IN DS \\# 2 0001"]);
  });

  it("redirects what is below a DNAME record, unless that gets too long (RFC 6672)", () => {
    assertEquals(ask("www.old.example.org", "A"), [
      "0 aa",
      "an old.Example.org. 3600 IN DNAME new.Example.org.",
      "an www.old.example.org. 3600 IN CNAME www.new.Example.org.",
      "an www.new.Example.org. 3600 IN A 192.0.2.90",
    ]);
    assertEquals(ask("old.example.org", "A"), ["0 aa", negative]);
    assertEquals(ask(`${"y".repeat(63)}.${"y".repeat(20)}.far.example.org`, "A").length, 2);
    assertEquals(ask(`${"y".repeat(63)}.${"y".repeat(20)}.far.example.org`, "A")[0], "6 aa");
  });

  it("answers a question for all types with one set (RFC 8482), and refuses what it is not asked about", () => {
    assertEquals(ask("web.example.org", "ANY").length, 3);
    assertEquals(ask("www.example.org", "ANY").length, 2);
    assertEquals(ask("example.com", "A"), [`${DNS_ERR_REFUSED}`]);
    assertEquals(ask("badexample.org", "A"), [`${DNS_ERR_REFUSED}`]);
    for (const type of ["AXFR", "IXFR", "OPT", "TSIG"]) assertEquals(ask("example.org", type), [`${DNS_ERR_REFUSED}`]);
    assertEquals(zone.answer({ name: "example.org", type: 1, class: 3 }), { rcode: DNS_ERR_REFUSED });
  });

  it("has each record once, and as many of a name and type as there are", () => {
    const addresses = Array.from({ length: 20_000 }, (_, index) => `a AAAA 2001:db8::${index.toString(16)}`);
    const text = ["@ SOA a b 1 2 3 4 5", "a MX 1 B", "A mx 1 b", "a TXT x", 'a TXT "x"', "a TXT X", ...addresses];
    const started = performance.now();
    const large = Zone.parse(text.join("\n"), { origin: "example", ttl: 60 });
    const count = (type: string): number | undefined =>
      large.answer({ name: "a.example", type: dnsTypeNumber(type)!, class: 1 }).answers?.length;
    assertEquals([count("MX"), count("TXT"), count("AAAA")], [1, 2, 20_000]);
    assert(performance.now() - started < 10_000);
  });

  it("may have signatures beside an alias (RFC 4034 section 3)", () => {
    const text = "@ SOA a b 1 2 3 4 5\nx CNAME y\nx RRSIG \\# 1 00\nx NSEC \\# 1 00\n";
    const signed = Zone.parse(text, { origin: "example", ttl: 60 });
    const kinds = (type: string): number[] | undefined =>
      signed.answer({ name: "x.example", type: dnsTypeNumber(type)!, class: 1 }).answers?.map(({ type }) => type);
    assertEquals([kinds("A"), kinds("RRSIG"), kinds("NSEC")], [[5], [46], [47]]);
  });

  it("is refused when it is none", () => {
    const soa = "@ 60 SOA a b 1 2 3 4 5\n";
    const wrong = [
      "",
      soa + soa,
      `${soa}other. A 192.0.2.1`,
      `${soa}x A 192.0.2.1\nx CNAME y`,
      `${soa}x CNAME y\nx CNAME z`,
      `${soa}x CNAME y\nx RRSIG \\# 1 00\nx A 192.0.2.1`,
      `${soa}x DNAME y\nx DNAME z`,
    ];
    for (const text of wrong) {
      const error = assertThrows(() => Zone.parse(text, { origin: "example" }), ZoneFileError, undefined, text);
      assertEquals([error.code, error.line], ["ZONE_BAD_CONTENT", 0]);
    }
    // The root is a zone as well.
    const root = Zone.parse(`${soa}* A 192.0.2.1`);
    assertEquals(root.answer({ name: "a.b", type: 1, class: 1 }).answers?.length, 1);
  });

  it("says that a referral was cut where it loses addresses that cannot be found otherwise (RFC 9471)", () => {
    const servers = Array.from({ length: 13 }, (_, index) =>
      `sub NS ns${index}.sub\nns${index}.sub A 192.0.2.${index}
ns${index}.sub AAAA 2001:db8::${index}\nout NS ns${index}.sub`);
    const large = Zone.parse(`@ 60 SOA a b 1 2 3 4 5\n${servers.join("\n")}\n`, { origin: "example" });
    using base = new EventBase();
    using server = new DnsServer(base, {}, zoneHandler([large]));
    const { port } = server.listen({ port: 0 });
    using client = new UdpClient(base, port);
    const cut = client.ask(query("www.sub.example"));
    assertEquals([cut.authorities.length, cut.flags & DNS_FLAG_TRUNCATED], [13, DNS_FLAG_TRUNCATED]);
    assert(cut.additionals.length > 0 && cut.additionals.length < 26, `${cut.additionals.length}`);
    // Those of a server elsewhere can be looked up.
    const other = client.ask(query("www.out.example"));
    assertEquals([other.authorities.length, other.flags & DNS_FLAG_TRUNCATED], [13, 0]);
    const whole = client.ask(query("www.sub.example", "A", { edns: edns(1232) }));
    assertEquals([whole.additionals.length, whole.flags & DNS_FLAG_TRUNCATED], [26, 0]);
  });

  it("asked for DS at its own name, leaves the answer to the zone above, where that is served too", () => {
    const inner = Zone.parse("@ 60 SOA a b 1 2 3 4 5", { origin: "sub.example.org" });
    using base = new EventBase();
    using server = new DnsServer(base, {}, zoneHandler([zone, inner]));
    using client = new UdpClient(base, server.listen({ port: 0 }).port);
    assertEquals(client.ask(query("sub.example.org", "DS")).answers.length, 1);
    assertEquals(client.ask(query("sub.example.org", "SOA")).answers.length, 1);
    using lone = new DnsServer(base, {}, zoneHandler([inner]));
    using other = new UdpClient(base, lone.listen({ port: 0 }).port);
    const reply = other.ask(query("sub.example.org", "DS"));
    assertEquals([dnsRcode(reply), reply.answers.length, reply.authorities.length], [0, 0, 1]);
  });

  it("is served beside others, the closest one answering", () => {
    const inner = Zone.parse("@ 60 SOA a b 1 2 3 4 5\n* A 198.51.100.1", { origin: "sub.example.org" });
    using base = new EventBase();
    using server = new DnsServer(base, {}, zoneHandler([zone, inner]));
    using client = new UdpClient(base, server.listen({ port: 0 }).port);
    assertEquals(client.ask(query("x.sub.example.org")).answers.map(dnsRecordText), [
      "x.sub.example.org. 60 IN A 198.51.100.1",
    ]);
    const reply = client.ask(query("web.example.org"));
    assertEquals([reply.answers.length, reply.flags & (EVDNS_FLAGS_AA | DNS_FLAG_TRUNCATED)], [2, EVDNS_FLAGS_AA]);
    assertStrictEquals(dnsRcode(client.ask(query("example.net"))), DNS_ERR_REFUSED);
  });
});
