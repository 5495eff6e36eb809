/** What the callback of a datagram socket may do, how much it is given, and what becomes of descriptors. */
import { assert, assertEquals, assertFalse, assertGreater, assertLess, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Datagram, type EventBase, EVLOOP_NONBLOCK, EVLOOP_ONCE, SystemError } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { settle, until } from "./bufferevent_support.ts";
import { freshSockets, numbered, type Sockets, untilReceived } from "./datagram_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  freshSockets(backend, (fresh) => ({ base, sockets } = fresh));

  describe("the callback of a datagram socket", () => {
    it("may pause: the rest waits, and comes in order", () => {
      const server = sockets.receiver({ port: 0 }, (_datagram, socket) => {
        if (server.texts.length === 2) socket.pause();
      });
      const client = sockets.open({});
      const sent = numbered(40);
      for (const text of sent) client.send(text, server.socket.address);
      untilReceived(base, server, 2);
      settle(base);
      assertEquals(server.texts, sent.slice(0, 2));
      assertFalse(server.socket.isReceiving);
      // Nothing keeps a loop alive that receives nothing.
      assertFalse(base.dispatch());
      server.socket.resume();
      assertEquals(untilReceived(base, server, 40), sent);
      server.socket.resume();
    });

    it("may throw: the rest is not lost, and gathered answers leave", () => {
      const client = sockets.receiver({ port: 0 });
      const server = sockets.receiver({ port: 0 }, (datagram) => {
        datagram.reply(`answer to ${datagram.text()}`);
        if (server.texts.length === 2 || server.texts.length === 3) throw new Error("thrown on purpose");
      });
      const sent = numbered(5);
      for (const text of sent) client.socket.send(text, server.socket.address);
      for (let count = 0; count < 2; count++) {
        assertThrows(() => untilReceived(base, server, 5), Error, "thrown on purpose");
      }
      assertEquals(untilReceived(base, server, 5), sent);
      assertEquals(untilReceived(base, client, 5), sent.map((text) => `answer to ${text}`));
    });

    it("may close the socket: what it answered leaves, what else came is dropped", () => {
      const client = sockets.receiver({ port: 0 });
      const server = sockets.receiver({ port: 0 }, (datagram, socket) => {
        datagram.reply("goodbye");
        socket.close();
        socket.close();
        assertFalse(datagram.reply("too late"));
        assertThrows(() => socket.send("x", client.socket.address), Error, "closed");
      });
      for (let count = 0; count < 3; count++) client.socket.send("hello", server.socket.address);
      assertEquals(untilReceived(base, client, 1), ["goodbye"]);
      settle(base);
      assertEquals(server.texts, ["hello"]);
      assertEquals(client.texts, ["goodbye"]);
      assert(server.socket.closed);
    });

    it("may close another socket that has something to read", () => {
      const received: string[] = [];
      const both = [0, 1].map((index) =>
        sockets.open({ port: 0 }, () => {
          received.push(`${index}`);
          both[1 - index]!.close();
        })
      );
      const client = sockets.open({});
      for (const { address } of both) client.send("x", address);
      until(base, () => received.length > 0, "one of them");
      settle(base);
      assertEquals(received.length, 1);
    });

    it("may throw in onError: the other errors are told all the same", () => {
      const codes: string[] = [];
      const socket = sockets.open({
        onError: ({ code }) => {
          codes.push(code);
          if (codes.length === 1) throw new Error("thrown on purpose");
        },
      });
      socket.send(new Uint8Array(70_000), { family: "ipv4", host: "127.0.0.1", port: 9 });
      socket.send("x", { family: "ipv4", host: "127.255.255.255", port: 9 });
      assertThrows(() => settle(base), Error, "thrown on purpose");
      settle(base);
      assertEquals(codes, ["EMSGSIZE", "EACCES"]);
    });
  });

  describe("a flood of datagrams", () => {
    it("leaves others their turn", () => {
      const client = sockets.open({});
      let [handled, handledAtTimer] = [0, -1];
      const server = sockets.open({ port: 0, datagramsPerWakeMax: 20, batch: 8 }, () => {
        handled++;
        // As long as it is answered, the flood never ends.
        if (handled < 2000) client.send("x", server.address);
      });
      for (let count = 0; count < 100; count++) client.send("x", server.address);
      const timer = base.timer(() => handledAtTimer = handled);
      timer.add(0);
      let most = 0;
      for (let turn = 0; handled < 2000 && turn < 1000; turn++) {
        const before = handled;
        base.loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
        most = Math.max(most, handled - before);
      }
      assertEquals(most, 20);
      assertLess(handledAtTimer, 41);
      timer.close();
    });

    it("too large for the kernel's buffer loses some and breaks nothing", () => {
      const server = sockets.receiver({ port: 0, receiveBufferBytes: 4096 });
      const client = sockets.open({});
      for (let count = 0; count < 500; count++) client.send(new Uint8Array(1000), server.socket.address);
      settle(base);
      assertGreater(server.texts.length, 0);
      assertLess(server.texts.length, 500);
      const before = server.texts.length;
      client.send("still there", server.socket.address);
      assertEquals(untilReceived(base, server, before + 1)[before], "still there");
    });
  });

  describe("descriptors of datagram sockets", () => {
    it("do not leak over 2,000 openings, nor when opening fails", () => {
      const before = openDescriptorCount();
      for (let count = 0; count < 2000; count++) {
        using socket = new Datagram(base, { port: 0 }, () => {});
        if (count % 100 === 0) assertThrows(() => new Datagram(base, { port: socket.port }), SystemError, "EADDRINUSE");
        if (count % 100 === 1) {
          assertThrows(() => new Datagram(base, { port: 0, multicastInterface: "no-such-if" }), SystemError);
        }
      }
      assertEquals(openDescriptorCount(), before);
    });

    it("may get the number of one that was just closed", () => {
      const client = sockets.open({});
      let previous = -1;
      for (let round = 0; round < 20; round++) {
        const server = sockets.receiver({ port: 0 });
        if (previous >= 0) assertEquals(server.socket.fd, previous);
        client.send(`round ${round}`, server.socket.address);
        if (round % 2 === 0) assertEquals(untilReceived(base, server, 1), [`round ${round}`]);
        previous = server.socket.fd;
        server.socket.close();
      }
    });

    it("are refused on a base that was closed", () => {
      const other = backend.newBase();
      const socket = new Datagram(other, { port: 0 }, () => {});
      other.close();
      socket.close();
      assertEquals(socket.port > 0, true);
      const before = openDescriptorCount();
      assertThrows(() => new Datagram(other, { port: 0 }), Error, "closed");
      assertThrows(() => Datagram.pair(other), Error, "closed");
      assertEquals(openDescriptorCount(), before);
    });
  });
});
