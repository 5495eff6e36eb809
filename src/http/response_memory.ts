import { estimateBytes } from "../core/host_insight.ts";

// What a response weighs whose body is not in memory; NaN where that does not tell; undefined: nobody has asked yet.
let emptyBytes: number | undefined;

/**
 * Whether the body of a response is text or bytes in memory, as far as can be told without asking for a stream, which is expensive: where a
 * runtime estimates the memory that an object takes, such a body counts and a stream does not. False when in doubt.
 *
 * @internal
 */
export function isBodyInMemory(response: Response): boolean {
  if (estimateBytes === undefined) return false;
  emptyBytes ??= weighEmpty(estimateBytes);
  const bytes = estimateBytes(response);
  // A URL counts as well, and only what was fetched has one.
  if (!(bytes > emptyBytes) || response.url !== "") return false;
  const { statusText } = response;
  // So does this: it is held against a response that has the same, and no body.
  return statusText === "" || bytes > estimateBytes(new Response(null, { statusText }));
}

function weighEmpty(weigh: (object: object) => number): number {
  const text = "a text to weigh";
  const stream = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(4096)) });
  const headers = { "X-Some": "field that is rather long" };
  const ofText = weigh(new Response(text));
  const ofBytes = weigh(new Response(new Uint8Array(text.length)));
  const ofStream = weigh(new Response(stream, { headers }));
  return weigh(new Response(null)) === ofStream && ofText > ofStream && ofBytes > ofStream ? ofStream : NaN;
}
