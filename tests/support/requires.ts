/**
 * Tests that drive another program, such as curl or a C compiler. On a developer's machine a missing program leaves its tests out, by
 * name and with the package that has it; where `CI` is "true" it is a failure, so that a suite cannot shrink without anybody noticing.
 */
import { statSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { it } from "@std/testing/bdd";

/** Where a command was found on the PATH, or undefined. Nothing is run to find out. */
export function findCommand(command: string, path: string = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue;
    if (isProgram(join(folder, command))) return join(folder, command);
  }
  return undefined;
}

/** Goes by the mode bits: asking for access would need a further permission on Deno. */
function isProgram(file: string): boolean {
  try {
    const found = statSync(file);
    return found.isFile() && (found.mode & 0o111) !== 0;
  } catch (error) {
    // Anything else, such as a permission that the run was not given, must not pass for a missing program.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes((error as { code?: string }).code ?? "")) return false;
    throw error;
  }
}

/** What `requires` and `itNeeds` look at; tests of this file put other values in its place. */
export interface Surroundings {
  /** Folders to search, as in the variable PATH. */
  path: string;
  /** Whether a missing program is a failure. */
  ci: boolean;
}

function surroundings(): Surroundings {
  return { path: process.env["PATH"] ?? "", ci: process.env["CI"] === "true" };
}

/**
 * Whether tests that need `command` can run here.
 *
 * @throws {Error} where `CI` is "true" and the command is missing, naming the Debian package that has it.
 */
export function requires(command: string, debianPackage: string, where: Surroundings = surroundings()): boolean {
  if (findCommand(command, where.path) !== undefined) return true;
  if (where.ci) throw new Error(`Cannot run this test: ${missing(command, debianPackage)}`);
  return false;
}

function missing(command: string, debianPackage: string): string {
  return `needs ${command}, Debian package ${debianPackage}`;
}

/** Registers a test that needs a program: skipped under a telling name where the program is missing, or failing where `CI` is "true". */
export function itNeeds(command: string, debianPackage: string, title: string, fn: () => void | Promise<void>): void {
  const { path, ci } = surroundings();
  if (findCommand(command, path) !== undefined) return it(title, fn);
  const fullTitle = `${title} (${missing(command, debianPackage)})`;
  if (ci) return it(fullTitle, () => void requires(command, debianPackage));
  it.skip(fullTitle, fn);
}
