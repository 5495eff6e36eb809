import { assertEquals, assertFalse, assertMatch, assertNotEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HttpHeaders } from "../../src/http/headers.ts";
import { evaluateConditions, isRangeWanted, validatorsOf } from "../../src/http/validators.ts";

const CHANGED_MS = 784_111_777_250;
const NOW_MS = CHANGED_MS + 86_400_000;
const FILE = { size: 100, modifiedMs: CHANGED_MS, inode: 7 };
const settled = validatorsOf(FILE, NOW_MS);
const fresh = validatorsOf(FILE, CHANGED_MS + 500);

function statusFor(fields: Record<string, string | string[]>, validators = settled): number {
  return evaluateConditions(new HttpHeaders(fields), validators);
}

describe("validatorsOf", () => {
  it("makes a strong tag and the second of the change for a file that was left alone", () => {
    assertMatch(settled.etag, /^"[\x21\x23-\x7e]+"$/);
    assertStrictEquals(settled.lastModified, "Sun, 06 Nov 1994 08:49:37 GMT");
    assertStrictEquals(settled.lastModifiedMs, 784_111_777_000);
  });

  it("makes another tag when size, time or inode differ", () => {
    for (const change of [{ size: 101 }, { modifiedMs: CHANGED_MS + 1 }, { inode: 8 }]) {
      assertNotEquals(validatorsOf({ ...FILE, ...change }, NOW_MS).etag, settled.etag);
    }
  });

  it("makes a weak tag for a file that may change again within the same tick", () => {
    assertStrictEquals(fresh.etag, `W/${settled.etag}`);
    assertFalse(fresh.isStrong);
  });

  it("dates a file from before the dates of HTTP at the first of them, and tells its versions apart", () => {
    for (const modifiedMs of [-1e19, -8.64e15, Date.UTC(-1, 0)]) {
      const old = validatorsOf({ ...FILE, modifiedMs }, NOW_MS);
      assertStrictEquals(old.lastModified, "Wed, 01 Jan 1000 00:00:00 GMT");
      assertNotEquals(old.etag, validatorsOf({ ...FILE, modifiedMs: 2 * modifiedMs }, NOW_MS).etag);
    }
  });

  it("dates a file from the future at the present, and trusts it little", () => {
    const { lastModifiedMs, etag } = validatorsOf(FILE, CHANGED_MS - 3_600_000);
    assertStrictEquals(lastModifiedMs, 784_108_177_000);
    assertMatch(etag, /^W\//);
  });
});

describe("evaluateConditions", () => {
  it("answers 200 without conditions", () => {
    assertStrictEquals(statusFor({}), 200);
  });

  it("answers 304 when If-None-Match names the tag, weak or strong, alone or in a list", () => {
    assertStrictEquals(statusFor({ "If-None-Match": settled.etag }), 304);
    assertStrictEquals(statusFor({ "If-None-Match": `W/${settled.etag}` }), 304);
    assertStrictEquals(statusFor({ "If-None-Match": settled.etag }, fresh), 304);
    assertStrictEquals(statusFor({ "If-None-Match": `"a,b" , ${settled.etag}` }), 304);
    assertStrictEquals(statusFor({ "If-None-Match": ['"a"', settled.etag] }), 304);
    assertStrictEquals(statusFor({ "If-None-Match": "*" }), 304);
  });

  it("answers 200 when If-None-Match names other tags, and then does not look at If-Modified-Since", () => {
    assertStrictEquals(statusFor({ "If-None-Match": '"other"' }), 200);
    assertStrictEquals(statusFor({ "If-None-Match": settled.etag.slice(1, -1) }), 200);
    assertStrictEquals(statusFor({ "If-None-Match": "" }), 200);
    assertStrictEquals(
      statusFor({ "If-None-Match": '"other"', "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT" }),
      200,
    );
  });

  it("answers 304 when nothing has changed since If-Modified-Since", () => {
    assertStrictEquals(statusFor({ "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT" }), 304);
    assertStrictEquals(statusFor({ "If-Modified-Since": "Mon, 07 Nov 1994 00:00:00 GMT" }), 304);
    assertStrictEquals(statusFor({ "If-Modified-Since": "Sun, 06 Nov 1994 08:49:36 GMT" }), 200);
    assertStrictEquals(statusFor({ "If-Modified-Since": "not a date" }), 200);
  });

  it("answers 412 when If-Match names no strong tag of the file", () => {
    assertStrictEquals(statusFor({ "If-Match": settled.etag }), 200);
    assertStrictEquals(statusFor({ "If-Match": `"a", ${settled.etag}` }), 200);
    assertStrictEquals(statusFor({ "If-Match": "*" }, fresh), 200);
    assertStrictEquals(statusFor({ "If-Match": '"other"' }), 412);
    assertStrictEquals(statusFor({ "If-Match": `W/${settled.etag}` }), 412);
    assertStrictEquals(statusFor({ "If-Match": fresh.etag }, fresh), 412);
  });

  it("answers 412 when the file has changed since If-Unmodified-Since, unless there is an If-Match", () => {
    const before = "Sun, 06 Nov 1994 08:49:36 GMT";
    assertStrictEquals(statusFor({ "If-Unmodified-Since": before }), 412);
    assertStrictEquals(statusFor({ "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT" }), 200);
    assertStrictEquals(statusFor({ "If-Unmodified-Since": "not a date" }), 200);
    assertStrictEquals(statusFor({ "If-Unmodified-Since": before, "If-Match": settled.etag }), 200);
  });
});

describe("isRangeWanted", () => {
  function wanted(condition: string | undefined, validators = settled): boolean {
    return isRangeWanted(new HttpHeaders(condition === undefined ? {} : { "If-Range": condition }), validators);
  }

  it("is true without If-Range, and for the very same version", () => {
    assertEquals([wanted(undefined), wanted(undefined, fresh)], [true, true]);
    assertEquals([wanted(settled.etag), wanted("Sun, 06 Nov 1994 08:49:37 GMT")], [true, true]);
  });

  it("is false for another version, also a later date", () => {
    assertEquals([wanted('"other"'), wanted("Sun, 06 Nov 1994 08:49:38 GMT"), wanted("nonsense")], [
      false,
      false,
      false,
    ]);
  });

  it("is false for weak validators", () => {
    assertEquals([wanted(`W/${settled.etag}`), wanted(settled.etag, fresh), wanted(fresh.etag, fresh)], [
      false,
      false,
      false,
    ]);
    assertStrictEquals(wanted("Sun, 06 Nov 1994 08:49:37 GMT", fresh), false);
  });
});
