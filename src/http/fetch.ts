import type { HttpClientCall } from "./client_call.ts";
import type { HttpClientRequestOptions } from "./client_options.ts";
import type { HttpRequestCallback } from "./client_request.ts";
import type { HttpClientResponse } from "./client_response.ts";
import { notNegative } from "./client_options.ts";
import { shownText } from "./client_url.ts";
import { acceptEncoding, codingsOf, decodedStream, type DecodingLimits } from "./content_decoding.ts";
import { fetchBody } from "./fetch_body.ts";
import { isBodyless } from "./status.ts";

/** What `fetch()` takes beside a URL: as the Fetch standard says, as far as there are no browsers, and what a client knows. */
export interface FetchInit extends RequestInit {
  /** Needed with a stream as the body, where the runtime's Request asks for it. */
  readonly duplex?: "half" | undefined;
  /** Connects to a Unix socket instead of the URL's host. */
  readonly unixPath?: string | undefined;
  /** Longest body of the response after decoding, in bytes; Infinity by default. */
  readonly maxBodyBytes?: number | undefined;
}

/** How requests are made. */
export type MakeCall = (
  url: string,
  options: HttpClientRequestOptions,
  callback: HttpRequestCallback,
) => HttpClientCall;

const REDIRECTS_MAX = 20;
/** Bytes of a body that may wait to be read. */
const WAITING_BYTES_MAX = 64 * 1024;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What a client's `fetch()` is made of. */
export interface FetchSetting {
  readonly makeCall: MakeCall;
  readonly maxRatio: number;
  /** See `decodedStream`. */
  readonly working: (by: number) => void;
}

/** Makes a request in the shape of the Fetch standard. */
export async function fetchWith(
  { makeCall, maxRatio, working }: FetchSetting,
  input: string | URL | Request,
  init: FetchInit = {},
): Promise<Response> {
  const { unixPath, maxBodyBytes = Infinity, ...standard } = init;
  notNegative("maxBodyBytes", maxBodyBytes);
  const request = new Request(input, standard);
  const { signal } = request;
  signal.throwIfAborted();
  // Before the body is read, with which some runtimes forget the type that it has brought along.
  let headers: [string, string][] = [...request.headers];
  if (typeof init.body === "string" && !request.headers.has("content-type")) {
    headers.push(["Content-Type", "text/plain;charset=UTF-8"]);
  }
  const body = await fetchBody(request, init.body);
  const isStream = body !== null && !(body instanceof Uint8Array);
  // How a body is framed is no business of fetch's caller, who may have passed on the fields of another request. Only how long a stream is
  // nobody else can say.
  headers = headers.filter(([name]) => name !== "transfer-encoding" && (isStream || name !== "content-length"));
  if (!request.headers.has("accept-encoding")) headers.push(["Accept-Encoding", acceptEncoding("stream")]);
  if (!request.headers.has("accept")) headers.push(["Accept", "*/*"]);
  const { redirect } = request;
  return await new Promise<Response>((resolve, reject) => {
    const stream = new BodyStream();
    const fail = (error: unknown): void => {
      const reason = signal.aborted ? signal.reason : failureOf(error, request.url);
      stream.fail(reason);
      reject(reason);
    };
    try {
      stream.call = makeCall(request.url, {
        method: request.method,
        headers,
        body,
        signal,
        unixPath,
        maxBodyBytes: Infinity,
        maxRedirects: redirect === "follow" ? REDIRECTS_MAX : 0,
        decompress: false,
        onHead: (response) => {
          if (redirect === "error" && REDIRECT_STATUSES.has(response.status)) {
            fail(new Error("it answers with a redirect, which was to be an error"));
            return false;
          }
          try {
            const hasBody = request.method !== "HEAD" && !isBodyless(response.status) && response.status !== 205;
            const limits = { maxBytes: maxBodyBytes, maxRatio };
            resolve(responseOf(response, hasBody ? stream.readable : null, limits, working));
            return true;
          } catch (error) {
            fail(error);
            return false;
          }
        },
        onData: (bytes) => stream.add(bytes),
      }, (response, error) => {
        if (response !== null) stream.end();
        else fail(error);
      });
    } catch (error) {
      fail(error);
    }
  });
}

function responseOf(
  response: HttpClientResponse,
  readable: ReadableStream<Uint8Array> | null,
  limits: DecodingLimits,
  working: (by: number) => void,
): Response {
  const { status, reason, url, redirected } = response;
  const headers = new Headers([...response.headers]);
  const codings = codingsOf(response.headers, "stream");
  let body = readable;
  if (readable !== null && codings.length > 0) {
    // They speak of what the reader does not get to see.
    headers.delete("content-encoding");
    headers.delete("content-length");
    body = decodedStream(readable, codings, limits, working);
  } else if (readable !== null && limits.maxBytes < Infinity) {
    body = decodedStream(readable, [], limits);
  }
  const result = new Response(body as BodyInit | null, { status, statusText: reason, headers });
  Object.defineProperty(result, "url", { value: url.replace(/#.*/, "") });
  Object.defineProperty(result, "redirected", { value: redirected });
  return result;
}

/** The standard knows TypeErrors only; what the caller got wrong is one already. */
function failureOf(error: unknown, url: string): TypeError {
  if (error instanceof TypeError) return error;
  const because = error instanceof Error ? `: ${error.message}` : "";
  return new TypeError(`Cannot fetch ${shownText(url)}${because}`, { cause: error });
}

/** The body of a response as a stream that lets the server wait. */
class BodyStream {
  call: HttpClientCall | null = null;
  readonly readable: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #isOver = false;

  constructor() {
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.call?.resume(),
      cancel: (reason) => {
        this.#isOver = true;
        this.call?.cancel(reason);
      },
    }, { highWaterMark: WAITING_BYTES_MAX, size: (bytes) => bytes.length });
  }

  add(bytes: Uint8Array): void {
    if (this.#isOver) return;
    // Whoever reads may transfer what it gets, and these are bytes of a memory that others use.
    this.#controller.enqueue(bytes.slice());
    if ((this.#controller.desiredSize ?? 0) <= 0) this.call?.pause();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.close();
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.error(error);
  }
}
