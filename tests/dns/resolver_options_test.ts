import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DNS_FLAG_AUTHENTIC_DATA,
  DnsError,
  dnsErrorText,
  DnsResolver,
  EventBase,
  formatSocketAddress,
  type IpSocketAddress,
  type SecureLayer,
  SystemError,
} from "../../mod.ts";
import { domainsOfHost } from "../../src/dns/search_list.ts";
import { hostName } from "../../src/ffi/mod.ts";
import { until } from "../core/bufferevent_support.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { backendsUnderTest } from "../support/backends.ts";
import { lookedUp, Outcomes, resolverFor } from "./resolver_support.ts";
import { a, ScriptedServer } from "./scripted_server.ts";

describe("the options of a resolver", () => {
  let base: EventBase;
  let folder: string;
  beforeEach(() => {
    base = new EventBase();
    folder = mkdtempSync(join(tmpdir(), "evbase-dns-"));
  });
  afterEach(() => {
    base.close();
    rmSync(folder, { recursive: true });
  });

  const addresses = (resolver: DnsResolver): string[] =>
    resolver.nameservers.map(({ address }) => formatSocketAddress(address));

  function file(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  it("can be set by the names that libevent and resolv.conf have for them", () => {
    using resolver = resolverFor(base, []);
    const named: [name: string, value: string, setting: keyof DnsResolver["settings"], expected: unknown][] = [
      ["ndots", "3", "ndots", 3],
      ["ndots:", "4", "ndots", 4],
      ["timeout", "2.5", "timeoutMs", 2500],
      ["max-timeouts:", "7", "maxTimeouts", 7],
      ["max-inflight", "100", "maxInflight", 100],
      ["attempts", "5", "attempts", 5],
      ["randomize-case", "0", "randomizeCase", false],
      ["randomize-case", "1", "randomizeCase", true],
      ["bind-to", "127.0.0.1:5300", "bindTo", { family: "ipv4", host: "127.0.0.1", port: 5300 }],
      ["initial-probe-timeout", "1", "initialProbeMs", 1000],
      ["max-probe-timeout", "60", "maxProbeMs", 60_000],
      ["probe-backoff-factor", "2", "probeBackoffFactor", 2],
      ["getaddrinfo-allow-skew", "0.5", "allowSkewMs", 500],
      ["so-rcvbuf", "65536", "receiveBufferBytes", 65_536],
      ["so-sndbuf", "65536", "sendBufferBytes", 65_536],
      ["tcp-idle-timeout", "9", "tcpIdleMs", 9000],
      ["use-vc", "", "useTcp", true],
      ["ignore-tc", "", "ignoreTruncation", true],
      ["edns-udp-size", "4096", "ednsUdpBytes", 4096],
      ["rotate", "", "rotate", true],
      ["edns0", "", "ednsUdpBytes", 1232],
      ["trust-ad", "", "authenticData", true],
    ];
    for (const [name, value, setting, expected] of named) {
      resolver.setOption(name, value);
      assertEquals(resolver.settings[setting], expected, name);
    }
  });

  it("refuse unknown names and values that are none, and stay as they are then", () => {
    using resolver = resolverFor(base, []);
    const before = resolver.settings;
    assertThrows(() => resolver.setOption("no-such-option", "1"), TypeError, "no-such-option");
    const wrong: [string, string][] = [
      ["ndots", "x"],
      ["ndots", "-1"],
      ["timeout", "0"],
      ["timeout", ""],
      ["max-timeouts", "0"],
      ["max-timeouts", "256"],
      ["max-inflight", "65001"],
      ["attempts", "256"],
      ["bind-to", "nonsense"],
      ["initial-probe-timeout", "3601"],
      ["probe-backoff-factor", "11"],
      ["edns-udp-size", "511"],
      ["edns-udp-size", "65536"],
      ["so-rcvbuf", "1.5"],
    ];
    for (const [name, value] of wrong) {
      assertThrows(() => resolver.setOption(name, value), RangeError, undefined, `${name} ${value}`);
    }
    assertThrows(() => resolver.setOptions({ attempts: 0 }), RangeError, "attempts");
    assertThrows(() => resolverFor(base, [], { maxInflight: 0.5 }), RangeError, "maxInflight");
    assertEquals(resolver.settings, before);
  });

  it("come from resolv.conf where nothing else is said", () => {
    const resolvConf = file(
      "resolv.conf",
      "nameserver 192.0.2.1\nnameserver 192.0.2.2:5353\nsearch a.test b.test\noptions ndots:2 timeout:7 rotate unknown:1 attempts:999\n",
    );
    const common = { resolvConf, hosts: false } as const;
    using resolver = new DnsResolver(base, common);
    assertEquals(addresses(resolver), ["192.0.2.1:53", "192.0.2.2:5353"]);
    assertEquals(resolver.searchDomains, ["a.test", "b.test"]);
    const { ndots, timeoutMs, rotate, attempts } = resolver.settings;
    assertEquals([ndots, timeoutMs, rotate, attempts], [2, 7000, true, 3]);
    using other = new DnsResolver(base, { ...common, search: ["c.test"], timeoutMs: 100 });
    assertEquals([other.settings.timeoutMs, other.settings.ndots, other.searchDomains], [100, 2, ["c.test"]]);
    using given = new DnsResolver(base, { ...common, nameservers: ["::1"] });
    assertEquals([addresses(given), given.searchDomains], [["[::1]:53"], []]);
  });

  it("ask this host where there is no file or no server in it, unless that is not wanted", () => {
    for (const resolvConf of [join(folder, "missing"), file("empty", "# nothing\n"), false] as const) {
      using resolver = new DnsResolver(base, { resolvConf });
      assertEquals(addresses(resolver), ["127.0.0.1:53"]);
      using none = new DnsResolver(base, { resolvConf, defaultNameserver: false });
      assertEquals(addresses(none), []);
    }
  });

  it("search in the domain of this host's name where nothing is said of domains", () => {
    const cases: [name: string, domains: string[]][] = [
      ["box", []],
      ["box.test", ["test"]],
      ["box.sub.test.", ["sub.test"]],
      ["box.", []],
      ["box..test", ["test"]],
      ["", []],
      ["box.not a name\u00e9", []],
    ];
    for (const [name, domains] of cases) assertEquals(domainsOfHost(name), domains, name);
    const own = domainsOfHost(hostName());
    const [silent, none] = [file("silent", "nameserver 192.0.2.1\n"), file("none", "search .\n")];
    using resolver = new DnsResolver(base, { resolvConf: silent, hosts: false });
    assertEquals(resolver.searchDomains, own);
    resolver.searchDomains = ["kept.test"];
    resolver.loadResolvConf(silent);
    assertEquals(resolver.searchDomains, ["kept.test"]);
    resolver.loadResolvConf(none);
    assertEquals(resolver.searchDomains, []);
    resolver.loadResolvConf(silent);
    assertEquals(resolver.searchDomains, own);
    for (const options of [{ resolvConf: none }, { resolvConf: false }, { nameservers: ["::1"] }] as const) {
      using other = new DnsResolver(base, options);
      assertEquals(other.searchDomains, []);
    }
  });

  it("can be read later, in parts", () => {
    const path = file("later", "nameserver 192.0.2.9\nsearch late.test\noptions ndots:5\n");
    using resolver = resolverFor(base, ["192.0.2.1"]);
    resolver.loadResolvConf(path, { nameservers: false, options: false });
    assertEquals([addresses(resolver), resolver.searchDomains], [["192.0.2.1:53"], ["late.test"]]);
    resolver.loadResolvConf(path);
    assertEquals([addresses(resolver), resolver.settings.ndots], [["192.0.2.1:53", "192.0.2.9:53"], 5]);
    assertThrows(() => resolver.loadResolvConf(join(folder, "missing")), SystemError, "ENOENT");
    assertThrows(() => resolver.loadHosts(join(folder, "missing")), SystemError, "ENOENT");
  });

  it("refuse name servers and domains that are none", () => {
    for (const server of ["nonsense", "192.0.2.300", "unix:/x", ""]) {
      assertThrows(() => resolverFor(base, [server]), TypeError, server);
    }
    using resolver = resolverFor(base, ["192.0.2.1"]);
    assertEquals(resolver.addNameserver("192.0.2.1:53"), false);
    assertEquals(resolver.addNameserver("192.0.2.1:54"), true);
    for (const host of ["dns.example", "eth0"]) {
      assertThrows(() => resolver.addNameserver({ family: "ipv4", host, port: 53 }), TypeError, host);
      assertThrows(() => resolver.setOptions({ bindTo: { family: "ipv4", host, port: 0 } }), TypeError, host);
    }
    assertThrows(() => resolver.addNameserver({ family: "ipv6", host: "fe80::1%lo", port: 53, scope: 0 }), TypeError);
    assertThrows(() => resolver.setOptions({ bindTo: { family: "ipv4", host: "127.0.0.1", port: NaN } }), RangeError);
    assertThrows(() => resolver.addSearchDomain("a..b"), TypeError);
    assertThrows(() => resolverFor(base, [], { search: [""] }), TypeError);
    const layer: SecureLayer = { role: "server", secure: (stream) => stream };
    assertThrows(() => resolverFor(base, [], { tls: layer }), TypeError);
  });

  it("refuse the address of a Unix socket, and stay as they are when one of several is refused", () => {
    const address = { family: "unix", path: "/x", host: "127.0.0.1", port: 53 } as unknown as IpSocketAddress;
    assertThrows(() => resolverFor(base, [], { nameservers: [address] }), TypeError, "unix");
    assertThrows(() => resolverFor(base, [], { bindTo: address }), TypeError, "unix");
    using resolver = resolverFor(base, ["192.0.2.1"]);
    const before = resolver.settings;
    assertThrows(() => resolver.addNameserver(address), TypeError, "unix");
    for (const bindTo of [address, { family: "ipv4", host: "eth0", port: 0 } as const]) {
      assertThrows(() => resolver.setOptions({ ndots: 3, bindTo, rotate: true }), TypeError);
    }
    assertThrows(() => resolver.setOptions({ rotate: true, ndots: 3, attempts: 0 }), RangeError);
    assertStrictEquals(resolver.settings, before);
    assertEquals(addresses(resolver), ["192.0.2.1:53"]);
  });

  it("take port 853 where everything is encrypted", () => {
    const tls: SecureLayer = { role: "client", secure: (stream) => stream };
    using resolver = resolverFor(base, ["192.0.2.1", "192.0.2.2:8853"], { tls });
    assertEquals(addresses(resolver), ["192.0.2.1:853", "192.0.2.2:8853"]);
  });

  it("forget what was asked without authenticData, or with it, when that changes, and with other settings do not", () => {
    withVirtualTime(backendsUnderTest[0]!, (base) => {
      // It says that it has verified everything.
      using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")], { flags: 0x81a0 }));
      using resolver = resolverFor(base, [server.address]);
      const outcomes = new Outcomes(base);
      const isAuthentic = (): boolean => {
        resolver.query("www.test", "A", {}, outcomes.note);
        outcomes.untilThereAre(outcomes.list.length + 1);
        return outcomes.answers.at(-1)!.isAuthentic;
      };
      for (const authenticData of [false, true, false]) {
        resolver.setOptions({ authenticData });
        resolver.setOptions({ ndots: 2 });
        assertEquals([isAuthentic(), isAuthentic()], [authenticData, authenticData]);
      }
      assertEquals(server.asked.length, 3);
    });
  });

  it("remember nothing of what is under way when authenticData changes, and ask anew for who asks then", () => {
    withVirtualTime(backendsUnderTest[0]!, (base) => {
      for (const authenticData of [true, false]) {
        // It has verified everything, and says so to who asks for that.
        using server = new ScriptedServer(base, () => {});
        using resolver = resolverFor(base, [server.address], { authenticData: !authenticData });
        const outcomes = new Outcomes(base);
        resolver.query("www.test", "A", {}, outcomes.note);
        until(base, () => server.asked.length === 1, "the first query");
        resolver.setOptions({ authenticData });
        server.script = () => {
          for (const query of server.queries) {
            query.answer([a("192.0.2.1")], { flags: 0x8180 | (query.message.flags & DNS_FLAG_AUTHENTIC_DATA) });
          }
        };
        resolver.query("www.test", "A", {}, outcomes.note);
        outcomes.untilThereAre(2);
        resolver.query("www.test", "A", {}, outcomes.note);
        outcomes.untilThereAre(3);
        assertEquals(outcomes.answers.map(({ isAuthentic }) => isAuthentic).slice(1), [authenticData, authenticData]);
        assertEquals(server.asked.length, 2);
      }
    });
  });

  it("put a domain that is added in front of the others", () => {
    using resolver = resolverFor(base, [], { search: ["a.test"] });
    resolver.addSearchDomain("b.test.");
    assertEquals(resolver.searchDomains, ["b.test", "a.test"]);
    resolver.searchDomains = [];
    assertEquals(resolver.searchDomains, []);
  });
});

describe("names with search domains", () => {
  /** The names that are asked for, in their order, when none of them exists. */
  function asked(name: string, ndots: number, search: readonly string[], noSearch = false): string[] {
    let names: string[] = [];
    withVirtualTime(backendsUnderTest[0]!, (base) => {
      using server = new ScriptedServer(base, (query) => query.refuse(3));
      using resolver = resolverFor(base, [server.address], { ndots, search });
      assertEquals(lookedUp(resolver, name, "A", { noSearch }), "DNS_NXDOMAIN");
      names = server.asked.map((text) => text.replace(" A", ""));
    });
    return names;
  }
  const search = ["a.test", "b.test"];

  it("are tried under the domains first when they have fewer dots than ndots, and as they are last", () => {
    assertEquals(asked("host", 1, search), ["host.a.test", "host.b.test", "host"]);
    assertEquals(asked("host.x", 2, search), ["host.x.a.test", "host.x.b.test", "host.x"]);
  });

  it("are tried as they are first when they have so many dots", () => {
    assertEquals(asked("host.x", 1, search), ["host.x", "host.x.a.test", "host.x.b.test"]);
    assertEquals(asked("host", 0, search), ["host", "host.a.test", "host.b.test"]);
  });

  it("stand for themselves with a dot at their end, or where no search is wanted", () => {
    assertEquals(asked("host.", 1, search), ["host"]);
    assertEquals(asked("host", 1, search, true), ["host"]);
    assertEquals(asked("host", 1, []), ["host"]);
  });

  it("are not tried where they would be too long", () => {
    const long = Array(4).fill("x".repeat(60)).join(".");
    assertEquals(asked(long, 9, ["y".repeat(20), "z"]), [`${long}.z`, long]);
  });

  it("are found under the first domain that has them, and a failure is no reason to take another", () => {
    withVirtualTime(backendsUnderTest[0]!, (base) => {
      using server = new ScriptedServer(base, (query) => {
        if (query.asked === "host.b.test A") query.answer([a("192.0.2.1")]);
        else query.refuse(query.asked === "bad.a.test A" ? 2 : query.asked === "empty.a.test A" ? 0 : 3);
      });
      using resolver = resolverFor(base, [server.address], { search, cache: false });
      assertEquals(lookedUp(resolver, "host"), "192.0.2.1");
      assertEquals(lookedUp(resolver, "bad"), "DNS_SERVFAIL");
      assertEquals(lookedUp(resolver, "empty"), "DNS_NODATA");
      assertEquals(server.asked.at(-1), "empty A");
    });
  });
});

describe("DnsError", () => {
  it("has evdns's numbers and getaddrinfo's names", () => {
    const known = [["DNS_NXDOMAIN", 3, "EAI_NONAME"], ["DNS_TIMEOUT", 67, "EAI_AGAIN"], [
      "DNS_LAME",
      66,
      "EAI_FAIL",
    ]] as const;
    for (const [code, number, eai] of known) {
      const error = new DnsError(code, "x.test");
      assertEquals([error.number, error.eai], [number, eai]);
      assert(error.message.includes("x.test"));
    }
    assertEquals(dnsErrorText(0), "no error");
    assertEquals(dnsErrorText(70), "the name exists and has no such record");
    assertEquals(dnsErrorText(99), "unknown error");
  });
});
