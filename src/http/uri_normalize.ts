/** One spelling for URIs that mean the same (RFC 3986 section 6.2.2 and 6.2.3). */
import { isUriCharacter, URI_UNRESERVED } from "./uri_grammar.ts";
import { hasAuthority, type UriParts } from "./uri_parts.ts";
import { guarded, removeDotSegments } from "./uri_resolve.ts";

const DEFAULT_PORTS: Readonly<Record<string, number>> = Object.freeze({ http: 80, ws: 80, https: 443, wss: 443 });

/** The port a scheme implies, or -1 for a scheme that is not known here. */
export function defaultPort(scheme: string): number {
  return Object.hasOwn(DEFAULT_PORTS, scheme) ? DEFAULT_PORTS[scheme]! : -1;
}

/** The same components in their normal spelling. */
export function normalizedParts(parts: UriParts): UriParts {
  const scheme = parts.scheme?.toLowerCase();
  const implied = scheme === undefined ? -1 : defaultPort(scheme);
  let path = normalizedEscapes(parts.path);
  // In a relative path they mean something to whoever resolves it; behind a scheme they go when that is done (section 5.2.2).
  if (scheme !== undefined || path.startsWith("/")) path = removeDotSegments(path);
  if (path === "" && implied >= 0 && hasAuthority(parts)) path = "/";
  return guarded({
    scheme,
    userinfo: optional(parts.userinfo),
    // Lower case comes last, since an escape may have stood for a letter; those that remain are made upper case again.
    host: parts.host === undefined ? undefined : normalizedEscapes(normalizedEscapes(parts.host).toLowerCase()),
    port: parts.port === implied ? -1 : parts.port,
    unixSocket: parts.unixSocket,
    path,
    query: optional(parts.query),
    fragment: optional(parts.fragment),
  });
}

function optional(text: string | undefined): string | undefined {
  return text === undefined ? undefined : normalizedEscapes(text);
}

/** Escapes in upper case, and none for a character that needs none. What is no escape stays as it is. */
function normalizedEscapes(text: string): string {
  return text.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const code = Number.parseInt(escape.slice(1), 16);
    return isUriCharacter(code, URI_UNRESERVED) ? String.fromCharCode(code) : escape.toUpperCase();
  });
}
