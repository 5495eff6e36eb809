/** Deep equality for the `@std/assert` stand-in: what it calls equal, the real package calls equal too. */

/** Whether two values have the same shape and content; NaN equals NaN, and 0 equals -0. */
export function equal(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, new Map());
}

/** `open` holds the pairs being compared further up, so that a cycle ends. */
function compare(a: unknown, b: unknown, open: Map<object, object>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (
    typeof a !== "object" || typeof b !== "object" || a === null || b === null
  ) return false;
  if (
    Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) && !bothPlain(a, b)
  ) return false;

  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return sameView(a, b);
  if (isBuffer(a) && isBuffer(b)) {
    return sameView(new Uint8Array(a), new Uint8Array(b));
  }
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof WeakMap || a instanceof WeakSet || a instanceof Promise) {
    throw new TypeError(
      `Cannot compare two ${a.constructor.name} objects: their content is hidden`,
    );
  }

  if (open.get(a) === b) return true;
  open.set(a, b);
  if (a instanceof Error && b instanceof Error) {
    // These are not enumerable, so the comparison of keys below would pass over them.
    if (
      a.name !== b.name || a.message !== b.message ||
      !compare(a.cause, b.cause, open)
    ) return false;
  }
  if (
    a instanceof Set && b instanceof Set && !sameEntries([...a], [...b], open)
  ) return false;
  if (
    a instanceof Map && b instanceof Map && !sameEntries([...a], [...b], open)
  ) return false;
  return sameProperties(a, b, open);
}

/** An object made with a null prototype equals an object literal. */
function bothPlain(a: object, b: object): boolean {
  const plain = (value: object): boolean => {
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === null || prototype === Object.prototype;
  };
  return plain(a) && plain(b);
}

function isBuffer(value: object): value is ArrayBufferLike {
  return value instanceof ArrayBuffer ||
    (typeof SharedArrayBuffer !== "undefined" &&
      value instanceof SharedArrayBuffer);
}

function sameView(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (a.byteLength !== b.byteLength) return false;
  if (a instanceof DataView || b instanceof DataView) {
    const bytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return sameView(bytes(a), bytes(b));
  }
  // Element by element, not byte by byte, so that NaN and -0 in a Float64Array count as they do in an array.
  const left = a as unknown as ArrayLike<unknown>;
  const right = b as unknown as ArrayLike<unknown>;
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i] && !Object.is(left[i], right[i])) return false;
  }
  return true;
}

/** Sets and maps have no order that counts: each entry must find a partner of its own. */
function sameEntries(
  left: unknown[],
  right: unknown[],
  open: Map<object, object>,
): boolean {
  if (left.length !== right.length) return false;
  const partners = [...right];
  for (const entry of left) {
    // A failed attempt must not leave its pairs behind as "being compared".
    const at = partners.findIndex((partner) => compare(entry, partner, new Map(open)));
    if (at < 0) return false;
    partners.splice(at, 1);
  }
  return true;
}

function sameProperties(
  a: object,
  b: object,
  open: Map<object, object>,
): boolean {
  const keys = enumerableKeys(a);
  if (keys.length !== enumerableKeys(b).length) return false;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) {
    return false;
  }
  for (const key of keys) {
    if (!Object.prototype.propertyIsEnumerable.call(b, key)) return false;
    if (!compare(Reflect.get(a, key), Reflect.get(b, key), open)) return false;
  }
  return true;
}

function enumerableKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
}
