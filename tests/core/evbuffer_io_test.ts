import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkPool } from "../../src/core/chunk_pool.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { close, fcntl, open, os, pipe, read, setNonBlocking, socketpair, write } from "../../src/ffi/mod.ts";

const { AF_UNIX, SOCK_STREAM, F_GETFL, O_APPEND, O_RDONLY, O_WRONLY } = os.constants;
const { EAGAIN, EBADF, EIO, EPIPE } = os.errno as Record<"EAGAIN" | "EBADF" | "EIO" | "EPIPE", number>;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

let pool: ChunkPool;
let buffer: EvBuffer;
const ends = new Int32Array(2);
let opened: number[] = [];
let folder = "";

function connect(): void {
  assertEquals(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  for (const fd of ends) assert(setNonBlocking(fd) >= 0);
  opened = [...ends];
  pool = new ChunkPool();
  buffer = new EvBuffer({ pool });
}

function disconnect(): void {
  buffer.close();
  for (const fd of opened) close(fd);
  if (folder !== "") rmSync(folder, { recursive: true });
  folder = "";
}

function hangUp(fd: number): void {
  opened = opened.filter((other) => other !== fd);
  close(fd);
}

/** Everything that waits at a descriptor. */
function received(fd: number): Uint8Array {
  const all = new EvBuffer();
  while (all.readFrom(fd, 65_536) > 0);
  return all.take();
}

/** A buffer sent and received in turns until it is empty. */
function pump(from: EvBuffer, writeEnd: number, readEnd: number, max?: number): Uint8Array {
  const all = new EvBuffer();
  while (from.length > 0) {
    const result = from.writeTo(writeEnd, max);
    assert(result > 0 || result === -EAGAIN, `writeTo returned ${result}`);
    while (all.readFrom(readEnd, 65_536) > 0);
  }
  return all.take();
}

function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

/** Opens a file with the given content for reading. */
function openFile(content: Uint8Array): number {
  folder = mkdtempSync(join(tmpdir(), "evbuffer-"));
  writeFileSync(join(folder, "file"), content);
  const fd = open(join(folder, "file"), O_RDONLY);
  assert(fd >= 0);
  opened.push(fd);
  return fd;
}

describe("EvBuffer.writeTo", () => {
  beforeEach(connect);
  afterEach(disconnect);

  it("writes everything and drains it", () => {
    buffer.add("hello");
    assertEquals(buffer.writeTo(ends[0]!), 5);
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
    assertEquals(received(ends[1]!), ascii("hello"));
  });

  it("writes no more than it is told", () => {
    buffer.add("hello");
    buffer.add(new Uint8Array(2000));
    assertEquals([buffer.writeTo(ends[0]!, 3), buffer.writeTo(ends[0]!, 1), buffer.writeTo(ends[0]!, 0)], [3, 1, 0]);
    assertEquals(received(ends[1]!), ascii("hell"));
    assertEquals(buffer.length, 2001);
  });

  it("gathers chunks of every kind in order, from wherever their data starts", () => {
    buffer.add("xxab");
    buffer.drain(2);
    buffer.addReference(ascii("..cd..").subarray(2, 4));
    buffer.add(new Uint8Array(1500).fill(0x65));
    buffer.prepend("0");
    assertEquals(buffer.writeTo(ends[0]!), 1505);
    const got = received(ends[1]!);
    assertEquals(got.subarray(0, 6), ascii("0abcde"));
    assertEquals(got.length, 1505);
  });

  it("uses at most 128 extents per call", () => {
    for (let i = 0; i < 300; i++) buffer.addReference(Uint8Array.of(i & 0xff, i >> 8));
    assertEquals([buffer.writeTo(ends[0]!), buffer.writeTo(ends[0]!), buffer.writeTo(ends[0]!)], [256, 256, 88]);
    const got = received(ends[1]!);
    for (let i = 0; i < 300; i++) assertEquals(got[2 * i]! + 256 * got[2 * i + 1]!, i);
  });

  it("drains only what was taken and then reports that it would block", () => {
    const sent = pattern(3_000_000);
    buffer.addReference(sent);
    const first = buffer.writeTo(ends[0]!);
    assertGreater(first, 0);
    assertEquals(buffer.length, sent.length - first);
    while (buffer.writeTo(ends[0]!) > 0);
    assertEquals(buffer.writeTo(ends[0]!), -EAGAIN);
    const rest = new EvBuffer();
    rest.addReference(received(ends[1]!));
    rest.addReference(pump(buffer, ends[0]!, ends[1]!));
    assert(rest.take().every((byte, i) => byte === sent[i]));
  });

  it("returns 0 for an empty buffer and touches no descriptor", () => {
    assertEquals(buffer.writeTo(-1), 0);
  });

  it("returns the negative errno and keeps the bytes when it fails", () => {
    buffer.add("hello");
    assertEquals(buffer.writeTo(-1), -EBADF);
    hangUp(ends[1]!);
    assertEquals(buffer.writeTo(ends[0]!), -EPIPE);
    buffer.prepend(new Uint8Array(1024));
    assertEquals(buffer.writeTo(ends[0]!), -EPIPE);
    assertEquals(buffer.length, 1029);
  });

  it("writes to a pipe as well", () => {
    const pair = new Int32Array(2);
    assertEquals(pipe(pair), 0);
    opened.push(...pair);
    buffer.add("through a pipe");
    assertEquals(buffer.writeTo(pair[1]!), 14);
    assertEquals(received(pair[0]!), ascii("through a pipe"));
  });

  it("reports one change", () => {
    const changes: number[] = [];
    buffer.add("hello");
    buffer.addCallback((_, { originalLength, added, deleted }) => changes.push(originalLength, added, deleted));
    buffer.writeTo(ends[0]!, 2);
    assertEquals(changes, [5, 0, 2]);
  });

  it("refuses memory that was transferred away after it was added", () => {
    const bytes = new Uint8Array(new ArrayBuffer(5000));
    buffer.add("a");
    buffer.addReference(bytes);
    bytes.buffer.transfer();
    assertEquals(buffer.writeTo(ends[0]!), 1);
    assertThrows(() => buffer.writeTo(ends[0]!), TypeError, "detached");
  });
});

describe("EvBuffer.readFrom", () => {
  beforeEach(connect);
  afterEach(disconnect);

  it("adds what has come and returns how much", () => {
    write(ends[1]!, ascii("hello"), 5);
    assertEquals(buffer.readFrom(ends[0]!), 5);
    assertEquals(buffer.takeText(), "hello");
  });

  it("reads no more than 4096 bytes unless told otherwise", () => {
    write(ends[1]!, pattern(10_000), 10_000);
    assertEquals(buffer.readFrom(ends[0]!), 4096);
    assertEquals(buffer.readFrom(ends[0]!, 100), 100);
    buffer.maxRead = 2000;
    assertEquals(buffer.readFrom(ends[0]!), 2000);
    assertEquals(buffer.readFrom(ends[0]!, 1_000_000), 3804);
    assertEquals(buffer.take(), pattern(10_000));
  });

  it("fills the room of the last chunk first and goes on in another chunk, with one call", () => {
    buffer.add(new Uint8Array(1000));
    write(ends[1]!, pattern(3000), 3000);
    assertEquals(buffer.readFrom(ends[0]!), 3000);
    assertEquals(buffer.peek().map((view) => view.length), [1024, 2976]);
    buffer.drain(1000);
    assertEquals(buffer.take(), pattern(3000));
  });

  it("takes no chunk for what fits in the room of the last one", () => {
    buffer.add("ab");
    write(ends[1]!, ascii("cd"), 2);
    assertEquals(buffer.readFrom(ends[0]!, 1000), 2);
    assertEquals(pool.bytesLent, 1024);
    write(ends[1]!, ascii("ef"), 2);
    assertEquals(buffer.readFrom(ends[0]!, 5000), 2);
    assertEquals([pool.bytesLent, buffer.takeText()], [1024, "abcdef"]);
  });

  it("does not write into borrowed memory", () => {
    const bytes = new Uint8Array(new ArrayBuffer(100));
    buffer.addReference(bytes.subarray(0, 10));
    write(ends[1]!, ascii("cd"), 2);
    assertEquals(buffer.readFrom(ends[0]!), 2);
    assert(bytes.every((byte) => byte === 0));
  });

  it("returns -EAGAIN and holds no memory when nothing has come", () => {
    assertEquals(buffer.readFrom(ends[0]!), -EAGAIN);
    assertEquals([buffer.length, pool.bytesLent], [0, 0]);
    buffer.add("a");
    assertEquals(buffer.readFrom(ends[0]!, 5000), -EAGAIN);
    assertEquals(buffer.readFrom(ends[0]!, 10), -EAGAIN);
    assertEquals([buffer.length, pool.bytesLent], [1, 1024]);
  });

  it("returns 0 when the other side has finished, and keeps what was there", () => {
    buffer.add("abc");
    hangUp(ends[1]!);
    assertEquals(buffer.readFrom(ends[0]!), 0);
    assertEquals(buffer.takeText(), "abc");
    assertEquals([buffer.readFrom(ends[0]!), buffer.readFrom(-1), pool.bytesLent], [0, -EBADF, 0]);
  });

  it("reports one change, and none when nothing came", () => {
    const changes: number[] = [];
    buffer.add(new Uint8Array(1000));
    buffer.addCallback((_, { originalLength, added, deleted }) => changes.push(originalLength, added, deleted));
    buffer.readFrom(ends[0]!);
    write(ends[1]!, pattern(100), 100);
    buffer.readFrom(ends[0]!);
    assertEquals(changes, [1000, 100, 0]);
  });

  it("refuses to read nothing or half a byte", () => {
    assertThrows(() => buffer.readFrom(ends[0]!, 1.5), RangeError, "whole number");
    assertThrows(() => buffer.readFrom(ends[0]!, 0), RangeError, "too few");
  });

  it("brings 3 MB through small and large reads unchanged", () => {
    const sent = pattern(3_000_000);
    for (let at = 0; at < sent.length; at += 70_000) buffer.add(sent.subarray(at, at + 70_000));
    const got = pump(buffer, ends[0]!, ends[1]!, 50_000);
    assertEquals(got.length, sent.length);
    assert(got.every((byte, i) => byte === sent[i]));
    assertEquals(pool.bytesLent, 0);
  });
});

describe("EvBuffer.addFile", () => {
  beforeEach(connect);
  afterEach(disconnect);

  it("sends a part of a file between other bytes", () => {
    const fd = openFile(ascii("0123456789"));
    buffer.add("<");
    assertEquals(buffer.addFile(fd, 2, 5), 5);
    buffer.add(">");
    assertEquals(buffer.length, 7);
    assertEquals(pump(buffer, ends[0]!, ends[1]!), ascii("<23456>"));
  });

  it("takes the whole rest of the file when no length is given", () => {
    const fd = openFile(ascii("0123456789"));
    assertEquals([buffer.addFile(fd), buffer.addFile(fd, 8), buffer.addFile(fd, 50)], [10, 2, 0]);
    assertEquals(pump(buffer, ends[0]!, ends[1]!), ascii("012345678989"));
  });

  it("keeps what a full socket did not take, and obeys the limit", () => {
    const content = pattern(2_000_000);
    const fd = openFile(content);
    buffer.addFile(fd, 0, content.length);
    assertEquals(buffer.writeTo(ends[0]!, 1000), 1000);
    while (buffer.writeTo(ends[0]!) > 0);
    assertEquals(buffer.writeTo(ends[0]!), -EAGAIN);
    assertGreater(buffer.length, 0);
    const got = new EvBuffer();
    got.addReference(received(ends[1]!));
    got.addReference(pump(buffer, ends[0]!, ends[1]!));
    assert(got.take().every((byte, i) => byte === content[i]));
  });

  it("can be drained and moved in parts", () => {
    const fd = openFile(ascii("0123456789"));
    const other = new EvBuffer();
    buffer.addFile(fd, 0, 10, { closeOnFree: true });
    opened.pop();
    buffer.drain(2);
    assertEquals(buffer.removeBuffer(other, 3), 3);
    assertEquals(buffer.writeTo(ends[0]!), 5);
    assert(fcntl(fd, F_GETFL, 0) >= 0);
    assertEquals(pump(other, ends[0]!, ends[1]!), ascii("56789234"));
    assertEquals(fcntl(fd, F_GETFL, 0), -EBADF);
  });

  it("keeps its place in the file when it is split between buffers", () => {
    const fd = openFile(ascii("0123456789"));
    const other = new EvBuffer();
    buffer.addFile(fd, 4, 5);
    buffer.removeBuffer(other, 2);
    assertEquals(pump(buffer, ends[0]!, ends[1]!), ascii("678"));
    assertEquals(pump(other, ends[0]!, ends[1]!), ascii("45"));
  });

  it("is copied where the system cannot send it directly", () => {
    const fd = openFile(ascii("0123456789"));
    const path = join(folder, "log");
    writeFileSync(path, "log:");
    // Linux refuses to sendfile to a descriptor in append mode.
    const log = open(path, O_WRONLY | O_APPEND);
    assert(log >= 0);
    opened.push(log);
    buffer.addFile(fd, 2, 6);
    assertEquals([buffer.writeTo(log, 2), buffer.writeTo(log), buffer.length], [2, 4, 0]);
    assertEquals(readFileSync(path, "utf8"), "log:234567");
  });

  it("closes the descriptor once when asked to, and otherwise leaves it open", () => {
    const fd = openFile(ascii("0123456789"));
    buffer.addFile(fd, 0, 3);
    buffer.drain(3);
    assert(fcntl(fd, F_GETFL, 0) >= 0);
    buffer.addFile(fd, 0, 3, { closeOnFree: true });
    opened.pop();
    buffer.close();
    assertEquals(fcntl(fd, F_GETFL, 0), -EBADF);
  });

  it("closes the descriptor at once when nothing of the file was asked for", () => {
    const fd = openFile(ascii("0123456789"));
    assertEquals(buffer.addFile(fd, 0, 0, { closeOnFree: true }), 0);
    opened.pop();
    assertEquals(fcntl(fd, F_GETFL, 0), -EBADF);
  });

  it("splits a file beyond 1 GiB into pieces that close it once, with the last", () => {
    const fd = openFile(ascii("0123456789"));
    truncateSync(join(folder, "file"), 5 * 2 ** 30 - 2);
    appendFileSync(join(folder, "file"), "yz");
    buffer.addFile(fd, 3, -1, { closeOnFree: true });
    opened.pop();
    assertEquals(buffer.length, 5 * 2 ** 30 - 3);
    buffer.drain(5 * 2 ** 30 - 5);
    assertEquals([buffer.length, buffer.writeTo(ends[0]!)], [2, 2]);
    assertEquals(received(ends[1]!), ascii("yz"));
    assertEquals(fcntl(fd, F_GETFL, 0), -EBADF);
  });

  it("cannot be looked at", () => {
    const fd = openFile(ascii("0123456789"));
    buffer.add("ab");
    buffer.addFile(fd, 0, 10);
    const looks: (() => unknown)[] = [
      () => buffer.peek(),
      () => buffer.pullup(-1),
      () => buffer.copyOut(new Uint8Array(5)),
      () => buffer.remove(new Uint8Array(5)),
      () => buffer.take(),
      () => buffer.search("x"),
      () => buffer.search("b0"),
      () => buffer.searchRange("b0", 0, 3),
      () => buffer.indexOf(0x78),
      () => buffer.readLine(),
    ];
    for (const look of looks) assertThrows(look, TypeError, "belong to a file");
    assertEquals(buffer.length, 12);
    assertEquals([buffer.take(2), buffer.length], [ascii("ab"), 10]);
  });

  it("fails with EIO when the file is shorter than promised", () => {
    const fd = openFile(ascii("0123456789"));
    buffer.addFile(fd, 0, 20);
    assertEquals([buffer.writeTo(ends[0]!), buffer.writeTo(ends[0]!)], [10, -EIO]);
  });

  it("refuses what is no descriptor, offset or length, and a frozen back", () => {
    for (const [fd, offset, length] of [[-1, 0, 1], [0.5, 0, 1], [0, -1, 1], [0, 0, -2], [0, NaN, 1]]) {
      assertThrows(() => buffer.addFile(fd!, offset, length), RangeError, "whole number");
    }
    assertThrows(() => buffer.addFile(2 ** 30), Error, "EBADF");
    const fd = openFile(ascii("0123456789"));
    buffer.freezeBack();
    assertThrows(() => buffer.addFile(fd, 0, 1, { closeOnFree: true }), TypeError, "frozen");
    assertEquals(read(fd, new Uint8Array(new ArrayBuffer(1)), 1), 1);
  });
});
