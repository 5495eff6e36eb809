import { assert, assertEquals, assertFalse, assertGreater, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { type FileMode, FileSegment } from "../../src/core/file_segment.ts";
import { close, fcntl, open, os, pageSize } from "../../src/ffi/mod.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { withFault } from "../support/faults.ts";

const { F_GETFL, O_RDONLY } = os.constants;
const EBADF = os.errno.EBADF!;
const MODES: readonly FileMode[] = ["sendfile", "mmap", "read"];

let folder: string;
let path: string;
let descriptors: Descriptors;
let before: number;

function start(): void {
  before = openDescriptorCount();
  folder = mkdtempSync(join(tmpdir(), "evbase-segment-"));
  path = join(folder, "file");
  descriptors = new Descriptors();
}

function finish(): void {
  descriptors[Symbol.dispose]();
  rmSync(folder, { recursive: true });
  assertEquals(openDescriptorCount(), before);
}

/** Some pages and a bit, no two bytes next to each other alike. */
function pattern(): Uint8Array {
  return Uint8Array.from({ length: 3 * pageSize + 100 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

/** Opens a file with this content; whoever is given the descriptor closes it. */
function fileOf(content: Uint8Array | string): number {
  writeFileSync(path, content);
  const fd = open(path, O_RDONLY);
  assert(fd >= 0);
  return fd;
}

/** Whether the file is mapped somewhere; undefined where the system does not tell. */
function isMapped(): boolean | undefined {
  if (os.name !== "linux") return undefined;
  // Not through the runtime, which would ask for every permission.
  const fd = open("/proc/self/maps", O_RDONLY);
  using maps = new EvBuffer();
  while (maps.readFrom(fd, 65_536) > 0);
  close(fd);
  return maps.search(path) >= 0;
}

/** What arrives when the buffer is sent. */
function sent(buffer: EvBuffer): Uint8Array {
  const [from, to] = descriptors.socketpair();
  const arrived = new EvBuffer();
  while (buffer.length > 0) {
    assertGreater(buffer.writeTo(from), 0);
    while (arrived.readFrom(to, 65_536) > 0);
  }
  return arrived.take();
}

describe("FileSegment", () => {
  beforeEach(start);
  afterEach(finish);

  it("gives any part of a file to any number of buffers, in each mode", () => {
    const content = pattern();
    for (const mode of MODES) {
      for (
        const [offset, length] of [[0, -1], [1, -1], [pageSize, pageSize], [pageSize - 1, 2], [5000, 4000]] as const
      ) {
        const expected = content.subarray(offset, length < 0 ? content.length : offset + length);
        const segment = new FileSegment(fileOf(content), { offset, length, mode, closeOnFree: true });
        assertEquals([segment.length, segment.mode, segment.offset], [expected.length, mode, offset]);
        const [one, two] = [new EvBuffer(), new EvBuffer()];
        assertEquals(one.addFileSegment(segment), expected.length);
        assertEquals(two.addFileSegment(segment, 1, 1), 1);
        assertEquals(two.addFileSegment(segment, expected.length - 1), 1);
        segment.close();
        assertEquals(sent(two), Uint8Array.of(expected[1]!, expected.at(-1)!));
        assertEquals(sent(one), expected);
        assertEquals(fcntl(segment.fd, F_GETFL, 0), -EBADF);
      }
    }
  });

  it("can be looked at when it is mapped or was read", () => {
    for (const mode of ["mmap", "read"] as const) {
      using segment = new FileSegment(fileOf("one line\nand another"), { mode, closeOnFree: true });
      using buffer = new EvBuffer();
      buffer.addFileSegment(segment);
      buffer.addFileSegment(segment, 4);
      assertEquals([buffer.search("another"), buffer.indexOf(0x0a), buffer.readLine()], [13, 8, "one line"]);
      buffer.prepend("> ");
      assertEquals(new TextDecoder().decode(buffer.pullup(-1)!), "> and anotherline\nand another");
    }
  });

  it("lets no view outlive a mapping: they are empty once it is gone", () => {
    const content = pattern();
    const segment = new FileSegment(fileOf(content), { offset: 3, mode: "mmap", closeOnFree: true });
    const buffer = new EvBuffer();
    buffer.addFileSegment(segment);
    segment.close();
    const [view] = buffer.peek();
    const part = view!.subarray(10, 20);
    assertEquals([view!.length, part[0], isMapped() ?? true], [content.length - 3, content[13], true]);
    buffer.drain(buffer.length - 1);
    assertEquals(part.length, 10);
    buffer.close();
    assertEquals([view!.length, part.length, part[0], isMapped() ?? false], [0, 0, undefined, false]);
  });

  it("stays mapped where its memory was moved to somebody else", () => {
    const segment = new FileSegment(fileOf(pattern()), { mode: "mmap", closeOnFree: true });
    const buffer = new EvBuffer();
    buffer.addFileSegment(segment);
    const memory = buffer.peek()[0]!.buffer as ArrayBuffer;
    const moved = new Uint8Array(memory.transfer());
    assertThrows(() => buffer.writeTo(descriptors.socketpair()[0]), TypeError, "detached");
    buffer.close();
    segment.close();
    assertEquals(moved[8], 56);
  });

  it("shows the file to whoever writes to a view, and keeps the file as it is", () => {
    const content = pattern();
    using segment = new FileSegment(fileOf(content), { mode: "mmap", closeOnFree: true });
    using buffer = new EvBuffer();
    buffer.addFileSegment(segment);
    buffer.peek()[0]!.fill(0);
    assertEquals(new Uint8Array(readFileSync(path)), content);
  });

  it("is read where it cannot be mapped", () => {
    withFault({ call: "mmap", error: "ENODEV" }, () => {
      using segment = new FileSegment(fileOf("no mapping"), { offset: 3, mode: "mmap", closeOnFree: true });
      using buffer = new EvBuffer();
      buffer.addFileSegment(segment);
      assertEquals([segment.mode, buffer.takeText()], ["read", "mapping"]);
    });
  });

  it("goes on reading after an interruption and after a part", () => {
    withFault({ call: "pread", error: "EINTR", when: 1 }, () => {
      using segment = new FileSegment(fileOf("all of it"), { mode: "read", closeOnFree: true });
      using buffer = new EvBuffer();
      buffer.addFileSegment(segment);
      assertEquals(buffer.takeText(), "all of it");
    });
  });

  it("leaves the descriptor open when it cannot be made", () => {
    const fd = fileOf("0123456789");
    for (const mode of ["mmap", "read"] as const) {
      assertThrows(() => new FileSegment(fd, { length: 11, mode, closeOnFree: true }), RangeError, "ends at 10");
    }
    withFault({ call: "pread", error: "EIO" }, () => {
      assertThrows(() => new FileSegment(fd, { mode: "read", closeOnFree: true }), Error, "EIO");
    });
    for (const options of [{ offset: -1 }, { offset: 0.5 }, { length: -2 }, { length: NaN }]) {
      assertThrows(() => new FileSegment(fd, options), RangeError, "whole number");
    }
    assertThrows(() => new FileSegment(fd, { mode: "write" as FileMode }), RangeError, 'no mode "write"');
    assertThrows(() => new FileSegment(-1), RangeError, "fd");
    assertThrows(() => new FileSegment(2 ** 30), Error, "Cannot add file descriptor 1073741824 to a buffer");
    assertEquals(close(fd), 0);
  });

  it("of no bytes is nothing to map, and is freed all the same", () => {
    let freed = 0;
    for (const mode of MODES) {
      const segment = new FileSegment(fileOf(""), { mode, closeOnFree: true, onFree: () => freed++ });
      const buffer = new EvBuffer();
      assertEquals([segment.mode, buffer.addFileSegment(segment), buffer.length], [mode, 0, 0]);
      segment.close();
      segment.close();
    }
    assertEquals(freed, 3);
  });

  it("is freed once: after its maker has closed it, after the last buffer, and not by what was refused", () => {
    for (const mode of MODES) {
      const freed: FileSegment[] = [];
      const segment = new FileSegment(fileOf(pattern()), {
        mode,
        closeOnFree: true,
        onFree: (free) => freed.push(free),
      });
      const [one, two, frozen] = [new EvBuffer(), new EvBuffer(), new EvBuffer()];
      frozen.freezeBack();
      assertThrows(() => frozen.addFileSegment(segment), TypeError, "frozen");
      for (const [offset, length] of [[0, segment.length + 1], [segment.length + 1, -1], [-1, 1], [0, -2]] as const) {
        assertThrows(() => one.addFileSegment(segment, offset, length), RangeError);
      }
      one.addFileSegment(segment, 0, 100);
      one.addFileSegment(segment, 50);
      two.addBufferReference(one);
      two.removeBuffer(one, 60);
      assertFalse(segment.closed);
      segment.close();
      assert(segment.closed);
      assertThrows(() => one.addFileSegment(segment), TypeError, "was closed");
      one.close();
      assertEquals([freed.length, fcntl(segment.fd, F_GETFL, 0) >= 0], [0, true]);
      two.drain(Infinity);
      assertEquals([freed, fcntl(segment.fd, F_GETFL, 0)], [[segment], -EBADF]);
    }
  });

  it("leaves the descriptor to its maker unless told to close it", () => {
    const fd = fileOf("abc");
    using buffer = new EvBuffer();
    const segment = new FileSegment(fd);
    buffer.addFileSegment(segment);
    segment.close();
    buffer.drain(3);
    assertEquals(close(fd), 0);
  });

  it("lets what its owner throws reach whoever drained the last byte", () => {
    const segment = new FileSegment(fileOf("abc"), {
      closeOnFree: true,
      onFree: () => {
        throw new Error("owner failed");
      },
    });
    const buffer = new EvBuffer();
    buffer.addFileSegment(segment);
    segment.close();
    assertThrows(() => buffer.drain(3), Error, "owner failed");
    assertEquals([buffer.length, fcntl(segment.fd, F_GETFL, 0)], [0, -EBADF]);
  });
});

describe("EvBuffer.loadFiles", () => {
  beforeEach(start);
  afterEach(finish);

  it("brings as much of files into memory as is asked for, and leaves the rest to the kernel", () => {
    const pool = new ChunkPool();
    const content = pattern();
    using buffer = new EvBuffer({ pool });
    buffer.add("<");
    buffer.addFile(fileOf(content), 10, -1, { closeOnFree: true });
    buffer.add(">");
    const seen: number[] = [];
    buffer.addCallback((_, { added, deleted }) => seen.push(added, deleted));
    assertEquals([buffer.loadFiles(1), buffer.loadFiles(101), buffer.loadFiles(101)], [0, 100, 0]);
    assertEquals(buffer.copyOut(new Uint8Array(101)), 101);
    assertThrows(() => buffer.copyOut(new Uint8Array(102)), TypeError, "belong to a file");
    assertEquals(seen, []);
    const rest = content.length - 110;
    assertEquals([buffer.loadFiles(), buffer.length], [rest, content.length - 8]);
    assertEquals(buffer.take().subarray(1, -1), content.subarray(10));
    assertEquals(pool.bytesLent, 0);
  });

  it("reads files of more than one chunk, several of them, and closes each after its last byte", () => {
    const content = new Uint8Array(150_000).map((_, index) => index % 251);
    const fds = [fileOf(content), fileOf(content)];
    using buffer = new EvBuffer();
    for (const fd of fds) buffer.addFile(fd, 0, -1, { closeOnFree: true });
    buffer.loadFiles(150_000);
    assertEquals(fds.map((fd) => fcntl(fd, F_GETFL, 0) >= 0), [false, true]);
    assertEquals(buffer.take(150_000), content);
    buffer.loadFiles();
    assertEquals(fds.map((fd) => fcntl(fd, F_GETFL, 0)), [-EBADF, -EBADF]);
    assertEquals(buffer.take(), content);
  });

  it("lets the owner of a file do what he likes to the buffer", () => {
    using buffer = new EvBuffer();
    const segment = new FileSegment(fileOf("abcdef"), { closeOnFree: true, onFree: () => buffer.drain(Infinity) });
    buffer.addFileSegment(segment);
    buffer.add("more");
    segment.close();
    assertEquals([buffer.loadFiles(), buffer.length], [6, 0]);
  });

  it("fails where a file is too short or cannot be read, and keeps what it has", () => {
    using buffer = new EvBuffer();
    const fd = fileOf("0123456789");
    buffer.addFile(fd, 0, 6, { closeOnFree: true });
    buffer.addFile(descriptors.own(fileOf("0123456789")), 0, 10);
    truncateSync(path, 5);
    buffer.drain(1);
    assertThrows(() => buffer.loadFiles(), Error, "EIO");
    assertEquals(buffer.loadFiles(4), 4);
    assertEquals([buffer.takeText(4), buffer.length], ["1234", 11]);
    withFault({ call: "pread", error: "EISDIR" }, () => assertThrows(() => buffer.loadFiles(), Error, "EISDIR"));
    assertThrows(() => buffer.loadFiles(-1), RangeError, "whole number");
    assertEquals(buffer.length, 11);
  });
});
