/**
 * The HTML page that lists a folder.
 *
 * @module
 */

import type { FolderEntry } from "../core/mod.ts";
import { escapeHtml } from "./html_escape.ts";
import { isServableName } from "./safe_path.ts";

/** What a {@linkcode directoryPage} shows. */
export interface DirectoryListing {
  /** The folder's path as people read it: decoded, from `/` to `/`. */
  readonly path: string;
  /** What is in it. */
  readonly entries: readonly FolderEntry[];
  /** Whether there are more entries than these. */
  readonly isCut: boolean;
}

/**
 * Makes the page: folders first, then by name; without pipes, sockets and devices, which are not served either. Every name is escaped where it is shown and percent-encoded where it is
 * linked, so that a file's name can be no markup and no other address. A name that cannot be asked for is not linked.
 */
export function directoryPage({ path, entries, isCut }: DirectoryListing): string {
  const title = `Index of ${escapeHtml(path)}`;
  const shown = entries.filter(({ kind }) => kind !== "other").sort(compare);
  const lines = shown.map(line);
  if (path !== "/") lines.unshift(`<li><a href="../">../</a></li>`);
  const note = isCut ? `<p>There are more entries than these ${shown.length}.</p>\n` : "";
  return `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
</head>
<body>
<h1>${title}</h1>
<ul>
${lines.map((text) => text + "\n").join("")}</ul>
${note}</body>
</html>
`;
}

function line({ name, kind }: FolderEntry): string {
  const slash = kind === "folder" ? "/" : "";
  const text = escapeHtml(name + slash);
  // Without "./", a browser might take a name for something else than a path.
  return isServableName(name)
    ? `<li><a href="./${escapeHtml(encodeURIComponent(name))}${slash}">${text}</a></li>`
    : `<li>${text}</li>`;
}

/** By code units: the same order everywhere, whatever the locale. */
function compare(a: FolderEntry, b: FolderEntry): number {
  const rank = Number(b.kind === "folder") - Number(a.kind === "folder");
  if (rank !== 0) return rank;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
