import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "../../src/ffi/ip_text.ts";

function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("parseIpv4", () => {
  it("reads dotted quads", () => {
    assertEquals(hex(parseIpv4("0.0.0.0")), "00000000");
    assertEquals(hex(parseIpv4("127.0.0.1")), "7f000001");
    assertEquals(hex(parseIpv4("255.255.255.255")), "ffffffff");
  });

  it("refuses every other way to write an address", () => {
    const wrong = [
      "",
      ".",
      "1",
      "1.2.3",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "1.2.3.4.",
      "1.2.3.4.5",
      "256.0.0.1",
      "1.2.3.1000",
    ];
    const lenient = [
      "01.2.3.4",
      "1.2.3.00",
      "0x7f.0.0.1",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.-4",
      "+1.2.3.4",
      "1.2.3.4x",
    ];
    const exotic = ["1.2.3.٤", "1.2.3.4\0", "1:2:3:4", "2130706433"];
    for (const text of [...wrong, ...lenient, ...exotic]) {
      assertStrictEquals(parseIpv4(text), null, text);
    }
  });
});

describe("parseIpv6", () => {
  it("reads the forms of RFC 4291", () => {
    const forms: Record<string, string> = {
      "::": "00000000000000000000000000000000",
      "::1": "00000000000000000000000000000001",
      "1::": "00010000000000000000000000000000",
      "2001:DB8:0:0:8:800:200C:417A": "20010db80000000000080800200c417a",
      "2001:db8::8:800:200c:417a": "20010db80000000000080800200c417a",
      "ff01::101": "ff010000000000000000000000000101",
      "::13.1.68.3": "0000000000000000000000000d014403",
      "::ffff:129.144.52.38": "00000000000000000000ffff81903426",
      "1:2:3:4:5:6:1.2.3.4": "00010002000300040005000601020304",
      "1:2:3:4:5:6:7::": "00010002000300040005000600070000",
      "::2:3:4:5:6:7:8": "00000002000300040005000600070008",
      "1::3:4:5:6:7:8": "00010000000300040005000600070008",
      "0001:0002::00ff": "000100020000000000000000000000ff",
    };
    for (const [text, bytes] of Object.entries(forms)) {
      assertEquals(hex(parseIpv6(text)), bytes, text);
    }
  });

  it("refuses what is not an address", () => {
    const groups = [
      "",
      ":",
      ":::",
      "1",
      "1:2",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8:",
      ":1:2:3:4:5:6:7:8",
    ];
    const gaps = [
      "1::2::3",
      "1:::2",
      "::1:",
      ":1::",
      "1:2:3:4:5:6:7:8::",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4::5:6:7:8",
      ":1",
    ];
    const digits = [
      "12345::",
      "::g",
      "::1 ",
      " ::1",
      "::-1",
      "::0x1",
      "[::1]",
      "::1%1",
      "::1/64",
    ];
    const quads = [
      "1.2.3.4",
      "::1.2.3",
      "::1.2.3.4.5",
      "::1.2.3.4:1",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::256.1.1.1",
      "::01.2.3.4",
    ];
    for (const text of [...groups, ...gaps, ...digits, ...quads]) {
      assertStrictEquals(parseIpv6(text), null, text);
    }
  });
});

describe("formatIpv4", () => {
  it("writes four bytes from an offset", () => {
    assertEquals(
      formatIpv4(new Uint8Array([9, 10, 0, 255, 1]), 1),
      "10.0.255.1",
    );
  });
});

describe("formatIpv6", () => {
  it("writes the canonical text of RFC 5952", () => {
    const canonical = [
      "::",
      "::1",
      "1::",
      "2001:db8::1",
      "2001:db8:0:1:1:1:1:1",
      "2001:0:0:1::1",
      "2001:db8::1:0:0:1",
      "1:2:3:4:5:6:7:8",
      "0:1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:0",
      "::2:3:4:5:6:7",
      "1:2:3:4:5:6::",
      "fe80::a:b:c:d",
      "::ffff:192.0.2.1",
      "::ffff:0.0.0.0",
      "::fffe:c000:201",
      "64:ff9b::c000:221",
    ];
    for (const text of canonical) {
      assertEquals(formatIpv6(parseIpv6(text)!), text);
    }
  });

  it("brings every other spelling to it", () => {
    assertEquals(
      formatIpv6(parseIpv6("2001:0DB8:0:0:0:0:0:1")!),
      "2001:db8::1",
    );
    assertEquals(
      formatIpv6(parseIpv6("2001:db8:0:0:1:0:0:1")!),
      "2001:db8::1:0:0:1",
    );
    assertEquals(
      formatIpv6(parseIpv6("2001:db8::1:1:1:1:1")!),
      "2001:db8:0:1:1:1:1:1",
    );
    assertEquals(formatIpv6(parseIpv6("::1.2.3.4")!), "::102:304");
    assertEquals(
      formatIpv6(parseIpv6("::FFFF:C000:0201")!),
      "::ffff:192.0.2.1",
    );
  });

  it("writes what parseIpv6 reads back, for every pattern of zero groups", () => {
    for (let pattern = 0; pattern < 256; pattern++) {
      const bytes = new Uint8Array(18);
      for (let group = 0; group < 8; group++) {
        if ((pattern >> group & 1) === 1) {
          bytes.set([group, 0xa0 + group], 2 + group * 2);
        }
      }
      const text = formatIpv6(bytes, 2);
      assertEquals(hex(parseIpv6(text)), hex(bytes.subarray(2)), text);
      // The text is canonical exactly when writing what was read gives the same text.
      assertEquals(formatIpv6(parseIpv6(text)!), text);
    }
  });
});
