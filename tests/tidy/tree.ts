/** The project's own files, as the tests of this folder read them. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the checkout. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** One text file of the project. */
export interface SourceFile {
  /** From the top of the checkout, with "/". */
  readonly path: string;
  readonly text: string;
}

/**
 * The files under the given files and folders whose name ends in one of `endings`, sorted. What does not exist is left out, since a
 * folder may not have been started yet.
 */
export function filesUnder(places: readonly string[], endings: readonly string[]): SourceFile[] {
  return places.flatMap(pathsUnder)
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

function pathsUnder(place: string): string[] {
  const full = join(root, place);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [place];
  return readdirSync(full).filter((name) => name !== "node_modules").flatMap((name) => pathsUnder(`${place}/${name}`));
}

/**
 * The code of a TypeScript file without its comments, line for line. Strings and templates are stepped over, so that "http://" is no
 * comment; a regular expression that holds a quote or "//" would fool it, which none of ours needs to.
 */
export function withoutComments(text: string): string {
  const token = /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`/g;
  return text.replace(token, (found) => found.startsWith("/") ? found.replace(/[^\n]/g, "") : found);
}
