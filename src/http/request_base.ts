/** Makes the real `Request` that an object stands for. */
export const REAL: unique symbol = Symbol("real request");

/** An object that stands for a `Request` and can make it. */
export interface StandIn {
  [REAL](): Request;
}

/** A class to derive from; what its instances are is up to who derives. */
export type RequestBase = abstract new () => object;

const PROBE_URL = "http://probe.invalid/path";

/**
 * What the runtime takes for a `Request` when an instance of a class derived from it is given to `new Request()` or `fetch()`, and yet
 * costs next to nothing to make; null when there is no such thing. Runtimes differ in what they look at:
 *
 * - some at members under symbols of their own, which an object without a Request inside can have, too;
 * - some, for objects of derived classes, at the public members, but want a Request inside.
 *
 * Neither is promised by anybody, so both are tried out.
 *
 * @internal
 */
export function requestBase(): RequestBase | null {
  return [baseWithSymbols, baseWithRequest].map((make) => make()).find(passesForRequest) ?? null;
}

/** Has the members under symbols that a Request has, and takes them from the real one. */
function baseWithSymbols(): RequestBase {
  abstract class SymbolBase {}
  const prototype: object = Object.create(Request.prototype);
  for (const symbol of Object.getOwnPropertySymbols(new Request(PROBE_URL))) {
    Object.defineProperty(prototype, symbol, {
      get(this: StandIn): unknown {
        return Reflect.get(this[REAL](), symbol);
      },
      set(this: StandIn, value: unknown): void {
        Reflect.set(this[REAL](), symbol, value);
      },
    });
  }
  Object.setPrototypeOf(SymbolBase.prototype, prototype);
  return SymbolBase;
}

/** Has a Request inside, an empty one. */
function baseWithRequest(): RequestBase {
  return class extends Request {
    constructor() {
      super("http://localhost/");
    }
  };
}

function passesForRequest(Base: RequestBase): boolean {
  try {
    const probe = makeProbe(Base);
    const copy = new Request(probe);
    const changed = new Request(probe, { headers: { "X-Own": "own" } });
    return copy.method === "PUT" && copy.url === PROBE_URL && copy.headers.get("X-Probe") === "probe" &&
      changed.method === "PUT" && changed.url === PROBE_URL && changed.headers.get("X-Own") === "own";
  } catch {
    return false;
  }
}

function makeProbe(Base: RequestBase): Request {
  class Probe extends Base implements StandIn {
    get method(): string {
      return "PUT";
    }
    get url(): string {
      return PROBE_URL;
    }
    get headers(): Headers {
      return new Headers({ "X-Probe": "probe" });
    }
    get body(): null {
      return null;
    }
    get signal(): AbortSignal {
      return new AbortController().signal;
    }
    [REAL](): Request {
      const { method, url, headers } = this;
      return new Request(url, { method, headers });
    }
  }
  return new Probe() as unknown as Request;
}
