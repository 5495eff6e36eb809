import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  errno,
  lookUpBlocking,
  lookupErrorText,
  NameLookupError,
  type NameLookupHints,
  nameOfBlocking,
  os,
  SystemError,
} from "../../src/ffi/mod.ts";
import { sys } from "../../src/ffi/libc.ts";

const c = os.constants;

/** Counts the lists that C made and that were given back, while `body` runs. */
function withCounts(body: () => void): { made: number; freed: number } {
  const table = sys as unknown as Record<string, (...args: unknown[]) => unknown>;
  const counts = { made: 0, freed: 0 };
  const { getaddrinfo, freeaddrinfo } = table as Record<string, (...args: unknown[]) => unknown>;
  table["getaddrinfo"] = (...args) => {
    const result = getaddrinfo!(...args);
    if (result === 0) counts.made++;
    return result;
  };
  table["freeaddrinfo"] = (...args) => {
    counts.freed++;
    return freeaddrinfo!(...args);
  };
  try {
    body();
  } finally {
    Object.assign(table, { getaddrinfo, freeaddrinfo });
  }
  return counts;
}

const failing = (host: string | null, service: string | number | null, hints?: NameLookupHints): NameLookupError =>
  assertThrows(() => lookUpBlocking(host, service, hints), NameLookupError);

describe("lookUpBlocking()", () => {
  it("finds this host by its usual name, once for each type of socket without hints", () => {
    const answers = lookUpBlocking("localhost", 80);
    const four = answers.filter(({ address }) => address.host === "127.0.0.1");
    assertEquals(new Set(four.map(({ type }) => type)), new Set([c.SOCK_STREAM, c.SOCK_DGRAM, c.SOCK_RAW]));
    for (const { address } of answers) assertEquals(address.port, 80);
  });

  it("answers with the canonical name when it is asked for", () => {
    const hints = { type: "stream", canonicalName: true, numericHost: true } as const;
    const [first] = lookUpBlocking("127.0.0.1", null, hints);
    assertEquals(first, {
      address: { family: "ipv4", host: "127.0.0.1", port: 0 },
      type: c.SOCK_STREAM,
      protocol: c.IPPROTO_TCP,
      canonicalName: "127.0.0.1",
    });
  });

  it("keeps the scope of an IPv6 address", () => {
    // Interface 1 is the loopback one on every Linux; scopes belong to link-local addresses.
    const [first] = lookUpBlocking("fe80::1%1", 7, { type: "stream", numericHost: true });
    assertEquals(first?.address, { family: "ipv6", host: "fe80::1", port: 7, scope: 1 });
  });

  it("maps IPv4 addresses into IPv6 ones where that is asked for", () => {
    const answers = lookUpBlocking("1.2.3.4", 7, { family: "ipv6", type: "stream", mapped: true, numericHost: true });
    assertEquals(answers.map(({ address }) => address.host), ["::ffff:1.2.3.4"]);
  });

  it("gives every list back to C, and makes none when it fails", () => {
    const counts = withCounts(() => {
      for (let count = 0; count < 50; count++) lookUpBlocking("127.0.0.1", count, { numericHost: true });
      failing("not an address", 80, { numericHost: true });
    });
    assertEquals(counts, { made: 50, freed: 50 });
  });

  it("fails with a code that is the same on every system, and says what about", () => {
    const error = failing("no.such.name.invalid", "80", { numericHost: true });
    assertEquals([error.name, error.code, error.number], ["NameLookupError", "EAI_NONAME", c.EAI_NONAME]);
    assertMatch(error.message, /^Cannot look up host "no\.such\.name\.invalid", service "80": .+ \(EAI_NONAME\)$/);
    assertEquals(failing("127.0.0.1", null, { protocol: 99_999, type: "stream" }) instanceof NameLookupError, true);
    const service = failing("127.0.0.1", "no-such-service", { type: "stream" });
    assert(["EAI_SERVICE", "EAI_NONAME"].includes(service.code), service.code);
  });

  it("reports a failed system call as one", () => {
    const table = sys as unknown as Record<string, unknown>;
    const real = table["getaddrinfo"];
    table["getaddrinfo"] = () => {
      errno[0] = os.errno["EMFILE"]!;
      return c.EAI_SYSTEM;
    };
    try {
      const about = 'look up host "127.0.0.1", service "1"';
      const error = assertThrows(() => lookUpBlocking("127.0.0.1", 1), SystemError, about);
      assertEquals([error.code, error.syscall], ["EMFILE", "getaddrinfo"]);
    } finally {
      table["getaddrinfo"] = real;
    }
  });

  it("refuses to look up nothing, ports that are none, and names with a NUL", () => {
    assertThrows(() => lookUpBlocking(null, null), TypeError, "neither host nor service");
    for (const port of [-1, 65_536, 1.5, NaN]) assertThrows(() => lookUpBlocking(null, port), RangeError, "port");
    assertThrows(() => lookUpBlocking("a\0b", 1), TypeError, "NUL");
  });
});

describe("lookupErrorText()", () => {
  it("says something about every code, and about what is none", () => {
    const codes = Object.entries(c).filter(([name, number]) => name.startsWith("EAI_") && number !== 0);
    assertGreater(codes.length, 8);
    const texts = codes.map(([, number]) => lookupErrorText(number));
    assertEquals(new Set(texts).size, texts.length);
    for (const text of [...texts, lookupErrorText(4711)]) assertGreater(text.length, 3);
  });
});

describe("nameOfBlocking()", () => {
  it("writes addresses and ports when nobody is to be asked", () => {
    const numeric = { numericHost: true, numericService: true };
    assertEquals(nameOfBlocking({ family: "ipv4", host: "192.0.2.7", port: 8080 }, numeric), {
      host: "192.0.2.7",
      service: "8080",
    });
    assertEquals(nameOfBlocking({ family: "ipv6", host: "2001:db8::1", port: 0, scope: 0 }, numeric), {
      host: "2001:db8::1",
      service: "0",
    });
  });

  it("knows this host's name", () => {
    const { host } = nameOfBlocking({ family: "ipv4", host: "127.0.0.1", port: 1 }, {
      nameRequired: true,
      numericService: true,
      datagram: true,
    });
    assertStringIncludes(host, "localhost");
  });

  it("fails as a lookup does", () => {
    // The system refuses an address that it is told is shorter than it is.
    const table = sys as unknown as Record<string, (...args: unknown[]) => unknown>;
    const real = table["getnameinfo"]!;
    table["getnameinfo"] = (bytes, _length, ...rest) => real(bytes, 4, ...rest);
    try {
      const error = assertThrows(() => nameOfBlocking({ family: "ipv4", host: "127.0.0.1", port: 1 })) as Error;
      assert(error instanceof NameLookupError || error instanceof SystemError);
      assertStringIncludes(error.message, 'look up host "127.0.0.1"');
    } finally {
      table["getnameinfo"] = real;
    }
  });
});
