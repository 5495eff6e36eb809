import type { HttpRequest } from "./request.ts";
import { requestBase } from "./request_base.ts";
import { requestUrl } from "./request_url.ts";
import { hasStandardBody, type ServedRequestClass, servedRequestOn, standardHeaders } from "./served_request.ts";

// Made for the first who serves.
let requestClass: ServedRequestClass | null = null;

/**
 * Makes a standard request of ours; its body comes as it is read.
 *
 * @internal
 */
export function standardRequest(request: HttpRequest): Request {
  requestClass ??= cheapestClass();
  return new requestClass(request);
}

function cheapestClass(): ServedRequestClass {
  const base = requestBase();
  return base === null ? CopiedRequest : servedRequestOn(base);
}

/**
 * A real request with all that ours has, for runtimes that take nothing else for one. Its signal is made when somebody asks: one costs as
 * much as the whole rest.
 *
 * @internal
 */
export class CopiedRequest extends Request {
  readonly #request: HttpRequest;

  /** @throws {TypeError} for what no standard request can be. */
  constructor(request: HttpRequest) {
    super(requestUrl(request), initOf(request));
    this.#request = request;
  }

  static {
    Object.defineProperty(this.prototype, "signal", {
      configurable: true,
      get(this: CopiedRequest): AbortSignal {
        return this.#request.signal;
      },
    });
  }
}

function initOf(request: HttpRequest): RequestInit {
  const init: RequestInit & { duplex?: "half" } = { method: request.method, headers: standardHeaders(request) };
  if (!hasStandardBody(request)) return init;
  init.body = request.bodyStream as ReadableStream<Uint8Array<ArrayBuffer>>;
  init.duplex = "half";
  return init;
}
