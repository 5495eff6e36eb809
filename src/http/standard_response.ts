import type { HttpRequest } from "./request.ts";
import type { ReplySource } from "./reply_streamed.ts";

/** How many turns of the microtask queue the end of a body that is complete may take to come behind its only piece. */
const END_TICKS = 8;

type Result = ReadableStreamReadResult<Uint8Array>;

/**
 * Sends a standard response. A body that turns out to be one piece is sent whole, with its length; others piece by piece, no faster
 * than the client takes them.
 *
 * @throws by rejection, what the body has failed with, and {TypeError} for one that somebody else reads.
 * @internal
 */
export async function sendResponse(request: HttpRequest, response: Response): Promise<void> {
  const { status, body } = response;
  if (body === null || request.finished || request.method === "HEAD") {
    if (!request.finished) replyWithoutBody(request, response);
    await body?.cancel();
    return;
  }
  const reader = body.getReader();
  const onGone = (): void => {
    reader.cancel(request.signal.reason).catch(() => {});
  };
  request.onClose = onGone;
  const first = await reader.read();
  if (request.finished) return;
  if (first.done) return request.reply(status, undefined, response.headers);
  const next = reader.read();
  const second = await soon(next);
  if (request.finished) return;
  if (second !== null && second.done) return request.reply(status, first.value, response.headers);
  request.onClose = undefined;
  await request.replyFrom(status, rest(reader, first, next), response.headers);
}

function replyWithoutBody(request: HttpRequest, { status, headers }: Response): void {
  if (request.method !== "HEAD") return request.reply(status, undefined, headers);
  // The length is that of what GET would get, which only the handler can know.
  request.replyStart(status, headers);
  request.replyEnd();
}

/** What a promise comes to, if that is known already but for some microtasks; else null. */
async function soon(promise: Promise<Result>): Promise<Result | null> {
  let result: Result | null = null;
  promise.then((value) => result = value, () => {});
  for (let tick = 0; tick < END_TICKS && result === null; tick++) await Promise.resolve();
  return result;
}

/** A reader as something to iterate over, from two reads that were made already on. */
function rest(reader: ReadableStreamDefaultReader<Uint8Array>, first: Result, next: Promise<Result>): ReplySource {
  const begun: (Result | Promise<Result>)[] = [first, next];
  // Who fails before anybody asks is no surprise to the one who asks then.
  next.catch(() => {});
  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      const result = await (begun.shift() ?? reader.read());
      return result.done ? { done: true, value: undefined } : { done: false, value: result.value };
    },
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
