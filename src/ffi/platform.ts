/**
 * Which runtime and which operating system this is: asked here once, and nowhere else.
 *
 * @module
 */

import { bunRuntime } from "./bun.ts";
import { darwin } from "./darwin.ts";
import { denoRuntime } from "./deno.ts";
import { freebsd } from "./freebsd.ts";
import { linux } from "./linux.ts";
import type { OsData } from "./os_data.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Both adapters are imported, one is used. Nothing is awaited: a module that waits at its top level has everything that
 * imports it evaluated from a promise reaction, and inside one Deno runs no further ones, so that a `dispatch()` at the top
 * level of a program could serve no promise at all.
 */
function chooseRuntime(): Runtime {
  const globals = globalThis as { Deno?: unknown; Bun?: unknown };
  if (globals.Bun !== undefined) return bunRuntime();
  if (globals.Deno !== undefined) return denoRuntime();
  throw new Error("Cannot start evbase: it runs on Deno and Bun, and this runtime is neither");
}

/**
 * The data of the system that a runtime names.
 *
 * @throws {Error} for a system or a processor that the tables do not cover.
 */
export function chooseOs({ os, arch }: Pick<Runtime, "os" | "arch">): OsData {
  if (arch !== "x86_64" && arch !== "aarch64") {
    throw new Error(`Cannot start evbase: unsupported processor architecture "${arch}" (supported: x86_64, aarch64)`);
  }
  switch (os) {
    case "linux":
      return linux(arch);
    case "darwin":
      return darwin(arch);
    case "freebsd":
      return freebsd(arch);
    default:
      throw new Error(`Cannot start evbase: unsupported operating system "${os}" (supported: linux, darwin, freebsd)`);
  }
}

/** The running JavaScript runtime. */
export const runtime: Runtime = chooseRuntime();

/** Constants, errno numbers and struct layouts of the running operating system and architecture. */
export const os: OsData = chooseOs(runtime);

/**
 * Apple's arm64 ABI passes the arguments after `...` on the stack, so variadic functions need their fixed arguments
 * padded to all eight registers there.
 */
export const variadicOnStack: boolean = os.name === "darwin" && runtime.arch === "aarch64";
