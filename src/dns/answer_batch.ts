import { MessageBatch } from "../ffi/mod.ts";

/** Messages per system call. */
export const ANSWERS_PER_BATCH = 64;
/** Room for the longest message there can be; memory that nothing is written to costs address space only. */
const ANSWER_BYTES_MAX = 65_536;

/** Where answers are received, many by one call, from whom a connected socket lets through. @internal */
export class AnswerBatch {
  readonly #messages: MessageBatch = new MessageBatch({
    slots: ANSWERS_PER_BATCH,
    payloadBytes: ANSWERS_PER_BATCH * ANSWER_BYTES_MAX,
    controlBytes: 0,
  });
  // Made once, since making a view takes longer than looking at most answers.
  readonly #views: readonly Uint8Array[];

  constructor() {
    const { payload } = this.#messages;
    for (let index = 0; index < ANSWERS_PER_BATCH; index++) {
      this.#messages.setPayload(index, index * ANSWER_BYTES_MAX, ANSWER_BYTES_MAX);
    }
    this.#views = Array.from(
      { length: ANSWERS_PER_BATCH },
      (_, index) => payload.subarray(index * ANSWER_BYTES_MAX, (index + 1) * ANSWER_BYTES_MAX),
    );
  }

  /** Receives what there is. Returns how many, or `-errno`. */
  receive(fd: number): number {
    return this.#messages.receive(fd, ANSWERS_PER_BATCH);
  }

  /** After receiving some: `-errno` that the next one met and the kernel will not tell again, else 0. */
  get failedBehind(): number {
    return this.#messages.failedBehind;
  }

  /** The memory of one. */
  bytesAt(index: number): Uint8Array {
    return this.#views[index]!;
  }

  /** How many bytes of it are an answer. */
  lengthAt(index: number): number {
    return this.#messages.lengthAt(index);
  }
}

const idle: AnswerBatch[] = [];

/** A batch of its own for whoever receives, until {@linkcode giveAnswerBatch}: a callback may run the loop. @internal */
export function takeAnswerBatch(): AnswerBatch {
  return idle.pop() ?? new AnswerBatch();
}

/** Gives back what {@linkcode takeAnswerBatch} gave. @internal */
export function giveAnswerBatch(batch: AnswerBatch): void {
  idle.push(batch);
}
