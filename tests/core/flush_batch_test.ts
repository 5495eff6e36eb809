/** Connections whose output leaves together, once a few callbacks have run. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  type EventBase,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { FlushBatch } from "../../src/core/flush_batch.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Descriptors, readText, waitingBytes, writeText } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";

describe("FlushBatch", () => {
  /** A batch whose time stands still, and the names of those that have sent. */
  function freshBatch(): { batch: FlushBatch; sent: string[]; time: { ms: number }; add(name: string): void } {
    const time = { ms: 1000 };
    const sent: string[] = [];
    const batch = new FlushBatch(() => time.ms);
    return { batch, sent, time, add: (name) => batch.add({ sendBatched: () => void sent.push(name) }) };
  }

  /** One that waits for eight by now. */
  function batch(): ReturnType<typeof freshBatch> {
    const world = freshBatch();
    for (const name of "quickly") world.add(name);
    world.batch.send();
    world.sent.length = 0;
    return world;
  }

  /** Adds twenty, each after `gapMs`, and returns how many sent together each time. */
  function sizesOf({ sent, time, add }: ReturnType<typeof freshBatch>, gapMs: number): number[] {
    const sizes: number[] = [];
    for (let nth = 0; nth < 20; nth++) {
      const before = sent.length;
      time.ms += gapMs;
      add(`${nth}`);
      if (sent.length > before) sizes.push(sent.length - before);
    }
    return sizes;
  }

  it("sends in their order when two have come, then twice as many each time up to eight", () => {
    const world = freshBatch();
    assertEquals(sizesOf(world, 0.02), [2, 4, 8]);
    assertEquals(world.sent, Array.from({ length: 14 }, (_, nth) => `${nth}`));
    world.batch.send();
    assertEquals(sizesOf(world, 0.02), [8, 8]);
    assertEquals(world.batch.errors, []);
  });

  it("sends when two have come if more of them took longer than 0.2 ms", () => {
    const world = freshBatch();
    assertEquals(sizesOf(world, 0.06), [2, 4, 4, 4, 4]);
    world.batch.send();
    assertEquals(sizesOf(world, 1), [4, 2, 2, 2, 2, 2, 2, 2, 2]);
    assertEquals(sizesOf(world, 0.19), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    assertEquals(sizesOf(world, 0), [2, 4, 8]);
  });

  it("sends as many at a time after fewer have come", () => {
    const world = batch();
    for (let nth = 0; nth < 3; nth++) {
      world.add("few");
      world.batch.send();
    }
    assertEquals(sizesOf(world, 0), [8, 8]);
  });

  it("does not read the clock for one alone", () => {
    let readings = 0;
    const batch = new FlushBatch(() => ++readings);
    batch.add({ sendBatched: () => {} });
    batch.send();
    batch.send();
    assertStrictEquals(readings, 1);
  });

  it("sends after a callback that has added nothing", () => {
    const { batch: sends, sent, add } = batch();
    add("a");
    sends.callbackEnded();
    add("b");
    sends.callbackEnded();
    assertEquals(sent, []);
    sends.callbackEnded();
    assertEquals(sent, ["a", "b"]);
    assertStrictEquals(sends.count, 0);
  });

  it("sends for those who are added meanwhile, too", () => {
    const { batch: sends, sent, add } = batch();
    for (let i = 0; i < 6; i++) {
      sends.add({
        sendBatched: () => {
          sent.push("twice");
          add("more");
          add("more");
        },
      });
    }
    sends.send();
    assertEquals(sent.filter((name) => name === "twice").length, 6);
    assertEquals(sent.filter((name) => name === "more").length, 12);
    assertStrictEquals(sends.count, 0);
    add("a");
    sends.send();
    assertStrictEquals(sent.at(-1), "a");
  });

  it("lets one send before its turn, once, also while others send", () => {
    const { batch: sends, sent, add } = batch();
    const hasty = { sendBatched: () => void sent.push("hasty") };
    add("a");
    sends.add(hasty);
    assertEquals([sends.hurry(hasty), sends.hurry(hasty)], [true, false]);
    assertEquals(sent, ["hasty"]);
    sends.send();
    assertEquals(sent, ["hasty", "a"]);
    sends.add({ sendBatched: () => sends.hurry(hasty) });
    add("b");
    sends.add(hasty);
    sends.send();
    assertEquals(sent, ["hasty", "a", "hasty", "b"]);
  });

  it("goes on when one throws, and keeps what was thrown", () => {
    const { batch: sends, sent, add } = batch();
    add("a");
    for (const message of ["one", "other"]) {
      sends.add({
        sendBatched: () => {
          throw new Error(message);
        },
      });
    }
    add("b");
    sends.send();
    assertEquals(sent, ["a", "b"]);
    assertEquals(sends.errors.map((error) => (error as Error).message), ["one", "other"]);
    assertStrictEquals(sends.count, 0);
  });
});

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  /** Connections that answer what they receive with its number, in the order in which they were called. */
  class Answering {
    readonly connections: SocketBufferEvent[] = [];
    /** The other ends, in the same order. */
    readonly peers: number[] = [];
    /** The peers of those that have been called, in that order. */
    readonly called: number[] = [];
    act: (nth: number) => void = () => {};

    constructor(count: number, sendsTogether = true) {
      for (let index = 0; index < count; index++) {
        const [one, peer] = descriptors.socketpair();
        const connection = new SocketBufferEvent(base, one, { keepOpen: true });
        connection.setSink({ sendsTogether, receive: () => this.#receive(connection, peer) });
        connection.enable(EV_READ);
        this.connections.push(connection);
        this.peers.push(peer);
      }
    }

    #receive(connection: SocketBufferEvent, peer: number): void {
      this.called.push(peer);
      connection.write(`reply ${this.called.length}`);
      this.act(this.called.length);
    }

    ask(): void {
      for (const peer of this.peers) writeText(peer, "?");
    }

    /** What the peer of the `nth` that was called has to read. */
    repliesTo(nth: number): string | number {
      return readText(this.called[nth - 1]!);
    }

    /** Whether the peer of the `nth` has something to read. */
    hasReplied(nth: number): boolean {
      return waitingBytes(this.called[nth - 1]!) > 0;
    }

    close(): void {
      for (const connection of this.connections) connection.close();
    }
  }

  const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `reply ${index + 1}`);

  describe("connections that send together", () => {
    it("send after the next one has been called, and before the loop waits again", () => {
      const all = new Answering(20);
      const early: boolean[] = [];
      all.act = (nth) => {
        if (nth === 2) early.push(all.hasReplied(1));
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(early, [false]);
      assertEquals(numbered(20).map((_, index) => all.repliesTo(index + 1)), numbered(20));
      all.close();
    });

    it("are those whose sink allows it", () => {
      const all = new Answering(2, false);
      const early: boolean[] = [];
      all.act = (nth) => {
        if (nth === 2) early.push(all.hasReplied(1));
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(early, [true]);
      all.close();
    });

    it("do not wait with much", () => {
      const all = new Answering(2);
      const early: boolean[] = [];
      all.act = (nth) => {
        if (nth === 2) early.push(all.hasReplied(1));
        else all.connections[all.peers.indexOf(all.called[0]!)]!.write("x".repeat(17_000));
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(early, [true]);
      all.close();
    });

    it("do not wait for callbacks that send nothing", () => {
      const all = new Answering(1);
      const found: boolean[] = [];
      const look = (): void => void found.push(all.hasReplied(1));
      const [first, second] = [base.timer(look), base.timer(look)];
      all.act = () => {
        first.activate(EV_TIMEOUT);
        second.activate(EV_TIMEOUT);
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(found, [false, true]);
      all.close();
    });

    it("have sent when the loop is left, by a break or by what a callback throws", () => {
      const all = new Answering(2);
      all.act = (nth) => {
        if (nth === 2) base.loopBreak();
      };
      all.ask();
      base.dispatch();
      assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
      all.called.length = 0;
      all.act = (nth) => {
        if (nth === 2) throw new Error("in a callback");
      };
      all.ask();
      assertThrows(() => base.loop(EVLOOP_ONCE), Error, "in a callback");
      assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
      all.close();
    });

    it("keep what they have when another disables their writing, and send it when that is enabled again", () => {
      const all = new Answering(2);
      const first = (): SocketBufferEvent => all.connections[all.peers.indexOf(all.called[0]!)]!;
      all.act = (nth) => {
        if (nth === 2) first().disable(EV_WRITE);
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals([all.hasReplied(1), all.repliesTo(2)], [false, "reply 2"]);
      assertEquals(first().output.length, "reply 1".length);
      first().enable(EV_WRITE);
      base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
      assertEquals(all.repliesTo(1), "reply 1");
      all.close();
    });

    it("send before they are closed by the callback of another", () => {
      const all = new Answering(2);
      all.act = (nth) => {
        if (nth === 2) { for (const connection of all.connections) connection.close(); }
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(all.repliesTo(1), "reply 1");
    });

    it("send before they are closed by one that hears that its own has left", () => {
      const all = new Answering(2);
      for (const connection of all.connections) {
        connection.setCallbacks({
          write: () => {
            for (const other of all.connections) if (other !== connection) other.close();
          },
        });
      }
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
      all.close();
    });

    it("end the loop by what each of them throws, one after the other", () => {
      const all = new Answering(2);
      for (const connection of all.connections) {
        connection.setCallbacks({
          write: () => {
            throw new Error("told of sending");
          },
        });
      }
      all.ask();
      assertThrows(() => base.loop(EVLOOP_ONCE), Error, "told of sending");
      // Nothing else has happened meanwhile that would have a callback run.
      assertThrows(() => base.loop(EVLOOP_NONBLOCK), Error, "told of sending");
      assertStrictEquals(base.loop(EVLOOP_NONBLOCK), 0);
      all.close();
    });

    it("hear nothing more when they are closed, neither that they have sent nor that they cannot", () => {
      const all = new Answering(3);
      const heard: string[] = [];
      all.act = (nth) => {
        // The reply of the first can never arrive.
        if (nth === 1) descriptors.close(all.called[0]!);
        if (nth !== 2) return;
        for (const connection of all.connections) {
          connection.setCallbacks({ write: () => heard.push("write"), event: () => heard.push("event") });
          connection.close();
        }
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(heard, []);
    });

    it("send before they give up their socket, to the peer that it was for", () => {
      for (const how of ["takeFd", "replaceFd"] as const) {
        const all = new Answering(2);
        const [other, otherPeer] = descriptors.socketpair();
        all.act = (nth) => {
          if (nth !== 2) return;
          const first = all.connections[all.peers.indexOf(all.called[0]!)]!;
          if (how === "takeFd") first.takeFd();
          else first.replaceFd(other);
        };
        all.ask();
        base.loop(EVLOOP_ONCE);
        base.loop(EVLOOP_NONBLOCK);
        assertEquals(waitingBytes(otherPeer), 0);
        assertEquals([1, 2].map((nth) => all.hasReplied(nth)), [true, true]);
        assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
        all.close();
      }
    });

    it("take no other socket when they are closed as they hear that they have sent", () => {
      const all = new Answering(2);
      const [other] = descriptors.socketpair();
      all.act = (nth) => {
        if (nth !== 2) return;
        const first = all.connections[all.peers.indexOf(all.called[0]!)]!;
        first.setCallbacks({ write: () => first.close() });
        assertThrows(() => first.replaceFd(other), Error, "closed");
        assertStrictEquals(first.fd, -1);
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
      all.close();
    });

    it("send what is queued when they are to be closed after that, and are closed", () => {
      const all = new Answering(3);
      all.act = (nth) => {
        if (nth === 2) { for (const connection of all.connections) connection.closeAfterFlush(); }
      };
      all.ask();
      for (let turn = 0; turn < 3; turn++) base.loop(EVLOOP_ONCE);
      assertEquals([all.repliesTo(1), all.repliesTo(2)], numbered(2));
      assertEquals(all.connections.map(({ closed }) => closed), [true, true, true]);
    });

    it("tell each of its own failure, and let the others send", () => {
      const errors: unknown[] = [];
      base.onError = (error) => errors.push((error as Error).message);
      const all = new Answering(3);
      for (const connection of all.connections) {
        connection.setCallbacks({
          event: () => {
            throw new Error("told of an event");
          },
        });
      }
      all.act = (nth) => {
        // Its reply is queued already, and can never arrive.
        if (nth === 1) descriptors.close(all.called[0]!);
      };
      all.ask();
      base.loop(EVLOOP_ONCE);
      assertEquals(errors, ["told of an event"]);
      assertEquals([all.repliesTo(2), all.repliesTo(3)], ["reply 2", "reply 3"]);
      all.close();
    });
  });
});
