import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { buildDnsMessage, DnsServer, EventBase, parseDnsMessage, Zone, zoneHandler } from "../../mod.ts";
import { PlainQuery } from "../../src/dns/plain_query.ts";
import { WireAnswers } from "../../src/dns/wire_answers.ts";
import { Random } from "../support/fuzz.ts";
import { edns, query, TcpClient, UdpClient } from "./server_support.ts";

const texts = Array.from({ length: 20 }, (_, index) => `big TXT "${index}${"x".repeat(100)}"`).join("\n");
const ZONE = `
$TTL 60
@ SOA ns root 1 1d 2h 4w 5m
  NS  ns
  MX  10 mail
  A   192.0.2.1
ns A 192.0.2.53
mail A 192.0.2.25
  AAAA 2001:db8::25
www CNAME mail
many A 192.0.2.1
many A 192.0.2.2
many 30 A 192.0.2.3
*.wild A 192.0.2.9
text TXT "one" "two"
${texts}
`;
const names = ["", "ns.", "mail.", "www.", "many.", "a.wild.", "b.wild.", "text.", "big.", "none.", "wild."];
const types = ["A", "AAAA", "TXT", "MX", "NS", "SOA", "CNAME", "ANY"];

function inAnyCase(random: Random, text: string): string {
  return [...text].map((letter) => random.below(2) === 0 ? letter.toUpperCase() : letter).join("");
}

describe("Answers that are known as bytes", () => {
  it("are those of the zone, byte for byte", () => {
    using base = new EventBase();
    const zone = Zone.parse(ZONE, { origin: "example.org" });
    const plainHandler = zoneHandler([Zone.parse(ZONE, { origin: "example.org" })]);
    using learning = new DnsServer(base, {}, zoneHandler([zone]));
    using other = new DnsServer(base, {}, (request) => void plainHandler(request));
    using one = new UdpClient(base, learning.listen({ port: 0 }).port);
    using two = new UdpClient(base, other.listen({ port: 0 }).port);
    const random = new Random(3);
    const seen = new Set<number>();
    for (let round = 0; round < 800; round++) {
      const name = inAnyCase(random, `${random.pick(names)}example.org`);
      const sizes = [undefined, edns(512), edns(1232, { flags: 0x8000 }), edns(4096, { flags: 0x0fff })];
      const flags = random.pick([0, 0x0100, 0x0110, 0x0010, 0x0020]);
      const asked = query(name, random.pick(types), { id: random.below(0x1_0000), flags, edns: random.pick(sizes) });
      const rest = random.below(20) === 0
        ? { questions: [{ ...asked.questions[0]!, class: random.pick([3, 255]) }] }
        : {};
      const count = one.replies.length;
      one.ask({ ...asked, ...rest });
      two.ask({ ...asked, ...rest });
      assertEquals(one.replies[count], two.replies[count], JSON.stringify(asked));
      seen.add(one.replies[count]![3]! & 15 | (one.replies[count]![2]! & 2) << 4);
    }
    assert(seen.size >= 3, "answers, cut ones and those that say no");
    assertEquals(learning.counts, other.counts);
  });

  it("come over TCP as well", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, zoneHandler([Zone.parse(ZONE, { origin: "example.org" })]));
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    using tcp = new TcpClient(base, port);
    assert((udp.ask(query("big.example.org", "TXT")).flags & 0x0200) !== 0);
    for (let round = 0; round < 3; round++) {
      assertStrictEquals(tcp.ask(query("big.example.org", "TXT")).answers.length, 20);
      assertStrictEquals(udp.ask(query("big.example.org", "TXT")).answers.length, 4);
    }
  });

  it("are found by the name whatever its letters, and by the type", () => {
    const known = new WireAnswers();
    const into = new Uint8Array(512);
    const read = (name: string, type: string): PlainQuery => {
      const bytes = buildDnsMessage(query(name, type));
      return PlainQuery.read(bytes, bytes.length)!;
    };
    const record = (name: string, index: number) =>
      ({ name, type: 1, class: 1, ttl: 5, data: { kind: "A", address: `192.0.2.${index}` } }) as const;
    for (let index = 0; index < 100; index++) known.add(read(`n${index}.test`, "A"), [record(`n${index}.test`, index)]);
    for (let index = 0; index < 100; index++) {
      const asked = read(`N${index}.TesT`, "A");
      const length = known.write(asked, into, 512, 1232);
      const { questions, answers } = parseDnsMessage(into.subarray(0, length));
      assertEquals([questions[0]!.name, answers[0]!.name], [`N${index}.TesT`, `N${index}.TesT`]);
      assertEquals(answers[0]!.data, { kind: "A", address: `192.0.2.${index}` });
      assertStrictEquals(known.write(asked, into, length - 1, 1232), 0);
      assertStrictEquals(known.write(read(`n${index}.test`, "AAAA"), into, 512, 1232), 0);
      assertStrictEquals(known.write(read(`n${index}.tes`, "A"), into, 512, 1232), 0);
    }
    assertStrictEquals(known.write(read("n100.test", "A"), into, 512, 1232), 0);
    known.add(read("N7.test", "A"), [record("n7.test", 1)]);
    assertStrictEquals(known.count, 100);
  });
});
