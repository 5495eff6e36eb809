import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  EV_READ,
  EV_WRITE,
  type EventBase,
  FEATURE_EARLY_CLOSE,
  SocketBufferEvent,
  SystemError,
} from "../../src/core/mod.ts";
import { close } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, fill, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { isPending } from "./async_support.ts";
import { inputText, journal, listeningSocket, runFor, settle, tcpPair, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let connection: SocketBufferEvent;
  let told: string[];
  let near: number;
  let far: number;

  beforeEach(() => {
    base = backend.newBase({ priorities: 3 });
    descriptors = new Descriptors();
    [near, far] = descriptors.socketpair();
    connection = new SocketBufferEvent(base, near, { keepOpen: true });
    told = journal(connection);
    connection.enable(EV_READ);
  });
  afterEach(() => {
    connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  describe("takeFd()", () => {
    it("hands the socket over, and leaves it alone from then on", () => {
      assertEquals(connection.takeFd(), near);
      assertEquals(connection.fd, -1);
      assertEquals(connection.takeFd(), -1);
      connection.write("waits");
      writeText(far, "x");
      settle(base);
      assertEquals(told, []);
      assertEquals(readText(near), "x");
      connection.close();
      writeText(far, "y");
      assertEquals(readText(near), "y");
    });

    it("lets the socket go on under another connection, and this one with another socket", () => {
      connection.write("queued");
      const taken = connection.takeFd();
      using other = new SocketBufferEvent(base, taken, { keepOpen: true });
      const [fd, peer] = descriptors.socketpair();
      connection.replaceFd(fd);
      other.enable(EV_READ);
      writeText(far, "for the other");
      writeText(peer, "for this one");
      settle(base);
      assertEquals(inputText(other), "for the other");
      assertEquals(inputText(connection), "for this one");
      assertEquals(readText(peer), "queued");
      assertEquals(other.enabled, EV_READ | EV_WRITE);
    });

    it("forgets a connect that is under way or has failed already", () => {
      const { port } = listeningSocket(descriptors);
      for (
        const address of [
          { family: "ipv4", host: "127.0.0.1", port } as const,
          { family: "unix", path: "/nonexistent/socket" } as const,
        ]
      ) {
        using connecting = new SocketBufferEvent(base);
        const told = journal(connecting);
        connecting.connect(address);
        close(connecting.takeFd());
        runFor(base, 5);
        assertEquals(told, []);
        const [fd, peer] = descriptors.socketpair();
        connecting.replaceFd(fd);
        connecting.write("connected");
        settle(base);
        assertEquals(readText(peer), "connected");
        connecting.takeFd();
      }
    });

    it("forgets a connect that has failed already also when the next socket gets the same number", () => {
      const { port } = listeningSocket(descriptors);
      using connecting = new SocketBufferEvent(base);
      const told = journal(connecting);
      connecting.connect({ family: "unix", path: "/nonexistent/socket" });
      const fd = connecting.takeFd();
      close(fd);
      connecting.connect({ family: "ipv4", host: "127.0.0.1", port });
      assertEquals(connecting.fd, fd);
      until(base, () => told.length > 0, "the outcome");
      assertEquals(told, ["CONNECTED"]);
    });

    it("in a callback leaves the rest of what had become ready alone", () => {
      fill(connection.fd);
      connection.write("never sent here");
      settle(base);
      connection.setCallbacks({ read: (connection) => connection.takeFd(), write: () => told.push("write") });
      writeText(far, "x");
      settle(base);
      assertEquals(connection.fd, -1);
      assertEquals(told, []);
      assert(connection.output.length > 0);
    });
  });

  it("a callback on the output may take the descriptor away, or close, while it is sent", () => {
    for (const how of ["takeFd", "close"] as const) {
      const [one, other] = descriptors.socketpair();
      using sender = new SocketBufferEvent(base, one, { keepOpen: true, maxSingleWrite: 4 });
      const told = journal(sender);
      sender.output.addCallback((_buffer, { deleted }) => deleted > 0 && sender[how]());
      sender.write("first and second");
      settle(base);
      assertEquals(sender.fd, -1);
      assert(told.length === 0, told.join());
      assertEquals(String(readText(other)).length >= 4, true);
    }
  });

  describe("replaceFd()", () => {
    it("closes the old socket unless it is to be kept open", () => {
      const before = openDescriptorCount();
      const { port } = listeningSocket(descriptors);
      const owner = new SocketBufferEvent(base);
      owner.connect({ family: "ipv4", host: "127.0.0.1", port });
      const [fd] = descriptors.socketpair();
      owner.replaceFd(fd);
      assertEquals(owner.fd, fd);
      owner.takeFd();
      owner.close();
      // The listener and the new pair.
      assertEquals(openDescriptorCount(), before + 3);
      const [other, peer] = descriptors.socketpair();
      connection.replaceFd(other);
      writeText(near, "still open");
      assertEquals(readText(far), "still open");
      writeText(peer, "new");
      settle(base);
      assertEquals(inputText(connection), "new");
    });

    it("with -1 goes on without one, and the same number changes nothing", () => {
      connection.replaceFd(near);
      assertEquals(connection.fd, near);
      connection.replaceFd(-1);
      assertEquals(connection.fd, -1);
      settle(base);
      assertEquals(told, []);
    });

    it("is what somebody has waited for who awaits a peer", async () => {
      for (const how of ["not connecting", "connecting", "connecting by name"]) {
        using waiting = new SocketBufferEvent(base);
        if (how === "connecting") waiting.connect({ family: "unix", path: "/nonexistent/socket" });
        if (how === "connecting by name") waiting.connectHostname("localhost", 9);
        const connected = waiting.connected();
        waiting.replaceFd(descriptors.socketpair()[0]);
        assertFalse(await isPending(connected), how);
        waiting.takeFd();
      }
    });

    it("refuses what is not open, and goes on with what it had", () => {
      const [gone] = descriptors.socketpair();
      descriptors.close(gone);
      assertThrows(() => connection.replaceFd(gone), SystemError, "EBADF");
      writeText(far, "x");
      settle(base);
      assertEquals(told, ["read"]);
      connection.close();
      assertThrows(() => connection.replaceFd(near), Error, "closed");
    });

    it("keeps what was failed from the socket that has come instead", () => {
      descriptors.close(far);
      connection.write("x");
      settle(base);
      assert(told.includes("ERROR|WRITING"));
      const [fd, peer] = descriptors.socketpair();
      connection.replaceFd(fd);
      connection.enable(EV_READ | EV_WRITE);
      connection.write("y");
      writeText(peer, "z");
      settle(base);
      assertEquals(readText(peer), "y");
      assertEquals(inputText(connection), "z");
    });
  });

  describe("watchPeerClose()", () => {
    const can = (): boolean => (base.features & FEATURE_EARLY_CLOSE) !== 0;

    it("tells of a peer that goes while nothing is read, with data unread, once", () => {
      for (const goes of ["disabled", "suspended"]) {
        const [one, other] = tcpPair(descriptors);
        using client = new SocketBufferEvent(base, one, { keepOpen: true });
        const told = journal(client);
        client.setWatermark(EV_READ, 0, 2);
        if (goes === "suspended") client.enable(EV_READ);
        assertEquals(client.watchPeerClose(), can());
        writeText(other, "unread");
        settle(base);
        const before = told.length;
        descriptors.close(other);
        if (can()) until(base, () => told.length > before, "the news");
        runFor(base, 5);
        assertEquals(told.slice(before), can() ? ["PEER_CLOSED"] : []);
        assertEquals(client.closed, false);
        // What was sent before is still there.
        client.setWatermark(EV_READ, 0, 0);
        client.enable(EV_READ);
        until(base, () => told.some((entry) => entry.includes("EOF")), "the end");
        assertEquals(inputText(client), "unread");
      }
    });

    it("tells of one that went before, and is not taken in by a replacement", () => {
      connection.disable(EV_READ);
      descriptors.close(far);
      connection.watchPeerClose();
      settle(base);
      assertEquals(told, can() ? ["PEER_CLOSED"] : []);
      const [fd, peer] = descriptors.socketpair();
      connection.replaceFd(fd);
      settle(base);
      assertEquals(told, can() ? ["PEER_CLOSED"] : []);
      descriptors.close(peer);
      settle(base);
      assertEquals(told, can() ? ["PEER_CLOSED", "PEER_CLOSED"] : []);
    });

    it("does not tell of an end that was read, nor after it was called off", () => {
      descriptors.close(far);
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      connection.watchPeerClose();
      settle(base);
      assertEquals(told, ["EOF|READING"]);
      const [fd, peer] = descriptors.socketpair();
      connection.replaceFd(fd);
      connection.disable(EV_READ);
      assertEquals(connection.watchPeerClose(false), false);
      descriptors.close(peer);
      settle(base);
      assertEquals(told, ["EOF|READING"]);
    });

    it("waits for a connect, and changes nothing for a peer that only has finished sending", () => {
      const { port } = listeningSocket(descriptors);
      using client = new SocketBufferEvent(base);
      const told = journal(client);
      client.watchPeerClose();
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      until(base, () => told.length > 0, "the connect");
      settle(base);
      assertEquals(told, ["CONNECTED"]);
      const [one, other] = descriptors.socketpair();
      using half = new SocketBufferEvent(base, one, { keepOpen: true });
      using sender = new SocketBufferEvent(base, other, { keepOpen: true });
      half.watchPeerClose();
      sender.endWriting();
      settle(base);
      half.write("still read");
      settle(base);
      assertEquals(readText(other), "still read");
    });
  });

  describe("priority", () => {
    it("decides who is served first, and can be changed while something waits", () => {
      const order: string[] = [];
      const [a, b] = [descriptors.socketpair(), descriptors.socketpair()];
      using late = new SocketBufferEvent(base, a[0], { keepOpen: true });
      using early = new SocketBufferEvent(base, b[0], { keepOpen: true });
      late.setCallbacks({ read: () => order.push("late") });
      early.setCallbacks({ read: () => order.push("early") });
      late.enable(EV_READ);
      early.enable(EV_READ);
      late.priority = 2;
      early.priority = 0;
      assertEquals([late.priority, early.priority], [2, 0]);
      writeText(a[1], "x");
      writeText(b[1], "x");
      settle(base);
      assertEquals(order, ["early", "late"]);
      late.trigger(EV_READ, { defer: true });
      early.trigger(EV_READ, { defer: true });
      late.priority = 0;
      early.priority = 1;
      settle(base);
      assertEquals(order.slice(2), ["late", "early"]);
    });

    it("is refused where the base has no such queue", () => {
      assertThrows(() => connection.priority = 3, RangeError, "3 queues");
      assertThrows(() => connection.priority = -1, RangeError);
      assertThrows(() => connection.priority = 0.5, RangeError);
    });
  });

  it("the most of one read and one write can be changed, and 0 stands for the default", () => {
    const fresh = [connection.maxSingleRead, connection.maxSingleWrite];
    connection.maxSingleRead = 3;
    connection.maxSingleWrite = 2;
    assertEquals([connection.maxToRead, connection.maxToWrite], [3, 2]);
    const lengths: number[] = [];
    journal(connection, { read: (connection) => lengths.push(connection.input.take().length) });
    writeText(far, "12345678");
    settle(base);
    assertEquals(lengths, [3, 3, 2]);
    connection.maxSingleRead = 0;
    connection.maxSingleWrite = 2 ** 31;
    assertEquals([connection.maxSingleRead, connection.maxSingleWrite], fresh);
    assertThrows(() => connection.maxSingleRead = -1, RangeError);
    assertThrows(() => connection.maxSingleWrite = 1.5, RangeError);
  });
});
