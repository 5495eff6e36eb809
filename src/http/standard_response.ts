import { isUtf8 } from "node:buffer";
import { reactorOf } from "../core/event_base.ts";
import { fetchDecodes, peek } from "../core/host_insight.ts";
import { DIGEST_FIELDS } from "./digest_fields.ts";
import { bytesOf } from "./reply_body.ts";
import type { HttpRequest } from "./request.ts";
import type { ReplyPieces } from "./reply_streamed.ts";
import { insideOf, takeKnownBody } from "./response_inside.ts";
import { isBodyInMemory } from "./response_memory.ts";

/** How many turns of the microtask queue the end of a body that is complete may take to come behind its only piece. */
const END_TICKS = 8;
/** So long the head waits for the first piece, with which it may turn out to be all there is, or to be an error. */
const HEAD_WAIT_MS = 10;

/** What speaks of a body as it was encoded. */
const OF_ENCODED: ReadonlySet<string> = new Set(["content-encoding", "content-length", ...DIGEST_FIELDS]);

type Result = ReadableStreamReadResult<Uint8Array>;

type Fields = Iterable<readonly [string, string]>;

/**
 * Sends a standard response. A body that turns out to be one piece is sent whole, with its length; others piece by piece, no faster
 * than the client takes them.
 *
 * @throws what the body has failed with, and {TypeError} for one that somebody else has read; by rejection unless it is known at once.
 * @internal
 */
export function sendResponse(request: HttpRequest, response: Response): void | Promise<void> {
  if (request.finished || request.method === "HEAD") return sendWithoutBody(request, response);
  const inside = insideOf(response);
  const body = inside === undefined ? undefined : takeKnownBody(inside);
  if (body !== undefined) return sendWhole(request, response.status, inside!.headerList, body);
  return isBodyInMemory(response) ? sendFromMemory(request, response) : sendByStream(request, response);
}

function sendWhole(request: HttpRequest, status: number, fields: Fields, body: string | Uint8Array | null): void {
  let type: string | undefined;
  let count = 0;
  for (const [name, value] of fields) {
    if (++count > 1 || !isContentType(name)) return request.reply(status, body ?? undefined, fields);
    type = value;
  }
  if (body === null) request.reply(status, undefined, fields);
  else request.replyTyped(status, body, type);
}

function isContentType(name: string): boolean {
  return name === "content-type" || (name.length === 12 && name.toLowerCase() === "content-type");
}

function sendFromMemory(request: HttpRequest, response: Response): void | Promise<void> {
  const fields = [...response.headers];
  const pending = response.bytes();
  const bytes = peek(pending);
  // Replies to pipelined requests leave together only if nothing has to be waited for.
  if (bytes instanceof Uint8Array) return sendBytes(request, response.status, fields, bytes);
  return pending.then((late) => sendBytes(request, response.status, fields, late));
}

function sendBytes(request: HttpRequest, status: number, fields: [string, string][], bytes: Uint8Array): void {
  if (request.finished) return request.endInVain();
  sendWhole(request, status, withType(fields, bytes), bytes);
}

/** Text gets a type by the standard, which is not among the fields where this is called; left to guess, browsers may take it for HTML. */
function withType(fields: [string, string][], bytes: Uint8Array): [string, string][] {
  if (fields.some(([name]) => name === "content-type")) return fields;
  return [...fields, ["content-type", isUtf8(bytes) ? "text/plain;charset=utf-8" : "application/octet-stream"]];
}

async function sendWithoutBody(request: HttpRequest, response: Response): Promise<void> {
  if (request.finished) {
    request.endInVain();
    return await response.body?.cancel(request.signal.reason);
  }
  if (request.method === "HEAD" && isUntypedInMemory(response)) {
    const fields = withType([...response.headers], await response.bytes());
    if (request.finished) return request.endInVain();
    return replyHead(request, response.status, fields);
  }
  replyWithoutBody(request, response);
  await response.body?.cancel();
}

/** Whether only a look at the body tells the type that GET would be told. */
function isUntypedInMemory(response: Response): boolean {
  return insideOf(response) === undefined && !response.bodyUsed && !response.headers.has("content-type") &&
    isBodyInMemory(response);
}

async function sendByStream(request: HttpRequest, response: Response): Promise<void> {
  // First of all: the type of a blob is among them only until a stream was made of it, on some runtimes.
  const fields = wireFields(response);
  const { status, body } = response;
  if (body === null) return sendWhole(request, status, fields, null);
  // The rest of it would pass for all.
  if (response.bodyUsed) throw new TypeError("Cannot reply: the body of the response was read already");
  const reader = body.getReader();
  // The callbacks of the request are the handler's.
  const { signal } = request;
  const onGone = (): void => {
    reader.cancel(signal.reason).catch(() => {});
  };
  signal.addEventListener("abort", onGone);
  const begun = reader.read();
  const first = await early(request, begun);
  if (request.finished) return request.endInVain();
  if (first === null) {
    signal.removeEventListener("abort", onGone);
    return await request.replyPieces(status, rest(reader, begun), fields);
  }
  if (first.done) return sendWhole(request, status, fields, null);
  const next = reader.read();
  const second = await soon(next);
  if (request.finished) return request.endInVain();
  if (second !== null && second.done) return sendWhole(request, status, fields, bytesOf(first.value) as Uint8Array);
  signal.removeEventListener("abort", onGone);
  await request.replyPieces(status, rest(reader, first, next), fields);
}

/**
 * The fields, as they are true of the body: what fetch() has decoded is not encoded any more, nor as long as it was. Clients of ours, whose
 * responses have a URL of their own, leave the fields of what they have not decoded only.
 */
function wireFields(response: Response): Fields {
  const { headers } = response;
  const encoding = headers.get("content-encoding");
  if (encoding === null || response.url === "" || Object.hasOwn(response, "url") || !fetchDecodes(encoding)) {
    return headers;
  }
  return [...headers].filter(([name]) => !OF_ENCODED.has(name));
}

function replyWithoutBody(request: HttpRequest, response: Response): void {
  const { status } = response;
  const fields = wireFields(response);
  if (request.method === "HEAD") replyHead(request, status, fields);
  else request.reply(status, undefined, fields);
}

function replyHead(request: HttpRequest, status: number, fields: Fields): void {
  // The length is that of what GET would get, which only the handler can know.
  request.replyStart(status, fields);
  request.replyEnd();
}

/** What a promise comes to, if that is known already but for some microtasks; else null. */
async function soon(promise: Promise<Result>): Promise<Result | null> {
  let result: Result | null = null;
  promise.then((value) => result = value, () => {});
  for (let tick = 0; tick < END_TICKS && result === null; tick++) await Promise.resolve();
  return result;
}

/** The first piece, or null when it takes long: whoever waits for the head is not to wait for that. */
async function early(request: HttpRequest, first: Promise<Result>): Promise<Result | null> {
  const result = await soon(first);
  if (result !== null || request.finished) return result;
  const { base } = request.connection.server;
  // Nothing is sent any more then.
  if (reactorOf(base).closed) return await first;
  let tellLate!: (nothing: null) => void;
  const late = new Promise<null>((resolve) => tellLate = resolve);
  const timer = base.timer(() => tellLate(null));
  try {
    timer.add(HEAD_WAIT_MS);
    return await Promise.race([first, late]);
  } finally {
    timer.close();
  }
}

/** What a reader brings, from the reads on that were made already. */
function rest(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  ...begun: (Result | Promise<Result>)[]
): ReplyPieces {
  // Who fails before anybody asks is no surprise to the one who asks then.
  for (const each of begun) if (each instanceof Promise) each.catch(() => {});
  return {
    next: async () => await (begun.shift() ?? reader.read()),
    cancel: (reason) => reader.cancel(reason),
  };
}
