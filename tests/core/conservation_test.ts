/** Random conversations under everything that can hold them up: every byte arrives, in order, and no more than may wait does. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_FLUSH,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  RateLimit,
  RateLimitGroup,
  SocketBufferEvent,
  SocketRelay,
} from "../../src/core/mod.ts";
import { allocate, os, read, setSocketOption, shutdown, write } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { canFail, type Fault, withFaults } from "../support/faults.ts";
import { fuzzEffort, Random } from "../support/fuzz.ts";
import { assertSameBytes, pattern, settle, tcpPair, until } from "./bufferevent_support.ts";
import { forEachKind } from "./connection_kinds.ts";

const { EAGAIN } = os.errno as { EAGAIN: number };
const { SHUT_WR, SOL_SOCKET, SO_SNDBUF, SO_RCVBUF } = os.constants;

/** One direction of a conversation between connections. */
class Stream {
  readonly received = new EvBuffer();
  readonly #random: Random;
  readonly #from: BufferEvent;
  readonly #to: BufferEvent;
  readonly #bytes: Uint8Array;
  #sent = 0;

  constructor(random: Random, from: BufferEvent, to: BufferEvent, bytes: Uint8Array) {
    this.#random = random;
    this.#from = from;
    this.#to = to;
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.received.length === this.#bytes.length;
  }

  /** Queues some more, copied or by reference, or as a file would be: in pieces of any size. */
  write(): void {
    const size = this.#random.pick([1, 7, 100, 1024, 5000, 20_000, 70_000, 200_000]);
    const piece = this.#bytes.subarray(this.#sent, this.#sent + this.#random.below(size) + 1);
    if (this.#random.below(3) === 0) this.#from.output.addReference(piece.slice());
    else this.#from.write(piece);
    this.#sent += piece.length;
  }

  /** Takes some of what has come. */
  take(bytesMax: number = this.#random.pick([1, 50, 3000, 100_000, Infinity])): void {
    this.#to.input.removeBuffer(this.received, bytesMax);
  }

  /** Lets everything go. */
  finish(): void {
    while (this.#sent < this.#bytes.length) this.write();
    this.#to.enable(EV_READ);
    this.#from.enable(EV_WRITE);
  }

  assertWhole(): void {
    assertSameBytes(this.received.take(), this.#bytes);
  }
}

function disturb(random: Random, end: BufferEvent, group: RateLimitGroup): void {
  switch (random.below(9)) {
    case 0:
      return end.disable(random.pick([EV_READ, EV_WRITE]));
    case 1:
    case 2:
      return end.enable(EV_READ | EV_WRITE);
    case 3:
      return end.setWatermark(EV_READ, random.below(20), random.pick([0, 1, 64, 5000, 65_536, 100_000]));
    case 4:
      return end.setWatermark(EV_WRITE, random.below(2000), random.pick([0, 100, 30_000]));
    case 5:
      return end.setRateLimit(
        random.below(2) === 0 ? null : new RateLimit({ readRate: 60_000, writeRate: 50_000, tickMs: 1 }),
      );
    case 6:
      if (end.rateLimitGroup === null) group.add(end);
      else group.remove(end);
      return;
    case 7:
      end.maxSingleRead = random.pick([0, 1000, 4096, 65_536]);
      end.maxSingleWrite = random.pick([0, 3000, 300_000]);
      return;
    case 8:
      end.flush(EV_WRITE, random.below(4) === 0 ? BEV_FLUSH : 0);
  }
}

forEachBackend((backend) => {
  forEachKind((kind) => {
    it("a conversation held up by marks, limits and switches loses nothing", () => {
      for (let seed = 1; seed <= 3 * fuzzEffort; seed++) {
        const random = new Random(seed * 7919);
        using base = backend.newBase();
        using descriptors = new Descriptors();
        const [near, far] = kind.open(base, descriptors);
        using group = new RateLimitGroup(base, new RateLimit({ readRate: 100_000, writeRate: 100_000, tickMs: 1 }));
        const bytes = pattern(400_000 + random.below(200_000));
        const streams = [new Stream(random, near, far, bytes), new Stream(random, far, near, bytes)];
        const ends = [near, far];
        // Read by callbacks in one direction, and by hand in the other.
        far.setCallbacks({ read: () => streams[0]!.take() });
        for (let step = 0; step < 60; step++) {
          const stream = random.pick(streams);
          if (random.below(3) > 0) stream.write();
          else stream.take();
          disturb(random, random.pick(ends), group);
          if (random.below(2) === 0) settle(base);
        }
        for (const end of ends) {
          end.setRateLimit(null);
          group.remove(end);
          end.setWatermark(EV_READ | EV_WRITE, 0, 0);
        }
        for (const stream of streams) stream.finish();
        until(base, () => {
          for (const stream of streams) stream.take(Infinity);
          return streams.every(({ isDone }) => isDone);
        }, `all bytes of seed ${seed}`);
        for (const stream of streams) stream.assertWhole();
        assertEquals([near.error, far.error], [null, null]);
        near.close();
        far.close();
      }
    });
  });

  describe("a relay", () => {
    let calls = 0;
    const ways: Record<string, readonly Fault[]> = {
      "as it can": [],
      ...(canFail("splice") && {
        "through memory": [{ call: "splice", error: "EINVAL" }],
        "through small pipes, and interrupted": [
          { call: "fcntl", error: "EPERM", when: (_fd, command) => command === 1031 },
          { call: "splice", error: "EINTR", when: () => ++calls % 5 === 0 },
        ],
      }),
    };
    for (const [way, faults] of Object.entries(ways)) {
      it(`carries a random conversation that ends on either side first, ${way}`, () => {
        withFaults(faults, () => {
          for (let seed = 1; seed <= 6 * fuzzEffort; seed++) {
            converse(backend.newBase(), new Random(seed * 104_729), seed);
          }
        });
      });
    }
  });
});

/** One outer end of a relay: what it says, how far it has come, and what it has heard. */
interface Speaker {
  readonly fd: number;
  readonly says: Uint8Array;
  readonly hears: Uint8Array;
  said: number;
  heard: number;
  hasEnded: boolean;
  hasHeardEnd: boolean;
}

function converse(base: EventBase, random: Random, seed: number): void {
  using _base = base;
  const before = openDescriptorCount();
  {
    using descriptors = new Descriptors();
    const open = random.pick([tcpPair, (descriptors: Descriptors) => descriptors.socketpair()]);
    const [[left, one], [right, other]] = [open(descriptors), open(descriptors)];
    for (const fd of [left, one, right, other]) {
      if (random.below(2) === 0) setSocketOption(fd, SOL_SOCKET, random.pick([SO_SNDBUF, SO_RCVBUF]), 8192);
    }
    const sides = [one, other].map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
    const [first, second] = sides as [SocketBufferEvent, SocketBufferEvent];
    for (const side of sides) side.maxSingleRead = random.pick([0, 100, 4096, 10_000]);
    const waitingBytesMax = random.pick([1000, 4096, 65_536, 256 * 1024]);
    const told: (Error | null)[] = [];
    const words = [pattern(random.below(100_000)), pattern(random.below(100_000)).reverse()];
    const speakers = [left, right].map((fd, index): Speaker => ({
      fd,
      says: words[index]!,
      hears: allocate(words[1 - index]!.length + 1),
      said: 0,
      heard: 0,
      hasEnded: false,
      hasHeardEnd: false,
    }));
    using relay = new SocketRelay(first, second, { waitingBytesMax }, (error) => told.push(error));
    for (let step = 0; told.length === 0; step++) {
      assert(step < 100_000, `seed ${seed} does not come to its end`);
      const speaker = random.pick(speakers);
      if (random.below(2) === 0) say(speaker, random);
      else hear(speaker, random);
      settle(base);
      // A read of one direction may go on while the other holds as much.
      assertLessOrEqual(relay.waitingBytes, 2 * waitingBytesMax);
    }
    for (const speaker of speakers) while (!speaker.hasHeardEnd) hear(speaker, random);
    assertEquals(
      [told, relay.bytesForth, relay.bytesBack],
      [[null], words[0]!.length, words[1]!.length],
      `seed ${seed}`,
    );
    speakers.forEach(({ hears, heard }, index) => assertSameBytes(hears.subarray(0, heard), words[1 - index]!));
  }
  assertEquals(openDescriptorCount(), before);
}

function say(speaker: Speaker, random: Random): void {
  const rest = speaker.says.subarray(speaker.said, speaker.said + random.pick([10, 5000, 100_000]));
  if (rest.length > 0) {
    const piece = allocate(rest.length);
    piece.set(rest);
    speaker.said += Math.max(0, write(speaker.fd, piece, piece.length));
  } else if (!speaker.hasEnded) {
    speaker.hasEnded = true;
    shutdown(speaker.fd, SHUT_WR);
  }
}

function hear(speaker: Speaker, random: Random): void {
  const piece = allocate(random.pick([700, 30_000, 200_000]));
  const count = read(speaker.fd, piece, piece.length);
  if (count === 0) speaker.hasHeardEnd = true;
  assert(count >= 0 || count === -EAGAIN, `read says ${count}`);
  if (count <= 0) return;
  speaker.hears.set(piece.subarray(0, count), speaker.heard);
  speaker.heard += count;
}
