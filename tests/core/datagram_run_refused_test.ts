/** Runs of datagrams that the kernel refuses, and what a connected socket is told meanwhile. */
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Datagram, EventBase, SocketAddress } from "../../src/core/mod.ts";
import { os, setSocketOption } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { type FaultCount, withFault, withFaults } from "../support/faults.ts";
import { settle, until } from "./bufferevent_support.ts";
import { type Sockets, untilReceived } from "./datagram_support.ts";
import {
  type FreshRuns,
  freshRuns,
  isRun,
  isSegmenting,
  messagesPerCall,
  Plain,
  texts,
} from "./datagram_run_support.ts";

const UDP = "ipv4" as const;

forEachBackend((backend) => {
  if (!isSegmenting) return;

  let base: EventBase;
  let sockets: Sockets;
  let plain: Plain;
  let errors: string[];
  let open: FreshRuns["open"];
  let sendTo: FreshRuns["sendTo"];
  freshRuns(backend, (fresh) => ({ base, sockets, plain, errors, open, sendTo } = fresh));

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
