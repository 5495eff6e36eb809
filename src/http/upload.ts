import { endSource, piecesOf, type UploadSource } from "./upload_body.ts";

/** Who sends what an {@linkcode Upload} brings. */
export interface UploadOwner {
  /** Sends a piece; returns whether more may come at once. */
  uploaded(bytes: Uint8Array): boolean;
  /** There is no more. */
  uploadEnded(): void;
  /** The source has failed. */
  uploadFailed(error: unknown): void;
}

const encoder = new TextEncoder();

/**
 * Reads the source of a body piece by piece, and waits whenever the server does not keep up.
 *
 * @internal
 */
export class Upload {
  readonly #source: UploadSource;
  readonly #owner: UploadOwner;
  #iterator: AsyncIterator<Uint8Array | string> | null = null;
  #goOn: (() => void) | null = null;
  #isOver = false;

  constructor(source: UploadSource, owner: UploadOwner) {
    this.#source = source;
    this.#owner = owner;
  }

  /** Begins to read. */
  start(): void {
    this.#run().catch((error: unknown) => {
      if (this.#isOver) return;
      this.cancel();
      this.#owner.uploadFailed(error);
    });
  }

  /** The server has taken what there was. */
  resume(): void {
    const goOn = this.#goOn;
    this.#goOn = null;
    goOn?.();
  }

  /** Ends it early; the source is told. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.resume();
    endSource(this.#source, this.#iterator);
  }

  async #run(): Promise<void> {
    // A stream that somebody else reads throws here, which is a failure like others.
    const iterator = piecesOf(this.#source);
    this.#iterator = iterator;
    for (;;) {
      const { done, value } = await iterator.next();
      if (this.#isOver) return;
      if (done === true) {
        // This may find that it was too short, which is a failure like others.
        this.#owner.uploadEnded();
        this.#isOver = true;
        return;
      }
      const bytes = typeof value === "string" ? encoder.encode(value) : value;
      if (!(bytes instanceof Uint8Array)) throw new TypeError("Cannot send a piece that is neither bytes nor text");
      if (bytes.length > 0 && !this.#owner.uploaded(bytes) && !this.#isOver) {
        await new Promise<void>((resolve) => this.#goOn = resolve);
        if (this.#isOver) return;
      }
    }
  }
}
