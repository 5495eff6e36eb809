/**
 * Which media type a file is sent as, by the ending of its name.
 *
 * @module
 */

/** Types of bytes that no table names; browsers offer to save them. */
const UNKNOWN_TYPE = "application/octet-stream";

// Text is sent as UTF-8; for JSON and images the charset is fixed by their own specifications.
const TYPES: ReadonlyMap<string, string> = new Map([
  ["avif", "image/avif"],
  ["bmp", "image/bmp"],
  ["c", "text/plain;charset=utf-8"],
  ["css", "text/css;charset=utf-8"],
  ["csv", "text/csv;charset=utf-8"],
  ["gif", "image/gif"],
  ["gz", "application/gzip"],
  ["h", "text/plain;charset=utf-8"],
  ["htm", "text/html;charset=utf-8"],
  ["html", "text/html;charset=utf-8"],
  ["ico", "image/vnd.microsoft.icon"],
  ["jpeg", "image/jpeg"],
  ["jpg", "image/jpeg"],
  ["js", "text/javascript;charset=utf-8"],
  ["json", "application/json"],
  ["map", "application/json"],
  ["md", "text/markdown;charset=utf-8"],
  ["mjs", "text/javascript;charset=utf-8"],
  ["mp3", "audio/mpeg"],
  ["mp4", "video/mp4"],
  ["oga", "audio/ogg"],
  ["ogg", "audio/ogg"],
  ["ogv", "video/ogg"],
  ["otf", "font/otf"],
  ["pdf", "application/pdf"],
  ["png", "image/png"],
  ["ps", "application/postscript"],
  ["svg", "image/svg+xml"],
  ["tar", "application/x-tar"],
  ["ts", "text/plain;charset=utf-8"],
  ["ttf", "font/ttf"],
  ["txt", "text/plain;charset=utf-8"],
  ["wasm", "application/wasm"],
  ["wav", "audio/wav"],
  ["webm", "video/webm"],
  ["webmanifest", "application/manifest+json"],
  ["webp", "image/webp"],
  ["woff", "font/woff"],
  ["woff2", "font/woff2"],
  ["xml", "text/xml;charset=utf-8"],
  ["zip", "application/zip"],
]);

/**
 * The media type for a file's name, by what follows its last dot, in upper or lower case.
 *
 * @param name a name or a path with `/`.
 * @param own types by extension (lower case, without the dot) that go before the built-in ones.
 * @returns `application/octet-stream` for an ending that is not known, for none, and for a name that is nothing but one.
 */
export function contentType(name: string, own?: Readonly<Record<string, string>>): string {
  const file = name.slice(name.lastIndexOf("/") + 1);
  const dot = file.lastIndexOf(".");
  if (dot <= 0) return UNKNOWN_TYPE;
  const extension = file.slice(dot + 1).toLowerCase();
  if (own !== undefined && Object.hasOwn(own, extension)) return own[extension]!;
  return TYPES.get(extension) ?? UNKNOWN_TYPE;
}
