import { assertEquals, assertGreaterOrEqual, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EV_READ, EventBase, EVLOOP_ONCE, SocketBufferEvent } from "../../src/core/mod.ts";
import { ReadSlab } from "../../src/core/read_slab.ts";
import { os, write } from "../../src/ffi/mod.ts";
import { Descriptors, writeText } from "../support/descriptors.ts";
import { assertSameBytes, pattern } from "./bufferevent_support.ts";

const { EAGAIN, EBADF } = os.errno as Record<"EAGAIN" | "EBADF", number>;

describe("ReadSlab", () => {
  let descriptors: Descriptors;
  let slab: ReadSlab;
  let near: number;
  let far: number;

  beforeEach(() => {
    descriptors = new Descriptors();
    slab = new ReadSlab();
    [near, far] = descriptors.socketpair();
  });
  afterEach(() => descriptors[Symbol.dispose]());

  function lastRead(): string {
    return new TextDecoder().decode(slab.bytes.subarray(slab.start, slab.end));
  }

  it("holds no memory before the first read", () => {
    assertEquals(slab.bytes.length, 0);
  });

  it("lets the next read overwrite what nobody refers to", () => {
    writeText(far, "one");
    slab.receive(near, 1000);
    slab.reuse(slab.bytes, slab.start, slab.end);
    writeText(far, "two");
    assertEquals(slab.receive(near, 1000), 3);
    assertEquals([lastRead(), slab.start], ["two", 0]);
  });

  it("puts one read behind the other, each at a whole word", () => {
    writeText(far, "one");
    assertEquals(slab.receive(near, 1000), 3);
    assertEquals(lastRead(), "one");
    const { bytes } = slab;
    writeText(far, "two");
    assertEquals(slab.receive(near, 1000), 3);
    assertEquals(lastRead(), "two");
    assertStrictEquals(slab.bytes, bytes);
    assertEquals(slab.start, 4);
    assertEquals(new TextDecoder().decode(bytes.subarray(0, 3)), "one");
  });

  it("takes no more than it is asked to", () => {
    writeText(far, "abcdef");
    assertEquals(slab.receive(near, 4), 4);
    assertEquals(lastRead(), "abcd");
    assertEquals(slab.receive(near, 4), 2);
    assertEquals(lastRead(), "ef");
  });

  it("reports the end, and why nothing came, and moves nothing then", () => {
    writeText(far, "x");
    slab.receive(near, 1000);
    const { end } = slab;
    assertEquals(slab.receive(near, 1000), -EAGAIN);
    assertEquals(slab.end, end);
    descriptors.close(far);
    assertEquals(slab.receive(near, 1000), 0);
    assertEquals(slab.end, end);
    assertEquals(slab.receive(-1, 1000), -EBADF);
    assertEquals(slab.end, end);
  });

  it("never overwrites what was received, however many slabs later", () => {
    const sent = pattern(1_500_000);
    const pieces: Uint8Array[] = [];
    let slabs = 0;
    for (let at = 0, round = 0; at < sent.length; round++) {
      const size = Math.min(1 + round * 7919 % 50_000, sent.length - at);
      const piece = sent.slice(at, at + size);
      assertEquals(write(far, piece, size), size);
      at += size;
      for (let rest = size; rest > 0;) {
        const before = slab.bytes;
        rest -= slab.receive(near, 65_536);
        if (slab.bytes !== before) slabs++;
        pieces.push(slab.bytes.subarray(slab.start, slab.end));
      }
    }
    assertGreaterOrEqual(slabs, 10);
    let at = 0;
    for (const piece of pieces) {
      assertSameBytes(piece, sent.subarray(at, at + piece.length));
      at += piece.length;
    }
    assertEquals(at, sent.length);
  });

  it("keeps what somebody was given while a callback on another connection's input ran", () => {
    using base = new EventBase();
    const [other, otherFar] = descriptors.socketpair();
    using outer = new SocketBufferEvent(base, near, { keepOpen: true });
    using inner = new SocketBufferEvent(base, other, { keepOpen: true });
    const kept: Uint8Array[] = [];
    inner.setSink({ receive: (bytes, start, end) => void kept.push(bytes.subarray(start, end)) });
    for (const connection of [outer, inner]) connection.enable(EV_READ);
    outer.input.addCallback(() => {
      if (kept.length > 0) return;
      writeText(otherFar, "kept");
      // As TLS does when it is asked whether it can be used once more.
      inner.readAhead();
    });
    for (const text of ["first", "second"]) {
      writeText(far, text);
      base.loop(EVLOOP_ONCE);
    }
    assertEquals(kept.map((bytes) => new TextDecoder().decode(bytes)), ["kept"]);
    assertEquals(outer.input.takeText(), "firstsecond");
  });

  it("takes a new slab while 64 KiB are still free, so that a large read always finds room", () => {
    const bytes = pattern(60_000);
    write(far, bytes, bytes.length);
    assertEquals(slab.receive(near, 65_536), 60_000);
    const first = slab.bytes;
    write(far, bytes, bytes.length);
    assertEquals(slab.receive(near, 65_536), 60_000);
    assertStrictEquals(slab.bytes, first);
    write(far, bytes, bytes.length);
    assertEquals(slab.receive(near, 65_536), 60_000);
    assertNotStrictEquals(slab.bytes, first);
    assertEquals(slab.start, 0);
    assertSameBytes(first.subarray(60_000, 120_000), bytes);
  });
});
