import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EVHTTP_URI_QUERY_LAST_VAL,
  EVHTTP_URI_QUERY_NONCONFORMANT,
  parseQuery,
  QUERY_PARAMETERS_MAX,
  QueryError,
  type QueryOptions,
} from "../../src/http/query.ts";
import { QueryParameters } from "../../src/http/query_parameters.ts";
import { Uri } from "../../src/http/uri.ts";

function pairs(query: string, options: QueryOptions = {}): [string, string][] {
  return [...parseQuery(query, options)];
}

describe("parseQuery", () => {
  it("reads the query of a whole URI", () => {
    const cases: [string, [string, string][]][] = [
      ["q=test", [["q", "test"]]],
      ["q=test&foo=bar", [["q", "test"], ["foo", "bar"]]],
      ["q=test+foo", [["q", "test foo"]]],
      ["q=test%0Afoo", [["q", "test\nfoo"]]],
      ["q=test%0Dfoo", [["q", "test\rfoo"]]],
      ["q=test+this", [["q", "test this"]]],
      ["q=test&q2=foo", [["q", "test"], ["q2", "foo"]]],
      ["q=&q2=&q3=", [["q", ""], ["q2", ""], ["q3", ""]]],
    ];
    for (const [query, expected] of cases) {
      assertEquals([...parseQuery(Uri.parse(`http://www.test.com/?${query}`).query)], expected);
    }
    assertStrictEquals(parseQuery(Uri.parse("http://www.test.com/").query).size, 0);
    assertStrictEquals(parseQuery("").size, 0);
  });

  it("refuses parameters without a name or without an equals sign", () => {
    const cases: [string, string][] = [
      ["q=test&&q2", "QUERY_NO_NAME"],
      ["q=test&&q2=test2", "QUERY_NO_NAME"],
      ["q=test&=1&q2=test2", "QUERY_NO_NAME"],
      ["&q=1", "QUERY_NO_NAME"],
      ["=", "QUERY_NO_NAME"],
      ["q&q2=foo", "QUERY_NO_VALUE"],
      ["q=foo&q2", "QUERY_NO_VALUE"],
      ["q=foo&q2&q3=x", "QUERY_NO_VALUE"],
      ["q", "QUERY_NO_VALUE"],
    ];
    for (const [query, code] of cases) {
      const error = assertThrows(() => parseQuery(query), QueryError, `(${code})`) as QueryError;
      assertStrictEquals(error.code, code);
    }
  });

  it("takes its text for a query and not for a URI", () => {
    const parameters = parseQuery("http://www.test.com/?q=test");
    assertFalse(parameters.has("q"));
    assertStrictEquals(parameters.get("http://www.test.com/?q"), "test");
    assertEquals(pairs("q=test"), [["q", "test"]]);
  });

  it("lets the first of equal names be found, or the last stand alone", () => {
    assertStrictEquals(parseQuery("q=test&q=test2").get("q"), "test");
    assertEquals(pairs("q=test&q=test2"), [["q", "test"], ["q", "test2"]]);
    assertEquals(pairs("q=test&r=1&q=test2", { flags: EVHTTP_URI_QUERY_LAST_VAL }), [["r", "1"], ["q", "test2"]]);
    const many = Array.from({ length: 100_000 }, (_, index) => `n${index % 50_000}=${index}`).join("&");
    const options = { flags: EVHTTP_URI_QUERY_LAST_VAL, maxParameters: 100_000 };
    assertEquals(parseQuery(many, options).size, 50_000);
    assertEquals(parseQuery(many, options).get("n7"), "50007");
  });

  it("accepts what is malformed where it is told to", () => {
    const options = { flags: EVHTTP_URI_QUERY_NONCONFORMANT };
    assertEquals(pairs("q=test&q2", options), [["q", "test"], ["q2", ""]]);
    assertEquals(pairs("q=test&&q2=test2", options), [["q", "test"], ["q2", "test2"]]);
    assertEquals(pairs("q=test&=1&q2=test2", options), [["q", "test"], ["q2", "test2"]]);
    assertEquals(pairs("&&=&a&", options), [["a", ""]]);
  });

  it("divides at the first equals sign, and before it decodes", () => {
    assertEquals(pairs("a=b=c&d=%26%3D&e=&"), [["a", "b=c"], ["d", "&="], ["e", ""]]);
    assertEquals(pairs("a=b;c=d"), [["a", "b;c=d"]]);
    assertEquals(pairs("a=%zz%&b=%"), [["a", "%zz%"], ["b", "%"]]);
  });

  it("decodes names, unless they shall stay as libevent leaves them", () => {
    assertEquals(pairs("a%5B%5D+b=1"), [["a[] b", "1"]]);
    assertEquals(pairs("a%5B%5D+b=%31", { rawNames: true }), [["a%5B%5D+b", "1"]]);
    assertEquals(pairs("constructor=1&__proto__=2"), [["constructor", "1"], ["__proto__", "2"]]);
  });

  it("counts parameters and refuses too many, empty ones included", () => {
    const many = (count: number): string => Array.from({ length: count }, (_, at) => `a${at}=${at}`).join("&");
    assertStrictEquals(parseQuery(many(QUERY_PARAMETERS_MAX)).size, QUERY_PARAMETERS_MAX);
    assertThrows(() => parseQuery(many(QUERY_PARAMETERS_MAX + 1)), QueryError, "QUERY_TOO_MANY_PARAMETERS");
    assertStrictEquals(parseQuery(many(2), { maxParameters: 2 }).size, 2);
    assertThrows(() => parseQuery(many(3), { maxParameters: 2 }), QueryError, "QUERY_TOO_MANY_PARAMETERS");
    const flags = EVHTTP_URI_QUERY_NONCONFORMANT;
    assertThrows(() => parseQuery("&".repeat(1_000_000), { flags }), QueryError, "QUERY_TOO_MANY_PARAMETERS");
  });

  it("refuses flags and counts that mean nothing", () => {
    for (const flags of [4, -1, 0.5]) assertThrows(() => parseQuery("", { flags }), RangeError, "query flags");
    for (const maxParameters of [-1, NaN, 0.5]) {
      assertThrows(() => parseQuery("", { maxParameters }), RangeError, "maxParameters");
    }
  });
});

describe("QueryParameters", () => {
  const make = (): QueryParameters => new QueryParameters([["a", "1"], ["b", "2"], ["a", "3"], ["A", "4"], ["a", "5"]]);

  it("is filled from pairs, and from objects with single values and lists", () => {
    assertEquals([...new QueryParameters({ a: "1", b: ["2", "3"] })], [["a", "1"], ["b", "2"], ["b", "3"]]);
    assertEquals([...new QueryParameters(make())], [...make()]);
    assertStrictEquals(new QueryParameters().size, 0);
  });

  it("tells upper from lower case and finds the first match", () => {
    const parameters = make();
    assertEquals([parameters.get("a"), parameters.get("A"), parameters.get("c")], ["1", "4", undefined]);
    assertEquals([parameters.getAll("a"), parameters.getAll("c")], [["1", "3", "5"], []]);
    assert(parameters.has("A"));
    assertFalse(parameters.has(""));
  });

  it("sets in place of the first and drops the others", () => {
    const parameters = make();
    parameters.set("a", "6");
    parameters.set("c", "7");
    assertEquals([...parameters], [["a", "6"], ["b", "2"], ["A", "4"], ["c", "7"]]);
  });

  it("removes one, all of a name, or all", () => {
    const parameters = make();
    assert(parameters.remove("a"));
    assertFalse(parameters.remove("none"));
    assertEquals([...parameters], [["b", "2"], ["a", "3"], ["A", "4"], ["a", "5"]]);
    assertEquals([parameters.delete("a"), parameters.delete("a")], [2, 0]);
    assertEquals([...parameters], [["b", "2"], ["A", "4"]]);
    parameters.clear();
    assertEquals([parameters.size, parameters.toString()], [0, ""]);
  });

  it("writes a query that is read the same again", () => {
    const tricky: [string, string][] = [["a&b=", "c=d&e+ %"], ["", "x"], ["\u{1f600}", "\r\n\0"], ["a b", ""]];
    const parameters = new QueryParameters(tricky.filter(([name]) => name !== ""));
    assertStrictEquals(parameters.toString(), "a%26b%3D=c%3Dd%26e%2B%20%25&%F0%9F%98%80=%0D%0A%00&a%20b=");
    assertEquals([...parseQuery(parameters.toString())], [...parameters]);
  });
});
