import { assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { httpDate, httpDateNow, parseHttpDate } from "../../src/http/date.ts";

// The example of RFC 9110 section 5.6.7.
const EXAMPLE_MS = 784_111_777_000;

describe("httpDate", () => {
  it("writes an IMF-fixdate", () => {
    assertStrictEquals(httpDate(EXAMPLE_MS), "Sun, 06 Nov 1994 08:49:37 GMT");
    assertStrictEquals(httpDate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assertStrictEquals(httpDate(951_827_696_000), "Tue, 29 Feb 2000 12:34:56 GMT");
  });

  it("drops the fraction of a second", () => {
    assertStrictEquals(httpDate(EXAMPLE_MS + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
  });
});

describe("httpDateNow", () => {
  it("has the form of a date and lies between two looks at the clock", () => {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const text = httpDateNow();
    const after = Date.now();
    assertMatch(text, /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
    const ms = parseHttpDate(text) ?? NaN;
    assertEquals([ms >= before, ms <= after], [true, true]);
  });
});

describe("parseHttpDate", () => {
  it("reads all three forms", () => {
    assertStrictEquals(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), EXAMPLE_MS);
    assertStrictEquals(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), EXAMPLE_MS);
    assertStrictEquals(parseHttpDate("Sun Nov  6 08:49:37 1994"), EXAMPLE_MS);
    assertStrictEquals(parseHttpDate("Wed Nov 16 08:49:37 1994"), EXAMPLE_MS + 10 * 86_400_000);
  });

  it("reads what httpDate writes", () => {
    for (const ms of [0, EXAMPLE_MS, 951_827_696_000, 4_102_444_799_000]) {
      assertStrictEquals(parseHttpDate(httpDate(ms)), ms);
    }
  });

  it("takes a two-digit year for a past one when it would be more than 50 years ahead", () => {
    const now = new Date().getUTCFullYear();
    for (const year of [now + 49, now - 49]) {
      const text = `Monday, 01-Jan-${String(year % 100).padStart(2, "0")} 00:00:00 GMT`;
      assertStrictEquals(parseHttpDate(text), Date.UTC(year, 0, 1));
    }
    assertStrictEquals(
      parseHttpDate(`Monday, 01-Jan-${String((now + 51) % 100).padStart(2, "0")} 00:00:00 GMT`),
      Date.UTC(now - 49, 0, 1),
    );
  });

  it("accepts a leap second", () => {
    assertStrictEquals(parseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT"), Date.UTC(2017, 0, 1));
  });

  it("refuses everything else", () => {
    for (
      const text of [
        "",
        "yesterday",
        "1994-11-06T08:49:37Z",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1995 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
      ]
    ) {
      assertStrictEquals(parseHttpDate(text), undefined, text);
    }
  });
});
