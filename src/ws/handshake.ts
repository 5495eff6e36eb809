/**
 * What both sides of the opening handshake need (RFC 6455 section 4).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { HttpHeaders } from "../http/mod.ts";
import { checkDeflateOptions, type DeflateOptions } from "./deflate_parameters.ts";
import { webSocketLimits } from "./limits.ts";
import { sessionSettings, type WebSocketSessionOptions } from "./session_options.ts";

/** The only version there is (RFC 6455 section 4.1). */
export const WEBSOCKET_VERSION = "13";
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Sixteen bytes in base64: of the last letter's six bits only the first two count. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a Sec-WebSocket-Key is one. */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** The Sec-WebSocket-Accept that answers a key (RFC 6455 section 4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(key + ACCEPT_SUFFIX).digest("base64");
}

/** A fresh Sec-WebSocket-Key. */
export function newKey(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
}

/** The elements of a list field, over all its lines; empty ones are left out. */
export function listed(headers: HttpHeaders, name: string): string[] {
  return headers.getAll(name).join(",").split(",").map((element) => element.trim()).filter((element) => element !== "");
}

/** Whether a list field holds a token, in whatever case. */
export function lists(headers: HttpHeaders, name: string, token: string): boolean {
  return listed(headers, name).some((element) => element.toLowerCase() === token);
}

/** Whether these may be the names of subprotocols: tokens, each once. */
export function areProtocols(names: readonly string[]): boolean {
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

/** The options of compression; null where it is not wanted. */
export function deflateOptionsOf({ deflate }: WebSocketSessionOptions): DeflateOptions | null {
  if (deflate === undefined || deflate === false) return null;
  return deflate === true ? {} : deflate;
}

/**
 * Checks all that a session's options say, before anything is done because of them.
 *
 * @throws {RangeError} for limits, times and figures out of their ranges, {TypeError} for an `outputPolicy` that is none.
 */
export function checkSessionOptions(options: WebSocketSessionOptions): void {
  sessionSettings(options);
  webSocketLimits(options.limits);
  checkDeflateOptions(deflateOptionsOf(options) ?? {});
}
