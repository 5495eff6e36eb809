import { HttpClientError } from "./client_error.ts";
import type { ClientBounds, HttpClientRequestOptions } from "./client_options.ts";
import { redirectCount } from "./client_options.ts";
import type { Router } from "./client_origin.ts";
import type { ClientPool } from "./client_pool.ts";
import { HttpClientRequest, type HttpRequestCallback, type HttpRequestOptions } from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { addCredentials } from "./client_url.ts";
import { acceptEncoding, codingsOf, decodeBody } from "./content_decoding.ts";
import { HttpHeaders } from "./headers.ts";
import { methodName } from "./methods.ts";
import { isRedirect, type Redirectable, redirected } from "./redirects.ts";

/** What all calls of a client share. */
export interface CallSetting {
  readonly pool: ClientPool;
  readonly router: Router;
  readonly bounds: ClientBounds;
  readonly headers: HttpHeaders;
  readonly maxBodyBytes: number;
}

/**
 * What somebody has asked an `HttpClient` for: one request, or several where redirects are followed.
 */
export class HttpClientCall {
  readonly #setting: CallSetting;
  readonly #options: HttpClientRequestOptions;
  readonly #callback: HttpRequestCallback;
  readonly #decodes: boolean;
  readonly #maxRedirects: number;
  #what: Redirectable;
  #redirectCount = 0;
  #request: HttpClientRequest | null = null;
  // A redirect that is to be followed once its own response is over.
  #next: Redirectable | null = null;
  #failure: HttpClientError | null = null;
  #isPaused = false;

  /** @internal */
  constructor(setting: CallSetting, url: URL, options: HttpClientRequestOptions, callback: HttpRequestCallback) {
    const { bounds } = setting;
    const { method = "GET", body } = options;
    const headers = new HttpHeaders(options.headers);
    this.#setting = setting;
    this.#options = options;
    this.#callback = callback;
    this.#maxRedirects = redirectCount(options.maxRedirects ?? bounds.maxRedirects);
    this.#decodes = (options.decompress ?? bounds.decompress) && options.onData === undefined && !headers.has("range");
    for (const [name, value] of setting.headers) if (!headers.has(name)) headers.add(name, value);
    if (this.#decodes && !headers.has("accept-encoding")) headers.add("Accept-Encoding", acceptEncoding());
    addCredentials(url, headers);
    const name = typeof method === "number" ? methodName(method) ?? String(method) : method;
    this.#what = { url, method: name, headers, hasBody: body !== undefined && body !== null };
    this.#send();
  }

  /** The URL of the request that is under way. */
  get url(): string {
    return this.#what.url.href;
  }

  /** Ends it; the callback gets an error with the code `HTTP_CANCELLED`, and `reason` as its cause. Harmless when it is over. */
  cancel(reason?: unknown): void {
    this.#request?.cancel(reason);
  }

  /** Reads no more of the response for the time being. */
  pause(): void {
    this.#isPaused = true;
    if (this.#next === null) this.#request?.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#isPaused = false;
    this.#request?.resume();
  }

  #send(): void {
    const { pool, router } = this.#setting;
    const { url, method, headers, hasBody } = this.#what;
    const { body, expectContinue, idempotent, maxBodyBytes, signal, onInterim, unixPath } = this.#options;
    const route = router.route(url, unixPath);
    const fields = new HttpHeaders();
    if (!headers.has("host")) fields.add("Host", route.authority);
    for (const [name, value] of headers) fields.add(name, value);
    if (route.proxyAuthorization !== undefined) fields.set("Proxy-Authorization", route.proxyAuthorization);
    const options: HttpRequestOptions = {
      method,
      headers: fields,
      body: hasBody ? body : null,
      expectContinue: expectContinue === true && hasBody,
      idempotent,
      maxBodyBytes,
      signal,
      onInterim,
      onHead: (response, request) => this.#head(response, request),
      ...(this.#options.onData === undefined ? {} : {
        onData: (bytes, response, request) => {
          if (this.#next === null) this.#options.onData!(bytes, response, request);
        },
      }),
    };
    const request = new HttpClientRequest(route.target, options, (response, error) => this.#ended(response, error));
    this.#request = request;
    if (this.#isPaused) request.pause();
    pool.submit(route.origin, request);
  }

  #head(response: HttpClientResponse, request: HttpClientRequest): boolean | void {
    response.url = this.#what.url.href;
    response.redirected = this.#redirectCount > 0;
    const { status, headers } = response;
    if (this.#maxRedirects > 0 && isRedirect(status, headers)) {
      try {
        this.#next = redirected(this.#what, status, headers.get("location")!);
      } catch (error) {
        this.#failure = failureOf(error, this.#what);
        return false;
      }
      // What a redirect says beside that is of no use to anybody, but it has to be read.
      request.resume();
      return;
    }
    return this.#options.onHead?.(response, request);
  }

  #ended(response: HttpClientResponse | null, error: HttpClientError | null): void {
    const next = this.#next;
    this.#next = null;
    this.#request = null;
    if (response === null) return this.#callback(null, this.#failure ?? error);
    try {
      if (next !== null) return this.#follow(next);
      if (this.#decodes) this.#decode(response);
    } catch (failure) {
      return this.#callback(null, failureOf(failure, this.#what));
    }
    this.#callback(response, null);
  }

  #follow(next: Redirectable): void {
    const { url } = this.#what;
    if (++this.#redirectCount > this.#maxRedirects) {
      throw new HttpClientError(
        "HTTP_TOO_MANY_REDIRECTS",
        `request ${url.href}: more than ${this.#maxRedirects} redirects`,
      );
    }
    if (next.hasBody && !isRepeatable(this.#options.body)) {
      throw new HttpClientError(
        "HTTP_BAD_REDIRECT",
        `follow the redirect of ${url.href}: its body cannot be sent twice`,
      );
    }
    this.#what = next;
    this.#send();
  }

  #decode(response: HttpClientResponse): void {
    const codings = codingsOf(response.headers);
    if (codings.length === 0 || response.body.length === 0) return;
    const maxBytes = this.#options.maxBodyBytes ?? this.#setting.maxBodyBytes;
    const limits = { maxBytes, maxRatio: this.#setting.bounds.maxDecompressionRatio };
    response.body.addReference(decodeBody(response.body.take(), codings, limits));
    // They speak of what is no longer there.
    response.headers.delete("content-encoding");
    response.headers.delete("content-length");
  }
}

/** Buffers are emptied by the first request, and sources are read but once. */
function isRepeatable(body: HttpClientRequestOptions["body"]): boolean {
  return typeof body === "string" || body instanceof Uint8Array;
}

function failureOf(error: unknown, { url }: Redirectable): HttpClientError {
  if (error instanceof HttpClientError) return error;
  return new HttpClientError("HTTP_BAD_REDIRECT", `follow a redirect to ${url.href}`, error);
}
