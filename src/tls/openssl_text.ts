/**
 * Texts that OpenSSL keeps in memory of its own.
 *
 * @module
 */

import { runtime, stringAt, type Word } from "../ffi/mod.ts";
import { openssl } from "./openssl.ts";

/** The zero-terminated text at `address`, or "" for NULL. */
export function textAt(address: Word | null): string {
  return !address ? "" : stringAt(Number(address));
}

/** A copy of `length` bytes at `address`. */
export function bytesAt(address: Word, length: number): Uint8Array {
  return length === 0 ? new Uint8Array(0) : new Uint8Array(runtime.viewAt(Number(address), length)).slice();
}

/**
 * The version of the OpenSSL that is used, such as "OpenSSL 3.0.17 1 Jul 2025".
 *
 * @throws {TlsError} `TLS_LIBRARY_MISSING` when there is none.
 */
export function opensslVersion(): string {
  return textAt(openssl().crypto.OpenSSL_version(0));
}
