import { ConnectionError, type EvBuffer } from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import { PAUSED_BY_HANDLER, PAUSED_FULL, type RequestConnection } from "./request_connection.ts";
import { REFERENCE_MIN } from "./waiting_bytes.ts";

/** So many bytes wait for a handler to take them before the client has to wait. */
const FULL_BYTES = 64 * 1024;

/**
 * The body of a request as it comes: handed to a callback, or held until it is taken, while the client waits when that is much.
 *
 * @internal
 */
export class RequestBody {
  /** What has come and was not taken. */
  readonly buffer: EvBuffer;
  /** Gets each piece instead of {@linkcode RequestBody.buffer}. */
  onPiece: ((piece: Uint8Array) => void) | undefined = undefined;
  /** Called after the last piece. */
  onEnd: (() => void) | undefined = undefined;
  /** Whether a handler is at work already, and takes what comes: the client has to wait for it. */
  isStreamed = false;
  readonly #link: RequestConnection;
  #isComplete: boolean;
  #isEndTold = false;
  #error: ConnectionError | null = null;
  #waiter: Waiter<Uint8Array | null> | null = null;
  // Waits for all of it.
  #collector: Waiter<Uint8Array> | null = null;
  #isDisturbed = false;
  #stream: ReadableStream<Uint8Array> | null = null;

  /** @param isComplete whether there is none, or all of it has come. */
  constructor(link: RequestConnection, buffer: EvBuffer, isComplete: boolean) {
    this.#link = link;
    this.buffer = buffer;
    this.#isComplete = isComplete;
  }

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** `bytes[start..end)` have come. */
  pieceCame(bytes: Uint8Array, start: number, end: number): void {
    if (this.onPiece !== undefined) {
      this.onPiece(bytes.subarray(start, end));
      return;
    }
    addPiece(this.buffer, bytes, start, end);
    const waiter = this.#waiter;
    if (waiter !== null) {
      this.#waiter = null;
      waiter.resolve(this.buffer.take());
    } else if (this.isStreamed && this.#collector === null && this.buffer.length >= FULL_BYTES) {
      this.#link.pauseBody(PAUSED_FULL, true);
    }
  }

  /** There is no more. */
  ended(): void {
    this.#isComplete = true;
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve(null);
    const collector = this.#collector;
    this.#collector = null;
    collector?.resolve(this.buffer.take());
    if (!this.owesEnd) return;
    this.#isEndTold = true;
    this.onEnd!();
  }

  /** Whether a callback is still to be told of the end. */
  get owesEnd(): boolean {
    return this.onEnd !== undefined && !this.#isEndTold;
  }

  /** The rest will never come, or nobody may have it any more; `isUnread`: of what has come, something was left. */
  lost(isUnread: boolean = this.buffer.length > 0): void {
    if (this.#isComplete && !isUnread) return;
    this.#error ??= new ConnectionError(
      "CLOSED",
      "Cannot read the body: the client has gone, or the request was answered before",
    );
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.reject(this.#error);
    const collector = this.#collector;
    this.#collector = null;
    collector?.reject(this.#error);
  }

  /** Stops or goes on reading, when the handler wants that. */
  pause(isPaused: boolean): void {
    if (!this.#isComplete && this.#error === null) this.#link.pauseBody(PAUSED_BY_HANDLER, isPaused);
  }

  /** The next piece; null at the end. */
  read(): Promise<Uint8Array | null> {
    if (this.#isTaken()) return Promise.reject(this.#takenError());
    if (this.buffer.length > 0) {
      const piece = this.buffer.take();
      if (!this.#isComplete) this.#link.pauseBody(PAUSED_FULL, false);
      return Promise.resolve(piece);
    }
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#isComplete) return Promise.resolve(null);
    const waiter = this.#waiter = new Waiter();
    waiter.wait(this.#link.server.base, undefined, () => this.#waiter = null);
    return waiter.promise;
  }

  /** All that is still to be read. */
  readAll(): Promise<Uint8Array> {
    if (this.#isTaken()) return Promise.reject(this.#takenError());
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#isComplete) return Promise.resolve(this.buffer.take());
    const collector = this.#collector = new Waiter();
    collector.wait(this.#link.server.base, undefined, () => this.#collector = null);
    this.#link.pauseBody(PAUSED_FULL, false);
    return collector.promise;
  }

  #isTaken(): boolean {
    return this.#waiter !== null || this.#collector !== null || this.onPiece !== undefined;
  }

  #takenError(): TypeError {
    const how = this.onPiece === undefined ? "somebody waits for it already" : "a callback gets it";
    return new TypeError(`Cannot read the body: ${how}`);
  }

  /** It as a stream, which pulls. */
  get stream(): ReadableStream<Uint8Array> {
    return this.#stream ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        this.#isDisturbed = true;
        const piece = await this.read();
        if (piece !== null) return controller.enqueue(piece as Uint8Array<ArrayBuffer>);
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel: () => {
        this.#isDisturbed = true;
        this.discard();
      },
    });
  }

  /** Whether somebody has asked for it as a stream. */
  get hasStream(): boolean {
    return this.#stream !== null;
  }

  /** Whether the stream was read from, or cancelled. */
  get isDisturbed(): boolean {
    return this.#isDisturbed;
  }

  /** Nobody wants it: what is still to come goes nowhere. */
  discard(): void {
    this.onPiece = () => {};
    this.buffer.drain(Infinity);
    if (!this.#isComplete && this.#error === null) {
      this.#link.pauseBody(PAUSED_FULL | PAUSED_BY_HANDLER, false);
    }
  }
}

/** Adds a piece where it was received, if it is large. */
export function addPiece(buffer: EvBuffer, bytes: Uint8Array, start: number, end: number): void {
  if (end - start >= REFERENCE_MIN) buffer.addReferencePart(bytes, start, end - start);
  else buffer.addSlice(bytes, start, end);
}
