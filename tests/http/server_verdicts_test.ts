/**
 * What other servers make of requests that are known to divide them, beside ours: the same verdict where they agree, the stricter one
 * where they do not.
 *
 * The letters were taken down by `tests/interop/server_verdicts.ts` from nginx 1.22.1, Apache 2.4.71, haproxy 2.6.12, Caddy 2.6.2 (Go's
 * net/http), node 20.20.2 and h11 0.14.0, all as Debian or their makers ship them and with nothing configured but a server behind
 * the first four. "a" is accepted and read as the vector says, "o" accepted and read in another way, "r" refused, "w" waited for more.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseEveryWay } from "./parse_support.ts";
import { type Vector, vectors } from "./verdict_vectors.ts";

const SERVERS = ["nginx", "Apache", "haproxy", "Caddy", "node", "h11"];

const verdicts: ReadonlyMap<string, string> = new Map([
  ["a GET", "aaaaaa"],
  ["a GET of HTTP/1.0 without Host", "aaaaaa"],
  ["a query", "aaaaaa"],
  ["a port in Host", "aaaaaa"],
  ["blanks around a value", "aaaaaa"],
  ["an empty value", "aaaaaa"],
  ["the same field twice", "aaaaaa"],
  ["a body with its length", "aaaaaa"],
  ["a body in chunks", "aaaaaa"],
  ["chunk sizes in upper case", "aaaaaa"],
  ["zeros before a chunk size", "aaaaaa"],
  ["a chunk extension", "aaaaaa"],
  ["a quoted chunk extension", "aaaaaa"],
  ["a trailer", "aaaaaa"],
  ["zeros before a length", "aaaaaa"],
  ["a coding in mixed case", "aaaaaa"],
  ["two requests in one piece", "aaaaaa"],
  ["an empty line before the request", "aaarar"],
  ["a lone LF before the request", "ararar"],
  ["a blank before the method", "rrrrrr"],
  ["a method in lower case", "raaara"],
  ["a method that is no token", "rrrrrr"],
  ["a tab after the method", "rrarrr"],
  ["two blanks after the method", "ararar"],
  ["two blanks after the target", "ararar"],
  ["a blank after the version", "arrrrr"],
  ["a blank inside the target", "rrrrrr"],
  ["a control character in the target", "rrrrrr"],
  ["NUL in the target", "rrrrrr"],
  ["a byte above 127 in the target", "aararr"],
  ["a fragment in the target", "arraaa"],
  ["a quote in the target", "aaaaaa"],
  ["angle brackets in the target", "aaaaaa"],
  ["brackets and a bar in a query", "aaaaaa"],
  ["a malformed escape in the target", "rraraa"],
  ["a malformed escape in a query", "aaaaaa"],
  ["NUL as an escape in the target", "rraaaa"],
  ["a target without a slash", "rrarra"],
  ["a target in absolute form", "aaaaaa"],
  ["a target in absolute form for another host", "aaraaa"],
  ["a target in absolute form with the port its scheme implies", "aaaaaa"],
  ["a target in absolute form with a host in upper case", "aaaaaa"],
  ["a target in absolute form with another port", "aaraaa"],
  ["a target in absolute form without a host", "raaaaa"],
  ["user information in the target", "rraaaa"],
  ["another scheme", "araaaa"],
  ["an asterisk with GET", "rraaaa"],
  ["an authority with GET", "rrrora"],
  ["HTTP/0.9", "rrrrar"],
  ["HTTP/0.9 spelled out", "rraraa"],
  ["HTTP/1.2", "aaaara"],
  ["HTTP/1.10", "arrrrr"],
  ["HTTP/01.1", "rrrrrr"],
  ["HTTP/2.0 in a request line", "raaraa"],
  ["HTTP/3.0", "raarra"],
  ["a version in lower case", "rrrrrr"],
  ["a version of another protocol", "rrrrrr"],
  ["a version that is no number", "rrrrrr"],
  ["a lone LF after the request line", "araara"],
  ["a lone CR after the request line", "rrrrrr"],
  ["a blank before the colon", "rrrrrr"],
  ["a tab before the colon", "rrrrrr"],
  ["a name that is no token", "arrrrr"],
  ["an underscore in a name", "aaaaaa"],
  ["no name", "rrrarr"],
  ["no colon", "arrrrr"],
  ["NUL in a name", "rrrrrr"],
  ["NUL in a value", "rrarrr"],
  ["a control character in a value", "ararra"],
  ["DEL in a value", "ararra"],
  ["a byte above 127 in a value", "aaaaaa"],
  ["a byte above 127 in a name", "arrrrr"],
  ["a lone LF after a field", "araara"],
  ["a lone CR inside a value", "rrrrrr"],
  ["a CR too many after a value", "arrrrr"],
  ["a folded field", "raaara"],
  ["a blank before the first field", "rrrrrr"],
  ["a lone LF as the closing line", "araara"],
  ["no Host", "rrarrr"],
  ["Host twice, alike", "rrarar"],
  ["Host twice, unlike", "rrrrar"],
  ["two hosts in one Host", "rraraa"],
  ["a blank in Host", "rraraa"],
  ["a slash in Host", "rraraa"],
  ["user information in Host", "araraa"],
  ["a port that is no number", "araaaa"],
  ["an open bracket in Host", "araaaa"],
  ["no IPv6 address in brackets", "araaaa"],
  ["an underscore in Host", "aaaaaa"],
  ["a port in Host that is too large", "araaaa"],
  ["a byte above 127 in Host", "araraa"],
  ["only a port in Host", "rraaaa"],
  ["an empty Host", "rraaaa"],
  ["a sign before a length", "rrrrrr"],
  ["a negative length", "rrrrrr"],
  ["an empty length", "rrrorr"],
  ["a length in hexadecimal", "rrrrrr"],
  ["a blank inside a length", "rrrrrr"],
  ["a fraction as length", "rrrrrr"],
  ["a list as length", "rrarra"],
  ["two equal lengths", "rraara"],
  ["two lengths that differ", "rrrrrr"],
  ["a length beyond 64 bits", "rrrrrw"],
  ["a length and chunks", "raaara"],
  ["chunks and a length", "raaara"],
  ["chunks in HTTP/1.0", "raaoaa"],
  ["an unknown coding", "rrrrrr"],
  ["identity", "rrrrrr"],
  ["chunked twice in a list", "rrrrrr"],
  ["identity before chunked", "rrrrar"],
  ["chunked before identity", "rrrrrr"],
  ["gzip before chunked", "rrrrar"],
  ["a quoted coding", "rrrrrr"],
  ["a parameter of chunked", "rrrrrr"],
  ["a comma after chunked", "rrarrr"],
  ["a vertical tab before chunked", "rrrrrr"],
  ["an empty coding", "rrrrrr"],
  ["chunked twice in two fields", "rrrrrr"],
  ["identity and chunked in two fields", "rrrrar"],
  ["a folded coding", "raaara"],
  ["a blank between Transfer-Encoding and the colon", "rrrrrr"],
  ["a lone LF after a chunk size", "araarr"],
  ["a lone CR after a chunk size", "rrrrrr"],
  ["a lone LF after chunk data", "ararrr"],
  ["other bytes after chunk data", "rrrrrr"],
  ["no line end after chunk data", "rrrrrr"],
  ["a chunk size with a prefix", "rrrrrr"],
  ["a chunk size with a sign", "rrrrrr"],
  ["a chunk size with an underscore", "rrrrrr"],
  ["a blank before a chunk size", "rrrrrr"],
  ["a blank after a chunk size", "aaaara"],
  ["a blank before a chunk extension", "aaarrr"],
  ["a chunk size beyond 64 bits", "rrrrrw"],
  ["no chunk size", "rrrrrr"],
  ["a chunk extension without a name", "aaaara"],
  ["a lone LF in a chunk extension", "araarr"],
  ["a lone CR in a chunk extension", "rrrara"],
  ["a blank after a chunk extension", "aaaara"],
  ["NUL in a chunk extension", "araara"],
  ["a line end in a quoted chunk extension", "aaaara"],
  ["a trailer that decides about framing", "aaaara"],
  ["a trailer without a colon", "arrrrr"],
  ["a blank before a trailer's colon", "arrarr"],
  ["a lone LF after a trailer", "arawra"],
  ["a lone LF as the last line", "arawra"],
]);

/** Where the servers are divided and ours accepts all the same. */
const reasons: ReadonlyMap<string, string> = new Map([
  [
    "an empty line before the request",
    "RFC 9112 section 2.2 asks servers to skip one, as old clients send it behind a body; skipped are four at most, all CR LF",
  ],
]);

/** Our letter, and how the requests were read. A method without a number gets 501 from the server. */
function ours(vector: Vector): [string, string[]] {
  const { events, heads } = parseEveryWay(vector.text);
  const bodies = events.join("\n").split("END").map((part) => /BODY (.*)/.exec(part)?.[1]);
  const reads = heads.map((head, at) => {
    const target = String(head["target"]).replace(/^[a-z]+:\/\/[^/]*/, "");
    return `${head["method"]} ${target}${bodies[at] === undefined ? "" : ` ${bodies[at]}`}`;
  });
  if (events.at(-1)!.startsWith("ERROR ") || heads.some((head) => head["methodId"] === 0)) return ["r", reads];
  return [events.at(-1) === "END" ? "a" : "w", reads];
}

/** How the servers' letters bind ours. */
function expected(title: string, letters: string): string {
  if (/^a+$/.test(letters)) return "a";
  return reasons.has(title) ? "a" : "r";
}

function listed(letters: string, letter: string): string {
  return SERVERS.filter((_, at) => letters[at] === letter).join(", ");
}

function sentence(title: string, letters: string): string {
  if (/^a+$/.test(letters)) return `accepts ${title}, as all do`;
  if (/^r+$/.test(letters)) return `refuses ${title}, as all do`;
  const verdict = expected(title, letters) === "a" ? "accepts" : "refuses";
  return `${verdict} ${title}, which divides servers: refused by ${
    listed(letters, "r") || "none, but read in several ways"
  }`;
}

describe("RequestParser beside other servers", () => {
  for (const vector of vectors) {
    const letters = verdicts.get(vector.title) ?? "";
    it(sentence(vector.title, letters), () => {
      const [letter, reads] = ours(vector);
      const detail = `${JSON.stringify(vector.text)} ${reasons.get(vector.title) ?? ""}`;
      assertStrictEquals(letter, expected(vector.title, letters), detail);
      if (letter === "a") assertEquals(reads, vector.reads, detail);
    });
  }

  it("has one row for every vector, with a letter for every server", () => {
    assertEquals([...verdicts.keys()], vectors.map(({ title }) => title));
    for (const [title, letters] of verdicts) assert(/^[aorw]{6}$/.test(letters), title);
  });

  it("has reasons only where they are needed", () => {
    for (const [title, reason] of reasons) {
      const letters = verdicts.get(title) ?? "";
      assert(/a/.test(letters) && /[^a]/.test(letters) && reason !== "", title);
    }
  });
});
