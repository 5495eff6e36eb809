/**
 * Loading a library of the system that evbase can do without until somebody asks for what it offers.
 *
 * @module
 */

import { runtime } from "./platform.ts";
import type { Calls, Signatures } from "./runtime.ts";

/** Opens a library, or says in a few words why that failed. */
export function openLibrary<const S extends Signatures>(path: string, signatures: S): Calls<S> | string {
  try {
    return runtime.openLibrary(path, signatures);
  } catch (cause) {
    // What the runtimes say runs over several lines at times, and only the first tells something.
    return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!;
  }
}
