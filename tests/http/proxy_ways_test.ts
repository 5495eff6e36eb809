import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { hostField } from "../../src/http/client_authority.ts";
import { basicCredentials, HttpTunnel } from "../../src/http/http_tunnel.ts";
import { ProxyError } from "../../src/http/proxy_error.ts";
import type { ProxyWay } from "../../src/http/proxy_way.ts";
import { Socks5Way } from "../../src/http/socks5.ts";
import { authorityOf } from "../../src/http/stream_target.ts";
import { bytesOf, singleBytes, textOf } from "./parse_support.ts";

const CREDENTIALS = { user: "me", password: "secret" };

/** What a way says and ends in when the proxy's words come in these pieces: texts, then "open <rest>" or a code. */
function talk(way: ProxyWay, pieces: readonly Uint8Array[]): string[] {
  const first = way.begin();
  const said = [typeof first === "string" ? first : textOf(first)];
  let opened = false;
  let rest = "";
  try {
    for (const piece of pieces) {
      let at = 0;
      while (at < piece.length && !opened) {
        const next = way.receive(piece, at, piece.length);
        at = way.position;
        if (next === true) opened = true;
        else if (next !== null) said.push(textOf(next));
      }
      rest += textOf(piece.subarray(at));
    }
  } catch (error) {
    assertInstanceOf(error, ProxyError);
    return [...said, `${error.code} ${error.status ?? error.reply ?? ""}`.trimEnd()];
  }
  return opened ? [...said, `open ${rest}`.trimEnd()] : said;
}

/** The same however the words are cut. */
function everyWay(make: () => ProxyWay, words: string): string[] {
  const bytes = bytesOf(words);
  const whole = talk(make(), [bytes]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assertEquals(talk(make(), [bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `cut at ${cut}`);
  }
  assertEquals(talk(make(), singleBytes(bytes)), whole, "byte by byte");
  return whole;
}

describe("Socks5Way (RFC 1928)", () => {
  const named = (): ProxyWay => new Socks5Way({ host: "example.org", port: 443 });
  const authorized = (): ProxyWay => new Socks5Way({ host: Uint8Array.of(192, 0, 2, 1), port: 80 }, CREDENTIALS);
  const NAMED = "\x05\x01\x00\x03\x0bexample.org\x01\xbb";
  const NUMBERED = "\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";

  it("asks for a name, and takes a reply with any kind of address", () => {
    for (const bound of ["\x01abcd", "\x04abcdefghijklmnop", "\x03\x03abc", "\x03\x00"]) {
      assertEquals(everyWay(named, `\x05\x00\x05\x00\x00${bound}pp and more`), [
        "\x05\x01\x00",
        NAMED,
        "open  and more",
      ]);
    }
  });

  it("asks for addresses as bytes", () => {
    assertEquals(everyWay(authorized, "\x05\x00\x05\x00\x00\x01abcdpp"), ["\x05\x02\x00\x02", NUMBERED, "open"]);
    const six = new Socks5Way({ host: new Uint8Array(16).fill(7), port: 258 });
    assertEquals(talk(six, [bytesOf("\x05\x00")])[1], `\x05\x01\x00\x04${"\x07".repeat(16)}\x01\x02`);
  });

  it("says user name and password when asked (RFC 1929)", () => {
    assertEquals(everyWay(authorized, "\x05\x02\x01\x00\x05\x00\x00\x01abcdpp"), [
      "\x05\x02\x00\x02",
      "\x01\x02me\x06secret",
      NUMBERED,
      "open",
    ]);
    assertEquals(everyWay(authorized, "\x05\x02\x01\x01").at(-1), "PROXY_AUTHENTICATION_FAILED");
    assertEquals(everyWay(authorized, "\x05\xff").at(-1), "PROXY_AUTHENTICATION_FAILED");
    assertEquals(everyWay(authorized, "\x05\x02\x05\x00").at(-1), "PROXY_BAD_REPLY");
  });

  it("tells every refusal", () => {
    for (let reply = 1; reply <= 9; reply++) {
      const words = `\x05\x00\x05${String.fromCharCode(reply)}\x00\x01abcdpp`;
      assertEquals(everyWay(named, words).at(-1), `PROXY_REFUSED ${reply}`);
    }
  });

  it("takes no other protocol", () => {
    for (
      const words of [
        "\x04\x00",
        "HTTP/1.1",
        "\x05\x02",
        "\x05\x01",
        "\x05\x00\x04\x00\x00\x01abcdpp",
        "\x05\x00\x05\x00\x00\x02\x00\x00\x00",
      ]
    ) {
      assertEquals(everyWay(named, words).at(-1), "PROXY_BAD_REPLY", JSON.stringify(words));
    }
  });

  it("refuses what cannot be said", () => {
    assertThrows(() => new Socks5Way({ host: "a".repeat(256), port: 1 }), RangeError);
    assertThrows(() => new Socks5Way({ host: "a", port: 1 }, { user: "", password: "x" }), RangeError);
    assertThrows(() => new Socks5Way({ host: "a", port: 1 }, { user: "x", password: "é".repeat(128) }), RangeError);
  });
});

describe("HttpTunnel (RFC 9110 section 9.3.6)", () => {
  const plain = (): ProxyWay => new HttpTunnel("example.org:443", undefined, undefined);
  const REQUEST = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n";

  it("is open after any 2xx, and leaves what follows alone", () => {
    for (const status of [200, 204, 299]) {
      const words = `HTTP/1.1 ${status} Connection established\r\nContent-Length: 9\r\n\r\n\x16\x03\x01`;
      assertEquals(everyWay(plain, words), [REQUEST, "open \x16\x03\x01"]);
    }
    const ignored = "Content-Length: 0\r\nTransfer-Encoding: identity\r\n";
    assertEquals(everyWay(plain, `HTTP/1.0 200 x\r\n${ignored}\r\nabc`).at(-1), "open abc");
    assertEquals(everyWay(plain, `HTTP/1.1 403 x\r\n${ignored}\r\n`).at(-1), "PROXY_BAD_REPLY");
    assertEquals(everyWay(plain, "HTTP/1.1 103 wait\r\n\r\nHTTP/1.1 200 x\r\n\r\nabc").at(-1), "open abc");
  });

  it("says whom to be let through as, and what else it is told", () => {
    const way = new HttpTunnel("a:1", { user: "Aladdin", password: "open sesame" }, {
      "User-Agent": "x",
      Host: "other",
    });
    assertEquals(
      way.begin(),
      "CONNECT a:1 HTTP/1.1\r\nUser-Agent: x\r\nHost: a:1\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
    );
    assertEquals(basicCredentials({ user: "test", password: "123£" }), "Basic dGVzdDoxMjPCow==");
    assertThrows(() => basicCredentials({ user: "a:b", password: "" }), TypeError);
    assertThrows(() => new HttpTunnel("a:1", undefined, { "X": "a\r\nb" }), TypeError);
  });

  it("tells of a refusal by its status", () => {
    assertEquals(everyWay(plain, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").at(-1), "PROXY_REFUSED 403");
    assertEquals(everyWay(plain, "HTTP/1.1 407 Who\r\n\r\n").at(-1), "PROXY_AUTHENTICATION_FAILED 407");
    assertEquals(everyWay(plain, "HTTP/1.1 302 There\r\nLocation: /\r\n\r\n").at(-1), "PROXY_REFUSED 302");
    assertEquals(everyWay(plain, "HTTP/1.1 101 Other\r\n\r\n").at(-1), "PROXY_BAD_REPLY 101");
    assertEquals(everyWay(plain, "SSH-2.0-OpenSSH\r\n").at(-1), "PROXY_BAD_REPLY");
  });

  it("bounds what a proxy may say", () => {
    const words = "HTTP/1.1 200 x\r\n" + `A: ${"b".repeat(100)}\r\n`.repeat(400);
    assertEquals(talk(plain(), [bytesOf(words)]).at(-1), "PROXY_BAD_REPLY");
    assertEquals(talk(plain(), [bytesOf("HTTP/1.1 100 x\r\n\r\n".repeat(17))]).at(-1), "PROXY_BAD_REPLY");
  });
});

describe("authorityOf", () => {
  it("puts addresses of IPv6 into brackets, once", () => {
    assertEquals(["::1", "[::1]", "127.0.0.1", "a.example"].map((host) => authorityOf(host, 8)), [
      "[::1]:8",
      "[::1]:8",
      "127.0.0.1:8",
      "a.example:8",
    ]);
  });

  it("says nothing of our interfaces in a Host field", () => {
    const fields = ["fe80::1%2", "[fe80::1%2]"].map((host) => hostField({ host, port: 80 }, false));
    assertEquals(fields, ["[fe80::1]", "[fe80::1]"]);
    assertEquals(hostField({ host: "fe80::1%2", port: 81 }, false), "[fe80::1]:81");
    for (const host of ["fe80::1%eth0", "fe80::1%", "a%2", "1.2.3.4%2", "fe80::1%2\r\nX: y"]) {
      assertThrows(() => hostField({ host, port: 80 }, false), TypeError, undefined, JSON.stringify(host));
    }
  });

  it("lets nothing through that is no host", () => {
    for (const host of ["", "a b", "a\r\nX: y", "a/b", "a@b", "[::1", "::1%eth0\r\n", "a:b"]) {
      assertThrows(() => authorityOf(host, 1), TypeError, undefined, JSON.stringify(host));
    }
    assert(authorityOf("a", 1) === "a:1");
  });
});
