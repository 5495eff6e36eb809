import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EventBase, SocketBufferEvent, socketPair } from "../../src/core/mod.ts";
import { WebSocketSession } from "../../src/ws/mod.ts";
import { sessionSettings } from "../../src/ws/session_options.ts";
import { SessionOutput } from "../../src/ws/session_output.ts";
import { until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { frame, hex, masked } from "./frame_support.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { openEnds, shakeHands } from "../tls/tls_support.ts";
import { Rig } from "./session_support.ts";

/** A short time for what is to be seen. */
const SHORT_MS = 20;
/** Our answer to a close with 1000. */
const CLOSE = "880203e8";

/** Sends until much waits, since nobody reads; returns how many bytes were sent. */
function fill(rig: Rig): number {
  rig.peer.disable(EV_READ);
  let sent = 0;
  while (rig.session.bufferedAmount < 1 << 20) {
    rig.session.sendBinary(new Uint8Array(65_536));
    sent += 65_536 + 10 + (rig.session.role === "client" ? 4 : 0);
    rig.settle();
  }
  rig.log.push(...rig.told().filter((line) => line !== "drain"));
  return sent;
}

/** Lets the peer read on, until so many bytes have come. */
function readAll(rig: Rig, bytes: number): Uint8Array {
  rig.peer.enable(EV_READ);
  rig.until(() => rig.peer.input.length >= bytes, "everything has come");
  return rig.peer.input.take();
}

describe("a session that ends while much waits to be sent", () => {
  forEachBackend((backend) => {
    it("ends well when the other side takes all of it, and our answer", () => {
      using rig = new Rig({ closeTimeoutMs: SHORT_MS }, backend);
      const sent = fill(rig);
      rig.send(masked(8, hex("03e8")));
      // Longer than it may take to answer: it need only go on reading.
      rig.base.loopExit(3 * SHORT_MS);
      rig.base.dispatch();
      assertEquals([rig.told(), rig.session.state], [[], "closing"]);
      const got = readAll(rig, sent + 4);
      assertEquals([got.length, [...got.subarray(-4)]], [sent + 4, [...hex(CLOSE)]]);
      rig.until(() => rig.log.length > 0, "the end");
      assertEquals(rig.told(), ["close 1000 clean"]);
    });

    it("ends well also with a server that has ended its side", () => {
      using rig = new Rig({ agreement: { role: "client" } }, backend);
      const sent = fill(rig);
      rig.send(frame(8, hex("03e8")));
      rig.peer.endWriting();
      rig.settle();
      assertEquals(rig.told(), []);
      readAll(rig, sent + 8);
      rig.until(() => rig.log.length > 0, "the end");
      assertEquals(rig.told(), ["close 1000 clean"]);
    });

    it("does not end well when our answer never leaves", () => {
      const cases: readonly [(rig: Rig) => void, string[]][] = [
        [(rig) => rig.session.terminate(), []],
        [(rig) => rig.peer.close(), ["error WS_CONNECTION_FAILED"]],
        [(rig) => void rig.until(() => rig.log.length > 0, "the timeout"), ["error WS_WRITE_TIMEOUT"]],
      ];
      for (const [act, errors] of cases) {
        for (const role of ["server", "client"] as const) {
          const writeTimeoutMs = errors[0] === "error WS_WRITE_TIMEOUT" ? SHORT_MS : 600_000;
          using rig = new Rig({ agreement: { role }, writeTimeoutMs, closeTimeoutMs: SHORT_MS }, backend);
          fill(rig);
          rig.send(role === "server" ? masked(8, hex("03e8")) : frame(8, hex("03e8")));
          act(rig);
          rig.until(() => rig.log.at(-1)?.startsWith("close") === true, "the end");
          assertEquals(rig.told(), [...errors, "close 1000 unclean"]);
          assertEquals(rig.session.closeFacts?.wasClean, false);
        }
      }
    });

    it("has the time for the answer to our close from when that has left", () => {
      using rig = new Rig({ closeTimeoutMs: SHORT_MS }, backend);
      const sent = fill(rig);
      rig.session.close(1000, "bye");
      rig.base.loopExit(3 * SHORT_MS);
      rig.base.dispatch();
      assertEquals([rig.told(), rig.session.state], [[], "closing"]);
      const got = readAll(rig, sent + 7);
      assertEquals(String.fromCharCode(...got.subarray(-3)), "bye");
      rig.until(() => rig.log.length > 0, "the end");
      assertEquals(rig.told(), ["error WS_CLOSE_TIMEOUT", "close 1006 unclean"]);
    });
  });

  it("is cut when nothing is taken, also where that may be so for ever before", () => {
    for (const act of ["close", "answer"] as const) {
      using rig = new Rig({ closeTimeoutMs: SHORT_MS, writeTimeoutMs: Infinity });
      fill(rig);
      if (act === "close") rig.session.close();
      else rig.send(masked(8, hex("03e8")));
      rig.until(() => rig.log.length > 0, "the end");
      const end = act === "close" ? "close 1006 unclean" : "close 1000 unclean";
      assertEquals(rig.told(), ["error WS_CLOSE_TIMEOUT", end]);
    }
  });

  it("is cut when hardly anything is taken", () => {
    using rig = new Rig({ closeTimeoutMs: 10 * SHORT_MS, writeTimeoutMs: Infinity });
    fill(rig);
    const before = rig.session.bufferedAmount;
    rig.session.close();
    // As if the system had taken so many bytes by and by.
    const drip = rig.base.timer(() => {
      const { output } = rig.session.stream;
      output.unfreezeFront();
      output.drain(100);
      output.freezeFront();
      drip.add(SHORT_MS);
    });
    drip.add(SHORT_MS);
    rig.until(() => rig.log.length > 0, "the end");
    drip.close();
    assertEquals(rig.told(), ["error WS_CLOSE_TIMEOUT", "close 1006 unclean"]);
    assertGreater(before, 1 << 20);
  });
});

describe("a session that has said why it ends", () => {
  it("is over with that code when there is a fault after that", () => {
    for (const [code, told] of [[4000, 4000], [0, 1005]] as const) {
      using rig = new Rig();
      rig.session.close(code, "");
      rig.send(frame(1, "no mask"));
      assertEquals(rig.told(), ["error WS_MASK_MISSING"]);
      rig.peer.close();
      rig.settle();
      assertEquals(rig.told(), [`close ${told} unclean`]);
    }
  });

  it("is over with 1006 when nobody answers", () => {
    const acts: readonly [(rig: Rig) => void, string[]][] = [
      [(rig) => rig.session.terminate(), []],
      [(rig) => rig.peer.close(), ["error WS_CONNECTION_ENDED"]],
    ];
    for (const [act, errors] of acts) {
      using rig = new Rig();
      rig.session.close(4000);
      rig.settle();
      act(rig);
      rig.settle();
      assertEquals(rig.told(), [...errors, "close 1006 unclean"]);
    }
  });
});

describe("a session over TLS", () => {
  itNeeds("openssl", "openssl", "has the time for the answer to its close from when all has left underneath", () => {
    using base = new EventBase();
    using descriptors = new Descriptors();
    const ends = openEnds(base, descriptors);
    shakeHands(base, ends);
    const log: string[] = [];
    const session = new WebSocketSession(ends.server, { role: "server" }, {
      closeTimeoutMs: SHORT_MS,
      writeTimeoutMs: 600_000,
      error: ({ code }) => log.push(code),
    });
    session.sendBinary(new Uint8Array(100_000));
    session.close();
    until(base, () => log.length > 0, "the end");
    assertEquals([log, session.closeFacts?.code], [["WS_CLOSE_TIMEOUT"], 1006]);
    ends.client.close();
  });
});

describe("a heartbeat", () => {
  it("takes nothing for life that was sent behind its ping", () => {
    using base = new EventBase();
    const [ours, theirs] = socketPair();
    using stream = new SocketBufferEvent(base, ours);
    using _ = new SocketBufferEvent(base, theirs);
    const output = new SessionOutput(stream, sessionSettings({}), null, false);
    output.sendMessage("before");
    output.askForLife();
    output.sendMessage("behind");
    stream.flush();
    assert(output.isTaken(false));
    output.sendMessage("later");
    stream.flush();
    assertEquals(output.isTaken(false), false);
  });

  it("does not end a session whose ping still waits while the other side reads", () => {
    // So long that a lump is read within it, which takes a few turns of the loop.
    const timeoutMs = 10 * SHORT_MS;
    let waiting = 0;
    using rig = new Rig({
      heartbeat: { intervalMs: SHORT_MS, timeoutMs },
      error: ({ code }, session) =>
        void rig.log.push(`error ${code}`, `${session.bufferedAmount - waiting} bytes more`),
    });
    fill(rig);
    const before = rig.session.bufferedAmount;
    rig.until(() => rig.session.bufferedAmount === before + 2, "the ping");
    rig.peer.enable(EV_READ);
    rig.until(() => rig.session.bufferedAmount < before, "a lump");
    rig.peer.disable(EV_READ);
    rig.settle();
    waiting = rig.session.bufferedAmount;
    assert(waiting > 0, "much still waits");
    // Now it does not read any more. It is asked once more, and has all the time for that.
    rig.until(() => rig.log.length > 0, "the end");
    assertEquals(rig.told(), ["error WS_HEARTBEAT_TIMEOUT", "2 bytes more", "close 1006 unclean"]);
  });
});
