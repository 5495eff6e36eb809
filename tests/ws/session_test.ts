import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_READING,
  EV_READ,
  EventBase,
  SocketBufferEvent,
  socketPair,
} from "../../src/core/mod.ts";
import { FrameParser, WebSocketSession } from "../../src/ws/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { concat, frame, hex, MASK, masked, utf8 } from "./frame_support.ts";
import { hexOf, Rig } from "./session_support.ts";

const EOF = BEV_EVENT_EOF | BEV_EVENT_READING;

describe("a session", () => {
  forEachBackend((backend) => {
    it("takes text and bytes, in fragments too, and sends them", () => {
      using rig = new Rig({}, backend);
      rig.send(
        masked(1, "héllo"),
        masked(2, hex("00ff")),
        masked(1, "a", { fin: false }),
        masked(0, "b"),
        masked(1, ""),
      );
      assertEquals(rig.told(), ["text héllo", "bytes 00ff", "text ab", "text "]);
      const { session } = rig;
      session.sendText("hi");
      session.sendBinary(hex("0102"));
      session.sendFragment("x", false);
      session.ping("?");
      session.sendFragment("y", false);
      session.sendFragment("", true);
      session.pong();
      assertEquals(rig.received(), "81026869" + "82020102" + "010178" + "89013f" + "000179" + "8000" + "8a00");
    });

    it("answers pings with what they hold, before the message they came in the middle of", () => {
      using rig = new Rig({}, backend);
      rig.send(masked(1, "a", { fin: false }), masked(9, "one"), masked(9, ""), masked(0, "b"), masked(10, "unasked"));
      assertEquals(rig.told(), ["ping one", "ping ", "text ab", "pong unasked"]);
      assertEquals(rig.received(), "8a036f6e65" + "8a00");
    });

    it("answers a close with the same code and reason, and ends the connection as a server", () => {
      using rig = new Rig({}, backend);
      rig.send(masked(1, "last"), masked(8, concat(hex("03e9"), utf8("bye "))), masked(1, "too late"));
      assertEquals(rig.told(), ["text last", "close 1001 bye clean"]);
      assertEquals(rig.received(), "880603e962796520");
      assertEquals(rig.peerEvents, [EOF]);
      assertEquals(rig.session.state, "closed");
      assertEquals(rig.session.closeFacts, { code: 1001, reason: "bye ", wasClean: true });
    });

    it("answers an empty close with an empty one, and tells 1005", () => {
      using rig = new Rig({}, backend);
      rig.send(masked(8, ""));
      assertEquals(rig.told(), ["close 1005 clean"]);
      assertEquals(rig.received(), "8800");
    });

    it("closes on its own account, and waits for the answer", () => {
      using rig = new Rig({}, backend);
      rig.session.sendText("bye");
      rig.session.close(4000, "why ");
      assertEquals(rig.received(), "8103627965" + "88060fa077687920");
      assertEquals(rig.session.state, "closing");
      assertEquals(rig.session.sendText("ignored"), -1);
      rig.session.close(1000);
      rig.send(masked(1, "of no interest"), masked(9, "?"));
      assertEquals(rig.told(), ["ping ?"]);
      rig.send(masked(8, hex("0fa0")));
      assertEquals(rig.told(), ["close 4000 clean"]);
      assertEquals(rig.peerEvents, [EOF]);
      assertEquals(rig.received(), "");
    });

    it("lets the server end the connection when it is a client, and masks what it sends", () => {
      using rig = new Rig({ agreement: { role: "client" } }, backend);
      rig.session.sendText("héllo");
      rig.session.sendBinary(new Uint8Array(70_000).fill(7));
      rig.settle();
      const sent = rig.peer.input.take();
      assertEquals(hexOf(sent.subarray(0, 2)), "8186");
      assertEquals(unmasked(sent.subarray(2, 12)), "68c3a96c6c6f");
      assertEquals(hexOf(sent.subarray(12, 22)), "82ff0000000000011170");
      assertEquals(unmasked(sent.subarray(22)), "07".repeat(70_000));
      rig.send(frame(1, "ok"), frame(8, hex("03e8")));
      // So much at once is worth telling when it has left.
      assertEquals(rig.told(), ["drain", "text ok"]);
      assertEquals(rig.session.state, "closing");
      rig.peer.close();
      rig.settle();
      assertEquals(rig.told(), ["close 1000 clean"]);
    });

    it("ends once, with 1006, when the connection ends, in whatever state", () => {
      for (const before of [[], [masked(1, "half", { fin: false })], [masked(1, "half").subarray(0, 3)]]) {
        using rig = new Rig({}, backend);
        rig.send(...before);
        rig.peer.close();
        rig.settle();
        assertEquals(rig.told(), ["error WS_CONNECTION_ENDED", "close 1006 unclean"]);
        assertEquals(rig.session.state, "closed");
        assertEquals([rig.session.sendText("x"), rig.session.bufferedAmount], [-1, 0]);
      }
      using closing = new Rig({}, backend);
      closing.session.close();
      closing.settle();
      closing.peer.close();
      closing.settle();
      assertEquals(closing.told(), ["error WS_CONNECTION_ENDED", "close 1006 unclean"]);
    });

    it("loses no descriptor, whoever closes", () => {
      const before = openDescriptorCount();
      for (let round = 0; round < 10; round++) {
        using rig = new Rig({}, backend);
        if (round % 3 === 0) rig.send(masked(8, ""));
        else if (round % 3 === 1) rig.send(frame(1, "no mask"));
        else rig.session.terminate();
      }
      assertEquals(openDescriptorCount(), before);
    });

    it("keeps to its rules with bytes one by one", () => {
      using rig = new Rig({}, backend);
      const bytes = concat(
        masked(1, "æ", { fin: false }),
        masked(9, "p"),
        masked(0, "ø"),
        masked(2, hex("00")),
        masked(8, hex("03e8")),
      );
      for (const byte of bytes) rig.send(Uint8Array.of(byte));
      assertEquals(rig.told(), ["ping p", "text æø", "bytes 00", "close 1000 clean"]);
      assertEquals(rig.received(), "8a0170" + "880203e8");
    });
  });

  it("refuses what may not be sent, and sends nothing then", () => {
    using rig = new Rig();
    const { session } = rig;
    for (const code of [1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_536, 1000.5, NaN]) {
      assertThrows(() => session.close(code), RangeError, "code");
    }
    assertThrows(() => session.close(0, "why"), RangeError, "reason");
    assertThrows(() => session.close(1000, "é".repeat(62)), RangeError, "124 bytes");
    assertThrows(() => session.ping(new Uint8Array(126)), RangeError, "126 bytes");
    session.sendFragment("a", false);
    assertThrows(() => session.sendText("b"), Error, "fragments");
    assertThrows(() => session.sendFragment(hex("00"), true), TypeError, "another kind");
    session.sendFragment("", true);
    assertEquals(rig.received(), "010161" + "8000");
    session.close(1000, "é".repeat(61));
    assertEquals(rig.received().length, 2 * (2 + 2 + 122));
  });

  it("sends text in fragments as it would be in one, wherever it is cut", () => {
    const texts = ["a\u{1f600}b", "\u{1f600}\u{1f601}", "\ud83d\ud83d\ude00x", "\ude00\ud83d\ud83d", "\ud83d"];
    const anew = { serverNoContextTakeover: true, clientNoContextTakeover: true };
    for (const deflate of [null, { ...anew, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }]) {
      using rig = new Rig({ agreement: { deflate } });
      using other = new Rig({ agreement: { role: "client", deflate } });
      for (const text of texts) {
        for (let cut = 0; cut <= text.length; cut++) {
          for (let next = cut; next <= text.length; next++) {
            rig.session.sendFragment(text.slice(0, cut), false);
            rig.session.sendFragment(text.slice(cut, next), false);
            rig.session.sendFragment(text.slice(next), true);
            rig.settle();
            other.send(rig.peer.input.take());
            assertEquals(other.told(), [`text ${new TextDecoder().decode(utf8(text))}`]);
          }
        }
      }
    }
  });

  it("leaves what it sends as it is, and keeps nothing of it, also of a Buffer", () => {
    for (const role of ["client", "server"] as const) {
      for (const length of [5, 500, 20_000, 100_000]) {
        using rig = new Rig({ agreement: { role } });
        const data = Buffer.alloc(length, 7);
        rig.session.send(data);
        assertEquals(data, Buffer.alloc(length, 7));
        data.fill(9);
        const sent = hex(rig.received());
        const parser = new FrameParser({ from: role });
        parser.next(sent, 0, sent.length);
        assertEquals(parser.payloadEnd - parser.payloadStart, length);
        assertEquals(parser.payloadEnd, sent.length);
        assert(sent.subarray(parser.payloadStart, parser.payloadEnd).every((byte) => byte === 7));
      }
    }
  });

  it("is not made of a connection that is closed, whose end nobody would tell", () => {
    using rig = new Rig();
    rig.session.terminate();
    assertThrows(() => new WebSocketSession(rig.session.stream, { role: "server" }), TypeError, "closed");
  });

  it("refuses what is neither text nor a Uint8Array, and sends nothing then", () => {
    for (const deflate of [null, { serverNoContextTakeover: true, clientNoContextTakeover: true }]) {
      const bits = deflate && { ...deflate, serverMaxWindowBits: 15, clientMaxWindowBits: 15 };
      using rig = new Rig({ agreement: { deflate: bits } });
      const { session } = rig;
      for (
        const data of [
          new ArrayBuffer(4),
          new Uint16Array(2),
          new DataView(new ArrayBuffer(3)),
          [1, 2],
          7,
          null,
          undefined,
        ]
      ) {
        const wrong = data as unknown as Uint8Array;
        assertThrows(() => session.send(wrong), TypeError, "Uint8Array");
        assertThrows(() => session.sendFragment(wrong, false), TypeError, "Uint8Array");
        if (data === undefined) continue;
        assertThrows(() => session.ping(wrong), TypeError, "Uint8Array");
        assertThrows(() => session.pong(wrong), TypeError, "Uint8Array");
      }
      session.sendText("whole");
      assertEquals(rig.received(), "8105" + hexOf(utf8("whole")));
    }
  });

  it("is as it was before memory that is there no more was to be sent", () => {
    using rig = new Rig();
    const { session } = rig;
    const gone = new Uint8Array(new ArrayBuffer(4));
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    assertThrows(() => session.send(gone), TypeError);
    assertThrows(() => session.ping(gone), TypeError);
    assertThrows(() => session.sendFragment(gone, false), TypeError);
    session.sendText("whole");
    session.sendBinary(new Uint8Array(0));
    assertEquals(rig.received(), "8105" + hexOf(utf8("whole")) + "8200");
  });

  it("can be closed and cut inside each of its callbacks", () => {
    const deeds: readonly [string, (session: WebSocketSession) => void][] = [
      ["close", (session) => session.close()],
      ["terminate", (session) => session.terminate()],
    ];
    for (const [name, deed] of deeds) {
      for (const callback of ["message", "ping", "pong", "error", "close"] as const) {
        let calls = 0;
        const closes: number[] = [];
        const act = (...args: unknown[]): void => {
          calls++;
          deed(args.at(-1) as WebSocketSession);
        };
        const close = (code: number, _reason: string, _clean: boolean, session: WebSocketSession): void => {
          closes.push(code);
          if (callback === "close") act(session);
        };
        using rig = new Rig({ [callback]: act, ...{ close } });
        rig.send(masked(1, "x"), masked(9, ""), masked(10, ""), frame(3, ""));
        rig.peer.close();
        rig.settle();
        assertEquals([calls, closes.length], [1, 1], `${name} in ${callback}`);
      }
    }
  });

  it("goes on behind a callback that throws", () => {
    let round = 0;
    using rig = new Rig({
      message: (data) => {
        if (++round % 2 === 1) throw new Error(`thrown for ${String(data)}`);
        rig.log.push(`took ${String(data)}`);
      },
    });
    const failures: string[] = [];
    rig.base.onError = (error) => void failures.push((error as Error).message);
    rig.send(masked(1, "a"), masked(1, "b"), masked(1, "c"), masked(1, "d"), masked(8, ""));
    assertEquals(failures, ["thrown for a", "thrown for c"]);
    assertEquals(rig.told(), ["took b", "took d", "close 1005 clean"]);
  });

  it("pauses in the middle of what came together, and goes on", () => {
    using rig = new Rig({
      message: (data, session) => {
        rig.log.push(String(data));
        if (data === "2") session.pause();
      },
    });
    rig.send(masked(1, "1"), masked(1, "2"), masked(1, "3"), masked(9, "?"));
    rig.send(masked(1, "4"), masked(8, hex("03e8")));
    rig.peer.endWriting();
    rig.settle();
    assertEquals([rig.told(), rig.session.isPaused, rig.received()], [["1", "2"], true, ""]);
    rig.session.resume();
    assertEquals(rig.log, []);
    rig.settle();
    assertEquals(rig.told(), ["3", "ping ?", "4", "close 1000 clean"]);
  });

  it("has the rest of what came together unchanged when it goes on, whatever else has been received meanwhile", () => {
    const texts = ["1", "é".repeat(10_000), "3"];
    using rig = new Rig({
      message: (data, session) => {
        rig.log.push(String(data));
        if (data === "1") session.pause();
      },
    });
    rig.send(concat(...texts.map((text) => masked(1, text))));
    assertEquals(rig.told(), ["1"]);
    const [near, far] = socketPair();
    using other = new SocketBufferEvent(rig.base, near);
    using writer = new SocketBufferEvent(rig.base, far);
    other.enable(EV_READ);
    writer.write(new Uint8Array(60_000).fill(0x78));
    rig.until(() => other.input.length === 60_000, "the other connection");
    rig.session.resume();
    rig.settle();
    assertEquals(rig.told(), texts.slice(1));
  });

  it("takes up what has come before it was made, from the loop", () => {
    using base = new EventBase();
    const [ours, theirs] = socketPair();
    using peer = new SocketBufferEvent(base, theirs);
    const stream = new SocketBufferEvent(base, ours);
    stream.enable(EV_READ);
    const late = masked(1, "late");
    peer.write(concat(masked(1, "early"), late.subarray(0, 4)));
    settle(base);
    assertEquals(stream.input.length, 15);
    const log: string[] = [];
    using session = new WebSocketSession(stream, { role: "server" }, {
      message: (data) => void log.push(String(data)),
    });
    assertEquals([log, session.state], [[], "open"]);
    peer.write(late.subarray(4));
    settle(base);
    assertEquals(log, ["early", "late"]);
  });

  it("iterates over messages, holds the other side when many wait, and ends with it", async () => {
    using rig = new Rig({ message: undefined as never });
    const { session } = rig;
    const many = Array.from({ length: 200 }, (_, at) => masked(1, `${at}`));
    rig.send(concat(...many), masked(8, hex("03e8")));
    assertEquals([rig.told(), session.state], [[], "open"]);
    const got: string[] = [];
    for await (const message of session) {
      got.push(String(message));
      rig.settle();
    }
    assertEquals(got, many.map((_, at) => `${at}`));
    assertEquals(rig.told(), ["close 1000 clean"]);
    assertEquals(await session.whenClosed(), { code: 1000, reason: "", wasClean: true });
  });

  it("keeps the loop alive while it takes nothing, since somebody is busy with messages or has paused it", async () => {
    using rig = new Rig({ message: undefined as never });
    rig.peer.disable(EV_READ);
    for (let count = 0; count < 200; count++) rig.peer.write(masked(1, `${count}`));
    let taken = 0;
    const taking = (async () => {
      for await (const _message of rig.session) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (++taken === 200) break;
      }
      rig.session.pause();
      setTimeout(() => rig.session.terminate(), 0);
    })();
    await rig.base.run();
    assertEquals([taken, rig.session.state], [200, "closed"]);
    await taking;
    using other = new Rig();
    other.peer.disable(EV_READ);
    other.session.pause();
    setTimeout(() => other.session.close(), 0);
    setTimeout(() => other.peer.write(masked(8, "")), 1);
    await other.base.run();
    assertEquals(other.told(), ["close 1005 clean"]);
  });

  it("gives a message to the next iteration that an earlier one has waited for and does not want any more", async () => {
    using rig = new Rig({ message: undefined as never });
    const { session } = rig;
    const early = session[Symbol.asyncIterator]();
    const late = session[Symbol.asyncIterator]();
    const [first, second, other] = [early.next(), early.next(), late.next()];
    assertEquals(await early.return!(), { done: true, value: undefined });
    assertEquals([await first, await second], Array(2).fill({ done: true, value: undefined }));
    rig.send(masked(1, "one"), masked(1, "two"), masked(1, "three"));
    assertEquals(await early.next(), { done: true, value: undefined });
    assertEquals(await other, { done: false, value: "one" });
    const got: unknown[] = [];
    for await (const message of session) if (got.push(message) === 2) break;
    assertEquals([got, session.state], [["two", "three"], "open"]);
  });

  it("throws at who iterates when it ends badly, after the messages that came", async () => {
    using rig = new Rig({ message: undefined as never });
    rig.send(masked(1, "one"), frame(1, "no mask"));
    rig.peer.close();
    rig.settle();
    const iterator = rig.session[Symbol.asyncIterator]();
    assertEquals(await iterator.next(), { done: false, value: "one" });
    const error = await iterator.next().then(() => "none", (reason: { code: string }) => reason.code);
    assertEquals(error, "WS_MASK_MISSING");
    assertEquals(await iterator.next(), { done: true, value: undefined });
    using other = new Rig();
    assertThrows(() => other.session[Symbol.asyncIterator](), TypeError, "message callback");
  });

  it("does not leave it unhandled that nobody looks at why there is no next message", async () => {
    // The runtimes end the process for a rejection nobody looks at, and the tests with it.
    using rig = new Rig({ message: undefined as never });
    const next = rig.session[Symbol.asyncIterator]().next();
    rig.send(frame(1, "no mask"));
    rig.peer.close();
    rig.settle();
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(await next.then(() => "none", (reason: { code: string }) => reason.code), "WS_MASK_MISSING");
  });

  it("refuses options that are no numbers above zero", () => {
    for (const bad of [0, -1, NaN]) {
      for (const name of ["maxOutputBytes", "highWaterBytes", "closeTimeoutMs", "writeTimeoutMs"]) {
        assertThrows(() => new Rig({ [name]: bad }), RangeError, name);
      }
      assertThrows(() => new Rig({ heartbeat: { intervalMs: bad } }), RangeError, "heartbeat.intervalMs");
    }
  });
});

/** Hexadecimal digits of the payload behind a mask. */
function unmasked(bytes: Uint8Array): string {
  const mask = bytes.subarray(0, 4);
  assertEquals(hexOf(mask) === hexOf(Uint8Array.from(MASK)), false, "masks are random");
  return hexOf(bytes.subarray(4).map((byte, at) => byte ^ mask[at % 4]!));
}
