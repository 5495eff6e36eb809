import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CHAIN_MEMORY, referenceChain } from "../../src/core/chain.ts";
import { ChainQueue } from "../../src/core/chain_queue.ts";
import { CHUNK_SIZE_MAX, CHUNK_SIZES, ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";

/** The chains of a buffer, which are nobody else's business. */
function queueOf(buffer: EvBuffer): ChainQueue {
  return (buffer as unknown as { readonly queue: ChainQueue }).queue;
}

describe("ChunkPool", () => {
  it("hands out the smallest size that holds what was asked for", () => {
    const pool = new ChunkPool();
    for (const [wanted, size] of [[0, 1024], [1024, 1024], [1025, 4096], [4097, 16_384], [16_385, 65_536]]) {
      assertEquals(pool.take(wanted!).bytes.length, size);
    }
  });

  it("rounds what is larger than its largest size up to whole pages", () => {
    const chain = new ChunkPool().take(CHUNK_SIZE_MAX + 1);
    assertEquals(chain.bytes.length, CHUNK_SIZE_MAX + 4096);
    assertEquals(chain.limit, chain.bytes.length);
  });

  it("hands out a released chunk again, empty and with its address", () => {
    const pool = new ChunkPool();
    const chain = pool.take(100);
    chain.start = 3;
    chain.end = 9;
    chain.address = 4096;
    pool.release(chain);
    const again = pool.take(100);
    assertStrictEquals(again, chain);
    assertEquals([again.kind, again.start, again.end, again.limit], [CHAIN_MEMORY, 0, 0, 1024]);
    assertEquals(again.next, null);
    assertEquals(again.address, 4096);
  });

  it("never hands out memory again that a user has seen", () => {
    const pool = new ChunkPool();
    const chain = pool.take(100);
    chain.exposed = true;
    pool.release(chain);
    assertEquals(pool.bytesFree, 0);
    assertNotStrictEquals(pool.take(100).bytes, chain.bytes);
  });

  it("leaves memory beyond its largest size to the garbage collector", () => {
    const pool = new ChunkPool();
    pool.release(pool.take(CHUNK_SIZE_MAX + 1));
    assertEquals(pool.bytesFree, 0);
    assertEquals(pool.bytesLent, 0);
  });

  it("keeps each size within its share of the bound", () => {
    const pool = new ChunkPool({ bytesMax: 4 * 8192 });
    const chains = Array.from({ length: 20 }, () => pool.take(1024));
    for (const chain of chains) pool.release(chain);
    assertEquals(pool.bytesFree, 8192);
    const [a, b, c] = [pool.take(4096), pool.take(4096), pool.take(4096)];
    for (const chain of [a, b, c]) pool.release(chain);
    assertEquals(pool.bytesFree, 16_384);
  });

  it("counts what is lent and what is free", () => {
    const pool = new ChunkPool();
    const chains = CHUNK_SIZES.map((size) => pool.take(size));
    const sum = CHUNK_SIZES.reduce((a, b) => a + b, 0);
    assertEquals([pool.bytesLent, pool.bytesFree], [sum, 0]);
    for (const chain of chains) pool.release(chain);
    assertEquals([pool.bytesLent, pool.bytesFree], [0, sum]);
    pool.clear();
    assertEquals([pool.bytesLent, pool.bytesFree], [0, 0]);
  });

  it("refuses to take the same chunk back twice", () => {
    const pool = new ChunkPool();
    const chain = pool.take(100);
    pool.release(chain);
    assertThrows(() => pool.release(chain), TypeError, "released before");
  });

  it("tells the owner of borrowed memory once, however often the chain is released", () => {
    const pool = new ChunkPool();
    const bytes = Uint8Array.of(1, 2, 3);
    const released: Uint8Array[] = [];
    const chain = referenceChain(bytes, (memory) => released.push(memory));
    pool.release(chain);
    pool.release(chain);
    assertEquals(released.length, 1);
    assertStrictEquals(released[0], bytes);
    assertEquals(pool.bytesFree, 0);
  });

  it("refuses a bound that is not a whole number of bytes", () => {
    for (const bytesMax of [-1, 1.5, NaN]) {
      assertThrows(() => new ChunkPool({ bytesMax }), RangeError, "bytesMax");
    }
  });

  it("lends what moves to another pool's buffer no longer, however it moves", () => {
    const [near, far] = [new ChunkPool(), new ChunkPool()];
    const moves: ((from: EvBuffer, to: EvBuffer) => void)[] = [
      (from, to) => to.addBuffer(from),
      (from, to) => to.prependBuffer(from),
      (from, to) => void from.removeBuffer(to, 5000),
      (from, to) => to.takeOver(from),
      (from, to) => to.addBufferReference(from),
    ];
    for (const move of moves) {
      for (const isFull of [false, true]) {
        const from = new EvBuffer({ pool: near });
        const to = new EvBuffer({ pool: far });
        from.add(new Uint8Array(3000));
        from.addReference(new Uint8Array(100));
        from.add(new Uint8Array(200_000));
        if (isFull) to.add("there");
        move(from, to);
        const held = (buffer: EvBuffer): number => {
          let bytes = 0;
          for (let chain = queueOf(buffer).first; chain !== null; chain = chain.next) bytes += chain.limit;
          return bytes;
        };
        // What is shown by two buffers is still lent by the pool that it came from.
        if (move !== moves.at(-1)) assertEquals([near.bytesLent, far.bytesLent], [held(from), held(to)]);
        to.drain(to.length);
        from.drain(from.length);
        for (const buffer of [from, to]) queueOf(buffer).clear();
        assertEquals([near.bytesLent, far.bytesLent], [0, 0]);
      }
    }
  });

  it("serves what is copied in at once too, where that is not very much", () => {
    const pool = new ChunkPool();
    const queue = new ChainQueue(pool);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
    queue.addBytes(bytes);
    queue.drain(bytes.length);
    const rested = pool.bytesFree;
    assertEquals(rested, 2 * CHUNK_SIZE_MAX);
    queue.addBytes(bytes);
    assertEquals([pool.bytesFree, queue.length], [0, bytes.length]);
    const chains = [queue.first!, queue.last!];
    assertEquals(chains.map(({ start, end }) => end - start), [CHUNK_SIZE_MAX, bytes.length - CHUNK_SIZE_MAX]);
    assertEquals(chains.flatMap(({ bytes, start, end }) => [...bytes.subarray(start, end)]), [...bytes]);
    // Very much is one piece, which need not be put together again by whoever wants it in one.
    queue.drain(bytes.length);
    queue.addBytes(new Uint8Array(8 * CHUNK_SIZE_MAX + 1));
    assertStrictEquals(queue.first, queue.last);
  });
});
