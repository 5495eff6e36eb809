import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EV_WRITE, RateLimit } from "../../src/core/mod.ts";
import { TokenBucket } from "../../src/core/token_bucket.ts";

describe("a rate limit", () => {
  it("has a tick of a second, bursts as large as its rates, and no limit where none is given", () => {
    assertEquals({ ...new RateLimit({ readRate: 10 }) }, {
      readRate: 10,
      readBurst: 10,
      writeRate: Infinity,
      writeBurst: Infinity,
      tickMs: 1000,
    });
    assertEquals(new RateLimit({ writeRate: 1, writeBurst: 9, tickMs: 1 }).writeBurst, 9);
  });

  it("refuses rates without bytes, bursts below their rate, and what is no number of bytes", () => {
    for (const bytes of [0, -1, 1.5, NaN, 2 ** 53]) {
      assertThrows(() => new RateLimit({ readRate: bytes }), RangeError, "readRate");
      assertThrows(() => new RateLimit({ readRate: 1, readBurst: bytes }), RangeError, "readBurst");
      assertThrows(() => new RateLimit({ writeRate: bytes }), RangeError, "writeRate");
    }
    assertThrows(() => new RateLimit({ readRate: 10, readBurst: 9 }), RangeError, "less than readRate");
    assertThrows(() => new RateLimit({ writeBurst: 9 }), RangeError, "less than writeRate");
  });

  it("refuses a tick of no time, which would be divided by", () => {
    for (const tickMs of [0, 0.5, -1, NaN]) {
      assertThrows(() => new RateLimit({ readRate: 1, tickMs }), RangeError, "tickMs");
    }
  });

  it("refuses a tick of more milliseconds than a C int holds, and no shorter one", () => {
    const longestMs = Math.floor((2 ** 31 - 1) / 1000) * 1000;
    for (
      const tickMs of [Infinity, (2 ** 63 - 1) * 1000, (2 ** 32 - 2) * 1000, (2 ** 31 - 1) * 1000, longestMs + 1000]
    ) {
      assertThrows(() => new RateLimit({ readRate: 1, tickMs }), RangeError, "tickMs");
    }
    assertEquals(new RateLimit({ readRate: 1, tickMs: longestMs }).tickMs, longestMs);
    assertEquals(new RateLimit({ readRate: 1, tickMs: longestMs - 1000 }).tickMs, longestMs - 1000);
  });
});

describe("a token bucket", () => {
  const limit = new RateLimit({ readRate: 10, readBurst: 25, writeRate: 7, writeBurst: 1000, tickMs: 100 });

  it("starts with one tick's worth", () => {
    const bucket = new TokenBucket(limit, 12_345);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [10, 7]);
  });

  it("is filled tick by tick, up to its burst", () => {
    const bucket = new TokenBucket(limit, 199);
    bucket.fill(199.9);
    assertEquals(bucket.left(EV_READ), 10);
    bucket.fill(200);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [20, 14]);
    bucket.fill(399.9);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [25, 21]);
  });

  it("may be overdrawn, and says how long it takes to have something again", () => {
    const bucket = new TokenBucket(limit, 100);
    bucket.spend(EV_READ, 35);
    assertEquals(bucket.left(EV_READ), -25);
    assertEquals(bucket.waitMs(EV_READ, 1, 130), 270);
    bucket.fill(399);
    assertEquals(bucket.left(EV_READ), -5);
    bucket.fill(400);
    assertEquals(bucket.left(EV_READ), 5);
    bucket.spend(EV_READ, -3);
    assertEquals(bucket.left(EV_READ), 8);
  });

  it("does not overflow, however much time has passed and however large it is", () => {
    const max = Number.MAX_SAFE_INTEGER;
    const large = new RateLimit({ readRate: max, readBurst: max, writeRate: 1, writeBurst: max, tickMs: 1 });
    const bucket = new TokenBucket(large, 0);
    bucket.spend(EV_READ, max);
    bucket.fill(2 ** 52);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [max, 2 ** 52 + 1]);
    bucket.fill(2 ** 53);
    assertEquals(bucket.left(EV_WRITE), max);
  });

  it("does not lose anything when time goes back", () => {
    const bucket = new TokenBucket(limit, 1000);
    bucket.fill(500);
    assertEquals(bucket.left(EV_READ), 10);
    bucket.fill(1100);
    assertEquals(bucket.left(EV_READ), 20);
  });

  it("goes on under a new limit: spent is spent, and more than the burst is not kept", () => {
    const bucket = new TokenBucket(limit, 0);
    bucket.fill(200);
    bucket.spend(EV_WRITE, 30);
    bucket.setLimit(new RateLimit({ readRate: 5, writeRate: 5, writeBurst: 50, tickMs: 3 }), 200);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [5, -9]);
    bucket.fill(203);
    assertEquals(bucket.left(EV_WRITE), -4);
  });

  it("has no end as soon as a limit is lifted, whatever was spent, and has one as soon as there is one", () => {
    const bucket = new TokenBucket(limit, 0);
    bucket.spend(EV_READ, 35);
    bucket.setLimit(new RateLimit({ writeRate: 7, tickMs: 100 }), 0);
    assertEquals(bucket.left(EV_READ), Infinity);
    bucket.setLimit(new RateLimit({ readRate: 10, readBurst: Infinity, tickMs: 100 }), 0);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [10, Infinity]);
    bucket.setLimit(limit, 0);
    assertEquals([bucket.left(EV_READ), bucket.left(EV_WRITE)], [10, 1000]);
  });

  it("has no end where there is no limit", () => {
    const bucket = new TokenBucket(new RateLimit({ readRate: 1 }), 0);
    bucket.spend(EV_WRITE, 1e9);
    bucket.fill(5000);
    assertEquals(bucket.left(EV_WRITE), Infinity);
  });
});
