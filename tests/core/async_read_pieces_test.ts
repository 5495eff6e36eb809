/** Awaited lines and delimiters that come in pieces. */
import { assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  EvBuffer,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
  PairBufferEvent,
} from "../../src/core/mod.ts";
import { LineRequest } from "../../src/core/read_request.ts";
import { backendsUnderTest } from "../support/backends.ts";
import { alongside, assertRejectsWith, eventually, rejection, text } from "./async_support.ts";
import { pattern } from "./bufferevent_support.ts";

const newBase = backendsUnderTest[0]!.newBase;

/** Feeds `sent` in two pieces split at every point, and byte by byte, and hands each connection to `check`. */
async function atEverySplit(sent: string, check: (near: BufferEvent) => Promise<void>): Promise<void> {
  const bytes = new TextEncoder().encode(sent);
  const cuts: Uint8Array[][] = [Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))];
  for (let at = 0; at <= bytes.length; at++) cuts.push([bytes.subarray(0, at), bytes.subarray(at)]);
  using base = newBase();
  for (const pieces of cuts) {
    const [near, far] = PairBufferEvent.create(base);
    await alongside(base, async () => {
      const checked = check(near);
      for (const piece of pieces) {
        far.write(piece);
        await Promise.resolve();
      }
      far.closeAfterFlush();
      await checked;
    });
    near.close();
    far.close();
  }
}

describe("lines and delimiters that come in pieces", () => {
  const lines: readonly (readonly [string, 0 | 1 | 2 | 3 | 4, string, readonly string[]])[] = [
    ["LF or CR LF", EVBUFFER_EOL_CRLF, "ab\r\nc\rd\n\n\r\n", ["ab", "c\rd", "", ""]],
    ["CR LF", EVBUFFER_EOL_CRLF_STRICT, "a\nb\r\n\r\r\nc\r\r\n", ["a\nb", "\r", "c\r"]],
    ["LF", EVBUFFER_EOL_LF, "a\r\n\nbc\n", ["a\r", "", "bc"]],
    ["a zero byte", EVBUFFER_EOL_NUL, "a\n\0\0bc\0", ["a\n", "", "bc"]],
  ];
  for (const [name, style, sent, expected] of lines) {
    it(`are found wherever they are cut: lines that end with ${name}`, () =>
      atEverySplit(sent, async (near) => {
        for (const line of expected) assertEquals(await near.readLine(style), line);
        assertEquals(await near.readLine(style), null);
      }));
  }

  it("are found wherever they are cut: lines that end with any run of CR and LF", () =>
    // A run that is cut has ended for whoever got its first part, as in libevent; the rest is an ending of its own.
    atEverySplit("ab\r\ncd\n\n", async (near) => {
      const found: string[] = [];
      for (let line = await near.readLine(EVBUFFER_EOL_ANY); line !== null;) {
        if (line !== "") found.push(line);
        line = await near.readLine(EVBUFFER_EOL_ANY);
      }
      assertEquals(found, ["ab", "cd"]);
    }));

  it("are found wherever they are cut: delimiters that begin like themselves", () =>
    atEverySplit("xaaab--aab--aaaab", async (near) => {
      for (const part of ["xa", "--", "--aa"]) assertEquals(text(await near.readUntil("aab")), part);
      assertEquals(await near.readUntil("aab"), null);
    }));

  it("are found though the memory of a delimiter is used again meanwhile, also that of a Buffer", () =>
    atEverySplit("x--y--", async (near) => {
      for (const [delimiter, part] of [[Uint8Array.of(45, 45), "x"], [Buffer.from("--"), "y"]] as const) {
        const found = near.readUntil(delimiter);
        delimiter.fill(0);
        assertEquals(text(await found), part);
      }
    }));

  it("are refused beyond the limit with one verdict, wherever they are cut", async () => {
    for (const [maxBytes, fits] of [[4, true], [3, false]] as const) {
      await atEverySplit("abcd\r\nrest", async (near) => {
        const line = near.readLine(EVBUFFER_EOL_CRLF, { maxBytes });
        if (fits) {
          assertEquals(await line, "abcd");
        } else {
          const error = await assertRejectsWith(line, "LINE_TOO_LONG");
          assertEquals(error.limit, 3);
          assertEquals(text(await near.readExactly(4)), "abcd");
        }
      });
      await atEverySplit("abcd==rest", async (near) => {
        const found = near.readUntil("==", { maxBytes });
        if (fits) assertEquals(text(await found), "abcd");
        else assertEquals((await assertRejectsWith(found, "LINE_TOO_LONG")).limit, 3);
      });
    }
  });

  it("are refused when there is no end of them, long before memory runs out", async () => {
    using base = newBase();
    const [near, far] = PairBufferEvent.create(base);
    await alongside(base, async () => {
      far.write(pattern(65_536 + 2).fill(0x61));
      const error = await assertRejectsWith(near.readLine(), "LINE_TOO_LONG");
      assertEquals([error.limit, error.bytes], [65_536, 65_538]);
      near.input.drain(Infinity);
      near.setWatermark(EV_READ, 0, 1000);
      far.write(pattern(5000).fill(0x61));
      assertEquals((await assertRejectsWith(near.readUntil("\n"), "LINE_TOO_LONG")).limit, 1000);
      assertInstanceOf(await rejection(near.readExactly(1001)), RangeError);
      assertEquals((await near.readExactly(1000)).length, 1000);
    });
    near.close();
    far.close();
  });

  it("are not searched from their beginning each time when they come byte by byte", async () => {
    const length = 100_000;
    const request = new LineRequest(EVBUFFER_EOL_CRLF, length);
    using buffer = new EvBuffer();
    const started = performance.now();
    for (let sent = 0; sent < length; sent++) {
      buffer.add("a");
      assertEquals(request.take(buffer, Infinity), false);
    }
    buffer.add("\n");
    assertEquals(request.take(buffer, Infinity), true);
    assertEquals((await request.promise)?.length, length);
    // Five thousand million steps otherwise.
    assertLess(performance.now() - started, 5000);
  });

  it("survive that somebody else takes from the input meanwhile", async () => {
    using base = newBase();
    const [near, far] = PairBufferEvent.create(base);
    await alongside(base, async () => {
      const line = near.readLine();
      far.write("0123456789");
      await eventually(() => near.input.length === 10, "the data");
      near.input.drain(9);
      far.write("\nx\n");
      assertEquals(await line, "9");
      assertEquals(await near.readLine(), "x");
    });
    near.close();
    far.close();
  });
});
