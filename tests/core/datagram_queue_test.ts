import { assert, assertEquals, assertFalse, assertGreater, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatagramQueue } from "../../src/core/datagram_queue.ts";
import type { Datagram, EventBase } from "../../src/core/mod.ts";
import { sysMmsg } from "../../src/ffi/libc.ts";
import { forEachBackend } from "../support/backends.ts";
import { withFault, withFaults } from "../support/faults.ts";
import { runFor, settle, until } from "./bufferevent_support.ts";
import { numbered, type Receiver, Sockets, untilReceived } from "./datagram_support.ts";

// One by one where there is nothing else.
const RECEIVE = sysMmsg === undefined ? "recvmsg" : "recvmmsg";
const SEND_MANY = sysMmsg === undefined ? "sendmsg" : "sendmmsg";

describe("A queue of datagrams", () => {
  it("holds copies, also of a Buffer", () => {
    const queue = new DatagramQueue(100, 10);
    for (const data of [new Uint8Array(3), Buffer.alloc(3)]) {
      queue.push(data, null);
      data.fill(7);
      assertEquals([...queue.at(queue.count - 1)!.data], [0, 0, 0]);
    }
  });
});

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  let folder: string;
  beforeEach(() => {
    base = backend.newBase();
    sockets = new Sockets(base);
    folder = mkdtempSync(join(tmpdir(), "evbase-datagram-"));
  });
  afterEach(() => {
    sockets[Symbol.dispose]();
    base.close();
    rmSync(folder, { recursive: true });
  });

  /** Sends to a socket that does not read, until the kernel takes no more. */
  function fillUp(client: Datagram, server: Datagram): number {
    let count = 0;
    while (client.queuedDatagrams === 0) assert(client.send(`filling ${count++}`, server.address));
    return count;
  }

  describe("a full Unix peer", () => {
    it("makes datagrams wait, and gets them in order as soon as it reads", () => {
      let drains = 0;
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix", onDrain: () => drains++ });
      const count = fillUp(client, server.socket);
      const rest = numbered(100);
      for (const text of rest) assert(client.send(text, server.socket.address));
      assertEquals(client.queuedDatagrams, 101);
      runFor(base, 20);
      assertEquals([client.queuedDatagrams, drains], [101, 0]);
      server.socket.resume();
      const texts = untilReceived(base, server, count + 100);
      assertEquals(texts.slice(-100), rest);
      until(base, () => drains === 1, "the drain");
      assertEquals([client.queuedDatagrams, client.queuedBytes, client.counts.sent], [0, 0, count + 100]);
    });

    it("does not hold up the others", () => {
      const full = sockets.receiver({ path: join(folder, "full"), paused: true });
      const idle = sockets.receiver({ path: join(folder, "idle") });
      const client = sockets.open({ family: "unix" });
      const count = fillUp(client, full.socket);
      assert(client.send("at once", idle.socket.address));
      assertEquals(untilReceived(base, idle, 1), ["at once"]);
      const mixed = client.sendMany([
        ["late", full.socket.address],
        ["soon", idle.socket.address],
        ["later", full.socket.address],
      ]);
      assertEquals(mixed, 3);
      assertEquals(untilReceived(base, idle, 2), ["at once", "soon"]);
      full.socket.resume();
      assertEquals(untilReceived(base, full, count + 2).slice(-2), ["late", "later"]);
    });

    it("does not make the loop spin", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix" });
      fillUp(client, server.socket);
      // At 1, 2, 4, ... ms: not 20,000 times.
      withFault({ call: "sendto", error: "EAGAIN" }, (calls) => {
        runFor(base, 200);
        assertGreater(calls.calls, 0);
        assert(calls.calls < 20, String(calls.calls));
      });
    });

    it("is asked now and then where the system says ENOBUFS, as the BSDs do", () => {
      const [left, right] = sockets.pair({}, () => {});
      withFaults([{ call: "send", error: "ENOBUFS" }, { call: SEND_MANY, error: "ENOBUFS" }], (single, many) => {
        assert(left.send("1"));
        assertEquals(left.sendMany([["2"], ["3"]]), 2);
        runFor(base, 50);
        assertEquals(left.queuedDatagrams, 3);
        assert(single.calls + many.calls < 20, `${single.calls} and ${many.calls}`);
      });
      until(base, () => right.counts.received === 3, "all three");
    });

    it("makes one wait that is too large to be gathered with others, and those behind it", () => {
      const texts: string[] = [];
      const options = { sendBufferBytes: 200_000, maxDatagramBytes: 150_000, batch: 4 };
      const [left, right] = sockets.pair(options, (datagram) => texts.push(datagram.text()));
      const large = "x".repeat(140_000);
      withFault({ call: "send", error: "EAGAIN", times: 1 }, (calls) => {
        assertEquals(left.sendMany([[large], ["behind"], [large]]), 3);
        assertEquals(calls.injected, 1);
      });
      assertEquals([left.queuedDatagrams, left.queuedBytes, left.counts.dropped], [3, 280_006, 0]);
      until(base, () => right.counts.received === 3, "all three");
      assertEquals(texts.map((text) => text.length), [140_000, 6, 140_000]);
    });

    it("that the socket is connected to is watched, and no datagram gets lost when it closes", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix" });
      client.connect(server.socket.address);
      let count = 0;
      while (client.queuedDatagrams === 0) assert(client.send(`${count++}`));
      assert(client.send("behind"));
      assertThrows(() => client.disconnect(), Error, "2 datagrams wait");
      server.socket.resume();
      assertEquals(untilReceived(base, server, count + 1)[count], "behind");
      server.socket.pause();
      while (client.queuedDatagrams === 0) client.send("again");
      server.socket.close();
      until(base, () => client.queuedDatagrams === 0, "the refusal");
      assertEquals([client.lastError?.code, client.counts.refused], ["ECONNREFUSED", 1]);
    });

    it("is given up when the socket closes", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix" });
      fillUp(client, server.socket);
      client.send("x", server.socket.address);
      client.close();
      assertEquals(client.counts.dropped, 2);
      assertFalse(base.dispatch());
    });
  });

  describe("the queue's limits", () => {
    it("drop the newest, and count them", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix", queueDatagramsMax: 3, queueBytesMax: 20_000 });
      const count = fillUp(client, server.socket);
      assert(client.send("a", server.socket.address));
      assert(client.send("b", server.socket.address));
      assertFalse(client.send("too many", server.socket.address));
      assertEquals(client.counts.dropped, 1);
      server.socket.resume();
      assertEquals(untilReceived(base, server, count + 2).slice(-2), ["a", "b"]);
      server.socket.pause();
      fillUp(client, server.socket);
      assert(client.send(new Uint8Array(19_000), server.socket.address));
      assertFalse(client.send(new Uint8Array(2000), server.socket.address));
      assertEquals(client.counts.dropped, 2);
      assertEquals(client.lastError, null);
    });

    it("hold for what is gathered too", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix", queueDatagramsMax: 5 });
      const before = fillUp(client, server.socket);
      const taken = client.sendMany(numbered(50).map((text) => [text, server.socket.address]));
      assertEquals([taken, client.queuedDatagrams, client.counts.dropped], [4, 5, 46]);
      server.socket.resume();
      assertEquals(untilReceived(base, server, before + 4).slice(-4), numbered(4));
    });

    it("may be nothing at all", () => {
      const server = sockets.receiver({ path: join(folder, "server"), paused: true });
      const client = sockets.open({ family: "unix", queueDatagramsMax: 0 });
      let count = 0;
      while (client.send(`${count}`, server.socket.address)) count++;
      assertEquals([client.counts.sent, client.counts.dropped, client.queuedDatagrams], [count, 1, 0]);
      assertEquals(client.sendMany([["x", server.socket.address]]), 0);
    });
  });

  describe("a system call of a datagram socket that fails", () => {
    let server: Receiver;
    let client: Datagram;
    let errors: string[];
    beforeEach(() => {
      errors = [];
      server = sockets.receiver({ port: 0, onError: ({ code, syscall }) => errors.push(`${syscall} ${code}`) });
      client = sockets.open({ onError: ({ code, syscall }) => errors.push(`${syscall} ${code}`) });
    });

    it("by EINTR is made again", () => {
      withFaults([
        { call: "sendto", error: "EINTR", times: 2 },
        { call: SEND_MANY, error: "EINTR", times: 2 },
        { call: RECEIVE, error: "EINTR", times: 2 },
      ], (single, many, receive) => {
        client.send("1", server.socket.address);
        client.sendMany([["2", server.socket.address], ["3", server.socket.address]]);
        assertEquals(untilReceived(base, server, 3), ["1", "2", "3"]);
        assertEquals([single.injected, many.injected, receive.injected], [2, 2, 2]);
      });
      assertEquals(errors, []);
    });

    it("by EAGAIN in the middle of many queues the rest, in order", () => {
      const sent = numbered(100);
      withFault({ call: SEND_MANY, error: "EAGAIN", times: 1 }, () => {
        assertEquals(client.sendMany(sent.map((text) => [text, server.socket.address])), 100);
        assertGreater(client.queuedDatagrams, 0);
      });
      client.send("last", server.socket.address);
      assertEquals(untilReceived(base, server, 101), [...sent, "last"]);
      assertEquals(errors, []);
    });

    it("to send costs that one datagram", () => {
      withFault({ call: "sendto", error: "ENETUNREACH", when: 2 }, () => {
        const taken = ["1", "2", "3"].map((text) => client.send(text, server.socket.address));
        assertEquals(taken, [true, false, true]);
      });
      // Datagrams of several lengths, the longer ones last, never leave as one message.
      withFault({ call: SEND_MANY, error: "EPERM", times: 1 }, () => {
        assertEquals(client.sendMany([["4", server.socket.address], ["55", server.socket.address]]), 1);
      });
      assertEquals(untilReceived(base, server, 3), ["1", "3", "55"]);
      assertEquals(errors, ["sendmsg ENETUNREACH", "sendmsg EPERM"]);
    });

    it("once to receive is told, and receiving goes on", () => {
      client.send("x", server.socket.address);
      withFault({ call: RECEIVE, error: "EHOSTUNREACH", times: 1 }, () => {
        assertEquals(untilReceived(base, server, 1), ["x"]);
      });
      settle(base);
      assertEquals(errors, ["recvmsg EHOSTUNREACH"]);
    });

    it("over and over to receive makes it pause and try again, not spin", () => {
      client.send("x", server.socket.address);
      withFault({ call: RECEIVE, error: "ENOMEM" }, (calls) => {
        runFor(base, 120);
        assertGreater(calls.calls, 1);
        assert(calls.calls <= 8, String(calls.calls));
      });
      assertEquals(untilReceived(base, server, 1), ["x"]);
      assertEquals(errors[0], "recvmsg ENOMEM");
    });

    it("to receive does so no more once the socket is paused or closed", () => {
      client.send("x", server.socket.address);
      withFault({ call: RECEIVE, error: "ENOMEM" }, () => {
        until(base, () => errors.length > 0, "the error");
        server.socket.pause();
      });
      assertFalse(base.dispatch());
      server.socket.resume();
      assertEquals(untilReceived(base, server, 1), ["x"]);
    });

    it("to watch drops what waited, and says why", () => {
      if (backend.name !== "epoll" || backend.isDouble) return;
      withFaults([{ call: "sendto", error: "EAGAIN", times: 1 }, { call: "epoll_ctl", error: "ENOSPC" }], () => {
        client.send("x", server.socket.address);
        settle(base);
      });
      settle(base);
      assertEquals(client.queuedDatagrams, 0);
    });
  });
});
