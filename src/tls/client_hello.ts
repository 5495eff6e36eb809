/**
 * The first message of a client (RFC 8446 section 4.1.2), read just far enough to choose a certificate before OpenSSL sees it.
 *
 * OpenSSL would tell the name from inside the handshake, through a callback that can exchange the certificate but not what else
 * a context says. Reading the name first lets the right context serve the connection from the start.
 *
 * @module
 */

import { BytesCursor } from "./bytes_cursor.ts";

/** What a client asks for. */
export interface ClientHello {
  /** The host it wants to reach (SNI, RFC 6066 section 3), in lower case; "" when it does not say. */
  readonly serverName: string;
  /** The protocols it offers (ALPN, RFC 7301), best first. */
  readonly alpnProtocols: readonly string[];
}

/** What a client asks for that has not begun by a hello: OpenSSL knows what to answer to that. */
const NOTHING_ASKED: ClientHello = { serverName: "", alpnProtocols: [] };

/** More than any client sends, keys that withstand quantum computers included. */
export const CLIENT_HELLO_BYTES_MAX = 32 * 1024;

const RECORD_HANDSHAKE = 22;
const MESSAGE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const NAME_TYPE_HOST = 0;
const RANDOM_BYTES = 32;
const HEADER_BYTES = 5;

/** Gathers a client's first bytes until its hello is complete; each byte is looked at once, however they come. */
export class ClientHelloReader {
  #raw: Uint8Array = new Uint8Array(new ArrayBuffer(1024));
  #rawLength = 0;
  #message: Uint8Array = new Uint8Array(new ArrayBuffer(1024));
  #messageLength = 0;
  #headerHave = 0;
  #bodyLeft = 0;
  #foreign = false;

  /** Everything that came so far, to be handed on to OpenSSL. */
  get raw(): Uint8Array {
    return this.#raw.subarray(0, this.#rawLength);
  }

  /**
   * Takes more bytes.
   *
   * @returns the hello, which asks for nothing where this is none; null while it is incomplete; undefined for one that is too large or
   * contradicts itself. OpenSSL might take it all the same, and nobody could have chosen.
   */
  push(bytes: Uint8Array, start: number, end: number): ClientHello | null | undefined {
    this.#raw = appended(this.#raw, this.#rawLength, bytes, start, end);
    this.#rawLength += end - start;
    this.#unwrap(bytes, start, end);
    if (this.#foreign) return NOTHING_ASKED;
    if (this.#rawLength > CLIENT_HELLO_BYTES_MAX) return undefined;
    const message = this.#message;
    if (this.#messageLength < 4) return null;
    if (message[0] !== MESSAGE_CLIENT_HELLO) return NOTHING_ASKED;
    const length = (message[1]! << 16) | (message[2]! << 8) | message[3]!;
    if (length > CLIENT_HELLO_BYTES_MAX) return undefined;
    if (this.#messageLength < 4 + length) return null;
    return parseClientHello(message.subarray(4, 4 + length));
  }

  /** Takes the records' bodies out of their records. */
  #unwrap(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end && !this.#foreign;) {
      if (this.#headerHave === HEADER_BYTES) {
        const taken = Math.min(this.#bodyLeft, end - at);
        this.#message = appended(this.#message, this.#messageLength, bytes, at, at + taken);
        this.#messageLength += taken;
        this.#bodyLeft -= taken;
        at += taken;
      } else {
        this.#takeHeaderByte(bytes[at++]!);
      }
      if (this.#headerHave === HEADER_BYTES && this.#bodyLeft === 0) this.#headerHave = 0;
    }
  }

  #takeHeaderByte(byte: number): void {
    if (this.#headerHave === 0) {
      this.#foreign = byte !== RECORD_HANDSHAKE;
      this.#bodyLeft = 0;
    } else if (this.#headerHave >= 3) {
      this.#bodyLeft = (this.#bodyLeft << 8) | byte;
    }
    this.#headerHave++;
  }
}

/** `memory` with more bytes behind the first `length`; doubled when it has become too small. */
function appended(memory: Uint8Array, length: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
  const needed = length + end - start;
  let grown = memory;
  if (needed > memory.length) {
    grown = new Uint8Array(new ArrayBuffer(Math.max(needed, memory.length * 2)));
    grown.set(memory.subarray(0, length));
  }
  grown.set(bytes.subarray(start, end), length);
  return grown;
}

/** Reads the body of a ClientHello; undefined when its lengths contradict each other. */
export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const cursor = new BytesCursor(body);
  cursor.skip(2 + RANDOM_BYTES);
  cursor.skip(cursor.number(1));
  cursor.skip(cursor.number(2));
  cursor.skip(cursor.number(1));
  let serverName = "";
  let alpnProtocols: readonly string[] = [];
  // A hello may have no extensions at all.
  const extensions = cursor.rest === 0 ? new BytesCursor(body.subarray(0, 0)) : cursor.part(cursor.number(2));
  while (extensions.rest > 0 && !extensions.failed) {
    const type = extensions.number(2);
    const content = extensions.part(extensions.number(2));
    if (type === EXTENSION_SERVER_NAME) serverName = hostName(content);
    else if (type === EXTENSION_ALPN) alpnProtocols = protocols(content);
    if (content.failed) return undefined;
  }
  return cursor.failed || extensions.failed ? undefined : { serverName, alpnProtocols };
}

function hostName(content: BytesCursor): string {
  const names = content.part(content.number(2));
  let host = "";
  while (names.rest > 0 && !names.failed) {
    const type = names.number(1);
    const name = names.text(names.number(2));
    if (type === NAME_TYPE_HOST && host === "") host = name.toLowerCase();
  }
  if (names.failed) content.fail();
  return host;
}

function protocols(content: BytesCursor): readonly string[] {
  const names = content.part(content.number(2));
  const list: string[] = [];
  while (names.rest > 0 && !names.failed) list.push(names.text(names.number(1)));
  if (names.failed) content.fail();
  return list;
}
