import type { DeadlineList, DeadlineMember } from "../core/deadline_list.ts";
import type { DnsMessage } from "./message.ts";
import type { NameServer } from "./name_server.ts";
import type { WireQuestion } from "./wire_question.ts";

/** Who has sent a query. */
export interface TransmissionOwner {
  /** The name it asks about, if that is known as it is written in what is read. */
  readonly writtenName: string | undefined;
  /** An answer to it has come, as it must be: from its server, with its id and its question. */
  answered(transmission: Transmission, message: DnsMessage): void;
  /** Such an answer has come, and is malformed; over UDP perhaps because it was cut, which it says itself then. */
  garbled(transmission: Transmission, error: unknown, isCut: boolean): void;
  /** Over UDP, an answer that would do has another case than the random one of the question's letters. It may be forged; the right one may still come. */
  wrongCase(transmission: Transmission): void;
  /** It could not be sent, or there is nobody at the other end. */
  failed(transmission: Transmission, error: unknown): void;
  /** Its time is up. An answer that comes later is still told of. */
  timedOut(transmission: Transmission): void;
}

/** What it travels by. */
export interface Channel {
  /** It is not waited for any more; it does not refer to this channel any more either. */
  forget(transmission: Transmission): void;
}

/** A query that is on its way to a name server. */
export class Transmission implements DeadlineMember<Transmission> {
  /** Who has sent it. */
  readonly owner: TransmissionOwner;
  /** To whom. */
  readonly server: NameServer;
  /** Over TCP or TLS. */
  readonly overTcp: boolean;
  /** What is asked; null when nobody waits for the answer any more. */
  question: WireQuestion | null;
  /** What it says by EDNS about answers over UDP; 512: it has no EDNS. */
  readonly udpBytes: number;
  /** Whether it asks again because the answer over UDP was cut. */
  readonly isAfterTruncation: boolean;
  /** Its number on the channel. */
  id = -1;
  /** How many the channel has sent before it. */
  serial = -1;
  /** The channel that waits for an answer to it. */
  channel: Channel | null = null;
  /** The next one in the same place of the channel's table. */
  sibling: Transmission | null = null;
  /** The next of its owner's queries. */
  next: Transmission | null = null;

  deadlineList: DeadlineList<Transmission> | null = null;
  deadlineMs = NaN;
  deadlineNext: Transmission | null = null;
  deadlinePrevious: Transmission | null = null;

  constructor(
    owner: TransmissionOwner,
    server: NameServer,
    question: WireQuestion,
    overTcp: boolean,
    udpBytes: number,
    isAfterTruncation: boolean,
  ) {
    this.owner = owner;
    this.server = server;
    this.question = question;
    this.overTcp = overTcp;
    this.udpBytes = udpBytes;
    this.isAfterTruncation = isAfterTruncation;
  }

  deadlinePassed(): void {
    this.owner.timedOut(this);
  }

  /** Nobody waits for it any more. */
  forget(): void {
    this.deadlineList?.remove(this);
    const { channel } = this;
    this.channel = null;
    channel?.forget(this);
    this.question?.give();
    this.question = null;
  }
}
