import { type DnsMessage, readMessage } from "./message.ts";
import { MessageReader } from "./message_reader.ts";
import { QUESTION_AT } from "./query_message.ts";
import { randomId } from "./random.ts";
import type { Transmission } from "./transmission.ts";
import { OTHER_QUESTION, SAME_BUT_FOR_CASE, type WireQuestion } from "./wire_question.ts";

/** The queries that a channel waits for answers to, by their ids. */
export class WaitingQueries {
  readonly #byId = new Map<number, Transmission>();

  /** How many. */
  get size(): number {
    return this.#byId.size;
  }

  /** Gives a query a random id that none of the others has. */
  add(transmission: Transmission): void {
    let id = randomId();
    while (this.#byId.has(id)) id = randomId();
    transmission.id = id;
    this.#byId.set(id, transmission);
  }

  /** Takes one out. */
  delete(transmission: Transmission): void {
    if (this.#byId.get(transmission.id) === transmission) this.#byId.delete(transmission.id);
  }

  /** Takes all of them out. */
  takeAll(): Transmission[] {
    const all = [...this.#byId.values()];
    this.#byId.clear();
    return all;
  }

  /** Tells whoever it concerns of a message that was received, in `bytes[0..length)`; answers whether it concerned anybody. */
  received(bytes: Uint8Array, length: number): boolean {
    // The id, the bit of a response, and the opcode of a query.
    if (length < 12 || (bytes[2]! & 0xf8) !== 0x80) return false;
    const transmission = this.#byId.get(bytes[0]! << 8 | bytes[1]!);
    if (transmission === undefined) return false;
    const question = transmission.question!;
    const hasQuestion = bytes[4] === 0 && bytes[5] === 1 && length >= QUESTION_AT + question.length;
    const verdict = hasQuestion ? question.compare(bytes, QUESTION_AT) : OTHER_QUESTION;
    if (verdict === OTHER_QUESTION && !isRefusalToRead(bytes)) return false;
    if (verdict === SAME_BUT_FOR_CASE && !transmission.overTcp) {
      transmission.owner.wrongCase(transmission);
      return true;
    }
    let message: DnsMessage;
    try {
      message = readMessage(
        readerOf(bytes, length, verdict === OTHER_QUESTION ? null : question, transmission.owner.writtenName),
      );
    } catch (error) {
      transmission.owner.garbled(transmission, error);
      return true;
    }
    transmission.owner.answered(transmission, message);
    return true;
  }
}

/** What reads an answer to a question of ours, which it repeats unless that is null. */
function readerOf(
  bytes: Uint8Array,
  length: number,
  question: WireQuestion | null,
  writtenName: string | undefined,
): MessageReader {
  const reader = new MessageReader(bytes, length);
  if (question === null) return reader;
  // Names of the answer point at that of the question, and would be in its random letters.
  question.putPlain(bytes, QUESTION_AT);
  if (writtenName !== undefined) reader.expectName(writtenName, question.length - 4);
  return reader;
}

/** A server that could not read a query, or does not know such ones, may leave its question out: FORMERR and NOTIMP. */
function isRefusalToRead(bytes: Uint8Array): boolean {
  const rcode = bytes[3]! & 15;
  return bytes[4] === 0 && bytes[5] === 0 && (rcode === 1 || rcode === 4);
}
