/** What the tests of DNS messages share. */
import { assertStrictEquals, assertThrows } from "@std/assert";
import { DnsMessageError, type DnsMessageErrorCode, parseDnsMessage } from "../../src/dns/mod.ts";

/** Bytes from text: hexadecimal digits, and between quotes text with its length in front, as labels and strings have it. */
export function bytes(text: string): Uint8Array {
  const result: number[] = [];
  for (const [, quoted, digits] of text.matchAll(/"([^"]*)"|([0-9a-fA-F]{2})/g)) {
    if (digits !== undefined) result.push(parseInt(digits, 16));
    else result.push(quoted!.length, ...Array.from(quoted!, (character) => character.charCodeAt(0)));
  }
  return Uint8Array.from(result);
}

/** Bytes as hexadecimal digits. */
export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Checks what a message is refused with; answers where. */
export function assertRefused(message: Uint8Array, code: DnsMessageErrorCode): number {
  const error = assertThrows(() => parseDnsMessage(message), DnsMessageError);
  assertStrictEquals(error.code, code);
  return error.offset;
}
