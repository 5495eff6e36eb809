import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EVLOOP_ONCE, PrepareWatcher } from "../../src/core/mod.ts";
import type { DeflateParameters } from "../../src/ws/mod.ts";
import { PermessageDeflate } from "../../src/ws/permessage_deflate.ts";
import { concat, frame, hex, masked, utf8 } from "./frame_support.ts";
import { hexOf, Rig } from "./session_support.ts";

/** A long time for what is to happen, and a short one for what is to be seen. */
const SHORT_MS = 20;
const DEFLATE: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** What is wrong, what it is sent, and the code of the close frame that says so. */
const faults: readonly [string, Uint8Array[], string, number][] = [
  ["section 5.1: no mask", [frame(1, "x")], "WS_MASK_MISSING", 1002],
  ["section 5.2: reserved bits", [masked(1, "x", { rsv: 2 })], "WS_RESERVED_BITS", 1002],
  ["section 5.2: compressed without the extension", [masked(1, "x", { rsv: 4 })], "WS_RESERVED_BITS", 1002],
  ["section 5.2: a reserved opcode", [masked(11, "")], "WS_RESERVED_OPCODE", 1002],
  ["section 5.2: a length that is too long", [hex("82 fe 0001 00000000")], "WS_LENGTH_NOT_MINIMAL", 1002],
  ["section 5.4: a continuation of nothing", [masked(0, "x")], "WS_UNEXPECTED_CONTINUATION", 1002],
  [
    "section 5.4: a message in a message",
    [masked(1, "x", { fin: false }), masked(1, "y")],
    "WS_EXPECTED_CONTINUATION",
    1002,
  ],
  ["section 5.5: a ping in fragments", [masked(9, "", { fin: false })], "WS_CONTROL_FRAGMENTED", 1002],
  ["section 5.5: a long ping", [masked(9, new Uint8Array(126))], "WS_CONTROL_TOO_LONG", 1002],
  ["section 5.5.1: half a code", [masked(8, hex("03"))], "WS_BAD_CLOSE_PAYLOAD", 1002],
  ["section 5.5.1: a reason that is not UTF-8", [masked(8, hex("03e8 ff"))], "WS_BAD_CLOSE_REASON", 1007],
  ["section 5.5.1: a reason cut in a character", [masked(8, hex("03e8 e282"))], "WS_BAD_CLOSE_REASON", 1007],
  ["section 8.1: text that is not UTF-8", [masked(1, hex("c3 28"))], "WS_BAD_UTF8", 1007],
  ["section 8.1: text cut in a character", [masked(1, hex("e2 82"))], "WS_BAD_UTF8", 1007],
  ["section 8.1: fragments that are not, in the first", [masked(1, hex("ff"), { fin: false })], "WS_BAD_UTF8", 1007],
  [
    "section 8.1: fragments that are not, across two",
    [masked(1, hex("e282"), { fin: false }), masked(0, hex("28"), { fin: false })],
    "WS_BAD_UTF8",
    1007,
  ],
  [
    "section 8.1: fragments that end in a character",
    [masked(1, hex("e2"), { fin: false }), masked(0, hex("82"))],
    "WS_BAD_UTF8",
    1007,
  ],
  [
    "section 8.1: the beginning of a long frame",
    [masked(1, concat(hex("ff"), new Uint8Array(900))).subarray(0, 9)],
    "WS_BAD_UTF8",
    1007,
  ],
  ["section 10.4: a large frame", [masked(2, new Uint8Array(1001))], "WS_FRAME_TOO_LARGE", 1009],
  [
    "section 10.4: a large message",
    [masked(2, new Uint8Array(900), { fin: false }), masked(0, new Uint8Array(301))],
    "WS_MESSAGE_TOO_LARGE",
    1009,
  ],
  [
    "section 10.4: many fragments",
    [masked(2, "", { fin: false }), masked(0, "", { fin: false }), masked(0, "", { fin: false }), masked(0, "")],
    "WS_TOO_MANY_FRAGMENTS",
    1008,
  ],
];
const LIMITS = { maxFrameBytes: 1000, maxMessageBytes: 1200, maxFragments: 3 };

describe("a session whose other side breaks the rules", () => {
  for (const [title, parts, code, closeCode] of faults) {
    it(`says so and ends: ${title}`, () => {
      using rig = new Rig({ limits: LIMITS });
      rig.send(masked(1, "before"), concat(...parts));
      assertEquals(rig.told(), ["text before", `error ${code}`]);
      assertEquals(rig.received(), `8802${closeCode.toString(16).padStart(4, "0")}`);
      assertEquals([rig.session.state, rig.session.send("x")], ["closing", -1]);
      // What comes now is read, lest a reset overtakes the close frame, and not looked at.
      rig.send(masked(1, "after"), new Uint8Array(100_000));
      assertEquals(rig.told(), []);
      rig.peer.close();
      rig.settle();
      assertEquals(rig.told(), [`close ${closeCode} unclean`]);
    });
  }

  it("takes every close code there is as the RFC says", () => {
    for (
      let code = 0;
      code <= 5000;
      code += code < 990 || (code > 1020 && code < 2990) || (code > 3010 && code < 4990) ? 97 : 1
    ) {
      const isGood = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
      using rig = new Rig();
      rig.send(masked(8, Uint8Array.of(code >> 8, code & 255)));
      const expected = isGood ? [`close ${code} clean`] : ["error WS_BAD_CLOSE_CODE"];
      assertEquals([code, ...rig.told()], [code, ...expected]);
      assertEquals(rig.received(), isGood ? `8802${code.toString(16).padStart(4, "0")}` : "880203ea");
    }
  });

  it("does not wait for it for ever", () => {
    using rig = new Rig({ closeTimeoutMs: SHORT_MS });
    rig.send(frame(1, "x"));
    assertEquals(rig.told(), ["error WS_MASK_MISSING"]);
    rig.until(() => rig.log.length > 0, "the end");
    assertEquals(rig.told(), ["close 1002 unclean"]);
  });

  it("lets no message grow in memory before its bytes have come", () => {
    using rig = new Rig();
    const head = hex("82 ff 0000000000f00000 00000000");
    rig.send(head, new Uint8Array(10));
    assertEquals(rig.told(), []);
  });
});

describe("a session that compresses", () => {
  const options = { agreement: { deflate: DEFLATE }, deflate: { minBytes: 16 } };
  const long = "to be or not to be, to be or not to be";

  it("sends long messages compressed and short ones as they are, and takes both", () => {
    using rig = new Rig(options);
    const other = new PermessageDeflate("client", DEFLATE);
    rig.send(masked(1, other.compress(utf8(long), true), { rsv: 4 }), masked(1, "plain"));
    const compressed = other.compress(utf8(long), true);
    rig.send(
      masked(1, compressed.subarray(0, 3), { rsv: 4, fin: false }),
      masked(9, ""),
      masked(0, compressed.subarray(3)),
    );
    assertEquals(rig.told(), [`text ${long}`, "text plain", "ping ", `text ${long}`]);
    assertEquals(rig.received(), "8a00");
    rig.session.sendText("short");
    assertEquals(rig.received(), "810573686f7274");
    rig.session.sendText(long);
    rig.session.sendFragment(long, false);
    rig.session.sendFragment(long, true);
    rig.settle();
    const sent = rig.peer.input.take();
    const texts: string[] = [];
    for (let at = 0, parts: Uint8Array[] = []; at < sent.length;) {
      const [first, length] = [sent[at]!, sent[at + 1]!];
      assertEquals(first & 0x40, parts.length === 0 ? 0x40 : 0, "only first frames say so");
      parts.push(sent.subarray(at + 2, at + 2 + length));
      at += 2 + length;
      if ((first & 0x80) === 0) continue;
      const message = other.decompress(concat(...parts), 1000);
      assert(message instanceof Uint8Array);
      texts.push(new TextDecoder().decode(message));
      parts = [];
    }
    assertEquals(texts, [long, long + long]);
  });

  it("refuses bombs, what is not compressed, and compressed text that is not UTF-8", () => {
    const other = (): PermessageDeflate => new PermessageDeflate("client", DEFLATE);
    const cases: readonly [Uint8Array, string][] = [
      [other().compress(new Uint8Array(1_000_000), true), "error WS_MESSAGE_TOO_LARGE"],
      [hex("ffffff"), "error WS_BAD_COMPRESSION"],
      [other().compress(hex("c328"), true), "error WS_BAD_UTF8"],
    ];
    for (const [payload, expected] of cases) {
      using rig = new Rig({ ...options, limits: { maxMessageBytes: 10_000 } });
      rig.send(masked(1, payload, { rsv: 4 }));
      assertEquals(rig.told(), [expected]);
    }
  });
});

describe("a session whose other side does not read", () => {
  /** Sends until much waits. What the system took at first has left, which is told and no matter here. */
  function fill(rig: Rig): void {
    rig.peer.disable(EV_READ);
    while (rig.session.bufferedAmount < 1 << 20) {
      if (rig.session.sendBinary(new Uint8Array(65_536)) < 0) break;
      rig.settle();
    }
    rig.log.push(...rig.told().filter((line) => line !== "drain"));
  }

  it("tells by numbers, a callback and a promise how much waits", async () => {
    using rig = new Rig();
    fill(rig);
    assertGreater(rig.session.bufferedAmount, 1 << 20);
    assertEquals(rig.told(), []);
    const drained = rig.session.drained();
    rig.peer.enable(EV_READ);
    rig.until(() => rig.log.length > 0, "the drain");
    assertEquals([rig.told(), rig.session.bufferedAmount], [["drain"], 0]);
    await drained;
    rig.session.sendText("little");
    rig.settle();
    assertEquals(rig.told(), []);
  });

  it("is cut beyond maxOutputBytes", () => {
    using rig = new Rig({ maxOutputBytes: 500_000 });
    fill(rig);
    assertEquals(rig.told(), ["error WS_OUTPUT_TOO_LARGE", "close 1006 unclean"]);
    assertEquals([rig.session.state, rig.session.send("x"), rig.session.sendFragment("x", true), rig.session.ping()], [
      "closed",
      -1,
      -1,
      -1,
    ]);
  });

  it("or misses messages, whole ones, where that was asked for", () => {
    using rig = new Rig({ maxOutputBytes: 500_000, outputPolicy: "drop" });
    fill(rig);
    assertEquals([rig.told(), rig.session.state, rig.session.ping()], [[], "open", -1]);
    rig.peer.enable(EV_READ);
    rig.until(() => rig.log.length > 0, "the drain");
    assertEquals(rig.received().length / 2 % (65_536 + 10), 0);
    assertGreater(rig.session.send("again"), 0);
  });

  it("gets an answer to its newest ping only", () => {
    using rig = new Rig();
    fill(rig);
    const before = rig.session.bufferedAmount;
    for (let count = 0; count < 10_000; count++) rig.peer.write(masked(9, `${count}`));
    rig.settle();
    assertEquals(rig.session.bufferedAmount, before);
    rig.peer.enable(EV_READ);
    rig.until(() => rig.log.includes("drain"), "the drain");
    rig.until(() => rig.session.bufferedAmount === 0, "the pong");
    assertEquals(rig.received().slice(-12), "8a0439393939");
  });

  it("gets that answer also from who never has nothing to send", () => {
    using rig = new Rig();
    fill(rig);
    rig.send(masked(9, "here"));
    rig.peer.enable(EV_READ);
    let received = "";
    for (let round = 0; round < 500 && !received.includes("8a0468657265"); round++) {
      while (rig.session.bufferedAmount < 1 << 20) rig.session.sendBinary(new Uint8Array(65_536));
      rig.base.loop(EVLOOP_ONCE);
      received = received.slice(-12) + hexOf(rig.peer.input.take());
    }
    assert(received.includes("8a0468657265"), "a pong");
    assertGreater(rig.session.bufferedAmount, 0);
  });

  it("is cut when it takes nothing for the write timeout", () => {
    using rig = new Rig({ writeTimeoutMs: SHORT_MS });
    fill(rig);
    rig.until(() => rig.log.length > 0, "the timeout");
    assertEquals(rig.told(), ["error WS_WRITE_TIMEOUT", "close 1006 unclean"]);
  });
});

describe("a session whose other side is silent", () => {
  it("is cut when it does not answer a close", () => {
    using rig = new Rig({ closeTimeoutMs: SHORT_MS });
    rig.session.close();
    rig.until(() => rig.log.length > 0, "the end");
    assertEquals(rig.told(), ["error WS_CLOSE_TIMEOUT", "close 1006 unclean"]);
  });

  it("ends well with a server that does not end the connection", () => {
    using rig = new Rig({ agreement: { role: "client" }, closeTimeoutMs: SHORT_MS });
    rig.send(frame(8, hex("03e8")));
    rig.until(() => rig.log.length > 0, "the end");
    assertEquals(rig.told(), ["close 1000 clean"]);
  });

  it("is sent pings by the heartbeat, and cut when nothing comes", () => {
    using rig = new Rig({ heartbeat: { intervalMs: SHORT_MS } });
    let pings = 0;
    rig.until(() => {
      const got = rig.peer.input.take().length / 2;
      pings += got;
      if (pings < 3 && got > 0) rig.peer.write(masked(10, ""));
      return rig.log.some((line) => line.startsWith("error"));
    }, "the end");
    assertEquals(rig.told(), ["pong ", "pong ", "error WS_HEARTBEAT_TIMEOUT", "close 1006 unclean"]);
    assertEquals(pings, 3);
  });

  it("is not held responsible for what we do not read", () => {
    using rig = new Rig({ heartbeat: { intervalMs: 5 } });
    rig.session.pause();
    rig.base.loopExit(SHORT_MS * 4);
    rig.base.dispatch();
    assertEquals([rig.told(), rig.session.state], [[], "open"]);
  });
});

describe("a session that is sent much to decompress", () => {
  it("lets others have their turn", () => {
    // Each of these takes thirteen bytes, and the 32 KiB before it through zlib.
    const client = new PermessageDeflate("client", DEFLATE);
    const before = masked(2, client.compress(new Uint8Array(32_768).map((_, at) => at * at), true), { rsv: 4 });
    const small = masked(1, client.compress(utf8("x"), true).slice(), { rsv: 4 });
    const COUNT = 600;
    let count = 0;
    using rig = new Rig({ agreement: { deflate: DEFLATE }, message: () => void count++ });
    rig.send(before);
    assertEquals(count, 1);
    rig.peer.write(concat(...Array.from({ length: COUNT }, () => small)));
    // How many there were before each time the loop looks for what else there is to do.
    const counts: number[] = [count];
    using _watcher = new PrepareWatcher(rig.base, () => void counts.push(count));
    rig.until(() => count === COUNT + 1, "all have come");
    counts.push(count);
    const most = Math.max(...counts.slice(1).map((each, at) => each - counts[at]!));
    assert(most <= 200, `${most} messages in one turn`);
  });
});
