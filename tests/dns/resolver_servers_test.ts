import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import {
  compareSocketAddresses,
  EVENT_LOG_WARN,
  EVLOOP_NONBLOCK,
  getReceiveBufferBytes,
  getSendBufferBytes,
  type SystemError,
} from "../../mod.ts";
import { optionalAddress } from "../../src/core/socket_address.ts";
import { sys } from "../../src/ffi/libc.ts";
import { errno, getsockname, os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { lookedUp, Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, cname, type Script, ScriptedServer } from "./scripted_server.ts";

const one: Script = (query) => query.answer([a("192.0.2.1")]);
const silent: Script = () => {};

forEachBackend((backend) => {
  const it = virtualTest.bind(null, backend);

  it("a first server that is dead costs one timeout, and after some of them nothing any more", (base, time) => {
    using dead = new ScriptedServer(base, silent);
    using live = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [dead.address, live.address], { timeoutMs: 1000, maxTimeouts: 3, cache: false });
    for (const expectedMs of [1000, 2000, 3000, 3000, 3000]) {
      assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
      assertStrictEquals(time.elapsedMs, expectedMs);
    }
    assertEquals(resolver.nameservers.map(({ isDown }) => isDown), [true, false]);
    assertEquals([dead.asked.length, live.asked.length], [3, 5]);
  });

  it("a server that is down is probed at growing intervals, and asked again when it answers", (base, time) => {
    using dead = new ScriptedServer(base, silent);
    using live = new ScriptedServer(base, one);
    const told: string[] = [];
    using resolver = resolverFor(base, [dead.address, live.address], {
      timeoutMs: 1000,
      maxTimeouts: 1,
      initialProbeMs: 10_000,
      probeBackoffFactor: 3,
      maxProbeMs: 50_000,
      cache: false,
      log: (level, message) => level === EVENT_LOG_WARN && told.push(message),
    });
    const probes: number[] = [];
    dead.script = (query) => {
      if (query.asked === ". NS") probes.push(time.elapsedMs);
    };
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    const run = (ms: number): void => {
      base.loopExit(ms);
      base.dispatch();
    };
    run(200_000);
    // It was down after one second; each probe takes another one until it counts as lost.
    assertEquals(probes, [11_000, 42_000, 93_000, 144_000, 195_000]);
    assert(resolver.nameservers[0]!.isDown);
    dead.script = one;
    run(60_000);
    assertFalse(resolver.nameservers[0]!.isDown);
    const asked = live.asked.length;
    lookedUp(resolver, "www.test");
    assertStrictEquals(live.asked.length, asked);
    assertEquals(told.map((text) => / is (down|up again)/.exec(text)?.[1]), ["down", "up again"]);
  });

  it("probes keep no loop alive, nor does anything but a lookup", (base) => {
    using resolver = resolverFor(base, ["127.0.0.1:1"], { maxTimeouts: 1, cache: false });
    assertFalse(base.dispatch());
    const outcomes = new Outcomes(base);
    resolver.query("www.test", "A", {}, outcomes.note);
    assertFalse(base.dispatch());
    assertEquals(outcomes.list, ["DNS_UNREACHABLE"]);
    assert(resolver.nameservers[0]!.isDown);
    resolver.cacheWrite("cached.test", ["192.0.2.1"], 600);
    assertFalse(base.dispatch());
  });

  it("when all are down any of them is asked, and the first answer brings it up again", (base) => {
    using first = new ScriptedServer(base, silent);
    using second = new ScriptedServer(base, silent);
    const options = { timeoutMs: 100, attempts: 2, maxTimeouts: 1, cache: false };
    using resolver = resolverFor(base, [first.address, second.address], options);
    assertEquals(lookedUp(resolver, "www.test"), "DNS_TIMEOUT");
    assertEquals(resolver.nameservers.map(({ isDown }) => isDown), [true, true]);
    second.script = one;
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertEquals(resolver.nameservers.map(({ isDown }) => isDown), [true, false]);
  });

  it("another server is asked after an answer that is none, and the first such is the error", (base, time) => {
    for (const rcode of [2, 4, 5, 1, 9]) {
      using first = new ScriptedServer(base, (query) => query.refuse(rcode));
      using second = new ScriptedServer(base, one);
      const options = { cache: false, ednsUdpBytes: 512 };
      using resolver = resolverFor(base, [first.address, second.address], options);
      assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
      second.script = (query) => query.refuse(5);
      const codes: Record<number, string> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED", 9: "RCODE" };
      assertEquals(lookedUp(resolver, "www.test"), `DNS_${codes[rcode]}`);
      assertEquals([first.asked.length, second.asked.length], [2, 2]);
      assertEquals(resolver.nameservers.map(({ isDown }) => isDown), [false, false]);
    }
    assertStrictEquals(time.elapsedMs, 0);
  });

  it("a server that only knows whom else to ask is lame, and another one is asked", (base) => {
    using lame = new ScriptedServer(
      base,
      (query) => query.answer([], { flags: 0x8000, authorities: [["test", 60, { kind: "NS", target: "ns.test" }]] }),
    );
    using good = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [lame.address], { cache: false });
    assertEquals(lookedUp(resolver, "www.test"), "DNS_LAME");
    resolver.addNameserver(good.address);
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
  });

  it("aliases that lead in a circle are no answer, neither for the next server nor for the next search domain", (base) => {
    const circle = [["www.a.test", 60, cname("x.test")], ["x.test", 60, cname("www.a.test")]] as const;
    using first = new ScriptedServer(
      base,
      (query) => query.answer(query.asked === "www.a.test A" ? circle : [a("192.0.2.6")]),
    );
    using resolver = resolverFor(base, [first.address], { cache: false, search: ["a.test", "b.test"] });
    assertEquals(lookedUp(resolver, "www"), "DNS_BAD_ANSWER");
    assertEquals(first.asked, ["www.a.test A"]);
    using second = new ScriptedServer(base, one);
    resolver.addNameserver(second.address);
    assertEquals(lookedUp(resolver, "www"), "192.0.2.1");
    assertEquals(second.asked, ["www.a.test A"]);
  });

  it("a slow server is overtaken by the next one", (base, time) => {
    using slow = new ScriptedServer(base, (query) => base.once(-1, 1, () => query.answer([a("192.0.2.9")]), 5000));
    using quick = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [slow.address, quick.address], { timeoutMs: 1000 });
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertStrictEquals(time.elapsedMs, 1000);
  });

  it("a port where nobody listens is noticed at once", (base, time) => {
    using closed = new ScriptedServer(base, silent, { tcp: false });
    using live = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [closed.address, live.address], { cache: false });
    closed.udp.close();
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
    assertStrictEquals(time.elapsedMs, 0);
  });

  it("spreads queries over all servers when told to", (base) => {
    using first = new ScriptedServer(base, one);
    using second = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [first.address, second.address], { rotate: true });
    for (let count = 0; count < 6; count++) assertEquals(lookedUp(resolver, `${count}.test`), "192.0.2.1");
    assertEquals([first.asked.length, second.asked.length], [3, 3]);
  });

  it("asks no more questions at one time than allowed, lets some wait, and refuses the rest", (base) => {
    const held: (() => void)[] = [];
    using server = new ScriptedServer(base, (query) => held.push(() => query.answer([a("192.0.2.1")])));
    using resolver = resolverFor(base, [server.address], { maxInflight: 3, waitingMax: 4, timeoutMs: 60_000 });
    const outcomes = new Outcomes(base);
    for (let count = 0; count < 10; count++) resolver.query(`${count}.test`, "A", {}, outcomes.note);
    assertEquals([resolver.inflightCount, resolver.waitingCount], [3, 4]);
    for (let round = 0; round < 5; round++) base.loop(EVLOOP_NONBLOCK);
    assertEquals(outcomes.list, ["DNS_QUEUE_FULL", "DNS_QUEUE_FULL", "DNS_QUEUE_FULL"]);
    assertEquals(server.asked, ["0.test A", "1.test A", "2.test A"]);
    for (let answered = 0; answered < 7; answered++) {
      held[answered]!();
      outcomes.untilThereAre(4 + answered);
      for (let round = 0; round < 3; round++) base.loop(EVLOOP_NONBLOCK);
    }
    assertEquals(outcomes.list.slice(3), Array(7).fill("192.0.2.1"));
    assertEquals(server.asked.length, 7);
  });

  it("suspended, what was asked waits, and is asked of new servers", (base) => {
    using old = new ScriptedServer(base, silent);
    using fresh = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [old.address], { maxInflight: 1 });
    const outcomes = new Outcomes(base);
    for (const name of ["a.test", "b.test"]) resolver.query(name, "A", {}, outcomes.note);
    base.loop(EVLOOP_NONBLOCK);
    resolver.clearNameserversAndSuspend();
    assertEquals([resolver.nameserverCount, resolver.inflightCount, resolver.waitingCount], [0, 0, 2]);
    resolver.query("c.test", "A", {}, outcomes.note);
    assert(resolver.addNameserver(fresh.address));
    assertFalse(resolver.addNameserver(fresh.address));
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(fresh.asked, []);
    resolver.resume();
    assertEquals(outcomes.untilThereAre(3), Array(3).fill("192.0.2.1"));
    assertEquals(fresh.asked, ["a.test A", "b.test A", "c.test A"]);
  });

  it("suspended or without servers, nothing waits longer than its deadline", (base, time) => {
    using resolver = resolverFor(base, []);
    assertEquals(lookedUp(resolver, "www.test"), "DNS_NO_SERVERS");
    resolver.clearNameserversAndSuspend();
    assertEquals(lookedUp(resolver, "www.test", "A", { deadlineMs: 2500 }), "DNS_TIMEOUT");
    assertStrictEquals(time.elapsedMs, 2500);
    assertEquals(lookedUp(resolver, "www.test"), "DNS_TIMEOUT");
    assertStrictEquals(time.elapsedMs, 32_500);
  });

  it("closing tells whoever waits, also from within a callback, and gives everything back", (base) => {
    using server = new ScriptedServer(base, silent);
    const resolver = resolverFor(base, [server.address], { maxInflight: 1 });
    const outcomes = new Outcomes(base);
    for (const name of ["a.test", "b.test"]) resolver.query(name, "A", {}, outcomes.note);
    base.loop(EVLOOP_NONBLOCK);
    resolver.query("a..b", "A", {}, () => {
      resolver.close();
      resolver.close();
    });
    assertEquals(outcomes.untilThereAre(2), ["DNS_SHUTDOWN", "DNS_SHUTDOWN"]);
    assertThrows(() => resolver.query("c.test", "A", {}, outcomes.note), Error, "closed");
    assertThrows(() => resolver.addNameserver("127.0.0.1"), Error, "closed");
  });

  it("the log hook may close the resolver, or suspend it, in the middle of things", (base) => {
    using server = new ScriptedServer(base, silent);
    for (const deed of ["close", "suspend"]) {
      const outcomes = new Outcomes(base);
      using resolver = resolverFor(base, [server.address], {
        maxTimeouts: 1,
        attempts: 3,
        timeoutMs: 100,
        deadlineMs: 1000,
        log: (level) => {
          if (level !== EVENT_LOG_WARN) return;
          if (deed === "close") resolver.close();
          else resolver.clearNameserversAndSuspend();
        },
      });
      for (const name of ["a.test", "b.test"]) resolver.query(`${deed}.${name}`, "A", {}, outcomes.note);
      assertEquals(outcomes.untilThereAre(2), Array(2).fill(deed === "close" ? "DNS_SHUTDOWN" : "DNS_TIMEOUT"));
      assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
    }
    assertEquals(server.asked.length, 4, "nothing is asked after that");
  });

  it("a callback that throws does not keep the others from being called", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address]);
    const outcomes = new Outcomes(base);
    resolver.query("a.test", "A", {}, () => {
      throw new Error("mine");
    });
    resolver.query("a.test", "A", {}, outcomes.note);
    assertThrows(() => outcomes.untilThereAre(1), Error, "mine");
    assertEquals(outcomes.untilThereAre(1), ["192.0.2.1"]);
  });

  it("sockets are used for so many queries, and idle ones not for long", (base, time) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { queriesPerSocket: 4, cache: false });
    const ports = (): number[] => server.queries.map(({ sender }) => (sender as { port: number }).port);
    for (let count = 0; count < 8; count++) lookedUp(resolver, `${count}.test`);
    assertEquals(ports(), [...Array(4).fill(ports()[0]), ...Array(4).fill(ports()[4])]);
    assert(ports()[0] !== ports()[4]);
    lookedUp(resolver, "a.test");
    time.elapsedMs += 1001;
    lookedUp(resolver, "b.test");
    assert(ports()[8] !== ports()[9]);
  });

  it("cancelled while suspended, a lookup is not asked later", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { maxInflight: 1 });
    const outcomes = new Outcomes(base);
    const requests = ["a.test", "b.test"].map((name) => resolver.query(name, "A", {}, outcomes.note));
    resolver.clearNameserversAndSuspend();
    for (const request of requests) request.cancel();
    assertEquals(outcomes.untilThereAre(2), ["DNS_CANCELLED", "DNS_CANCELLED"]);
    resolver.addNameserver(server.address);
    resolver.resume();
    assertEquals(lookedUp(resolver, "c.test"), "192.0.2.1");
    // The first one had left before.
    assertEquals(server.asked, ["a.test A", "c.test A"]);
  });

  it("what a callback asks leaves when it has returned, unless it was cancelled meanwhile", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address]);
    const outcomes = new Outcomes(base);
    base.timer(() => {
      const names = Array.from({ length: 40 }, (_, index) => `${index}.test`);
      const requests = names.map((name) => resolver.query(name, "A", {}, outcomes.note));
      requests[1]!.cancel();
      assertEquals([resolver.inflightCount, server.asked.length], [39, 0]);
    }).add(0);
    assertEquals(outcomes.untilThereAre(40).filter((one) => one !== "192.0.2.1"), ["DNS_CANCELLED"]);
    assertEquals(server.asked, Array.from({ length: 40 }, (_, index) => `${index}.test A`).filter((_, at) => at !== 1));
  });

  it("what is given up is told in the order in which it was asked", (base) => {
    const names = Array.from({ length: 40 }, (_, index) => `${index}.test`);
    using mute = new ScriptedServer(base, () => {});
    const gone = new ScriptedServer(base, () => {});
    const { address } = gone;
    gone[Symbol.dispose]();
    for (const [server, code] of [[mute.address, "DNS_SHUTDOWN"], [address, "DNS_UNREACHABLE"]] as const) {
      using resolver = resolverFor(base, [server], { attempts: 1 });
      const outcomes = new Outcomes(base);
      for (const name of names) resolver.query(name, "A", {}, outcomes.note);
      if (code === "DNS_SHUTDOWN") resolver.close();
      outcomes.untilThereAre(names.length);
      assertEquals(
        outcomes.errors.map((error) => `${error.host} ${error.code}`),
        names.map((name) => `${name} ${code}`),
      );
    }
  });

  it("what a callback has asked is not asked when the resolver is closed before it returns", (base) => {
    using server = new ScriptedServer(base, one);
    const outcomes = new Outcomes(base);
    base.timer(() => {
      using resolver = resolverFor(base, [server.address]);
      resolver.query("a.test", "A", {}, outcomes.note);
    }).add(0);
    assertEquals(outcomes.untilThereAre(1), ["DNS_SHUTDOWN"]);
    using resolver = resolverFor(base, [server.address]);
    assertEquals(lookedUp(resolver, "b.test"), "192.0.2.1");
    assertEquals(server.asked, ["b.test A"]);
  });

  it("sockets have the buffers that are asked for", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { cache: false });
    const buffers = (): [receive: number, send: number] => {
      assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
      const { sender } = server.queries.at(-1)!;
      for (let fd = 3; fd < 1000; fd++) {
        const local = optionalAddress(fd, getsockname);
        if (local === undefined || local.family !== "ipv4" || compareSocketAddresses(local, sender) !== 0) continue;
        return [getReceiveBufferBytes(fd), getSendBufferBytes(fd)];
      }
      throw new Error("There is no such socket");
    };
    const [receiveBefore, sendBefore] = buffers();
    resolver.setOption("so-rcvbuf", "8192");
    resolver.setOption("so-sndbuf", "8192");
    const [receive, send] = buffers();
    assert(receive >= 8192 && receive < receiveBefore, `${receive} of ${receiveBefore}`);
    assert(send >= 8192 && send < sendBefore, `${send} of ${sendBefore}`);
  });

  it("without descriptors a lookup fails, and says why", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address]);
    const calls = sys as { socket: (family: number, type: number, protocol: number) => number };
    const real = calls.socket;
    const outcomes = new Outcomes(base);
    calls.socket = () => {
      errno[0] = os.errno["EMFILE"]!;
      return -1;
    };
    try {
      resolver.query("www.test", "A", {}, outcomes.note);
    } finally {
      calls.socket = real;
    }
    assertEquals(outcomes.untilThereAre(1), ["DNS_UNREACHABLE"]);
    assertStrictEquals((outcomes.errors[0]!.cause as SystemError).code, "EMFILE");
    assertEquals(lookedUp(resolver, "www.test"), "192.0.2.1");
  });

  it("asks from the address it is bound to, over IPv4 and IPv6", (base) => {
    using four = new ScriptedServer(base, one);
    using six = new ScriptedServer(base, one, { host: "::1" });
    using resolver = resolverFor(base, [four.address, six.address], { rotate: true });
    resolver.setOption("bind-to", "127.0.0.9");
    for (const name of ["a.test", "b.test"]) assertEquals(lookedUp(resolver, name), "192.0.2.1");
    assertEquals((four.queries[0]!.sender as { host: string }).host, "127.0.0.9");
    assertEquals((six.queries[0]!.sender as { host: string }).host, "::1");
    assertEquals(lookedUp(resolver, "c.test", "A", { useTcp: true }), "192.0.2.1");
    assertEquals((four.queries.at(-1)!.sender as { host: string }).host, "127.0.0.9");
  });
});
