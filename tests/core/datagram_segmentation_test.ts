/** Datagrams that leave together go to the kernel in runs, which it cuts (UDP segmentation offload); nobody may notice but by the time it takes. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import type { EventBase, SocketAddress } from "../../src/core/mod.ts";
import { Segmentation } from "../../src/core/segmentation.ts";
import { canSegment, close, os, setSocketOption, socketpair } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { withFault } from "../support/faults.ts";
import { canHaveOwnNetwork, commandFor, inOwnNetwork, OWN_NETWORK_NEEDS } from "../support/own_network.ts";
import { settle, until } from "./bufferevent_support.ts";
import { type Sockets, untilReceived } from "./datagram_support.ts";
import { type FreshRuns, freshRuns, isSegmenting, messagesPerCall, Plain, texts } from "./datagram_run_support.ts";

const { AF_UNIX, SOCK_DGRAM, IPPROTO_UDP, UDP_SEGMENT } = os.constants;
const UDP = "ipv4" as const;

describe("a socket", () => {
  it("is asked whether the kernel cuts runs for it", () => {
    using plain = new Plain();
    assertEquals(canSegment(plain.fd), isSegmenting);
    const ends = new Int32Array(2);
    assertEquals(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    assertFalse(canSegment(ends[0]!));
    for (const fd of ends) close(fd);
    if (!isSegmenting) return;
    assertEquals(setSocketOption(plain.fd, IPPROTO_UDP, UDP_SEGMENT, 100), 0);
    assertFalse(canSegment(plain.fd));
  });

  it("is not asked when nobody wants to know", () => {
    withFault({ call: "getsockopt", error: "EBADF" }, (asked) => {
      assertFalse(new Segmentation(0, false).isOn);
      assertEquals(asked.calls, 0);
      assertFalse(new Segmentation(0, true).isOn);
      assertEquals(asked.calls, isSegmenting ? 1 : 0);
    });
  });
});

describe("a network that carries packets of 600 bytes", () => {
  const prepare = "ip link set lo up mtu 600";
  const program = fileURLToPath(new URL("datagram_segmentation_program.ts", import.meta.url));
  const ignore = !canHaveOwnNetwork(prepare);
  const needs = ignore ? OWN_NETWORK_NEEDS : "";
  it(`gets larger datagrams one by one, and smaller ones in runs${needs}`, { ignore }, () => {
    const { status, stdout, stderr } = inOwnNetwork(`${prepare} && ${commandFor(program)}`);
    assertEquals({ status, stderr }, { status: 0, stderr: "" });
    assertEquals(stdout.trim().split("\n"), ["1000 20 0", "100 20 0", "1000 20 0", "100 20 0"]);
  });
});

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  let plain: Plain;
  let open: FreshRuns["open"];
  let sendTo: FreshRuns["sendTo"];
  freshRuns(backend, (fresh) => ({ base, sockets, plain, open, sendTo } = fresh));

  describe("datagrams in runs", () => {
    it("arrive each by itself, as they were sent", () => {
      const sent = texts(32, 60);
      const client = open();
      const given = sendTo(client, sent);
      assertEquals(plain.take(), sent);
      assertEquals([client.counts.sent, client.counts.errors], [32, 0]);
      if (isSegmenting) assertEquals(given, [1]);
    });

    it("are one run as long as they are of one length, and a shorter one ends it", () => {
      const lengths = [60, 60, 60, 20, 60, 61, 61, 61, 7, 7, 7, 1, 1200, 1200, 2];
      const sent = lengths.map((length, index) =>
        texts(1, length, String.fromCharCode(97 + index))[0]!.slice(0, length)
      );
      const given = sendTo(open(), sent);
      assertEquals(plain.take(), sent);
      // 60 60 60 20 | 60 | 61 61 61 7 | 7 7 1 | 1200 1200 2
      if (isSegmenting) assertEquals(given, [5]);
    });

    it("leave empty ones alone", () => {
      const sent = ["", "", "a", "b", "", "cc", "dd", ""];
      const given = sendTo(open(), sent);
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [6]);
    });

    it("leave large ones alone, which may be larger than what the way carries", () => {
      const sent = [...texts(3, 1232), ...texts(3, 1233), ...texts(2, 20_000)];
      const given = sendTo(open(), sent);
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [6]);
    });

    it("are bounded by what a packet carries", () => {
      const client = open({ sendBufferBytes: 1_000_000 });
      // The sixtieth does not fit.
      const sent = texts(60, 1100);
      const given = sendTo(client, sent);
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [2]);
    });

    it("are gathered by peer when peers alternate, each peer's in order", () => {
      using others = new Plain();
      using third = new Plain();
      const peers = [plain, others, third];
      const sent = peers.map((_, peer) => texts(15, 40, `${peer}: `));
      const mixed = Array.from(
        { length: 45 },
        (_, index) => [sent[index % 3]![Math.floor(index / 3)]!, peers[index % 3]!.address] as const,
      );
      const client = open();
      const given = messagesPerCall(() => assertEquals(client.sendMany(mixed), 45));
      assertEquals(peers.map((peer) => peer.take()), sent);
      if (isSegmenting) assertEquals(given, [3]);
    });

    it("fill more batches than one", () => {
      const server = sockets.receiver({ port: 0, receiveBufferBytes: 1_000_000 });
      const sent = texts(300, 50);
      const client = open();
      assertEquals(client.sendMany(sent.map((text) => [text, server.socket.address])), 300);
      assertEquals(untilReceived(base, server, 300), sent);
    });

    it("need no address on a connected socket", () => {
      const client = open();
      client.connect(plain.address);
      const sent = texts(20, 30);
      const given = messagesPerCall(() => assertEquals(client.sendMany(sent.map((text) => [text])), 20));
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [1]);
    });

    it("are what replies leave in", () => {
      const server = open({ port: 0 });
      const echo = sockets.open({ port: 0 }, (datagram) => datagram.reply(datagram.bytes));
      const sent = texts(20, 30);
      const client = sockets.receiver({ port: 0 });
      for (const text of sent) client.socket.send(text, echo.address);
      const given = messagesPerCall(() => assertEquals(untilReceived(base, client, 20), sent));
      if (isSegmenting) assertEquals(given, [1]);
      assertEquals(server.counts.errors, 0);
    });

    for (const host of ["::1", "::"]) {
      it(`go by IPv6 from ${host} as well`, () => {
        const client = sockets.receiver({ port: 0, host: "::1" });
        const echo = sockets.open({ port: 0, host, packetInfo: true }, (datagram) => datagram.reply(datagram.bytes));
        const sent = texts(20, 30);
        for (const text of sent) client.socket.send(text, { family: "ipv6", host: "::1", port: echo.port, scope: 0 });
        const given = messagesPerCall(() => assertEquals(untilReceived(base, client, 20), sent));
        if (isSegmenting) assertEquals(given, [1]);
      });
    }

    it("reach IPv4 from a dual-stack socket", () => {
      const client = open({ family: "ipv6", dualStack: true });
      const sent = texts(10, 30);
      const given = sendTo(client, sent);
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [1]);
    });

    it("leave from where the question came in, one run for each such address", () => {
      // Linux takes all of 127.0.0.0/8 for its own.
      if (os.name !== "linux") return;
      const senders: string[] = [];
      const client = sockets.receiver(
        { port: 0 },
        ({ sender }) => senders.push(sender.family === UDP ? sender.host : ""),
      );
      const echo = sockets.open(
        { port: 0, host: "0.0.0.0", packetInfo: true },
        (datagram) => datagram.reply(datagram.bytes),
      );
      const hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"];
      const sent = texts(hosts.length, 20);
      hosts.forEach((host, index) => client.socket.send(sent[index]!, { family: UDP, host, port: echo.port }));
      const given = messagesPerCall(() => assertEquals(untilReceived(base, client, hosts.length), sent));
      assertEquals(senders, hosts);
      assertEquals(given, [3]);
    });

    it("reach every member of a group", () => {
      const group = "239.193.7.3";
      const through = "127.0.0.1";
      const where = { host: "0.0.0.0", reuseAddress: true };
      const first = sockets.receiver({ ...where, port: 0 });
      const second = sockets.receiver({ ...where, port: first.socket.port });
      for (const { socket } of [first, second]) socket.join(group, { interface: through });
      const sent = texts(10, 30);
      const client = open({ multicastInterface: through });
      const to: SocketAddress = { family: UDP, host: group, port: first.socket.port };
      const given = messagesPerCall(() => assertEquals(client.sendMany(sent.map((text) => [text, to])), 10));
      for (const member of [first, second]) assertEquals(untilReceived(base, member, 10), sent);
      if (isSegmenting) assertEquals(given, [1]);
    });

    it("are only as many as the peer's buffer takes, like all others", () => {
      const server = sockets.receiver({ port: 0, receiveBufferBytes: 4096, paused: true });
      const client = open();
      assertEquals(client.sendMany(texts(64, 1000).map((text) => [text, server.socket.address])), 64);
      server.socket.resume();
      until(base, () => server.texts.length > 0, "what has room");
      settle(base);
      assert(server.texts.length < 64);
      assertEquals(server.texts, texts(64, 1000).slice(0, server.texts.length));
      assertEquals([client.counts.sent, client.counts.errors], [64, 0]);
    });

    it("are not made when the option says so, nor of what leaves at once", () => {
      const sent = texts(10, 30);
      const given = sendTo(open({ segmentation: false }), sent);
      assertEquals(plain.take(), sent);
      if (isSegmenting) assertEquals(given, [10]);
      const client = open();
      assertEquals(messagesPerCall(() => sent.forEach((text) => client.send(text, plain.address))), []);
      assertEquals(plain.take(), sent);
    });

    it("are not made of Unix sockets' datagrams", () => {
      const received: string[] = [];
      const [left] = sockets.pair({}, (datagram) => received.push(datagram.text()));
      const sent = texts(10, 30);
      const given = messagesPerCall(() => assertEquals(left.sendMany(sent.map((text) => [text])), 10));
      until(base, () => received.length === 10, "all of them");
      assertEquals(received, sent);
      if (isSegmenting) assertEquals(given, [10]);
    });
  });
});
