/** The loop waits for whoever takes things piece by piece, while nothing more is let in because of those he has. */
import { assert, assertEquals, assertFalse, assertGreater, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { EV_READ, EVENT_BASE_COUNT_VIRTUAL, type EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import { READ_AHEAD_BYTES } from "../../src/core/async_reader.ts";
import { countEvents } from "../../src/core/introspection.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, fill, waitingBytes } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { eventually, isPending } from "./async_support.ts";
import { clientSocket } from "./bufferevent_support.ts";

/** Something outside of the loop that takes its time: a file, say. */
class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.passed = new Promise((resolve) => this.open = resolve);
  }
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  /** A connection with nothing else to wait for but what its other end has sent, and how many bytes that are: all that the kernel takes. */
  function open(): { near: SocketBufferEvent; sent: number } {
    const [one, other] = descriptors.socketpair();
    fill(other);
    const sent = waitingBytes(one);
    assertGreater(sent, 2 * READ_AHEAD_BYTES);
    descriptors.close(other);
    return { near: new SocketBufferEvent(base, one, { keepOpen: true }), sent };
  }

  /** Runs the loop until it ends by itself, while `consume` waits at the gate with its first piece as soon as `isFull`. */
  async function held(consume: (gate: Gate) => Promise<void>, isFull: () => boolean): Promise<void> {
    const gate = new Gate();
    const consuming = consume(gate);
    const running = base.run();
    await eventually(isFull, "that nothing more is let in");
    assert(await isPending(running));
    gate.open();
    await consuming;
    assertFalse(await running);
    assertEquals(countEvents(base, EVENT_BASE_COUNT_VIRTUAL), 0);
  }

  it("an iteration over connections that has as many as may wait", async () => {
    const listener = new Listener(base, { port: 0 });
    const stream = listener.connections({ queueMax: 2 });
    let accepted = 0;
    let served = 0;
    const accept = stream.accepted.bind(stream);
    stream.accepted = (fd) => {
      accepted++;
      accept(fd);
    };
    for (let count = 0; count < 6; count++) clientSocket(descriptors, listener.port);
    await held(async (gate) => {
      for await (const connection of stream) {
        await gate.passed;
        connection.close();
        if (++served === 6) listener.close();
      }
    }, () => accepted === 3);
    assertEquals(served, 6);
  });

  it("an iteration over connections may be disabled meanwhile, and stays so", async () => {
    using listener = new Listener(base, { port: 0 });
    const stream = listener.connections({ queueMax: 1 });
    for (let count = 0; count < 3; count++) clientSocket(descriptors, listener.port);
    const running = base.run();
    await eventually(() => reactorOf(base).virtualCount === 1, "one waits");
    assert(listener.enabled);
    listener.disable();
    (await stream.next()).value?.close();
    // Nobody keeps it any more.
    assertFalse(await running);
    assertFalse(listener.enabled);
    listener.enable();
    (await Promise.all([stream.next(), base.run({ until: new Promise((resolve) => setTimeout(resolve, 1)) })]))[0].value
      ?.close();
    await stream.return();
  });

  for (
    const [what, high] of [["as much as is read ahead", 0], ["as much as the high watermark allows", 1000]] as const
  ) {
    it(`an iteration over bytes that has ${what}`, async () => {
      const { near, sent } = open();
      near.setWatermark(EV_READ, 0, high);
      let got = 0;
      await held(async (gate) => {
        for await (const chunk of near) {
          got += chunk.length;
          await gate.passed;
        }
      }, () => near.input.length >= (high || READ_AHEAD_BYTES));
      assertEquals(got, sent);
    });
  }

  it("an iteration over bytes after one that could not begin", async () => {
    const { near, sent } = open();
    near.setSink({ receive: () => {} });
    const refused = near[Symbol.asyncIterator]();
    assertThrows(() => void refused.next(), Error, "a sink takes the bytes");
    near.setSink(null);
    await refused.return();
    let got = 0;
    await held(async (gate) => {
      for await (const chunk of near) {
        got += chunk.length;
        await gate.passed;
      }
    }, () => near.input.length >= READ_AHEAD_BYTES);
    assertEquals(got, sent);
  });

  it("a stream of bytes that is piped to somebody slow", async () => {
    const { near, sent } = open();
    let got = 0;
    await held(
      (gate) =>
        near.readable.pipeTo(
          new WritableStream({
            async write(chunk): Promise<void> {
              got += chunk.length;
              await gate.passed;
            },
          }),
        ),
      () => near.input.length >= READ_AHEAD_BYTES,
    );
    assertEquals(got, sent);
  });

  it("not for one that was left, cancelled or closed", async () => {
    for (const leave of ["break", "cancel", "close"]) {
      const { near } = open();
      const reader = leave === "cancel" ? near.readable.getReader() : null;
      const iterator = near[Symbol.asyncIterator]();
      const running = base.run();
      await (reader === null ? iterator.next() : reader.read());
      await eventually(() => near.input.length >= READ_AHEAD_BYTES, "that nothing more is let in");
      assert(await isPending(running));
      if (leave === "break") await iterator.return();
      else if (leave === "cancel") await reader!.cancel();
      else near.close();
      assertFalse(await running);
      near.close();
    }
  });
});
