import { allocate } from "../ffi/mod.ts";
import { DNS_FLAG_RECURSION_DESIRED, EVDNS_CLASS_INET } from "./constants.ts";
import { OPT_TYPE } from "./edns.ts";
import { encodeName, NAME_BYTES_MAX } from "./name.ts";
import { randomWord } from "./random.ts";

/** Where the question begins. */
export const QUESTION_AT = 12;
/** The most a query takes: header, name, type and class, and an OPT record. */
export const QUERY_BYTES_MAX: number = QUESTION_AT + NAME_BYTES_MAX + 1 + 4 + 11;

/** How a question in an answer compares with the one that was asked. */
export const SAME_QUESTION = 2;
/** As {@linkcode SAME_QUESTION}: only letters differ, in their case. */
export const SAME_BUT_FOR_CASE = 1;
/** As {@linkcode SAME_QUESTION}. */
export const OTHER_QUESTION = 0;

/**
 * A question as it stands in messages: the name not compressed, type and class.
 *
 * @throws {RangeError} when `name` is none.
 */
export function questionBytes(name: string, type: number): Uint8Array<ArrayBuffer> {
  const bytes = allocate(NAME_BYTES_MAX + 5);
  const end = encodeName(name, bytes, 0);
  bytes[end] = type >> 8;
  bytes[end + 1] = type & 0xff;
  bytes[end + 2] = 0;
  bytes[end + 3] = EVDNS_CLASS_INET;
  return bytes.slice(0, end + 4);
}

/** The same question with every letter in a case that a coin was tossed for (draft-vixie-dnsext-dns0x20). */
export function withRandomCase(question: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(question);
  const end = bytes.length - 5;
  let coins = 0;
  let left = 0;
  for (let label = 0; label < end; label += bytes[label]! + 1) {
    for (let at = label + 1; at <= label + bytes[label]!; at++) {
      if (!isLetter(bytes[at]!)) continue;
      if (left === 0) {
        coins = randomWord();
        left = 32;
      }
      if ((coins & 1) !== 0) bytes[at]! ^= 0x20;
      coins >>>= 1;
      left--;
    }
  }
  return bytes;
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/**
 * Writes a query into `into` from `at` on; there must be room for {@linkcode QUERY_BYTES_MAX}.
 *
 * @param udpBytes what is taken over UDP: more than 512 is told by EDNS.
 * @returns where it ends.
 */
export function writeQuery(into: Uint8Array, at: number, id: number, question: Uint8Array, udpBytes: number): number {
  const hasEdns = udpBytes > 512;
  into.fill(0, at, at + QUESTION_AT);
  into[at] = id >> 8;
  into[at + 1] = id & 0xff;
  into[at + 2] = DNS_FLAG_RECURSION_DESIRED >> 8;
  into[at + 5] = 1;
  into[at + 11] = hasEdns ? 1 : 0;
  into.set(question, at + QUESTION_AT);
  let end = at + QUESTION_AT + question.length;
  if (!hasEdns) return end;
  into.fill(0, end, end + 11);
  into[end + 2] = OPT_TYPE;
  into[end + 3] = udpBytes >> 8;
  into[end + 4] = udpBytes & 0xff;
  return end += 11;
}

/** How the question of the message in `bytes[0..length)` compares with `question`, byte for byte. */
export function compareQuestion(bytes: Uint8Array, length: number, question: Uint8Array): number {
  if (length < QUESTION_AT + question.length || bytes[4] !== 0 || bytes[5] !== 1) return OTHER_QUESTION;
  let verdict = SAME_QUESTION;
  for (let at = 0; at < question.length; at++) {
    const [asked, answered] = [question[at]!, bytes[QUESTION_AT + at]!];
    if (asked === answered) continue;
    // Lengths, type and class are no letters, but for a type's byte that looks like one.
    if (at >= question.length - 4 || (asked ^ answered) !== 0x20 || !isLetter(asked)) return OTHER_QUESTION;
    verdict = SAME_BUT_FOR_CASE;
  }
  return verdict;
}
