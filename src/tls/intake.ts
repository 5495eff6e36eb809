import { type ByteSink, EvBuffer } from "../core/mod.ts";
import type { TlsEngine } from "./tls_engine.ts";

/** Who is behind an {@linkcode Intake}. */
export interface IntakeOwner {
  /** Takes what has come from underneath, feeds it or has it held. */
  receive(bytes: Uint8Array, start: number, end: number): void;
  /** Whether bytes are wanted now; asked before each record, since what came of the last may have changed it. */
  wantsBytes(): boolean;
  /** How much plaintext one record may give now, at least 1. */
  room(): number;
  /** Does what the engine's last call came to. */
  judge(): void;
}

/**
 * Feeds what arrives to the engine, a record at a time, and holds what has to wait: for a watermark, for `enable()`, or for others to
 * have their turn. Holding copies nothing.
 */
export class Intake implements ByteSink {
  readonly #engine: TlsEngine;
  readonly #owner: IntakeOwner;
  readonly #held: EvBuffer;
  #closed = false;
  /** Bytes of the running {@linkcode Intake.feed} that were not fed yet. */
  #unfed = 0;

  /**
   * @param early what had arrived before.
   * @param held what another intake has left to this one, which comes before that.
   */
  constructor(engine: TlsEngine, owner: IntakeOwner, early: Uint8Array, held: EvBuffer = new EvBuffer()) {
    this.#engine = engine;
    this.#owner = owner;
    this.#held = held;
    if (early.length > 0) held.addReference(early);
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#held.length === 0 && !this.#engine.hasMore;
  }

  /** Whether anything has come that nothing was made of yet, be it half a record. */
  get isAhead(): boolean {
    return this.#unfed > 0 || !this.isEmpty || this.#engine.cutter.inside;
  }

  /** Takes what has come from underneath. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#owner.receive(bytes, start, end);
  }

  /** Whether all that came was fed, which copies it: the memory it lies in may be used again. */
  get keepsNothing(): boolean {
    return this.#held.length === 0;
  }

  /** Keeps `bytes[start..end)`, which are never overwritten, behind what is held. */
  hold(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#closed) this.#held.addReference(bytes.subarray(start, end));
  }

  /** Feeds `bytes[start..end)` as long as they are wanted, and holds the rest. Nothing may be held already. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    const engine = this.#engine;
    const owner = this.#owner;
    let at = start;
    try {
      while (at < end && owner.wantsBytes()) {
        at = engine.feed(bytes, at, end, owner.room());
        this.#unfed = end - at;
        owner.judge();
        if (engine.hasMore && !this.#readOn()) break;
      }
    } finally {
      // Also when a callback has thrown.
      this.#unfed = 0;
      if (at < end) this.#putBack(bytes, at, end);
    }
  }

  /**
   * Goes on with what is held.
   *
   * @param max feeds about so many bytes at most.
   * @returns whether there is more that is wanted.
   */
  feedHeld(max: number): boolean {
    // Asked for by a callback while others are being fed, which come before.
    if (this.#unfed > 0) return true;
    const held = this.#held;
    let left = max;
    while (this.#owner.wantsBytes() && this.#readOn() && held.length > 0) {
      if (left <= 0) return true;
      const { bytes, start, end } = held.firstChain!;
      left -= end - start;
      held.drain(end - start);
      this.feed(bytes, start, end);
    }
    return false;
  }

  /** Reads the rest of a record that was read in part; returns whether that is done with. */
  #readOn(): boolean {
    while (this.#engine.hasMore) {
      if (!this.#owner.wantsBytes()) return false;
      this.#engine.readMore(this.#owner.room());
      this.#owner.judge();
    }
    return true;
  }

  #putBack(bytes: Uint8Array, start: number, end: number): void {
    if (this.#closed) return;
    const rest = new EvBuffer();
    rest.addReference(bytes.subarray(start, end));
    this.#held.prependBuffer(rest);
  }

  /** What is held, for another intake to go on with; a call of {@linkcode Intake.feed} that is under way puts the rest there as well. */
  handOver(): EvBuffer {
    return this.#held;
  }

  /** Drops what is held, and holds nothing any more. */
  close(): void {
    this.#closed = true;
    this.#held.close();
  }
}
