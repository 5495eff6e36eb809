import { MessageBatch, os, send } from "../ffi/mod.ts";
import { QUERY_BYTES_MAX } from "./query_message.ts";

const { MSG_NOSIGNAL, MSG_DONTWAIT } = os.constants;

/** Messages per system call. */
export const BATCH_SLOTS = 64;
/** Room for the longest message there can be; memory that nothing is written to costs address space only. */
const ANSWER_BYTES_MAX = 65_536;

/** Where answers are received, many by one call, from whom a connected socket lets through. @internal */
export class AnswerBatch {
  readonly #messages: MessageBatch = new MessageBatch({
    slots: BATCH_SLOTS,
    payloadBytes: BATCH_SLOTS * ANSWER_BYTES_MAX,
    controlBytes: 0,
  });
  // Made once, since making a view takes longer than looking at most answers.
  readonly #views: readonly Uint8Array[];

  constructor() {
    const { payload } = this.#messages;
    for (let index = 0; index < BATCH_SLOTS; index++) {
      this.#messages.setPayload(index, index * ANSWER_BYTES_MAX, ANSWER_BYTES_MAX);
    }
    this.#views = Array.from(
      { length: BATCH_SLOTS },
      (_, index) => payload.subarray(index * ANSWER_BYTES_MAX, (index + 1) * ANSWER_BYTES_MAX),
    );
  }

  /** Receives what there is. Returns how many, or `-errno`. */
  receive(fd: number): number {
    return this.#messages.receive(fd, BATCH_SLOTS);
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

/** Where queries are gathered that leave together. @internal */
export class QueryBatch {
  readonly #messages: MessageBatch = new MessageBatch({
    slots: BATCH_SLOTS,
    payloadBytes: BATCH_SLOTS * QUERY_BYTES_MAX,
    controlBytes: 0,
  });

  /** As {@linkcode AnswerBatch.failedBehind}, of sending. */
  failedBehind = 0;
  #firstEnd = 0;

  /** Memory for all of them. */
  get bytes(): Uint8Array {
    return this.#messages.payload;
  }

  /** Where one begins. */
  startOf(index: number): number {
    return index * QUERY_BYTES_MAX;
  }

  /** Says where one ends. */
  setEnd(index: number, end: number): void {
    const start = this.startOf(index);
    if (index === 0) this.#firstEnd = end;
    this.#messages.setPayload(index, start, end - start);
  }

  /** Sends the first `count`. Returns how many the kernel took, or `-errno`. */
  send(fd: number, count: number): number {
    this.failedBehind = 0;
    if (count === 1) return Math.min(1, send(fd, this.bytes, this.#firstEnd, MSG_NOSIGNAL | MSG_DONTWAIT));
    const result = this.#messages.send(fd, 0, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    this.failedBehind = this.#messages.failedBehind;
    return result;
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
