/** The parts of TLS that are pure byte parsers, fed literal bytes, split at every point. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseAlternativeNames } from "../../src/tls/alternative_names.ts";
import { chooseProtocol, encodeProtocols } from "../../src/tls/alpn.ts";
import { BytesCursor } from "../../src/tls/bytes_cursor.ts";
import { CLIENT_HELLO_BYTES_MAX, type ClientHello, ClientHelloReader } from "../../src/tls/client_hello.ts";
import { RecordCutter } from "../../src/tls/record_cutter.ts";
import { ServerNames } from "../../src/tls/server_names.ts";
import { SessionCache } from "../../src/tls/session.ts";

const latin1 = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
const sized = (width: number, bytes: readonly number[]): number[] => {
  const head: number[] = [];
  for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) head.push((bytes.length >> shift) & 255);
  return [...head, ...bytes];
};

/** A record of type `type`. */
function record(type: number, body: readonly number[]): number[] {
  return [type, 3, 3, ...sized(2, body)];
}

const serverName = (name: string): number[] => [0, 0, ...sized(2, sized(2, [0, ...sized(2, latin1(name))]))];
const alpn = (
  ...names: string[]
): number[] => [0, 16, ...sized(2, sized(2, names.flatMap((name) => sized(1, latin1(name)))))];

/** A ClientHello's body. */
function hello(extensions: readonly number[]): number[] {
  const random = new Array<number>(32).fill(9);
  return [3, 3, ...random, ...sized(1, [1, 2, 3]), ...sized(2, [0x13, 1]), ...sized(1, [0]), ...sized(2, extensions)];
}

const message = (body: readonly number[]): number[] => [1, ...sized(3, body)];

/** Pushes bytes in the given pieces; the last answer. */
function pushed(bytes: readonly number[], cuts: readonly number[]): ClientHello | null | undefined {
  const reader = new ClientHelloReader();
  const all = Uint8Array.from(bytes);
  let answer: ClientHello | null | undefined = null;
  let from = 0;
  for (const to of [...cuts, all.length]) {
    if (answer !== null) break;
    answer = reader.push(all, from, to);
    from = to;
    assertEquals(reader.raw, all.subarray(0, from));
  }
  return answer;
}

describe("RecordCutter", () => {
  const bytes = Uint8Array.from([
    ...record(22, new Array(300).fill(1)),
    ...record(20, [1]),
    ...record(23, []),
    ...record(23, new Array(5).fill(23)),
  ]);
  const ends = [305, 311, 316, 326];

  /** The ends of records as found when bytes come in the given pieces. */
  function found(pieces: readonly number[]): number[] {
    const cutter = new RecordCutter();
    const cuts: number[] = [];
    let from = 0;
    for (const to of pieces) {
      for (let at = from; at < to;) {
        at = cutter.cut(bytes, at, to);
        if (!cutter.inside) cuts.push(at);
      }
      from = to;
    }
    assertEquals(cutter.malformed, false);
    return cuts;
  }

  it("finds the ends of records, wherever the bytes are split", () => {
    assertEquals(found([bytes.length]), ends);
    for (let a = 1; a < bytes.length; a++) {
      assertEquals(found([a, bytes.length]), ends, `split at ${a}`);
    }
    assertEquals(found(Array.from(bytes, (_byte, index) => index + 1)), ends);
  });

  it("gives all it has of what is no TLS, and says so", () => {
    for (const foreign of [latin1("GET / HTTP/1.1\r\n"), [0x80, 0x2e, 1, 3, 1], [22, 3, 3, 0xff, 0xff, 0]]) {
      const cutter = new RecordCutter();
      assertEquals(cutter.cut(Uint8Array.from(foreign), 0, foreign.length), foreign.length);
      assert(cutter.malformed);
    }
  });

  it("takes the largest record there is, and not one byte more", () => {
    for (const [length, malformed] of [[16_384 + 2048, false], [16_384 + 2049, true]] as const) {
      const cutter = new RecordCutter();
      cutter.cut(Uint8Array.from([23, 3, 3, length >> 8, length & 255]), 0, 5);
      assertEquals(cutter.malformed, malformed);
    }
  });
});

describe("ClientHelloReader", () => {
  const body = hello([0, 43, ...sized(2, [2, 3, 4]), ...serverName("Example.ORG"), ...alpn("h2", "http/1.1")]);
  const expected: ClientHello = { serverName: "example.org", alpnProtocols: ["h2", "http/1.1"] };

  it("reads name and protocols, wherever the bytes are split", () => {
    const bytes = record(22, message(body));
    assertEquals(pushed(bytes, []), expected);
    for (let a = 1; a < bytes.length; a++) assertEquals(pushed(bytes, [a]), expected, `split at ${a}`);
    assertEquals(pushed(bytes, bytes.map((_byte, index) => index + 1).slice(0, -1)), expected);
  });

  it("puts a hello together that is spread over records, down to one byte in each", () => {
    const whole = message(body);
    for (const size of [1, 2, 3, 7, whole.length - 1]) {
      const bytes: number[] = [];
      for (let at = 0; at < whole.length; at += size) bytes.push(...record(22, whole.slice(at, at + size)));
      assertEquals(pushed(bytes, [3, 6, 50]), expected, `records of ${size}`);
    }
  });

  it("reads a hello without extensions, and one without a name", () => {
    const bare = hello([]).slice(0, -2);
    const nothing = { serverName: "", alpnProtocols: [] };
    assertEquals(pushed(record(22, message(bare)), []), nothing);
    assertEquals(pushed(record(22, message(hello([]))), []), nothing);
  });

  it("waits while it is incomplete", () => {
    const bytes = record(22, message(body));
    for (let length = 1; length < bytes.length; length++) assertStrictEquals(pushed(bytes.slice(0, length), []), null);
  });

  it("takes what is no hello for one that asks for nothing", () => {
    const nothing = { serverName: "", alpnProtocols: [] };
    assertEquals(pushed(latin1("GET / HTTP/1.1\r\n"), []), nothing);
    assertEquals(pushed(record(22, [2, 0, 0, 1, 0]), []), nothing);
    // That of SSL 2 has no names.
    assertEquals(pushed([0x80, 0x2e, 1, 3, 1], []), nothing);
  });

  it("gives up on one that is too large, or contradicts itself", () => {
    assertStrictEquals(pushed(record(22, [1, 1, 0, 0]), []), undefined);
    const drip = record(22, [1, 0, 0x70, 0]);
    while (drip.length <= CLIENT_HELLO_BYTES_MAX) drip.push(...record(22, new Array(100).fill(0)));
    assertStrictEquals(pushed(drip, []), undefined);
    // Every length in it, off by one upwards.
    const whole = message(body);
    for (let at = 4; at < whole.length; at++) {
      const broken = [...whole];
      broken[at] = 255;
      const answer = pushed(record(22, broken), []);
      assert(answer === undefined || typeof answer?.serverName === "string", `byte ${at}`);
    }
    for (let length = 0; length < body.length; length++) {
      const cut = pushed(record(22, message(body.slice(0, length))), []);
      assert(cut === undefined || cut?.serverName === "", `cut to ${length}`);
    }
  });
});

describe("BytesCursor", () => {
  it("gives nothing more once it was asked for too much", () => {
    const cursor = new BytesCursor(Uint8Array.of(1, 2, 3));
    assertEquals(cursor.number(2), 0x102);
    assertEquals(cursor.number(2), 0);
    assertEquals([cursor.failed, cursor.rest, cursor.bytes(1).length], [true, 0, 0]);
    assert(cursor.part(0).failed);
  });
});

describe("ALPN", () => {
  it("chooses by the server's taste", () => {
    const ours = encodeProtocols(["h2", "http/1.1"]);
    assertEquals(chooseProtocol(ours, encodeProtocols(["http/1.1", "h2"])), 9);
    assertEquals(chooseProtocol(ours, encodeProtocols(["http/1.1"])), 0);
    assertEquals(chooseProtocol(ours, encodeProtocols(["h3", "h"])), -1);
    assertEquals(chooseProtocol(ours, Uint8Array.of()), -1);
    // The last length lies.
    assertEquals(chooseProtocol(ours, Uint8Array.of(2, 104)), -1);
  });

  it("refuses names that cannot travel", () => {
    assertThrows(() => encodeProtocols([""]), RangeError);
    assertThrows(() => encodeProtocols(["x".repeat(256)]), RangeError);
    assertThrows(() => encodeProtocols(["ü"]), TypeError);
    assertThrows(() => encodeProtocols(new Array(300).fill("x".repeat(255))), RangeError);
  });
});

describe("ServerNames", () => {
  const names = new ServerNames({ "example.org": 1, "*.Example.org": 2, "*.a.example.org": 3 });

  it("prefers exact names, and lets a star stand for one label", () => {
    const asked = ["EXAMPLE.org", "example.org.", "www.example.org", "a.b.example.org", "x.a.example.org", "", "org"];
    assertEquals(asked.map((name) => names.find(name)), [1, 1, 2, undefined, 3, undefined, undefined]);
    assertStrictEquals(names.find(".example.org"), undefined);
  });

  it("refuses names that nobody can ask for", () => {
    for (const name of ["", "*", "a.*.org", "a b", "*.", "ü.org"]) {
      assertThrows(() => new ServerNames({ [name]: 1 }), TypeError);
    }
  });
});

describe("parseAlternativeNames", () => {
  const names = [
    0x82,
    ...sized(1, latin1("localhost")),
    0x87,
    ...sized(1, [127, 0, 0, 1]),
    0x87,
    ...sized(1, [...new Array(15).fill(0), 1]),
    0x81,
    ...sized(1, latin1("ada@example.org")),
    0x86,
    ...sized(1, latin1("spiffe://a/b")),
    0xa0,
    ...sized(1, [6, 1, 1]),
  ];
  const der = Uint8Array.from([0x30, ...sized(1, names)]);

  it("reads each kind, and keeps a name that contains a comma in one piece", () => {
    assertEquals(parseAlternativeNames(der), {
      dns: ["localhost"],
      ip: ["127.0.0.1", "::1"],
      email: ["ada@example.org"],
      uri: ["spiffe://a/b"],
    });
    const sly = latin1("a, DNS:b");
    assertEquals(parseAlternativeNames(Uint8Array.from([0x30, ...sized(1, [0x82, ...sized(1, sly)])]))?.dns, [
      "a, DNS:b",
    ]);
    const long = new Array(200).fill(97);
    const value = [0x82, 0x81, ...sized(1, long)];
    assertEquals(parseAlternativeNames(Uint8Array.from([0x30, 0x82, ...sized(2, value)]))?.dns[0]?.length, 200);
  });

  it("refuses whatever is cut short or goes on behind its end", () => {
    for (let length = 0; length < der.length; length++) {
      assertStrictEquals(parseAlternativeNames(der.subarray(0, length)), undefined, `cut to ${length}`);
    }
    assertStrictEquals(parseAlternativeNames(Uint8Array.from([...der, 0])), undefined);
    assertStrictEquals(parseAlternativeNames(Uint8Array.of(0x30, 0x80, 0, 0)), undefined);
    assertStrictEquals(parseAlternativeNames(Uint8Array.of(0x31, 0)), undefined);
  });
});

describe("SessionCache", () => {
  it("gives each session once, and drops the oldest when it is full", () => {
    const cache = new SessionCache(2);
    for (const key of ["a", "b", "a", "c"]) cache.put(key, Uint8Array.of(key.charCodeAt(0)));
    assertEquals(cache.size, 2);
    assertStrictEquals(cache.take("b"), undefined);
    assertEquals(cache.take("a"), Uint8Array.of(97));
    assertStrictEquals(cache.take("a"), undefined);
    cache.clear();
    assertEquals(cache.size, 0);
  });

  it("remembers nothing when it may not, and refuses what is no count", () => {
    const none = new SessionCache(0);
    none.put("a", Uint8Array.of(1));
    assertEquals([none.size, none.isUsed], [0, false]);
    assertThrows(() => new SessionCache(-1), RangeError);
    assertThrows(() => new SessionCache(1.5), RangeError);
  });
});
