/** Counterparts of those cases of libevent's group `bufferevent` that no test of ours pins elsewhere; see docs/parity.md. */
import { deflateSync, inflateSync } from "node:zlib";
import { assert, assertEquals, assertGreater, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_ERROR,
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_FINISHED,
  BEV_FLUSH,
  BEV_NEED_MORE,
  BEV_NORMAL,
  BEV_OK,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  FilterBufferEvent,
  Listener,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { assertSameBytes, inputText, journal, pattern, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";
import { withVirtualTime } from "../support/virtual_base.ts";

const TEXT = "Now is the time for all good events to signal for the good of their protocol";
const LENGTH = 8333;

type Ends = [BufferEvent, BufferEvent];

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  const open: BufferEvent[] = [];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    for (const connection of open.splice(0)) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  function socketEnds(): Ends {
    const [one, other] = descriptors.socketpair();
    return own([
      new SocketBufferEvent(base, one, { keepOpen: true }),
      new SocketBufferEvent(base, other, { keepOpen: true }),
    ]);
  }

  function own(ends: Ends): Ends {
    open.push(...ends);
    return ends;
  }

  const kinds: readonly (readonly [string, () => Ends])[] = [
    ["sockets", socketEnds],
    ["a pair", () => own(PairBufferEvent.create(base))],
  ];
  for (const [name, ends] of kinds) {
    describe(`over ${name}`, () => {
      for (const mode of [undefined, BEV_NORMAL, BEV_FLUSH, BEV_FINISHED]) {
        const flushed = mode === undefined ? "not flushed" : `flushed with mode ${mode}`;
        describe(flushed, () =>
          it("8333 bytes arrive, and both callbacks are called", () => {
            const [one, other] = ends();
            const told: string[] = [];
            const callbacks = {
              read: (connection: BufferEvent) => {
                if (connection.input.length !== LENGTH) return;
                const taken = new EvBuffer();
                connection.readBuffer(taken);
                connection.disable(EV_READ);
                if (taken.length === LENGTH) told.push("read");
              },
              write: (connection: BufferEvent) => {
                if (connection.output.length === 0) told.push("written");
              },
              event: (what: number) => told.push(`event ${what}`),
            };
            one.setCallbacks(callbacks);
            other.setCallbacks(callbacks);
            assertStrictEquals(one.getCallbacks(), callbacks);
            one.disable(EV_READ);
            other.enable(EV_READ);
            assertEquals([one.enabled, other.enabled], [EV_WRITE, EV_READ | EV_WRITE]);
            one.write(pattern(LENGTH));
            if (mode !== undefined) one.flush(EV_WRITE, mode);
            base.dispatch();
            const expected = ["read", "written"];
            // Only a pair tells the other end that it has finished.
            if (mode === BEV_FINISHED && name === "a pair") expected.push(`event ${BEV_EVENT_EOF | 1}`);
            assertEquals(told.sort(), expected.sort());
          }));
      }

      it("65,000 bytes go through an input of 10 to 20, and the writer hears of it at 100", () => {
        const [one, other] = ends();
        let read = 0;
        let written = 0;
        one.setCallbacks({
          write: (connection) => {
            assert(connection.output.length <= 100);
            if (connection.output.length === 0) written++;
          },
        });
        other.setCallbacks({
          read: (connection) => {
            const length = connection.input.length;
            assert(length >= 10 && length <= 20, String(length));
            connection.input.drain(length);
            read += length;
            if (read === 65_000) connection.disable(EV_READ);
          },
        });
        one.disable(EV_READ);
        other.enable(EV_READ);
        other.setWatermark(EV_READ, 10, 20);
        one.setWatermark(EV_WRITE, 100, 2000);
        assertEquals(other.getWatermark(EV_READ), { low: 10, high: 20 });
        assertThrows(() => one.getWatermark(EV_READ | EV_WRITE), TypeError);
        one.write(pattern(65_000));
        base.dispatch();
        assertEquals([read, written], [65_000, 1]);
      });

      for (const reentering of [false, true]) {
        const how = reentering ? "with a transform that writes to itself" : "with plain transforms";
        describe(how, () =>
          it("filters change 8333 bytes there and back", () => {
            const [under, over] = ends();
            let outputCalls = 0;
            const one: FilterBufferEvent = new FilterBufferEvent(under, {
              output: (source, target) => {
                if (++outputCalls > 1) return BEV_ERROR;
                for (const byte of source.take()) target.add(Uint8Array.of(120, byte));
                if (reentering) one.write("-");
                assertEquals(outputCalls, 1);
                return BEV_OK;
              },
            });
            const other = new FilterBufferEvent(over, {
              input: (source, target) => {
                const stuffed = source.take(source.length & ~1);
                if (stuffed.length === 0) return BEV_NEED_MORE;
                for (let at = 0; at < stuffed.length; at += 2) {
                  assertEquals(stuffed[at], 120);
                  target.add(stuffed.subarray(at + 1, at + 2));
                }
                return BEV_OK;
              },
            });
            own([one, other]);
            assertStrictEquals(one.underlying, under);
            assertEquals(one.fd, under.fd);
            const told = journal(one);
            other.enable(EV_READ);
            one.write(pattern(LENGTH));
            until(base, () => other.input.length === LENGTH && told.length > 0, "all bytes");
            assertSameBytes(other.input.take(), pattern(LENGTH));
            assertEquals(told, reentering ? ["ERROR|WRITING"] : ["write"]);
            assertEquals(outputCalls, reentering ? 2 : 1);
          }));
      }
    });
  }

  for (const deferCallbacks of [false, true]) {
    const called = deferCallbacks ? "with deferred callbacks" : "with immediate callbacks";
    describe(called, () =>
      it("two connects read one text each to its end", () => {
        using listener = new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
          const server = new SocketBufferEvent(base, fd, { deferCallbacks });
          server.setCallbacks({ write: (server) => server.output.length === 0 && server.close() });
          server.write(TEXT);
        });
        const texts: string[] = [];
        for (let client = 0; client < 2; client++) {
          const connection = new SocketBufferEvent(base, -1, { deferCallbacks });
          open.push(connection);
          connection.enable(EV_READ);
          connection.setCallbacks({
            event: (what, connection) => {
              if (what === BEV_EVENT_CONNECTED) return;
              assert((what & BEV_EVENT_EOF) !== 0);
              texts.push(inputText(connection));
              if (texts.length === 2) base.loopExit();
            },
          });
          connection.connect(listener.address);
        }
        base.dispatch();
        assertEquals(texts, [TEXT, TEXT]);
      }));

    for (const defer of [false, true]) {
      const how = `${called}${defer ? ", postponed" : ""}`;
      describe(how, () =>
        it("a read callback triggers the next one, and that an event of all bits", () => {
          using listener = new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
            const server = new SocketBufferEvent(base, fd);
            server.write(TEXT);
            server.closeAfterFlush();
          });
          const connection = new SocketBufferEvent(base, -1, { deferCallbacks });
          open.push(connection);
          let reads = 0;
          connection.setCallbacks({
            read: (connection) => {
              reads++;
              connection.setCallbacks({
                read: (connection) => {
                  reads++;
                  connection.triggerEvent(~0, { defer });
                },
                event: (what) => what === ~0 && base.loopExit(),
              });
              const mark = connection.getWatermark(EV_READ);
              connection.setWatermark(EV_READ, connection.input.length + 1, 0);
              connection.trigger(EV_READ, { defer });
              assertEquals(reads, 1);
              connection.trigger(EV_READ, { defer, ignoreWatermarks: true });
              assertEquals(reads, deferCallbacks || defer ? 1 : 2);
              connection.setWatermark(EV_READ, mark.low, mark.high);
            },
          });
          connection.enable(EV_READ);
          connection.connect(listener.address);
          base.dispatch();
          assertEquals(reads, 2);
        }));
    }
  }

  describe("timeouts", () => {
    for (const kind of ["sockets", "pair", "filters over sockets", "filters over a pair"]) {
      describe(`of ${kind}`, () =>
        it("each direction times out once, after its time, and none that waits for nothing", () => {
          using sockets = new Descriptors();
          withVirtualTime(backend, (base) => {
            let ends: Ends;
            if (kind.includes("pair")) {
              ends = PairBufferEvent.create(base);
            } else {
              const [one, other] = sockets.socketpair();
              ends = [
                new SocketBufferEvent(base, one, { keepOpen: true }),
                new SocketBufferEvent(base, other, { keepOpen: true }),
              ];
            }
            if (kind.startsWith("filters")) ends = [new FilterBufferEvent(ends[0]), new FilterBufferEvent(ends[1])];
            const [one, other] = ends;
            const startMs = base.now();
            const times: string[] = [];
            one.setCallbacks({ event: (what) => times.push(`${what.toString(16)} at ${base.now() - startMs}`) });
            const otherTold = journal(other);
            one.setTimeouts(150, 100);
            one.write(new Uint8Array(new ArrayBuffer(40_000_000)));
            one.enable(EV_READ | EV_WRITE);
            other.setTimeouts(100, 200);
            other.enable(EV_WRITE);
            base.loopExit(350);
            base.dispatch();
            assertEquals(times, ["42 at 100", "41 at 150"]);
            assertEquals(otherTold, []);
            one.close();
            other.close();
          });
        }));
    }
  });

  it("a pair that has nothing to flush is told of the end all the same", () => {
    const [one, other] = own(PairBufferEvent.create(base));
    other.enable(EV_READ);
    const told = journal(other);
    one.flush(EV_WRITE, BEV_FINISHED);
    base.loop(1);
    assertEquals(told, ["EOF|READING"]);
  });

  it("data that a filter has no room for is not stuck underneath", () => {
    const [one, under] = own(PairBufferEvent.create(base));
    one.setWatermark(EV_READ, 0, 4096);
    under.setWatermark(EV_READ, 0, 4096);
    let headed = false;
    const filter = new FilterBufferEvent(under, {
      deferCallbacks: true,
      input: (source, target, limit) => {
        let room = limit;
        if (!headed) {
          target.add(new Uint8Array(new ArrayBuffer(20)));
          room -= 20;
          headed = true;
        }
        source.removeBuffer(target, Math.min(source.length, room));
        return BEV_OK;
      },
    });
    open.push(filter);
    let total = 0;
    filter.setCallbacks({ read: (filter) => total += filter.input.take().length });
    filter.enable(EV_READ | EV_WRITE);
    filter.setWatermark(EV_READ, 0, 4096);
    one.write(new Uint8Array(new ArrayBuffer(4096)));
    base.dispatch();
    assertEquals(total, 4096 + 20);
  });

  it("reading from a frozen input is refused, and takes nothing", () => {
    const [near, far] = descriptors.socketpair();
    const connection = new SocketBufferEvent(base, near, { keepOpen: true });
    open.push(connection);
    let left = -1;
    connection.setCallbacks({
      read: (connection) => {
        const bytes = new Uint8Array(new ArrayBuffer(8));
        assertEquals(connection.read(bytes), 8);
        connection.input.freezeFront();
        assertThrows(() => connection.read(bytes), TypeError, "frozen");
        left = connection.input.length;
        base.loopExit();
      },
    });
    connection.enable(EV_READ);
    writeText(far, "test data");
    base.dispatch();
    assertEquals(left, 1);
  });

  it("a stream is compressed and expanded by filters", () => {
    const [under, over] = socketEnds();
    let outputCalls = 0;
    let inputCalls = 0;
    const one = new FilterBufferEvent(under, {
      output: (source, target, _limit, mode) => {
        if (mode !== BEV_FINISHED) return BEV_NEED_MORE;
        outputCalls++;
        const packed = deflateSync(source.take());
        target.add(Uint8Array.of(packed.length >> 8, packed.length & 255));
        target.add(packed);
        return BEV_OK;
      },
    });
    const other = new FilterBufferEvent(over, {
      input: (source, target) => {
        const head = source.peek(2);
        const [high = 0, low = 0] = head.flatMap((piece) => [...piece]);
        if (source.length < 2 || source.length < 2 + (high << 8 | low)) return BEV_NEED_MORE;
        inputCalls++;
        source.drain(2);
        target.add(inflateSync(source.take(high << 8 | low)));
        return BEV_OK;
      },
    });
    own([one, other]);
    const told = journal(one);
    other.enable(EV_READ);
    const bytes = pattern(LENGTH);
    one.write(bytes.subarray(0, 1800));
    one.write(bytes.subarray(1800));
    one.flush(EV_WRITE, BEV_FINISHED);
    until(base, () => other.input.length === LENGTH && told.length > 0, "all bytes");
    assertSameBytes(other.input.take(), bytes);
    assertGreater(outputCalls, 0);
    assertGreater(inputCalls, 0);
    assertEquals(told, ["write"]);
  });
});
