/** The stand-ins for `@std/assert` and `@std/testing/bdd`: a test suite is worth what its assertions catch. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "./std/assert.ts";
import { after, afterAll, afterEach, before, beforeAll, beforeEach, describe, it, test } from "./std/bdd.ts";

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** Goes without assertThrows, which is itself under test. */
function refuses(fn: () => unknown, part = ""): void {
  let caught: unknown;
  try {
    fn();
  } catch (error) {
    caught = error;
  }
  if (!(caught instanceof AssertionError)) {
    throw new Error(`Expected an AssertionError, got ${String(caught)}`);
  }
  if (!caught.message.includes(part)) {
    throw new Error(`Expected "${part}" in: ${caught.message}`);
  }
}

async function refusesLater(
  fn: () => Promise<unknown>,
  part: string,
): Promise<void> {
  let caught: unknown;
  try {
    await fn();
  } catch (error) {
    caught = error;
  }
  refuses(() => {
    if (caught !== undefined) throw caught;
  }, part);
}

describe("assertEquals", () => {
  const cyclic = (): Record<string, unknown> => {
    const value: Record<string, unknown> = { n: 1 };
    value["self"] = value;
    return value;
  };
  const equalPairs: [string, unknown, unknown][] = [
    ["NaN and NaN", NaN, NaN],
    ["0 and -0", 0, -0],
    ["nested objects", { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
    [
      "an object without a prototype and a literal",
      Object.assign(Object.create(null), { a: 1 }),
      { a: 1 },
    ],
    ["byte arrays", bytes(1, 2), bytes(1, 2)],
    [
      "a view inside a larger buffer and a plain one",
      bytes(0, 1, 2, 3).subarray(1, 3),
      bytes(1, 2),
    ],
    ["array buffers", bytes(1, 2).buffer, bytes(1, 2).buffer],
    ["floats with NaN", Float64Array.of(NaN, 1), Float64Array.of(NaN, 1)],
    ["dates", new Date(5), new Date(5)],
    ["regular expressions", /a/g, /a/g],
    [
      "maps in another order",
      new Map([["a", { n: 1 }], ["b", { n: 2 }]]),
      new Map([["b", { n: 2 }], ["a", { n: 1 }]]),
    ],
    [
      "sets of objects",
      new Set([{ a: 1 }, { a: 2 }]),
      new Set([{ a: 2 }, { a: 1 }]),
    ],
    ["errors", new TypeError("x"), new TypeError("x")],
    ["cycles", cyclic(), cyclic()],
  ];
  for (const [title, actual, expected] of equalPairs) {
    it(`accepts ${title}`, () => {
      assertEquals(actual, expected);
      refuses(() => assertNotEquals(actual, expected));
    });
  }

  const differentPairs: [string, unknown, unknown][] = [
    ["a number and a string", 1, "1"],
    ["a number and a bigint", 1, 1n],
    ["null and undefined", null, undefined],
    ["a missing property and an undefined one", { a: undefined }, {}],
    ["properties that are undefined under other names", { a: undefined }, {
      b: undefined,
    }],
    ["arrays of other lengths", [1, 2], [1, 2, 3]],
    ["a hole and undefined", new Array(1), [undefined]],
    ["an array and an object with the same keys", ["x"], { 0: "x" }],
    ["byte arrays", bytes(1, 2), bytes(1, 3)],
    ["byte arrays of other lengths", bytes(1, 2), bytes(1, 2, 0)],
    ["typed arrays of other types", Uint8Array.of(1), Int8Array.of(1)],
    ["array buffers", bytes(1).buffer, bytes(2).buffer],
    ["dates", new Date(5), new Date(6)],
    ["a regular expression's flags", /a/g, /a/i],
    ["map values", new Map([["a", 1]]), new Map([["a", 2]])],
    [
      "sets that pair up only by using one item twice",
      new Set([{ a: 1 }, { a: 1 }]),
      new Set([{ a: 1 }, { a: 2 }]),
    ],
    ["errors with other messages", new Error("x"), new Error("y")],
    ["errors of other classes", new TypeError("x"), new RangeError("x")],
    ["symbol properties", { [Symbol.iterator]: 1 }, { [Symbol.iterator]: 2 }],
    ["two functions", () => 1, () => 1],
  ];
  for (const [title, actual, expected] of differentPairs) {
    it(`tells apart ${title}`, () => {
      refuses(() => assertEquals(actual, expected));
      assertNotEquals(actual, expected);
    });
  }

  it("shows both values and the caller's message", () => {
    refuses(
      () => assertEquals({ a: 1 }, { a: 2 }, "while testing"),
      "{ a: 1 }",
    );
    refuses(
      () => assertEquals({ a: 1 }, { a: 2 }, "while testing"),
      "while testing",
    );
  });

  it("names the first byte that differs", () => {
    refuses(
      () => assertEquals(bytes(7, 8, 9), bytes(7, 8, 1)),
      "from byte 2 on",
    );
  });
});

describe("the other assertions", () => {
  it("assert and assertFalse look at truth", () => {
    assert(1);
    assertFalse("");
    refuses(() => assert(0, "zero"), "zero");
    refuses(() => assertFalse("x", "text"), "text");
  });

  it("assertStrictEquals wants the very same value", () => {
    const value = { a: 1 };
    assertStrictEquals(value, value);
    assertStrictEquals(NaN, NaN);
    assertNotStrictEquals(value, { a: 1 });
    refuses(() => assertStrictEquals(value, { a: 1 }), "not the same");
    refuses(() => assertStrictEquals(0, -0));
    refuses(() => assertNotStrictEquals(value, value));
  });

  it("comparisons hold at their borders and fail for NaN", () => {
    assertGreater(2, 1);
    assertGreaterOrEqual(2, 2);
    assertLess(1n, 2n);
    assertLessOrEqual(2, 2);
    refuses(() => assertGreater(2, 2));
    refuses(() => assertGreaterOrEqual(1, 2));
    refuses(() => assertLess(2, 2));
    refuses(() => assertLessOrEqual(3, 2));
    refuses(() => assertLessOrEqual(NaN, 2));
    refuses(() => assertGreaterOrEqual(NaN, 2));
  });

  it("assertAlmostEquals allows the tolerance and no more", () => {
    assertAlmostEquals(0.1 + 0.2, 0.3);
    assertAlmostEquals(10, 11, 1);
    refuses(() => assertAlmostEquals(10, 11.5, 1));
    refuses(() => assertAlmostEquals(NaN, 1, 1));
  });

  it("assertExists refuses null and undefined only", () => {
    assertExists(0);
    assertExists("");
    refuses(() => assertExists(null));
    refuses(() => assertExists(undefined));
  });

  it("assertInstanceOf looks at the class", () => {
    assertInstanceOf(new TypeError("x"), Error);
    refuses(() => assertInstanceOf(new Error("x"), TypeError), "TypeError");
    refuses(() => assertInstanceOf(null, Object));
  });

  it("text is searched and matched", () => {
    assertMatch("abc", /b/);
    assertStringIncludes("abc", "bc");
    refuses(() => assertMatch("abc", /d/));
    refuses(() => assertStringIncludes("abc", "cb"));
  });

  it("assertArrayIncludes compares items deeply", () => {
    assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]);
    refuses(
      () => assertArrayIncludes([{ a: 1 }], [{ a: 1 }, { a: 2 }]),
      "a: 2",
    );
  });

  it("assertObjectMatch ignores only what was not asked for", () => {
    assertObjectMatch({ a: 1, b: { c: [1, { d: 2, e: 3 }], f: 4 } }, {
      b: { c: [1, { d: 2 }] },
    });
    refuses(() => assertObjectMatch({ a: 1 }, { a: 2 }));
    refuses(() => assertObjectMatch({ a: 1 }, { b: undefined }));
    refuses(() => assertObjectMatch({ a: [1, 2] }, { a: [1] }));
    refuses(() => assertObjectMatch({ a: null }, { a: { b: 1 } }));
  });

  it("fail and unreachable always throw", () => {
    refuses(() => fail("the reason"), "the reason");
    refuses(() => unreachable());
  });
});

describe("assertThrows", () => {
  const throwing = (): never => {
    throw new TypeError("a wrong port");
  };

  it("returns what was thrown", () => {
    assertStrictEquals(
      assertThrows(throwing, TypeError, "port").message,
      "a wrong port",
    );
    assertInstanceOf(assertThrows(throwing), TypeError);
    assertInstanceOf(
      assertThrows(throwing, "a message, not a pattern"),
      TypeError,
    );
  });

  it("fails when nothing is thrown, or another class, or another message", () => {
    refuses(() => assertThrows(() => 1), "to throw");
    refuses(() => assertThrows(() => 1, TypeError, "x", "why"), "why");
    refuses(() => assertThrows(throwing, RangeError), "RangeError");
    refuses(() => assertThrows(throwing, TypeError, "host"), "host");
    refuses(() =>
      assertThrows(() => {
        throw "text";
      }, Error)
    );
  });
});

describe("assertRejects", () => {
  const rejecting = (): Promise<never> => Promise.reject(new TypeError("a wrong port"));

  it("resolves to the reason", async () => {
    assertStrictEquals(
      (await assertRejects(rejecting, TypeError, "port")).message,
      "a wrong port",
    );
    assertInstanceOf(await assertRejects(rejecting), TypeError);
  });

  it("fails when nothing is rejected, or another class, or another message", async () => {
    await refusesLater(
      () => assertRejects(() => Promise.resolve(1)),
      "to be rejected",
    );
    await refusesLater(
      () => assertRejects(rejecting, RangeError),
      "RangeError",
    );
    await refusesLater(
      () => assertRejects(rejecting, TypeError, "host"),
      "host",
    );
  });

  it("fails when the function throws before there is a promise", async () => {
    const throwing = (): Promise<never> => {
      throw new Error("at once");
    };
    await refusesLater(() => assertRejects(throwing), "at once");
  });

  it("fails when the function returns no promise", async () => {
    await refusesLater(
      () => assertRejects(() => 1 as unknown as Promise<number>),
      "Expected a promise",
    );
  });
});

describe("hooks", () => {
  const log: string[] = [];

  describe("around nested groups", () => {
    before(() => void log.push("before"));
    after(() => void log.push("after"));
    beforeEach(() => void log.push("each"));
    afterEach(async () => {
      await Promise.resolve();
      log.push("each done");
    });
    it("surround a test", () => void log.push("first"));
    describe("inner", () => {
      beforeAll(() => void log.push("inner before"));
      afterAll(() => void log.push("inner after"));
      beforeEach(() => void log.push("inner each"));
      afterEach(() => void log.push("inner each done"));
      test("surround a test of an inner group", async () => {
        await Promise.resolve();
        log.push("second");
      });
    });
  });

  it("run from the outside in, and back out", () => {
    assertEquals(
      log,
      [
        ["before"],
        ["each", "first", "each done"],
        ["inner before"],
        ["each", "inner each", "second", "inner each done", "each done"],
        ["inner after"],
        ["after"],
      ].flat(),
    );
  });

  const outcomes: [scenario: string, passes: boolean][] = [
    ["passes", true],
    ["throwingTest", false],
    ["rejectingTest", false],
    ["throwingBeforeAll", false],
    ["throwingBeforeEach", false],
    ["throwingAfterEach", false],
    ["throwingAfterAll", false],
    ["throwingTimer", false],
    ["throwingTimerAfterTheTest", false],
    ["throwingInnerGroup", false],
    ["promisingGroup", false],
  ];
  for (const [scenario, passes] of outcomes) {
    it(`make the run ${passes ? "succeed" : "fail"} in the scenario ${scenario}`, () => {
      const file = fileURLToPath(
        new URL("./bdd_scenarios.ts", import.meta.url),
      );
      const flags = process.versions["bun"] === undefined ? ["--no-check", "--allow-env"] : [];
      const run = spawnSync(process.execPath, ["test", ...flags, file], {
        env: { ...process.env, BDD_SCENARIO: scenario },
        encoding: "utf8",
        timeout: 60_000,
      });
      const output = `${run.stdout}${run.stderr}`;
      assertEquals(run.status === 0, passes, output);
      // Without this, a scenario that could not even be loaded would count as one that fails rightly.
      assertStringIncludes(
        output,
        passes ? "is skipped" : scenario === "promisingGroup" ? "returned a promise" : "on purpose",
      );
    });
  }
});
