/** Counterparts of libevent's evbuffer cases about files. docs/parity.md lists them. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EV_PERSIST, EV_READ, EV_WRITE } from "../../src/core/constants.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import type { EventBase } from "../../src/core/event_base.ts";
import { type FileMode, FileSegment } from "../../src/core/file_segment.ts";
import { close, open, os } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { ascii, validate } from "./evbuffer_support.ts";

const SMALL = "not much of a file, but it has a tail.";

function bigContent(): Uint8Array {
  const bytes = new Uint8Array(512 * 1024);
  let state = 123_456_789;
  for (let index = 0; index < bytes.length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[index] = state >>> 16;
  }
  return bytes;
}

/** Opens a file that holds `content` and has no name any more. */
function fileOf(content: Uint8Array): number {
  const folder = mkdtempSync(join(tmpdir(), "evbase-regress-"));
  try {
    writeFileSync(join(folder, "file"), content);
    const fd = open(join(folder, "file"), os.constants.O_RDONLY);
    assert(fd >= 0);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Sends a buffer over a socket pair from a loop, as its events allow, and returns what arrived. */
function throughLoop(base: EventBase, source: EvBuffer): Uint8Array {
  using descriptors = new Descriptors();
  const [from, to] = descriptors.socketpair();
  using arrived = new EvBuffer();
  let isDone = false;
  const writer = base.event(from, EV_WRITE | EV_PERSIST, () => {
    while (source.length > 0) {
      const result = source.writeTo(from);
      validate(source);
      if (result === -os.errno.EAGAIN!) return;
      assert(result > 0, `writeTo returned ${result}`);
    }
    isDone = true;
    writer.delete();
    descriptors.close(from);
  });
  const reader = base.event(to, EV_READ | EV_PERSIST, () => {
    let result: number;
    do result = arrived.readFrom(to, 1024); while (result > 0);
    if (result === 0) reader.delete();
  });
  writer.add();
  reader.add();
  base.dispatch();
  assert(isDone);
  writer.close();
  reader.close();
  validate(source, arrived);
  return arrived.take();
}

/** What part of the file makes the segment, and what part of the segment is added. */
interface Parts {
  readonly offset: number;
  readonly length: number;
  readonly from: number;
  readonly count: number;
}

function partsOf(size: number, isPartOfFile: boolean, isPartOfSegment: boolean): Parts {
  const offset = isPartOfFile ? Math.floor(size / 4) + 1 : 0;
  const length = isPartOfFile ? Math.floor(size / 2) - 1 : size;
  const from = isPartOfSegment ? Math.floor(length / 3) : 0;
  return { offset, length, from, count: isPartOfSegment ? Math.floor(length / 2) : length };
}

forEachBackend(({ newBase }) => {
  /** Sends parts of a file in one way, or in C's older one without a segment, and compares what arrives. */
  function sends(
    content: Uint8Array,
    mode: FileMode | "no segment",
    isPartOfFile = false,
    isPartOfSegment = false,
  ): void {
    const before = openDescriptorCount();
    const base = newBase();
    const source = new EvBuffer();
    const { offset, length, from, count } = partsOf(content.length, isPartOfFile, isPartOfSegment);
    const fd = fileOf(content);
    if (mode === "no segment") {
      assertEquals(source.addFile(fd, offset, isPartOfFile ? length : -1, { closeOnFree: true }), length);
    } else {
      using segment = new FileSegment(fd, { offset, length: isPartOfFile ? length : -1, mode, closeOnFree: true });
      assertEquals([segment.length, segment.mode], [length, mode]);
      assertEquals(source.addFileSegment(segment, from, isPartOfSegment ? count : -1), count);
    }
    validate(source);
    const arrived = throughLoop(base, source);
    assertEquals(arrived.length, count);
    assert(arrived.every((byte, index) => byte === content[offset + from + index]));
    base.close();
    source.close();
    assertEquals(openDescriptorCount(), before);
  }

  describe("a file", () => {
    it("goes out by sendfile", () => sends(ascii(SMALL), "sendfile"));
    it("goes out from mapped memory", () => sends(ascii(SMALL), "mmap"));
    it("goes out from memory it was read into", () => sends(ascii(SMALL), "read"));
    it("goes out without a segment", () => sends(ascii(SMALL), "no segment"));
    it("that is big goes out by sendfile", () => sends(bigContent(), "sendfile"));
    it("that is big goes out from mapped memory", () => sends(bigContent(), "mmap"));
    it("that is big goes out from memory it was read into", () => sends(bigContent(), "read"));
    it("that is big goes out without a segment", () => sends(bigContent(), "no segment"));
  });

  describe("a part of a file", () => {
    it("goes out by sendfile, whatever page it begins in", () => sends(bigContent(), "sendfile", true));
    it("goes out from mapped memory, whatever page it begins in", () => sends(bigContent(), "mmap", true));
    it("goes out from memory it was read into, wherever it begins", () => sends(bigContent(), "read", true));
    it("goes out without a segment, wherever it begins", () => sends(bigContent(), "no segment", true));
  });

  describe("a part of a segment", () => {
    it("goes out by sendfile", () => sends(bigContent(), "sendfile", false, true));
    it("goes out from mapped memory", () => sends(bigContent(), "mmap", false, true));
    it("goes out from memory it was read into", () => sends(bigContent(), "read", false, true));
    it("that is a part of the file goes out by sendfile", () => sends(bigContent(), "sendfile", true, true));
    it("that is a part of the file goes out from mapped memory", () => sends(bigContent(), "mmap", true, true));
    it("that is a part of the file goes out from memory it was read into", () =>
      sends(bigContent(), "read", true, true));
  });
});

describe("a file segment", () => {
  it("tells that it is free once its maker and the last buffer have given it up", () => {
    const fd = fileOf(ascii("twenty-two bytes here."));
    const freed: FileSegment[] = [];
    const buffer = new EvBuffer();
    const segment = new FileSegment(fd);
    segment.onFree = (free) => freed.push(free);
    assertEquals([buffer.addFileSegment(segment), buffer.length], [22, 22]);
    validate(buffer);
    segment.close();
    assertEquals(freed.length, 0);
    buffer.close();
    assertEquals(freed.length, 1);
    assertStrictEquals(freed[0], segment);
    assertEquals(close(fd), 0);
  });
});
