import {
  DNS_ERR_FORMAT,
  DNS_ERR_NOTIMPL,
  DNS_ERR_REFUSED,
  DNS_ERR_SERVERFAILED,
  DNS_FLAG_TRUNCATED,
} from "./constants.ts";
import { type DnsMessage, readMessage } from "./message.ts";
import { HEADER_BYTES, MessageReader } from "./message_reader.ts";
import { randomId } from "./random.ts";
import type { Transmission } from "./transmission.ts";
import { OTHER_QUESTION, SAME_BUT_FOR_CASE, type WireQuestion } from "./wire_question.ts";

/** The least places of the table, which suffice for the queries of a UDP socket. */
const PLACES_MIN = 64;

/**
 * So many at most: as many questions as may be asked at one time. Among 65,535 ids a free one is found in a hundred tries then; without a
 * limit, the queries of a port of one's own that were left without answers would use them all up.
 */
const QUERIES_MAX = 65_000;

/**
 * The queries that a channel waits for answers to, by their ids. They are in a table of lists, which takes a third of the time that a map does:
 * ids are random, so each is its own hash.
 */
export class WaitingQueries {
  #places: (Transmission | null)[] = new Array<Transmission | null>(PLACES_MIN).fill(null);
  #size = 0;
  #added = 0;

  /** How many. */
  get size(): number {
    return this.#size;
  }

  #find(id: number): Transmission | null {
    let transmission: Transmission | null = this.#places[id & this.#places.length - 1]!;
    while (transmission !== null && transmission.id !== id) transmission = transmission.sibling;
    return transmission;
  }

  /** Gives a query a random id that none of the others has. False when there are too many already: it is not waited for then. */
  add(transmission: Transmission): boolean {
    if (this.#size >= QUERIES_MAX) return false;
    let id = randomId();
    while (this.#find(id) !== null) id = randomId();
    transmission.id = id;
    transmission.serial = this.#added++;
    if (this.#size++ === this.#places.length) this.#grow();
    this.#put(transmission);
    return true;
  }

  #put(transmission: Transmission): void {
    const place = transmission.id & this.#places.length - 1;
    transmission.sibling = this.#places[place]!;
    this.#places[place] = transmission;
  }

  #grow(): void {
    const all = this.#all();
    this.#places = new Array<Transmission | null>(this.#places.length * 2).fill(null);
    for (const transmission of all) this.#put(transmission);
  }

  #all(): Transmission[] {
    const all: Transmission[] = [];
    for (const first of this.#places) {
      for (let one: Transmission | null = first; one !== null; one = one.sibling) all.push(one);
    }
    return all;
  }

  /** Takes one out; without effect when it is not there. */
  delete(transmission: Transmission): void {
    const place = transmission.id & this.#places.length - 1;
    let before: Transmission | null = this.#places[place]!;
    if (before === transmission) {
      this.#places[place] = transmission.sibling;
    } else {
      while (before !== null && before.sibling !== transmission) before = before.sibling;
      if (before === null) return;
      before.sibling = transmission.sibling;
    }
    transmission.sibling = null;
    this.#size--;
  }

  /** Takes all of them out, the one first that was added first. */
  takeAll(): Transmission[] {
    const all = this.#all().sort((one, other) => one.serial - other.serial);
    this.#places.fill(null);
    this.#size = 0;
    return all;
  }

  /** Tells whoever it concerns of a message that was received, in `bytes[0..length)`; answers whether it concerned anybody. */
  received(bytes: Uint8Array, length: number): boolean {
    // The id, the bit of a response, and the opcode of a query.
    if (length < 12 || (bytes[2]! & 0xf8) !== 0x80) return false;
    const transmission = this.#find(bytes[0]! << 8 | bytes[1]!);
    if (transmission === null) return false;
    const question = transmission.question!;
    const hasQuestion = bytes[4] === 0 && bytes[5] === 1 && length >= HEADER_BYTES + question.length;
    const verdict = hasQuestion ? question.compare(bytes, HEADER_BYTES) : OTHER_QUESTION;
    if (verdict === OTHER_QUESTION && !isRefusal(bytes)) return false;
    if (verdict === SAME_BUT_FOR_CASE && question.hasRandomCase) {
      transmission.owner.wrongCase(transmission);
      return true;
    }
    let message: DnsMessage;
    try {
      // What stands behind the last record does no harm, and is read over.
      message = readMessage(
        readerOf(bytes, length, verdict === OTHER_QUESTION ? null : question, transmission.owner.writtenName),
      );
    } catch (error) {
      const isCut = !transmission.overTcp && (bytes[2]! & DNS_FLAG_TRUNCATED >> 8) !== 0;
      transmission.owner.garbled(transmission, error, isCut);
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
  question.putPlain(bytes, HEADER_BYTES);
  if (writtenName !== undefined) reader.expectName(writtenName, question.length - 4);
  return reader;
}

/** Why a query was not added. */
export function tooManyQueries(): Error {
  return new Error("too many queries wait for answers at one socket");
}

/**
 * A server that could not read a query, does not know such ones, or does not want to serve it may leave its question out: FORMERR, SERVFAIL,
 * NOTIMP and REFUSED, with no records at all (but for EDNS).
 *
 * Without the question to compare, less stands between us and a forger: the id, and the address and port that the socket is connected to. That
 * is enough for what such an answer can do: it says nothing about the name, and nothing that is in it is believed or kept. At most it makes us
 * ask the next server, or fail where there is none, as silence would a moment later. Whoever forges data still has to guess the question's letters.
 */
function isRefusal(bytes: Uint8Array): boolean {
  // Of answers, and of authorities, there are none.
  for (let at = 4; at < 10; at++) if (bytes[at] !== 0) return false;
  const rcode = bytes[3]! & 15;
  return rcode === DNS_ERR_FORMAT || rcode === DNS_ERR_SERVERFAILED || rcode === DNS_ERR_NOTIMPL ||
    rcode === DNS_ERR_REFUSED;
}
