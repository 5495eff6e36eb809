/**
 * libevent's program test-ratelim: thirty clients talk as fast as they can to a server that echoes within limits. Time is
 * virtual, so that what arrives depends on the limits alone.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_CONNECTED,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  Listener,
  RateLimit,
  RateLimitGroup,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { type BackendUnderTest, forEachBackend } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";

const CLIENTS = 30;
const SECONDS = 5;
const TICKS_PER_SECOND = 10;

/** Bytes per second, as on the program's command line; `drain` is taken from the group each tick. */
interface Limits {
  readonly connection?: number;
  readonly group?: number;
  readonly drain?: number;
}

function limitOf(bytesPerSecond: number): RateLimit {
  const rate = bytesPerSecond / TICKS_PER_SECOND;
  return new RateLimit({
    readRate: rate,
    readBurst: rate * 4,
    writeRate: rate,
    writeBurst: rate * 4,
    tickMs: 1000 / TICKS_PER_SECOND,
  });
}

/** What a connection's buckets must never show. */
function checkLevels(connection: BufferEvent, limit: RateLimit): void {
  assertLessOrEqual(connection.readLimit, limit.readBurst);
  assertLessOrEqual(connection.writeLimit, limit.writeBurst);
  assertLessOrEqual(connection.maxToRead, limit.readBurst);
  assertLessOrEqual(connection.maxToWrite, limit.writeBurst);
}

function serve(base: EventBase, limits: Limits, group: RateLimitGroup | null): Listener {
  const each = limits.connection === undefined ? null : limitOf(limits.connection);
  return new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
    const server = new SocketBufferEvent(base, fd);
    server.setRateLimit(each);
    group?.add(server);
    server.setCallbacks({
      read: (server) => {
        server.writeBuffer(server.input);
        if (server.output.length > 1_024_000) server.disable(EV_READ);
        if (each !== null) checkLevels(server, each);
      },
      write: (server) => {
        if (server.output.length < 512_000) server.enable(EV_READ);
      },
      event: (_what, server) => server.close(),
    });
    server.enable(EV_READ | EV_WRITE);
  });
}

/** A client that never stops talking; `received` counts the bytes that come back. */
function talk(base: EventBase, listener: Listener, received: (bytes: number) => void): SocketBufferEvent {
  const client = new SocketBufferEvent(base);
  const bytes = new Uint8Array(new ArrayBuffer(1024));
  const write = (client: BufferEvent): void => {
    while (client.output.length < 8192) client.write(bytes);
  };
  client.setCallbacks({
    read: (client) => received(client.input.drain(Infinity)),
    write,
    event: (what, client) => what === BEV_EVENT_CONNECTED && write(client),
  });
  client.enable(EV_READ);
  client.connect(listener.address);
  return client;
}

/** Bytes per second that each client got back. */
function measure(backend: BackendUnderTest, limits: Limits): number[] {
  const totals = new Array<number>(CLIENTS).fill(0);
  withVirtualTime(backend, (base) => {
    const group = limits.group === undefined ? null : new RateLimitGroup(base, limitOf(limits.group));
    const listener = serve(base, limits, group);
    const clients = totals.map((_, index) => talk(base, listener, (bytes) => totals[index]! += bytes));
    using drain = base.timer(
      () => {
        group?.decrementRead(limits.drain!);
        group?.decrementWrite(limits.drain!);
      },
      { repeat: true },
    );
    if (limits.drain !== undefined) drain.add(1000 / TICKS_PER_SECOND);
    base.loopExit(SECONDS * 1000 - 5);
    base.dispatch();
    drain.delete();
    listener.close();
    if (group !== null) assertEquals(group.size, CLIENTS);
    for (const client of clients) client.close();
    // Everybody leaves.
    base.dispatch();
    if (group === null) return;
    assertEquals(group.size, 0);
    assert(group.totalRead >= group.totalWritten);
    group.close();
  });
  return totals.map((total) => total / SECONDS);
}

function total(rates: readonly number[]): number {
  return rates.reduce((sum, rate) => sum + rate, 0);
}

function deviation(rates: readonly number[]): number {
  const mean = total(rates) / rates.length;
  return Math.sqrt(total(rates.map((rate) => (rate - mean) ** 2)) / rates.length);
}

forEachBackend((backend) => {
  describe("test-ratelim", () => {
    it("a group's limit is kept by all together, and shared fairly", () => {
      const rates = measure(backend, { group: 30_000 });
      assertLessOrEqual(Math.abs(total(rates) - 30_000), 1000, `${total(rates)} bytes a second`);
      // Who is served last in a tick depends on the backend's order and on chance, and evens out only slowly.
      assert(rates.every((rate) => rate > 300 && rate < 2500), rates.join());
    });

    it("a connection's limit is kept by each", () => {
      const rates = measure(backend, { connection: 1000 });
      assertLessOrEqual(Math.abs(total(rates) / CLIENTS - 1000), 50);
      assertLessOrEqual(deviation(rates), 50);
    });

    it("both limits are kept together", () => {
      const rates = measure(backend, { connection: 1000, group: 30_000 });
      assertLessOrEqual(Math.abs(total(rates) - 30_000), 1000);
      assertLessOrEqual(Math.abs(total(rates) / CLIENTS - 1000), 50);
      assertLessOrEqual(deviation(rates), 50);
    });

    it("both limits are kept while somebody else uses the group's up", () => {
      const rates = measure(backend, { connection: 1000, group: 35_000, drain: 500 });
      assertLessOrEqual(Math.abs(total(rates) / CLIENTS - 1000), 50);
      assertLessOrEqual(deviation(rates), 50);
    });
  });
});
