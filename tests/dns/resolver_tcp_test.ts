import { assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { lookedUp, Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, type Script, ScriptedServer } from "./scripted_server.ts";

const one: Script = (query) => query.answer([a("192.0.2.1")]);

forEachBackend((backend) => {
  const it = virtualTest.bind(null, backend);

  it("asks over TCP only when told to, many at a time over one connection, and takes answers in any order", (base) => {
    const held: (() => void)[] = [];
    using server = new ScriptedServer(base, (query) => {
      held.push(() => query.answer([a(`192.0.2.${held.length}`)]));
      if (held.length === 5) { for (const answer of held.splice(0).reverse()) answer(); }
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    const outcomes = new Outcomes(base);
    for (let count = 0; count < 5; count++) resolver.query(`${count}.test`, "A", {}, outcomes.note);
    assertEquals(outcomes.untilThereAre(5).length, 5);
    assertStrictEquals(server.accepted, 1);
    assertEquals(server.asked[4], "4.test A over TCP");
  });

  it("a connection is kept while it is used, and closed when it was idle for so long", (base) => {
    using server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { useTcp: true, tcpIdleMs: 2000 });
    const idle = (ms: number): void => {
      base.loopExit(ms);
      base.dispatch();
    };
    for (const name of ["a.test", "b.test"]) {
      assertEquals(lookedUp(resolver, name), "192.0.2.1");
      idle(1500);
    }
    assertEquals([server.accepted, server.connectionCount], [1, 1]);
    idle(1000);
    assertStrictEquals(server.connectionCount, 0);
    assertEquals(lookedUp(resolver, "c.test"), "192.0.2.1");
    assertStrictEquals(server.accepted, 2);
  });

  it("an idle connection does not keep the loop alive", (base) => {
    const server = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    server[Symbol.dispose]();
    assertFalse(base.dispatch());
  });

  it("a connection that the server has closed when it was idle is replaced, and nothing is lost", (base, time) => {
    using server = new ScriptedServer(base, (query) => {
      query.answer([a("192.0.2.1")]);
      base.once(-1, 1, () => query.hangUp(), 100);
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    base.loopExit(1000);
    base.dispatch();
    assertStrictEquals(server.connectionCount, 0);
    assertEquals(lookedUp(resolver, "b.test"), "192.0.2.1");
    assertStrictEquals(server.accepted, 2);
    assertStrictEquals(time.elapsedMs < 2000, true);
  });

  it("a server that closes after each answer is asked for the others again, one after the other", (base) => {
    const answered = new Set<string>();
    using server = new ScriptedServer(base, (query) => {
      // Queries that are read behind that are lost.
      const connection = String(query.sender.family === "ipv4" && query.sender.port);
      if (answered.has(connection)) return;
      answered.add(connection);
      query.answer([a("192.0.2.1")]);
      base.once(-1, 1, () => query.hangUp(), 0);
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true, cache: false });
    const outcomes = new Outcomes(base);
    for (let count = 0; count < 8; count++) resolver.query(`n${count}.test`, "A", {}, outcomes.note);
    assertEquals(outcomes.untilThereAre(8), Array(8).fill("192.0.2.1"));
    assertStrictEquals(server.accepted, 8);
    assertStrictEquals(resolver.nameservers[0]!.timeouts, 0);
  });

  it("a connection that was closed after its only query was cancelled is replaced as well", (base) => {
    let hangUp = (): void => {};
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.startsWith("a")) hangUp = query.hangUp;
      else one(query, server);
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true, cache: false });
    const outcomes = new Outcomes(base);
    const request = resolver.query("a.test", "A", {}, outcomes.note);
    while (server.asked.length === 0) base.loop(EVLOOP_ONCE);
    request.cancel();
    assertEquals(outcomes.untilThereAre(1), ["DNS_CANCELLED"]);
    hangUp();
    assertEquals(lookedUp(resolver, "b.test"), "192.0.2.1");
    assertStrictEquals(server.accepted, 2);
  });

  it("a server that closes instead of answering, or has nobody there, cannot be reached", (base, time) => {
    using server = new ScriptedServer(base, (query) => query.hangUp());
    using better = new ScriptedServer(base, one);
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    assertEquals(lookedUp(resolver, "a.test"), "DNS_UNREACHABLE");
    resolver.addNameserver(better.address);
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    assertStrictEquals(time.elapsedMs, 0);
  });

  it("a connection that says nothing is given up, and not used again", (base, time) => {
    using server = new ScriptedServer(base, (query, { accepted }) => {
      if (accepted === 2) query.answer([a("192.0.2.1")]);
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true, timeoutMs: 1000 });
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    assertEquals([server.accepted, time.elapsedMs], [2, 1000]);
  });

  it("an answer that nobody waits for any more is no trouble", (base) => {
    const held: (() => void)[] = [];
    using server = new ScriptedServer(base, (query) => {
      if (query.asked === "late.test A") return void held.push(() => query.answer([a("192.0.2.2")]));
      for (const answer of held) answer();
      query.answer([a("192.0.2.1")]);
    });
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    const outcomes = new Outcomes(base);
    const request = resolver.query("late.test", "A", {}, outcomes.note);
    for (let round = 0; round < 10 && held.length === 0; round++) base.loop(EVLOOP_NONBLOCK);
    request.cancel("no more");
    assertEquals(outcomes.untilThereAre(1), ["DNS_CANCELLED"]);
    assertStrictEquals(outcomes.errors[0]!.cause, "no more");
    assertEquals(lookedUp(resolver, "a.test"), "192.0.2.1");
    assertStrictEquals(server.accepted, 1);
  });

  it("an answer of nearly 64 KiB is taken", (base) => {
    using server = new ScriptedServer(
      base,
      (query) => query.answer(Array.from({ length: 4000 }, (_, index) => a(`10.0.${index >> 8}.${index & 255}`))),
    );
    using resolver = resolverFor(base, [server.address], { useTcp: true });
    assertStrictEquals(lookedUp(resolver, "a.test").split(" ").length, 4000);
  });
});
