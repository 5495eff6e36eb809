/**
 * Who wants to know when a buffer changes.
 *
 * @module
 */

import { Deferred } from "./deferred.ts";
import type { EvBuffer } from "./evbuffer.ts";
import type { EventBase } from "./event_base.ts";

/**
 * What one operation did to a buffer, or all of them since the last call where callbacks are deferred; libevent's
 * `evbuffer_cb_info`. Valid during the call only: the object is used again.
 */
export interface BufferChange {
  /** Bytes in the buffer before. */
  originalLength: number;
  /** Bytes added. */
  added: number;
  /** Bytes removed. */
  deleted: number;
}

/**
 * Called after an operation changed a buffer. It may change the buffer itself, which is reported by a call of its own; it may
 * add callbacks, which are called from the next change on, and remove any, which are called no more. What it throws reaches whoever
 * made the change, which has been made all the same, after all the others have been called.
 */
export type BufferCallback = (buffer: EvBuffer, change: BufferChange) => void;

/** One registration of a callback with one buffer; libevent's `evbuffer_cb_entry`. */
export class BufferCallbackEntry {
  /** The function to call. */
  readonly callback: BufferCallback;
  /** Whether the function is called at present; libevent's flag `EVBUFFER_CB_ENABLED`. */
  enabled = true;
  /**
   * Whether the function is called at once for every change, even if the buffer defers its callbacks; libevent's flag
   * `EVBUFFER_CB_NODEFER`.
   */
  immediate = false;
  /** The entry registered before this one, which is called after it. */
  next: BufferCallbackEntry | null;

  /** Made by {@linkcode EvBuffer.addCallback}. */
  constructor(callback: BufferCallback, next: BufferCallbackEntry | null) {
    this.callback = callback;
    this.next = next;
  }
}

/** The callbacks of one buffer; made when the first one is registered, or they are to be deferred. */
export class BufferCallbacks {
  #newest: BufferCallbackEntry | null = null;
  #notifying = false;
  #deferred: Deferred | null = null;
  // What the deferred callbacks have not been told yet.
  #added = 0;
  #deleted = 0;
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

  /** From now on calls from the loop of `base`, once for all changes up to then; entries that are `immediate` excepted. */
  defer(buffer: EvBuffer, base: EventBase): void {
    this.#deferred?.cancel();
    this.#deferred = new Deferred(base, base.priorities >> 1, () => this.#notifyDeferred(buffer));
    if (this.#added > 0 || this.#deleted > 0) this.#deferred.schedule();
  }

  /** Whether {@linkcode BufferCallbacks.defer} was called. */
  get isDeferred(): boolean {
    return this.#deferred !== null;
  }

  /** Calls nobody any more: neither for what was deferred, nor those whose turn would come after the callback that runs. */
  cancel(): void {
    for (let at = this.#newest; at !== null; at = at.next) at.enabled = false;
    this.#newest = null;
    this.#deferred?.cancel();
  }

  /** Tells of one operation: calls everybody, newest first, at once or later. */
  notify(buffer: EvBuffer, originalLength: number, added: number, deleted: number): void {
    if (this.#deferred !== null) return this.#defer(buffer, originalLength, added, deleted);
    // A change made by a callback finds the shared object in use and gets one of its own.
    const outermost = !this.#notifying;
    const change = outermost ? this.#change : { originalLength, added, deleted };
    change.originalLength = originalLength;
    change.added = added;
    change.deleted = deleted;
    this.#notifying = true;
    try {
      this.#callAll(buffer, change);
    } finally {
      if (outermost) this.#notifying = false;
    }
  }

  #defer(buffer: EvBuffer, originalLength: number, added: number, deleted: number): void {
    if (this.#newest === null) {
      // Whoever registers later is not told of what nobody was there to hear.
      this.#added = this.#deleted = 0;
      return;
    }
    this.#added += added;
    this.#deleted += deleted;
    this.#deferred!.schedule();
    this.#callAll(buffer, { originalLength, added, deleted }, true);
  }

  #notifyDeferred(buffer: EvBuffer): void {
    const added = this.#added;
    const deleted = this.#deleted;
    this.#added = this.#deleted = 0;
    if (added === 0 && deleted === 0) return;
    this.#callAll(buffer, { originalLength: buffer.length + deleted - added, added, deleted }, false);
  }

  /** Calls everybody; or those only that are to be called at once, or the others. One that throws keeps nobody from being told. */
  #callAll(buffer: EvBuffer, change: BufferChange, immediate?: boolean): void {
    let failed = false;
    let failure: unknown;
    for (let at = this.#newest; at !== null; at = at.next) {
      if (!at.enabled || (immediate !== undefined && at.immediate !== immediate)) continue;
      try {
        at.callback(buffer, change);
      } catch (error) {
        failure = failed ? failure : error;
        failed = true;
      }
    }
    if (failed) throw failure;
  }
}
