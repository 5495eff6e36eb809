import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  compareSocketAddresses,
  isLinkLocal,
  isLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseSocketAddress,
  type SocketAddress,
} from "../../src/core/mod.ts";

const kinds = { isUnspecified, isLoopback, isLinkLocal, isMulticast, isLocal };

/** The names of the kinds that an address is of. */
function kindsOf(text: string): string {
  const address = parseSocketAddress(text);
  return Object.entries(kinds).filter(([, isKind]) => isKind(address)).map(([name]) => name.slice(2)).join(" ");
}

describe("the kinds of addresses", () => {
  it("begin and end where the RFCs say", () => {
    const expected: Record<string, string> = {
      "0.0.0.0": "Unspecified Local",
      "0.0.0.1": "",
      "126.255.255.255": "",
      "127.0.0.0": "Loopback Local",
      "127.255.255.255": "Loopback Local",
      "128.0.0.0": "",
      "169.253.255.255": "",
      "169.254.0.0": "LinkLocal Local",
      "169.254.255.255": "LinkLocal Local",
      "169.255.0.0": "",
      "223.255.255.255": "",
      "224.0.0.0": "Multicast Local",
      "239.255.255.255": "Multicast Local",
      "240.0.0.0": "",
      "255.255.255.255": "",
      "10.0.0.1": "",
      "::": "Unspecified Local",
      "::1": "Loopback Local",
      "::2": "Local",
      "0:0:0:0:1::": "Local",
      "0:0:0:1::": "",
      "fbff::": "",
      "fc00::": "Local",
      "fdff:ffff::": "Local",
      "fe00::": "",
      "fe7f:ffff::": "",
      "fe80::": "LinkLocal Local",
      "febf:ffff::": "LinkLocal Local",
      "fec0::": "Local",
      "feff:ffff::": "Local",
      "ff00::": "Multicast Local",
      "ffff::": "Multicast Local",
      "2001:db8::1": "",
    };
    for (const [text, names] of Object.entries(expected)) assertEquals(kindsOf(text), names, text);
  });

  it("of an IPv4-mapped address are those of the IPv4 address", () => {
    for (const four of ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "8.8.8.8"]) {
      assertEquals(kindsOf(`::ffff:${four}`), kindsOf(four), four);
    }
    // Neither mapped nor loopback, though it looks like it.
    assertEquals(kindsOf("::fffe:127.0.0.1"), "Local");
    assertEquals(kindsOf("1::ffff:127.0.0.1"), "");
  });

  it("of a Unix socket are none but local", () => {
    assertEquals(kindsOf("unix:/run/socket"), "Local");
  });

  it("are not guessed for what is no address", () => {
    for (const family of ["ipv4", "ipv6"] as const) {
      const name = { family, host: "localhost", port: 1, scope: 0 } as SocketAddress;
      for (const isKind of Object.values(kinds)) assertThrows(() => isKind(name), TypeError, '"localhost"');
      assertThrows(() => compareSocketAddresses(name, name), TypeError, '"localhost"');
    }
  });
});

describe("compareSocketAddresses()", () => {
  it("puts addresses in one order, whichever two are compared", () => {
    const ordered = [
      "unix:",
      "unix:@abstract",
      "unix:/a",
      "unix:/ab",
      "unix:/b",
      "0.0.0.0:1",
      "1.2.3.4:0",
      "1.2.3.4:80",
      "1.2.3.4:65535",
      "1.2.4.0:1",
      "2.0.0.0:1",
      "200.0.0.0:1",
      "[::]:1",
      "[::1]:0",
      "[::1]:1",
      "[::ffff:1.2.3.4]:80",
      "[fe80::1]:9",
      "[fe80::1%1]:1",
      "[fe80::1%2]:1",
      "[ff00::]:1",
    ].map((text) => parseSocketAddress(text));
    for (const [index, one] of ordered.entries()) {
      for (const [otherIndex, other] of ordered.entries()) {
        assertEquals(Math.sign(compareSocketAddresses(one, other)), Math.sign(index - otherIndex));
      }
    }
  });

  it("takes different ways to write an address for the same, and flow labels for nothing", () => {
    const one: SocketAddress = { family: "ipv6", host: "2001:DB8:0::0:1", port: 1, scope: 0, flow: 7 };
    assertEquals(compareSocketAddresses(one, parseSocketAddress("[2001:db8::1]:1")), 0);
  });

  it("overlooks ports when told to, and nothing else", () => {
    const same = (one: string, other: string): boolean =>
      compareSocketAddresses(parseSocketAddress(one), parseSocketAddress(other), { ports: false }) === 0;
    assertEquals([same("1.2.3.4:1", "1.2.3.4:2"), same("[::1]:1", "[::1]:2")], [true, true]);
    assertFalse(same("1.2.3.4:1", "1.2.3.5:1"));
    assertFalse(same("[fe80::1%1]:1", "[fe80::1%2]:1"));
    assertFalse(same("unix:/a", "unix:/b"));
  });
});
