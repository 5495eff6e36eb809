import { EVDNS_CLASS_INET } from "./constants.ts";
import { encodeName, NAME_BYTES_MAX } from "./name.ts";
import { randomWord } from "./random.ts";

/** The longest name, type and class. */
export const QUESTION_BYTES_MAX: number = NAME_BYTES_MAX + 1 + 4;

/** How a question in an answer compares with the one that was asked. */
export const SAME_QUESTION = 2;
/** As {@linkcode SAME_QUESTION}: only letters differ, in their case. */
export const SAME_BUT_FOR_CASE = 1;
/** As {@linkcode SAME_QUESTION}. */
export const OTHER_QUESTION = 0;

/** More of them are left to the garbage collector. */
const IDLE_MAX = 256;
const idle: WireQuestion[] = [];

/**
 * A question as it stands in messages: the name not compressed, type and class.
 *
 * They are used again and again: on Deno, making an array of twenty bytes takes longer than a system call.
 *
 * @internal
 */
export class WireQuestion {
  /** The question in the letters that it is sent in; the rest of the memory means nothing. */
  readonly sent: Uint8Array = new Uint8Array(QUESTION_BYTES_MAX);
  /** The question in the letters of whoever wants to know. */
  readonly plain: Uint8Array = new Uint8Array(QUESTION_BYTES_MAX);
  /** Its bytes. */
  length = 0;
  /** Whether a coin was tossed for the case of each letter that is sent. */
  hasRandomCase = false;

  /** One of the idle ones, for this question. @throws {RangeError} when `name` is none. */
  static take(name: string, type: number, hasRandomCase: boolean): WireQuestion {
    const question = idle.pop() ?? new WireQuestion();
    question.#write(name, type, hasRandomCase);
    return question;
  }

  /** Gives it back: nobody refers to it any more. */
  give(): void {
    if (idle.length < IDLE_MAX) idle.push(this);
  }

  #write(name: string, type: number, hasRandomCase: boolean): void {
    const { sent, plain } = this;
    const nameEnd = encodeName(name, plain, 0);
    plain[nameEnd] = type >> 8;
    plain[nameEnd + 1] = type & 0xff;
    plain[nameEnd + 2] = 0;
    plain[nameEnd + 3] = EVDNS_CLASS_INET;
    this.length = nameEnd + 4;
    this.hasRandomCase = hasRandomCase;
    if (hasRandomCase) this.#tossCoins(nameEnd);
    for (let at = hasRandomCase ? nameEnd : 0; at < this.length; at++) sent[at] = plain[at]!;
  }

  /** Sends every letter in a case that a coin is tossed for (draft-vixie-dnsext-dns0x20). */
  #tossCoins(nameEnd: number): void {
    const { sent, plain } = this;
    let coins = 0;
    let left = 0;
    // Lengths of labels may look like letters.
    let lengthAt = 0;
    for (let at = 0; at < nameEnd; at++) {
      const byte = plain[at]!;
      sent[at] = byte;
      if (at === lengthAt) {
        lengthAt += byte + 1;
      } else if (isLetter(byte)) {
        if (left === 0) {
          coins = randomWord();
          left = 32;
        }
        sent[at] = byte ^ (coins & 1) << 5;
        coins >>>= 1;
        left--;
      }
    }
  }

  /** How what stands in `bytes[at..)` compares with what was sent. */
  compare(bytes: Uint8Array, at: number): number {
    const { sent, length } = this;
    let verdict = SAME_QUESTION;
    for (let index = 0; index < length; index++) {
      const asked = sent[index]!;
      const answered = bytes[at + index]!;
      if (asked === answered) continue;
      // Lengths, type and class are no letters, but for a type's byte that looks like one.
      if (index >= length - 4 || (asked ^ answered) !== 0x20 || !isLetter(asked)) return OTHER_QUESTION;
      verdict = SAME_BUT_FOR_CASE;
    }
    return verdict;
  }

  /** Writes what was sent into `bytes[at..)`. */
  putSent(bytes: Uint8Array, at: number): void {
    for (let index = 0; index < this.length; index++) bytes[at + index] = this.sent[index]!;
  }

  /** The same in the letters of whoever wants to know. */
  putPlain(bytes: Uint8Array, at: number): void {
    for (let index = 0; index < this.length; index++) bytes[at + index] = this.plain[index]!;
  }
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
