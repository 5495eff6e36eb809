import { OpenFile } from "../core/mod.ts";
import { allocate, pread, systemError } from "../ffi/mod.ts";

const PIECE_BYTES = 64 * 1024;

/**
 * Reads a text file, such as `/etc/hosts`, by the kernel's own calls: on Deno that takes no permission but `--allow-ffi`.
 *
 * @param bytesMax how much of it is read; what stands behind, and the line that this cuts, is left out.
 * @throws {SystemError} when it cannot be opened or read (ENOENT, EACCES, EISDIR, ...).
 *
 * @internal
 */
export function readTextFile(path: string, bytesMax: number): string {
  using file = OpenFile.open(path);
  const piece = allocate(PIECE_BYTES);
  const decoder = new TextDecoder();
  let text = "";
  let at = 0;
  // Files of the kernel's own have no size before they are read, so it is read to the end.
  for (;;) {
    const count = pread(file.fd, piece, Math.min(PIECE_BYTES, bytesMax - at), at);
    if (count < 0) throw systemError(count, "pread", "read", { path });
    if (count === 0) return text + decoder.decode();
    at += count;
    text += decoder.decode(piece.subarray(0, count), { stream: true });
    if (at < bytesMax) continue;
    return text.slice(0, text.lastIndexOf("\n") + 1);
  }
}

/** The words of each line, without what stands behind a `#` or, if `semicolons` is set, a word that begins with `;`. */
export function* linesOfWords(text: string, semicolons: boolean = false): Generator<string[]> {
  for (const line of text.split(/\r?\n|\r/)) {
    const hash = line.indexOf("#");
    const words = (hash < 0 ? line : line.slice(0, hash)).split(/[\s\0\ufeff]+/).filter((word) => word !== "");
    const comment = semicolons ? words.findIndex((word) => word.startsWith(";")) : -1;
    const rest = comment < 0 ? words : words.slice(0, comment);
    if (rest.length > 0) yield rest;
  }
}
