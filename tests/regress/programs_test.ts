/** Counterparts of the programs beside libevent's regress suite (test-eof, test-weof, ...); `docs/parity.md` says which is which. */
import { assert, assertEquals, assertFalse, assertGreaterOrEqual, assertLess, assertLessOrEqual } from "@std/assert";
import { it } from "@std/testing/bdd";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  CheckWatcher,
  EV_CLOSED,
  EV_PERSIST,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  FEATURE_EARLY_CLOSE,
  Listener,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { allocate, os, shutdown, write } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";

const { SHUT_WR } = os.constants;
const { EPIPE } = os.errno as Record<"EPIPE", number>;

forEachBackend(({ newBase, name }) => {
  it("test-init: a base opens, names its backend and closes", () => {
    const base = newBase();
    assertEquals(base.backendName, name);
    assertFalse(base.dispatch());
    base.close();
  });

  it("test-eof: a reader that is added again once sees the data and then the end", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    const log: [number, string | number][] = [];
    writeText(far, "test string\0");
    shutdown(far, SHUT_WR);
    base.event(near, EV_READ | EV_TIMEOUT, (what, event) => {
      log.push([what, readText(near)]);
      if (log.length === 1) event.add(60_000);
    }).add(60_000);
    assertFalse(base.dispatch());
    assertEquals(log, [[EV_READ, "test string\0"], [EV_READ, ""]]);
  });

  it("test-weof: a writer whose peer is gone is called, and its write fails with EPIPE", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    const bytes = allocate(12);
    const log: [number, number][] = [];
    base.event(near, EV_WRITE, (what, event) => {
      log.push([what, write(near, bytes, bytes.length)]);
      if (log.length > 1) return;
      event.add();
      fds.close(far);
    }).add();
    assertFalse(base.dispatch());
    assertEquals(log, [[EV_WRITE, 12], [EV_WRITE, -EPIPE]]);
  });

  it("test-closed: the end of a stream is told with its data unread", () => {
    using base = newBase();
    if ((base.features & FEATURE_EARLY_CLOSE) === 0) return;
    using fds = new Descriptors();
    const [far, near] = fds.socketpair();
    const log: number[] = [];
    writeText(far, "test string");
    shutdown(far, SHUT_WR);
    base.event(near, EV_CLOSED | EV_TIMEOUT, (what) => log.push(what)).add(60_000);
    assertFalse(base.dispatch());
    assertEquals(log, [EV_CLOSED]);
    assertEquals(readText(near), "test string");
  });

  it("test-changelist: a writer that is deleted, added and deleted again in its callback does not keep the loop busy", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near] = fds.socketpair();
    let calls = 0, turns = 0;
    const writer = base.event(near, EV_WRITE | EV_PERSIST, () => {
      calls++;
      writer.delete();
      writer.add();
      writer.delete();
    }).add();
    using _check = new CheckWatcher(base, () => turns++);
    base.timer(() => {}).add(50);
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
    // One turn for the writer, one for the timer, and few more where a wait ends early; a busy loop takes thousands.
    assertLess(turns, 20);
  });

  it("test-fdleak: connections that come and go keep the number of descriptors low", () => {
    using base = newBase();
    const before = openDescriptorCount();
    let requests = 0, most = 0;
    using listener = new Listener(base, { port: 0 }, (fd) => {
      const server = new SocketBufferEvent(base, fd);
      server.setCallbacks({
        read: () => server.writeBuffer(server.input),
        event: (what) => {
          assertEquals(what & BEV_EVENT_ERROR, 0);
          if ((what & BEV_EVENT_EOF) === 0) return;
          server.close();
          if (requests === 300) base.loopExit();
        },
      });
      server.enable(EV_READ | EV_WRITE);
    });
    const request = (): void => {
      const client = new SocketBufferEvent(base);
      client.setCallbacks({
        read: () => {
          const answer = allocate(1);
          assertEquals([client.read(answer), answer[0]], [1, 65]);
          client.close();
          most = Math.max(most, openDescriptorCount());
          if (++requests < 300) request();
        },
        event: (what) => {
          assertEquals(what & BEV_EVENT_ERROR, 0);
          if ((what & BEV_EVENT_CONNECTED) !== 0) client.write("A");
        },
      });
      client.enable(EV_READ | EV_WRITE);
      client.connect({ family: "ipv4", host: "127.0.0.1", port: listener.port });
    };
    request();
    assert(base.dispatch());
    assertEquals(requests, 300);
    // The listener, and the two ends of this connection and of the one before it.
    assertLessOrEqual(most, before + 6);
  });

  it("test-time: timers that set and delete each other at random all run out", () => {
    using base = newBase();
    const COUNT = 1000;
    let seed = 1, calls = 0;
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const timers = Array.from({ length: COUNT }, () =>
      base.timer(() => {
        calls++;
        if (calls >= 10 * COUNT) return;
        for (let count = 0; count < 10; count++) {
          const timer = timers[random(COUNT)]!;
          const delayUs = random(5000);
          if (delayUs % 2 === 1 || calls < COUNT) timer.add(delayUs / 1000);
          else timer.delete();
        }
      }));
    for (const timer of timers) timer.add(random(5000) / 1000);
    assertFalse(base.dispatch());
    assertGreaterOrEqual(calls, COUNT);
  });
});
