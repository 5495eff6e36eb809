import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { os } from "../../src/ffi/platform.ts";
import {
  decodeSocketAddress,
  encodeSocketAddress,
  formatSocketAddress,
  ipSocketAddress,
  parseSocketAddress,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
} from "../../src/ffi/sockaddr.ts";

/** The first two bytes of an address: the family, behind the length on macOS and FreeBSD. */
function head(family: number, length: number): number[] {
  return os.hasSockaddrLength ? [length, family] : [family, 0];
}

/** Encodes into memory that is dirty, inside a larger array, and returns the address's bytes. */
function encode(address: SocketAddress): number[] {
  const memory = new Uint8Array(new ArrayBuffer(SOCKET_ADDRESS_BYTES_MAX + 16))
    .fill(0xee);
  const bytes = memory.subarray(8, 8 + SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress(address, bytes);
  assertEquals([memory[7], bytes[length] ?? memory[8 + length]], [0xee, 0xee]);
  assertEquals(decodeSocketAddress(bytes, length), address);
  return [...bytes.subarray(0, length)];
}

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
const { AF_INET, AF_INET6, AF_UNIX } = os.constants;
const onLinux = os.name === "linux";

describe("encodeSocketAddress and decodeSocketAddress", () => {
  it("lay IPv4 out as struct sockaddr_in", () => {
    const bytes = encode({ family: "ipv4", host: "192.0.2.7", port: 0x1f90 });
    assertEquals(bytes, [
      ...head(AF_INET, 16),
      0x1f,
      0x90,
      192,
      0,
      2,
      7,
      ...zeros(8),
    ]);
  });

  it("lay IPv6 out as struct sockaddr_in6, flow in network order and scope in host order", () => {
    const bytes = encode({
      family: "ipv6",
      host: "fe80::1",
      port: 443,
      scope: 0x0102,
      flow: 0x0a0b0c,
    });
    const address = [0xfe, 0x80, ...zeros(13), 1];
    assertEquals(bytes, [
      ...head(AF_INET6, 28),
      1,
      0xbb,
      0,
      0x0a,
      0x0b,
      0x0c,
      ...address,
      2,
      1,
      0,
      0,
    ]);
  });

  it("leave out a flow label of zero", () => {
    encode({ family: "ipv6", host: "::1", port: 0, scope: 0 });
  });

  it("end a path with a zero byte", () => {
    assertEquals(encode({ family: "unix", path: "/a/é" }), [
      ...head(AF_UNIX, 8),
      ...[0x2f, 0x61, 0x2f, 0xc3, 0xa9, 0],
    ]);
  });

  it("encode an unnamed Unix socket as the family alone", () => {
    assertEquals(encode({ family: "unix", path: "" }), head(AF_UNIX, 2));
  });

  it("keep the length of an abstract name, zeros inside it included", {
    ignore: !onLinux,
  }, () => {
    assertEquals(encode({ family: "unix", path: "\0a\0b" }), [
      ...head(AF_UNIX, 6),
      0,
      0x61,
      0,
      0x62,
    ]);
  });

  it("keep a byte order mark at the start of a path", () => {
    encode({ family: "unix", path: "\ufeffname" });
  });

  it("take a path up to the system's limit and name limit and length beyond it", () => {
    const longest = "x".repeat(os.pathMax - 1);
    assertStrictEquals(
      encode({ family: "unix", path: longest }).length,
      os.pathMax + 2,
    );
    const tooLong = { family: "unix", path: `${longest}y` } as const;
    const message = `${os.pathMax} bytes, the limit is ${os.pathMax - 1}`;
    assertThrows(() => encode(tooLong), RangeError, message);
    const accented = {
      family: "unix",
      path: "é".repeat(os.pathMax / 2),
    } as const;
    assertThrows(() => encode(accented), RangeError, message);
  });

  it("give an abstract name the byte that needs no terminator", {
    ignore: !onLinux,
  }, () => {
    assertStrictEquals(
      encode({ family: "unix", path: `\0${"x".repeat(107)}` }).length,
      110,
    );
    assertThrows(
      () => encode({ family: "unix", path: `\0${"x".repeat(108)}` }),
      RangeError,
      "the limit is 108",
    );
  });

  it(
    "refuse an abstract name where there are none",
    { ignore: onLinux },
    () => {
      assertThrows(
        () => encode({ family: "unix", path: "\0name" }),
        TypeError,
        "only Linux",
      );
    },
  );

  it("refuse hosts that are not addresses of their family", () => {
    for (const host of ["localhost", "::1", "1.2.3", ""]) {
      assertThrows(
        () => encode({ family: "ipv4", host, port: 1 }),
        TypeError,
        "not an IPv4 address",
      );
    }
    for (const host of ["localhost", "127.0.0.1", "[::1]", "fe80::1%1"]) {
      assertThrows(
        () => encode({ family: "ipv6", host, port: 1, scope: 0 }),
        TypeError,
        "not an IPv6 address",
      );
    }
    assertThrows(
      () => encode({ family: "unix", path: "a\0b" }),
      TypeError,
      "zero character",
    );
  });

  it("refuse numbers out of range and unknown families", () => {
    for (const port of [-1, 65536, 1.5, NaN]) {
      assertThrows(
        () => encode({ family: "ipv4", host: "1.2.3.4", port }),
        RangeError,
        "as a port",
      );
    }
    assertThrows(
      () => encode({ family: "ipv6", host: "::1", port: 1, scope: -1 }),
      RangeError,
      "scope",
    );
    assertThrows(
      () =>
        encode({
          family: "ipv6",
          host: "::1",
          port: 1,
          scope: 0,
          flow: 2 ** 32,
        }),
      RangeError,
      "flow",
    );
    assertThrows(
      () => encode({ family: "ipx" } as unknown as SocketAddress),
      TypeError,
      '"ipx"',
    );
  });

  it("refuse a buffer that is too small, and say how much it takes", () => {
    const small = new Uint8Array(new ArrayBuffer(15));
    const address = { family: "ipv4", host: "1.2.3.4", port: 1 } as const;
    assertThrows(
      () => encodeSocketAddress(address, small),
      RangeError,
      "takes 16 bytes, the buffer has 15",
    );
  });
});

describe("decodeSocketAddress", () => {
  it("takes an empty address for an unnamed Unix socket", () => {
    assertEquals(decodeSocketAddress(new Uint8Array(16), 0), {
      family: "unix",
      path: "",
    });
  });

  it("ends a path at its first zero byte, and needs none", () => {
    const bytes = Uint8Array.from([...head(AF_UNIX, 6), 0x2f, 0x61, 0, 0x62]);
    assertEquals(decodeSocketAddress(bytes), { family: "unix", path: "/a" });
    assertEquals(decodeSocketAddress(bytes, 4), { family: "unix", path: "/a" });
  });

  it("never reads beyond the length it was given", () => {
    const bytes = new Uint8Array(32);
    encodeSocketAddress({ family: "ipv4", host: "1.2.3.4", port: 80 }, bytes);
    assertThrows(
      () => decodeSocketAddress(bytes, 15),
      RangeError,
      "in 15 bytes",
    );
    assertThrows(() => decodeSocketAddress(bytes, 1), RangeError);
    assertThrows(
      () => decodeSocketAddress(bytes, 33),
      RangeError,
      "only 32 are there",
    );
    bytes.set(head(200, 16));
    assertThrows(
      () => decodeSocketAddress(bytes, 16),
      RangeError,
      "family 200",
    );
  });
});

describe("ipSocketAddress", () => {
  it("tells addresses from names", () => {
    assertEquals(ipSocketAddress("10.0.0.1", 5), {
      family: "ipv4",
      host: "10.0.0.1",
      port: 5,
    });
    assertEquals(ipSocketAddress("0:0::1", 5), {
      family: "ipv6",
      host: "::1",
      port: 5,
      scope: 0,
    });
    for (const host of ["localhost", "", "10.0.0.1%1", "10.0.0", "[::1]"]) {
      assertStrictEquals(ipSocketAddress(host, 5), undefined, host);
    }
  });

  it("asks the given function for the interface of a scope", () => {
    const interfaces = (name: string): number => name === "eth0" ? 7 : 0;
    assertEquals(ipSocketAddress("fe80::1%eth0", 1, interfaces), {
      family: "ipv6",
      host: "fe80::1",
      port: 1,
      scope: 7,
    });
    assertStrictEquals(
      ipSocketAddress("fe80::1%eth1", 1, interfaces),
      undefined,
    );
  });

  it("takes only interface numbers without such a function", () => {
    assertEquals(ipSocketAddress("fe80::1%12", 1), {
      family: "ipv6",
      host: "fe80::1",
      port: 1,
      scope: 12,
    });
    assertEquals(ipSocketAddress("fe80::1%0", 1), ipSocketAddress("fe80::1", 1));
    for (const scope of ["eth0", "", "00", "-1", "1x", "4294967296", "1%1"]) {
      assertStrictEquals(
        ipSocketAddress(`fe80::1%${scope}`, 1),
        undefined,
        scope,
      );
    }
  });
});

describe("parseSocketAddress and formatSocketAddress", () => {
  it("agree on every form that has a port", () => {
    const texts = [
      "127.0.0.1:80",
      "0.0.0.0:0",
      "[::1]:65535",
      "[fe80::1%1]:80",
      "[::ffff:1.2.3.4]:1",
    ];
    for (
      const text of [...texts, "unix:/run/a b:c", "unix:@abstract", "unix:"]
    ) {
      assertEquals(formatSocketAddress(parseSocketAddress(text)), text);
    }
  });

  it("take a missing port for 0", () => {
    assertEquals(parseSocketAddress("1.2.3.4"), {
      family: "ipv4",
      host: "1.2.3.4",
      port: 0,
    });
    for (const text of ["::1", "[::1]", "0:0:0:0:0:0:0:1"]) {
      assertEquals(parseSocketAddress(text), {
        family: "ipv6",
        host: "::1",
        port: 0,
        scope: 0,
      });
    }
    assertEquals(parseSocketAddress("fe80::1%3"), {
      family: "ipv6",
      host: "fe80::1",
      port: 0,
      scope: 3,
    });
  });

  it("refuse junk, names, and ports out of range", () => {
    const ports = [
      "1.2.3.4:",
      "1.2.3.4:80x",
      "1.2.3.4: 80",
      "1.2.3.4:65536",
      "1.2.3.4:-1",
      "1.2.3.4:080000",
      "1.2.3.4:80\n",
    ];
    const brackets = [
      "[::1",
      "::1]",
      "[::1]80",
      "[::1]:",
      "[::1]:80 ",
      "[]:80",
      "[1.2.3.4]:80",
      "[[::1]]:80",
      "[::1]:80:80",
    ];
    const hosts = [
      "",
      ":80",
      "localhost:80",
      "example.com",
      "1:2",
      "::1%",
      "fe80::1%eth0",
      "fe80::1%2:80",
      "/run/socket",
    ];
    for (const text of [...ports, ...brackets, ...hosts]) {
      assertThrows(() => parseSocketAddress(text), TypeError, "Cannot parse");
    }
  });

  it("keep a file named like an abstract socket apart from one", () => {
    assertEquals(parseSocketAddress("unix:@a"), {
      family: "unix",
      path: "\0a",
    });
    assertEquals(
      formatSocketAddress({ family: "unix", path: "@a" }),
      "unix:./@a",
    );
  });

  it("hand the scope to the resolver as written", () => {
    const address = parseSocketAddress(
      "[fe80::1%wlan0.5]:53",
      (name) => name.length,
    );
    assertEquals(address, {
      family: "ipv6",
      host: "fe80::1",
      port: 53,
      scope: 7,
    });
  });
});
