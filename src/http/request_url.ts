import { formatSocketAddress } from "../core/mod.ts";
import type { HttpRequest } from "./request.ts";

/** Paths and queries that parsing leaves as they are, but for dot segments. */
const PLAIN_TARGET = /^\/[\w\-~!$&()*+,;=:@/%.]*(?:\?[\w\-~!$&()*+,;=:@/%.?]*)?$/;
/** What may be the beginning of a dot segment. */
const DOT_SEGMENT = /\/(?:\.|%2e)/i;
const ORIGINS_MAX = 64;

// Most requests are for a few hosts, and parsing a URL takes microseconds.
const origins = new Map<string, string>();

/** A request is for what no URL can name: HTTP allows hosts that URLs do not. @internal */
export class NoUrlError extends TypeError {}

/**
 * The URL that a request is for, spelled as the URL standard spells it.
 *
 * @throws {NoUrlError} when there is none.
 * @internal
 */
export function requestUrl(request: HttpRequest): string {
  try {
    return urlOf(request);
  } catch (cause) {
    throw new NoUrlError(`Cannot make a URL of the request: ${(cause as Error).message}`, { cause });
  }
}

function urlOf(request: HttpRequest): string {
  const { target, head, connection } = request;
  if (/^https?:\/\//i.test(target)) return new URL(target).href;
  const local = connection.localAddress;
  // One that is empty is as good as none: in front of a path, a URL would take the first segment for the host.
  const host = head.host || (local === undefined || local.family === "unix" ? "localhost" : formatSocketAddress(local));
  const base = `${connection.isSecure ? "https" : "http"}://${host}`;
  if (PLAIN_TARGET.test(target) && !DOT_SEGMENT.test(target)) return originOf(base) + target;
  return new URL(base + (target.startsWith("/") ? target : `/${target}`)).href;
}

function originOf(base: string): string {
  let origin = origins.get(base);
  if (origin === undefined) {
    origin = new URL(base).href.slice(0, -1);
    // Clients choose what they send as Host.
    if (origins.size >= ORIGINS_MAX) origins.clear();
    origins.set(base, origin);
  }
  return origin;
}
