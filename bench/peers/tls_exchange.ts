/** What all servers of the TLS bench speak: 16 digits say how many bytes follow and how many are to be answered. */

/** Digits that a request begins with: eight for what follows, eight for the answer. */
export const HEAD_BYTES = 16;

/** What answers are cut from. */
export const answerBytes: Uint8Array = new Uint8Array(new ArrayBuffer(4 * 1024 * 1024)).fill(120);

/** One connection's place in the conversation. */
export class Exchange {
  #head = "";
  #rest = 0;
  #answer = 0;

  /** Takes received bytes; returns how many bytes to answer now. */
  receive(bytes: Uint8Array, start: number, end: number): number {
    let answer = 0;
    for (let at = start; at < end;) {
      if (this.#rest === 0 && this.#head.length < HEAD_BYTES) {
        this.#head += String.fromCharCode(bytes[at++]!);
        if (this.#head.length < HEAD_BYTES) continue;
        this.#rest = Number(this.#head.slice(0, 8));
        this.#answer = Number(this.#head.slice(8));
      }
      const taken = Math.min(this.#rest, end - at);
      this.#rest -= taken;
      at += taken;
      if (this.#rest > 0) continue;
      this.#head = "";
      answer += this.#answer;
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
