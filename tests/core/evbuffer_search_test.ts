import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import {
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "../../src/core/evbuffer_search.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A buffer whose chains hold the given texts, so that every border is where the test wants it. */
function pieces(...texts: string[]): EvBuffer {
  const buffer = new EvBuffer();
  for (const text of texts) buffer.addReference(ascii(text));
  return buffer;
}

/** Runs a body for one piece, for every way to cut the text in two, and for one piece per byte. */
function forEachCut(text: string, body: (buffer: EvBuffer) => void): void {
  body(pieces(text));
  for (let cut = 1; cut < text.length; cut++) body(pieces(text.slice(0, cut), text.slice(cut)));
  body(pieces(...text));
}

function allLines(buffer: EvBuffer, style: EolStyle): (string | null)[] {
  const lines: (string | null)[] = [];
  for (let line = buffer.readLine(style); line !== null; line = buffer.readLine(style)) lines.push(line);
  return [...lines, `rest:${buffer.takeText()}`];
}

describe("EvBuffer.readLine", () => {
  const text = "a\r\nb\n\rc\n\nd\0e\rf";
  const expected: [string, EolStyle, string[]][] = [
    ["ANY ends a line at any run of CR and LF", EVBUFFER_EOL_ANY, ["a", "b", "c", "d\0e", "rest:f"]],
    ["CRLF ends a line at LF and drops a CR before it", EVBUFFER_EOL_CRLF, ["a", "b", "\rc", "", "rest:d\0e\rf"]],
    ["CRLF_STRICT ends a line at CR LF alone", EVBUFFER_EOL_CRLF_STRICT, ["a", "rest:b\n\rc\n\nd\0e\rf"]],
    ["LF ends a line at LF and keeps a CR", EVBUFFER_EOL_LF, ["a\r", "b", "\rc", "", "rest:d\0e\rf"]],
    ["NUL ends a line at a zero byte", EVBUFFER_EOL_NUL, ["a\r\nb\n\rc\n\nd", "rest:e\rf"]],
  ];
  for (const [title, style, lines] of expected) {
    it(`${title}, wherever the chunks meet`, () => {
      forEachCut(text, (buffer) => assertEquals(allLines(buffer, style), lines));
    });
  }

  it("ends lines at CRLF unless told otherwise", () => {
    assertEquals(pieces("a\r\nb").readLine(), "a");
  });

  it("returns null and removes nothing while no ending has come", () => {
    for (const style of [0, 1, 2, 3, 4] as EolStyle[]) {
      const buffer = pieces("a line", " without an end");
      assertEquals([buffer.readLine(style), buffer.length], [null, 21]);
      assertEquals(new EvBuffer().readLine(style), null);
    }
  });

  it("ANY takes the endings that have come and sees the rest as another, empty line", () => {
    const buffer = pieces("a\r");
    assertEquals(buffer.readLine(EVBUFFER_EOL_ANY), "a");
    buffer.add("\nb\n");
    assertEquals(buffer.readLine(EVBUFFER_EOL_ANY), "");
    assertEquals(buffer.readLine(EVBUFFER_EOL_ANY), "b");
  });

  it("decodes UTF-8 and hands out raw bytes on request", () => {
    const buffer = new EvBuffer();
    buffer.add("h\u00e9\n");
    buffer.add(Uint8Array.of(0xff, 0, 0xfe, 10));
    assertEquals(buffer.readLine(), "h\u00e9");
    assertEquals(buffer.readLineBytes(), Uint8Array.of(0xff, 0, 0xfe));
    buffer.close();
  });

  it("refuses a style that does not exist", () => {
    assertThrows(() => pieces("a\n").readLine(5 as EolStyle), RangeError, "style 5");
  });
});

describe("EvBuffer.searchEol", () => {
  it("reports where the ending is and how long", () => {
    forEachCut("ab\r\n\r\ncd", (buffer) => {
      assertEquals(buffer.searchEol(EVBUFFER_EOL_ANY), { position: 2, length: 4 });
      assertEquals(buffer.searchEol(EVBUFFER_EOL_CRLF), { position: 2, length: 2 });
      assertEquals(buffer.searchEol(EVBUFFER_EOL_CRLF_STRICT, 3), { position: 4, length: 2 });
      assertEquals(buffer.searchEol(EVBUFFER_EOL_LF, 4), { position: 5, length: 1 });
      assertEquals(buffer.searchEol(EVBUFFER_EOL_NUL), null);
      assertEquals(buffer.searchEol(EVBUFFER_EOL_LF, 6), null);
    });
  });

  it("never takes a CR from before the start", () => {
    forEachCut("a\r\nb", (buffer) => {
      assertEquals(buffer.searchEol(EVBUFFER_EOL_CRLF, 2), { position: 2, length: 1 });
      assertEquals(buffer.searchEol(EVBUFFER_EOL_CRLF, 1), { position: 1, length: 2 });
    });
  });

  it("finds nothing beyond the end and refuses a negative start", () => {
    assertEquals(pieces("a\n").searchEol(EVBUFFER_EOL_LF, 50), null);
    assertThrows(() => pieces("a\n").searchEol(EVBUFFER_EOL_LF, -1), RangeError, "position -1");
  });
});

describe("EvBuffer.search", () => {
  it("finds the first occurrence at or after the start, wherever the chunks meet", () => {
    forEachCut("abcabcabd", (buffer) => {
      assertEquals(buffer.search("abc"), 0);
      assertEquals(buffer.search("abc", 1), 3);
      assertEquals(buffer.search("abd"), 6);
      assertEquals(buffer.search("abc", 4), -1);
      assertEquals(buffer.search("abcabcabd"), 0);
      assertEquals(buffer.search("abcabcabde"), -1);
      assertEquals(buffer.search(Uint8Array.of(0x64)), 8);
    });
  });

  it("finds an occurrence that starts inside a failed attempt", () => {
    forEachCut("aaaaab", (buffer) => assertEquals(buffer.search("aab"), 3));
  });

  it("finds an empty needle at the start, up to the very end", () => {
    const buffer = pieces("abc", "def");
    assertEquals([buffer.search(""), buffer.search("", 4), buffer.search("", 6), buffer.search("", 7)], [0, 4, 6, -1]);
    assertEquals([new EvBuffer().search(""), new EvBuffer().search("a")], [0, -1]);
  });

  it("searchRange demands that the occurrence ends inside the range", () => {
    forEachCut("xxabcxabc", (buffer) => {
      assertEquals(buffer.searchRange("abc", 0, 5), 2);
      assertEquals(buffer.searchRange("abc", 0, 4), -1);
      assertEquals(buffer.searchRange("abc", 3, 8), -1);
      assertEquals(buffer.searchRange("abc", 3, 9), 6);
      assertEquals(buffer.searchRange("abc", 3, 1000), 6);
      assertEquals(buffer.searchRange("", 5, 4), -1);
    });
  });

  it("removes and joins nothing", () => {
    const buffer = pieces("abc", "def");
    buffer.search("cd");
    assertEquals([buffer.length, buffer.contiguousLength], [6, 3]);
  });
});

describe("EvBuffer.indexOf", () => {
  it("finds a byte at or after a position", () => {
    forEachCut("abcabc", (buffer) => {
      assertEquals([buffer.indexOf(0x62), buffer.indexOf(0x62, 2), buffer.indexOf(0x62, 5)], [1, 4, -1]);
      assertEquals([buffer.indexOf(0x7a), buffer.indexOf(0x61, 100)], [-1, -1]);
    });
  });

  it("never finds stale bytes behind the data, however much of the chunk is filled", () => {
    for (const size of [10, 63, 64, 100, 500, 600, 1000]) {
      const pool = new ChunkPool();
      const before = new EvBuffer({ pool });
      before.add(new Uint8Array(1024).fill(0x73));
      before.close();
      const buffer = new EvBuffer({ pool });
      buffer.add(new Uint8Array(size).fill(0x61));
      assertEquals(buffer.firstChain!.bytes[1023], 0x73);
      assertEquals([buffer.indexOf(0x73), buffer.search("as"), buffer.search("s")], [-1, -1, -1]);
      buffer.add("s");
      assertEquals([buffer.indexOf(0x73), buffer.search("as"), buffer.search("aas")], [size, size - 1, size - 2]);
    }
  });

  it("finds a byte in large chunks, too", () => {
    const buffer = new EvBuffer();
    buffer.add(new Uint8Array(200_000));
    buffer.add("\n");
    buffer.add(new Uint8Array(100_000));
    assertEquals(buffer.indexOf(10), 200_000);
    assertEquals(buffer.indexOf(10, 200_001), -1);
    buffer.close();
  });
});
