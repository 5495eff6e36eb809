import { assertEquals, assertStrictEquals, assertThrows, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase, HostsTable } from "../../mod.ts";
import { addressBytes, commonBits, policyOf, SCOPE_GLOBAL, SCOPE_LINK, scopeOf } from "../../src/dns/address_policy.ts";
import { sortAddresses, SORTED_MAX } from "../../src/dns/address_sorting.ts";
import { sourceAddress } from "../../src/dns/source_address.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { alongside } from "../core/async_support.ts";
import { resolverFor } from "./resolver_support.ts";

/** Addresses in the order in which they should come out, each with the address it is reached from; they are handed in backwards. */
function assertOrder(rule: string, ...expected: (readonly [address: string, source: string | undefined])[]): void {
  const sources = new Map(expected);
  const addresses = [...sources.keys()];
  assertEquals(sortAddresses([...addresses].reverse(), (address) => sources.get(address)), addresses, rule);
}

describe("addresses are sorted by RFC 6724", () => {
  it("rule 1: those without a way there come last", () => {
    assertOrder("unusable", ["192.0.2.1", "192.0.2.9"], ["2001:db8::1", undefined]);
    assertOrder("unusable", ["2001:db8::1", "2001:db8::2"], ["192.0.2.1", undefined]);
  });

  it("rule 2: those of the scope that is spoken from come first", () => {
    assertOrder("scope", ["2001:db8:1::1", "2001:db8:1::2"], ["198.51.100.121", "169.254.13.78"]);
    assertOrder("scope", ["198.51.100.121", "198.51.100.117"], ["2001:db8:1::1", "fe80::1"]);
    assertOrder("private addresses are global", ["10.1.2.3", "10.1.2.4"], ["2001:db8:1::1", "fe80::1"]);
  });

  it("rule 5: those of the label that is spoken from come first", () => {
    assertOrder("label", ["2002:c633:6401::1", "2002:c633:6401::2"], ["2001:db8:1::1", "2002:c633:6401::2"]);
    assertOrder("label", ["192.0.2.1", "192.0.2.2"], ["2001:db8:1::1", "fd00::2"]);
  });

  it("rule 6: those of higher precedence come first", () => {
    assertOrder("precedence", ["2001:db8:1::1", "2001:db8:1::2"], ["10.1.2.3", "10.1.2.4"]);
    assertOrder("precedence", ["2001:db8:1::1", "2001:db8:1::2"], ["2002:c633:6401::1", "2002:c633:6401::2"]);
    assertOrder("precedence", ["192.0.2.1", "192.0.2.2"], ["fd00::1", "fd00::2"]);
    assertOrder("loopback", ["::1", "::1"], ["127.0.0.1", "127.0.0.1"]);
    assertOrder("where there is no way to either", ["2001:db8::1", undefined], ["192.0.2.1", undefined]);
  });

  it("rule 8: those that reach less far come first", () => {
    assertOrder("scope", ["fe80::1", "fe80::2"], ["2001:db8:1::1", "2001:db8:1::2"]);
    assertOrder("scope", ["fe80::1%3", "fe80::2%3"], ["2001:db8:1::1", "2001:db8:1::2"]);
  });

  it("rule 9: those in the nearest network come first, as far as networks go, and of IPv6 alone", () => {
    assertOrder("prefix", ["2001:db8:1::1", "2001:db8:1::2"], ["2001:db8:3ffe::1", "2001:db8:3f44::2"]);
    const from = (source: string) => (): string => source;
    const same = ["2001:db8::ff00:1", "2001:db8::2"];
    assertEquals(sortAddresses(same, from("2001:db8::3")), same, "in one network");
    const four = ["198.51.100.1", "192.0.2.1"];
    assertEquals(sortAddresses(four, from("192.0.2.2")), four, "IPv4");
  });

  it("rule 10: the others stay in their order", () => {
    const addresses = ["192.0.2.3", "192.0.2.1", "192.0.2.2"];
    assertEquals(sortAddresses(addresses, () => "192.0.2.9"), addresses);
    assertEquals(sortAddresses(["192.0.2.1"], () => fail("there is nothing to ask")), ["192.0.2.1"]);
  });

  it("as many as anybody tries, and no more", () => {
    const many = Array.from({ length: SORTED_MAX + 2 }, (_, index) => `192.0.2.${index}`);
    const last = many[SORTED_MAX - 1]!;
    const sorted = sortAddresses(many, (address) => address === last ? "192.0.2.200" : undefined);
    assertEquals([sorted[0], sorted.slice(SORTED_MAX)], [last, many.slice(SORTED_MAX)]);
    assertThrows(() => sortAddresses(["192.0.2.1", "nonsense"], () => undefined), TypeError);
  });
});

describe("what RFC 6724 says of an address", () => {
  it("is its precedence and label", () => {
    const table: [address: string, precedence: number, label: number][] = [
      ["::1", 50, 0],
      ["::2", 1, 3],
      ["192.0.2.1", 35, 4],
      ["::ffff:192.0.2.1", 35, 4],
      ["2002::1", 30, 2],
      ["2001::1", 5, 5],
      ["2001:db8::1", 40, 1],
      ["fc00::1", 3, 13],
      ["fd12::1", 3, 13],
      ["fec0::1", 1, 11],
      ["3ffe::1", 1, 12],
      ["fe80::1", 40, 1],
    ];
    for (const [address, precedence, label] of table) {
      const found = policyOf(addressBytes(address)!);
      assertEquals([found.precedence, found.label], [precedence, label], address);
    }
  });

  it("is how far it reaches", () => {
    const scopes: [scope: number, ...addresses: string[]][] = [
      [SCOPE_LINK, "::1", "127.0.0.1", "127.9.9.9", "169.254.1.1", "fe80::1", "febf::1", "fe80::1%2", "ff02::1"],
      [5, "fec0::1", "ff05::2"],
      [SCOPE_GLOBAL, "192.0.2.1", "10.0.0.1", "192.168.0.1", "2001:db8::1", "fc00::1", "::2", "ff0e::1"],
    ];
    for (const [scope, ...addresses] of scopes) {
      for (const address of addresses) assertStrictEquals(scopeOf(addressBytes(address)!), scope, address);
    }
    assertStrictEquals(addressBytes("nonsense"), undefined);
    assertStrictEquals(commonBits(addressBytes("2001:db8::")!, addressBytes("2001:db9::")!), 31);
  });
});

describe("the address that this host speaks from", () => {
  it("is what the kernel says, and asking leaves no descriptor open", () => {
    const before = openDescriptorCount();
    assertEquals(["127.0.0.1", "127.1.2.3", "::1"].map(sourceAddress), ["127.0.0.1", "127.0.0.1", "::1"]);
    // There is no way to a link without its interface.
    assertEquals(["fe80::1", "nonsense"].map(sourceAddress), [undefined, undefined]);
    assertStrictEquals(openDescriptorCount(), before);
  });

  it("sorts what connections are told, and what getaddrinfo finds where that is wanted", async () => {
    using base = new EventBase();
    await alongside(base, async () => {
      using resolver = resolverFor(base, []);
      resolver.loadHosts(HostsTable.parse("127.0.0.1 box\nfe80::1 box\n::1 box\n"));
      const query = { family: "any", signal: new AbortController().signal, partial: () => {} } as const;
      const hosts = (found: readonly { host: string }[]): string[] => found.map(({ host }) => host);
      assertEquals(hosts(await resolver.resolve("box", query)), ["::1", "127.0.0.1", "fe80::1"]);
      const info = async (): Promise<string[]> =>
        (await resolver.getaddrinfo("box", 80, { type: "stream" })).map(({ address }) => address.host);
      assertEquals(await info(), ["127.0.0.1", "fe80::1", "::1"]);
      resolver.setOptions({ sortAddresses: true });
      assertEquals(await info(), ["::1", "127.0.0.1", "fe80::1"]);
    });
  });
});
