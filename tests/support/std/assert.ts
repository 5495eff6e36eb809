/**
 * Stand-in for `@std/assert`: the same names and signatures, so that the tests run without a network and the real package can take its
 * place through the import map. It is never more lenient than the real one.
 */
import { inspect } from "node:util";
import { equal } from "./equal.ts";

export { equal };

/** What a failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** A class of errors, or any other class, as `assertThrows` and `assertInstanceOf` take it. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor<T = unknown> = new (...args: any[]) => T;

function show(value: unknown): string {
  return inspect(value, {
    depth: 8,
    maxArrayLength: 64,
    maxStringLength: 2000,
    breakLength: 110,
  });
}

function failWith(what: string, msg: string | undefined): never {
  throw new AssertionError(msg === undefined ? what : `${what}: ${msg}`);
}

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Fails unless `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): void {
  if (expr) throw new AssertionError(msg);
}

/** Fails unless both values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  failWith(
    `Values are not equal${whereBytesDiffer(actual, expected)}\n  actual: ${show(actual)}\n  expected: ${
      show(expected)
    }\n`,
    msg,
  );
}

/** Long byte arrays are cut short when shown, so the place of the difference is named. */
function whereBytesDiffer(actual: unknown, expected: unknown): string {
  if (!(actual instanceof Uint8Array && expected instanceof Uint8Array)) {
    return "";
  }
  const shared = Math.min(actual.length, expected.length);
  let index = 0;
  while (index < shared && actual[index] === expected[index]) index++;
  return ` from byte ${index} on (lengths ${actual.length} and ${expected.length})`;
}

/** Fails if both values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    failWith(`Expected something else than ${show(expected)}`, msg);
  }
}

/** Fails unless `Object.is` holds for both values. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const hint = equal(actual, expected) ? " (deeply equal, but not the same)" : "";
  failWith(
    `Values are not strictly equal${hint}\n  actual: ${show(actual)}\n  expected: ${show(expected)}\n`,
    msg,
  );
}

/** Fails if `Object.is` holds for both values. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (Object.is(actual, expected)) {
    failWith(
      `Expected something else than the very same ${show(expected)}`,
      msg,
    );
  }
}

/** Fails unless the difference is at most `tolerance`, by default a ten-millionth of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  // Written this way round so that NaN fails.
  if (!(delta <= allowed)) {
    failWith(`Expected ${actual} to be within ${allowed} of ${expected}`, msg);
  }
}

/** Fails unless `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) {
    failWith(`Expected ${show(actual)} > ${show(expected)}`, msg);
  }
}

/** Fails unless `actual` is greater than or equal to `expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual >= expected)) {
    failWith(`Expected ${show(actual)} >= ${show(expected)}`, msg);
  }
}

/** Fails unless `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) {
    failWith(`Expected ${show(actual)} < ${show(expected)}`, msg);
  }
}

/** Fails unless `actual` is less than or equal to `expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual <= expected)) {
    failWith(`Expected ${show(actual)} <= ${show(expected)}`, msg);
  }
}

/** Fails if `actual` is null or undefined. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    failWith(`Expected a value, got ${actual}`, msg);
  }
}

/** Fails unless `actual` was made by `ExpectedType`. */
export function assertInstanceOf<T>(
  actual: unknown,
  ExpectedType: AnyConstructor<T>,
  msg = "",
): asserts actual is T {
  if (actual instanceof ExpectedType) return;
  failWith(
    `Expected an instance of ${ExpectedType.name}, got ${show(actual)}`,
    msg === "" ? undefined : msg,
  );
}

/** Fails unless the expression finds a match in `actual`. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    failWith(`Expected ${show(actual)} to match ${expected}`, msg);
  }
}

/** Fails unless `expected` occurs in `actual`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    failWith(`Expected ${show(actual)} to contain ${show(expected)}`, msg);
  }
}

/** Fails unless each item of `expected` deeply equals some item of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const items = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !items.some((item) => equal(item, wanted)));
  if (missing.length > 0) {
    failWith(`Expected ${show(actual)} to contain ${show(missing)}`, msg);
  }
}

/** Fails unless every property named in `expected`, at any depth, is there in `actual` with that value. */
export function assertObjectMatch(
  actual: Record<PropertyKey, unknown>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (matches(actual, expected)) return;
  failWith(
    `Object does not match\n  actual: ${show(actual)}\n  expected at least: ${show(expected)}\n`,
    msg,
  );
}

function matches(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && actual.length === expected.length &&
      expected.every((item, i) => matches(actual[i], item));
  }
  if (
    typeof expected !== "object" || expected === null ||
    Object.getPrototypeOf(expected) !== Object.prototype
  ) {
    return equal(actual, expected);
  }
  if (typeof actual !== "object" || actual === null) return false;
  return Reflect.ownKeys(expected).every((key) =>
    key in actual &&
    matches(Reflect.get(actual, key), Reflect.get(expected, key))
  );
}

/** Fails unless `fn` throws; returns what was thrown. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless `fn` throws an `ErrorClass` whose message contains `msgIncludes`; returns that error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: AnyConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: AnyConstructor<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const suffix = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    if (typeof classOrMsg === "function") {
      checkError(error, classOrMsg, msgIncludes, suffix);
    }
    return error;
  }
  failWith("Expected the function to throw", suffix);
}

/** Fails unless the promise that `fn` returns is rejected; resolves to the reason. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** Fails unless the promise is rejected with an `ErrorClass` whose message contains `msgIncludes`; resolves to that error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: AnyConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: AnyConstructor<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const suffix = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (cause) {
    throw new AssertionError(
      `Expected a rejected promise, but the function threw at once: ${String(cause)}`,
      { cause },
    );
  }
  if (typeof promise?.then !== "function") {
    failWith(`Expected a promise, got ${show(promise)}`, suffix);
  }
  try {
    await promise;
  } catch (error) {
    if (typeof classOrMsg === "function") {
      checkError(error, classOrMsg, msgIncludes, suffix);
    }
    return error;
  }
  failWith("Expected the promise to be rejected", suffix);
}

function checkError(
  error: unknown,
  ErrorClass: AnyConstructor<Error>,
  includes: string | undefined,
  msg: string | undefined,
): void {
  if (!(error instanceof ErrorClass)) {
    failWith(`Expected a ${ErrorClass.name}, got ${show(error)}`, msg);
  }
  if (includes !== undefined && !error.message.includes(includes)) {
    failWith(
      `Expected the error message ${show(error.message)} to contain ${show(includes)}`,
      msg,
    );
  }
}

/** Fails, always. */
export function fail(msg?: string): never {
  failWith("Failed", msg);
}

/** Marks a place that must not be reached. */
export function unreachable(msg?: string): never {
  failWith("Reached what should be unreachable", msg);
}
