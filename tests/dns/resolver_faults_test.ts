/** What name servers and callers do at awkward moments. */
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import {
  type DnsError,
  type DnsResolverOptions,
  EV_TIMEOUT,
  EVENT_LOG_WARN,
  type EventBase,
  EVLOOP_NONBLOCK,
  simpleEdns,
  type SystemError,
} from "../../mod.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { canFail, type Fault, withFaults } from "../support/faults.ts";
import { lookedUp, Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, type Script, type ScriptedQuery, ScriptedServer } from "./scripted_server.ts";

const one: Script = (query) => query.answer([a("192.0.2.1")]);

/** An answer that is cut in the middle of its record, with the counts of the whole, as libevent's server cuts it. */
function cutAnywhere(query: ScriptedQuery): void {
  const end = query.bytes.length - 11;
  const answer = new Uint8Array(end + 7);
  answer.set(query.bytes.subarray(0, end));
  answer.set([0x83, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
  answer.set([0xc0, 12, 0, 1, 0, 1, 0], end);
  query.send(answer);
}

const SEND_MANY = canFail("sendmmsg") ? "sendmmsg" : "sendmsg";
const canSegment = os.constants.UDP_SEGMENT !== 0;

/** Asks for ten names of one length in one turn of the loop, under faults; how many messages each call was given. */
function askTogether(base: EventBase, options: DnsResolverOptions, faults: readonly Fault[]): number[] {
  const given: number[] = [];
  const when = (_fd: number, _headers: number, count: number): boolean => {
    given.push(count);
    return false;
  };
  using server = new ScriptedServer(base, one);
  using resolver = resolverFor(base, [server.address], { cache: false, ...options });
  const names = Array.from({ length: 10 }, (_, index) => `host-${index}.test`);
  const outcomes = new Outcomes(base);
  withFaults([...faults, { call: SEND_MANY, error: "EIO", when }], () => {
    base.once(-1, EV_TIMEOUT, () => names.forEach((name) => resolver.query(name, "A", {}, outcomes.note)), 1);
    outcomes.untilThereAre(10);
  });
  assertEquals(outcomes.list, names.map(() => "192.0.2.1"));
  assertEquals(server.asked, names.map((name) => `${name} A`));
  return given;
}

forEachBackend((backend) => {
  const it = virtualTest.bind(null, backend);

  it("queries of one turn leave together, as one message where they are of one length", (base) => {
    const given = askTogether(base, {}, []);
    if (canSegment) assertEquals(given[0], 1);
    const plain = askTogether(base, { segmentation: false }, []);
    if (canSegment) assertEquals(plain[0], 10);
  });

  for (const error of ["EINVAL", "EIO", "EMSGSIZE", "EAGAIN", "ENOBUFS", "EINTR"]) {
    it(`queries that leave together are asked all the same when the first call fails with ${error}`, (base) => {
      if (!canSegment) return;
      askTogether(base, {}, [{ call: SEND_MANY, error, times: 1 }]);
    });
  }

  it("an answer that is cut in the middle of a record is asked for over TCP, or is no answer", (base) => {
    using server = new ScriptedServer(base, (query) => query.overTcp ? one(query, server) : cutAnywhere(query));
    using resolver = resolverFor(base, [server.address], { cache: false });
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(lookedUp(resolver, "www.test", "A", { ignoreTruncation: true }), "DNS_TRUNCATED");
    assertEquals(server.asked, ["www.test A", "www.test A over TCP", "www.test A"]);
  });

  it("what stands behind the last record of an answer is read over", (base) => {
    using server = new ScriptedServer(base, (query) => {
      const answer = new Uint8Array(query.bytes.length + 9);
      answer.set(query.bytes);
      answer.set([0x81, 0x80], 2);
      query.send(answer);
    });
    using resolver = resolverFor(base, [server.address], { cache: false });
    for (const useTcp of [false, true]) assertEquals(lookedUp(resolver, "www.test", "A", { useTcp }), "DNS_NODATA");
  });

  it("a refusal that comes with EDNS is none of EDNS", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.endsWith(" A")) query.answer([a("192.0.2.1")]);
      else query.refuse(4, { edns: true });
    });
    using resolver = resolverFor(base, [server.address], { cache: false });
    assertEquals(lookedUp(resolver, "www.test", "NULL"), "DNS_NOTIMP");
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(server.queries.map(({ message }) => message.edns), [simpleEdns(1232), simpleEdns(1232)]);
  });

  it("a server that was seen to know EDNS is asked with it again, whatever it refuses to read", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.endsWith(" A")) query.answer([a("192.0.2.1")], { edns: true });
      else query.refuse(1);
    });
    using resolver = resolverFor(base, [server.address], { cache: false });
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(lookedUp(resolver, "www.test", "NULL"), "DNS_FORMERR");
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(server.queries.map(({ message }) => message.edns !== undefined), [true, true, false, true]);
  });

  it("closed while the news of a name is on its way, a lookup of addresses asks for no other name", (base) => {
    const held: ScriptedQuery[] = [];
    using server = new ScriptedServer(base, (query) => {
      held.push(query);
      if (held.length < 3) return;
      for (const one of held) one.refuse(3);
    });
    using resolver = resolverFor(base, [server.address], { search: ["sub.test"], cache: false });
    const told: (string | undefined)[] = [];
    resolver.query("first.test.", "A", {}, () => resolver.close());
    resolver.lookup("host", 80, {}, (error) => {
      told.push(error?.code);
      base.loopBreak();
    });
    base.dispatch();
    assertEquals(told, ["DNS_SHUTDOWN"]);
    assertEquals(server.asked.length, 3);
  });

  it("where the system has no room for datagrams, queries wait for that by time", (base, time) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { cache: false });
    withFaults([{ call: "send", error: "ENOBUFS", times: 3 }], () => {
      assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    });
    assertEquals([time.elapsedMs, server.asked.length], [3, 1]);
  });

  it("what this process is out of is no fault of the server", (base) => {
    for (const useTcp of [false, true]) {
      for (const error of ["EMFILE", "ENFILE", "ENOBUFS"]) {
        using server = new ScriptedServer(base, one);
        using resolver = resolverFor(base, [server.address], { useTcp, maxTimeouts: 1, cache: false });
        const causes: unknown[] = [];
        withFaults([{ call: "socket", error }], () => {
          resolver.query("a.test", "A", {}, (error) => {
            causes.push((error?.cause as SystemError | undefined)?.code);
            base.loopBreak();
          });
          base.dispatch();
        });
        assertEquals(causes, [error]);
        assertFalse(resolver.nameservers[0]!.isDown);
        assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
      }
    }
  });

  it("the log hook may close the resolver, or suspend it, when a server answers again", (base) => {
    for (const deed of ["close", "suspend"]) {
      for (const script of [one, (query: ScriptedQuery) => query.refuse(2), cutAnywhere]) {
        using server = new ScriptedServer(base, () => {});
        using other = new ScriptedServer(base, one);
        using resolver = resolverFor(base, [server.address], {
          maxTimeouts: 1,
          attempts: 1,
          timeoutMs: 100,
          deadlineMs: 1000,
          cache: false,
          log: (level, message) => {
            if (level !== EVENT_LOG_WARN || !message.endsWith("up again")) return;
            if (deed === "close") return resolver.close();
            resolver.clearNameserversAndSuspend();
            resolver.addNameserver(other.address);
          },
        });
        assertEquals(lookedUp(resolver, "a.test"), "DNS_TIMEOUT");
        assert(resolver.nameservers[0]!.isDown);
        server.script = script;
        assertEquals(lookedUp(resolver, "b.test"), deed === "close" ? "DNS_SHUTDOWN" : "DNS_TIMEOUT");
        assertEquals([server.asked.length, other.asked.length], [2, 0], "nothing is asked after that");
        assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
      }
    }
  });

  it("the log hook is told what becomes of queries, and may close the resolver at any of it", (base) => {
    using silent = new ScriptedServer(base, () => {});
    using lame = new ScriptedServer(base, (query) => query.refuse(2));
    using old = new ScriptedServer(base, (query) => {
      if (query.message.edns !== undefined) query.refuse(1);
      else if (query.overTcp) one(query, old);
      else query.answer([a("192.0.2.1")], { truncated: true });
    });
    using unkept = new ScriptedServer(base, (query) => {
      if (query.overTcp) return query.hangUp();
      const bytes = query.bytes.map((byte, at) => at > 12 && at < 22 && byte > 64 ? byte ^ 32 : byte);
      bytes.set([0x81, 0x80], 2);
      query.send(bytes);
    });
    const servers = [silent, unkept, lame, old].map(({ address }) => address);
    const run = (closeAt: number): string[] => {
      const notes: string[] = [];
      using resolver = resolverFor(base, servers, {
        timeoutMs: 100,
        attempts: 4,
        log: (level, message) => {
          if (level === EVENT_LOG_WARN) return;
          notes.push(servers.reduce((text, address, index) => text.replace(address, `S${index}`), message));
          if (notes.length === closeAt) resolver.close();
        },
      });
      const outcome = lookedUp(resolver, "abcde.fghi");
      assertEquals(outcome, closeAt === Infinity ? "192.0.2.1" : "DNS_SHUTDOWN", `${closeAt}`);
      return notes;
    };
    const all = run(Infinity);
    assertEquals(all.map((note) => note.replace(/: SystemError.*|: Error.*/, ": ...")), [
      "Asking S0 over UDP with EDNS for abcde.fghi A",
      "S0 is silent about abcde.fghi A",
      "Asking S1 over UDP without EDNS for abcde.fghi A",
      "S1 has answered in other letters: abcde.fghi A",
      "Asking S1 over TCP without EDNS for abcde.fghi A",
      "S1 cannot be asked for abcde.fghi A: ...",
      "S1 is silent about abcde.fghi A",
      "Asking S2 over UDP without EDNS for abcde.fghi A",
      "S2 does not help with abcde.fghi A: DNS_SERVFAIL",
      "Asking S3 over UDP without EDNS for abcde.fghi A",
      "Asking S3 over TCP without EDNS for abcde.fghi A",
    ]);
    for (let closeAt = 1; closeAt <= all.length; closeAt++) run(closeAt);
  });

  it("the log hook may cancel what is asked, which is told once then", (base) => {
    using server = new ScriptedServer(base, (query) => query.refuse(3));
    for (const closeAt of [1, 2, 3, 4]) {
      const controller = new AbortController();
      const { signal } = controller;
      let notes = 0;
      using resolver = resolverFor(base, [server.address], {
        search: ["sub.test"],
        cache: false,
        log: (_level, message) => {
          if (message.startsWith("Asking") && ++notes === closeAt) controller.abort();
        },
      });
      const told: (string | undefined)[] = [];
      const before = server.asked.length;
      resolver.query("name", "A", { signal }, (error) => void told.push(error?.code));
      resolver.lookup("host", 80, { signal }, (error) => void told.push(error?.code));
      base.loopExit(60_000);
      base.dispatch();
      assertEquals(told, ["DNS_CANCELLED", "DNS_CANCELLED"], `at ${closeAt}`);
      assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
      assert(server.asked.length - before <= closeAt);
    }
  });

  it("the log hook may close the resolver when another question begins in place of one that is over", (base) => {
    using server = new ScriptedServer(base, (query) => query.refuse(3));
    using resolver = resolverFor(base, [server.address], {
      search: ["sub.test"],
      maxInflight: 1,
      log: (_level, message) => {
        if (message.endsWith("other.test. A")) resolver.close();
      },
    });
    const told: (string | undefined)[] = [];
    resolver.query("name", "A", {}, (error) => void told.push(error?.code));
    resolver.query("other.test.", "A", {}, (error) => void told.push(error?.code));
    base.loopExit(60_000);
    base.dispatch();
    assertEquals(told.sort(), ["DNS_SHUTDOWN", "DNS_SHUTDOWN"]);
  });

  it("a port where nobody listens is noticed by all who ask it at one time", (base, time) => {
    for (const isInLoop of [false, true]) {
      for (let count = 1; count <= 5; count++) {
        using resolver = resolverFor(base, ["127.0.0.1:1"], { maxTimeouts: 255 });
        const told: (string | undefined)[] = [];
        const ask = (): void => {
          for (let left = count; left > 0; left--) {
            resolver.query(`n${left}.test`, "A", {}, (error) => void told.push(error?.code));
          }
        };
        if (isInLoop) base.once(-1, 1, ask, 0);
        else ask();
        base.dispatch();
        assertEquals(told, Array(count).fill("DNS_UNREACHABLE"));
      }
    }
    assert(time.elapsedMs < 100, `it took ${time.elapsedMs} ms`);
  });

  it("thousands that wait are all told when they can ask nobody", (base) => {
    using resolver = resolverFor(base, []);
    resolver.clearNameserversAndSuspend();
    const outcomes = new Outcomes(base);
    for (let index = 0; index < 4000; index++) resolver.query(`n${index}.test`, "A", {}, outcomes.note);
    assertEquals(resolver.waitingCount, 4000);
    resolver.resume();
    assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
    outcomes.untilThereAre(4000);
    assertEquals([...new Set(outcomes.list)], ["DNS_NO_SERVERS"]);
    assertEquals(outcomes.errors.map(({ host }) => host), Array.from({ length: 4000 }, (_, index) => `n${index}.test`));
  });

  it("is closed with its base, and whoever waits is told then", (base) => {
    const controller = new AbortController();
    const server = new ScriptedServer(base, () => {});
    const resolver = resolverFor(base, [server.address]);
    const told: (string | undefined)[] = [];
    resolver.query("a.test", "A", { signal: controller.signal }, (error) => void told.push(error?.code));
    resolver.lookup("b.test", 80, {}, (error) => void told.push(error?.code));
    resolver.lookup("192.0.2.1", 80, {}, (error) => void told.push(error === null ? "found" : error.code));
    resolver.query("c.test", "A", {}, (error) => void told.push(error?.code)).cancel();
    base.loop(EVLOOP_NONBLOCK);
    resolver.lookup("192.0.2.1", 80, {}, (error) => void told.push(error === null ? "found" : error.code));
    base.close();
    assertEquals(told.sort(), ["DNS_CANCELLED", "DNS_SHUTDOWN", "DNS_SHUTDOWN", "found", "found"]);
    assert(resolver.closed);
    controller.abort();
    assertEquals(told.length, 5);
    resolver.close();
    server[Symbol.dispose]();
  });

  it('who waits is told also where it is closed and its base right behind it, as "using" does', (base) => {
    using server = new ScriptedServer(base, () => {});
    const told: (string | undefined)[] = [];
    const note = (error: DnsError | null): void => void told.push(error === null ? "found" : error.code);
    const resolver = resolverFor(base, [server.address]);
    resolver.query("a.test", "A", {}, note);
    resolver.lookup("b.test", 80, {}, note);
    resolver.lookup("192.0.2.1", 80, {}, note);
    resolver.query("c.test", "A", {}, note).cancel();
    resolver.close();
    assertEquals(told, []);
    base.close();
    assertEquals(told.sort(), ["DNS_CANCELLED", "DNS_SHUTDOWN", "DNS_SHUTDOWN", "found"]);
  });

  it("a base does not hold on to a resolver that was closed and has told everybody", (base) => {
    const { dependents } = reactorOf(base);
    const before = dependents.size;
    const told: (string | undefined)[] = [];
    for (const name of ["192.0.2.1", "a.test", undefined]) {
      const resolver = resolverFor(base, []);
      if (name !== undefined) resolver.lookup(name, 80, {}, (error) => void told.push(error?.code));
      resolver.close();
    }
    assertEquals(dependents.size, before + 2);
    base.dispatch();
    assertEquals(told, [undefined, "DNS_NO_SERVERS"]);
    assertEquals(dependents.size, before);
  });

  it("a signal cancels also what is known without asking", (base) => {
    using resolver = resolverFor(base, []);
    const outcomes: (DnsError | null)[] = [];
    for (const host of ["192.0.2.1", "localhost", null, "a..b"]) {
      const controller = new AbortController();
      resolver.lookup(host, 80, { signal: AbortSignal.abort("before") }, (error) => void outcomes.push(error));
      resolver.lookup(host, 80, { signal: controller.signal }, (error) => void outcomes.push(error));
      controller.abort("meanwhile");
    }
    resolver.query("a..b", "A", { signal: AbortSignal.abort("before") }, (error) => void outcomes.push(error));
    assertFalse(base.dispatch());
    const seen = outcomes.map((error) => `${error?.code} ${error?.cause}`);
    assertEquals(new Set(seen), new Set(["DNS_CANCELLED before", "DNS_CANCELLED meanwhile"]));
    assertEquals(seen.length, 9);
  });

  it("what is put into the cache has a time that is one", (base) => {
    using resolver = resolverFor(base, []);
    for (const ttl of [-1, NaN, 1.5, Infinity, 2 ** 31]) {
      assertThrows(() => resolver.cacheWrite("www.test", ["192.0.2.1"], ttl), RangeError, "TTL");
    }
    resolver.cacheWrite("www.test", ["192.0.2.1"], 0);
    assertEquals(resolver.cacheLookup("www.test"), undefined);
  });
});
