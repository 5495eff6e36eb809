import { os, runtime } from "./platform.ts";
import type { Calls, Signatures } from "./runtime.ts";

/**
 * Functions that this system keeps under another symbol. On macOS x86-64 the plain names of the stat and directory
 * functions still mean their old versions, whose structs have 32-bit inode numbers.
 */
const aliases: Readonly<Record<string, string>> = os.name === "darwin" && runtime.arch === "x86_64"
  ? { fstat: "fstat$INODE64", lstat: "lstat$INODE64", opendir: "opendir$INODE64", readdir: "readdir$INODE64" }
  : {};

/** {@linkcode Runtime.openLibrary} with every function under its plain name, whatever its symbol is called here. */
export function openWithAliases<const S extends Signatures>(path: string, signatures: S): Calls<S> {
  const names = Object.keys(signatures);
  if (!names.some((name) => name in aliases)) return runtime.openLibrary(path, signatures);
  const entries = names.map((name) => [aliases[name] ?? name, signatures[name]!] as const);
  const calls = runtime.openLibrary(path, Object.fromEntries(entries));
  return Object.fromEntries(names.map((name) => [name, calls[aliases[name] ?? name]])) as unknown as Calls<S>;
}
