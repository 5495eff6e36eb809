import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  EV_READ,
  EV_WRITE,
  type EventBase,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { Descriptors, empty, fill, readText, writeText } from "../support/descriptors.ts";
import { inputText, journal, passTime, runFor, settle, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let connection: SocketBufferEvent;
  let far: number;
  let told: string[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    let near: number;
    [near, far] = descriptors.socketpair();
    connection = new SocketBufferEvent(base, near, { keepOpen: true });
    told = journal(connection);
  });
  afterEach(() => {
    connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  describe("a read timeout", () => {
    it("disables reading and is told once, after its time", () => {
      const started = base.now();
      connection.setTimeouts(20, -1);
      connection.enable(EV_READ);
      until(base, () => told.length > 0, "the timeout");
      assertEquals(base.now() - started >= 20, true);
      assertEquals(told, ["TIMEOUT|READING"]);
      assertEquals(connection.enabled, EV_WRITE);
      runFor(base, 40);
      assertEquals(told.length, 1);
    });

    it("runs again once reading is enabled again, which loses no data", () => {
      connection.setTimeouts(5, -1);
      connection.enable(EV_READ);
      until(base, () => told.length === 1, "the timeout");
      writeText(far, "kept");
      connection.enable(EV_READ);
      until(base, () => told.length === 3, "data and a timeout");
      assertEquals(told, ["TIMEOUT|READING", "read", "TIMEOUT|READING"]);
      assertEquals(inputText(connection), "kept");
    });

    it("does not run while reading is disabled or suspended", () => {
      connection.setTimeouts(5, -1);
      runFor(base, 15);
      connection.setWatermark(EV_READ, 0, 1);
      connection.enable(EV_READ);
      writeText(far, "x");
      settle(base);
      runFor(base, 15);
      assertEquals(told, ["read"]);
      connection.input.drain(1);
      until(base, () => told.length === 2, "the timeout");
      assertEquals(told, ["read", "TIMEOUT|READING"]);
    });

    it("gives way to data that came in the same turn", () => {
      connection.setTimeouts(5, -1);
      connection.enable(EV_READ);
      passTime(base, 10);
      writeText(far, "just in time");
      // A single turn: another one might find the next timeout due on a slow machine.
      base.loop(EVLOOP_NONBLOCK | EVLOOP_ONCE);
      assertEquals(told, ["read"]);
      assertEquals(connection.enabled, EV_READ | EV_WRITE);
      until(base, () => told.length === 2, "the timeout that follows");
      assertEquals(told, ["read", "TIMEOUT|READING"]);
    });

    it("is taken away by -1, and set while reading goes on", () => {
      connection.setTimeouts(5, -1);
      connection.enable(EV_READ);
      connection.setTimeouts(-1, -1);
      runFor(base, 15);
      assertEquals(told, []);
      connection.setTimeouts(5, -1);
      until(base, () => told.length > 0, "the timeout");
      assertEquals(told, ["TIMEOUT|READING"]);
    });

    it("starts anew when it is set once more, to the same time too", () => {
      withVirtualTime(backend, (base, time) => {
        const [one, other] = descriptors.socketpair();
        using near = new SocketBufferEvent(base, one, { keepOpen: true });
        using pair = PairBufferEvent.create(base)[0];
        const ends: [string, number][] = [];
        near.setCallbacks({ event: () => ends.push(["socket", time.elapsedMs]) });
        pair.setCallbacks({ event: () => ends.push(["pair", time.elapsedMs]) });
        for (const connection of [near, pair]) {
          connection.setTimeouts(100, -1);
          connection.enable(EV_READ);
        }
        runFor(base, 60);
        pair.setTimeouts(100, -1);
        runFor(base, 10);
        near.setTimeouts(100, 500);
        base.dispatch();
        assertEquals(ends, [["pair", 160], ["socket", 170]]);
        assertEquals(empty(other), 0);
      });
    });

    it("may close the connection from its callback", () => {
      told = journal(connection, { event: (_what, connection) => connection.close() });
      connection.setTimeouts(5, 5);
      connection.enable(EV_READ);
      until(base, () => connection.closed, "the close");
      assertFalse(base.dispatch());
    });
  });

  describe("a write timeout", () => {
    it("disables writing and is told once; what is queued stays", () => {
      fill(connection.fd);
      connection.setTimeouts(-1, 5);
      connection.write("stuck");
      until(base, () => told.length > 0, "the timeout");
      assertEquals(told, ["TIMEOUT|WRITING"]);
      assertEquals(connection.enabled, 0);
      assertEquals(connection.output.length, 5);
      runFor(base, 15);
      assertEquals(told.length, 1);
      empty(far);
      connection.enable(EV_WRITE);
      settle(base);
      assertEquals(readText(far), "stuck");
      assertEquals(told, ["TIMEOUT|WRITING", "write"]);
    });

    it("runs only while something is queued", () => {
      connection.setTimeouts(-1, 5);
      runFor(base, 15);
      connection.write("taken at once");
      runFor(base, 15);
      assertEquals(told, ["write"]);
    });

    it("gives way to room that came in the same turn", () => {
      fill(connection.fd);
      connection.write("just in time");
      settle(base);
      connection.setTimeouts(-1, 5);
      passTime(base, 10);
      empty(far);
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(told, ["write"]);
      assertEquals(readText(far), "just in time");
    });

    it("is set and taken away by -1 while writing waits", () => {
      fill(connection.fd);
      connection.write("stuck");
      settle(base);
      connection.setTimeouts(-1, 5);
      connection.setTimeouts(-1, -1);
      runFor(base, 15);
      assertEquals(told, []);
      connection.setTimeouts(-1, 5);
      until(base, () => told.length > 0, "the timeout");
      assertEquals(told, ["TIMEOUT|WRITING"]);
    });

    it("ends with the queue, when that is drained by hand", () => {
      fill(connection.fd);
      connection.write("stuck");
      settle(base);
      // No turn of the loop between the two, so the time cannot be up before the queue is empty.
      connection.setTimeouts(-1, 5);
      connection.output.unfreezeFront();
      connection.output.drain(Infinity);
      runFor(base, 15);
      assertEquals(told, []);
    });
  });

  it("both directions time out independently of each other", () => {
    fill(connection.fd);
    connection.setTimeouts(5, 5);
    connection.enable(EV_READ);
    connection.write("stuck");
    until(base, () => told.length === 2, "two timeouts");
    assertEquals(told.toSorted(), ["TIMEOUT|READING", "TIMEOUT|WRITING"]);
    assertEquals(connection.enabled, 0);
  });

  it("setTimeouts() refuses what is not a time and changes nothing", () => {
    connection.enable(EV_READ);
    assertThrows(() => connection.setTimeouts(NaN, 5), RangeError, "NaN");
    assertThrows(() => connection.setTimeouts(5, NaN), RangeError, "NaN");
    runFor(base, 15);
    assertEquals(told, []);
    connection.setTimeouts(-1, -1);
  });
});
