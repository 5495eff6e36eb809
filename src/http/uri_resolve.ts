/** References against a base (RFC 3986 section 5.2), and the dots that this leaves behind. */
import { emptyParts, hasAuthority, type UriParts } from "./uri_parts.ts";

/** The components of `reference` as seen from `base`, by the strict form of the algorithm. */
export function resolveParts(base: UriParts, reference: UriParts): UriParts {
  const target = emptyParts();
  target.fragment = reference.fragment;
  target.query = reference.query;
  target.scheme = reference.scheme ?? base.scheme;
  if (reference.scheme !== undefined || hasAuthority(reference)) {
    takeAuthorityOf(reference, target);
    target.path = removeDotSegments(reference.path);
    return guarded(target);
  }
  takeAuthorityOf(base, target);
  if (reference.path === "") {
    target.path = base.path;
    target.query = reference.query ?? base.query;
    return target;
  }
  const path = reference.path.startsWith("/") ? reference.path : merged(base, reference.path);
  target.path = removeDotSegments(path);
  return guarded(target);
}

function takeAuthorityOf(source: UriParts, target: UriParts): void {
  target.userinfo = source.userinfo;
  target.host = source.host;
  target.port = source.port;
  target.unixSocket = source.unixSocket;
}

/** Puts a relative path in the place of what follows the last slash of the base's (section 5.2.3). */
function merged(base: UriParts, path: string): string {
  if (hasAuthority(base) && base.path === "") return `/${path}`;
  return base.path.slice(0, base.path.lastIndexOf("/") + 1) + path;
}

/**
 * What removing dots can leave at the beginning of a path would be read as a host, or as a scheme, where there is none. A dot in
 * front says that it is none, as the WHATWG's URL standard does.
 */
export function guarded(parts: UriParts): UriParts {
  if (hasAuthority(parts)) return parts;
  if (parts.path.startsWith("//")) parts.path = `/.${parts.path}`;
  else if (parts.scheme === undefined && /^[^/]*:/.test(parts.path)) parts.path = `./${parts.path}`;
  return parts;
}

/**
 * Takes the segments "." and ".." out of a path, with what they stand for (section 5.2.4). As there, a relative path whose
 * first segment is taken back begins with a slash afterwards.
 */
export function removeDotSegments(path: string): string {
  let absolute = path.startsWith("/");
  const segments = (absolute ? path.slice(1) : path).split("/");
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") {
      if (kept.length === 1) absolute = true;
      kept.pop();
    } else if (segment !== ".") {
      kept.push(segment);
    }
  }
  const last = segments.at(-1);
  // A path that ends in dots ends in a folder, unless nothing is left of it.
  if ((last === "." || last === "..") && (absolute || kept.length > 0)) kept.push("");
  return (absolute ? "/" : "") + kept.join("/");
}
