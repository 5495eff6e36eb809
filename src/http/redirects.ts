import { HttpClientError } from "./client_error.ts";
import { shownText, shownUrl } from "./client_url.ts";
import { DIGEST_FIELDS } from "./digest_fields.ts";
import { HttpHeaders } from "./headers.ts";

/** What is asked for: the part of a request that a redirect may change. */
export interface Redirectable {
  readonly url: URL;
  readonly method: string;
  readonly headers: HttpHeaders;
  readonly hasBody: boolean;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What describes a body, and goes with it. */
const BODY_FIELDS = [
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
  "content-length",
  ...DIGEST_FIELDS,
  "expect",
  "last-modified",
];
/** What is for one origin only. */
const PRIVATE_FIELDS = ["authorization", "cookie", "proxy-authorization", "host"];

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Whether a response says that something else is to be asked for. */
export function isRedirect(status: number, headers: HttpHeaders): boolean {
  return REDIRECTS.has(status) && headers.has("location");
}

/**
 * Where a redirect leads, which must be said once. It should be ASCII; servers that do not escape it send UTF-8, which fields hold as one
 * character for each byte.
 *
 * @throws {HttpClientError} `HTTP_BAD_REDIRECT` when it leads to several places.
 */
export function locationOf(headers: HttpHeaders): string {
  const [location = "", ...others] = headers.getAll("location");
  if (others.some((other) => other !== location)) {
    throw new HttpClientError("HTTP_BAD_REDIRECT", `follow a redirect to ${1 + others.length} places at once`);
  }
  try {
    return decoder.decode(Uint8Array.from(location, (character) => character.charCodeAt(0)));
  } catch {
    return location;
  }
}

/**
 * What is to be asked for after a redirect (RFC 9110 section 15.4), as browsers do (Fetch standard, HTTP-redirect fetch): GET takes the place
 * of POST after 301 and 302, and of everything but HEAD after 303; credentials do not go to another origin.
 *
 * @throws {HttpClientError} `HTTP_BAD_REDIRECT` when that is no URL of http or https.
 */
export function redirected(from: Redirectable, status: number, location: string): Redirectable {
  const url = URL.canParse(location, from.url) ? new URL(location, from.url) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new HttpClientError(
      "HTTP_BAD_REDIRECT",
      `follow the redirect of ${shownUrl(from.url)} to ${shownText(location)}`,
    );
  }
  if (url.hash === "") url.hash = from.url.hash;
  const toGet = status === 303
    ? from.method !== "GET" && from.method !== "HEAD"
    : (status === 301 || status === 302) && from.method === "POST";
  const headers = new HttpHeaders(from.headers);
  if (toGet) { for (const name of BODY_FIELDS) headers.delete(name); }
  if (url.origin !== from.url.origin) { for (const name of PRIVATE_FIELDS) headers.delete(name); }
  return { url, method: toGet ? "GET" : from.method, headers, hasBody: from.hasBody && !toGet };
}
