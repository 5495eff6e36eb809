/** Two connections, and what comes from one goes to the other. */
import { BEV_EVENT_CONNECTED, BEV_EVENT_EOF, type BufferEvent, EV_READ, EV_WRITE, setResetOnClose } from "../../mod.ts";

/** What may wait for a side that does not keep up; from there on the other side is not read. */
export const WAITING_BYTES_MAX = 512 * 1024;

/** A connection that can end its own direction and go on receiving. */
export type RelayedConnection = BufferEvent & { endWriting(): void };

/** One side. */
export interface RelaySide {
  /** What is read and written. */
  readonly connection: RelayedConnection;
  /** What is at the bottom of it: the same connection, or the one below TLS. */
  readonly bottom: BufferEvent;
  /** Whether it is connected; false: `BEV_EVENT_CONNECTED` is to come. */
  readonly isConnected: boolean;
}

/** What a relay tells. */
export interface RelayCallbacks {
  /** A side has failed. */
  failed?(error: Error | null, side: RelaySide): void;
  /** Nothing is left to be done. */
  ended?(): void;
}

/** The way from one side to the other. */
class Direction {
  readonly #source: RelayedConnection;
  readonly #target: RelayedConnection;
  readonly #whenDone: () => void;
  #isConnected: boolean;
  #hasEnded = false;
  #isDone = false;

  constructor(from: RelaySide, to: RelaySide, whenDone: () => void) {
    this.#source = from.connection;
    this.#target = to.connection;
    this.#isConnected = to.isConnected;
    this.#whenDone = whenDone;
    // The write callback comes when no more than so much is left.
    this.#target.setWatermark(EV_WRITE, WAITING_BYTES_MAX / 2, 0);
  }

  /** Something has come. */
  received(): void {
    this.#target.writeBuffer(this.#source.input);
    if (this.#target.output.length > WAITING_BYTES_MAX) this.#source.disable(EV_READ);
  }

  /** No more will come. */
  ended(): void {
    this.#hasEnded = true;
    this.#passOnEnd();
  }

  /** The target is there. */
  connected(): void {
    this.#isConnected = true;
    this.#passOnEnd();
  }

  /** The target has taken most of what waited for it. */
  sent(): void {
    if (this.#hasEnded) this.#passOnEnd();
    else this.#source.enable(EV_READ);
  }

  /** After the last byte, since that is the order in which they came. */
  #passOnEnd(): void {
    if (!this.#hasEnded || !this.#isConnected || this.#isDone || this.#target.output.length > 0) return;
    this.#isDone = true;
    this.#target.endWriting();
    this.#whenDone();
  }
}

/**
 * Passes bytes on in both directions, and no faster than they are taken: when more than {@linkcode WAITING_BYTES_MAX} wait
 * for a side, the other one is not read until half of that is left. The kernel's buffers fill up then, and the sender has to wait.
 *
 * The end of one direction is passed on as such, after the bytes before it; the other direction goes on. When a side
 * fails, the other one is reset, so that nobody takes half a stream for a whole one.
 */
export class Relay {
  readonly #near: RelaySide;
  readonly #far: RelaySide;
  readonly #callbacks: RelayCallbacks;
  #doneCount = 0;

  /** Takes both connections over. */
  constructor(near: RelaySide, far: RelaySide, callbacks: RelayCallbacks = {}) {
    this.#near = near;
    this.#far = far;
    this.#callbacks = callbacks;
    const whenDone = (): void => {
      if (++this.#doneCount === 2) this.#finish();
    };
    const there = new Direction(near, far, whenDone);
    const back = new Direction(far, near, whenDone);
    this.#serve(near, there, back);
    this.#serve(far, back, there);
  }

  /** Closes both sides at once. */
  close(): void {
    this.#near.connection.close();
    this.#far.connection.close();
  }

  #serve(side: RelaySide, away: Direction, towards: Direction): void {
    side.connection.setCallbacks({
      read: () => away.received(),
      write: () => towards.sent(),
      event: (what) => {
        if ((what & BEV_EVENT_CONNECTED) !== 0) towards.connected();
        else if ((what & BEV_EVENT_EOF) !== 0) away.ended();
        else this.#fail(side);
      },
    });
    side.connection.enable(EV_READ);
  }

  #finish(): void {
    this.#near.connection.closeAfterFlush();
    this.#far.connection.closeAfterFlush();
    this.#callbacks.ended?.();
  }

  #fail(failed: RelaySide): void {
    this.#callbacks.failed?.(failed.connection.error, failed);
    for (const { bottom, connection } of [this.#near, this.#far]) {
      if (bottom.fd >= 0) setResetOnClose(bottom.fd, true);
      // From the bottom, so that TLS above it does not announce an end that is none.
      bottom.close();
      connection.close();
    }
    this.#callbacks.ended?.();
  }
}
