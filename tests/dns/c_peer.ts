/** C programs of this folder that speak DNS by somebody else's code. */
import { it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findCommand, itNeeds } from "../support/requires.ts";

/** A compiled program, removed with it. */
export class CPeer implements Disposable {
  /** Where it is. */
  readonly path: string;
  readonly #folder: string;

  /** @throws {Error} when it does not compile, with what the compiler says. */
  constructor(source: string, libraries: readonly string[]) {
    this.#folder = mkdtempSync(join(tmpdir(), "evbase-dns-"));
    this.path = join(this.#folder, "peer");
    const file = fileURLToPath(new URL(source, import.meta.url));
    const args = ["-O1", "-Wall", "-Wextra", "-Werror", "-o", this.path, file, ...libraries.map((name) => `-l${name}`)];
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
    if (status === 0) return;
    this[Symbol.dispose]();
    throw new Error(`Cannot compile ${source}:\n${stderr}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Registers a test that needs a C compiler and libevent's headers; without them as `itNeeds` does. */
export function itNeedsLibevent(title: string, fn: () => Promise<void>): void {
  if (findCommand("cc") === undefined) return itNeeds("cc", "gcc", title, fn);
  const check = ["-fsyntax-only", "-include", "event2/dns.h", "-x", "c", "/dev/null"];
  if (spawnSync("cc", check).status === 0) return it(title, fn);
  const fullTitle = `${title} (needs event2/dns.h, Debian package libevent-dev)`;
  if (process.env["CI"] !== "true") return it.skip(fullTitle, fn);
  it(fullTitle, () => Promise.reject(new Error(`Cannot run this test: ${fullTitle}`)));
}
