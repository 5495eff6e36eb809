/**
 * Who wants to know when a buffer changes.
 *
 * @module
 */

import type { EvBuffer } from "./evbuffer.ts";

/** What one operation did to a buffer; libevent's `evbuffer_cb_info`. Valid during the call only: the object is used again. */
export interface BufferChange {
  /** Bytes in the buffer before the operation. */
  originalLength: number;
  /** Bytes the operation added. */
  added: number;
  /** Bytes the operation removed. */
  deleted: number;
}

/** Called after an operation changed a buffer. It may change the buffer itself; that is reported by a call of its own. */
export type BufferCallback = (buffer: EvBuffer, change: BufferChange) => void;

/** One registration of a callback with one buffer; libevent's `evbuffer_cb_entry`. */
export class BufferCallbackEntry {
  /** The function to call. */
  readonly callback: BufferCallback;
  /** Whether the function is called at present; libevent's flag `EVBUFFER_CB_ENABLED`. */
  enabled = true;
  /** The entry registered before this one, which is called after it. */
  next: BufferCallbackEntry | null;

  /** Made by {@linkcode EvBuffer.addCallback}. */
  constructor(callback: BufferCallback, next: BufferCallbackEntry | null) {
    this.callback = callback;
    this.next = next;
  }
}

/** The callbacks of one buffer; made when the first one is registered. */
export class BufferCallbacks {
  #newest: BufferCallbackEntry | null = null;
  #notifying = false;
  readonly #change: BufferChange = { originalLength: 0, added: 0, deleted: 0 };

  /** Whether nobody is registered. */
  get isEmpty(): boolean {
    return this.#newest === null;
  }

  /** Registers a callback; it will be called before those that were there. */
  add(callback: BufferCallback): BufferCallbackEntry {
    return this.#newest = new BufferCallbackEntry(callback, this.#newest);
  }

  /** Removes one registration; returns whether it was there. */
  remove(entry: BufferCallbackEntry): boolean {
    let before: BufferCallbackEntry | null = null;
    for (let at = this.#newest; at !== null; before = at, at = at.next) {
      if (at === entry) {
        if (before === null) {
          this.#newest = at.next;
        } else {
          before.next = at.next;
        }
        // The entry keeps its own link, so that a walk that stands on it finds its way on.
        at.enabled = false;
        return true;
      }
    }
    return false;
  }

  /** Finds the newest registration of a function. */
  find(callback: BufferCallback): BufferCallbackEntry | null {
    let at = this.#newest;
    while (at !== null && at.callback !== callback) at = at.next;
    return at;
  }

  /** Calls everybody, newest first. */
  notify(buffer: EvBuffer, originalLength: number, added: number, deleted: number): void {
    // A change made by a callback finds the shared object in use and gets one of its own.
    const outermost = !this.#notifying;
    const change = outermost ? this.#change : { originalLength, added, deleted };
    change.originalLength = originalLength;
    change.added = added;
    change.deleted = deleted;
    this.#notifying = true;
    try {
      for (let at = this.#newest; at !== null; at = at.next) {
        if (at.enabled) at.callback(buffer, change);
      }
    } finally {
      if (outermost) this.#notifying = false;
    }
  }
}
