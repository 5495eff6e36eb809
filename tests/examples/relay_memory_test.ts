/**
 * What a proxy holds, however much passes through it: no more than its limit, to the byte, and no memory that grows.
 *
 * By default 256 MiB pass, and 20,000 connections come and go; `EVBASE_TESTS=full` makes that 1 GiB and 100,000.
 */
import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { Relay, WAITING_BYTES_MAX } from "../../examples/shared/relay.ts";
import {
  EV_READ,
  EvBuffer,
  EventBase,
  EVLOOP_NONBLOCK,
  Listener,
  OpenFile,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { socketAddress } from "../../src/core/socket_address.ts";
import {
  accept,
  ACCEPT_BLOCKING,
  allocate,
  bind,
  connect,
  encodeSocketAddress,
  getsockname,
  listen,
  os,
  poll,
  read,
  setNonBlocking,
  socket,
  write,
} from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { ExampleProcess } from "./example_process.ts";

const isFull = process.env["EVBASE_TESTS"] === "full";
const MIB = 1024 * 1024;
const PASSED_BYTES = (isFull ? 1024 : 256) * MIB;
const CONNECTIONS = isFull ? 100_000 : 20_000;
/** What one read takes at most. */
const READ_MAX = 64 * 1024;
/**
 * What the process may grow by meanwhile. It is the runtime's and the garbage collector's; all bytes together would be many times as
 * much.
 */
const GROWTH_MAX = 64 * MIB;
const { AF_INET, POLLIN, POLLOUT, SOCK_STREAM } = os.constants;

/** Bytes that tell where in the stream they are: a pattern whose length is prime to that of every buffer. */
const PERIOD = 65_521;
const pattern = allocate(PERIOD + READ_MAX);
for (let at = 0; at < pattern.length; at++) pattern[at] = (at % PERIOD) * 31 + ((at % PERIOD) >> 8);

/** One end that writes the pattern, and one that reads and compares. */
class Stream {
  sent = 0;
  received = 0;
  readonly #from: number;
  readonly #to: number;
  readonly #total: number;
  readonly #piece = allocate(READ_MAX);

  constructor(from: number, to: number, total: number) {
    this.#from = from;
    this.#to = to;
    this.#total = total;
  }

  /** Writes as much as is taken; returns how much that was. */
  push(): number {
    const before = this.sent;
    while (this.sent < this.#total) {
      const at = this.sent % PERIOD;
      const count = Math.min(READ_MAX, this.#total - this.sent);
      this.#piece.set(pattern.subarray(at, at + count));
      const result = write(this.#from, this.#piece, count);
      if (result <= 0) break;
      this.sent += result;
    }
    return this.sent - before;
  }

  /** Reads once, and compares. Returns what `read` does. */
  pull(max: number): number {
    const result = read(this.#to, this.#piece, max);
    if (result <= 0) return result;
    const at = this.received % PERIOD;
    const isSame = equal(this.#piece.subarray(0, result), pattern.subarray(at, at + result));
    assert(isSame, `bytes have changed after ${this.received}`);
    this.received += result;
    return result;
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

interface RelayUnderTest {
  readonly client: number;
  readonly server: number;
  readonly near: SocketBufferEvent;
  readonly far: SocketBufferEvent;
  readonly relay: Relay;
}

/** A relay between two pairs of sockets, and the outer ends of both. */
function relayBetween(base: EventBase, descriptors: Descriptors): RelayUnderTest {
  const [client, nearFd] = descriptors.socketpair();
  const [farFd, server] = descriptors.socketpair();
  const near = new SocketBufferEvent(base, nearFd, { keepOpen: true });
  const far = new SocketBufferEvent(base, farFd, { keepOpen: true });
  const relay = new Relay(
    { connection: near, bottom: near, isConnected: true },
    { connection: far, bottom: far, isConnected: true },
  );
  return { client, server, near, far, relay };
}

forEachBackend((backend) => {
  describe("a relay whose reader does not read", () => {
    it("stops above its limit, and goes on at half of it", () => {
      using descriptors = new Descriptors();
      using base = backend.newBase();
      const { client, server, near, far, relay } = relayBetween(base, descriptors);
      const stream = new Stream(client, server, PASSED_BYTES);
      const { output } = far;
      // Full in all places.
      for (let taken = 1; taken > 0;) {
        taken = stream.push();
        settle(base);
      }
      assertLess(WAITING_BYTES_MAX, output.length);
      assertLessOrEqual(output.length, WAITING_BYTES_MAX + READ_MAX);
      assertEquals(near.enabled & EV_READ, 0);
      // It does not read a byte before it is down to half, and does then.
      let lowest = output.length;
      while ((near.enabled & EV_READ) === 0) {
        assertLess(WAITING_BYTES_MAX / 2, output.length);
        lowest = output.length;
        assertLess(0, stream.pull(4096));
        base.loop(EVLOOP_NONBLOCK);
      }
      assertLessOrEqual(lowest, WAITING_BYTES_MAX + READ_MAX);
      relay.close();
    });
  });
});

describe(`${PASSED_BYTES / MIB} MiB with a slow reader`, () => {
  it("never make a relay hold more than its limit and one read, nor its process grow", () => {
    using descriptors = new Descriptors();
    using base = new EventBase();
    const { client, server, far, relay } = relayBetween(base, descriptors);
    const stream = new Stream(client, server, PASSED_BYTES);
    let peak = 0;
    far.output.addCallback((buffer) => peak = Math.max(peak, buffer.length));
    let resident = 0;
    // The reader takes a piece only when everything is full before it.
    for (let round = 0; stream.received < PASSED_BYTES; round++) {
      while (stream.push() > 0) base.loop(EVLOOP_NONBLOCK);
      settle(base);
      for (let pieces = 0; pieces < 16; pieces++) if (stream.pull(READ_MAX) <= 0) break;
      base.loop(EVLOOP_NONBLOCK);
      if (resident === 0 && stream.received > 16 * MIB) resident = process.memoryUsage().rss;
    }
    assertEquals([stream.sent, stream.received], [PASSED_BYTES, PASSED_BYTES]);
    assertLess(WAITING_BYTES_MAX, peak);
    assertLessOrEqual(peak, WAITING_BYTES_MAX + READ_MAX);
    assertLess(process.memoryUsage().rss - resident, GROWTH_MAX);
    relay.close();
  });

  const isLinux = os.name === "linux";
  (isLinux ? it : it.skip)("pass through le-proxy as they are, and its process does not grow", async () => {
    using descriptors = new Descriptors();
    const listening = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
    const bytes = allocate(128);
    const loopback = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port: 0 }, bytes);
    assertEquals([bind(listening, bytes, loopback), listen(listening, 1)], [0, 0]);
    const far = socketAddress(listening, getsockname);
    assert(typeof far === "object");
    assert(far.family === "ipv4");
    const example = new ExampleProcess("le-proxy.ts", "127.0.0.1:0", `127.0.0.1:${far.port}`);
    try {
      const near = (await example.address()).split(":");
      const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      setNonBlocking(client, false);
      const address = { family: "ipv4", host: near[0]!, port: Number(near[1]) } as const;
      assertEquals(connect(client, bytes, encodeSocketAddress(address, bytes)), 0);
      setNonBlocking(client);
      setNonBlocking(listening, false);
      const length = allocate(4);
      new Int32Array(length.buffer)[0] = bytes.length;
      const server = descriptors.own(accept(listening, bytes, length, ACCEPT_BLOCKING));
      setNonBlocking(server);
      const stream = new Stream(client, server, PASSED_BYTES);
      const fds = new DataView(allocate(8).buffer);
      // 16 MiB warm it up: code is compiled, and the pool of chunks is filled.
      let before = 0;
      while (stream.received < PASSED_BYTES) {
        stream.push();
        // Read only when the sender is stuck: the proxy is full nearly all the time.
        fds.setInt32(0, stream.sent < PASSED_BYTES ? client : server, true);
        fds.setUint16(4, stream.sent < PASSED_BYTES ? POLLOUT : POLLIN, true);
        if (poll(new Uint8Array(fds.buffer), 1, 1) > 0 && stream.sent < PASSED_BYTES) continue;
        for (let pieces = 0; pieces < 64; pieces++) if (stream.pull(READ_MAX) <= 0) break;
        if (before === 0 && stream.received > 16 * MIB) before = peakBytes(example.pid);
      }
      assertEquals(stream.received, PASSED_BYTES);
      assertLess(peakBytes(example.pid) - before, GROWTH_MAX);
    } finally {
      await example.stop();
    }
  });
});

/** The most memory that a process has had so far. */
function peakBytes(pid: number): number {
  // Deno asks for every permission there is before it reads this itself.
  using file = OpenFile.open(`/proc/${pid}/status`);
  using buffer = new EvBuffer();
  while (buffer.readFrom(file.fd) > 0);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(buffer.takeText())![1]) * 1024;
}

describe(`${CONNECTIONS} connections that come, are answered and go`, () => {
  it("leave no descriptor behind, and no memory", () => {
    using base = new EventBase();
    let served = 0;
    using listener = new Listener(base, { port: 0 }, (fd) => {
      const server = new SocketBufferEvent(base, fd);
      server.setCallbacks({
        read: (server) => {
          server.writeBuffer(server.input);
          server.closeAfterFlush();
        },
      });
      server.enable(EV_READ);
    });
    const round = (): void => {
      const client = new SocketBufferEvent(base);
      client.setCallbacks({
        event: (_what, client) => {
          if (client.input.length === 0) return;
          assertEquals(client.input.takeText(), "ping");
          client.close();
          served++;
        },
      });
      client.enable(EV_READ);
      client.connect(listener.address);
      client.write("ping");
    };
    /** Several at once, which is what a server sees. */
    const serve = (count: number): void => {
      for (let done = 0; done < count; done += 50) {
        const target = served + 50;
        for (let index = 0; index < 50; index++) round();
        until(base, () => served === target, "50 connections");
      }
    };
    serve(5000);
    const [descriptors, resident] = [openDescriptorCount(), process.memoryUsage().rss];
    serve(CONNECTIONS);
    assertEquals(openDescriptorCount(), descriptors);
    const growth = process.memoryUsage().rss - resident;
    if (isFull) console.log(`${CONNECTIONS} connections: ${(growth / MIB).toFixed(1)} MiB more than after 5,000`);
    assertLess(growth, GROWTH_MAX);
  });
});
