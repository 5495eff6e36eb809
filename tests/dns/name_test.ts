import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  addressOfReverseName,
  dnsLabels,
  dnsNameBytes,
  isDnsName,
  isInDnsZone,
  isSameDnsName,
  normalDnsName,
  parentDnsName,
  parseDnsMessage,
  reverseDnsName,
} from "../../src/dns/mod.ts";
import { bytes, hex } from "./message_support.ts";

/** The text of a name in a message. */
function shown(name: Uint8Array): string {
  const message = [...bytes("0000 0000 0001 0000 0000 0000"), ...name, ...bytes("0001 0001")];
  return parseDnsMessage(Uint8Array.from(message)).questions[0]!.name;
}

describe("a domain name", () => {
  it("is labels with their lengths, and the root at the end", () => {
    assertEquals(hex(dnsNameBytes("www.Example.com")), hex(bytes(`"www" "Example" "com" 00`)));
    assertEquals(hex(dnsNameBytes("www.Example.com.")), hex(bytes(`"www" "Example" "com" 00`)));
    for (const root of [".", ""]) assertEquals(hex(dnsNameBytes(root)), "00");
  });

  it("has escapes for what means something else, both ways (RFC 4343 section 2.1)", () => {
    const cases: [text: string, wire: string][] = [
      ["a\\.b.c", `"a.b" "c" 00`],
      ["Donald\\032E\\.\\032Eastlake\\0323rd.example", `"Donald E. Eastlake 3rd" "example" 00`],
      ["a\\000\\\\\\255z.example", `06 61 00 5c ff 7a 2e "example" 00`],
      ['\\"\\(\\)\\;\\@\\$.x', `06 22 28 29 3b 40 24 "x" 00`],
    ];
    assertEquals(hex(dnsNameBytes(cases[0]![0])), hex(bytes(cases[0]![1])));
    assertEquals(hex(dnsNameBytes(cases[1]![0])), hex(bytes(cases[1]![1])));
    for (const index of [0, 1, 3]) assertStrictEquals(shown(bytes(cases[index]![1])), cases[index]![0]);
    assertStrictEquals(shown(bytes(`05 61 00 5c ff 7a "x" 00`)), "a\\000\\\\\\255z.x");
    assertEquals(hex(dnsNameBytes("a\\000\\\\\\255z.x")), hex(bytes(`05 61 00 5c ff 7a "x" 00`)));
    assertStrictEquals(hex(dnsNameBytes("\\097\\b.x")), hex(dnsNameBytes("ab.x")));
  });

  it("shows every byte in a way that is read as that byte", () => {
    for (let byte = 0; byte < 256; byte++) {
      const wire = Uint8Array.of(1, byte, 0);
      assertEquals(hex(dnsNameBytes(shown(wire))), hex(wire));
      assert(/^[!-~]+$/.test(shown(wire)));
    }
  });

  it("has labels of 63 bytes and 255 bytes altogether, and no more", () => {
    const label = "a".repeat(63);
    assertEquals(dnsNameBytes(label).length, 65);
    assertThrows(() => dnsNameBytes(`a${label}`), RangeError, "a label has 64 bytes");
    const longest = `${label}.${label}.${label}.${"b".repeat(61)}`;
    assertEquals(dnsNameBytes(longest).length, 255);
    assertEquals(dnsNameBytes(`${longest}.`).length, 255);
    for (const text of [`${longest}b`, `${longest}.b`, `${label}.`.repeat(5), "a.".repeat(128)]) {
      assertThrows(() => dnsNameBytes(text), RangeError, "longer than 255 bytes");
    }
    assertEquals(dnsNameBytes("a.".repeat(127)).length, 255);
  });

  it("is refused where it is none, saying why", () => {
    for (const text of ["a..b", ".a", "..", "a.."]) assertThrows(() => dnsNameBytes(text), RangeError, "a label has 0");
    for (const text of ["a\\", "a\\1", "a\\12x", "a\\256"]) {
      assertThrows(() => dnsNameBytes(text), RangeError, "backslash");
    }
    for (const text of ["bücher.example", "a\nb", "a\u212a"]) {
      assertThrows(() => dnsNameBytes(text), RangeError, "not ASCII");
      assertFalse(isDnsName(text));
    }
    assert(isDnsName("b\\195\\188cher.example"));
  });

  it("is the same in other letters, with other escapes, and with a dot at the end; by ASCII alone", () => {
    for (const text of ["www.example.com", "WWW.Example.COM", "www.example.com.", "w\\119W.example.c\\om"]) {
      assertStrictEquals(normalDnsName(text), "www.example.com");
      assert(isSameDnsName(text, "wWw.eXample.com"));
    }
    assertFalse(isSameDnsName("a.b", "a\\.b"));
    assertStrictEquals(normalDnsName("A\\.B.\\200"), "a\\.b.\\200");
    assertStrictEquals(normalDnsName(""), ".");
    assertThrows(() => normalDnsName("a..b"), RangeError);
    assertThrows(() => normalDnsName("a".repeat(64)), RangeError);
    assertThrows(() => normalDnsName("\u212a"), RangeError);
  });

  it("has labels and a parent, and is inside of zones", () => {
    assertEquals(dnsLabels("a\\.b.c\\\\.d."), ["a\\.b", "c\\\\", "d"]);
    assertEquals(dnsLabels("."), []);
    assertEquals(["a.b.c", "c", "."].map(parentDnsName), ["b.c", ".", "."]);
    assert(isInDnsZone("www.Example.com", "example.COM"));
    assert(isInDnsZone("example.com", "example.com"));
    assert(isInDnsZone("example.com", "."));
    assertFalse(isInDnsZone("badexample.com", "example.com"));
    assertFalse(isInDnsZone("com", "example.com"));
    assertFalse(isInDnsZone("bad\\.example.com", "example.com"));
    assert(isInDnsZone("bad\\\\.example.com", "example.com"));
  });

  it("of an address is its bytes or nibbles in reverse order, both ways", () => {
    assertStrictEquals(reverseDnsName("192.0.2.1"), "1.2.0.192.in-addr.arpa");
    const v6 = `b.a.9.8.7.6.5.${"0.".repeat(17)}8.b.d.0.1.0.0.2.ip6.arpa`;
    // RFC 3596 section 2.5 has this shape.
    assertStrictEquals(reverseDnsName("2001:db8::567:89ab"), v6);
    assertStrictEquals(addressOfReverseName(v6.toUpperCase()), "2001:db8::567:89ab");
    assertStrictEquals(addressOfReverseName("1.2.0.192.IN-ADDR.arpa."), "192.0.2.1");
    const others = [
      "2.0.192.in-addr.arpa",
      "x.2.0.192.in-addr.arpa",
      "256.2.0.192.in-addr.arpa",
      "a.ip6.arpa",
      ".",
      "arpa",
    ];
    for (const other of others) assertStrictEquals(addressOfReverseName(other), undefined);
    assertStrictEquals(reverseDnsName("example.com"), undefined);
  });
});
