import type { RequestText } from "./request_text.ts";

/** Longer heads are scanned each time. */
const BYTES_MAX = 1024;
/** Of so many heads that are not the known one, one takes its place. */
const REPLACED_EVERY = 16;

/**
 * A head that has come before, and what was found out about it. Clients that ask again for the same, such as those that poll or check whether
 * a server lives, send it byte by byte as before: comparing takes less time than scanning, and who is told what the first one said needs no
 * memory for another.
 *
 * The same bytes mean the same to readers with the same bounds and leniencies only.
 *
 * @internal
 */
export class KnownHead {
  /** What it says; null: none is known. */
  text: RequestText | null = null;
  /** A sum of `FACT_*` bits. */
  facts = 0;
  /** The value of Content-Length, if there was one. */
  contentLength = 0;
  #others = 0;

  /** Another one has come: remembers it, now and then. */
  consider(text: RequestText, facts: number, contentLength: number): void {
    if (this.#others++ % REPLACED_EVERY !== 0 || text.length > BYTES_MAX) return;
    text.retain();
    this.text = text;
    this.facts = facts;
    this.contentLength = contentLength;
  }
}
