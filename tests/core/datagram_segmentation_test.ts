/** Datagrams that leave together go to the kernel in runs, which it cuts (UDP segmentation offload); nobody may notice but by the time it takes. */
import { assert, assertEquals, assertFalse, assertGreater } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { fileURLToPath } from "node:url";
import type { Datagram, DatagramOptions, EventBase, SocketAddress } from "../../src/core/mod.ts";
import { RunPlan } from "../../src/core/run_plan.ts";
import { Segmentation } from "../../src/core/segmentation.ts";
import {
  allocate,
  bind,
  canSegment,
  close,
  encodeSocketAddress,
  getsockname,
  MessageBatch,
  os,
  recv,
  setSocketOption,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  socketpair,
} from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type FaultCount, withFault, withFaults } from "../support/faults.ts";
import { canHaveOwnNetwork, commandFor, inOwnNetwork, OWN_NETWORK_NEEDS } from "../support/own_network.ts";
import { settle, until } from "./bufferevent_support.ts";
import { Sockets, untilReceived } from "./datagram_support.ts";

const { AF_INET, AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT, IPPROTO_UDP, UDP_SEGMENT } = os.constants;
const isSegmenting = UDP_SEGMENT !== 0;
const UDP = "ipv4" as const;

/** `count` texts of `length` bytes that tell their own number. */
function texts(count: number, length: number, mark = ""): string[] {
  return Array.from({ length: count }, (_, index) => `${mark}${index} `.padEnd(length, "."));
}

/** Plain sockets that are read by plain calls. */
class Plain implements Disposable {
  readonly fd: number = socket(AF_INET, SOCK_DGRAM, 0);
  readonly address: SocketAddress;

  constructor() {
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    assertEquals(bind(this.fd, bytes, encodeSocketAddress({ family: UDP, host: "127.0.0.1", port: 0 }, bytes)), 0);
    getsockname(this.fd, bytes);
    this.address = { family: UDP, host: "127.0.0.1", port: bytes[2]! << 8 | bytes[3]! };
  }

  /** All that is there, one text per call. */
  take(): string[] {
    const found: string[] = [];
    const room = allocate(65_536);
    for (let length = recv(this.fd, room, room.length, MSG_DONTWAIT); length >= 0;) {
      found.push(new TextDecoder().decode(room.subarray(0, length)));
      length = recv(this.fd, room, room.length, MSG_DONTWAIT);
    }
    return found;
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** How many messages each call of sendmmsg is given meanwhile. */
function messagesPerCall(body: () => void): number[] {
  const given: number[] = [];
  if (!isSegmenting) {
    body();
    return given;
  }
  const when = (_fd: number, _headers: number, count: number): boolean => {
    given.push(count);
    return false;
  };
  withFault({ call: "sendmmsg", error: "EIO", when }, body);
  return given;
}

/** Picks calls whose first message has ancillary data: where nothing else needs it, that is a run. */
const isRun =
  ((_fd: number, headers: Uint8Array): boolean =>
    headers[os.structs.msghdr.fields.controllen.offset] !== 0) as unknown as (...args: number[]) => boolean;

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

describe("a plan of runs", () => {
  const SLOTS = 64;
  const segmentation = new Segmentation(0, false);

  /** The slots in the order in which they leave, for datagrams of one byte to these ports. */
  function orderFor(ports: readonly number[], isFree: boolean): [order: number[], isWorthIt: boolean] {
    const messages = new MessageBatch({ slots: SLOTS, payloadBytes: SLOTS, controlBytes: 0 });
    ports.forEach((port, slot) => {
      messages.setPayload(slot, slot, 1);
      const address = { family: UDP, host: "127.0.0.1", port };
      const name = allocate(SOCKET_ADDRESS_BYTES_MAX);
      messages.setNameLength(slot, encodeSocketAddress(address, name));
      messages.names.set(name, slot * SOCKET_ADDRESS_BYTES_MAX);
    });
    const plan = new RunPlan(messages, Uint32Array.from({ length: SLOTS + 1 }, (_, index) => index));
    const isWorthIt = plan.make(ports.length, isFree, segmentation);
    return [ports.map((_, position) => plan.slotAt(position)), isWorthIt];
  }

  it("brings each peer's datagrams together, in their order", () => {
    assertEquals(orderFor([1, 2, 3, 1, 2, 3, 1], true), [[0, 3, 6, 1, 4, 2, 5], true]);
    assertEquals(orderFor([1, 1, 1], true), [[0, 1, 2], true]);
  });

  it("leaves them where they are when they may not change places", () => {
    assertEquals(orderFor([1, 2, 1, 2], false), [[0, 1, 2, 3], false]);
    assertEquals(orderFor([1, 2, 2, 1], false), [[0, 1, 2, 3], true]);
  });

  it("is not worth it where every peer has one", () => {
    assertEquals(orderFor(Array.from({ length: SLOTS }, (_, index) => index + 1), true)[1], false);
  });

  it("keeps each peer's order with more peers than are compared, and leaves nothing out", () => {
    const ports = Array.from({ length: SLOTS }, (_, index) => index * 7 % 20 + index % 3 + 1);
    const [order] = orderFor(ports, true);
    assertEquals([...order].sort((one, other) => one - other), ports.map((_, slot) => slot));
    for (const port of new Set(ports)) {
      const slots = order.filter((slot) => ports[slot] === port);
      assertEquals(slots, [...slots].sort((one, other) => one - other));
    }
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
  let errors: string[];
  beforeEach(() => {
    base = backend.newBase();
    sockets = new Sockets(base);
    plain = new Plain();
    errors = [];
  });
  afterEach(() => {
    sockets[Symbol.dispose]();
    plain[Symbol.dispose]();
    base.close();
  });

  function open(options: DatagramOptions = {}): Datagram {
    return sockets.open({ onError: ({ code }) => errors.push(String(code)), ...options });
  }

  /** Sends all to the plain socket; the messages per call. */
  function sendTo(client: Datagram, datagrams: readonly string[], { address } = plain): number[] {
    return messagesPerCall(() => {
      assertEquals(client.sendMany(datagrams.map((text) => [text, address])), datagrams.length);
    });
  }

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

  if (!isSegmenting) return;

  describe("a run that the kernel refuses", () => {
    const sent = texts(10, 30);
    const again = texts(10, 30, "again ");

    /** Sends twice while runs fail; how many messages the calls were given, and how many runs have failed. */
    function refuse(error: string, client: Datagram, times = Infinity): [given: number[], failed: number] {
      let count: FaultCount | undefined;
      const given = messagesPerCall(() =>
        withFault({ call: "sendmmsg", error, when: isRun, times }, (failures) => {
          count = failures;
          for (const list of [sent, again]) {
            assertEquals(client.sendMany(list.map((text) => [text, plain.address])), 10);
          }
        })
      );
      assertEquals(plain.take(), [...sent, ...again]);
      settle(base);
      assertEquals(errors, []);
      assertEquals([client.counts.sent, client.counts.refused], [20, 0]);
      return [given, count!.injected];
    }

    for (const error of ["EINVAL", "EIO", "ENOPROTOOPT", "EOPNOTSUPP"]) {
      it(`for good (${error}) goes one by one, and so do all others`, () => {
        const [given, failed] = refuse(error, open());
        assertEquals(failed, 1);
        assertEquals(given.at(-1), 10);
      });
    }

    for (const error of ["EMSGSIZE", "ENOBUFS", "EPERM"]) {
      it(`for once (${error}) goes one by one, and the next is tried`, () => {
        assertEquals(refuse(error, open())[1], 2);
      });
    }

    it("with EINVAL after others were taken is the fault of that one", () => {
      const client = open();
      sendTo(client, ["a", "b"]);
      assertEquals(plain.take(), ["a", "b"]);
      withFault({ call: "sendmmsg", error: "EINVAL", when: isRun, times: 1 }, () => {
        sendTo(client, sent);
      });
      assertEquals(plain.take(), sent);
      assertEquals(sendTo(client, sent), [1]);
      assertEquals(plain.take(), sent);
    });

    it("costs the others of its batch nothing", () => {
      using other = new Plain();
      const client = open();
      const mixed = sent.flatMap((text) => [[text, plain.address] as const, [text, other.address] as const]);
      withFault({ call: "sendmmsg", error: "EMSGSIZE", when: isRun, times: 1 }, () => {
        assertEquals(client.sendMany(mixed), 20);
      });
      assertEquals([plain.take(), other.take()], [sent, sent]);
      assertEquals(client.counts.sent, 20);
    });

    it("since its datagrams are refused too says so of each", () => {
      const client = open();
      withFault({ call: "sendmmsg", error: "EPERM" }, () => {
        assertEquals(client.sendMany(sent.map((text) => [text, plain.address])), 0);
      });
      settle(base);
      assertEquals(errors, sent.map(() => "EPERM"));
      assertEquals([client.counts.sent, client.counts.refused], [0, 10]);
      // That was not the run's fault.
      assertEquals(sendTo(client, sent), [1]);
    });

    it("really, for a port that nobody can have, is none of the next peer's business", () => {
      const client = open();
      const nowhere: SocketAddress = { family: UDP, host: "127.0.0.1", port: 0 };
      const mixed = [
        ...sent.map((text) => [text, nowhere] as const),
        ...sent.map((text) => [text, plain.address] as const),
      ];
      assertEquals(client.sendMany(mixed), 10);
      settle(base);
      assertEquals(errors, sent.map(() => "EINVAL"));
      assertEquals(plain.take(), sent);
      assertEquals(sendTo(client, sent), [1]);
    });

    it("in a real way, without checksums, is sent all the same", () => {
      const { SOL_SOCKET } = os.constants;
      const SO_NO_CHECK = 11;
      const client = open();
      assertEquals(setSocketOption(client.fd, SOL_SOCKET, SO_NO_CHECK, 1), 0);
      sendTo(client, sent);
      assertEquals(plain.take(), sent);
      assertEquals(sendTo(client, sent), [10]);
      assertEquals(plain.take(), sent);
      assertEquals(errors, []);
    });
  });

  describe("a kernel that is full", () => {
    for (const call of [1, 2, 3, 8, 12]) {
      it(`at call ${call} has the rest wait, each peer's in order`, () => {
        using other = new Plain();
        const [a, b] = [texts(10, 30, "a"), texts(10, 30, "b")];
        const mixed = a.flatMap((text, index) => [[text, plain.address] as const, [b[index]!, other.address] as const]);
        const client = open();
        // The first run is refused, and its datagrams go one by one, each by a call, before the second.
        withFaults([
          { call: "sendmmsg", error: "EMSGSIZE", when: 1, times: call - 1 },
          { call: "sendmmsg", error: "EAGAIN", when: call },
        ], () => {
          assertEquals(client.sendMany(mixed), 20);
          assertGreater(client.queuedDatagrams, 0);
          client.send("a last", plain.address);
        });
        until(base, () => client.queuedDatagrams === 0, "the rest");
        assertEquals([plain.take(), other.take()], [[...a, "a last"], b]);
        assertEquals([client.counts.sent, client.counts.refused, client.counts.dropped], [21, 0, 0]);
        settle(base);
        assertEquals(errors, []);
      });
    }

    it("really, takes runs as it takes datagrams", () => {
      const server = sockets.receiver({ port: 0, receiveBufferBytes: 4_000_000 });
      const client = open({ sendBufferBytes: 5000 });
      const sent = texts(200, 500);
      assertEquals(client.sendMany(sent.map((text) => [text, server.socket.address])), 200);
      assertEquals(untilReceived(base, server, 200), sent);
    });
  });

  describe("a connected socket", () => {
    it("tells of earlier datagrams that nobody took, and sends the run", () => {
      const client = open();
      const { address } = plain;
      client.connect(address);
      const sent = texts(10, 30);
      withFault({ call: "sendmmsg", error: "ECONNREFUSED", when: 1, times: 1 }, () => {
        assertEquals(client.sendMany(sent.map((text) => [text])), 10);
      });
      settle(base);
      assertEquals(errors, ["ECONNREFUSED"]);
      assertEquals(plain.take(), sent);
      assertEquals(client.counts.refused, 0);
    });

    it("tells of them also when the run is refused after that", () => {
      const client = open();
      client.connect(plain.address);
      const sent = texts(10, 30);
      withFaults([
        { call: "sendmmsg", error: "EMSGSIZE", when: 2, times: 1 },
        { call: "sendmmsg", error: "ECONNREFUSED", when: 1, times: 1 },
      ], () => assertEquals(client.sendMany(sent.map((text) => [text])), 10));
      settle(base);
      assertEquals(errors, ["ECONNREFUSED"]);
      assertEquals(plain.take(), sent);
    });

    it("tells of them when it is told twice, since a run is never refused by a peer", () => {
      const client = open();
      client.connect(plain.address);
      const sent = texts(10, 30);
      withFault({ call: "sendmmsg", error: "ECONNREFUSED", times: 2 }, () => {
        assertEquals(client.sendMany(sent.map((text) => [text])), 10);
      });
      settle(base);
      assertEquals(errors, ["ECONNREFUSED"]);
      assertEquals(plain.take(), sent);
      assertEquals(client.counts.refused, 0);
    });

    it("hears that nobody listens, and goes on", () => {
      const gone = new Plain();
      const client = open();
      client.connect(gone.address);
      gone[Symbol.dispose]();
      const sent = texts(10, 30);
      for (let round = 0; round < 3; round++) assertEquals(client.sendMany(sent.map((text) => [text])), 10);
      until(base, () => {
        client.sendMany([["x"], ["y"]]);
        return errors.length > 0;
      }, "the refusal");
      assertEquals([...new Set(errors)], ["ECONNREFUSED"]);
      assertEquals(client.counts.refused, 0);
    });

    it("that cannot have runs finds out", () => {
      const client = open();
      client.connect(plain.address);
      const sent = texts(10, 30);
      withFault({ call: "sendmmsg", error: "EIO", when: isRun }, (refused) => {
        for (let round = 0; round < 2; round++) assertEquals(client.sendMany(sent.map((text) => [text])), 10);
        // As what it is told of earlier datagrams, and as its own.
        assertEquals(refused.injected, 2);
      });
      settle(base);
      assertEquals([plain.take(), errors], [[...sent, ...sent], []]);
    });
  });
});
