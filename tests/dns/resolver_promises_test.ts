import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, it } from "@std/testing/bdd";
import {
  BaseClosedError,
  DnsError,
  DnsResolver,
  type EventBase,
  HostConnectError,
  HostsTable,
  HttpClientConnection,
  HttpServer,
  Listener,
  SocketBufferEvent,
} from "../../mod.ts";
import { alongside, assertRejectsWith, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { resolverFor } from "./resolver_support.ts";
import { a, aaaa, ScriptedServer } from "./scripted_server.ts";

forEachBackend((backend) => {
  let base: EventBase;
  beforeEach(() => {
    base = backend.newBase();
  });
  afterEach(() => {
    base.close();
  });

  it("lookups can be awaited", () =>
    alongside(base, async () => {
      using server = new ScriptedServer(base, (query) => {
        if (query.asked === "www.test A") query.answer([a("192.0.2.1")]);
        else if (query.asked === "www.test AAAA") query.answer([aaaa("2001:db8::1")]);
        else if (query.asked.endsWith("MX")) query.answer([{ kind: "MX", preference: 5, exchange: "mail.test" }]);
        else if (query.asked.endsWith("PTR")) query.answer([{ kind: "PTR", target: "www.test" }]);
        else query.refuse(3);
      });
      using resolver = resolverFor(base, [server.address], { search: ["search.test"] });
      const { records, ttl } = await resolver.resolve("www.test", "MX");
      assertEquals([records[0]!.data, ttl], [{ kind: "MX", preference: 5, exchange: "mail.test" }, 60]);
      assertEquals(await resolver.resolve4("www.test"), ["192.0.2.1"]);
      assertEquals(await resolver.resolve6("www.test"), ["2001:db8::1"]);
      assertEquals(await resolver.reverse("192.0.2.1"), ["www.test"]);
      assertEquals(await resolver.reverse("2001:db8::1"), ["www.test"]);
      assertStrictEquals(server.asked.at(-2), "1.2.0.192.in-addr.arpa PTR");
      assert(server.asked.at(-1)!.startsWith("1.0.0.0."));
      const [first] = await resolver.getaddrinfo("www.test", 80, { type: "stream" });
      assertEquals(first!.address, { family: "ipv4", host: "192.0.2.1", port: 80 });
      await assertRejectsWith(resolver.resolve4("nobody.test"), "DNS_NXDOMAIN");
      await assertRejects(() => resolver.reverse("nonsense"), TypeError);
    }));

  it("an abort signal cancels them, with its reason as the cause", () =>
    alongside(base, async () => {
      using server = new ScriptedServer(base, () => {});
      using resolver = resolverFor(base, [server.address]);
      const controller = new AbortController();
      const waiting = resolver.resolve4("www.test", { signal: controller.signal });
      controller.abort("enough");
      const error = await rejection(waiting) as DnsError;
      assertInstanceOf(error, DnsError);
      assertEquals([error.code, error.cause], ["DNS_CANCELLED", "enough"]);
      await assertRejectsWith(resolver.getaddrinfo("www.test", 1, { signal: AbortSignal.abort() }), "DNS_CANCELLED");
      assertStrictEquals(resolver.inflightCount, 0);
    }));

  it("they are rejected when the resolver is closed, or its base", async () => {
    const server = new ScriptedServer(base, () => {});
    const resolver = resolverFor(base, [server.address]);
    await alongside(base, async () => {
      const closing = resolverFor(base, [server.address]);
      const waiting = [closing.resolve4("a.test"), closing.getaddrinfo("b.test", 1)];
      closing.close();
      for (const one of waiting) await assertRejectsWith(one, "DNS_SHUTDOWN");
    });
    const waiting = [resolver.resolve4("a.test"), resolver.getaddrinfo("b.test", 1)];
    base.close();
    for (const one of waiting) assertInstanceOf(await rejection(one), BaseClosedError);
    resolver.close();
    server[Symbol.dispose]();
  });

  it("connections take it as their resolver", () =>
    alongside(base, async () => {
      using server = new ScriptedServer(base, (query) => {
        if (query.asked === "www.test A") query.answer([a("127.0.0.1")]);
        else query.refuse(query.asked.startsWith("www.") ? 0 : 3);
      });
      using resolver = resolverFor(base, [server.address]);
      const accepted: SocketBufferEvent[] = [];
      using listener = new Listener(base, { port: 0 }, (fd) => accepted.push(new SocketBufferEvent(base, fd)));
      const target = { port: listener.port, resolver };
      for (const host of ["www.test", "box"]) {
        resolver.loadHosts(HostsTable.parse("127.0.0.1 box"));
        using connection = await SocketBufferEvent.connectTo(base, { ...target, host });
        assertEquals(connection.remoteAddress, listener.address);
      }
      const failed = SocketBufferEvent.connectTo(base, { ...target, host: "nobody.test" });
      const error = await rejection(failed) as HostConnectError;
      assertInstanceOf(error, HostConnectError);
      assertEquals([error.code, (error.cause as DnsError).code], ["HOST_NOT_FOUND", "DNS_NXDOMAIN"]);
      for (const connection of accepted) connection.close();
    }));

  it("so do HTTP clients", () =>
    alongside(base, async () => {
      using server = new ScriptedServer(base, (query) => {
        if (query.asked === "www.test A") query.answer([a("127.0.0.1")]);
        else query.refuse(0);
      });
      using resolver = resolverFor(base, [server.address]);
      using http = new HttpServer(base, {}, (request) => request.reply(200, `for ${request.hostname}`));
      const { port } = http.listen({ port: 0 });
      using connection = new HttpClientConnection(base, { host: "www.test", port }, { resolver });
      const response = await connection.send("/");
      assertEquals([response.status, await response.text()], [200, "for www.test"]);
    }));

  it("a connection is made by the family that answers, without waiting long for the other", () =>
    alongside(base, async () => {
      using server = new ScriptedServer(base, (query) => {
        if (query.asked.endsWith(" A")) query.answer([a("127.0.0.1")]);
      });
      using resolver = resolverFor(base, [server.address], { timeoutMs: 600_000, allowSkewMs: 600_000 });
      const accepted: SocketBufferEvent[] = [];
      using listener = new Listener(base, { port: 0 }, (fd) => accepted.push(new SocketBufferEvent(base, fd)));
      const target = { host: "www.test", port: listener.port, resolver };
      using connection = await SocketBufferEvent.connectTo(base, target);
      assertEquals(connection.remoteAddress, listener.address);
      for (const one of accepted) one.close();
      assertStrictEquals(resolver.inflightCount, 0);
    }));

  it("reads the system's own files unless it is told otherwise", () =>
    alongside(base, async () => {
      using resolver = new DnsResolver(base);
      assert(resolver.nameserverCount > 0);
      const found = await resolver.getaddrinfo("localhost", "http", { type: "stream", family: "ipv4" });
      assertEquals(found.map(({ address }) => [address.host.startsWith("127."), address.port]), [[true, 80]]);
    }));
});
