/** Mutated queries to a server: whatever comes is answered within limits, or not at all, and nothing is thrown at whoever runs the loop. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase, type SocketAddress } from "../../src/core/mod.ts";
import { buildDnsMessage, DnsMessageError, parseDnsMessage, Zone, zoneHandler } from "../../src/dns/mod.ts";
import { dnsServerLimits } from "../../src/dns/dns_server_options.ts";
import { udpAnswerBytes } from "../../src/dns/query_intake.ts";
import { type QuerySource, ServerRequests } from "../../src/dns/server_requests.ts";
import { fuzzEffort, fuzzText, Random } from "../support/fuzz.ts";
import { edns, query } from "./server_support.ts";

const zone = Zone.parse(`
$ORIGIN example.org.
$TTL 1h
@        SOA   ns root 1 1d 2h 4w 5m
         NS    ns
         MX    10 ns
ns       A     192.0.2.53
www      CNAME ns
loop     CNAME pool
pool     CNAME loop
*.wild   TXT   "made up"
many     A     192.0.2.1
${Array.from({ length: 60 }, (_, index) => `         A     192.0.2.${index + 2}`).join("\n")}
sub      NS    ns.sub
ns.sub   A     192.0.2.54
old      DNAME ${`${"x".repeat(60)}.`.repeat(3)}net.
`);

function textOf(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

const questions: [name: string, type: string][] = [
  ["www.example.org", "A"],
  ["many.example.org", "A"],
  ["loop.example.org", "AAAA"],
  ["a.b.wild.example.org", "TXT"],
  ["x.sub.example.org", "A"],
  [`${"y".repeat(63)}.old.example.org`, "A"],
  ["example.org", "ANY"],
  ["example.net", "SOA"],
];
const seeds = questions.flatMap(([name, type]) =>
  [
    query(name, type),
    query(name, type, { edns: edns(1232, { flags: 0x8000 }) }),
    query(name, type, { flags: 5 << 11, edns: edns(512, { version: 1 }) }),
  ].map((message) => textOf(buildDnsMessage(message)))
);

const words = [
  "\xc0\x0c",
  "\x00",
  "\xff\xff",
  "\x00\x00\x01\x00\x01",
  "\x01a\xc0\x0c",
  `\x3f${"\x00".repeat(63)}`,
  `\x3f${"A".repeat(63)}`,
  "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00",
  "\x00\x00\x29\x00\x0c\x00\x00\x80\x00\x00\x04\x00\x0c\x00\x00",
  "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x01\x00\x02\xc0\x0c",
  "\x07example\x03org\x00",
];

describe("Fuzzing finds no query", () => {
  it("that a server throws for, answers twice, or answers with more than its client takes", () => {
    using base = new EventBase();
    const limits = dnsServerLimits({ opcodes: [0, 4, 5] });
    const zones = [
      zoneHandler([zone]),
      zoneHandler([zone, Zone.parse("@ 60 SOA a b 1 2 3 4 5", { origin: "sub.example.org" })]),
    ];
    const random = new Random(32);
    const errors: unknown[] = [];
    const requests = new ServerRequests(
      base,
      limits,
      (request) => {
        // Each of the ways a handler has.
        if (random.below(8) === 0) request.query;
        return random.pick(zones)(request);
      },
      (error) => void errors.push(error),
      () => {},
    );
    let answered = 0;
    fuzzText({ seeds, words }, 31, 20_000 * fuzzEffort, (text) => {
      const bytes = new Uint8Array(new ArrayBuffer(text.length + random.below(20)));
      for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
      let most = -1;
      const replies: Uint8Array[] = [];
      let finished = 0;
      const source: QuerySource = {
        remoteAddress: { family: "ipv4", host: "192.0.2.9", port: 9 } satisfies SocketAddress,
        transport: random.pick(["udp", "tls"] as const),
        answerBytesMax: (udpSize) => most = udpAnswerBytes(udpSize, limits),
        keep: () => source,
        finish: (reply, length) => {
          finished++;
          if (reply !== null) replies.push(reply.slice(0, length));
          return true;
        },
      };
      requests.take(bytes, text.length, source);
      assertStrictEquals(finished, 1, "it is answered, or not, at once");
      const [reply] = replies;
      if (reply === undefined) return;
      answered++;
      assert(reply.length <= Math.max(12, most) || source.transport === "tls", `${reply.length} bytes of ${most}`);
      const message = parseDnsMessage(reply);
      assertEquals([reply[0], reply[1], reply[2]! & 0x80], [bytes[0], bytes[1], 0x80]);
      // A whole answer is for a query that can be read.
      if (reply.length > 12) assertEquals(message.questions.length, bytes[5]);
      else assert(message.answers.length === 0);
    });
    assertEquals(errors, []);
    assertEquals([requests.pendingCount, requests.counts.failed], [0, 0]);
    assert(answered > 2000, `${answered} were answered`);
    const { malformed, handled, ignored } = requests.counts;
    assert(Math.min(malformed, handled, ignored) > 100, JSON.stringify(requests.counts));
    requests.close();
  });

  it("that is understood in one way as it lies there, and in another when it is parsed", () => {
    using base = new EventBase();
    const limits = dnsServerLimits({});
    let seen: string[] = [];
    const note = (usesQuery: boolean): ServerRequests =>
      new ServerRequests(
        base,
        limits,
        (request) => {
          const { question, edns } = usesQuery
            ? { question: request.query.questions[0]!, edns: request.query.edns }
            : request;
          seen.push(JSON.stringify([question, edns?.udpSize, edns?.flags, request.opcode, request.recursionDesired]));
          request.drop();
        },
        undefined,
        () => {},
      );
    const both = [note(false), note(true)];
    const source: QuerySource = {
      remoteAddress: { family: "ipv4", host: "192.0.2.9", port: 9 },
      transport: "udp",
      answerBytesMax: () => 512,
      keep: () => source,
      finish: () => true,
    };
    let compared = 0;
    fuzzText({ seeds, words }, 33, 10_000 * fuzzEffort, (text) => {
      const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
      seen = [];
      for (const requests of both) requests.take(bytes, bytes.length, source);
      let parsed: string | undefined;
      try {
        const { flags, questions: [question, ...more], edns } = parseDnsMessage(bytes);
        const isQuery = (flags & 0xf800) === 0 && question !== undefined && more.length === 0 &&
          (edns?.version ?? 0) === 0;
        if (isQuery) parsed = JSON.stringify([question, edns?.udpSize, edns?.flags, 0, (flags & 0x100) !== 0]);
      } catch (error) {
        if (!(error instanceof DnsMessageError)) throw error;
      }
      assertEquals(seen, parsed === undefined ? [] : [parsed, parsed]);
      if (parsed !== undefined) compared++;
    });
    assert(compared > 100, `${compared} were queries`);
    for (const requests of both) requests.close();
  });
});
