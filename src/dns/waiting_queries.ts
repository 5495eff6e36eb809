import { parseDnsMessage } from "./message.ts";
import { compareQuestion, OTHER_QUESTION, QUESTION_AT, SAME_BUT_FOR_CASE } from "./query_message.ts";
import { randomId } from "./random.ts";
import type { Transmission } from "./transmission.ts";

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
    const verdict = compareQuestion(bytes, length, transmission.question);
    if (verdict === OTHER_QUESTION && !isRefusalToRead(bytes)) return false;
    if (verdict === SAME_BUT_FOR_CASE && !transmission.overTcp) {
      transmission.owner.wrongCase(transmission);
      return true;
    }
    // Names of the answer point at that of the question, and would be in its random letters.
    if (verdict !== OTHER_QUESTION) bytes.set(transmission.plainQuestion, QUESTION_AT);
    let message;
    try {
      message = parseDnsMessage(bytes.subarray(0, length));
    } catch (error) {
      transmission.owner.garbled(transmission, error);
      return true;
    }
    transmission.owner.answered(transmission, message);
    return true;
  }
}

/** A server that could not read a query, or does not know such ones, may leave its question out: FORMERR and NOTIMP. */
function isRefusalToRead(bytes: Uint8Array): boolean {
  const rcode = bytes[3]! & 15;
  return bytes[4] === 0 && bytes[5] === 0 && (rcode === 1 || rcode === 4);
}
