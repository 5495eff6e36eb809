/** Runs a parser over literal bytes cut in different ways and writes down what it said. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { RequestHead } from "../../src/http/head.ts";
import type { HttpLeniency, HttpLimits } from "../../src/http/limits.ts";
import { BODY, END, ERROR, HEAD, NEED_MORE, RequestParser } from "../../src/http/parser.ts";

export interface ParseOptions {
  limits?: Partial<HttpLimits>;
  leniency?: HttpLeniency;
}

/** One byte per character, so that a test can spell any byte. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(text.length));
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** What a head says, as plain data. */
export function describeHead(head: RequestHead): Record<string, unknown> {
  return {
    method: head.method,
    methodId: head.methodId,
    target: head.target,
    path: head.path,
    query: head.query,
    versionMinor: head.versionMinor,
    keepAlive: head.keepAlive,
    expectContinue: head.expectContinue,
    expectUnknown: head.expectUnknown,
    host: head.host,
    upgrade: head.upgrade,
    headers: [...head.headers],
  };
}

export interface Transcript {
  /**
   * "HEAD", "BODY <text>", "END" and "ERROR <code> <status> @<position in all bytes>"; neighbouring bodies are joined.
   */
  events: string[];
  heads: Record<string, unknown>[];
  framings: string[];
  trailers: [string, string][][];
}

// Pieces stand in the middle of larger buffers, as in a read slab, so that a confusion of offsets shows.
const MARGIN = 3;

/** Runs a parser over pieces of one stream. Fails if it gives more events than the bytes are worth. */
export function transcribe(pieces: readonly Uint8Array[], options: ParseOptions = {}): Transcript {
  const parser = new RequestParser(options.limits, options.leniency);
  const result: Transcript = { events: [], heads: [], framings: [], trailers: [] };
  const heads: RequestHead[] = [];
  let consumed = 0;
  for (const piece of pieces) {
    const slab = new Uint8Array(new ArrayBuffer(piece.length + 2 * MARGIN)).fill(0x21);
    slab.set(piece, MARGIN);
    const end = MARGIN + piece.length;
    let at = MARGIN;
    let event: number;
    let steps = 0;
    do {
      event = parser.next(slab, at, end);
      assert(parser.position >= at && parser.position <= end, "the position stays within what has not been consumed");
      // An event takes a byte at least, but for END; NEED_MORE is the last.
      assert(++steps <= 2 * (end - MARGIN) + 2, "events are bounded by bytes");
      at = parser.position;
      if (event === NEED_MORE) {
        assertStrictEquals(at, end, "after NEED_MORE everything is consumed");
      } else if (event === HEAD) {
        heads.push(parser.head);
        result.events.push("HEAD");
        result.framings.push(`${parser.bodyExpected} ${parser.contentLength}`);
      } else if (event === BODY) {
        const text = textOf(slab.subarray(parser.bodyStart, parser.bodyEnd));
        const last = result.events.at(-1)!;
        if (last.startsWith("BODY ")) result.events[result.events.length - 1] = last + text;
        else result.events.push("BODY " + text);
      } else if (event === END) {
        result.events.push("END");
        if (parser.trailers !== undefined) result.trailers.push([...parser.trailers]);
      } else if (event === ERROR) {
        const error = parser.error!;
        result.events.push(`ERROR ${error.code} ${error.status} @${consumed + at - MARGIN}`);
      }
    } while (event !== NEED_MORE && event !== ERROR);
    if (event === ERROR) break;
    consumed += piece.length;
  }
  // Read only now: a head has to outlive the parser's later work. Every other one has been moved out of its slab first.
  heads.forEach((head, index) => {
    if (index % 2 === 1) head.retain();
    result.heads.push(describeHead(head));
  });
  return result;
}

/**
 * The transcript of `text` in one piece, after checking that two pieces cut anywhere, and single bytes, give the same.
 */
export function parseEveryWay(text: string, options: ParseOptions = {}): Transcript {
  const bytes = bytesOf(text);
  const whole = transcribe([bytes], options);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const parts = transcribe([bytes.subarray(0, cut), bytes.subarray(cut)], options);
    assertEquals(parts, whole, `cut at ${cut} of ${JSON.stringify(text)}`);
  }
  assertEquals(transcribe(singleBytes(bytes), options), whole, `byte by byte: ${JSON.stringify(text)}`);
  return whole;
}

export function singleBytes(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/**
 * Asserts that `text` is refused with this code and status however it is cut, and returns what came before the refusal.
 */
export function assertRefused(text: string, code: string, status: number, options: ParseOptions = {}): string[] {
  const { events } = parseEveryWay(text, options);
  const last = events.at(-1) ?? "nothing";
  assertStrictEquals(last.replace(/ @\d+$/, ""), `ERROR ${code} ${status}`, JSON.stringify(text));
  return events.slice(0, -1);
}

/** Asserts that `text` is one or more whole requests however it is cut, and returns the transcript. */
export function assertAccepted(text: string, options: ParseOptions = {}): Transcript {
  const transcript = parseEveryWay(text, options);
  assertStrictEquals(transcript.events.at(-1), "END", `${JSON.stringify(text)}: ${transcript.events.join(", ")}`);
  return transcript;
}
