/** Sessions share what reads their frames, and none may see what another one is in the middle of. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { frameParsers } from "../../src/ws/frame_parsers.ts";
import { webSocketLimits } from "../../src/ws/mod.ts";
import { frame, masked, utf8 } from "./frame_support.ts";
import { Rig } from "./session_support.ts";

/** More than are kept for later. */
const SESSIONS = 70;

describe("sessions that are read alike", () => {
  it("get their own messages, however the pieces of them all come in turn", () => {
    const rigs = Array.from({ length: SESSIONS }, () => new Rig());
    try {
      const texts = rigs.map((_, index) => masked(1, `message of ${index}`));
      const longest = Math.max(...texts.map((text) => text.length));
      for (let at = 0; at < longest; at += 3) {
        rigs.forEach((rig, index) => rig.send(texts[index]!.subarray(at, at + 3)));
      }
      assertEquals(rigs.map(({ log }) => log), rigs.map((_, index) => [`text message of ${index}`]));
    } finally {
      for (const rig of rigs) rig[Symbol.dispose]();
    }
  });

  it("are in the middle of a message each on its own, with control frames and whole messages of others in between", () => {
    using a = new Rig();
    using b = new Rig();
    using c = new Rig();
    a.send(masked(1, "a1 ", { fin: false }));
    b.send(masked(2, new Uint8Array([1]), { fin: false }));
    c.send(masked(1, "whole"), masked(9, "c?"));
    a.send(masked(9, "a?"), masked(0, "a2 ", { fin: false }));
    b.send(masked(0, new Uint8Array([2])));
    c.send(masked(1, "again"));
    a.send(masked(0, "a3"));
    b.send(masked(1, "b"));
    assertEquals([a.log, b.log, c.log], [
      ["ping a?", "text a1 a2 a3"],
      ["bytes 0102", "text b"],
      ["text whole", "ping c?", "text again"],
    ]);
  });

  it("do not suffer from one that breaks the rules, or is cut in the middle of a frame", () => {
    for (const bad of [frame(1, "no mask"), masked(11, ""), masked(1, "a long message").subarray(0, 7)]) {
      using good = new Rig();
      {
        using broken = new Rig();
        broken.send(bad);
      }
      good.send(masked(1, "fine"));
      assertEquals(good.log, ["text fine"]);
    }
  });

  it("have the limits that are theirs", () => {
    using small = new Rig({ limits: { maxMessageBytes: 4 } });
    using large = new Rig();
    for (const rig of [small, large, small, large]) rig.send(masked(1, "1234"));
    for (const rig of [small, large]) rig.send(masked(1, "12345"));
    assertEquals(small.log, ["text 1234", "text 1234", "error WS_MESSAGE_TOO_LARGE"]);
    assertEquals(large.log, ["text 1234", "text 1234", "text 12345"]);
  });

  it("may begin with a parser that somebody else has used, but is in the middle of nothing", () => {
    const parsers = frameParsers("client", false, webSocketLimits({ maxFragments: 3 }));
    const first = parsers.take();
    const bytes = masked(1, "ab", { fin: false });
    first.next(bytes, 0, bytes.length);
    assertEquals(parsers.give(first), false);
    const end = masked(0, "c");
    first.next(end, 0, end.length);
    assertEquals([parsers.give(first), first.payload.length], [true, 0]);
    assertEquals(parsers.take(), first);
    const wrong = frame(1, utf8("x"));
    first.next(wrong, 0, wrong.length);
    assertEquals([parsers.give(first), parsers.take() === first], [false, false]);
  });
});
