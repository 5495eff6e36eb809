import { DNS_FLAG_RESPONSE, DNS_OPCODE_QUERY } from "./constants.ts";
import { type Edns, OPT_BYTES, OPT_TYPE } from "./edns.ts";
import type { DnsMessage, DnsQuestion } from "./message.ts";
import { HEADER_BYTES } from "./message_reader.ts";
import { NAME_BYTES_MAX, NameText } from "./name.ts";

const NOTHING: readonly never[] = Object.freeze([]);
const nameText = new NameText();

/**
 * A query as nearly all are: one question, and at most an OPT record without options. It is looked at where it lies, and the text of its name
 * and the objects that a message consists of are made when somebody asks for them.
 *
 * @internal
 */
export class PlainQuery {
  /** Holds the query, from its beginning. */
  bytes: Uint8Array;
  /** Where the question ends, which begins behind the header. */
  readonly questionEnd: number;
  /** What the client takes over UDP as it says by EDNS; -1: it says nothing. */
  readonly udpSize: number;
  /** Its flags of EDNS. */
  readonly ednsFlags: number;

  private constructor(bytes: Uint8Array, questionEnd: number, udpSize: number, ednsFlags: number) {
    this.bytes = bytes;
    this.questionEnd = questionEnd;
    this.udpSize = udpSize;
    this.ednsFlags = ednsFlags;
  }

  /** Looks at what stands in `bytes[0..length)`; null when it is no such query. */
  static read(bytes: Uint8Array, length: number): PlainQuery | null {
    if (length < HEADER_BYTES + 5 || (bytes[2]! & (DNS_FLAG_RESPONSE >> 8 | 0x78)) !== DNS_OPCODE_QUERY << 3) {
      return null;
    }
    const additionals = bytes[11]!;
    if ((bytes[4]! | bytes[6]! | bytes[7]! | bytes[8]! | bytes[9]! | bytes[10]!) !== 0) return null;
    if (bytes[5] !== 1 || additionals > 1) return null;
    let at = HEADER_BYTES;
    for (let label = bytes[at]!; label !== 0; label = bytes[at]!) {
      at += label + 1;
      if (label > 63 || at >= length) return null;
    }
    const questionEnd = at + 5;
    if (at - HEADER_BYTES >= NAME_BYTES_MAX || questionEnd + additionals * OPT_BYTES !== length) return null;
    if (additionals === 0) return new PlainQuery(bytes, questionEnd, -1, 0);
    const opt = questionEnd;
    const isOpt = bytes[opt] === 0 && bytes[opt + 1] === 0 && bytes[opt + 2] === OPT_TYPE;
    // Its version, and the length of its options.
    if (!isOpt || (bytes[opt + 6]! | bytes[opt + 9]! | bytes[opt + 10]!) !== 0) return null;
    const udpSize = bytes[opt + 3]! << 8 | bytes[opt + 4]!;
    return new PlainQuery(bytes, questionEnd, udpSize, bytes[opt + 7]! << 8 | bytes[opt + 8]!);
  }

  /** Its number. */
  get id(): number {
    return this.bytes[0]! << 8 | this.bytes[1]!;
  }

  /** The second word of its header. */
  get flags(): number {
    return this.bytes[2]! << 8 | this.bytes[3]!;
  }

  /** The type that is asked for. */
  get type(): number {
    return this.bytes[this.questionEnd - 4]! << 8 | this.bytes[this.questionEnd - 3]!;
  }

  /** The class. */
  get class(): number {
    return this.bytes[this.questionEnd - 2]! << 8 | this.bytes[this.questionEnd - 1]!;
  }

  /** The question as an object. */
  question(): DnsQuestion {
    const { bytes } = this;
    nameText.begin();
    for (let at = HEADER_BYTES; bytes[at] !== 0;) {
      const end = at + 1 + bytes[at]!;
      nameText.add(bytes, at + 1, end);
      at = end;
    }
    return { name: nameText.end(), type: this.type, class: this.class };
  }

  /** All of it as an object; `question` is {@linkcode PlainQuery.question}. */
  message(question: DnsQuestion): DnsMessage {
    return {
      id: this.id,
      flags: this.flags,
      questions: [question],
      answers: NOTHING,
      authorities: NOTHING,
      additionals: NOTHING,
      edns: this.#edns(),
    };
  }

  #edns(): Edns | undefined {
    if (this.udpSize < 0) return undefined;
    const extendedRcode = this.bytes[this.questionEnd + 5]!;
    return { udpSize: this.udpSize, version: 0, flags: this.ednsFlags, extendedRcode, options: NOTHING };
  }

  /** It is needed longer than its memory lasts. */
  keep(): void {
    this.bytes = this.bytes.slice(0, this.questionEnd + (this.udpSize < 0 ? 0 : OPT_BYTES));
  }
}
