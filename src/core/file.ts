/**
 * Files and folders through the kernel's own calls: what servers need of them, without a permission to read files (Deno's
 * `--allow-read`), since `--allow-ffi` covers it.
 *
 * All of this blocks, as it does in C: a regular file is always "ready", and no event loop can wait for one.
 *
 * @module
 */

import {
  close,
  createFile,
  type FileStatus,
  fstat,
  listDirectory,
  open,
  os,
  realpath,
  systemError,
} from "../ffi/mod.ts";

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_NOCTTY } = os.constants;
const { S_IFMT, S_IFREG, S_IFDIR, DT_UNKNOWN, DT_DIR, DT_REG, DT_LNK } = os.constants;

/** How {@linkcode OpenFile.open} opens. */
export interface OpenFileOptions {
  /** Fail with ELOOP when the last part of the path is a symbolic link; links before it are followed. Off by default. */
  readonly noFollow?: boolean | undefined;
}

/**
 * A file or folder open for reading, or a file for writing.
 *
 * @example
 * ```ts
 * import { EvBuffer, OpenFile } from "@evbase/evbase";
 *
 * using file = OpenFile.open("/etc/hosts");
 * const buffer = new EvBuffer();
 * if (file.isFile) buffer.addFile(file.detach(), 0, file.size, { closeOnFree: true });
 * console.log(`${buffer.length} bytes to send`);
 * buffer.close();
 * ```
 */
export class OpenFile implements Disposable {
  /** The path it was opened by. */
  readonly path: string;
  readonly #status: FileStatus;
  #fd: number;

  private constructor(path: string, fd: number, status: FileStatus) {
    this.path = path;
    this.#fd = fd;
    this.#status = status;
  }

  /**
   * Opens an existing file or folder for reading, whatever it turns out to be: opening never waits for the other end of a
   * named pipe and never adopts a terminal.
   *
   * @throws {SystemError} when it cannot be opened (ENOENT, EACCES, ELOOP, ENXIO for a socket, EMFILE, ...).
   * @throws {TypeError} for a path with a NUL character.
   */
  static open(path: string, options: OpenFileOptions = {}): OpenFile {
    const fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | (options.noFollow === true ? O_NOFOLLOW : 0));
    if (fd < 0) throw systemError(fd, "open", "open", { path });
    return OpenFile.#of(path, fd);
  }

  /**
   * Opens a file for writing, by {@linkcode EvBuffer.writeTo}; it is made where there was none, and emptied otherwise.
   *
   * @param mode who may do what with a new one, less what the process's umask takes away.
   * @throws {SystemError} when it cannot be opened (EACCES, EISDIR, ENOENT for its folder, ENXIO for a named pipe that nobody reads, ...).
   * @throws {TypeError} for a path with a NUL character.
   */
  static create(path: string, mode: number = 0o666): OpenFile {
    const fd = createFile(path, mode);
    if (fd < 0) throw systemError(fd, "creat", "create", { path });
    return OpenFile.#of(path, fd);
  }

  static #of(path: string, fd: number): OpenFile {
    const status = fstat(fd);
    if (typeof status === "number") {
      close(fd);
      throw systemError(status, "fstat", "read the status of", { path });
    }
    return new OpenFile(path, fd, status);
  }

  /** The descriptor; -1 once closed or detached. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether it is a regular file. */
  get isFile(): boolean {
    return (this.#status.mode & S_IFMT) === S_IFREG;
  }

  /** Whether it is a folder. */
  get isFolder(): boolean {
    return (this.#status.mode & S_IFMT) === S_IFDIR;
  }

  /** Size in bytes when it was opened. */
  get size(): number {
    return this.#status.size;
  }

  /** Time of the last change of its content when it was opened, in milliseconds since 1970. */
  get modifiedMs(): number {
    return this.#status.modifiedMs;
  }

  /** Inode number: with the file system's it identifies the file, whatever its names. One of more than 53 bits is folded to so many. */
  get inode(): number {
    return this.#status.inode;
  }

  /**
   * The path of what is really open, as the kernel knows it now, whatever was exchanged or renamed since the path was
   * looked up; undefined where the system does not tell (only Linux does), or when the file has been removed.
   */
  get actualPath(): string | undefined {
    if (this.#fd < 0) return undefined;
    const path = realpath(`${DESCRIPTOR_FOLDER}/${this.#fd}`);
    // Elsewhere these are devices of their own, and resolve to themselves.
    return typeof path === "number" || path.startsWith(`${DESCRIPTOR_FOLDER}/`) ? undefined : path;
  }

  /** Gives the descriptor away: closing it is the caller's business from now on. */
  detach(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** Closes it. Closing twice, or after {@linkcode OpenFile.detach}, is harmless. */
  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  /** Same as {@linkcode OpenFile.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The folder in which each open descriptor appears under its number; on Linux as a link to what is open. */
const DESCRIPTOR_FOLDER = "/dev/fd";

/**
 * An absolute path without symbolic links, `.` and `..` to what `path` names.
 *
 * @throws {SystemError} when it does not exist or cannot be reached (ENOENT, ENOTDIR, EACCES, ELOOP, ...).
 * @throws {TypeError} for a path with a NUL character.
 */
export function realPath(path: string): string {
  const resolved = realpath(path);
  if (typeof resolved === "number") throw systemError(resolved, "realpath", "find", { path });
  return resolved;
}

/** What an entry of a folder is. `link` is a symbolic link, to whatever; `unknown`: the file system does not tell. */
export type FolderEntryKind = "file" | "folder" | "link" | "other" | "unknown";

/** One entry of a folder, see {@linkcode listFolder}. */
export interface FolderEntry {
  /** Name without the folder; bytes that are not UTF-8 appear as U+FFFD, and such a name opens nothing. */
  readonly name: string;
  /** What it is, without following links. */
  readonly kind: FolderEntryKind;
}

/**
 * Lists a folder without `.` and `..`, in no particular order.
 *
 * @param entriesMax stops after so many, so that a huge folder does not hold the loop for long.
 * @throws {SystemError} when it cannot be listed (ENOENT, ENOTDIR, EACCES, ...).
 * @throws {TypeError} for a path with a NUL character.
 */
export function listFolder(path: string, entriesMax: number = Infinity): FolderEntry[] {
  const entries = listDirectory(path, entriesMax);
  if (typeof entries === "number") throw systemError(entries, "opendir", "list", { path });
  return entries.map(({ name, type }) => ({ name, kind: kindOf(type) }));
}

/**
 * Lists a folder that is open. Where the system can tell what that is (Linux), another one that has taken its place since, or that of a
 * folder above it, is not what is listed.
 *
 * @throws as {@linkcode listFolder}.
 * @internal
 */
export function listOpenFolder(folder: OpenFile, entriesMax: number): FolderEntry[] {
  return listFolder(folder.actualPath === undefined ? folder.path : `${DESCRIPTOR_FOLDER}/${folder.fd}`, entriesMax);
}

function kindOf(type: number): FolderEntryKind {
  switch (type) {
    case DT_REG:
      return "file";
    case DT_DIR:
      return "folder";
    case DT_LNK:
      return "link";
    case DT_UNKNOWN:
      return "unknown";
    default:
      return "other";
  }
}
