import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EvBuffer, listFolder, OpenFile, realPath, SystemError } from "../../src/core/mod.ts";
import { close, os } from "../../src/ffi/mod.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { withFault } from "../support/faults.ts";
import { runScript } from "../support/run_script.ts";

describe("files", () => {
  let folder = "";
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "evbase-file-")));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  const codeOf = (fn: () => unknown): string => assertThrows(fn, SystemError).code;

  describe("OpenFile", () => {
    it("tells what was opened", () => {
      const path = file("a", "12345");
      utimesSync(path, 784_111_777.25, 784_111_777.25);
      using opened = OpenFile.open(path);
      assertEquals([opened.path, opened.isFile, opened.isFolder, opened.size], [path, true, false, 5]);
      assertStrictEquals(opened.modifiedMs, 784_111_777_250);
      using again = OpenFile.open(path);
      assertStrictEquals(again.inode, opened.inode);
      using parent = OpenFile.open(folder);
      assertEquals([parent.isFile, parent.isFolder], [false, true]);
    });

    it("creates a file and writes to it, or empties the one there is", () => {
      const path = join(folder, "new");
      for (const text of ["something long", "short"]) {
        using file = OpenFile.create(path, 0o600);
        assertEquals([file.isFile, file.size], [true, 0]);
        const buffer = new EvBuffer();
        buffer.add(text);
        assertEquals(buffer.writeTo(file.fd), text.length);
        assertEquals(readFileSync(path, "utf8"), text);
      }
      assertEquals(statSync(path).mode & 0o777, 0o600);
      assertEquals(assertThrows(() => OpenFile.create(folder), SystemError).code, "EISDIR");
      assertEquals(assertThrows(() => OpenFile.create(join(folder, "no", "file")), SystemError).code, "ENOENT");
    });

    it("writes to a named pipe that somebody reads, and waits for nobody", () => {
      const path = join(folder, "pipe");
      assertStrictEquals(spawnSync("mkfifo", [path]).status, 0);
      assertStrictEquals(codeOf(() => OpenFile.create(path)), "ENXIO");
      using reader = OpenFile.open(path);
      using writer = OpenFile.create(path);
      using buffer = new EvBuffer();
      buffer.add("through");
      assertStrictEquals(buffer.writeTo(writer.fd), 7);
      assertStrictEquals(buffer.readFrom(reader.fd), 7);
      assertStrictEquals(buffer.takeText(), "through");
    });

    it("says why it cannot open", () => {
      assertStrictEquals(codeOf(() => OpenFile.open(join(folder, "absent"))), "ENOENT");
      assertStrictEquals(codeOf(() => OpenFile.open(join(file("a", ""), "below"))), "ENOTDIR");
      const error = assertThrows(() => OpenFile.open(join(folder, "absent")), SystemError, "Cannot open");
      assertStrictEquals(error.path, join(folder, "absent"));
      assertThrows(() => OpenFile.open("/dev/null\0"), TypeError, "NUL");
    });

    it("does not follow a link when told so", () => {
      file("a", "x");
      symlinkSync("a", join(folder, "link"));
      assertStrictEquals(codeOf(() => OpenFile.open(join(folder, "link"), { noFollow: true })), "ELOOP");
      using followed = OpenFile.open(join(folder, "link"));
      assert(followed.isFile);
    });

    it("does not wait for somebody to write to a pipe", () => {
      assertEquals(spawnSync("mkfifo", [join(folder, "pipe")]).status, 0);
      using pipe = OpenFile.open(join(folder, "pipe"));
      assertEquals([pipe.isFile, pipe.isFolder], [false, false]);
    });

    it("knows the path of what is open on Linux, also after a renaming, and none for what was removed", () => {
      if (os.name !== "linux") return;
      const path = file("a", "x");
      symlinkSync("a", join(folder, "link"));
      using opened = OpenFile.open(join(folder, "link"));
      assertStrictEquals(opened.actualPath, path);
      renameSync(path, join(folder, "b"));
      assertStrictEquals(opened.actualPath, join(folder, "b"));
      rmSync(join(folder, "b"));
      assertStrictEquals(opened.actualPath, undefined);
    });

    it("closes its descriptor once, and not one that was given away", () => {
      const path = file("a", "x");
      const before = openDescriptorCount();
      const opened = OpenFile.open(path);
      assertStrictEquals(openDescriptorCount(), before + 1);
      opened.close();
      opened.close();
      assertEquals([opened.fd, opened.actualPath, openDescriptorCount()], [-1, undefined, before]);
      const other = OpenFile.open(path);
      const fd = other.detach();
      other.close();
      assertStrictEquals(openDescriptorCount(), before + 1);
      assertStrictEquals(close(fd), 0);
    });

    it("goes into a buffer", () => {
      using opened = OpenFile.open(file("a", "12345"));
      const buffer = new EvBuffer();
      assertStrictEquals(buffer.addFile(opened.detach(), 1, 3, { closeOnFree: true }), 3);
      buffer.close();
    });
  });

  describe("realPath", () => {
    it("resolves links and dots", () => {
      mkdirSync(join(folder, "d"));
      const path = file("a", "");
      symlinkSync("../a", join(folder, "d/link"));
      assertStrictEquals(realPath(join(folder, "d/.././d/link")), path);
    });

    it("says why it cannot", () => {
      symlinkSync("loop", join(folder, "loop"));
      assertStrictEquals(codeOf(() => realPath(join(folder, "absent"))), "ENOENT");
      assertStrictEquals(codeOf(() => realPath(join(folder, "loop"))), "ELOOP");
    });
  });

  describe("listFolder", () => {
    it("names what is in a folder and its kind", () => {
      file("a", "");
      mkdirSync(join(folder, "d"));
      symlinkSync("d", join(folder, "l"));
      spawnSync("mkfifo", [join(folder, "p")]);
      const entries = listFolder(folder).sort((a, b) => a.name < b.name ? -1 : 1);
      assertEquals(entries.map(({ name }) => name), ["a", "d", "l", "p"]);
      const kinds = ["file", "folder", "link", "other"];
      // File systems may leave it to others to find out.
      for (const [index, { kind }] of entries.entries()) assert(kind === kinds[index] || kind === "unknown", kind);
    });

    it("stops after so many", () => {
      for (const name of ["a", "b", "c"]) file(name, "");
      assertEquals([listFolder(folder, 2).length, listFolder(folder, 0).length], [2, 0]);
    });

    it("says why it cannot", () => {
      assertStrictEquals(codeOf(() => listFolder(join(folder, "absent"))), "ENOENT");
      assertStrictEquals(codeOf(() => listFolder(file("a", ""))), "ENOTDIR");
    });

    it("returns no part of a folder for the whole", () => {
      const before = openDescriptorCount();
      file("a", "");
      withFault({ call: "readdir", error: "EIO", when: 3 }, () => {
        assertStrictEquals(codeOf(() => listFolder(folder)), "EIO");
      });
      assertStrictEquals(openDescriptorCount(), before);
      assertStrictEquals(listFolder(folder).length, 1);
    });
  });

  it("are read without any permission but that for FFI", async () => {
    const path = file("a", "12345");
    const { code, stdout, stderr } = await runScript(`
      import { listFolder, OpenFile, realPath } from "../../src/core/mod.ts";
      using file = OpenFile.open(${JSON.stringify(path)});
      console.log(file.size, listFolder(realPath(${JSON.stringify(folder)})).length);
    `);
    assertEquals([code, stdout], [0, "5 1"], stderr);
  });
});
