/** Counterparts of libevent's evbuffer cases about lines, searching and positions. docs/parity.md lists them. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import {
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "../../src/core/evbuffer_search.ts";
import { inChains, textOf, validate } from "./evbuffer_support.ts";

/** Reads lines until there is none left, and says what remains. */
function lines(buffer: EvBuffer, style: EolStyle): [string[], string] {
  const found: string[] = [];
  for (let line = buffer.readLine(style); line !== null; line = buffer.readLine(style)) {
    found.push(line);
    validate(buffer);
  }
  return [found, textOf(buffer.pullup(-1)) ?? ""];
}

describe("lines", () => {
  it("end as each style says, with zero bytes and single CRs among them, and wait for what is missing", () => {
    const buffer = new EvBuffer();
    buffer.add("tangled\r\n\n\r\n\n\rknots\0\n");
    assertEquals(lines(buffer, EVBUFFER_EOL_ANY), [["tangled", "knots\0"], ""]);
    buffer.add("\nloose end");
    assertEquals(lines(buffer, EVBUFFER_EOL_ANY), [[""], "loose end"]);
    buffer.drain(buffer.length);

    buffer.add("with\rone inside\nproper\r\n\nlast\n");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF), [["with\rone inside", "proper", "", "last"], ""]);
    buffer.add("x");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF), [[], "x"]);

    buffer.add(" a lone LF\nand then both\r\n\r\nhalf\r");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [["x a lone LF\nand then both", ""], "half\r"]);
    buffer.add("\n");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [["half"], ""]);
    buffer.add("a CR\r in the middle\r\nand none at the end");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [["a CR\r in the middle"], "and none at the end"]);
    buffer.add("\r\n");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [["and none at the end"], ""]);

    buffer.add("CR\rand LF\n\nrest");
    assertEquals(lines(buffer, EVBUFFER_EOL_LF), [["CR\rand LF", ""], "rest"]);
    buffer.add("\n");
    assertEquals(lines(buffer, EVBUFFER_EOL_LF), [["rest"], ""]);

    buffer.add("zero\n\0\0ends this\0and this\0but not this");
    assertEquals(lines(buffer, EVBUFFER_EOL_NUL), [["zero\n", "", "ends this", "and this"], "but not this"]);
  });

  it("end at CRLF across the bounds of chunks, wherever those are", () => {
    const buffer = inChains(" a lone LF\nand then both\r", "\n\r", "\nhalf\r");
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [[" a lone LF\nand then both", ""], "half\r"]);
    buffer.addBuffer(inChains("\n"));
    assertEquals(lines(buffer, EVBUFFER_EOL_CRLF_STRICT), [["half"], ""]);
  });

  it("are found from a position on, which may stand inside an ending, at the end, and never looks back", () => {
    const buffer = new EvBuffer();
    buffer.add("sextant \r\n\r\nx\n");
    const cursor = buffer.cursor();
    assertEquals(cursor.findEol(EVBUFFER_EOL_CRLF), { position: 8, length: 2 });
    assertEquals(cursor.position, 8);
    assertEquals(cursor.findEol(EVBUFFER_EOL_CRLF), { position: 8, length: 2 });
    assert(cursor.move(1));
    assertEquals(buffer.searchEol(EVBUFFER_EOL_CRLF, cursor.position), { position: 9, length: 1 });
    assertEquals(cursor.findEol(EVBUFFER_EOL_CRLF_STRICT), { position: 10, length: 2 });
    assertEquals(buffer.searchEol(EVBUFFER_EOL_LF), { position: 9, length: 1 });
    assert(cursor.set(9));
    assertEquals(cursor.findEol(EVBUFFER_EOL_LF), { position: 9, length: 1 });
    assert(cursor.move(1));
    assertEquals(cursor.findEol(EVBUFFER_EOL_LF), { position: 11, length: 1 });
    assert(cursor.set(buffer.length));
    assertEquals([cursor.findEol(EVBUFFER_EOL_LF), cursor.position], [null, -1]);
  });
});

describe("searching", () => {
  it("does not find what only stale memory behind the end would complete", () => {
    const buffer = new EvBuffer();
    buffer.add("9876543210\r\n");
    buffer.drain(12);
    buffer.add("9876543210\r");
    assertEquals(buffer.search("\r\n"), -1);
    buffer.drain(11);
    buffer.add("a".repeat(255) + "x");
    assertEquals([buffer.search("xy"), buffer.search("ax")], [-1, 254]);
  });

  it("finds nothing in nothing, and goes on over chunks from wherever it stands, up to an end", () => {
    const empty = new EvBuffer();
    const nowhere = empty.cursor();
    assertEquals([empty.search("x"), empty.search("x", 0), empty.searchRange("x", 0, 0)], [-1, -1, -1]);
    assertEquals([nowhere.find("x"), nowhere.position], [false, -1]);

    const buffer = inChains("gales", "sea", "ice", "iceberg");
    assertEquals([buffer.search("iceberg"), buffer.search("icebergs")], [11, -1]);
    const cursor = buffer.cursor();
    assert(cursor.find("ai"));
    assertEquals(cursor.position, 7);
    assert(cursor.find("ice"));
    assertEquals(cursor.position, 8);
    assertFalse(cursor.find("bergen"));
    assertEquals(cursor.position, -1);
    assert(cursor.set(5) && cursor.find("sea"));
    assertEquals(cursor.position, 5);
    assert(cursor.move(2) && cursor.find("eic"));
    assertEquals(cursor.position, 10);

    assertEquals(buffer.searchRange("sea", 0, 12), 5);
    assertEquals([buffer.searchRange("seaicei", 0, 12), buffer.searchRange("seaiceic", 0, 12)], [5, -1]);
    assertEquals(buffer.searchRange("berg", 0, 12), -1);
    assertEquals([buffer.searchRange("iceberg", 0, 18), buffer.searchRange("iceberg", 11, 18)], [11, 11]);
    assertEquals([buffer.searchRange("iceberg", 18, 18), buffer.search("iceberg", 18)], [-1, -1]);
  });
});

describe("a position", () => {
  it("is set and moved up to one past the last byte, and stands nowhere beyond", () => {
    const empty = new EvBuffer();
    const first = empty.cursor();
    assertEquals([first.set(0), first.position], [true, 0]);
    assertEquals([first.move(1), first.position], [false, -1]);
    assertEquals([first.set(1), first.position], [false, -1]);

    const buffer = new EvBuffer();
    for (const size of [5000, 4000, 3000]) {
      const [space] = buffer.reserve(size);
      buffer.commit([space!]);
      validate(buffer);
    }
    assertEquals(buffer.length, 12_000);
    const cursor = buffer.cursor();
    assertEquals([cursor.set(13_000), cursor.position], [false, -1]);
    assertEquals([cursor.move(0), cursor.position], [false, -1]);
    assertEquals([cursor.set(0), cursor.move(13_000), cursor.position], [true, false, -1]);
    assert(cursor.set(0));
    for (const [step, position] of [[10_000, 10_000], [1000, 11_000], [1000, 12_000]] as const) {
      assertEquals([cursor.move(step), cursor.position], [true, position]);
    }
    assertEquals([cursor.move(1000), cursor.position], [false, -1]);
    for (const position of [-1, 0.5, NaN]) assertFalse(cursor.set(position));
    assert(cursor.set(12_000) && cursor.move(-12_000));
    assertEquals(cursor.position, 0);
  });
});
