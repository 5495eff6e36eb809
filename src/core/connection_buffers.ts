import type { Chain } from "./chain.ts";
import * as facts from "./connection_state.ts";
import { EvBuffer } from "./evbuffer.ts";
import type { BufferBase, BufferOwner } from "./evbuffer_base.ts";
import { type EventBase, reactorOf } from "./event_base.ts";
import type { Reactor } from "./reactor.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { DROPS_OUT } = facts;

/** What is queued next to nothing gets so much room, for that which follows to lie in one piece with it: one plain write sends it then. */
const PIECE_BYTES = 4096;

/** Owns the output of what is closed: nobody would ever give back the memory and files that are queued then. */
const DROPPING: BufferOwner = { bufferChanged: drop };

/**
 * The two buffers of a connection. They are made when somebody asks for them: a connection that has nothing to say yet, or whose bytes go
 * past its input, then takes a third less memory, of which idle connections are most of what a server holds.
 *
 * What is queued may stand in a stage for a moment, memory that the loop lends, until it has left or somebody looks at the output: most
 * answers are short and leave at once, and never see the buffer.
 */
export abstract class ConnectionBuffers implements BufferOwner {
  /** What the base and its events share. */
  protected readonly reactor: Reactor;
  /** Bits of `connection_state.ts`. */
  protected state: number;
  /** What is queued before all that is in the output; null for nothing. */
  protected staged: Chain | null = null;
  #input: EvBuffer | null = null;
  #output: EvBuffer | null = null;

  /**
   * Makes none yet.
   *
   * @param base the loop it lives on.
   * @param state the facts that hold from the start.
   */
  constructor(base: EventBase, state: number) {
    this.reactor = reactorOf(base);
    this.state = state;
  }

  /** The loop it lives on. */
  get base(): EventBase {
    return this.reactor.base;
  }

  /** Whether any of the facts `bits` holds. */
  protected is(bits: number): boolean {
    return (this.state & bits) !== 0;
  }

  /** Notes whether the facts `bits` hold. */
  protected mark(bits: number, hold: boolean): void {
    if (hold) this.state |= bits;
    else this.state &= ~bits;
  }

  /** What has been received and not consumed yet. Its back is frozen: only the connection adds to it. */
  get input(): EvBuffer {
    return this.#input ?? this.#makeInput();
  }

  /** What is waiting to be sent. Its front is frozen: only the connection takes from it. */
  get output(): EvBuffer {
    if (this.staged !== null) this.unstage();
    return this.#output ?? this.#makeOutput();
  }

  #makeInput(): EvBuffer {
    const input = this.#input = new EvBuffer();
    input.freezeBack();
    if (this.watchesInput) input.owner = this;
    return input;
  }

  #makeOutput(): EvBuffer {
    const output = this.#output = new EvBuffer();
    output.freezeFront();
    output.owner = this.is(DROPS_OUT) ? DROPPING : this;
    return output;
  }

  /** Bytes in the input, for which none has to be made. */
  protected get inputLength(): number {
    return this.#input === null ? 0 : this.#input.length;
  }

  /** Bytes that are queued, for which no output has to be made. */
  protected get outputLength(): number {
    const { staged } = this;
    if (staged !== null) return staged.end - staged.start;
    return this.#output === null ? 0 : this.#output.length;
  }

  /** Whether the output is empty, and nobody would notice what goes past it. */
  protected get isOutputIdle(): boolean {
    return this.#output === null || this.#output.isIdle;
  }

  /**
   * @internal Finds room for `bytes` bytes that are to be sent, in one piece, as {@linkcode BufferBase.reserveTail} does; to be followed by
   * {@linkcode ConnectionBuffers.commitOutput}.
   */
  reserveOutput(bytes: number): Chain {
    const { output } = this;
    return output.reserveTail(output.length === 0 && bytes < PIECE_BYTES ? PIECE_BYTES : bytes);
  }

  /** @internal Queues the next `count` bytes of the chain that {@linkcode ConnectionBuffers.reserveOutput} returned; 0 gives unused room back. */
  commitOutput(count: number): void {
    this.output.commitTail(count);
  }

  /** What is staged goes into the output, and waits there. */
  protected unstage(): void {
    const { staged } = this;
    if (staged === null) return;
    this.staged = null;
    if (staged.end > staged.start) this.output.prependChain(staged);
    else this.reactor.stages.give(staged);
  }

  /** Whether somebody wants to know how much the input holds. */
  protected abstract get watchesInput(): boolean;

  /** From now on that is so. */
  protected watchInput(): void {
    if (this.#input !== null) this.#input.owner = this;
  }

  /** @internal One of the two buffers has changed, and is owned. */
  bufferChanged(buffer: BufferBase, added: number, deleted: number): void {
    if (buffer === this.#input) return this.inputChanged();
    // Whoever has kept the output since before adds to it behind what is staged.
    if (this.staged !== null) this.unstage();
    this.outputChanged(added, deleted);
  }

  /** The input has changed, and somebody wants to know. */
  protected abstract inputChanged(): void;

  /** The output has changed. */
  protected outputChanged(_added: number, _deleted: number): void {}

  /** Empties both buffers, the output for good. */
  protected closeBuffers(): void {
    this.mark(DROPS_OUT, true);
    const { staged } = this;
    this.staged = null;
    if (staged !== null) this.reactor.stages.give(staged);
    try {
      this.#input?.close();
    } finally {
      // Whatever somebody may have thrown who was given his memory back.
      if (this.#output !== null) drop(this.#output);
    }
  }
}

function drop(output: BufferBase): void {
  try {
    output.close();
  } finally {
    output.owner = DROPPING;
  }
}
