import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Listener, PairBufferEvent, SocketBufferEvent } from "../../src/core/mod.ts";
import { clockMs, os } from "../../src/ffi/mod.ts";
import { connectWebSocket, type WebSocketConnectOptions, type WebSocketError } from "../../src/ws/mod.ts";
import { withBase } from "./base_support.ts";
import { masked } from "./frame_support.ts";
import { Rig } from "./session_support.ts";

const SHORT_MS = 20;

function now(): number {
  return clockMs(os.constants.CLOCK_MONOTONIC);
}

/** Whoever is called back is busy for so long. */
function beBusy(ms: number): void {
  const end = now() + ms;
  while (now() < end);
}

describe("a session whose callbacks take long", () => {
  it("gives the other side its time to answer a close from when it was called", () => {
    let start = Infinity;
    let end = 0;
    using rig = new Rig({
      closeTimeoutMs: SHORT_MS,
      message: (_data, session) => {
        beBusy(3 * SHORT_MS);
        start = now();
        session.close();
      },
      error: () => void (end = now()),
    });
    rig.send(masked(1, "x"));
    rig.until(() => end > 0, "the end");
    assertGreaterOrEqual(end - start, SHORT_MS - 1);
  });

  it("gives the other side its time to answer a ping from when that was sent", () => {
    let start = Infinity;
    let end = 0;
    using rig = new Rig({ heartbeat: { intervalMs: SHORT_MS }, error: () => void (end = now()) });
    // Due in the same turn as the ping, since that begins late, and before it.
    using busy = rig.base.timer(() => {
      beBusy(3 * SHORT_MS);
      start = now();
    });
    busy.add(1);
    beBusy(2 * SHORT_MS);
    rig.until(() => end > 0, "the end");
    assertGreaterOrEqual(end - start, SHORT_MS - 1);
  });
});

describe("a callback that takes long before it opens a session", () => {
  it("gives the server its time for the handshake from then on", () =>
    withBase(async (base) => {
      const accepted: SocketBufferEvent[] = [];
      using silent = new Listener(base, { port: 0 }, (fd) => void accepted.push(new SocketBufferEvent(base, fd)));
      const { address } = silent;
      const url = `ws://127.0.0.1:${address.family === "unix" ? 0 : address.port}/`;
      const [stream, other] = PairBufferEvent.create(base);
      for (const options of [{}, { stream }] satisfies WebSocketConnectOptions[]) {
        let start = Infinity;
        const opening = new Promise<unknown>((resolve) => {
          base.timer(() => {
            beBusy(3 * SHORT_MS);
            start = now();
            resolve(connectWebSocket(base, url, { ...options, handshakeTimeoutMs: SHORT_MS }));
          }).add(0);
        });
        const { code } = await opening.then(() => ({ code: "opened" }), (error: WebSocketError) => error);
        assertEquals(code, "WS_HANDSHAKE_TIMEOUT");
        assertGreaterOrEqual(now() - start, SHORT_MS - 1);
      }
      for (const end of [other, ...accepted]) end.close();
    }));
});
