import { basicCredentials } from "./http_tunnel.ts";
import type { HttpHeaders } from "./headers.ts";
import type { StreamTarget } from "./connector_options.ts";
import { percentDecode } from "./percent_coding.ts";

/**
 * Takes a URL of the web, which must be one of http or https.
 *
 * @throws {TypeError} when it is none.
 */
export function httpUrl(input: string | URL): URL {
  // A copy in any case: the caller's may change while redirects are followed.
  const url = input instanceof URL || URL.canParse(input) ? new URL(input) : input;
  if (!(url instanceof URL)) throw new TypeError(`Cannot request ${shownText(input)}: it is no URL`);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(
      `Cannot request ${shownUrl(url)}: only http and https are spoken, not ${url.protocol.slice(0, -1)}`,
    );
  }
  return url;
}

/** A URL as messages show it: without user and password. */
export function shownUrl(url: URL): string {
  if (url.username === "" && url.password === "") return url.href;
  const shown = new URL(url);
  shown.username = shown.password = "";
  return shown.href;
}

/** What was to be a URL as messages show it: without what may be a password, and not at any length. */
export function shownText(text: unknown): string {
  return JSON.stringify(String(text).replace(/\/\/[^/?#]*@/, "//").slice(0, 200));
}

/** Where a URL leads to, its port included. */
export function targetOf(url: URL): StreamTarget & { readonly host: string; readonly port: number } {
  return { host: url.hostname, port: url.port !== "" ? Number(url.port) : url.protocol === "https:" ? 443 : 80 };
}

/** What a request for a URL says in its first line. */
export function pathOf(url: URL): string {
  return url.pathname + url.search;
}

/** The user and password of a URL as the credentials of a request that has no others. */
export function addCredentials(url: URL, headers: HttpHeaders): void {
  if ((url.username === "" && url.password === "") || headers.has("authorization")) return;
  const user = percentDecode(url.username);
  headers.set("Authorization", basicCredentials({ user, password: percentDecode(url.password) }));
}
