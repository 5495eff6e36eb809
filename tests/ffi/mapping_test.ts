import { assert, assertEquals, assertGreater } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, close, mapFile, MAPPING_BYTES_MAX, open, os, pageSize, unmapFile } from "../../src/ffi/mod.ts";

let folder: string;
let path: string;
let fd: number;

const content = Uint8Array.from({ length: 40_000 }, (_, index) => (index * 13 + (index >> 7)) & 0xff);

describe("a mapped file", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "evbase-mapping-"));
    path = join(folder, "file");
    writeFileSync(path, content);
    fd = open(path, os.constants.O_RDONLY);
    assert(fd >= 0);
  });
  afterEach(() => {
    close(fd);
    rmSync(folder, { recursive: true });
  });

  it("begins wherever it is asked to, though pages do not", () => {
    assertGreater(pageSize, 0);
    assertEquals(pageSize & (pageSize - 1), 0);
    for (const offset of [0, 1, pageSize - 1, pageSize, pageSize + 1, 2 * pageSize + 17]) {
      const mapping = mapFile(fd, offset, 1000);
      assert(typeof mapping === "object");
      assertEquals(mapping.bytes, content.subarray(offset, offset + 1000));
      assertEquals(mapping.address, addressOf(mapping.bytes));
      assertEquals(unmapFile(mapping), true);
    }
  });

  it("keeps what is written to it to itself", () => {
    const [one, other] = [mapFile(fd, 5, 10), mapFile(fd, 5, 10)];
    assert(typeof one === "object" && typeof other === "object");
    one.bytes.fill(0);
    assertEquals(other.bytes, content.subarray(5, 15));
    assertEquals(new Uint8Array(readFileSync(path)), content);
    assert(unmapFile(one) && unmapFile(other));
  });

  it("leaves only empty views behind, and is unmapped once", () => {
    const mapping = mapFile(fd, 3, 100);
    assert(typeof mapping === "object");
    const views = [mapping.bytes, mapping.bytes.subarray(10), new Uint8Array(mapping.bytes.buffer)];
    assertEquals([unmapFile(mapping), unmapFile(mapping)], [true, false]);
    for (const view of views) assertEquals([view.length, view[0]], [0, undefined]);
  });

  it("stays where it is when its memory has been moved", () => {
    const mapping = mapFile(fd, 0, 100);
    assert(typeof mapping === "object");
    const moved = new Uint8Array(mapping.bytes.buffer.transfer());
    assertEquals([unmapFile(mapping), moved], [false, content.subarray(0, 100)]);
  });

  it("does not use up addresses when it comes and goes", () => {
    const seen = new Set<number>();
    for (let time = 0; time < 2000; time++) {
      const mapping = mapFile(fd, 0, 40_000);
      assert(typeof mapping === "object");
      assertEquals(mapping.bytes[39_999], content[39_999]);
      seen.add(mapping.address);
      assert(unmapFile(mapping));
    }
    assert(seen.size < 1000, `${seen.size} addresses`);
  });

  it("is -errno where there is none", () => {
    assertEquals(mapFile(-1, 0, 10), -os.errno.EBADF!);
    assertEquals(mapFile(fd, 0, 0), -os.errno.EINVAL!);
    assertEquals(mapFile(fd, 0, MAPPING_BYTES_MAX + 1), -os.errno.ENOMEM!);
  });
});
