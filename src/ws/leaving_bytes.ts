import type { BufferEvent, EvBuffer } from "../core/mod.ts";

/**
 * Counts the bytes that leave a connection, while somebody wants to know whether the other side takes what waits for it.
 *
 * @internal
 */
export class LeavingBytes {
  readonly #output: EvBuffer;
  readonly #entry: ReturnType<EvBuffer["addCallback"]>;
  #bytes = 0;
  #waitingBytes: number;

  constructor(stream: BufferEvent) {
    this.#waitingBytes = stream.queuedBytes;
    // What a layer such as TLS has taken over has not left yet: those at the bottom count.
    this.#output = stream.rateBearer.output;
    this.#entry = this.#output.addCallback((_buffer, { deleted }) => {
      this.#bytes += deleted;
    });
  }

  /** How many have left since this was made or last asked. */
  take(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#waitingBytes -= bytes;
    return bytes;
  }

  /** Whether, when last asked, all had left that waited when this was made. */
  get isOver(): boolean {
    return this.#waitingBytes <= 0;
  }

  /** Counts no more. */
  close(): void {
    this.#output.removeCallback(this.#entry);
  }
}
