import { HttpClientError } from "./client_error.ts";
import { type ClientBounds, type HttpClientRequestOptions, notNegative } from "./client_options.ts";
import type { Router } from "./client_origin.ts";
import type { ClientPool } from "./client_pool.ts";
import { HttpClientRequest, type HttpRequestCallback, type HttpRequestOptions } from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { addCredentials, shownUrl } from "./client_url.ts";
import { acceptEncoding, codingsOf, decodeBody } from "./content_decoding.ts";
import { dropDigests } from "./digest_fields.ts";
import { HttpHeaders } from "./headers.ts";
import { methodName } from "./methods.ts";
import { addProxyFields } from "./proxies.ts";
import { isRedirect, locationOf, type Redirectable, redirected } from "./redirects.ts";

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
  #unixPath: string | undefined;
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
    this.#maxRedirects = notNegative("maxRedirects", options.maxRedirects ?? bounds.maxRedirects);
    addDefaults(headers, setting.headers);
    this.#decodes = (options.decompress ?? bounds.decompress) && options.onData === undefined && !headers.has("range");
    if (this.#decodes && !headers.has("accept-encoding")) headers.add("Accept-Encoding", acceptEncoding("whole"));
    addCredentials(url, headers);
    this.#unixPath = options.unixPath;
    const name = typeof method === "number" ? methodName(method) : method;
    if (name === undefined) throw new TypeError(`Cannot send a request: ${method} is no method`);
    if (name === "CONNECT") {
      throw new TypeError(
        `Cannot request ${
          shownUrl(url)
        } by CONNECT, which asks a proxy for a host and port: openStream() does that, and HttpClientConnection`,
      );
    }
    this.#what = { url, method: name, headers, hasBody: body !== undefined && body !== null };
    this.#send();
  }

  /** The URL of the request that is under way. */
  get url(): string {
    return this.#what.url.href;
  }

  /** Ends it; the callback gets an error with the code `HTTP_CANCELLED`, and `reason` as its cause. Harmless when it is over. */
  cancel(reason?: unknown): void {
    this.#next = null;
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
    const { body, expectContinue, idempotent, maxBodyBytes, signal, onInterim, onData } = this.#options;
    const route = router.route(url, this.#unixPath);
    const fields = new HttpHeaders();
    if (!headers.has("host")) fields.add("Host", route.authority);
    for (const [name, value] of headers) fields.add(name, value);
    if (route.asked !== null) addProxyFields(fields, route.asked);
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
      onData,
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
        this.#next = redirected(this.#what, status, locationOf(headers));
      } catch (error) {
        this.#failure = failureOf(error, this.#what);
        return false;
      }
      request.dropsBody = true;
      request.resume();
      return;
    }
    return this.#options.onHead?.(response, request);
  }

  #ended(response: HttpClientResponse | null, error: HttpClientError | null): void {
    const next = this.#next;
    this.#next = null;
    this.#request = null;
    let failure = response === null ? this.#failure ?? error : null;
    try {
      // However the redirect itself has ended: where it leads is known.
      if (next !== null && this.#options.signal?.aborted !== true) return this.#follow(next);
      if (response !== null && this.#decodes) this.#decode(response);
    } catch (thrown) {
      failure = failureOf(thrown, this.#what);
    }
    this.#callback(failure === null ? response : null, failure);
  }

  #follow(next: Redirectable): void {
    const { url } = this.#what;
    if (++this.#redirectCount > this.#maxRedirects) {
      throw new HttpClientError(
        "HTTP_TOO_MANY_REDIRECTS",
        `request ${shownUrl(url)}: more than ${this.#maxRedirects} redirects`,
      );
    }
    if (next.hasBody && !isRepeatable(this.#options.body)) {
      throw new HttpClientError(
        "HTTP_BAD_REDIRECT",
        `follow the redirect of ${shownUrl(url)}: its body cannot be sent twice`,
      );
    }
    // The socket is that of the server which was asked, not of any other.
    if (next.url.origin !== url.origin) this.#unixPath = undefined;
    this.#what = next;
    this.#send();
  }

  #decode(response: HttpClientResponse): void {
    const codings = codingsOf(response.headers, "whole");
    if (codings.length === 0 || response.body.length === 0) return;
    const maxBytes = this.#options.maxBodyBytes ?? this.#setting.maxBodyBytes;
    const limits = { maxBytes, maxRatio: this.#setting.bounds.maxDecompressionRatio };
    response.body.addReference(decodeBody(response.body.take(), codings, limits));
    // They speak of what is no longer there.
    response.headers.delete("content-encoding");
    response.headers.delete("content-length");
    dropDigests(response.headers);
  }
}

/** Adds the client's fields, all that there are of a name, where the request has none of the same. */
function addDefaults(headers: HttpHeaders, defaults: HttpHeaders): void {
  if (defaults.size === 0) return;
  const added = new HttpHeaders(defaults);
  for (const [name] of headers) added.delete(name);
  for (const [name, value] of added) headers.add(name, value);
}

/** Buffers are emptied by the first request, and sources are read but once. */
function isRepeatable(body: HttpClientRequestOptions["body"]): boolean {
  return typeof body === "string" || body instanceof Uint8Array;
}

function failureOf(error: unknown, { url }: Redirectable): HttpClientError {
  if (error instanceof HttpClientError) return error;
  return new HttpClientError("HTTP_BAD_REDIRECT", `follow a redirect to ${shownUrl(url)}`, error);
}
