import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
  fail,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  addressOf,
  allocate,
  close,
  dup,
  fcntl,
  type FileStatus,
  fstat,
  listDirectory,
  open,
  os,
  pipe,
  pread,
  putAddress,
  read,
  readv,
  realpath,
  recv,
  sendfile,
  setCloseOnExec,
  setNonBlocking,
  setPipeSize,
  splice,
  unlink,
  write,
  writev,
} from "../../src/ffi/mod.ts";
import { sys } from "../../src/ffi/libc.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";

const { F_DUPFD, F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY } = os.constants;
const { S_IFMT, S_IFDIR, S_IFIFO, S_IFREG, DT_DIR, DT_LNK, DT_REG, DT_UNKNOWN } = os.constants;
const { EAGAIN, EBADF, EINVAL, EISDIR, ENOENT, ENOTDIR, EPIPE } = os.errno as Record<
  "EAGAIN" | "EBADF" | "EINVAL" | "EISDIR" | "ENOENT" | "ENOTDIR" | "EPIPE",
  number
>;
const GIB = 2 ** 30;

describe("file calls", () => {
  let descriptors: Descriptors;
  let folder = "";
  beforeEach(() => {
    descriptors = new Descriptors();
    folder = realpathSync(mkdtempSync(join(tmpdir(), "evbase-files-")));
  });
  afterEach(() => {
    descriptors[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** A file of `size` bytes that takes no room on the disk, with `tail` at its end. */
  function sparseFile(size: number, tail: string): number {
    const path = file("sparse", "");
    truncateSync(path, size - tail.length);
    writeFileSync(path, tail, { flag: "a" });
    return descriptors.own(open(path, O_RDONLY));
  }

  describe("open and close", () => {
    describe("pipe", () => {
      it("is non-blocking and close-on-exec at both ends", () => {
        const pair = new Int32Array(2);
        assertStrictEquals(pipe(pair), 0);
        for (const fd of pair) {
          descriptors.own(fd);
          assertNotEquals(fcntl(fd, F_GETFL, 0) & O_NONBLOCK, 0);
          assertStrictEquals(fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
        }
        writeText(pair[1]!, "through");
        assertStrictEquals(readText(pair[0]!), "through");
      });

      it("answers -EAGAIN when empty, 0 at the end and -EPIPE without a reader", () => {
        const [readEnd, writeEnd] = descriptors.pipe();
        const bytes = allocate(4);
        assertStrictEquals(read(readEnd, bytes, 4), -EAGAIN);
        assertStrictEquals(read(writeEnd, bytes, 4), -EBADF);
        assertStrictEquals(write(readEnd, bytes, 4), -EBADF);
        descriptors.close(writeEnd);
        assertStrictEquals(read(readEnd, bytes, 4), 0);
        const [reader, writer] = descriptors.pipe();
        descriptors.close(reader);
        assertStrictEquals(write(writer, bytes, 4), -EPIPE);
      });
    });

    describe("descriptor flags", () => {
      it("are switched on, and stay on when switched on again", () => {
        const [readEnd] = descriptors.pipe();
        // A duplicate shares O_NONBLOCK with the original, but not close-on-exec.
        const fd = descriptors.own(fcntl(readEnd, F_DUPFD, 0));
        assertStrictEquals(fcntl(fd, F_GETFD, 0), 0);
        assertStrictEquals(setCloseOnExec(fd), 0);
        assertStrictEquals(setCloseOnExec(fd), 0);
        assertStrictEquals(fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
        const blocking = descriptors.own(open(folder, O_RDONLY));
        assertStrictEquals(fcntl(blocking, F_GETFL, 0) & O_NONBLOCK, 0);
        assertStrictEquals(setNonBlocking(blocking), 0);
        assertStrictEquals(setNonBlocking(blocking), 0);
        assertStrictEquals(fcntl(blocking, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
      });

      it("answer -EBADF for what is not open", () => {
        assertEquals([setNonBlocking(-1), setCloseOnExec(-1), dup(-1), fcntl(-1, F_GETFD, 0)], Array(4).fill(-EBADF));
      });

      it("make dup's result close-on-exec too", () => {
        const [readEnd, writeEnd] = descriptors.pipe();
        const again = descriptors.own(dup(writeEnd));
        assertNotEquals(again, writeEnd);
        assertStrictEquals(fcntl(again, F_GETFD, 0), FD_CLOEXEC);
        descriptors.close(writeEnd);
        writeText(again, "still open");
        assertStrictEquals(readText(readEnd), "still open");
      });
    });

    describe("readv and writev", () => {
      it("gather and scatter in order", () => {
        const [readEnd, writeEnd] = descriptors.pipe();
        const outgoing = allocate(6), incoming = allocate(6);
        outgoing.set([1, 2, 3, 4, 5, 6]);
        const iov = allocate(32), words = new Uint32Array(iov.buffer);
        putAddress(words, 0, addressOf(outgoing), 4);
        words[2] = 2;
        putAddress(words, 4, addressOf(outgoing), 0);
        words[6] = 4;
        assertStrictEquals(writev(writeEnd, iov, 2), 6);
        putAddress(words, 0, addressOf(incoming), 1);
        putAddress(words, 4, addressOf(incoming), 3);
        words[6] = 3;
        assertStrictEquals(readv(readEnd, iov, 2), 5);
        assertEquals([...incoming], [0, 5, 6, 1, 2, 3]);
        assertEquals([...outgoing], [1, 2, 3, 4, 5, 6]);
      });

      it("answer -errno for a wrong descriptor or count", () => {
        const [readEnd, writeEnd] = descriptors.pipe();
        assertStrictEquals(readv(-1, allocate(16), 1), -EBADF);
        assertStrictEquals(writev(-1, allocate(16), 1), -EBADF);
        assertStrictEquals(readv(readEnd, allocate(16), -1), -EINVAL);
        assertStrictEquals(writev(writeEnd, allocate(16), -1), -EINVAL);
      });
    });

    describe("pread", () => {
      it("reads anywhere without moving the position", () => {
        const fd = descriptors.own(open(file("digits", "0123456789"), O_RDONLY));
        const bytes = allocate(16);
        assertStrictEquals(pread(fd, bytes, 3, 5), 3);
        assertStrictEquals(new TextDecoder().decode(bytes.subarray(0, 3)), "567");
        assertStrictEquals(pread(fd, bytes, 16, 8), 2);
        assertStrictEquals(pread(fd, bytes, 16, 10), 0);
        assertStrictEquals(readText(fd), "0123456789");
      });

      it("reaches beyond 4 GiB", () => {
        const fd = sparseFile(5 * GIB, "tail");
        const bytes = allocate(16);
        assertStrictEquals(pread(fd, bytes, 16, 5 * GIB - 4), 4);
        assertStrictEquals(new TextDecoder().decode(bytes.subarray(0, 4)), "tail");
        assertStrictEquals(pread(fd, bytes, 16, GIB - 4), 16);
        assert(bytes.every((byte) => byte === 0));
      });

      it("answers -errno for a negative offset, a pipe or nothing open", () => {
        const fd = descriptors.own(open(file("a", "x"), O_RDONLY));
        assertStrictEquals(pread(fd, allocate(1), 1, -1), -EINVAL);
        assertStrictEquals(pread(descriptors.pipe()[0], allocate(1), 1, 0), -os.errno["ESPIPE"]!);
        assertStrictEquals(pread(-1, allocate(1), 1, 0), -EBADF);
      });
    });

    describe("splice", () => {
      it("splices from a socket into a pipe and on into a socket, as much as is there", () => {
        const [[near, one], [pipeOut, pipeIn], [other, far]] = [
          descriptors.socketpair(),
          descriptors.pipe(),
          descriptors.socketpair(),
        ];
        if (os.name !== "linux") {
          assertEquals(splice(one, pipeIn, 100), -os.errno["ENOSYS"]!);
          assertEquals(setPipeSize(pipeIn, 65_536), -os.errno["ENOSYS"]!);
          return;
        }
        assertEquals(splice(one, pipeIn, 100), -EAGAIN);
        writeText(near, "question");
        assertEquals([splice(one, pipeIn, 5), splice(one, pipeIn, 100)], [5, 3]);
        assertEquals([splice(pipeOut, other, 100), readText(far)], [8, "question"]);
        assertEquals(splice(pipeOut, other, 100), -EAGAIN);
        descriptors.close(near);
        assertEquals(splice(one, pipeIn, 100), 0);
        assertEquals(splice(one, other, 100), -EINVAL);
        assertEquals(setPipeSize(pipeIn, 65_536), 65_536);
      });

      it("make a close-on-exec descriptor, and end it", () => {
        const low = descriptors.own(open(file("a", "x"), O_RDONLY));
        assertStrictEquals(fcntl(low, F_GETFD, 0), FD_CLOEXEC);
        // High up, where no other thread of the runtime opens something before the second close.
        const fd = fcntl(low, F_DUPFD, 200);
        assertGreaterOrEqual(fd, 200);
        assertStrictEquals(close(fd), 0);
        assertStrictEquals(close(fd), -EBADF);
        assertStrictEquals(fcntl(fd, F_GETFD, 0), -EBADF);
      });

      it("answer -errno for what is not there or not allowed", () => {
        assertStrictEquals(open(join(folder, "absent"), O_RDONLY), -ENOENT);
        assertStrictEquals(open(join(file("a", ""), "below"), O_RDONLY), -ENOTDIR);
        assertStrictEquals(open(folder, O_WRONLY), -EISDIR);
      });

      it("refuse a path that C would cut short", () => {
        assertThrows(() => open("/dev/null\0.txt", O_RDONLY), TypeError, "NUL");
        assertThrows(() => unlink("/dev/null\0.txt"), TypeError, "NUL");
        assertThrows(() => realpath("/dev\0"), TypeError, "NUL");
        assertThrows(() => listDirectory("/dev\0", 1), TypeError, "NUL");
      });

      it("agree with unlink on names outside ASCII", () => {
        const path = file("grün €😀", "x");
        descriptors.own(open(path, O_RDONLY));
        assertStrictEquals(unlink(path), 0);
        assertStrictEquals(unlink(path), -ENOENT);
      });
    });
  });

  describe("sendfile", () => {
    it("sends the part that is asked for and leaves the position alone", () => {
      const fd = descriptors.own(open(file("digits", "0123456789"), O_RDONLY));
      const [left, right] = descriptors.socketpair();
      assertStrictEquals(sendfile(left, fd, 0, 2), 2);
      assertStrictEquals(sendfile(left, fd, 6, 3), 3);
      assertStrictEquals(readText(right), "01678");
      assertStrictEquals(sendfile(left, fd, 8, 100), 2);
      assertStrictEquals(readText(right), "89");
      assertStrictEquals(sendfile(left, fd, 10, 100), 0);
      assertStrictEquals(readText(fd), "0123456789");
    });

    it("reaches beyond 4 GiB", () => {
      const fd = sparseFile(5 * GIB, "tail");
      const [left, right] = descriptors.socketpair();
      assertStrictEquals(sendfile(left, fd, 5 * GIB - 4, 100), 4);
      assertStrictEquals(readText(right), "tail");
    });

    it("never takes a count of 4 GiB and more for its low half, which could be nothing at all", () => {
      const fd = sparseFile(5 * GIB, "tail");
      for (const count of [2 * GIB, 4 * GIB, 4 * GIB + 1, 5 * GIB]) {
        const [left, right] = descriptors.socketpair();
        const sent = sendfile(left, fd, 0, count);
        assertGreaterOrEqual(sent, 4096);
        assertGreaterOrEqual(recv(right, allocate(4096), 4096, 0), 1);
      }
    });

    it("answers -EAGAIN when the socket takes no more, and -errno when it fails", () => {
      const fd = sparseFile(GIB, "tail");
      const [left, right] = descriptors.socketpair();
      while (sendfile(left, fd, 0, 65_536) > 0);
      assertStrictEquals(sendfile(left, fd, 0, 65_536), -EAGAIN);
      descriptors.close(right);
      assertStrictEquals(sendfile(left, fd, 0, 10), -EPIPE);
      assertStrictEquals(sendfile(left, -1, 0, 10), -EBADF);
      assertStrictEquals(sendfile(-1, fd, 0, 10), -EBADF);
    });
  });

  describe("fstat", () => {
    function status(fd: number): FileStatus {
      const found = fstat(fd);
      return typeof found === "number" ? fail(`fstat returned ${found}`) : found;
    }

    it("tells kind, size and age of a file", () => {
      const before = Date.now();
      const fd = descriptors.own(open(file("a", "12345"), O_RDONLY));
      const found = status(fd);
      assertStrictEquals(found.mode & S_IFMT, S_IFREG);
      assertStrictEquals(found.size, 5);
      // A file system's clock may lag behind by a tick, or count whole seconds.
      assert(Math.abs(found.modifiedMs - before) < 60_000, `modified at ${found.modifiedMs}, it was ${before}`);
      const again = status(descriptors.own(open(join(folder, "a"), O_RDONLY)));
      assertEquals([again.device, again.inode], [found.device, found.inode]);
      const other = status(descriptors.own(open(file("b", ""), O_RDONLY)));
      assertNotEquals(other.inode, found.inode);
    });

    it("tells files apart where inode and device numbers have all of 64 bits", () => {
      const fd = descriptors.own(open(file("a", "12345"), O_RDONLY));
      const calls: { fstat: typeof sys.fstat } = sys;
      const real = calls.fstat;
      const { ino, dev } = os.structs.stat.fields;
      const identityWith = (number: bigint): number[] => {
        calls.fstat = (fd, bytes) => {
          const result = real(fd, bytes);
          const view = new DataView(bytes!.buffer);
          for (const { offset, width } of [ino, dev]) if (width === 8) view.setBigUint64(offset, number, true);
          return result;
        };
        const { inode, device, size } = status(fd);
        assertStrictEquals(size, 5);
        return [inode, device];
      };
      try {
        assertStrictEquals(identityWith(2n ** 53n - 1n)[0], 2 ** 53 - 1);
        const [inode, device] = identityWith(2n ** 63n + 2n);
        for (const other of [2n, 2n ** 63n + 3n, 2n ** 62n + 2n]) {
          assertNotEquals(identityWith(other), [inode, device]);
        }
        assertEquals(identityWith(2n ** 63n + 2n), [inode, device]);
        assertNotEquals(identityWith(2n ** 64n - 2n), identityWith(2n ** 64n - 3n));
      } finally {
        calls.fstat = real;
      }
    });

    it("tells the size of a file beyond 4 GiB", () => {
      assertStrictEquals(status(sparseFile(5 * GIB + 3, "tail")).size, 5 * GIB + 3);
    });

    it("tells folders and pipes apart", () => {
      assertStrictEquals(status(descriptors.own(open(folder, O_RDONLY))).mode & S_IFMT, S_IFDIR);
      assertStrictEquals(status(descriptors.pipe()[0]).mode & S_IFMT, S_IFIFO);
    });

    it("answers -EBADF for what is not open", () => {
      assertStrictEquals(fstat(-1), -EBADF);
    });
  });

  describe("realpath", () => {
    it("resolves links and dots", () => {
      mkdirSync(join(folder, "deep"));
      const target = file("deep/a", "x");
      symlinkSync("deep", join(folder, "link"));
      assertStrictEquals(realpath(`${folder}/link/../deep/./a`), target);
      assertStrictEquals(realpath(`${folder}/link/a`), target);
      assertStrictEquals(realpath("/"), "/");
    });

    it("answers -errno for what is not there or goes in circles", () => {
      symlinkSync("round", join(folder, "round"));
      assertStrictEquals(realpath(join(folder, "absent")), -ENOENT);
      assertStrictEquals(realpath(join(folder, "round")), -os.errno["ELOOP"]!);
    });
  });

  describe("listDirectory", () => {
    function list(path: string, entriesMax: number): Map<string, number> {
      const entries = listDirectory(path, entriesMax);
      if (typeof entries === "number") return fail(`listDirectory returned ${entries}`);
      return new Map(entries.map(({ name, type }) => [name, type]));
    }

    it("tells names and kinds, without the two dots", () => {
      file("plain", "");
      file("grün €😀", "");
      file("\ufeffmarked", "");
      mkdirSync(join(folder, ".hidden"));
      symlinkSync("plain", join(folder, "link"));
      const entries = list(folder, 100);
      assertEquals([...entries.keys()].sort(), [".hidden", "grün €😀", "link", "plain", "\ufeffmarked"]);
      const kinds = [entries.get("plain")!, entries.get(".hidden")!, entries.get("link")!];
      // Some file systems do not tell.
      if (kinds.includes(DT_UNKNOWN)) return;
      assertEquals(kinds, [DT_REG, DT_DIR, DT_LNK]);
    });

    it("handles names of every length and nothing at all", () => {
      const empty = join(folder, "empty");
      mkdirSync(empty);
      assertStrictEquals(list(empty, 100).size, 0);
      const names = Array.from({ length: 255 }, (_, index) => "n".repeat(index + 1));
      for (const name of names) file(`empty/${name}`, "");
      assertEquals([...list(empty, 1000).keys()].sort(), names);
    });

    it("stops at the number of entries that is asked for", () => {
      for (let index = 0; index < 20; index++) file(String(index), "");
      assertStrictEquals(list(folder, 7).size, 7);
      assertStrictEquals(list(folder, 20).size, 20);
      assertStrictEquals(list(folder, 0).size, 0);
    });

    it("answers -errno for what is no folder, and keeps nothing open", () => {
      const before = openDescriptorCount();
      assertStrictEquals(listDirectory(join(folder, "absent"), 10), -ENOENT);
      assertStrictEquals(listDirectory(file("a", ""), 10), -ENOTDIR);
      for (let round = 0; round < 200; round++) list(folder, 1);
      // The runtime's other threads may open and close something meanwhile, but not 100 of them.
      assertLess(openDescriptorCount() - before, 100);
    });
  });
});
