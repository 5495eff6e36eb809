import { HttpClientError } from "./client_error.ts";
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
const BODY_FIELDS = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];
/** What is for one origin only. */
const PRIVATE_FIELDS = ["authorization", "cookie", "proxy-authorization", "host"];

/** Whether a response says that something else is to be asked for. */
export function isRedirect(status: number, headers: HttpHeaders): boolean {
  return REDIRECTS.has(status) && headers.has("location");
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
      `follow the redirect of ${from.url.href} to ${JSON.stringify(location.slice(0, 200))}`,
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
