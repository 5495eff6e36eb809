/**
 * Which runtime and which operating system this is: asked here once, and nowhere else.
 *
 * @module
 */

import { darwin } from "./darwin.ts";
import { freebsd } from "./freebsd.ts";
import { linux } from "./linux.ts";
import type { OsData } from "./os_data.ts";
import type { Runtime } from "./runtime.ts";

async function chooseRuntime(): Promise<Runtime> {
  const globals = globalThis as { Deno?: { dlopen?: unknown }; Bun?: unknown };
  if (globals.Bun !== undefined) return (await import("./bun.ts")).runtime;
  if (globals.Deno !== undefined) return (await import("./deno.ts")).runtime;
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
export const runtime: Runtime = await chooseRuntime();

/** Constants, errno numbers and struct layouts of the running operating system and architecture. */
export const os: OsData = chooseOs(runtime);

/**
 * Apple's arm64 ABI passes the arguments after `...` on the stack, so variadic functions need their fixed arguments
 * padded to all eight registers there.
 */
export const variadicOnStack: boolean = os.name === "darwin" && runtime.arch === "aarch64";
