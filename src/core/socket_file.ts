import { type FileStatus, lstat, os, unlink } from "../ffi/mod.ts";

/**
 * The file of a bound Unix socket, which has to go with it.
 *
 * @internal
 */
export class SocketFile {
  readonly #path: string;
  // As it was made: whoever takes the path over in the meantime keeps what they put there.
  readonly #status: FileStatus | number;

  /** @param path what a socket has just been bound to, a {@linkcode isSocketFile} path. */
  constructor(path: string) {
    this.#path = path;
    this.#status = lstat(path);
  }

  /** Removes it, unless something else stands in its place by now. */
  remove(): void {
    const [made, found] = [this.#status, lstat(this.#path)];
    if (typeof made === "number" || typeof found === "number") return;
    if (made.inode === found.inode && made.device === found.device) unlink(this.#path);
  }
}

/** Whether a Unix socket's path names a file: abstract names, behind a NUL, and the empty path do not. */
export function isSocketFile(path: string): boolean {
  return path !== "" && !path.startsWith("\0");
}

/** Removes a socket's file that was left behind; a mistyped path must not cost somebody a file of another kind. */
export function removeStaleSocket(path: string): void {
  const { S_IFMT, S_IFSOCK } = os.constants;
  const status = lstat(path);
  if (typeof status !== "number" && (status.mode & S_IFMT) === S_IFSOCK) unlink(path);
}
