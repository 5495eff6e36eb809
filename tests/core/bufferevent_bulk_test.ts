/** Reads that bring much at a time take another way than small ones; nobody may notice. */
import { assert, assertEquals, assertGreater, assertLessOrEqual, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  EV_READ,
  EVLOOP_ONCE,
  RateLimit,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { sharedChunkPool } from "../../src/core/chunk_pool.ts";
import { allocate, os, setSocketOption, write } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { settle, until } from "./bufferevent_support.ts";

const { SOL_SOCKET, SO_SNDBUF } = os.constants;

/** What one read takes unless told otherwise. */
const READ = 65_536;

/** The bytes of a stream from `at` on. */
function bytesFrom(at: number, count: number): Uint8Array<ArrayBuffer> {
  const bytes = allocate(count);
  for (let index = 0; index < count; index++) bytes[index] = (at + index) * 7 + ((at + index) >> 9);
  return bytes;
}

forEachBackend((backend) => {
  describe("a connection that much comes from", () => {
    /** Sends pieces of these sizes, each when everything before it has arrived. */
    function carry(sizes: readonly number[], max: number, check: (connection: SocketBufferEvent) => void): number {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      setSocketOption(far, SOL_SOCKET, SO_SNDBUF, 1024 * 1024);
      using connection = new SocketBufferEvent(base, near, { keepOpen: true, maxSingleRead: max });
      let received = 0;
      connection.setCallbacks({
        read: ({ input }) => {
          check(connection);
          const { length } = input;
          assertEquals(input.take(), bytesFrom(received, length));
          received += length;
        },
      });
      connection.enable(EV_READ);
      let sent = 0;
      for (const size of sizes) {
        assertEquals(write(far, bytesFrom(sent, size), size), size);
        sent += size;
        until(base, () => received === sent, `the piece of ${size} bytes`);
      }
      return received;
    }

    it("brings large and small pieces in order, whatever came before them", () => {
      for (const max of [4096, 5000, 65_536]) {
        const sizes = [
          1,
          70_000,
          3,
          70_000,
          70_000,
          4095,
          4096,
          4097,
          1,
          32_767,
          32_768,
          65_536,
          65_536,
          65_537,
          100,
          1,
        ];
        const total = carry(sizes, max, ({ input }) => assertLessOrEqual(input.length, max));
        assertEquals(total, sizes.reduce((sum, size) => sum + size));
      }
    });

    it("takes no more than twice the memory of what it holds", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      connection.enable(EV_READ);
      const before = sharedChunkPool.bytesLent;
      // Two reads that bring all they may, and then many of the most wasteful size.
      let sent = 0;
      for (const size of [65_536, 65_536, ...new Array<number>(64).fill(5000)]) {
        for (let rest = size; rest > 0;) {
          const taken = write(far, bytesFrom(sent, rest), rest);
          if (taken > 0) {
            rest -= taken;
            sent += taken;
          }
          settle(base);
        }
      }
      assertEquals(connection.input.length, sent);
      assertLessOrEqual(sharedChunkPool.bytesLent - before, 2 * sent + 65_536);
      assertEquals(connection.input.take(), bytesFrom(0, sent));
    });

    it("is held by a high watermark to the byte", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      connection.setWatermark(EV_READ, 0, 10_000);
      connection.enable(EV_READ);
      assertEquals(write(far, bytesFrom(0, 50_000), 50_000), 50_000);
      let at = 0;
      for (const taken of [10_000, 10_000, 9999, 1, 5000, 10_000]) {
        settle(base);
        assertEquals(connection.input.length, Math.min(10_000, 50_000 - at));
        const target = new Uint8Array(taken);
        connection.read(target);
        assertEquals(target, bytesFrom(at, taken));
        at += taken;
      }
    });

    it("hands bytes to a sink that is set midway, from the next read on", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true, maxSingleRead: 8192 });
      connection.enable(EV_READ);
      write(far, bytesFrom(0, 16_384), 16_384);
      until(base, () => connection.input.length === 16_384, "the bytes before");
      let received = 16_384;
      connection.setSink({
        receive: (bytes, start, end) => {
          assertEquals(bytes.subarray(start, end), bytesFrom(received, end - start));
          received += end - start;
        },
      });
      assertEquals(connection.input.take().length, 16_384);
      write(far, bytesFrom(received, 16_384), 16_384);
      until(base, () => received === 32_768, "the bytes after");
      assertEquals(connection.input.length, 0);
    });

    it("obeys a rate limit", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      using connection = new SocketBufferEvent(base, near, { keepOpen: true, maxSingleRead: 4096 });
      connection.setRateLimit(
        new RateLimit({ readRate: 10_000, readBurst: 10_000, writeRate: 1, writeBurst: 1, tickMs: 60_000 }),
      );
      connection.enable(EV_READ);
      write(far, bytesFrom(0, 30_000), 30_000);
      settle(base);
      settle(base);
      assertEquals(connection.input.length, 10_000);
    });

    it("may be closed by a callback of its input, and by its read callback", () => {
      for (const byRead of [false, true]) {
        using base = backend.newBase();
        using descriptors = new Descriptors();
        const [near, far] = descriptors.socketpair();
        using connection = new SocketBufferEvent(base, near, { keepOpen: true, maxSingleRead: 4096 });
        let count = 0;
        const closeSecond = (): void => {
          if (++count === 3) connection.close();
        };
        if (byRead) connection.setCallbacks({ read: closeSecond });
        else connection.input.addCallback(closeSecond);
        connection.enable(EV_READ);
        write(far, bytesFrom(0, 30_000), 30_000);
        settle(base);
        settle(base);
        assertEquals([count, connection.closed], [3, true]);
      }
    });

    /** A connection that has begun to bring much, and `count` reads of 64 KiB that wait for it. */
    function withMuchWaiting(count: number, check: (connection: SocketBufferEvent, turn: () => void) => void): void {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      for (const end of [near, far]) setSocketOption(end, SOL_SOCKET, SO_SNDBUF, 4 * 1024 * 1024);
      using connection = new SocketBufferEvent(base, near, { keepOpen: true });
      connection.enable(EV_READ);
      write(far, allocate(READ), READ);
      until(base, () => connection.input.length === READ, "the first read");
      connection.input.drain(READ);
      // What the kernel lends a socket is more than it counts, and so it takes less than was asked for.
      for (let rest = count * READ; rest > 0;) {
        const taken = write(far, allocate(rest), rest);
        assertGreater(taken, 0);
        rest -= taken;
      }
      check(connection, () => base.loop(EVLOOP_ONCE));
    }

    it("is read on within a turn, by single reads of at most what one may take, until the others have their turn", () => {
      withMuchWaiting(6, (connection, turn) => {
        const lengths: number[] = [];
        connection.setCallbacks({ read: ({ input }) => lengths.push(input.drain(Infinity)) });
        turn();
        assertEquals(lengths, [READ, READ, READ, READ]);
        turn();
        assertEquals(lengths.length, 6);
      });
    });

    it("sends what its reads have queued in one go", () => {
      withMuchWaiting(4, (connection, turn) => {
        let changes = 0;
        connection.output.addCallback((_output, { deleted }) => {
          if (deleted > 0) changes++;
        });
        connection.setCallbacks({ read: ({ input }) => connection.writeBuffer(input) });
        turn();
        assertEquals([changes, connection.output.length], [1, 0]);
      });
    });

    it("is not read on once a callback wants none, or the loop is wanted elsewhere", () => {
      const stops: Record<string, (connection: SocketBufferEvent) => void> = {
        disable: (connection) => connection.disable(EV_READ),
        close: (connection) => connection.close(),
        loopBreak: ({ base }) => base.loopBreak(),
        loopContinue: ({ base }) => base.loopContinue(),
        highWatermark: (connection) => connection.setWatermark(EV_READ, 0, READ),
        takeFd: (connection) => connection.takeFd(),
        noCallback: (connection) => connection.setCallbacks({}),
        sink: (connection) => connection.setSink({ receive: () => {} }),
        rateLimit: (connection) =>
          connection.setRateLimit(new RateLimit({ readRate: 1e6, readBurst: 1e6, writeRate: 1, writeBurst: 1 })),
      };
      for (const [name, stop] of Object.entries(stops)) {
        withMuchWaiting(4, (connection, turn) => {
          let count = 0;
          connection.setCallbacks({
            read: (connection) => {
              if (++count === 2) stop(connection);
            },
          });
          turn();
          assertEquals(count, 2, name);
        });
      }
    });

    it("goes on with another descriptor only when that one is ready", () => {
      withMuchWaiting(4, (connection, turn) => {
        using descriptors = new Descriptors();
        const [near, far] = descriptors.socketpair();
        let count = 0;
        connection.setCallbacks({
          read: ({ input }) => {
            input.drain(Infinity);
            if (++count === 2) connection.replaceFd(near);
          },
          event: (what) => fail(`told ${what}`),
        });
        turn();
        assertEquals(count, 2);
        write(far, allocate(10), 10);
        turn();
        assertEquals(count, 3);
        connection.takeFd();
      });
    });

    it("never brings more than one read to a callback that is called from the loop", () => {
      using base = backend.newBase();
      using descriptors = new Descriptors();
      const [near, far] = descriptors.socketpair();
      setSocketOption(far, SOL_SOCKET, SO_SNDBUF, 4 * 1024 * 1024);
      using connection = new SocketBufferEvent(base, near, { keepOpen: true, deferCallbacks: true });
      let received = 0;
      connection.setCallbacks({
        read: ({ input }) => {
          assertLessOrEqual(input.length, READ);
          received += input.drain(Infinity);
        },
      });
      connection.enable(EV_READ);
      const sent = write(far, allocate(4 * READ), 4 * READ);
      assertGreater(sent, 2 * READ);
      until(base, () => received === sent, "all of it");
    });

    it("is read once a turn by a size for single reads that a callback has made less", () => {
      withMuchWaiting(4, (connection, turn) => {
        const lengths: number[] = [];
        connection.setCallbacks({
          read: ({ input }) => {
            lengths.push(input.drain(Infinity));
            connection.maxSingleRead = 8192;
          },
        });
        for (let count = 0; count < 3; count++) turn();
        assertEquals(lengths, [READ, 8192, 8192]);
      });
    });

    it("tells of the end and of a reset after the last bytes", () => {
      for (const reset of [false, true]) {
        using base = backend.newBase();
        using descriptors = new Descriptors();
        const [near, far] = descriptors.socketpair();
        using connection = new SocketBufferEvent(base, near, { keepOpen: true, maxSingleRead: 4096 });
        let what = 0;
        connection.setCallbacks({ event: (event) => what = event });
        connection.enable(EV_READ);
        assertEquals(write(far, bytesFrom(0, 12_288), 12_288), 12_288);
        // A Unix socket that is closed with unread bytes of the other side's resets it.
        if (reset) {
          connection.write("never read");
          connection.flush();
        }
        descriptors.close(far);
        until(base, () => what !== 0, "the end");
        assert((what & (reset ? BEV_EVENT_ERROR : BEV_EVENT_EOF)) !== 0);
        if (!reset) assertEquals(connection.input.take(), bytesFrom(0, 12_288));
      }
    });
  });
});
