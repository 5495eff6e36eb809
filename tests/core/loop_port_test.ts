import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EVLOOP_NONBLOCK, EVLOOP_ONCE } from "../../src/core/constants.ts";
import { EventBase } from "../../src/core/event_base.ts";
import { LoopPort, type LoopPortOptions } from "../../src/core/loop_port.ts";
import { LoopPortSender } from "../../src/core/loop_port_sender.ts";
import { BLOCK_BYTES, FREE, PortMemory, RUNG, TOP, WRITERS } from "../../src/core/port_memory.ts";
import { os, read, WakeChannel } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { takeSpareChannels } from "../support/spare_channels.ts";
import { PortWorker, type Progress, sequenceIn } from "../support/port_worker.ts";

const decoder = new TextDecoder();

/** A port that keeps what it gets, as text. */
function texts(base: EventBase, options: LoopPortOptions = {}): { port: LoopPort; got: string[] } {
  const got: string[] = [];
  return { port: new LoopPort(base, (message) => got.push(decoder.decode(message)), options), got };
}

/** Notes what came from whom, and throws when something is damaged, missing or out of order. */
class Register {
  readonly #next = new Map<number, number>();
  total = 0;

  readonly note = (message: Uint8Array<ArrayBuffer>): void => {
    const id = message[0]!;
    assertEquals(sequenceIn(message), this.of(id), `message of sender ${id}`);
    this.#next.set(id, this.of(id) + 1);
    this.total++;
  };

  of(id: number): number {
    return this.#next.get(id) ?? 0;
  }
}

forEachBackend(({ newBase }) => {
  it("a port delivers bytes and strings in the order of their posting, the empty message too", () => {
    using base = newBase();
    const { port, got } = texts(base);
    using sender = new LoopPortSender(port.handle);
    assert(sender.post("naïve ✓"));
    assert(sender.post(""));
    assert(sender.post(new TextEncoder().encode("bytes")));
    assertEquals(got, []);
    base.loop(EVLOOP_ONCE);
    assertEquals(got, ["naïve ✓", "", "bytes"]);
    port.close();
    assertFalse(base.dispatch());
  });

  it("a port gets messages while dispatch() blocks and while run() sleeps", async () => {
    using worker = await PortWorker.start();
    for (const isBlocking of [true, false]) {
      using base = newBase();
      const register = new Register();
      const port = new LoopPort(base, (message) => {
        register.note(message);
        if (register.total === 3) port.close();
      });
      worker.order({ handle: port.handle, count: 3, id: 1, afterMs: 5 });
      assertFalse(isBlocking ? base.dispatch() : await base.run());
      assertEquals(register.of(1), 3);
    }
  });

  it("a port keeps the loop alive while it is open, unless told not to", () => {
    using base = newBase();
    const { port, got } = texts(base);
    base.timer(() => port.close()).add(1);
    assertFalse(base.dispatch());
    assert(port.closed);
    const { port: idle, got: gotIdle } = texts(base, { keepAlive: false });
    using sender = new LoopPortSender(idle.handle);
    assert(sender.post("not looked for"));
    assertFalse(base.dispatch());
    assertEquals(gotIdle, []);
    base.timer(() => {}).add(1);
    assertFalse(base.dispatch());
    assertEquals(gotIdle, ["not looked for"]);
    assertEquals(got, []);
    idle.close();
  });
});

describe("two Workers that post 5000 messages each", () => {
  let workers: PortWorker[] = [];
  beforeEach(async () => {
    workers = [await PortWorker.start(), await PortWorker.start()];
  });
  afterEach(() => {
    for (const worker of workers) worker.terminate();
  });

  for (const capacityBytes of [1, 1024 * 1024]) {
    for (const way of ["dispatch()", "run()"] as const) {
      it(`reach ${way} complete and in order through ${capacityBytes === 1 ? "the smallest" : "a large"} port`, async () => {
        using base = new EventBase();
        const register = new Register();
        const port = new LoopPort(base, (message) => {
          register.note(message);
          if (register.total === 10_000) port.close();
        }, { capacityBytes });
        workers.forEach((worker, id) => worker.order({ handle: port.handle, count: 5000, id }));
        assertFalse(way === "run()" ? await base.run() : base.dispatch());
        assertEquals([register.of(0), register.of(1)], [5000, 5000]);
        assertEquals(Atomics.load(PortMemory.open(port.handle.memory).cells, FREE), port.capacityBytes / BLOCK_BYTES);
      });
    }
  }

  it("lose no wake-up: the last one is always answered", () => {
    using base = new EventBase();
    let orders: Progress[] = [];
    let calls = 0;
    const onWake = (): void => {
      calls++;
      if (orders.every(({ accepted }) => accepted === 5000)) port.close();
    };
    const port: LoopPort = new LoopPort(base, () => {}, { onWake });
    // A wake-up is counted as accepted after it was asked for, so each Worker rings once more when all are counted.
    orders = workers.map((worker, id) => worker.order({ handle: port.handle, count: 5000, id, isWaking: true }));
    workers.forEach((worker, id) => worker.order({ handle: port.handle, count: 1, id, isWaking: true }));
    assertFalse(base.dispatch());
    assertGreater(calls, 0);
    assertLessOrEqual(calls, 10_002);
  });
});

describe("LoopPort", () => {
  let base: EventBase;
  beforeEach(() => {
    base = new EventBase();
  });
  afterEach(() => base.close());

  it("hands out messages of every size around the blocks, unharmed", () => {
    const sizes = [0, 1, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097, 8192];
    const got: Uint8Array[] = [];
    using port = new LoopPort(base, (message) => got.push(message), { capacityBytes: 8192 });
    using sender = new LoopPortSender(port.handle);
    for (const size of sizes) {
      assert(sender.post(Uint8Array.from({ length: size }, (_byte, index) => index * 31 + size)));
      base.loop(EVLOOP_NONBLOCK);
    }
    assertEquals(got, sizes.map((size) => Uint8Array.from({ length: size }, (_byte, index) => index * 31 + size)));
  });

  it("gives each message bytes of its own, and takes a copy when it is posted", () => {
    const got: Uint8Array[] = [];
    using port = new LoopPort(base, (message) => got.push(message));
    using sender = new LoopPortSender(port.handle);
    const bytes = Uint8Array.of(1, 2, 3);
    for (let count = 0; count < 2; count++) {
      sender.post(bytes);
      bytes.fill(9);
    }
    base.loop(EVLOOP_NONBLOCK);
    got[1]!.fill(0);
    assertEquals(got[0], Uint8Array.of(1, 2, 3));
  });

  it("refuses what does not fit now, overwrites nothing, and takes it again when there is room", () => {
    const { port, got } = texts(base, { capacityBytes: 4096 });
    using sender = new LoopPortSender(port.handle);
    for (let count = 0; count < 32; count++) assert(sender.post(`message ${count}`));
    assertFalse(sender.post(""));
    assertFalse(sender.closed);
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(got, Array.from({ length: 32 }, (_text, count) => `message ${count}`));
    assert(sender.post("x".repeat(4096)));
    assertFalse(sender.post(""));
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(got[32], "x".repeat(4096));
    port.close();
  });

  it("throws for a message that can never fit, and for what is no message", () => {
    const { port } = texts(base, { capacityBytes: 4096 });
    using sender = new LoopPortSender(port.handle);
    assertEquals([port.capacityBytes, sender.capacityBytes], [4096, 4096]);
    assertThrows(
      () => sender.post("x".repeat(4097)),
      RangeError,
      "Cannot post 4097 bytes: the port takes at most 4096",
    );
    assertThrows(() => sender.post(new ArrayBuffer(1) as unknown as Uint8Array), TypeError, "neither");
    port.close();
    assertThrows(() => sender.post("x".repeat(4097)), RangeError);
  });

  it("refuses capacities that are none, and handles that are not a port's", () => {
    for (const capacityBytes of [0, -1, 1.5, NaN, 2 ** 30 + 1]) {
      assertThrows(() => new LoopPort(base, () => {}, { capacityBytes }), RangeError, String(capacityBytes));
    }
    for (const memory of [new SharedArrayBuffer(0), new SharedArrayBuffer(8192), new ArrayBuffer(8192)]) {
      const handle = { fd: 0, memory: memory as SharedArrayBuffer };
      assertThrows(() => new LoopPortSender(handle), TypeError, "Cannot open a loop port's handle");
    }
    using port = new LoopPort(base, () => {});
    assertThrows(() => new LoopPortSender({ fd: -1, memory: port.handle.memory }), TypeError, "-1");
  });

  it("lets other events have their turn between many messages, and still delivers all", () => {
    let ticks = 0;
    let total = 0;
    const seen: number[] = [];
    const port = new LoopPort(base, () => {
      total++;
      if (seen.at(-1) !== ticks) seen.push(ticks);
      if (total === 1024) port.close();
    });
    using sender = new LoopPortSender(port.handle);
    for (let count = 0; count < 1024; count++) assert(sender.post("x"));
    const tick = base.timer(() => ticks++, { repeat: true }).add(0);
    while (!port.closed) base.loop(EVLOOP_ONCE);
    tick.close();
    assertEquals(total, 1024);
    assertGreater(seen.length, 2);
  });

  it("delivers what was posted after a full turn's worth had been fetched", () => {
    const { port, got } = texts(base);
    using sender = new LoopPortSender(port.handle);
    // Two turns' worth: the second turn uses up what the first has fetched and has no time to fetch again.
    for (let count = 0; count < 512; count++) sender.post(String(count));
    base.loop(EVLOOP_ONCE);
    assertEquals(got.length, 256);
    sender.post("last");
    base.loop(EVLOOP_NONBLOCK);
    assertEquals([got.length, got.at(-1)], [513, "last"]);
    port.close();
  });

  it("goes on with the next message after its callback has thrown", () => {
    const got: number[] = [];
    using port = new LoopPort(base, ([byte]) => {
      got.push(byte!);
      if (byte === 1) throw new Error("number one");
    });
    using sender = new LoopPortSender(port.handle);
    for (const byte of [0, 1, 2, 3]) sender.post(Uint8Array.of(byte));
    assertThrows(() => base.loop(EVLOOP_ONCE), Error, "number one");
    assertEquals(got, [0, 1]);
    base.loop(EVLOOP_ONCE);
    assertEquals(got, [0, 1, 2, 3]);
  });

  it("calls onWake once for many wake-ups, after what was posted before them", () => {
    const events: string[] = [];
    using port = new LoopPort(base, (message) => events.push(decoder.decode(message)), {
      onWake: () => events.push("woken"),
    });
    using sender = new LoopPortSender(port.handle);
    for (let count = 0; count < 300; count++) sender.post("m");
    for (let count = 0; count < 100; count++) assert(sender.wake());
    for (let count = 0; count < 4; count++) base.loop(EVLOOP_NONBLOCK);
    assertEquals(events, [...Array.from({ length: 300 }, () => "m"), "woken"]);
    sender.wake();
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(events.length, 302);
  });

  it("is written to once for a burst, and once more after the loop has looked", () => {
    const { port } = texts(base);
    using sender = new LoopPortSender(port.handle);
    const written = (): number => {
      const counter = new BigUint64Array(1);
      return read(port.handle.fd, new Uint8Array(counter.buffer), 8) < 0 ? 0 : Number(counter[0]);
    };
    for (let count = 0; count < 100; count++) sender.post("x");
    if (os.name === "linux") assertEquals(written(), 1);
    sender.post("x");
    if (os.name === "linux") assertEquals(written(), 0);
    port.close();
  });
});

describe("closing", () => {
  it("a port makes every sender closed: those there are, those that come, and what they do is refused", () => {
    using base = new EventBase();
    const { port, got } = texts(base);
    using sender = new LoopPortSender(port.handle);
    sender.post("never delivered");
    port.close();
    port.close();
    assert(sender.closed && new LoopPortSender(port.handle).closed);
    assertFalse(sender.post("x"));
    assertFalse(sender.wake());
    assertFalse(base.dispatch());
    assertEquals(got, []);
  });

  it("a sender concerns neither the port nor other senders", () => {
    using base = new EventBase();
    const { port, got } = texts(base);
    const sender = new LoopPortSender(port.handle);
    using other = new LoopPortSender(port.handle);
    sender.post("before");
    sender.close();
    sender.close();
    assert(sender.closed && !other.closed && !port.closed);
    assertFalse(sender.post("x"));
    assertFalse(sender.wake());
    assert(other.post("after"));
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(got, ["before", "after"]);
    port.close();
  });

  it("a port from its own callback ends the delivery at once", () => {
    using base = new EventBase();
    let calls = 0;
    const port = new LoopPort(base, () => {
      calls++;
      port.close();
    });
    using sender = new LoopPortSender(port.handle);
    sender.post("x");
    sender.post("x");
    assertFalse(base.dispatch());
    assertEquals(calls, 1);
  });

  it("the base closes its ports with it, those that its finalizers open too, and their channels", () => {
    const before = openDescriptorCount();
    const base = new EventBase();
    const { port } = texts(base);
    const handles = [port.handle];
    using sender = new LoopPortSender(port.handle);
    base.timer(() => {}).finalize(() => handles.push(new LoopPort(base, () => {}).handle));
    assert(sender.post("never delivered"));
    base.close();
    assert(port.closed && sender.closed);
    assertFalse(sender.post("x"));
    assertEquals(handles.map((handle) => new LoopPortSender(handle).closed), [true, true]);
    port.close();
    assertLessOrEqual(openDescriptorCount(), before);
  });

  it("never lets a Worker write to a descriptor that got the number of a closed one", async () => {
    using _others = takeSpareChannels();
    using base = new EventBase();
    using worker = await PortWorker.start();
    let reused = 0;
    for (let round = 0; round < 200; round++) {
      let total = 0;
      const port = new LoopPort(base, () => total++, { capacityBytes: 4096 });
      const { fd } = port.handle;
      const progress = worker.order({ handle: port.handle, count: Infinity, id: 7 });
      while (total < round % 20 + 1) base.loop(EVLOOP_ONCE);
      port.close();
      const other = WakeChannel.open() as WakeChannel;
      if (other.readFd === fd) reused++;
      progress.wait();
      assertLess(read(other.readFd, new Uint8Array(new ArrayBuffer(8)), 8), 0);
      other.close();
    }
    assertGreater(reused, 0);
  });

  it("leaves as many descriptors open as before, whoever closes and however the Worker ends", async () => {
    using base = new EventBase();
    using worker = await PortWorker.start();
    // The first order makes the Worker's runtime open whatever it wants for itself.
    using warmUp = new LoopPort(base, () => {});
    worker.order({ handle: warmUp.handle, count: 1, id: 0 }).wait();
    const before = openDescriptorCount();
    for (let round = 0; round < 50; round++) {
      const register = new Register();
      const port = new LoopPort(base, register.note, { capacityBytes: 8192 });
      const progress = worker.order({ handle: port.handle, count: round % 2 === 0 ? 50 : Infinity, id: 1 });
      while (register.total < 50) base.loop(EVLOOP_ONCE);
      if (round % 2 === 0) progress.wait();
      port.close();
      progress.wait();
    }
    assertLessOrEqual(openDescriptorCount(), before);
  });

  it("cannot be made on a closed base, and then leaves no descriptor behind", () => {
    const base = new EventBase();
    base.close();
    const before = openDescriptorCount();
    for (let round = 0; round < 10; round++) assertThrows(() => new LoopPort(base, () => {}), Error, "closed");
    // Fewer, when a Worker of an earlier test has given back its own only now.
    assertLessOrEqual(openDescriptorCount(), before);
  });
});

describe("a sender that is terminated", () => {
  it("at any moment leaves the port working and its messages whole", async () => {
    using base = new EventBase();
    const register = new Register();
    const port = new LoopPort(base, register.note);
    for (let id = 0; id < 10; id++) {
      const worker = await PortWorker.start();
      worker.order({ handle: port.handle, count: Infinity, id });
      while (register.of(id) < 20 * (id + 1)) base.loop(EVLOOP_ONCE);
      worker.terminate();
    }
    using worker = await PortWorker.start();
    const progress = worker.order({ handle: port.handle, count: 1000, id: 10 });
    while (register.of(10) < 1000) base.loop(EVLOOP_ONCE);
    progress.wait();
    port.close();
  });

  it("between any two steps of a post holds up nobody else", () => {
    using base = new EventBase();
    const { port, got } = texts(base, { capacityBytes: 8192 });
    using sender = new LoopPortSender(port.handle);
    const { cells, used } = PortMemory.open(port.handle.memory);
    // It had reserved a block; it had found another; it had taken note of a round that is over.
    Atomics.sub(cells, FREE, 1);
    Atomics.sub(cells, FREE, 1);
    Atomics.or(cells, used, 1);
    Atomics.store(cells, RUNG, 0);
    for (let count = 0; count < 62; count++) assert(sender.post(String(count)));
    assertFalse(sender.post("no room"));
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(got.length, 62);
    assertEquals(Atomics.load(cells, TOP), 0);
    assert(sender.post("again"));
    base.loop(EVLOOP_NONBLOCK);
    assertEquals(got.length, 63);
    port.close();
  });

  it("in the middle of a write does not keep the port from closing, and the next port takes its channel over", () => {
    using _others = takeSpareChannels();
    using base = new EventBase();
    const { port: first } = texts(base);
    const { cells } = PortMemory.open(first.handle.memory);
    Atomics.add(cells, WRITERS, 1);
    first.close();
    const stranger = WakeChannel.open() as WakeChannel;
    assertNotEquals(stranger.readFd, first.handle.fd);
    stranger.close();
    const before = openDescriptorCount();
    for (let round = 0; round < 3; round++) {
      const { port, got } = texts(base);
      assertEquals(port.handle.fd, first.handle.fd);
      using sender = new LoopPortSender(port.handle);
      assert(sender.post("x"));
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(got, ["x"]);
      port.close();
      assertLessOrEqual(openDescriptorCount(), before);
    }
    // It was only slow.
    Atomics.sub(cells, WRITERS, 1);
    texts(base).port.close();
    assertLess(openDescriptorCount(), before);
  });

  it("in the middle of a write, twice on one channel, keeps it open until both writers are done", () => {
    using _others = takeSpareChannels();
    using base = new EventBase();
    const held: Int32Array[] = [];
    let fd = -1;
    for (let round = 0; round < 2; round++) {
      const { port } = texts(base);
      if (round > 0) assertEquals(port.handle.fd, fd);
      fd = port.handle.fd;
      held.push(PortMemory.open(port.handle.memory).cells);
      Atomics.add(held[round]!, WRITERS, 1);
      port.close();
    }
    const before = openDescriptorCount();
    for (const [done, cells] of held.entries()) {
      Atomics.sub(cells, WRITERS, 1);
      const { port } = texts(base);
      assertEquals(port.handle.fd, fd);
      port.close();
      if (done === 0) assertLessOrEqual(openDescriptorCount(), before);
    }
    assertLess(openDescriptorCount(), before);
  });
});
