/** Runs the parser of responses over literal bytes cut in different ways and writes down what it said. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { EVHTTP_REQ_GET } from "../../src/http/methods.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE } from "../../src/http/message_parser.ts";
import { ResponseParser } from "../../src/http/response_parser.ts";
import { bytesOf, type ParseOptions, singleBytes, textOf } from "./parse_support.ts";

export interface ResponseOptions extends ParseOptions {
  /** The methods of the requests, in their order; GET where they end. */
  methods?: readonly number[];
  /** Whether the stream ends behind the bytes. */
  ends?: boolean;
}

// Pieces stand in the middle of larger buffers, as in a read slab, so that a confusion of offsets shows.
const MARGIN = 3;

/**
 * "HEAD <status> <minor> <reason> <framing> <length>", with "+" for keep-alive and "^" for an upgrade, then the fields; "BODY <text>",
 * "END <trailers>", "ERROR <code> @<position in all bytes>"; neighbouring bodies are joined.
 */
export function transcribe(pieces: readonly Uint8Array[], options: ResponseOptions = {}): string[] {
  const parser = new ResponseParser(options.limits, options.leniency);
  const methods = [...options.methods ?? []];
  const events: string[] = [];
  const expectNext = (): void => parser.expect(methods.shift() ?? EVHTTP_REQ_GET);
  expectNext();
  let consumed = 0;
  for (const piece of pieces) {
    const slab = new Uint8Array(new ArrayBuffer(piece.length + 2 * MARGIN)).fill(0x21);
    slab.set(piece, MARGIN);
    const end = MARGIN + piece.length;
    let at = MARGIN;
    for (let steps = 1;; steps++) {
      const event = parser.next(slab, at, end);
      assert(parser.position >= at && parser.position <= end, "the position stays within what has not been consumed");
      assert(steps <= 2 * piece.length + 2, "events are bounded by bytes");
      at = parser.position;
      if (event === NEED_MORE) {
        assertStrictEquals(at, end, "after NEED_MORE everything is consumed");
        break;
      }
      if (event === HEAD) {
        const { head } = parser;
        if (events.length % 2 === 1) head.retain();
        const flags = (head.keepAlive ? "+" : "") + (head.upgrades ? "^" : "");
        const fields = [...head.headers].map(([name, value]) => ` ${name}=${value}`).join("");
        events.push(
          `HEAD ${head.status} ${head.versionMinor} (${head.reason}) ${parser.bodyExpected} ${parser.contentLength} ${flags}${fields}`,
        );
      } else if (event === BODY) {
        const text = textOf(slab.subarray(parser.bodyStart, parser.bodyEnd));
        const last = events.at(-1)!;
        if (last.startsWith("BODY ")) events[events.length - 1] = last + text;
        else events.push(`BODY ${text}`);
      } else if (event === END) {
        events.push(`END${[...parser.trailers ?? []].map(([name, value]) => ` ${name}=${value}`).join("")}`);
        if (!parser.head.isInterim) expectNext();
      } else {
        events.push(`ERROR ${parser.error!.code} @${consumed + at - MARGIN}`);
        return events;
      }
    }
    consumed += piece.length;
  }
  if (options.ends === true) {
    const event = parser.inputEnded();
    if (event === END) events.push("END");
    if (event === ERROR) events.push(`ERROR ${parser.error!.code}`);
  }
  return events;
}

/** The transcript of `text` in one piece, after checking that two pieces cut anywhere, and single bytes, give the same. */
export function responseEveryWay(text: string, options: ResponseOptions = {}): string[] {
  const bytes = bytesOf(text);
  const whole = transcribe([bytes], options);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const parts = transcribe([bytes.subarray(0, cut), bytes.subarray(cut)], options);
    assertEquals(parts, whole, `cut at ${cut} of ${JSON.stringify(text)}`);
  }
  assertEquals(transcribe(singleBytes(bytes), options), whole, `byte by byte: ${JSON.stringify(text)}`);
  return whole;
}
