import { formatSocketAddress } from "../core/mod.ts";
import { EVHTTP_REQ_GET, EVHTTP_REQ_HEAD } from "./methods.ts";
import type { HttpRequest } from "./request.ts";

/**
 * A request in the shape of the Fetch standard. Its signal is that of the connection, made when somebody asks: an AbortSignal costs as
 * much as the whole rest of a Request, and most handlers have no use for one. (A copy of the request therefore does not follow it.)
 */
class ServedRequest extends Request {
  readonly #request: HttpRequest;

  constructor(request: HttpRequest) {
    super(urlOf(request), initOf(request));
    this.#request = request;
  }

  static {
    Object.defineProperty(this.prototype, "signal", {
      configurable: true,
      get(this: ServedRequest): AbortSignal {
        return this.#request.signal;
      },
    });
  }
}

/**
 * Makes a standard request of ours; its body comes as it is read.
 *
 * @throws {TypeError} for what no standard request can be, such as a host that URLs do not allow.
 * @internal
 */
export function standardRequest(request: HttpRequest): Request {
  return new ServedRequest(request);
}

function urlOf(request: HttpRequest): string {
  const { target, head, connection } = request;
  if (/^https?:/i.test(target)) return target;
  const local = connection.localAddress;
  const host = head.host ?? (local === undefined || local.family === "unix" ? "localhost" : formatSocketAddress(local));
  return `${connection.isSecure ? "https" : "http"}://${host}${target.startsWith("/") ? target : `/${target}`}`;
}

function initOf(request: HttpRequest): RequestInit {
  const { method, headers, methodId } = request;
  const init: RequestInit & { duplex?: "half" } = { method, headers: [...headers] };
  // The standard knows no bodies of these, although HTTP allows them.
  if ((methodId & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)) !== 0) return init;
  if (request.bodyComplete && request.body.length === 0) return init;
  init.body = request.bodyStream;
  init.duplex = "half";
  return init;
}
