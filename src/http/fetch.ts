import type { EventBase } from "../core/mod.ts";
import type { HttpClientCall } from "./client_call.ts";
import { HttpClientError } from "./client_error.ts";
import type { HttpClientRequestOptions } from "./client_options.ts";
import type { HttpRequestCallback } from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { atLeastOne, notNegative } from "./client_options.ts";
import { shownText } from "./client_url.ts";
import { acceptEncoding, codingsOf, decodedStream, type DecodingLimits } from "./content_decoding.ts";
import { dropDigests } from "./digest_fields.ts";
import { fetchBody } from "./fetch_body.ts";
import { FetchedBody } from "./fetched_body.ts";
import type { HttpHeaders } from "./headers.ts";
import { isBodyless } from "./status.ts";
import type { UploadBody } from "./upload_body.ts";

/**
 * What `fetch()` takes beside a URL: as the Fetch standard says, as far as there are no browsers, and what a client knows. An `integrity` is
 * refused, since it is not checked.
 */
export interface FetchInit extends RequestInit {
  /** Needed with a stream as the body, where the runtime's Request asks for it. */
  readonly duplex?: "half" | undefined;
  /** Connects to a Unix socket instead of the URL's host. */
  readonly unixPath?: string | undefined;
  /** Longest body of the response after decoding, in bytes; Infinity by default. */
  readonly maxBodyBytes?: number | undefined;
  /** How long the response may wait for its reader, in milliseconds, or Infinity; that of the client by default. */
  readonly unreadTimeoutMs?: number | undefined;
}

/** How requests are made. */
export type MakeCall = (
  url: string,
  options: HttpClientRequestOptions,
  callback: HttpRequestCallback,
) => HttpClientCall;

const REDIRECTS_MAX = 20;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What a client's `fetch()` is made of. */
export interface FetchSetting {
  readonly base: EventBase;
  readonly makeCall: MakeCall;
  /** Fields of every request that has none of the same name. */
  readonly headers: HttpHeaders;
  readonly maxRatio: number;
  /** See {@linkcode FetchInit.unreadTimeoutMs}. */
  readonly unreadTimeoutMs: number;
  /** See `decodedStream`. */
  readonly working: (by: number) => void;
}

/** Makes a request in the shape of the Fetch standard. */
export async function fetchWith(
  setting: FetchSetting,
  input: string | URL | Request,
  init: FetchInit = {},
): Promise<Response> {
  const { unixPath, maxBodyBytes = Infinity, unreadTimeoutMs = setting.unreadTimeoutMs, ...standard } = init;
  notNegative("maxBodyBytes", maxBodyBytes);
  atLeastOne("unreadTimeoutMs", unreadTimeoutMs);
  const request = new Request(input, standard);
  const { signal } = request;
  signal.throwIfAborted();
  // That of a Request made here is nobody's to abort.
  const given = input instanceof Request || (init.signal ?? null) !== null ? signal : null;
  // Not every runtime's Request keeps it.
  if ((init.integrity ?? request.integrity ?? "") !== "") {
    throw new TypeError(`Cannot fetch ${shownText(request.url)}: its integrity would not be checked`);
  }
  // Before the body is read, with which some runtimes forget the type that it has brought along.
  let headers: [string, string][] = [...request.headers];
  if (typeof init.body === "string" && !request.headers.has("content-type")) {
    headers.push(["Content-Type", "text/plain;charset=UTF-8"]);
  }
  const body = await bodyOf(request, init.body);
  const isStream = body !== null && !(body instanceof Uint8Array);
  // How a body is framed is no business of fetch's caller, who may have passed on the fields of another request. Only how long a stream is
  // nobody else can say.
  headers = headers.filter(([name]) => name !== "transfer-encoding" && (isStream || name !== "content-length"));
  const has = (name: string): boolean => request.headers.has(name) || setting.headers.has(name);
  // A part of something encoded can be decoded by nobody.
  if (!has("accept-encoding")) headers.push(["Accept-Encoding", has("range") ? "identity" : acceptEncoding("stream")]);
  if (!has("accept")) headers.push(["Accept", "*/*"]);
  const { redirect } = request;
  return await new Promise<Response>((resolve, reject) => {
    // Forgotten when the response is there: they lead to it, and it is to be seen when nobody else knows it any more.
    let answer: Answer | null = { resolve, reject };
    const fetched = new FetchedBody(setting.base, unreadTimeoutMs, () => {
      const error = new HttpClientError(
        "HTTP_UNREAD",
        `finish ${request.method}: nobody has read the body of the response for ${unreadTimeoutMs} ms`,
      );
      fail(error);
      fetched.source?.cancel(error);
    });
    const fail = (error: unknown): void => {
      const reason = signal.aborted ? signal.reason : failureOf(error, request.url);
      fetched.fail(reason);
      answer?.reject(reason);
      answer = null;
    };
    const limits = { maxBytes: maxBodyBytes, maxRatio: setting.maxRatio };
    const working = (by: number): void => {
      fetched.touch();
      setting.working(by);
    };
    try {
      fetched.source = setting.makeCall(request.url, {
        method: request.method,
        headers,
        body,
        signal,
        unixPath,
        maxBodyBytes: Infinity,
        maxRedirects: redirect === "follow" ? REDIRECTS_MAX : 0,
        decompress: false,
        onHead: (response, asked) => {
          try {
            checkStatus(request, response.status);
            const hasBody = request.method !== "HEAD" && !isBodyless(response.status) && response.status !== 205;
            // What comes all the same is nobody's to read.
            asked.dropsBody = !hasBody;
            answer?.resolve(responseOf(response, hasBody ? fetched : null, limits, working, given, request.url));
            answer = null;
            return true;
          } catch (error) {
            fail(error);
            return false;
          }
        },
        onData: (bytes) => fetched.add(bytes),
      }, (response, error) => {
        if (response !== null) fetched.end(given);
        else fail(error);
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** How somebody who waits for a response is told. */
interface Answer {
  resolve(response: Response): void;
  reject(reason: unknown): void;
}

/** The body of a request, whose own failure is one of fetch's. */
async function bodyOf(request: Request, given: BodyInit | null | undefined): Promise<UploadBody | null> {
  try {
    return await fetchBody(request, given);
  } catch (error) {
    request.signal.throwIfAborted();
    const { method, url } = request;
    throw failureOf(new HttpClientError("HTTP_BODY_FAILED", `send the body of ${method}`, error), url);
  }
}

/** @throws {HttpClientError} for a status that is not to be handed out. */
function checkStatus({ method, redirect }: Request, status: number): void {
  if (redirect === "error" && REDIRECT_STATUSES.has(status)) {
    throw new HttpClientError(
      "HTTP_BAD_REDIRECT",
      `finish ${method}: it was answered with a redirect, which was to be an error`,
    );
  }
  // A stream of another protocol could be taken from a Response by nobody. Others the runtime's Response does not take.
  if (status === 101 || status > 599) {
    throw new HttpClientError("HTTP_INVALID_RESPONSE", `finish ${method}: it was answered with the status ${status}`);
  }
}

function responseOf(
  response: HttpClientResponse,
  fetched: FetchedBody | null,
  limits: DecodingLimits,
  working: (by: number) => void,
  signal: AbortSignal | null,
  asked: string,
): Response {
  const { status, reason, url, redirected } = response;
  const headers = new Headers([...response.headers]);
  const codings = codingsOf(response.headers, "stream");
  let body: ReadableStream<Uint8Array> | null = null;
  if (fetched !== null) {
    body = fetched.open();
    if (codings.length > 0) {
      // They speak of what the reader does not get to see.
      headers.delete("content-encoding");
      headers.delete("content-length");
      dropDigests(headers);
    }
    if (codings.length > 0 || limits.maxBytes < Infinity) {
      body = decodedStream(body, codings, limits, working, signal, (error) => failureOf(error, asked));
    }
    fetched.watch(body);
  }
  const result = new Response(body as BodyInit | null, { status, statusText: reason, headers });
  return described(result, url.replace(/#.*/, ""), redirected);
}

/** Says of a response, and its clones, what only the runtime's own `fetch()` can. */
function described(response: Response, url: string, redirected: boolean): Response {
  const clone = (): Response => described(Response.prototype.clone.call(response), url, redirected);
  return Object.defineProperties(response, {
    url: { value: url },
    redirected: { value: redirected },
    clone: { value: clone },
  });
}

/** The standard knows TypeErrors only; what the caller got wrong is one already. */
function failureOf(error: unknown, url: string): TypeError {
  if (error instanceof TypeError) return error;
  const because = error instanceof Error ? `: ${error.message}` : "";
  return new TypeError(`Cannot fetch ${shownText(url)}${because}`, { cause: error });
}
