import { EVHTTP_REQ_GET, EVHTTP_REQ_HEAD } from "./methods.ts";
import type { HttpRequest } from "./request.ts";
import { REAL, type RequestBase, type StandIn } from "./request_base.ts";
import { requestUrl } from "./request_url.ts";

/** What has become of a body. */
const NO_BODY = 0, UNREAD = 1, READ = 2;

/** Makes a standard request of ours. */
export type ServedRequestClass = new (request: HttpRequest) => Request;

/** The members of a standard request that are answered here. */
type Answered = Pick<
  Request,
  | "method"
  | "url"
  | "headers"
  | "signal"
  | "body"
  | "bodyUsed"
  | "text"
  | "json"
  | "bytes"
  | "arrayBuffer"
  | "blob"
  | "clone"
>;

const decoder = new TextDecoder();

/**
 * The class of requests in the shape of the Fetch standard that are made of ours as far as somebody asks: a real `Request` costs more than
 * all the rest of most requests. What is not answered here comes from a real one after all.
 *
 * @param Base see {@linkcode requestBase}.
 * @internal
 */
export function servedRequestOn(Base: RequestBase): ServedRequestClass {
  class ServedRequest extends Base implements Answered, StandIn {
    readonly #request: HttpRequest;
    #url: string | undefined = undefined;
    #headers: Headers | undefined = undefined;
    #real: Request | undefined = undefined;
    #bodyState: number;

    constructor(request: HttpRequest) {
      super();
      this.#request = request;
      this.#bodyState = hasStandardBody(request) ? UNREAD : NO_BODY;
    }

    get method(): string {
      return this.#request.method;
    }

    get url(): string {
      return this.#url ??= requestUrl(this.#request);
    }

    get headers(): Headers {
      return this.#headers ??= standardHeaders(this.#request);
    }

    /** That of our own, made when somebody asks; real requests made of this one follow it. */
    get signal(): AbortSignal {
      return this.#request.signal;
    }

    get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
      if (this.#bodyState === NO_BODY) return null;
      // Whoever has read it by other means finds a stream that is used up.
      const isOfReal = this.#bodyState === READ ? !this.#request.reading!.hasStream : this.#real !== undefined;
      return isOfReal ? this[REAL]().body : this.#request.bodyStream as ReadableStream<Uint8Array<ArrayBuffer>>;
    }

    get bodyUsed(): boolean {
      if (this.#bodyState !== UNREAD) return this.#bodyState === READ;
      return this.#real?.bodyUsed ?? this.#request.reading!.isDisturbed;
    }

    bytes(): Promise<Uint8Array<ArrayBuffer>> {
      if (this.#bodyState === NO_BODY) return Promise.resolve(new Uint8Array(0));
      if (this.#bodyState === UNREAD && this.#real === undefined && !this.#request.reading!.hasStream) {
        this.#bodyState = READ;
        return this.#request.bytes() as Promise<Uint8Array<ArrayBuffer>>;
      }
      return this.#byReal((real) => real.bytes());
    }

    async text(): Promise<string> {
      return decoder.decode(await this.bytes());
    }

    // deno-lint-ignore no-explicit-any -- the standard's own declaration
    async json(): Promise<any> {
      return JSON.parse(await this.text());
    }

    async arrayBuffer(): Promise<ArrayBuffer> {
      // These are bytes that nobody else has any part in.
      return (await this.bytes()).buffer;
    }

    /** Made of bytes: one that is made of a stream has no type on some runtimes, whatever the fields say. */
    async blob(): Promise<Blob> {
      const bytes = await this.bytes();
      const type = this.headers.get("content-type");
      if (type === null) return new Blob([bytes]);
      return await new Response(bytes, { headers: { "Content-Type": type } }).blob();
    }

    clone(): Request {
      return this[REAL]().clone();
    }

    async #byReal<T>(read: (real: Request) => Promise<T>): Promise<T> {
      return await read(this[REAL]());
    }

    /** @internal */
    [REAL](): Request {
      return this.#real ??= this.#makeReal();
    }

    #makeReal(): Request {
      const { method, headers, signal } = this;
      const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
      if (this.#bodyState === NO_BODY) return new Request(this.url, init);
      const { reading } = this.#request;
      if (reading!.hasStream && (reading!.isDisturbed || reading!.stream.locked)) this.#bodyState = READ;
      const isRead = this.#bodyState === READ;
      init.body = isRead ? new ReadableStream() : this.#request.bodyStream as ReadableStream<Uint8Array<ArrayBuffer>>;
      init.duplex = "half";
      const real = new Request(this.url, init);
      // That makes it one that was read.
      if (isRead) void real.body!.cancel();
      return real;
    }

    /** For console.log(): a Request that this stands on, if there is one, knows nothing of this one. */
    [Symbol.for("nodejs.util.inspect.custom")](): object {
      const { method, url, headers, bodyUsed } = this;
      return { method, url, headers, bodyUsed };
    }

    static {
      // The other ways to read a body, and what later standards may add.
      for (const name of Object.getOwnPropertyNames(Request.prototype)) {
        if (Object.hasOwn(this.prototype, name)) continue;
        if (typeof Object.getOwnPropertyDescriptor(Request.prototype, name)!.value !== "function") continue;
        Object.defineProperty(this.prototype, name, {
          configurable: true,
          writable: true,
          value(this: ServedRequest, ...args: unknown[]): unknown {
            const real = this[REAL]();
            return (Reflect.get(real, name) as (...args: unknown[]) => unknown).apply(real, args);
          },
        });
      }
    }
  }
  return ServedRequest as unknown as ServedRequestClass;
}

/** Whether there is a body to read; the standard knows none of some requests, although HTTP allows them. @internal */
export function hasStandardBody(request: HttpRequest): boolean {
  if (request.reading === null || (request.methodId & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)) !== 0) return false;
  return !request.bodyComplete || request.body.length > 0;
}

/** The fields of a request. @internal */
export function standardHeaders({ headers }: HttpRequest): Headers {
  const standard = new Headers();
  for (let at = 0; at < headers.size; at++) standard.append(headers.nameAt(at)!, headers.valueAt(at)!);
  return standard;
}
