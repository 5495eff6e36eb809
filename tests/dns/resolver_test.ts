import { assert, assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Datagram, DnsError } from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Random } from "../support/fuzz.ts";
import { bytes } from "./message_support.ts";
import { lookedUp, Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, aaaa, cname, type Script, type ScriptedQuery, ScriptedServer, soa } from "./scripted_server.ts";

const one: Script = (query) => query.answer([a("192.0.2.1")]);

/** An answer that is nothing but its head. */
function headOnly({ bytes }: ScriptedQuery, rcode: number): Uint8Array {
  return Uint8Array.of(bytes[0]!, bytes[1]!, 0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0);
}

forEachBackend((backend) => {
  const it = virtualTest.bind(null, backend);

  it("finds the records of a name, from the loop and never before", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked === "www.test A") query.answer([a("192.0.2.1"), a("192.0.2.2")]);
      else query.answer([aaaa("2001:db8::1")]);
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1 192.0.2.2");
    assertEquals(lookedUp(resolver, "WWW.test", "AAAA"), "2001:db8::1");
    assertEquals(server.asked, ["www.test A", "www.test AAAA"]);
  });

  it("follows aliases, believes only what belongs to the name, and says where they end", (base) => {
    using server = new ScriptedServer(base, (query) =>
      query.answer([
        ["elsewhere.test", 60, a("192.0.2.66")],
        ["end.test", 50, a("192.0.2.1")],
        [query.question.name, 40, cname("middle.test")],
        ["MIDDLE.test", 45, cname("end.test")],
      ]));
    using resolver = resolverFor(base, [server.address]);
    const outcomes = new Outcomes(base);
    resolver.query("www.test", "A", {}, outcomes.note);
    assertEquals(outcomes.untilThereAre(1), ["192.0.2.1"]);
    const { name, canonicalName, ttl, records } = outcomes.answers[0]!;
    assertEquals([name, canonicalName, ttl], ["www.test", "end.test", 40]);
    assertEquals(records[0]!.name, "end.test");
  });

  it("aliases that lead in a circle lead nowhere", (base) => {
    using server = new ScriptedServer(base, (query) =>
      query.answer([
        [query.question.name, 40, cname("b.test")],
        ["b.test", 40, cname("a.test")],
      ]));
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "a.test"), "DNS_BAD_ANSWER");
  });

  it("each failure has a code of its own", (base) => {
    const rcodes: Record<string, [rcode: number, code: string]> = {
      "one.test A": [1, "DNS_FORMERR"],
      "two.test A": [2, "DNS_SERVFAIL"],
      "three.test A": [3, "DNS_NXDOMAIN"],
      "four.test A": [4, "DNS_NOTIMP"],
      "five.test A": [5, "DNS_REFUSED"],
      "nine.test A": [9, "DNS_RCODE"],
      "zero.test A": [0, "DNS_NODATA"],
    };
    using server = new ScriptedServer(base, (query) => query.refuse(rcodes[query.asked]![0]));
    using resolver = resolverFor(base, [server.address]);
    for (const [asked, [rcode, code]] of Object.entries(rcodes)) {
      const outcomes = new Outcomes(base);
      resolver.query(asked.split(" ")[0]!, "A", {}, outcomes.note);
      assertEquals(outcomes.untilThereAre(1), [code]);
      assertEquals(outcomes.errors[0]!.rcode, rcode);
      assert(outcomes.errors[0] instanceof DnsError);
      assertEquals(outcomes.errors[0].host, asked.split(" ")[0]);
    }
    assertEquals(lookedUp(resolver, "a..b"), "DNS_BAD_NAME");
    assertEquals(lookedUp(resolver, ""), "DNS_BAD_NAME");
  });

  it("silence is a timeout after so many attempts, each with another id and port", (base, time) => {
    using server = new ScriptedServer(base, () => {});
    using resolver = resolverFor(base, [server.address], { timeoutMs: 1000, attempts: 3, queriesPerSocket: 1 });
    assertEquals(lookedUp(resolver, "www.test"), "DNS_TIMEOUT");
    assertEquals(server.asked, ["www.test A", "www.test A", "www.test A"]);
    assertStrictEquals(time.elapsedMs, 3000);
    const ports = server.queries.map(({ sender }) => sender.family === "ipv4" && sender.port);
    assertEquals(new Set(ports).size, 3);
    const [first, second, third] = server.queries.map(({ message }) => message.id);
    assert(first !== second || second !== third);
    // The second was without EDNS, in case something on the way does not let it through.
    assertEquals(server.queries.map(({ message }) => message.edns?.udpSize), [1232, undefined, undefined]);
  });

  it("a lost query is sent again, and a late answer is as good as any", (base, time) => {
    let held: (() => void) | undefined;
    using server = new ScriptedServer(base, (query) => {
      if (held === undefined) held = () => query.answer([a("192.0.2.7")]);
      else base.once(-1, 1, () => held!(), 500);
    });
    using resolver = resolverFor(base, [server.address], { timeoutMs: 1000 });
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.7");
    assertStrictEquals(time.elapsedMs, 1500);
  });

  it("answers with another id, from elsewhere or to another question are not believed", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const { bytes, message, question, sender } = query;
      const forged = (change: (answer: Uint8Array) => void): void => {
        const answer = bytes.slice();
        answer[2] = 0x81;
        answer[3] = 0x83;
        change(answer);
        query.send(answer);
      };
      forged((answer) => answer[0]! ^= 1);
      forged((answer) => answer[13]! ^= 3);
      forged((answer) => answer[2] = 0x01);
      forged((answer) => answer[2] = 0x89);
      forged((answer) => answer[5] = 0);
      query.send(bytes.slice(0, 11));
      query.send(new Uint8Array(0));
      assertEquals(question.type, 1);
      assert(message.id !== 0xffff);
      using other = new Datagram(base, { port: 0 }, () => {});
      const right = bytes.slice();
      right[2] = 0x81;
      right[3] = 0x83;
      other.send(right, sender);
      query.answer([a("192.0.2.1")]);
    });
    using resolver = resolverFor(base, [server.address], { ednsUdpBytes: 512 });
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(server.asked.length, 1);
  });

  it("asks in letters of random case, and does not believe others over UDP", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.overTcp) return query.answer([a("192.0.2.2")]);
      const { bytes } = query;
      const answer = bytes.slice();
      answer[2] = 0x81;
      answer[3] = 0x83;
      for (let at = 13; at < 33; at++) answer[at]! ^= 0x20;
      query.send(answer);
    });
    using resolver = resolverFor(base, [server.address], { timeoutMs: 1000 });
    const name = "abcdefghijklmnopqrst.test";
    assertEquals(lookedUp(resolver, name), "192.0.2.2");
    assertEquals(server.asked, [`${name} A`, `${name} A over TCP`]);
    // With 24 letters a name in plain case is one chance in sixteen million.
    assertNotEquals(server.queries[0]!.question.name, name);
    assertStrictEquals(server.queries[1]!.question.name, name);
  });

  it("the right answer over UDP wins over one in wrong case that came before", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const forged = query.bytes.slice();
      forged[2] = 0x81;
      forged[3] = 0x83;
      for (let at = 13; at < 33; at++) forged[at]! ^= 0x20;
      query.send(forged);
      query.answer([a("192.0.2.1")]);
    }, { tcp: false });
    using resolver = resolverFor(base, [server.address], { timeoutMs: 1000 });
    assertEquals(lookedUp(resolver, "abcdefghijklmnopqrst.test"), "192.0.2.1");
    assertEquals(server.asked.length, 1);
  });

  it("asks whether answers are authentic, and believes that they are, when it is told to and not otherwise", (base) => {
    const verified: Script = (query) => query.answer([a("192.0.2.1")], { flags: 0x81a0 });
    using server = new ScriptedServer(base, verified);
    using resolver = resolverFor(base, [server.address], { cache: false });
    const outcomes = new Outcomes(base);
    for (const [authenticData, useTcp] of [[false, false], [true, false], [true, true], [false, true]] as const) {
      resolver.setOptions({ authenticData });
      resolver.query("www.test", "A", { useTcp }, outcomes.note);
      outcomes.untilThereAre(outcomes.list.length + 1);
      assertEquals(server.queries.at(-1)!.message.flags, authenticData ? 0x120 : 0x100);
      assertEquals(outcomes.answers.at(-1)!.isAuthentic, authenticData);
    }
  });

  it("without random case names go as they are, and answers in any case will do", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const answer = query.bytes.slice();
      answer[2] = 0x81;
      answer[3] = 0x83;
      answer[13]! ^= 0x20;
      query.send(answer);
    });
    using resolver = resolverFor(base, [server.address], { randomizeCase: false, ednsUdpBytes: 512 });
    assertEquals(lookedUp(resolver, "wWw.test"), "DNS_NXDOMAIN");
    assertEquals(server.queries.map(({ question, overTcp }) => [question.name, overTcp]), [["wWw.test", false]]);
  });

  it("asks over TCP when the answer was cut, over the same connection again and again", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.overTcp) query.answer([a("192.0.2.1"), a("192.0.2.2")]);
      else query.answer([a("192.0.2.1")], { truncated: true });
    });
    using resolver = resolverFor(base, [server.address]);
    for (const name of ["a.test", "b.test"]) assertEquals(lookedUp(resolver, name), "192.0.2.1 192.0.2.2");
    assertEquals(server.asked, ["a.test A", "a.test A over TCP", "b.test A", "b.test A over TCP"]);
    assertStrictEquals(server.accepted, 1);
    assertEquals(lookedUp(resolver, "c.test", "A", { ignoreTruncation: true }), "192.0.2.1");
    assertEquals(server.asked.slice(4), ["c.test A"]);
  });

  it("a cut answer that cannot be had over TCP is an error of its own", (base) => {
    using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")], { truncated: true }), {
      tcp: false,
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "a.test"), "DNS_TRUNCATED");
  });

  it("names in an answer that point at the question come in plain letters", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const { name } = query.question;
      query.answer([[name, 60, { kind: "MX", preference: 1, exchange: `mail.${name}` }]]);
    });
    using resolver = resolverFor(base, [server.address]);
    const outcomes = new Outcomes(base);
    resolver.query("Abcdefghijklm.nopqrst.test", "MX", {}, outcomes.note);
    outcomes.untilThereAre(1);
    assertEquals(outcomes.answers[0]!.records.map(({ name, data }) => [name, data]), [
      ["Abcdefghijklm.nopqrst.test", { kind: "MX", preference: 1, exchange: "mail.Abcdefghijklm.nopqrst.test" }],
    ]);
  });

  it("does without EDNS where it is not understood, and remembers that", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.message.edns === undefined) query.answer([a("192.0.2.1")]);
      else query.refuse(query.asked.startsWith("a") ? 1 : 4);
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    assertEquals(lookedUp(resolver, "b.test"), "192.0.2.1");
    assertEquals(server.queries.map(({ message }) => message.edns !== undefined), [true, false, false]);
  });

  it("does without EDNS behind a query with it that was dropped, whichever server is next, and remembers who answers only then", (base) => {
    const drops = (query: ScriptedQuery): void => {
      if (query.message.edns === undefined) query.answer([a("192.0.2.1")]);
    };
    using one = new ScriptedServer(base, drops);
    using two = new ScriptedServer(base, drops);
    using three = new ScriptedServer(base, drops);
    using several = resolverFor(base, [one.address, two.address, three.address], { timeoutMs: 20, cache: false });
    assertEquals(lookedUp(several, "a.test"), "192.0.2.1");
    assertEquals([one, two, three].flatMap(({ queries }) => queries.map(({ message }) => message.edns !== undefined)), [
      true,
      false,
    ]);
    using alone = resolverFor(base, [three.address], { timeoutMs: 20, cache: false });
    for (const name of ["b.test", "c.test", "d.test", "e.test"]) assertEquals(lookedUp(alone, name), "192.0.2.1");
    const withEdns = three.queries.map(({ message }) => message.edns !== undefined);
    assertEquals(withEdns, [true, false, true, false, true, false, false]);
  });

  it("a refusal to read the query may come without the question", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.message.edns === undefined) return query.answer([a("192.0.2.1")]);
      query.send(headOnly(query, 1));
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
  });

  it("a server that fails may leave the question out, and the next one is asked at once", (base, time) => {
    for (const [rcode, code] of [[1, "FORMERR"], [2, "SERVFAIL"], [4, "NOTIMP"], [5, "REFUSED"]] as const) {
      for (const useTcp of [false, true]) {
        using server = new ScriptedServer(base, (query) => query.send(headOnly(query, rcode)));
        using better = new ScriptedServer(base, one);
        using resolver = resolverFor(base, [server.address], { ednsUdpBytes: 512, cache: false });
        assertEquals(lookedUp(resolver, "a.test", "A", { useTcp }), `DNS_${code}`);
        resolver.addNameserver(better.address);
        assertEquals(lookedUp(resolver, "a.test", "A", { useTcp }), "192.0.2.1");
        assertEquals([server.asked.length, better.asked.length], [2, 1]);
        assertEquals(resolver.nameservers.map(({ isDown }) => isDown), [false, false]);
      }
    }
    assertStrictEquals(time.elapsedMs, 0);
  });

  it("a failure without the question is nobody's word about the name, and comes from who was asked", (base, time) => {
    using stranger = new Datagram(base, { host: "127.0.0.1", port: 0 }, () => {});
    using server = new ScriptedServer(base, (query) => {
      // That there is no such name, or that it has nothing, needs the question; so does what is no failure that we know of.
      for (const rcode of [0, 3, 9]) query.send(headOnly(query, rcode));
      for (let at = 4; at < 10; at++) {
        // The counts of questions, answers and authorities, of which there are none.
        const counted = headOnly(query, 2);
        counted[at] = 1;
        query.send(counted);
      }
      const otherId = headOnly(query, 2);
      otherId[1]! ^= 1;
      query.send(otherId);
      const question = headOnly(query, 2);
      question[2] = 0x01;
      query.send(question);
      const otherQuestion = query.bytes.slice();
      otherQuestion.set([0x81, 0x82], 2);
      otherQuestion[13]! ^= 2;
      query.send(otherQuestion);
      for (const rcode of [1, 2, 4, 5]) stranger.send(headOnly(query, rcode), query.sender);
      query.answer([a("192.0.2.7")]);
    });
    using other = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address, other.address], { ednsUdpBytes: 512, cache: false });
    for (let count = 0; count < 3; count++) assertEquals(lookedUp(resolver, "a.test"), "192.0.2.7");
    assertEquals([server.asked.length, other.asked.length], [3, 0]);
    assertStrictEquals(time.elapsedMs, 0);
  });

  it("a malformed answer is an error, unless another server does better", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const answer = query.bytes.slice();
      answer[2] = 0x81;
      answer[7] = 9;
      query.send(answer);
    });
    using better = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "a.test"), "DNS_BAD_ANSWER");
    resolver.addNameserver(better.address);
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
  });

  it("what the caller gets wrong is thrown at once", (base) => {
    using resolver = resolverFor(base, []);
    const never = (): void => assert(false, "it was called");
    for (const type of ["NONSENSE", 0, 65_536, 1.5]) {
      assertThrows(() => resolver.query("www.test", type, {}, never), TypeError, "type");
    }
    for (const deadlineMs of [0, -1, NaN]) {
      assertThrows(() => resolver.query("www.test", "A", { deadlineMs }, never), RangeError);
      assertThrows(() => resolver.lookup("www.test", 80, { deadlineMs }, never), RangeError);
    }
    base.dispatch();
  });

  it("answers that were mutated at random are refused or read, and never more than that", (base) => {
    const random = new Random(20_261_127);
    const right = bytes(`0000 8180 0001 0003 0001 0001 "www" "test" 00 0001 0001
      c00c 0005 0001 0000003c 0006 03 656e64 c010
      c026 0001 0001 0000003c 0004 c0000201
      c026 0001 0001 0000003c 0004 c0000202
      c010 0002 0001 0000003c 0005 "ns" c010
      00 0029 04d0 00000000 0000`);
    using server = new ScriptedServer(base, (query) => {
      const answer = right.slice();
      answer.set(query.bytes.subarray(0, 2));
      // The question stays, or nothing of it would be looked at.
      answer.set(query.bytes.subarray(12, 26), 12);
      for (let count = random.below(4); count > 0; count--) {
        const at = 2 + random.below(answer.length - 2);
        if (at < 12 || at >= 26) answer[at] = random.below(256);
      }
      query.send(random.below(8) === 0 ? answer.subarray(0, random.below(answer.length)) : answer);
    });
    using resolver = resolverFor(base, [server.address], { cache: false, timeoutMs: 10, maxTimeouts: 255 });
    const outcomes = new Outcomes(base);
    for (let count = 1; count <= 300; count++) {
      resolver.query("www.test", "A", {}, outcomes.note);
      outcomes.untilThereAre(count);
    }
    assert(outcomes.list.includes("192.0.2.1 192.0.2.2"));
    assert(outcomes.errors.some(({ code }) => code === "DNS_BAD_ANSWER"));
    assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
  });

  it("many who ask the same at one time share one question, and leave it one by one", (base) => {
    const held: (() => void)[] = [];
    using server = new ScriptedServer(base, (query) => held.push(() => query.answer([a("192.0.2.1")])));
    using resolver = resolverFor(base, [server.address], { timeoutMs: 1000, attempts: 1 });
    const outcomes = new Outcomes(base);
    const requests = ["www.test", "WWW.TEST", "www.test."].map((name) => resolver.query(name, "A", {}, outcomes.note));
    base.once(-1, 1, () => {
      requests[0]!.cancel();
      requests[0]!.cancel();
      held[0]!();
    }, 100);
    assertEquals(outcomes.untilThereAre(3), ["DNS_CANCELLED", "192.0.2.1", "192.0.2.1"]);
    assertEquals(server.asked.length, 1);
    assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
  });

  it("remembers absence as long as the zone says, and answers as long as they say", (base, time) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.startsWith("no")) return query.refuse(3, { authorities: [["test", 100, soa(30)]] });
      if (query.asked.startsWith("un")) return query.refuse(3);
      query.answer([[query.question.name, 50, a("192.0.2.1")]]);
    });
    using resolver = resolverFor(base, [server.address]);
    for (const [name, seconds] of [["www.test", 50], ["no.test", 30]] as const) {
      const start = server.asked.length;
      const first = lookedUp(resolver, name);
      time.elapsedMs += seconds * 1000 - 10;
      assertEquals(lookedUp(resolver, name.toUpperCase()), first);
      assertEquals(server.asked.length, start + 1);
      time.elapsedMs += 20;
      assertEquals(lookedUp(resolver, name), first);
      assertEquals(server.asked.length, start + 2);
    }
    lookedUp(resolver, "un.test");
    lookedUp(resolver, "un.test");
    assertEquals(server.asked.slice(4), ["un.test A", "un.test A"]);
  });
});
