/**
 * Application-layer protocol negotiation (RFC 7301): client and server agree on a protocol such as `h2` while they shake hands.
 *
 * @module
 */

import { type Address, runtime } from "../ffi/mod.ts";
import { SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_OK } from "./openssl_constants.ts";
import { alpnCallbackSignature } from "./ssl_signatures.ts";

/** The list of all names must fit a 16-bit length. */
const LIST_BYTES_MAX = 65_535;

/**
 * `protocols` as they travel: each name behind a byte with its length.
 *
 * @throws {RangeError} for a name that is empty or longer than 255 bytes, and for too many.
 * @throws {TypeError} for a name that is not ASCII.
 */
export function encodeProtocols(protocols: readonly string[]): Uint8Array<ArrayBuffer> {
  const total = protocols.reduce((sum, name) => sum + 1 + name.length, 0);
  if (total > LIST_BYTES_MAX) {
    throw new RangeError(`Cannot offer ${protocols.length} protocols: their names are too long`);
  }
  const bytes = new Uint8Array(new ArrayBuffer(total));
  let at = 0;
  for (const name of protocols) {
    if (name.length === 0 || name.length > 255) {
      throw new RangeError(`Cannot offer protocol ${JSON.stringify(name)}: a name has 1 to 255 bytes`);
    }
    bytes[at++] = name.length;
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if (code > 0x7f) throw new TypeError(`Cannot offer protocol ${JSON.stringify(name)}: a name is ASCII`);
      bytes[at++] = code;
    }
  }
  return bytes;
}

/**
 * Where in the client's list the name stands that the server likes best; -1 when they have none in common.
 *
 * @param ours the server's names as {@linkcode encodeProtocols} makes them, best first.
 * @param theirs the client's, in the same form.
 */
export function chooseProtocol(ours: Uint8Array, theirs: Uint8Array): number {
  for (let i = 0; i < ours.length; i += 1 + ours[i]!) {
    for (let j = 0; j < theirs.length; j += 1 + theirs[j]!) {
      if (sameName(ours, i, theirs, j)) return j;
    }
  }
  return -1;
}

/** Compares two names, their length bytes included. */
function sameName(a: Uint8Array, i: number, b: Uint8Array, j: number): boolean {
  const length = a[i]!;
  if (j + length >= b.length) return false;
  for (let k = 0; k <= length; k++) {
    if (a[i + k] !== b[j + k]) return false;
  }
  return true;
}

let offered: Uint8Array | null = null;
let callback: Address = 0;

/** What the server whose handshake goes on is willing to speak, for the callback; null: whatever the client likes. */
export function setOffered(protocols: Uint8Array | null): void {
  offered = protocols;
}

/**
 * The function that OpenSSL calls to choose. There is one for all contexts: it is called from within `SSL_do_handshake`, before which
 * {@linkcode setOffered} has said for whom.
 */
export function alpnCallback(): Address {
  if (callback === 0) {
    callback = runtime.createCallback(alpnCallbackSignature, (_ssl, out, outLength, input, inputLength) => {
      // Nobody could catch an error here.
      try {
        return choose(Number(out), Number(outLength), Number(input), inputLength);
      } catch {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
      }
    });
  }
  return callback;
}

function choose(out: Address, outLength: Address, input: Address, inputLength: number): number {
  const theirs = new Uint8Array(runtime.viewAt(input, inputLength));
  const found = offered === null ? -1 : chooseProtocol(offered, theirs);
  // RFC 7301 section 3.2: without a protocol in common the server answers no_application_protocol.
  if (found < 0) return SSL_TLSEXT_ERR_ALERT_FATAL;
  // OpenSSL copies the name when this returns, so it may point into the client's own list.
  const name = input + found + 1;
  const pointer = new Uint32Array(runtime.viewAt(out, 8));
  pointer[0] = name >>> 0;
  pointer[1] = Math.floor(name / 4294967296);
  new Uint8Array(runtime.viewAt(outLength, 1))[0] = theirs[found]!;
  return SSL_TLSEXT_ERR_OK;
}
