import { DNS_FLAG_RECURSION_DESIRED, EVDNS_CLASS_INET } from "./constants.ts";
import { OPT_TYPE } from "./edns.ts";
import { encodeName, NAME_BYTES_MAX } from "./name.ts";
import { randomWord } from "./random.ts";

/** Where the question begins. */
export const QUESTION_AT = 12;
/** An OPT record without options. */
const EDNS_BYTES = 11;
/** The most a query takes: header, name, type and class, and an OPT record. */
export const QUERY_BYTES_MAX: number = QUESTION_AT + NAME_BYTES_MAX + 1 + 4 + EDNS_BYTES;

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
export function questionBytes(name: string, type: number): Uint8Array {
  const end = encodeName(name, scratch, 0);
  // Copying so few bytes one by one takes less than having them copied.
  const bytes = new Uint8Array(end + 4);
  for (let at = 0; at < end; at++) bytes[at] = scratch[at]!;
  bytes[end] = type >> 8;
  bytes[end + 1] = type & 0xff;
  bytes[end + 3] = EVDNS_CLASS_INET;
  return bytes;
}

const scratch = new Uint8Array(NAME_BYTES_MAX + 1);

/** The same question with every letter in a case that a coin was tossed for (draft-vixie-dnsext-dns0x20). */
export function withRandomCase(question: Uint8Array): Uint8Array {
  const { length } = question;
  const bytes = new Uint8Array(length);
  let coins = 0;
  let left = 0;
  let labelEnd = 0;
  for (let at = 0; at < length; at++) {
    const byte = question[at]!;
    bytes[at] = byte;
    if (at === labelEnd) {
      // The length of a label, which may look like a letter; behind the last one there are type and class.
      labelEnd = byte === 0 ? -1 : at + byte + 1;
    } else if (labelEnd > 0 && isLetter(byte)) {
      if (left === 0) {
        coins = randomWord();
        left = 32;
      }
      bytes[at] = byte ^ (coins & 1) << 5;
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
  into[at] = id >> 8;
  into[at + 1] = id & 0xff;
  into[at + 2] = DNS_FLAG_RECURSION_DESIRED >> 8;
  for (let index = 3; index < QUESTION_AT; index++) into[at + index] = 0;
  into[at + 5] = 1;
  into[at + 11] = hasEdns ? 1 : 0;
  let end = at + QUESTION_AT;
  for (let index = 0; index < question.length; index++) into[end++] = question[index]!;
  if (!hasEdns) return end;
  for (let index = 0; index < EDNS_BYTES; index++) into[end + index] = 0;
  into[end + 2] = OPT_TYPE;
  into[end + 3] = udpBytes >> 8;
  into[end + 4] = udpBytes & 0xff;
  return end + EDNS_BYTES;
}

/** How the question of the message in `bytes[0..length)` compares with `question`, byte for byte. */
export function compareQuestion(bytes: Uint8Array, length: number, question: Uint8Array): number {
  if (length < QUESTION_AT + question.length || bytes[4] !== 0 || bytes[5] !== 1) return OTHER_QUESTION;
  let verdict = SAME_QUESTION;
  for (let at = 0; at < question.length; at++) {
    const asked = question[at]!;
    const answered = bytes[QUESTION_AT + at]!;
    if (asked === answered) continue;
    // Lengths, type and class are no letters, but for a type's byte that looks like one.
    if (at >= question.length - 4 || (asked ^ answered) !== 0x20 || !isLetter(asked)) return OTHER_QUESTION;
    verdict = SAME_BUT_FOR_CASE;
  }
  return verdict;
}
