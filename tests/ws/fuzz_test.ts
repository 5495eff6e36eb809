/** Mutated input for everything in src/ws that reads what a peer sends: no throw, no hang, one verdict however it is cut. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseExtensions } from "../../src/ws/extension_list.ts";
import { MessageReader } from "../../src/ws/message_reader.ts";
import {
  FRAME_CONTROL,
  FRAME_ERROR,
  FRAME_NEED_MORE,
  FrameParser,
  type FrameParserOptions,
  Utf8Checker,
} from "../../src/ws/mod.ts";
import { PermessageDeflate } from "../../src/ws/permessage_deflate.ts";
import { fuzz, fuzzEffort, type FuzzTarget, fuzzText } from "../support/fuzz.ts";
import { concat, frame, hex, masked, transcribe, utf8 } from "./frame_support.ts";

// Small, so that mutations reach them.
const limits = { maxFrameBytes: 300, maxMessageBytes: 500, maxFragments: 6 };
const DEFLATE = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

function texts(...parts: readonly Uint8Array[]): string[] {
  return parts.map((part) => Array.from(part, (byte) => String.fromCharCode(byte)).join(""));
}

/** Good frames of one side. */
function seeds(make: typeof frame): string[] {
  const codec = new PermessageDeflate("client", DEFLATE);
  return texts(
    make(1, "héllo"),
    make(2, new Uint8Array(130)),
    concat(make(1, "日", { fin: false }), make(9, "p"), make(0, "本", { fin: false }), make(0, "語")),
    concat(make(2, hex("00ff")), make(10, ""), make(8, hex("03e8"))),
    make(1, codec.compress(utf8("to be or not to be"), true), { rsv: 4 }),
    concat(make(1, "a", { fin: false }), make(0, "", { fin: false }), make(0, "b"), make(8, "")),
  );
}

const words = texts(
  ...[
    "00",
    "01",
    "7e",
    "7f",
    "80",
    "81",
    "88",
    "89",
    "c1",
    "fe",
    "ff",
    "e282ac",
    "eda080",
    "f09f8e89",
    "7e0001",
    "7f0000000000000001",
  ].map(hex),
  hex("7fffffffffffffffff"),
  hex("ff7fffffffffffffff00000000"),
  masked(0, "x"),
  frame(0, "x"),
  masked(9, ""),
  masked(1, "", { fin: false }),
);

function frames(options: FrameParserOptions, make: typeof frame): FuzzTarget {
  return { seeds: seeds(make), words, transcript: (pieces) => transcribe(pieces, options).join("\n") };
}

/** Everything up to whole messages; the first fault ends it. */
function messages(pieces: readonly Uint8Array[]): string {
  const parser = new FrameParser({ from: "client", mayCompress: true, limits });
  const reader = new MessageReader(limits.maxMessageBytes, new PermessageDeflate("server", DEFLATE));
  const said: string[] = [];
  let events = 0;
  for (const piece of pieces) {
    const bytes = piece.slice();
    for (let at = 0;; at = parser.position) {
      const event = parser.next(bytes, at, bytes.length);
      if (event === FRAME_NEED_MORE) break;
      assert(++events <= 4000, "no more events than bytes and pieces are worth");
      if (event === FRAME_ERROR) return [...said, parser.error!.code].join("\n");
      if (event === FRAME_CONTROL) continue;
      const message = reader.add(parser);
      if (reader.fault !== null) return [...said, reader.fault].join("\n");
      if (message === null) continue;
      assert(message.length <= limits.maxMessageBytes);
      said.push(typeof message === "string" ? message : Array.from(message).join(" "));
    }
  }
  return said.join("\n");
}

describe("mutated WebSocket input", () => {
  it("gives a server one verdict on frames, however they are cut", () => {
    fuzz(frames({ from: "client", limits }, masked), 101, 1500 * fuzzEffort);
    fuzz(frames({ from: "client", limits, mayCompress: true }, masked), 102, 1500 * fuzzEffort);
  });

  it("gives a client one verdict on frames, however they are cut", () => {
    fuzz(frames({ from: "server", limits, mayCompress: true }, frame), 103, 1500 * fuzzEffort);
  });

  it("gives one verdict on messages, decompressed and checked", () => {
    fuzz({ seeds: seeds(masked), words, transcript: messages }, 104, 1500 * fuzzEffort);
  });

  it("is UTF-8 for the checker exactly when it is for the strict decoder, however it is cut", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const transcript = (pieces: readonly Uint8Array[]): string => {
      const checker = new Utf8Checker();
      const good = pieces.every((piece) => checker.check(piece, 0, piece.length)) && checker.isComplete;
      let text = "";
      try {
        text = decoder.decode(concat(...pieces));
      } catch {
        assertEquals(good, false);
        return "bad";
      }
      assertEquals(good, true);
      return text;
    };
    const good = texts(...["plain", "é", "日本語 🎉", "a".repeat(60) + "é" + "b".repeat(60)].map(utf8));
    fuzz(
      { seeds: good, words: texts(utf8("é"), utf8("日"), utf8("🎉"), utf8("x")), transcript },
      105,
      3000 * fuzzEffort,
    );
  });

  it("is a list of extensions or none", () => {
    const lists = ["permessage-deflate; client_max_window_bits", 'a; b="c d", e;f = g', "x,,y;z"];
    const pieces = [";", ",", "=", '"', "\\", " ", "\t", "permessage-deflate", "; client_max_window_bits=15", '="\\"'];
    fuzzText({ seeds: lists, words: pieces }, 106, 3000 * fuzzEffort, (text) => void parseExtensions(text));
  });
});
