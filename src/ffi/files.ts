/**
 * Calls on descriptors of any kind, files and directories: each returns its result when >= 0, else `-errno`.
 *
 * @module
 */

import { errno, sys, sysFcntl, sysFcntlPadded, sysLinux } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import { allocate, cString, stringAt, stringIn } from "./strings.ts";
import { get, getBig, type NumberField } from "./struct.ts";

const { F_GETFL, F_SETFL, F_SETFD, FD_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_TRUNC, O_WRONLY } = os.constants;

/** `fcntl` with an integer argument. */
export function fcntl(fd: number, command: number, argument: number): number {
  if (sysFcntl !== undefined) {
    const result = sysFcntl.fcntl(fd, command, argument);
    return result < 0 ? -errno[0]! : result;
  }
  const result = sysFcntlPadded!.fcntl(fd, command, 0, 0, 0, 0, 0, 0, argument);
  return result < 0 ? -errno[0]! : result;
}

/** Makes `fd` non-blocking, or blocking. Returns 0 or `-errno`. */
export function setNonBlocking(fd: number, on: boolean = true): number {
  const flags = fcntl(fd, F_GETFL, 0);
  const wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (flags < 0 || flags === wanted) return Math.min(flags, 0);
  return fcntl(fd, F_SETFL, wanted);
}

/** Makes `fd` vanish when the process executes another program, or stay open then. Returns 0 or `-errno`. */
export function setCloseOnExec(fd: number, on: boolean = true): number {
  return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

/** Closes `fd`. After EINTR the descriptor is gone on every system we support, so that counts as success. */
export function close(fd: number): number {
  if (sys.close(fd) >= 0) return 0;
  const error = errno[0]!;
  return error === os.errno.EINTR! ? 0 : -error;
}

/** Another descriptor for the same open file, close-on-exec. */
export function dup(fd: number): number {
  return fcntl(fd, os.constants.F_DUPFD_CLOEXEC, 0);
}

/** Reads at most `length` bytes; 0: end of file. */
export function read(fd: number, bytes: Uint8Array, length: number): number {
  const result = sys.read(fd, bytes, length);
  return result < 0 ? -errno[0]! : result;
}

/** Writes at most `length` bytes. */
export function write(fd: number, bytes: Uint8Array, length: number): number {
  const result = sys.write(fd, bytes, length);
  return result < 0 ? -errno[0]! : result;
}

/** Reads into the first `count` entries of `iov` (struct iovec). */
export function readv(fd: number, iov: Uint8Array, count: number): number {
  const result = sys.readv(fd, iov, count);
  return result < 0 ? -errno[0]! : result;
}

/** Writes from the first `count` entries of `iov` (struct iovec). */
export function writev(fd: number, iov: Uint8Array, count: number): number {
  const result = sys.writev(fd, iov, count);
  return result < 0 ? -errno[0]! : result;
}

/** Reads at most `length` bytes at `offset` of a file, without moving its position. */
export function pread(fd: number, bytes: Uint8Array, length: number, offset: number): number {
  const result = sys.pread(fd, bytes, length, runtime.word(offset));
  return result < 0 ? -errno[0]! : result;
}

const offsetBytes = allocate(8);
const offsetWords = new Uint32Array(offsetBytes.buffer);
const copyBytes = allocate(64 * 1024);
// What Linux sends at once at most. A larger count would not fit the 32 bits it travels in.
const SENDFILE_BYTES_MAX = 0x7ffff000;

/**
 * Sends at most `count` bytes of the file `inFd`, starting at `offset`, to the socket `outFd` without bringing them into
 * our memory. Where the system's own sendfile has another shape (macOS, FreeBSD) the bytes are copied through memory.
 *
 * @returns how many bytes were sent; 0 at the end of the file.
 */
export function sendfile(outFd: number, inFd: number, offset: number, count: number): number {
  if (sysLinux !== undefined) {
    offsetWords[0] = offset >>> 0;
    offsetWords[1] = (offset / 4294967296) >>> 0;
    const result = sysLinux.sendfile(outFd, inFd, offsetBytes, Math.min(count, SENDFILE_BYTES_MAX));
    return result < 0 ? -errno[0]! : result;
  }
  const got = pread(inFd, copyBytes, Math.min(count, copyBytes.length), offset);
  if (got <= 0) return got;
  const sent = sys.send(outFd, copyBytes, got, os.constants.MSG_NOSIGNAL);
  return sent < 0 ? -errno[0]! : sent;
}

// fcntl.h of Linux.
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
const F_SETPIPE_SZ = 1031;
const NO_OFFSET = runtime.word(0);

/**
 * Moves at most `count` bytes between a pipe and another descriptor inside the kernel (Linux), without waiting at the pipe; at a socket
 * it waits unless that is non-blocking.
 *
 * @returns how many bytes were moved; 0 at the end of what is read from. `-ENOSYS` where there is no such call.
 */
export function splice(fromFd: number, toFd: number, count: number): number {
  if (sysLinux === undefined) return -os.errno["ENOSYS"]!;
  const result = sysLinux.splice(fromFd, NO_OFFSET, toFd, NO_OFFSET, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  return result < 0 ? -errno[0]! : result;
}

/** Makes room for so many bytes in a pipe (Linux). It is refused to users who hold many pipes, and they keep the room they had. */
export function setPipeSize(fd: number, bytes: number): number {
  return sysLinux === undefined ? -os.errno["ENOSYS"]! : fcntl(fd, F_SETPIPE_SZ, bytes);
}

const pairBytes = allocate(8);
const pairCells = new Int32Array(pairBytes.buffer);

/** Creates a non-blocking close-on-exec pipe; on success `pair[0]` reads what is written to `pair[1]`. */
export function pipe(pair: Int32Array): number {
  let result = sys.pipe(pairBytes);
  if (result < 0) return -errno[0]!;
  const [readEnd, writeEnd] = [pairCells[0]!, pairCells[1]!];
  for (const fd of [readEnd, writeEnd]) {
    if (result >= 0) result = setNonBlocking(fd);
    if (result >= 0) result = setCloseOnExec(fd);
  }
  if (result < 0) {
    close(readEnd);
    close(writeEnd);
    return result;
  }
  pair[0] = readEnd;
  pair[1] = writeEnd;
  return 0;
}

/** Opens an existing file; close-on-exec is added to `flags`. */
export function open(path: string, flags: number): number {
  const result = sys.open(cString(path), flags | os.constants.O_CLOEXEC);
  return result < 0 ? -errno[0]! : result;
}

/**
 * Opens a file for writing, made with `mode` where there was none and emptied otherwise; close-on-exec. A named pipe that nobody reads is
 * `-ENXIO`, instead of waiting for who does.
 */
export function createFile(path: string, mode: number): number {
  const existing = open(path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY);
  if (existing !== -os.errno.ENOENT!) {
    // Only opening must not wait: who writes to a pipe expects that all of it is taken.
    if (existing >= 0) setNonBlocking(existing, false);
    return existing;
  }
  // open() with O_CREAT takes its third argument by another convention on some systems; this one is the same everywhere.
  const fd = sys.creat(cString(path), mode);
  if (fd < 0) return -errno[0]!;
  setCloseOnExec(fd);
  return fd;
}

/** Sets the permission bits of what stands at `path`. */
export function chmod(path: string, mode: number): number {
  const result = sys.chmod(cString(path), mode);
  return result < 0 ? -errno[0]! : result;
}

/** Removes a name from the file system. */
export function unlink(path: string): number {
  const result = sys.unlink(cString(path));
  return result < 0 ? -errno[0]! : result;
}

/** What `fstat` says of a descriptor. */
export interface FileStatus {
  /** Type and permission bits (S_IF...). */
  readonly mode: number;
  /** Size in bytes. */
  readonly size: number;
  /** Time of the last change of content, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Device number, which with `inode` identifies the file. One of more than 53 bits is folded to so many. */
  readonly device: number;
  /** Inode number, likewise. */
  readonly inode: number;
}

const statBytes = allocate(os.structs.stat.size);
const statView = new DataView(statBytes.buffer);

/** Describes an open file, or returns `-errno`. */
export function fstat(fd: number): FileStatus | number {
  const result = sys.fstat(fd, statBytes);
  return result < 0 ? -errno[0]! : readStat();
}

/** Describes what stands at `path`, a symbolic link itself rather than what it points to, or returns `-errno`. */
export function lstat(path: string): FileStatus | number {
  const result = sys.lstat(cString(path), statBytes);
  return result < 0 ? -errno[0]! : readStat();
}

function readStat(): FileStatus {
  const { fields } = os.structs.stat;
  return {
    mode: get(statView, fields.mode),
    size: get(statView, fields.size),
    modifiedMs: get(statView, fields.mtimeSec) * 1000 + Math.floor(get(statView, fields.mtimeNsec) / 1e6),
    device: identityIn(fields.dev),
    inode: identityIn(fields.ino),
  };
}

/**
 * A number that tells files apart. File systems may have inode numbers of all 64 bits: overlays say above which layer a file is of, and what
 * comes over the network or from a program is anything; and some devices are negative numbers made longer. So the upper bits count, too.
 */
function identityIn(field: NumberField): number {
  const whole = BigInt.asUintN(64, getBig(statView, field));
  return Number(BigInt.asUintN(53, whole ^ whole >> 53n << 42n));
}

const pathBytes = allocate(4096);

/** `path` with every symbolic link and every `.` and `..` resolved, or `-errno`. */
export function realpath(path: string): string | number {
  const resolved = sys.realpath(cString(path), pathBytes);
  const error = errno[0]!;
  return Number(resolved) === 0 ? -error : stringIn(pathBytes);
}

/** One entry of a directory. */
export interface DirectoryEntry {
  /** Name without the folder. */
  readonly name: string;
  /** Kind as the file system reports it (DT_...; DT_UNKNOWN 0 where it does not). */
  readonly type: number;
}

/**
 * Lists a directory without `.` and `..`, in no particular order, or returns `-errno`.
 *
 * @param entriesMax stops after so many entries, so that a huge directory cannot hold the loop for long.
 */
export function listDirectory(path: string, entriesMax: number): DirectoryEntry[] | number {
  const stream = sys.opendir(cString(path));
  const failure = errno[0]!;
  if (Number(stream) === 0) return -failure;
  const { dirent } = os.structs;
  const entries: DirectoryEntry[] = [];
  let result = 0;
  while (entries.length < entriesMax) {
    // Nothing else tells the end from an error.
    errno[0] = 0;
    const entry = sys.readdir(stream);
    const error = errno[0]!;
    const address = Number(entry);
    if (address === 0) {
      result = -error;
      break;
    }
    const name = stringAt(address + dirent.fields.name.offset);
    if (name === "." || name === "..") continue;
    const type = new Uint8Array(runtime.viewAt(address + dirent.fields.type.offset, 1))[0]!;
    entries.push({ name, type });
  }
  sys.closedir(stream);
  return result < 0 ? result : entries;
}

/** Makes a descriptor that came from elsewhere ours: non-blocking and close-on-exec. */
export function prepareDescriptor(fd: number): number {
  const result = setNonBlocking(fd);
  return result < 0 ? result : setCloseOnExec(fd);
}
