/** The largest record there is (RFC 8446 section 5.2 allows 256 bytes around the plaintext, RFC 5246 section 6.2.3 2,048). */
const BODY_BYTES_MAX = 16 * 1024 + 2048;
const HEADER_BYTES = 5;

/** Content types of records: change_cipher_spec, alert, handshake, application_data, heartbeat (RFC 8446 section 5.1). */
const TYPE_MIN = 20;
const TYPE_MAX = 24;

/**
 * Finds where TLS records end. Every record begins with five bytes in the clear: type, version and length. (RFC 8446 section 5.1.)
 *
 * It eats bytes as they come, split anywhere, and keeps no copy: all it knows is how far it is within a record.
 */
export class RecordCutter {
  /** Bytes of the current header that have come. */
  #header = 0;
  /** Bytes of the current body that are still to come. */
  #bodyLeft = 0;
  /** The length's first byte. */
  #high = 0;
  /** What came is no TLS record. Whoever sees this lets OpenSSL look at it, for its alert, and gives up. */
  malformed = false;

  /** Whether a record has begun and not ended. */
  get inside(): boolean {
    return this.#header > 0;
  }

  /** The index one past what of `bytes[start..end)` belongs to the record that is under way; `end` while it goes on. */
  cut(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (this.#header < HEADER_BYTES && at < end) {
      const byte = bytes[at++]!;
      if (this.#header === 0 && (byte < TYPE_MIN || byte > TYPE_MAX)) this.malformed = true;
      else if (this.#header === 3) this.#high = byte;
      else if (this.#header === 4) this.#bodyLeft = (this.#high << 8) | byte;
      this.#header++;
      if (this.#bodyLeft > BODY_BYTES_MAX) this.malformed = true;
      // OpenSSL is to see all of it, so that it can say what it is.
      if (this.malformed) return end;
    }
    const taken = Math.min(this.#bodyLeft, end - at);
    this.#bodyLeft -= taken;
    if (this.#header === HEADER_BYTES && this.#bodyLeft === 0) this.#header = 0;
    return at + taken;
  }
}
