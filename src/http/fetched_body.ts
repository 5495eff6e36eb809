import type { EventBase } from "../core/mod.ts";
import { LazyTimer } from "../core/lazy_timer.ts";

/** Bytes of a body that may wait to be read. */
const WAITING_BYTES_MAX = 64 * 1024;

/** Pieces up to this long are put together while they wait: a server may send single bytes, and each would cost as much as a piece does. */
const SMALL_BYTES = 1024;
/** So much is put together. */
const GATHERED_BYTES = 4096;

/** Whom a body comes from. */
interface BodySource {
  pause(): void;
  resume(): void;
  cancel(reason?: unknown): void;
}

/** Cancels what can be read by nobody any more. What it keeps must not lead to the streams that it watches. */
const garbage: FinalizationRegistry<FetchedBody> = new FinalizationRegistry((body) => body.cancel());

/**
 * The body of a response on its way into a stream that lets the server wait. It keeps what its reader has not asked for yet, and does not
 * keep the stream: whoever drops that has dropped the response, and its connection is somebody else's.
 *
 * @internal
 */
export class FetchedBody {
  /** Whom it comes from, as soon as that is known. */
  source: BodySource | null = null;
  readonly #base: EventBase;
  readonly #unreadTimeoutMs: number;
  readonly #whenUnread: () => void;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  // What came behind them in small pieces.
  #gathered: Uint8Array<ArrayBuffer> | null = null;
  #gatheredBytes = 0;
  #waitingBytes = 0;
  #stream: WeakRef<ReadableStreamDefaultController<Uint8Array>> | null = null;
  // Who waits for a piece may be known to nobody else, and is kept until it is there.
  #wanting: ReadableStreamDefaultController<Uint8Array> | null = null;
  #timer: LazyTimer | null = null;
  #stopListening: (() => void) | null = null;
  #isPaused = false;
  #isOver = false;

  /** @param whenUnread called when more waits than may, and none of it was read for `unreadTimeoutMs`. */
  constructor(base: EventBase, unreadTimeoutMs: number, whenUnread: () => void) {
    this.#base = base;
    this.#unreadTimeoutMs = unreadTimeoutMs;
    this.#whenUnread = whenUnread;
  }

  /** The stream to read it from; once. */
  open(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#stream = new WeakRef(controller)),
      pull: (controller) => this.#pull(controller),
      cancel: (reason) => this.cancel(reason),
      // It is asked for a piece only when somebody waits for it.
    }, { highWaterMark: 0 });
  }

  /** Cancels it when `stream`, by which alone it is read, has become garbage. */
  watch(stream: ReadableStream<Uint8Array>): void {
    if (!this.#isOver) garbage.register(stream, this, this);
  }

  /** Its reader is at work, even if it has not come to asking for more. */
  touch(): void {
    if (this.#isPaused) this.#timer?.set(this.#unreadTimeoutMs);
  }

  /** A piece has come, in memory that others use. */
  add(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const controller = this.#wanting;
    if (controller !== null) {
      this.#wanting = null;
      // Whoever reads may transfer what it gets.
      controller.enqueue(bytes.slice());
      return;
    }
    this.#keep(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#pause();
  }

  #keep(bytes: Uint8Array): void {
    const isSmall = bytes.length <= SMALL_BYTES;
    if (!isSmall || this.#gatheredBytes + bytes.length > GATHERED_BYTES) this.#endGathering();
    if (!isSmall) return void this.#pieces.push(bytes.slice());
    this.#gathered ??= new Uint8Array(GATHERED_BYTES);
    this.#gathered.set(bytes, this.#gatheredBytes);
    this.#gatheredBytes += bytes.length;
  }

  #endGathering(): void {
    if (this.#gatheredBytes > 0) this.#pieces.push(this.#gathered!.slice(0, this.#gatheredBytes));
    this.#gatheredBytes = 0;
  }

  /** It is complete. `signal`: what still ends it for its reader, until that has read all of it. */
  end(signal: AbortSignal | null): void {
    if (this.#isOver) return;
    this.#finish();
    this.#endGathering();
    if (this.#pieces.length > 0) return signal === null ? this.#forget() : this.#listen(signal);
    this.#forget();
    this.#stream?.deref()?.close();
  }

  /** There will be no more of it. */
  fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#drop();
    this.#stream?.deref()?.error(reason);
  }

  /** Nobody wants it. */
  cancel(reason?: unknown): void {
    if (this.#isOver) return this.#drop();
    this.#drop();
    this.source?.cancel(reason);
  }

  #listen(signal: AbortSignal): void {
    const abort = (): void => {
      this.#drop();
      this.#stream?.deref()?.error(signal.reason);
    };
    signal.addEventListener("abort", abort);
    this.#stopListening = () => signal.removeEventListener("abort", abort);
  }

  #pull(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#pieces.length === 0) this.#endGathering();
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#waitingBytes -= piece.length;
      controller.enqueue(piece);
      if (this.#isOver && this.#pieces.length === 0) {
        this.#forget();
        return controller.close();
      }
    } else if (!this.#isOver) {
      this.#wanting = controller;
    }
    if (this.#isPaused && this.#waitingBytes < WAITING_BYTES_MAX) this.#resume();
    else this.touch();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.source?.pause();
    if (this.#unreadTimeoutMs === Infinity) return;
    // A request keeps the loop alive by itself.
    this.#timer ??= new LazyTimer(this.#base, this.#whenUnread, false);
    this.#timer.set(this.#unreadTimeoutMs);
  }

  #resume(): void {
    this.#isPaused = false;
    this.#timer?.clear();
    this.source?.resume();
  }

  #drop(): void {
    this.#finish();
    this.#forget();
    this.#pieces.length = this.#gatheredBytes = 0;
    this.#waitingBytes = 0;
  }

  #finish(): void {
    this.#isOver = true;
    this.#isPaused = false;
    this.#wanting = null;
    this.#timer?.close();
  }

  /** Nothing can happen to it any more: a signal, which may be there for long, must not keep what it was about. */
  #forget(): void {
    this.#stopListening?.();
    this.#stopListening = null;
    garbage.unregister(this);
  }
}
