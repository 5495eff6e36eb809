/**
 * Counterparts of the cases of libevent's group "util"; `docs/parity.md` says which is which. The tables hold the inputs that
 * libevent checks, with what evbase makes of them.
 */
import { assert, assertEquals, assertGreater, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  closeDescriptor,
  compareAsciiIgnoreCase,
  compareSocketAddresses,
  enableDebugLogging,
  EVENT_DBG_NONE,
  EVENT_LOG_DEBUG,
  EVENT_LOG_MSG,
  EVENT_LOG_WARN,
  formatIpv4,
  formatIpv6,
  formatSocketAddress,
  ipSocketAddress,
  isLocal,
  isLoopback,
  lookUpBlocking,
  type NameLookupAnswer,
  NameLookupError,
  type NameLookupHints,
  parseIpv4,
  parseIpv6,
  parseSocketAddress,
  rfc1123Date,
  setLogCallback,
  type SocketAddress,
  socketPair,
} from "../../src/core/mod.ts";
import { log } from "../../src/core/log.ts";
import { os, systemError } from "../../src/ffi/mod.ts";

const c = os.constants;

describe("addresses as text", () => {
  it("IPv4 addresses are read, and written as they were", () => {
    const good: [string, number[]][] = [
      ["1.2.3.4", [1, 2, 3, 4]],
      ["255.255.255.255", [255, 255, 255, 255]],
      ["176.192.208.244", [176, 192, 208, 244]],
    ];
    for (const [text, bytes] of good) {
      const parsed = parseIpv4(text)!;
      assertEquals([...parsed], bytes);
      assertEquals(formatIpv4(parsed), text);
    }
    for (const text of ["256.0.0.0", "ABC", "1.2.3.4.5"]) assertStrictEquals(parseIpv4(text), null, text);
  });

  it("IPv6 addresses are read in every form, and written in the canonical one", () => {
    // The text, its eight groups, and the canonical text where it is another.
    const good: [string, number[], string?][] = [
      ["::", [0, 0, 0, 0, 0, 0, 0, 0]],
      ["0:0:0:0:0:0:0:0", [0, 0, 0, 0, 0, 0, 0, 0], "::"],
      ["::1", [0, 0, 0, 0, 0, 0, 0, 1]],
      ["::1.2.3.4", [0, 0, 0, 0, 0, 0, 0x102, 0x304], "::102:304"],
      ["ffff:1::", [0xffff, 1, 0, 0, 0, 0, 0, 0]],
      ["ffff:0000::", [0xffff, 0, 0, 0, 0, 0, 0, 0], "ffff::"],
      ["ffff::1234", [0xffff, 0, 0, 0, 0, 0, 0, 0x1234]],
      ["0102::1.2.3.4", [0x102, 0, 0, 0, 0, 0, 0x102, 0x304], "102::102:304"],
      ["::9:c0a8:1:1", [0, 0, 0, 0, 9, 0xc0a8, 1, 1]],
      ["::ffff:1.2.3.4", [0, 0, 0, 0, 0, 0xffff, 0x102, 0x304]],
      ["FFFF::", [0xffff, 0, 0, 0, 0, 0, 0, 0], "ffff::"],
    ];
    for (const [text, groups, canonical = text] of good) {
      const parsed = parseIpv6(text);
      assertEquals([...parsed!], groups.flatMap((group) => [group >> 8, group & 255]), text);
      assertEquals(formatIpv6(parsed!), canonical);
    }
    const bad = ["foobar.", "foobar", "fo:obar", "ffff", "fffff::", "::1.0.1.1000", "1:2:33333:4::"];
    for (const text of [...bad, "1:2:3:4:5:6:7:8:9", "1::2::3", ":::1"]) {
      assertStrictEquals(parseIpv6(text), null, text);
    }
  });

  it("a scope is a number, 0 for none, or the name of an interface that exists", () => {
    const scopeOf = (text: string): number | undefined => {
      const address = ipSocketAddress(text, 0);
      assert(address === undefined || address.host === "2001:db8::");
      return address?.family === "ipv6" ? address.scope : undefined;
    };
    assertEquals([scopeOf("2001:DB8::"), scopeOf("2001:DB8::%0"), scopeOf("2001:DB8::%1")], [0, 0, 1]);
    for (const text of ["foobar.", "2001:DB8::%does-not-exist"]) assertStrictEquals(scopeOf(text), undefined, text);
  });

  it("addresses are read with and without a port", () => {
    const good: [string, SocketAddress][] = [
      ["[ffff::1]:1000", { family: "ipv6", host: "ffff::1", port: 1000, scope: 0 }],
      ["[ffff::1]", { family: "ipv6", host: "ffff::1", port: 0, scope: 0 }],
      // Libevent refuses a port of 0; here it asks for any.
      ["[ffff::1]:0", { family: "ipv6", host: "ffff::1", port: 0, scope: 0 }],
      ["::1", { family: "ipv6", host: "::1", port: 0, scope: 0 }],
      ["1:2::1", { family: "ipv6", host: "1:2::1", port: 0, scope: 0 }],
      ["192.168.0.1:50", { family: "ipv4", host: "192.168.0.1", port: 50 }],
      ["1.2.3.4", { family: "ipv4", host: "1.2.3.4", port: 0 }],
    ];
    for (const [text, address] of good) assertEquals(parseSocketAddress(text), address);
    for (const text of ["[ffff::1", "[ffff::1]:65599", "[ffff::1]:-1"]) {
      assertThrows(() => parseSocketAddress(text), TypeError, text);
    }
  });

  it("addresses are written as they were read", () => {
    for (const text of ["192.168.1.1:80", "[ff00::8010]:999"]) {
      assertEquals(formatSocketAddress(parseSocketAddress(text)), text);
    }
  });
});

describe("kinds of addresses", () => {
  it("loopback addresses are told from others", () => {
    for (const text of ["127.0.0.1", "127.0.3.2", "::1"]) assert(isLoopback(parseSocketAddress(text)), text);
    for (const text of ["128.1.2.3", "18.0.0.1", "129.168.1.1", "::0", "f::1", "::501"]) {
      assert(!isLoopback(parseSocketAddress(text)), text);
    }
  });

  function assertLocal(texts: readonly string[], expected: boolean): void {
    for (const text of texts) assertStrictEquals(isLocal(parseSocketAddress(text)), expected, text);
  }

  it("IPv4 addresses that lead nowhere are told from those that do", () => {
    assertLocal(["0.0.0.0", "127.0.0.1", "127.255.255.255", "169.254.0.1", "169.254.255.255"], true);
    assertLocal(["224.0.0.0", "239.255.255.255"], true);
    assertLocal(["121.0.0.1", "170.0.0.0", "240.0.0.0"], false);
  });

  it("IPv6 addresses that lead nowhere are told from those that do", () => {
    assertLocal(["::", "::0", "::1", "::ffff:0:0", "::ffff:0:0:0", "fe80::", "ff00::"], true);
    assertLocal(["64:ff9b::", "2001::", "2001:4860:4802:32::1b"], false);
  });
});

it("ASCII texts are compared without regard to case, to the end or up to a length", () => {
  const cases: [string, string, number, number?][] = [
    ["ABC", "ABC", 0],
    ["ABC", "abc", 0],
    ["ABC", "abcd", -1],
    ["ABC", "abb", 1],
    ["ABCd", "abc", 1],
    ["Libevent", "LibEvEnT", 0, 100],
    ["Libevent", "LibEvEnT", 0, 4],
    ["Libevent", "LibEXXXX", 0, 4],
    ["Libevent", "LibE", 0, 4],
    ["Libe", "LibEvEnT", 0, 4],
    ["Lib", "LibEvEnT", -1, 4],
    ["abc", "def", -1, 99],
    ["Z", "qrst", 1, 1],
  ];
  for (const [one, other, sign, max] of cases) {
    assertEquals(Math.sign(compareAsciiIgnoreCase(one, other, max)), sign, `${one} ${other}`);
  }
});

it("what is logged reaches the callback with its level, the meaning of an errno included", () => {
  const logged: [number, string][] = [];
  setLogCallback((level, message) => logged.push([level, message]));
  try {
    log(EVENT_LOG_WARN, "Far too many wombats (99)");
    log(EVENT_LOG_MSG, "Connecting lime to coconut");
    log(EVENT_LOG_DEBUG, "unwanted");
    enableDebugLogging();
    log(EVENT_LOG_DEBUG, "A millisecond passed! We should log that!");
    log(EVENT_LOG_WARN, systemError(-os.errno["ENOENT"]!, "open", "open", { path: "/bad/file" }).message);
  } finally {
    setLogCallback(null);
    enableDebugLogging(EVENT_DBG_NONE);
  }
  assertEquals(logged, [
    [2, "Far too many wombats (99)"],
    [1, "Connecting lime to coconut"],
    [0, "A millisecond passed! We should log that!"],
    [2, "Cannot open /bad/file: no such file or directory (ENOENT)"],
  ]);
});

it("dates are written in the form of RFC 1123", () => {
  const dates: [number, string][] = [
    [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [946_684_799, "Fri, 31 Dec 1999 23:59:59 GMT"],
    [946_684_800, "Sat, 01 Jan 2000 00:00:00 GMT"],
    [981_072_000, "Fri, 02 Feb 2001 00:00:00 GMT"],
    [1_015_113_600, "Sun, 03 Mar 2002 00:00:00 GMT"],
    [1_049_414_400, "Fri, 04 Apr 2003 00:00:00 GMT"],
    [1_083_715_200, "Wed, 05 May 2004 00:00:00 GMT"],
    [1_118_016_000, "Mon, 06 Jun 2005 00:00:00 GMT"],
    [1_152_230_400, "Fri, 07 Jul 2006 00:00:00 GMT"],
    [1_186_531_200, "Wed, 08 Aug 2007 00:00:00 GMT"],
    [1_220_918_400, "Tue, 09 Sep 2008 00:00:00 GMT"],
    [1_255_132_800, "Sat, 10 Oct 2009 00:00:00 GMT"],
    [1_289_433_600, "Thu, 11 Nov 2010 00:00:00 GMT"],
    [1_323_648_000, "Mon, 12 Dec 2011 00:00:00 GMT"],
    [1_435_708_800, "Wed, 01 Jul 2015 00:00:00 GMT"],
    [1_456_704_000, "Mon, 29 Feb 2016 00:00:00 GMT"],
    [1_481_866_376, "Fri, 16 Dec 2016 05:32:56 GMT"],
    [4_294_967_296, "Sun, 07 Feb 2106 06:28:16 GMT"],
    [253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"],
  ];
  for (const [seconds, text] of dates) assertEquals(rfc1123Date(seconds * 1000), text);
  for (const ms of [NaN, Infinity, 8.64e15 + 1]) assertThrows(() => rfc1123Date(ms), RangeError, `${ms}`);
});

it("socket pairs come as streams and datagrams, and as nothing that does not exist", () => {
  for (const type of ["stream", "datagram"] as const) {
    const [one, other] = socketPair({ type });
    assertGreater(one, 0);
    assertGreater(other, 0);
    assertEquals([closeDescriptor(one), closeDescriptor(other)], [0, 0]);
  }
  assertThrows(() => socketPair({ type: "raw" as "stream" }), TypeError);
});

describe("blocking lookups", () => {
  /** The answers as `type address`, the type in words. */
  function found(host: string | null, service: string | null, hints: NameLookupHints): string[] {
    const names = new Map([[c.IPPROTO_TCP, "tcp"], [c.IPPROTO_UDP, "udp"]]);
    return lookUpBlocking(host, service, hints)
      .filter(({ protocol }: NameLookupAnswer) => names.has(protocol))
      .map(({ address, protocol }) => `${names.get(protocol)} ${formatSocketAddress(address)}`);
  }

  const tcp = { type: "stream", protocol: c.IPPROTO_TCP } as const;

  it("read addresses and ports as text, and know the two protocols apart", () => {
    assertEquals(found("1.2.3.4", "8080", { type: "stream" }), ["tcp 1.2.3.4:8080"]);
    assertEquals(found("1001:b0b::f00f", "4321", { protocol: c.IPPROTO_UDP }), ["udp [1001:b0b::f00f]:4321"]);
    const both = found("1.2.3.4", null, { numericHost: true });
    assertEquals(new Set(both), new Set(["tcp 1.2.3.4:0", "udp 1.2.3.4:0"]));
  });

  it("without a host give the wildcard to bind and the loopback address to connect to", () => {
    assertEquals(found(null, "9999", { ...tcp, family: "ipv4", passive: true }), ["tcp 0.0.0.0:9999"]);
    assertEquals(found(null, "9998", { ...tcp, family: "ipv4" }), ["tcp 127.0.0.1:9998"]);
    assertEquals(found(null, "9997", { ...tcp, family: "ipv6" }), ["tcp [::1]:9997"]);
    assertEquals(found(null, "9996", { ...tcp, family: "ipv6", passive: true }), ["tcp [::]:9996"]);
    assertEquals(
      new Set(found(null, "9996", { ...tcp, passive: true })),
      new Set(["tcp [::]:9996", "tcp 0.0.0.0:9996"]),
    );
  });

  it("refuse names where only numbers were allowed", () => {
    const error = assertThrows(() => found("www.example.com", "80", { numericHost: true }), NameLookupError);
    assertEquals(error.code, "EAI_NONAME");
    const service = assertThrows(() => found("1.2.3.4", "http", { ...tcp, numericService: true }), NameLookupError);
    assert(["EAI_SERVICE", "EAI_NONAME"].includes(service.code), service.code);
  });

  it("know the services that the system knows", () => {
    try {
      assertEquals(found("1.2.3.4", "http", tcp), ["tcp 1.2.3.4:80"]);
    } catch (error) {
      // Not every machine has a list of services (/etc/services).
      assert(error instanceof NameLookupError && error.code === "EAI_SERVICE", String(error));
    }
  });

  it("find a name with and without hints", () => {
    assertGreater(lookUpBlocking("localhost", null).length, 0);
    const loopback = parseSocketAddress("127.0.0.1:80");
    const answers = lookUpBlocking("localhost", 80, { ...tcp, family: "ipv4" });
    assertEquals(answers.map(({ address }) => compareSocketAddresses(address, loopback)), [0]);
  });

  it("of addresses as text do not depend on which families this host has", () => {
    assertEquals(found("127.0.0.1", "80", { type: "stream", configured: true, passive: true }), ["tcp 127.0.0.1:80"]);
    assertEquals(found("::1", "80", { type: "stream", configured: true, passive: true }), ["tcp [::1]:80"]);
  });
});
