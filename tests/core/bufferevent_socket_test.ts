import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  type BufferEventCallbacks,
  type ByteSink,
  countEvents,
  EV_READ,
  EV_WRITE,
  EVENT_BASE_COUNT_ACTIVE,
  type EventBase,
  EVLOOP_NONBLOCK,
  SocketBufferEvent,
  type SocketBufferEventOptions,
  SystemError,
} from "../../src/core/mod.ts";
import { fcntl, os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, fill, type Pair, readText, writeText } from "../support/descriptors.ts";
import {
  assertSameBytes,
  countWrites,
  inputText,
  journal,
  pattern,
  settle,
  tcpPair,
  until,
} from "./bufferevent_support.ts";

const { EAGAIN, EBADF } = os.errno as Record<"EAGAIN" | "EBADF", number>;
const { F_GETFD, SHUT_WR } = os.constants;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let connections: SocketBufferEvent[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    connections = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  /** A connection whose descriptor the test closes. */
  function open(fd: number, options: SocketBufferEventOptions = {}): SocketBufferEvent {
    const connection = new SocketBufferEvent(base, fd, { keepOpen: true, ...options });
    connections.push(connection);
    return connection;
  }

  /** A connection that reads, and the bare descriptor of its other side. */
  function openPair(
    callbacks: BufferEventCallbacks<SocketBufferEvent> = {},
    [near, far]: Pair = descriptors.socketpair(),
  ): { connection: SocketBufferEvent; far: number } {
    const connection = open(near);
    connection.setCallbacks(callbacks);
    connection.enable(EV_READ);
    return { connection, far };
  }

  describe("a socket connection that moves data", () => {
    for (const kind of ["Unix", "TCP"] as const) {
      it(`carries data both ways over ${kind} sockets`, () => {
        const pair = kind === "Unix" ? descriptors.socketpair() : tcpPair(descriptors);
        const [one, other] = pair.map((fd) => open(fd)) as [SocketBufferEvent, SocketBufferEvent];
        let answer = "";
        other.setCallbacks({ read: (connection) => connection.write(inputText(connection).toUpperCase()) });
        one.setCallbacks({ read: (connection) => answer += inputText(connection) });
        one.enable(EV_READ);
        other.enable(EV_READ);
        one.write("hello");
        until(base, () => answer === "HELLO", "the answer");
      });

      it(`carries 5 MB over ${kind} sockets byte for byte, although the kernel takes it in pieces`, () => {
        const pair = kind === "Unix" ? descriptors.socketpair() : tcpPair(descriptors);
        const [one, other] = pair.map((fd) => open(fd)) as [SocketBufferEvent, SocketBufferEvent];
        const sent = pattern(5_000_000);
        const results = countWrites(one);
        other.enable(EV_READ);
        one.write(sent);
        until(base, () => other.input.length === sent.length, "5 MB");
        assertSameBytes(other.input.take(), sent);
        assertGreater(results.filter((result) => result > 0).length, 1);
        assertEquals(one.output.length, 0);
      });
    }

    it("sends all that one callback writes in one system call", () => {
      const { connection, far } = openPair({
        read: (connection) => {
          for (let count = 0; count < 100; count++) connection.write(`line ${count}\n`);
        },
      });
      const results = countWrites(connection);
      writeText(far, "go");
      settle(base);
      assertEquals(results, [790]);
      assertEquals((readText(far) as string).length, 790);
    });

    it("sends what is written outside of the loop with the next turn, in one call", () => {
      const { connection, far } = openPair();
      const results = countWrites(connection);
      connection.write("one ");
      connection.write("two ");
      connection.write("three");
      assertEquals(readText(far), -EAGAIN);
      base.loop(EVLOOP_NONBLOCK);
      assertEquals(readText(far), "one two three");
      assertEquals(results.length, 1);
    });

    it("sends what another connection's callback has queued", () => {
      const to = openPair();
      const from = openPair({ read: (connection) => to.connection.writeBuffer(connection.input) });
      writeText(from.far, "passed on");
      settle(base);
      assertEquals(readText(to.far), "passed on");
    });

    it("sends what its own write callback has queued", () => {
      const { connection, far } = openPair();
      let left = 3;
      connection.setCallbacks({ write: () => left-- > 0 && connection.write(`${left}`) });
      connection.write("start ");
      settle(base);
      assertEquals(readText(far), "start 210");
    });

    it("sends at once on flush()", () => {
      const { connection, far } = openPair();
      connection.write("now");
      connection.flush();
      assertEquals(readText(far), "now");
    });

    it("watches for writability only while the kernel takes no more", () => {
      const { connection, far } = openPair();
      fill(connection.fd);
      const results = countWrites(connection);
      connection.write("waiting");
      settle(base);
      assertEquals(results, [-EAGAIN]);
      assertGreater(empty(far), 0);
      settle(base);
      assertEquals(readText(far), "waiting");
      assertEquals(results, [-EAGAIN, 7]);
    });

    it("keeps what is queued while writing is disabled, and sends it when it is enabled again", () => {
      const { connection, far } = openPair();
      connection.disable(EV_WRITE);
      connection.write("later");
      settle(base);
      assertEquals(readText(far), -EAGAIN);
      assertEquals(connection.output.length, 5);
      connection.enable(EV_WRITE);
      settle(base);
      assertEquals(readText(far), "later");
    });

    it("does not turn the loop for what is queued while writing is disabled", () => {
      const { connection } = openPair();
      connection.disable(EV_WRITE);
      connection.write("later");
      settle(base);
      connection.disable(EV_READ);
      assertEquals(countEvents(base, EVENT_BASE_COUNT_ACTIVE), 0);
      connection.enable(EV_WRITE);
      assertEquals(countEvents(base, EVENT_BASE_COUNT_ACTIVE), 1);
    });

    it("reads at most maxSingleRead bytes at a time, and writes in shares of maxSingleWrite", () => {
      const [near, far] = descriptors.socketpair();
      const connection = open(near, { maxSingleRead: 4, maxSingleWrite: 3 });
      const sizes: number[] = [];
      connection.setCallbacks({ read: ({ input }) => sizes.push(input.drain(Infinity)) });
      connection.enable(EV_READ);
      const results = countWrites(connection);
      writeText(far, "0123456789");
      connection.write("abcdefg");
      settle(base);
      assertEquals(sizes, [4, 4, 2]);
      assertEquals(results, [3, 3, 1]);
      assertEquals(readText(far), "abcdefg");
    });

    it("takes a maximum of 0 for the default", () => {
      const [near, far] = descriptors.socketpair();
      const connection = open(near, { maxSingleRead: 0, maxSingleWrite: 0 });
      const sizes: number[] = [];
      connection.setCallbacks({ read: ({ input }) => sizes.push(input.drain(Infinity)) });
      connection.enable(EV_READ);
      writeText(far, "0123456789");
      connection.write("abc");
      until(base, () => sizes.length > 0 && connection.output.length === 0, "both ways");
      assertEquals(sizes, [10]);
      assertEquals(readText(far), "abc");
    });

    it("does not call back for data that was in the input before reading was enabled", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      writeText(far, "data");
      settle(base);
      connection.disable(EV_READ);
      connection.enable(EV_READ);
      settle(base);
      assertEquals(told, ["read"]);
      assertEquals(connection.input.length, 4);
    });

    it("reads into a given array", () => {
      const { connection, far } = openPair();
      writeText(far, "abcdef");
      settle(base);
      const target = new Uint8Array(4);
      assertEquals(connection.read(target), 4);
      assertEquals(new TextDecoder().decode(target), "abcd");
      assertEquals(inputText(connection), "ef");
    });

    it("refuses a descriptor that is not open", () => {
      const error = assertThrows(() => new SocketBufferEvent(base, 15_000), SystemError, "use descriptor 15000");
      assertEquals(error.errno, EBADF);
    });
  });

  describe("a byte sink", () => {
    /** Keeps everything by reference and looks at it only at the end. */
    class Keeper implements ByteSink {
      readonly #pieces: Uint8Array[] = [];
      receive(bytes: Uint8Array, start: number, end: number): void {
        this.#pieces.push(bytes.subarray(start, end));
      }
      get text(): string {
        return this.#pieces.map((piece) => new TextDecoder().decode(piece)).join("");
      }
    }

    it("gets bytes that no later read of any connection overwrites", () => {
      const pairs = [0, 1, 2].map(() => {
        const pair = openPair();
        const sink = new Keeper();
        pair.connection.setSink(sink);
        return { ...pair, sink, sent: [] as string[] };
      });
      for (let round = 0; round < 300; round++) {
        const pair = pairs[round % 3]!;
        const text = `${round}:`.padEnd(20 + round * 13 % 3000, String.fromCharCode(97 + round % 26));
        pair.sent.push(text);
        writeText(pair.far, text);
        settle(base);
      }
      for (const { sink, sent, connection } of pairs) {
        assertStrictEquals(sink.text, sent.join(""));
        assertEquals(connection.input.length, 0);
      }
    });

    it("gives way to the input again when it is taken away", () => {
      const { connection, far } = openPair();
      const told = journal(connection);
      const sink = new Keeper();
      connection.setSink(sink);
      writeText(far, "sink");
      settle(base);
      connection.setSink(null);
      writeText(far, "input");
      settle(base);
      assertEquals(sink.text, "sink");
      assertEquals(inputText(connection), "input");
      assertEquals(told, ["read"]);
    });

    it("may close its connection", () => {
      const { connection, far } = openPair();
      connection.setSink({ receive: () => connection.close() });
      writeText(far, "x");
      settle(base);
      assert(connection.closed);
    });
  });

  describe("closing a connection", () => {
    it("works from its own read, write and event callback", () => {
      const reading = openPair({
        read: (connection) => {
          connection.write("never sent");
          connection.close();
        },
      });
      const writing = openPair({ write: (connection) => connection.close() });
      const ending = openPair({ event: (_what, connection) => connection.close() });
      writeText(reading.far, "x");
      writing.connection.write("sent");
      shutdown(ending.far, SHUT_WR);
      settle(base);
      for (const { connection } of [reading, writing, ending]) {
        assert(connection.closed);
        assertEquals(connection.fd, -1);
      }
      assertEquals(readText(reading.far), -EAGAIN);
      assertEquals(readText(writing.far), "sent");
    });

    it("calls back no more, even for what is active already", () => {
      const [one, other] = [openPair(), openPair()];
      const told: string[] = [];
      for (const { connection } of [one, other]) {
        connection.setCallbacks({
          read: () => {
            told.push("read");
            one.connection.close();
            other.connection.close();
          },
        });
      }
      writeText(one.far, "x");
      writeText(other.far, "y");
      settle(base);
      assertEquals(told, ["read"]);
    });

    it("closes the descriptor, unless that is to stay open, and may be repeated", () => {
      for (const keepOpen of [false, true]) {
        const [near] = descriptors.socketpair();
        using connection = new SocketBufferEvent(base, near, { keepOpen });
        connection.close();
        connection.close();
        assertEquals(fcntl(near, F_GETFD, 0) >= 0, keepOpen);
      }
    });

    it("leaves nothing for the loop to wait for", () => {
      const { connection } = openPair();
      connection.setTimeouts(1000, 1000);
      connection.write("x");
      connection.close();
      assertFalse(base.dispatch());
    });

    it("is harmless after its base was closed", () => {
      const { connection } = openPair();
      base.close();
      connection.write("x");
      connection.close();
      assert(connection.closed);
    });
  });

  describe("a connection's addresses", () => {
    it("are those of both sides while it is open, and undefined without a socket", () => {
      const [near, far] = tcpPair(descriptors);
      const [one, other] = [open(near), open(far)];
      assertEquals(one.localAddress, other.remoteAddress);
      assertEquals(one.remoteAddress, other.localAddress);
      assertNotEquals(one.localAddress, one.remoteAddress);
      assertEquals(one.localAddress?.family, "ipv4");
      one.close();
      assertStrictEquals(one.remoteAddress, undefined);
      assertStrictEquals(one.localAddress, undefined);
      assertLess(one.fd, 0);
    });
  });
});
