import { assert, assertEquals, assertFalse, assertGreater, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type EventBase, type ReceivedDatagram, SystemError } from "../../src/core/mod.ts";
import { fcntl, getSocketOption, os, socket } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { settle, until } from "./bufferevent_support.ts";
import { freshSockets, numbered, type Sockets, untilReceived } from "./datagram_support.ts";

const c = os.constants;

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  freshSockets(backend, (fresh) => ({ base, sockets } = fresh));

  describe("a UDP socket", () => {
    it("picks a free port of 127.0.0.1, and hands over what comes with its sender", () => {
      const senders: unknown[] = [];
      const server = sockets.receiver({ port: 0 }, (datagram) => senders.push(datagram.sender));
      assertEquals(server.socket.address, { family: "ipv4", host: "127.0.0.1", port: server.socket.port });
      assertGreater(server.socket.port, 0);
      const client = sockets.open({ port: 0 });
      assert(client.send("Hello", server.socket.address));
      assertEquals(untilReceived(base, server, 1), ["Hello"]);
      assertEquals(senders, [client.address]);
      assertEquals(server.socket.counts, { received: 1, truncated: 0, sent: 0, dropped: 0, refused: 0, errors: 0 });
      assertEquals(client.counts, { received: 0, truncated: 0, sent: 1, dropped: 0, refused: 0, errors: 0 });
    });

    it("takes localhost for the address of its family", () => {
      for (const [family, host] of [[undefined, "127.0.0.1"], ["ipv4", "127.0.0.1"], ["ipv6", "::1"]] as const) {
        const { address } = sockets.open({ host: "localhost", port: 0, family });
        assertEquals(address.family === "unix" ? "" : address.host, host);
      }
    });

    it("is non-blocking and closed on exec", () => {
      const { fd } = sockets.open({ port: 0 });
      assert((fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK) !== 0);
      assert((fcntl(fd, c.F_GETFD, 0) & c.FD_CLOEXEC) !== 0);
    });

    it("keeps the order of what one sender sends, over many batches", () => {
      const server = sockets.receiver({ port: 0, receiveBufferBytes: 4_000_000 });
      const client = sockets.open({ family: "ipv4" });
      const sent = numbered(150);
      for (const text of sent) client.send(text, server.socket.address);
      assertEquals(untilReceived(base, server, sent.length), sent);
    });

    it("carries datagrams without any bytes", () => {
      const lengths: number[] = [];
      const server = sockets.open({ port: 0 }, (datagram) => lengths.push(datagram.length, datagram.bytes.length));
      const client = sockets.open({});
      client.send("", server.address);
      client.send(new Uint8Array(0), server.address);
      client.sendMany([["", server.address], ["x", server.address]]);
      until(base, () => lengths.length === 8, "four datagrams");
      assertEquals(lengths, [0, 0, 0, 0, 0, 0, 1, 1]);
    });

    it("carries 65,507 bytes over IPv4 and 65,527 over IPv6, and says of more that it is too much", () => {
      for (const [host, most] of [["127.0.0.1", 65_507], ["::1", 65_527]] as const) {
        const errors: SystemError[] = [];
        let received: ReceivedDatagram | undefined;
        const server = sockets.open({ host, port: 0 }, (datagram) => received = datagram.copy());
        const client = sockets.open({
          family: server.family,
          sendBufferBytes: 300_000,
          onError: (error) => errors.push(error),
        });
        const data = new Uint8Array(most + 1).map((_, index) => index * 7);
        assertFalse(client.send(data, server.address));
        assertEquals(errors, []);
        settle(base);
        assertEquals(errors.map(({ code, port }) => [code, port]), [["EMSGSIZE", server.port]]);
        assertStringIncludes(errors[0]!.message, `a datagram of ${most + 1} bytes to`);
        assertStringIncludes(errors[0]!.message, `at most ${most} bytes`);
        assert(client.send(data.subarray(0, most), server.address));
        until(base, () => received !== undefined, "the datagram");
        assertEquals(received!.bytes, data.subarray(0, most));
        assertFalse(received!.truncated);
        assertEquals(client.counts.refused, 1);
        assertEquals(client.lastError, errors[0]!);
      }
    });

    it("reports what did not fit", () => {
      const found: unknown[] = [];
      const server = sockets.open({ port: 0, maxDatagramBytes: 10 }, (datagram) => {
        found.push([datagram.text(), datagram.truncated, datagram.length]);
      });
      const client = sockets.open({});
      for (const text of ["0123456789", "0123456789a", "short"]) client.send(text, server.address);
      until(base, () => found.length === 3, "three datagrams");
      const cut = os.name === "linux" ? 11 : 10;
      assertEquals(found, [["0123456789", false, 10], ["0123456789", true, cut], ["short", false, 5]]);
      assertEquals(server.counts.truncated, 1);
    });

    it("answers whom it has to, all answers of a batch in one go and in order", () => {
      const server = sockets.open({ port: 0 }, (datagram, socket) => {
        datagram.reply(`1:${datagram.text()}`);
        socket.send(`2:${datagram.text()}`, datagram.sender);
        assertEquals(socket.queuedDatagrams > 0, true);
      });
      const clients = [0, 1, 2].map(() => sockets.receiver({ port: 0 }));
      for (let round = 0; round < 3; round++) {
        for (const [index, { socket }] of clients.entries()) socket.send(`${index}.${round}`, server.address);
      }
      for (const [index, client] of clients.entries()) {
        const expected = [0, 1, 2].flatMap((round) => [`1:${index}.${round}`, `2:${index}.${round}`]);
        assertEquals(untilReceived(base, client, 6), expected);
      }
      assertEquals(server.queuedDatagrams, 0);
      assertEquals(server.counts.sent, 18);
    });

    it("answers at once when it is told not to gather", () => {
      const server = sockets.open({ port: 0, gatherReplies: false }, (datagram, socket) => {
        assert(datagram.reply(datagram.bytes));
        assertEquals([socket.queuedDatagrams, socket.counts.sent], [0, 1]);
      });
      const client = sockets.receiver({ port: 0 });
      client.socket.send("now", server.address);
      assertEquals(untilReceived(base, client, 1), ["now"]);
    });

    it("gathers more than fits into one call, and single datagrams of any size", () => {
      const server = sockets.open({ port: 0 }, (datagram) => {
        for (let index = 0; index < 100; index++) datagram.reply(`${index}`);
        for (let index = 0; index < 4; index++) datagram.reply(new Uint8Array(40_000).fill(97 + index));
      });
      const client = sockets.receiver({ port: 0, receiveBufferBytes: 4_000_000 });
      client.socket.send("?", server.address);
      const texts = untilReceived(base, client, 104);
      assertEquals(texts.slice(0, 100), Array.from({ length: 100 }, (_, index) => `${index}`));
      assertEquals(texts.slice(100).map((text) => `${text.length}${text[0]}`), [
        "40000a",
        "40000b",
        "40000c",
        "40000d",
      ]);
    });

    it("sends many to many by one call, and says how many of them", () => {
      const [one, other] = [sockets.receiver({ port: 0 }), sockets.receiver({ port: 0 })];
      const client = sockets.open({});
      const count = client.sendMany([
        ["a", one.socket.address],
        ["b", other.socket.address],
        [new Uint8Array(70_000), one.socket.address],
        ["c", one.socket.address],
      ]);
      assertEquals(count, 3);
      assertEquals(untilReceived(base, one, 2), ["a", "c"]);
      assertEquals(untilReceived(base, other, 1), ["b"]);
      assertEquals(client.counts.refused, 1);
    });

    it("copies what it cannot send at once, so that the bytes may be changed", () => {
      const server = sockets.open({ port: 0 }, (datagram) => {
        const bytes = datagram.bytes;
        datagram.reply(bytes);
        bytes.fill(0);
      });
      const client = sockets.receiver({ port: 0 });
      client.socket.send("untouched", server.address);
      assertEquals(untilReceived(base, client, 1), ["untouched"]);
    });

    it("shows a datagram within the callback, and makes copies to keep", () => {
      const kept: ReceivedDatagram[] = [];
      const server = sockets.open({ port: 0, packetInfo: true }, (datagram) => kept.push(datagram.copy()));
      const client = sockets.receiver({ port: 0 });
      for (const text of ["one", "two", "three"]) client.socket.send(text, server.address);
      until(base, () => kept.length === 3, "three datagrams");
      assertEquals(kept.map((datagram) => datagram.text()), ["one", "two", "three"]);
      assertEquals(kept.map(({ length }) => length), [3, 3, 5]);
      for (const datagram of kept) {
        assertEquals(datagram.sender, client.socket.address);
        assertEquals(datagram.copy().localAddress, "127.0.0.1");
        assert(datagram.reply(`again ${datagram.text()}`));
      }
      assertEquals(untilReceived(base, client, 3), ["again one", "again two", "again three"]);
      server.close();
      assertFalse(kept[0]!.reply("too late"));
    });

    it("tells senders apart although it remembers the last one", () => {
      const ports: number[] = [];
      const server = sockets.open({ port: 0 }, ({ sender }) => ports.push(sender.family === "ipv4" ? sender.port : 0));
      const clients = [sockets.open({ port: 0 }), sockets.open({ port: 0 })];
      const order = [0, 0, 1, 0, 1, 1];
      for (const index of order) clients[index]!.send("x", server.address);
      until(base, () => ports.length === order.length, "all of them");
      assertEquals(ports, order.map((index) => clients[index]!.port));
    });

    it("tells where a datagram came in, and answers from there", () => {
      const found: unknown[] = [];
      const server = sockets.open({ host: "0.0.0.0", port: 0, packetInfo: true }, (datagram) => {
        found.push([datagram.localAddress, datagram.interfaceIndex > 0]);
        datagram.reply("from there");
      });
      const peers: unknown[] = [];
      const client = sockets.open({ host: "127.0.0.1", port: 0 }, ({ sender }) => peers.push(sender));
      client.send("x", { family: "ipv4", host: "127.0.0.9", port: server.port });
      until(base, () => peers.length === 1, "the answer");
      assertEquals(found, [["127.0.0.9", true]]);
      // Without packet info the kernel would have answered from 127.0.0.1.
      assertEquals(peers, [{ family: "ipv4", host: "127.0.0.9", port: server.port }]);
      assertEquals(server.counts.errors, 0);
    });

    it("answers from there also where nothing may wait", () => {
      for (
        const options of [{ queueDatagramsMax: 0 }, { queueBytesMax: 0 }, { queueBytesMax: 5, gatherReplies: false }]
      ) {
        const server = sockets.open({ host: "0.0.0.0", port: 0, packetInfo: true, ...options }, (datagram) => {
          assert(datagram.reply("from there"));
        });
        const peers: unknown[] = [];
        const client = sockets.open({ host: "127.0.0.1", port: 0 }, ({ sender }) => peers.push(sender));
        for (let count = 0; count < 3; count++) {
          client.send("x", { family: "ipv4", host: "127.0.0.9", port: server.port });
        }
        until(base, () => peers.length === 3, "the answers");
        const there = { family: "ipv4", host: "127.0.0.9", port: server.port };
        assertEquals(peers, [there, there, there]);
        assertEquals([server.counts.sent, server.counts.dropped], [3, 0]);
      }
    });

    it("does so over IPv6, and with IPv4 on a dual-stack socket", () => {
      const found: unknown[] = [];
      const server = sockets.open({ host: "::", port: 0, dualStack: true, packetInfo: true }, (datagram) => {
        found.push(datagram.localAddress);
        datagram.reply(datagram.bytes);
      });
      const six = sockets.receiver({ host: "::1", port: 0 });
      const four = sockets.receiver({ host: "127.0.0.1", port: 0 });
      six.socket.send("six", { family: "ipv6", host: "::1", port: server.port, scope: 0 });
      assertEquals(untilReceived(base, six, 1), ["six"]);
      four.socket.send("four", { family: "ipv4", host: "127.0.0.1", port: server.port });
      assertEquals(untilReceived(base, four, 1), ["four"]);
      assertEquals(found, ["::1", "::ffff:127.0.0.1"]);
      assertEquals(server.counts.errors, 0);
    });

    it("answers IPv4 broadcasts on a dual-stack socket, from the address of this host", {
      ignore: os.name !== "linux",
    }, () => {
      const found: unknown[] = [];
      const server = sockets.open({ host: "::", port: 0, dualStack: true, packetInfo: true }, (datagram) => {
        found.push(datagram.localAddress);
        assert(datagram.reply("here"));
      });
      const peers: unknown[] = [];
      const client = sockets.open({ port: 0, broadcast: true }, ({ sender }) => peers.push(sender));
      client.send("who is there?", { family: "ipv4", host: "127.255.255.255", port: server.port });
      until(base, () => peers.length + server.counts.errors === 1, "the answer");
      assertEquals(found, ["::ffff:127.255.255.255"]);
      assertEquals(server.lastError, null);
      assertEquals(peers, [{ family: "ipv4", host: "127.0.0.1", port: server.port }]);
    });

    it("of IPv6 serves IPv4 only when it is dual-stack, and then reaches it by plain addresses", () => {
      const dual = sockets.receiver({ host: "::", port: 0, dualStack: true });
      const four = sockets.receiver({ port: 0 });
      four.socket.send("in", { family: "ipv4", host: "127.0.0.1", port: dual.socket.port });
      assertEquals(untilReceived(base, dual, 1), ["in"]);
      assert(dual.socket.send("out", four.socket.address));
      assertEquals(untilReceived(base, four, 1), ["out"]);
      const only = sockets.receiver({ host: "::", port: 0 });
      four.socket.send("in", { family: "ipv4", host: "127.0.0.1", port: only.socket.port });
      settle(base);
      assertEquals(only.texts, []);
    });

    it("that was bound to nothing has an address once it has sent", () => {
      const server = sockets.receiver({ port: 0 }, (datagram) => datagram.reply("back"));
      const client = sockets.receiver({});
      assertEquals(client.socket.port, 0);
      client.socket.send("x", server.socket.address);
      assertGreater(client.socket.port, 0);
      assertEquals(untilReceived(base, client, 1), ["back"]);
    });

    it("sends to a broadcast address when it is allowed to", () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      const everybody = { family: "ipv4", host: "127.255.255.255", port: server.socket.port } as const;
      const client = sockets.open({});
      assertFalse(client.send("no", everybody));
      assertEquals(client.lastError?.code, "EACCES");
      assertStringIncludes(client.lastError!.message, "broadcast");
      client.setBroadcast(true);
      assert(client.send("yes", everybody));
      assert(sockets.open({ broadcast: true }).send("too", everybody));
      assertEquals(untilReceived(base, server, 2), ["yes", "too"]);
      client.setBroadcast(false);
      assertFalse(client.send("no", everybody));
    });

    it("shares its port with others that are told to", () => {
      const first = sockets.receiver({ port: 0, reusePort: true });
      const second = sockets.receiver({ port: first.socket.port, reusePort: true });
      for (let index = 0; index < 64; index++) sockets.open({}).send("x", first.socket.address);
      until(base, () => first.texts.length + second.texts.length === 64, "64 datagrams");
      assertGreater(first.texts.length, 0);
      assertGreater(second.texts.length, 0);
      const shared = sockets.receiver({ port: 0, reuseAddress: true });
      const later = sockets.receiver({ port: shared.socket.port, reuseAddress: true });
      assertEquals(later.socket.port, shared.socket.port);
      const refused = assertThrows(() => sockets.open({ port: shared.socket.port }), SystemError);
      assertEquals([refused.code, refused.port], ["EADDRINUSE", shared.socket.port]);
    });

    it("sets the sizes of the kernel's buffers and the hops", () => {
      const { fd, receiveBufferBytes, sendBufferBytes } = sockets.open({
        port: 0,
        receiveBufferBytes: 100_000,
        sendBufferBytes: 50_000,
        ttl: 33,
        multicastTtl: 0,
        multicastLoopback: false,
      });
      assert(receiveBufferBytes >= 100_000 && receiveBufferBytes <= 200_000, String(receiveBufferBytes));
      assert(sendBufferBytes >= 50_000 && sendBufferBytes <= 100_000, String(sendBufferBytes));
      assertEquals(getSocketOption(fd, c.IPPROTO_IP, c.IP_TTL), 33);
      assertEquals(getSocketOption(fd, c.IPPROTO_IP, c.IP_MULTICAST_TTL), 0);
      assertEquals(getSocketOption(fd, c.IPPROTO_IP, c.IP_MULTICAST_LOOP), 0);
    });

    it("adopts a socket, and refuses what is none for datagrams", () => {
      using descriptors = new Descriptors();
      const original = sockets.open({ port: 0 });
      const adopted = sockets.receiver({ fd: fcntl(original.fd, c.F_DUPFD_CLOEXEC, 0) });
      assertEquals(adopted.socket.address, original.address);
      sockets.open({}).send("taken over", original.address);
      assertEquals(untilReceived(base, adopted, 1), ["taken over"]);
      const stream = descriptors.own(socket(c.AF_INET, c.SOCK_STREAM, 0));
      assertThrows(() => sockets.open({ fd: stream }), TypeError, "not a datagram socket");
      assertThrows(() => sockets.open({ fd: descriptors.pipe()[0] }), SystemError, "ENOTSOCK");
      assertThrows(() => sockets.open({ fd: 99_999 }), SystemError, "EBADF");
    });

    it("refuses options that make no sense", () => {
      assertThrows(() => sockets.open({ port: 0, path: "/tmp/x" }), TypeError, "port and path exclude each other");
      assertThrows(() => sockets.open({ host: "127.0.0.1" }), TypeError, "without a port");
      assertThrows(() => sockets.open({ host: "example.com", port: 0 }), TypeError, "resolve names first");
      assertThrows(() => sockets.open({ host: "127.0.0.1", port: 0, family: "ipv6" }), TypeError, "family");
      assertThrows(() => sockets.open({ port: 65_536 }), RangeError);
      assertThrows(() => sockets.open({ ttl: 0 }), RangeError, "0");
      assertThrows(() => sockets.open({ multicastTtl: 256 }), RangeError, "256");
      assertThrows(() => sockets.open({ receiveBufferBytes: 0 }), RangeError, "receiveBufferBytes");
      assertThrows(() => sockets.open({ maxDatagramBytes: 0 }), RangeError, "maxDatagramBytes");
      assertThrows(() => sockets.open({ batch: 1.5 }), RangeError, "batch");
      assertThrows(() => sockets.open({ batch: 1024, maxDatagramBytes: 100_000 }), RangeError, "batch times");
      assertThrows(() => sockets.open({ queueBytesMax: -1 }), RangeError, "queueBytesMax");
      assertThrows(() => sockets.open({ host: "192.0.2.1", port: 0 }), SystemError, "EADDRNOTAVAIL");
      assertThrows(() => sockets.open({ family: "unix", packetInfo: true }), TypeError, "packetInfo");
      const socket = sockets.open({});
      const unix = { family: "unix", path: "/x" } as const;
      assertThrows(() => socket.send("x"), TypeError, "not connected");
      assertThrows(() => socket.send("x", unix), TypeError, 'family "unix"');
      assertThrows(() => socket.send("x", { family: "ipv4", host: "1.2.3", port: 1 }), TypeError, "1.2.3");
      assertThrows(() => socket.connect(unix), TypeError, 'family "unix"');
    });
  });
});
