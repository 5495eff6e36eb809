/** Messages of a port, one by one with `for await`. */
import { assert, assertEquals, assertFalse, assertLessOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopPort } from "../../src/core/loop_port.ts";
import { LoopPortSender } from "../../src/core/loop_port_sender.ts";
import { forEachBackend } from "../support/backends.ts";
import { PortWorker, sequenceIn } from "../support/port_worker.ts";

const decoder = new TextDecoder();

/** Takes `count` messages as text, fewer when the iteration ends before. */
async function take(messages: AsyncIterable<Uint8Array>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const message of messages) {
    got.push(decoder.decode(message));
    if (got.length === count) break;
  }
  return got;
}

/** Lets promise reactions run. */
const reactions = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

forEachBackend(({ newBase }) => {
  it("a port without a callback hands its messages to for await, in order, while run() sleeps", async () => {
    using base = newBase();
    using worker = await PortWorker.start();
    using port = new LoopPort(base);
    const running = base.run();
    worker.order({ handle: port.handle, count: 1000, id: 3, afterMs: 5 });
    let sequence = 0;
    for await (const message of port) {
      assertEquals(sequenceIn(message), sequence++);
      if (sequence === 1000) break;
    }
    port.close();
    assertEquals(await running, false);
  });

  it("messages that nobody asks for stay in the port, whose senders are refused in the end, and wake nobody", async () => {
    using base = newBase();
    using port = new LoopPort(base, undefined, { capacityBytes: 4096 });
    using sender = new LoopPortSender(port.handle);
    let posted = 0;
    while (sender.post(String(posted))) posted++;
    assertEquals(posted, 32);
    for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_NONBLOCK);
    let turns = 0;
    base.timer(() => base.loopBreak()).add(20);
    while (!base.gotBreak) {
      turns++;
      base.loop(EVLOOP_ONCE);
    }
    assertLessOrEqual(turns, 3);
    assertFalse(sender.post("no room"));
    assertEquals(await take(port, 32), Array.from({ length: 32 }, (_, index) => String(index)));
    assert(sender.post("room"));
  });
});

describe("the messages of a port", () => {
  it("end when the port is closed, and when its base is", async () => {
    for (const isBase of [true, false]) {
      const base = new EventBase();
      const port = new LoopPort(base);
      const waiting = [take(port, 1), take(port.messages(), 1)];
      await reactions();
      if (isBase) base.close();
      else port.close();
      assertEquals(await Promise.all(waiting), [[], []]);
      assertEquals(await take(port, 1), []);
      base.close();
    }
  });

  it("end when the signal is aborted, before, between and during waits, and lose nothing over it", async () => {
    using base = new EventBase();
    using port = new LoopPort(base);
    using sender = new LoopPortSender(port.handle);
    assertEquals(await take(port.messages({ signal: AbortSignal.abort() }), 1), []);

    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    const messages = port.messages({ signal });
    const waits = [messages.next(), messages.next()];
    controller.abort();
    assertEquals(await Promise.all(waits), [{ done: true, value: undefined }, { done: true, value: undefined }]);
    assertEquals(await messages.next(), { done: true, value: undefined });
    assert(listeners <= 0);
    sender.post("kept");
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(await take(port, 1), ["kept"]);
  });

  it("take their listeners off the signal when the port is closed, also where nobody waits", async () => {
    using base = new EventBase();
    const port = new LoopPort(base);
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    const [idle, waiting] = [port.messages({ signal }), port.messages({ signal })];
    const wait = waiting.next();
    assertEquals(listeners, 2);
    port.close();
    assertEquals(listeners, 0);
    assertEquals([(await wait).done, (await idle.next()).done], [true, true]);
  });

  it("leave the port open after break, and take their listener off the signal", async () => {
    using base = new EventBase();
    using port = new LoopPort(base);
    using sender = new LoopPortSender(port.handle);
    for (const text of ["a", "b", "c"]) sender.post(text);
    const controller = new AbortController();
    assertEquals(await take(port.messages({ signal: controller.signal }), 2), ["a", "b"]);
    controller.abort();
    assertFalse(port.closed);
    assertEquals(await take(port, 1), ["c"]);
  });

  it("go to those who wait in the order of their asking, each to one", async () => {
    using base = new EventBase();
    using port = new LoopPort(base);
    using sender = new LoopPortSender(port.handle);
    const [first, second] = [port.messages(), port.messages()];
    const waits = [first.next(), second.next(), first.next()];
    for (const text of ["1", "2", "3", "4"]) sender.post(text);
    base.loop(EVLOOP_NONBLOCK);
    const got = (await Promise.all(waits)).map(({ value }) => decoder.decode(value));
    assertEquals(got, ["1", "2", "3"]);
    assertEquals(decoder.decode((await second.next()).value), "4");
    await first.return!();
    assertEquals(await first.next(), { done: true, value: undefined });
  });

  it("are asked for ten thousand times over without harm when the port is closed", async () => {
    using base = new EventBase();
    const port = new LoopPort(base);
    const messages = port.messages();
    const waits = Array.from({ length: 10_000 }, () => messages.next());
    port.close();
    assert((await Promise.all(waits)).every(({ done }) => done));
  });

  it("leave room for other events and for the host, however many there are", async () => {
    using base = new EventBase();
    using port = new LoopPort(base, undefined, { capacityBytes: 1 << 20 });
    using sender = new LoopPortSender(port.handle);
    let turns = 0, hostTurns = 0, posted = 0;
    const timer = base.timer(() => turns++, { repeat: true }).add(0);
    const host = setInterval(() => hostTurns++, 0);
    const running = base.run();
    let left = 20_000;
    // There is always another one, so that a reader without a limit would never let go of the thread.
    const post = (): void => {
      while (posted < 20_000 && sender.post("x")) posted++;
    };
    post();
    for await (const _ of port.messages()) {
      post();
      if (--left === 0) break;
    }
    clearInterval(host);
    timer.close();
    port.close();
    await running;
    assert(turns >= 20_000 / 256 - 1 && hostTurns > 0, `${turns} turns, ${hostTurns} of the host`);
  });

  it("are refused to those who gave a callback", () => {
    using base = new EventBase();
    using port = new LoopPort(base, () => {});
    assertThrows(() => port.messages(), TypeError, "callback");
    assertThrows(() => new LoopPort(base, {} as () => void), TypeError, "not a function");
  });

  it("do not hold up onWake", () => {
    using base = new EventBase();
    let woken = 0;
    using port = new LoopPort(base, undefined, { onWake: () => woken++ });
    using sender = new LoopPortSender(port.handle);
    sender.post("waits");
    sender.wake();
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(woken, 1);
  });
});
