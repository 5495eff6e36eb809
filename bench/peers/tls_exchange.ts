/** What all servers of the TLS bench speak: 16 digits say how many bytes follow and how many are to be answered. */

/** Digits that a request begins with: eight for what follows, eight for the answer. */
export const HEAD_BYTES = 16;

/** What answers are cut from. */
export const answerBytes: Uint8Array = new Uint8Array(new ArrayBuffer(4 * 1024 * 1024)).fill(120);

const DIGITS = HEAD_BYTES / 2;
const ZERO = 48;

/** One connection's place in the conversation. It makes no garbage: what is measured is the server, not the text it reads. */
export class Exchange {
  #headBytes = 0;
  #rest = 0;
  #answer = 0;

  /** Takes received bytes; returns how many bytes to answer now. */
  receive(bytes: Uint8Array, start: number, end: number): number {
    let answer = 0;
    for (let at = start; at < end;) {
      if (this.#headBytes < HEAD_BYTES) {
        const digit = bytes[at++]! - ZERO;
        if (this.#headBytes++ < DIGITS) this.#rest = this.#rest * 10 + digit;
        else this.#answer = this.#answer * 10 + digit;
        if (this.#headBytes < HEAD_BYTES) continue;
      }
      const taken = Math.min(this.#rest, end - at);
      this.#rest -= taken;
      at += taken;
      if (this.#rest > 0) continue;
      answer += this.#answer;
      this.#headBytes = this.#answer = 0;
    }
    return answer;
  }
}

/** A request: its head, and zeros. */
export function request(upload: number, download: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(HEAD_BYTES + upload));
  new TextEncoder().encodeInto(String(upload).padStart(8, "0") + String(download).padStart(8, "0"), bytes);
  return bytes;
}
