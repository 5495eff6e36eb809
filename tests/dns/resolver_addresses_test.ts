import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type DnsError,
  type DnsQueryOptions,
  type DnsResolver,
  formatSocketAddress,
  HostsTable,
  type NameLookupAnswer,
  type NameLookupHints,
  ServicesTable,
} from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { resolverFor, virtualTest } from "./resolver_support.ts";
import { a, aaaa, cname, type Script, ScriptedServer } from "./scripted_server.ts";

/** An answer as text: address, kind of socket, canonical name. */
function line({ address, type, protocol, canonicalName }: NameLookupAnswer): string {
  const kind = protocol === 6 ? "tcp" : protocol === 17 ? "udp" : `${type}/${protocol}`;
  return `${formatSocketAddress(address)} ${kind}${canonicalName === undefined ? "" : ` ${canonicalName}`}`;
}

/** What getaddrinfo says: its answers, or the codes of the error. */
function info(
  resolver: DnsResolver,
  host: string | null,
  service: string | number | null = 80,
  hints: NameLookupHints & DnsQueryOptions = {},
): string[] {
  let told: string[] | undefined;
  resolver.lookup(host, service, hints, (error: DnsError | null, answers) => {
    told = error === null ? answers!.map(line) : [error.code, error.eai];
    resolver.base.loopBreak();
  });
  assert(told === undefined, "it was told before the loop ran");
  resolver.base.dispatch();
  return told ?? [];
}

const both: Script = (query) => {
  query.answer(query.asked.endsWith(" A") ? [a("192.0.2.1"), a("192.0.2.2")] : [aaaa("2001:db8::1")]);
};
const stream = { type: "stream" } as const;

forEachBackend((backend) => {
  const it = virtualTest.bind(null, backend);

  it("asks for both families at one time, and puts IPv4 first", (base) => {
    using server = new ScriptedServer(base, both);
    using resolver = resolverFor(base, [server.address]);
    assertEquals(info(resolver, "www.test", 443, stream), [
      "192.0.2.1:443 tcp",
      "192.0.2.2:443 tcp",
      "[2001:db8::1]:443 tcp",
    ]);
    assertEquals(server.asked.toSorted(), ["www.test A", "www.test AAAA"]);
    assertEquals(info(resolver, "www.test", 443, { ...stream, family: "ipv6" }), ["[2001:db8::1]:443 tcp"]);
    assertEquals(server.asked.length, 2, "the rest is remembered");
  });

  it("gives an address once for each kind of socket that is wanted", (base) => {
    using resolver = resolverFor(base, []);
    assertEquals(info(resolver, "192.0.2.1"), ["192.0.2.1:80 tcp", "192.0.2.1:80 udp"]);
    assertEquals(info(resolver, "192.0.2.1", 80, { type: "datagram" }), ["192.0.2.1:80 udp"]);
    assertEquals(info(resolver, "192.0.2.1", 80, { protocol: 6 }), ["192.0.2.1:80 tcp"]);
    assertEquals(info(resolver, "192.0.2.1", 80, { type: "stream", protocol: 17 }), ["DNS_NO_SERVICE", "EAI_SERVICE"]);
    assertEquals(info(resolver, "fe80::1%1", null, stream), ["[fe80::1%1]:0 tcp"]);
  });

  it("knows services by name, each for its protocol, and refuses others", (base) => {
    using resolver = resolverFor(base, []);
    assertEquals(info(resolver, "192.0.2.1", "https", stream), ["192.0.2.1:443 tcp"]);
    assertEquals(info(resolver, "192.0.2.1", "http"), ["192.0.2.1:80 tcp"]);
    assertEquals(info(resolver, "192.0.2.1", "8080", stream), ["192.0.2.1:8080 tcp"]);
    for (const service of ["nonsense", "65536", "-1", "1.5"]) {
      assertEquals(info(resolver, "192.0.2.1", service), ["DNS_NO_SERVICE", "EAI_SERVICE"], service);
    }
    assertEquals(info(resolver, "192.0.2.1", "http", { numericService: true }), ["DNS_NO_SERVICE", "EAI_SERVICE"]);
    assertThrows(() => info(resolver, "192.0.2.1", 65_536), RangeError);
    assertThrows(() => info(resolver, null, null), TypeError);
    assertEquals(ServicesTable.usual().port("domain", "udp"), 53);
  });

  it("stands for this host without a name: to connect to, or to bind", (base) => {
    using resolver = resolverFor(base, []);
    assertEquals(info(resolver, null, 80, stream), ["127.0.0.1:80 tcp", "[::1]:80 tcp"]);
    assertEquals(info(resolver, null, 80, { ...stream, passive: true }), ["0.0.0.0:80 tcp", "[::]:80 tcp"]);
    assertEquals(info(resolver, null, 80, { ...stream, passive: true, family: "ipv6" }), ["[::]:80 tcp"]);
  });

  it("takes addresses as text, and nothing else where that is asked for", (base) => {
    using resolver = resolverFor(base, []);
    const numeric = { ...stream, numericHost: true };
    assertEquals(info(resolver, "::1", 80, numeric), ["[::1]:80 tcp"]);
    assertEquals(info(resolver, "www.test", 80, numeric), ["DNS_NOT_NUMERIC", "EAI_NONAME"]);
    assertEquals(info(resolver, "::1", 80, { ...stream, family: "ipv4" }), ["DNS_NODATA", "EAI_NODATA"]);
    assertEquals(info(resolver, "a..b", 80, stream), ["DNS_BAD_NAME", "EAI_NONAME"]);
  });

  it("knows localhost and all below it, and what the hosts file says, without asking", (base) => {
    using resolver = resolverFor(base, []);
    for (const host of ["localhost", "LOCALHOST.", "a.localhost"]) {
      assertEquals(info(resolver, host, 80, stream), ["127.0.0.1:80 tcp", "[::1]:80 tcp"], host);
    }
    resolver.loadHosts(HostsTable.parse("192.0.2.5 box box2\n2001:db8::5 box2\n192.0.2.6 localhost\n"));
    assertEquals(info(resolver, "Box2", 80, { ...stream, canonicalName: true }), [
      "192.0.2.5:80 tcp box",
      "[2001:db8::5]:80 tcp",
    ]);
    assertEquals(info(resolver, "localhost", 80, stream), ["192.0.2.6:80 tcp"]);
    // Only this form asks the hosts file; and for a family that it does not have the DNS is asked.
    assertEquals(info(resolver, "box", 80, { ...stream, family: "ipv6" })[0], "DNS_NO_SERVERS");
  });

  it("gives the canonical name with the first answer when it is asked for", (base) => {
    using server = new ScriptedServer(base, (query) =>
      query.answer([
        [query.question.name, 60, cname("end.test")],
        ["end.test", 60, query.asked.endsWith(" A") ? a("192.0.2.1") : aaaa("2001:db8::1")],
      ]));
    using resolver = resolverFor(base, [server.address]);
    assertEquals(info(resolver, "www.test", 80, { ...stream, canonicalName: true }), [
      "192.0.2.1:80 tcp end.test",
      "[2001:db8::1]:80 tcp",
    ]);
  });

  it("one family that fails is no failure, and two that fail are that which says more", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.endsWith("AAAA")) query.refuse(2);
      else both(query, server);
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(info(resolver, "www.test", 80, stream), ["192.0.2.1:80 tcp", "192.0.2.2:80 tcp"]);
    server.script = (query) => query.refuse(query.asked.endsWith("AAAA") ? 2 : 0);
    assertEquals(info(resolver, "a.test", 80, stream), ["DNS_SERVFAIL", "EAI_AGAIN"]);
    server.script = (query) => query.refuse(3);
    assertEquals(info(resolver, "b.test", 80, stream), ["DNS_NXDOMAIN", "EAI_NONAME"]);
  });

  it("waits for the second family for so long, or where the first has failed to its end", (base, time) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked.endsWith(" A")) query.answer([a("192.0.2.1")]);
      else base.once(-1, 1, () => query.answer([aaaa("2001:db8::1")]), 4000);
    });
    using resolver = resolverFor(base, [server.address]);
    assertEquals(info(resolver, "www.test", 80, stream), ["192.0.2.1:80 tcp"]);
    assertStrictEquals(time.elapsedMs, 3000);
    assertStrictEquals(resolver.inflightCount, 0);
    server.script = (query) => {
      if (query.asked.endsWith(" A")) query.refuse(3);
      else base.once(-1, 1, () => query.answer([aaaa("2001:db8::1")]), 4000);
    };
    assertEquals(info(resolver, "other.test", 80, stream), ["[2001:db8::1]:80 tcp"]);
    assertStrictEquals(time.elapsedMs, 7000);
  });

  it("both families are found under the same name", (base) => {
    using server = new ScriptedServer(base, (query) => {
      if (query.asked === "www.one.test A") query.answer([a("192.0.2.1")]);
      else if (query.asked === "www.two.test AAAA") query.answer([aaaa("2001:db8::2")]);
      else query.refuse(query.asked.includes(".one.") ? 0 : 3);
    });
    using resolver = resolverFor(base, [server.address], { search: ["one.test", "two.test"] });
    assertEquals(info(resolver, "www", 80, stream), ["192.0.2.1:80 tcp"]);
    assertEquals(info(resolver, "www", 80, { ...stream, family: "ipv6" }), ["[2001:db8::2]:80 tcp"]);
  });

  it("IPv4-mapped addresses take the place of IPv6 ones, or stand beside them", (base) => {
    using server = new ScriptedServer(base, both);
    using resolver = resolverFor(base, [server.address]);
    const six = { ...stream, family: "ipv6", mapped: true } as const;
    assertEquals(info(resolver, "www.test", 80, six), ["[2001:db8::1]:80 tcp"]);
    assertEquals(info(resolver, "www.test", 80, { ...six, all: true }), [
      "[2001:db8::1]:80 tcp",
      "[::ffff:192.0.2.1]:80 tcp",
      "[::ffff:192.0.2.2]:80 tcp",
    ]);
    assertEquals(info(resolver, "192.0.2.7", 80, six), ["[::ffff:192.0.2.7]:80 tcp"]);
  });

  it("can be cancelled at any time, by hand and by signal, and is told so from the loop", (base) => {
    using server = new ScriptedServer(base, () => {});
    using resolver = resolverFor(base, [server.address]);
    for (const host of ["www.test", "192.0.2.1"]) {
      for (const bySignal of [false, true]) {
        const controller = new AbortController();
        let told: string | undefined;
        const request = resolver.lookup(host, 80, { signal: controller.signal }, (error) => {
          told = `${error?.code} ${error?.eai} ${error?.cause}`;
          base.loopBreak();
        });
        if (bySignal) controller.abort("enough");
        else request.cancel("enough");
        assertStrictEquals(told, undefined);
        base.dispatch();
        assertStrictEquals(told, "DNS_CANCELLED EAI_CANCELED enough");
        request.cancel();
        assert(request.isOver);
      }
    }
    assertEquals([resolver.inflightCount, resolver.waitingCount], [0, 0]);
  });

  it("many are begun and cancelled at random times, and nothing is left", (base) => {
    using server = new ScriptedServer(base, () => {});
    using resolver = resolverFor(base, [server.address], { maxInflight: 10, waitingMax: 100_000 });
    let told = 0;
    for (let count = 0; count < 2000; count++) {
      const request = resolver.lookup(`${count % 300}.test`, 80, {}, () => told++);
      if (count % 3 !== 0) request.cancel();
      else base.once(-1, 1, () => request.cancel(), count % 50);
    }
    base.loopExit(100);
    base.dispatch();
    assertEquals([told, resolver.inflightCount, resolver.waitingCount], [2000, 0, 0]);
  });

  it("answers can be put into the cache and looked up there", (base, time) => {
    using server = new ScriptedServer(base, (query) => query.refuse(3));
    using resolver = resolverFor(base, [server.address]);
    resolver.cacheWrite("Www.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"], 30);
    assertEquals(resolver.cacheLookup("www.TEST."), ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    assertEquals(info(resolver, "www.test", 80, stream).length, 3);
    assertEquals(info(resolver, "www.test", 80, { ...stream, noCache: true })[0], "DNS_NXDOMAIN");
    time.elapsedMs += 30_001;
    assertEquals(resolver.cacheLookup("www.test"), undefined);
    resolver.cacheWrite("www.test", ["192.0.2.1"], 30);
    assertEquals(info(resolver, "www.test", 80, { ...stream, family: "ipv6" }), ["DNS_NODATA", "EAI_NODATA"]);
    resolver.cacheWrite("www.test", null, 0);
    assertEquals(resolver.cacheLookup("www.test"), undefined);
    resolver.cacheWrite("a.test", ["192.0.2.1"], 30);
    resolver.clearCache();
    assertStrictEquals(resolver.cacheSize, 0);
    assertThrows(() => resolver.cacheWrite("www.test", ["nonsense"], 1), TypeError);
    assertThrows(() => resolver.cacheWrite("a..b", ["192.0.2.1"], 1), TypeError);
    assertEquals(server.asked.length, 2);
  });
});
