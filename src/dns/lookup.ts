import type { DeadlineList, DeadlineMember } from "../core/deadline_list.ts";
import type { DnsAnswer } from "./answer.ts";
import { DnsError } from "./dns_error.ts";
import type { Question, QuestionListener } from "./question.ts";
import type { QuestionDesk } from "./question_desk.ts";
import { questionWay } from "./question_way.ts";
import type { Deliveries, Delivery } from "./deliveries.ts";
import type { DnsQueryOptions } from "./resolver_options.ts";

/** A lookup that is under way, to be cancelled (evdns_request). */
export interface DnsRequest {
  /** Whether its callback was called, or is about to be. */
  readonly isOver: boolean;
  /**
   * Cancels it: its callback is told `DNS_CANCELLED`, from the loop. Without effect when it is over (evdns_cancel_request).
   *
   * @param reason the cause that the error will have.
   */
  cancel(reason?: unknown): void;
}

/** Called from the loop with what a lookup has come to: an error, or null and the answer. */
export type DnsCallback<T> = (error: DnsError | null, answer: T | null) => void;

/** What lookups need of their resolver. @internal */
export interface LookupSurroundings {
  readonly desk: QuestionDesk;
  readonly deliveries: Deliveries;
  readonly deadlines: DeadlineList<Lookup>;
}

/** A lookup of one type of record under several names, until one of them has such records. @internal */
export class Lookup implements DnsRequest, QuestionListener, Delivery, DeadlineMember<Lookup> {
  readonly #surroundings: LookupSurroundings;
  readonly #names: readonly string[];
  readonly #type: number;
  readonly #options: DnsQueryOptions;
  readonly #callback: DnsCallback<DnsAnswer>;
  readonly #abort: (() => void) | undefined;
  #index = -1;
  // Whether it is just asking, and whether it has to ask on behind that.
  #isAsking = false;
  #goesOn = false;
  #question: Question | null = null;
  #outcome: DnsAnswer | DnsError | null = null;
  // What a name has said that exists, but not with this type.
  #noData: DnsError | null = null;

  deadlineList: DeadlineList<Lookup> | null = null;
  deadlineMs = NaN;
  deadlineNext: Lookup | null = null;
  deadlinePrevious: Lookup | null = null;

  constructor(
    surroundings: LookupSurroundings,
    names: readonly string[],
    type: number,
    options: DnsQueryOptions,
    callback: DnsCallback<DnsAnswer>,
  ) {
    this.#surroundings = surroundings;
    this.#names = names;
    this.#type = type;
    this.#options = options;
    this.#callback = callback;
    const { signal } = options;
    if (signal !== undefined) this.#abort = () => this.cancel(signal.reason);
  }

  get isOver(): boolean {
    return this.#outcome !== null;
  }

  /** Begins. */
  start(): void {
    const { signal, deadlineMs } = this.#options;
    this.#surroundings.deliveries.begun();
    if (signal?.aborted === true) return this.cancel(signal.reason);
    if (this.#abort !== undefined) signal!.addEventListener("abort", this.#abort);
    const { desk, deadlines } = this.#surroundings;
    if (desk.isClosed) return this.#end(new DnsError("DNS_SHUTDOWN", this.#names[0]!));
    deadlines.add(this, deadlineMs ?? desk.settings.deadlineMs);
    this.#tryNext();
  }

  #tryNext(): void {
    const { useTcp, ignoreTruncation, noCache } = this.#options;
    const way = questionWay(useTcp === true, ignoreTruncation === true, noCache === true, false);
    // An answer may be there at once, and that to the next name too.
    do {
      this.#goesOn = false;
      this.#isAsking = true;
      const question = this.#surroundings.desk.ask(this.#names[++this.#index]!, this.#type, way, this);
      this.#isAsking = false;
      // The log hook, which is told that it is asked, may have cancelled it meanwhile.
      if (this.isOver) question?.leave(this);
      else if (!this.#goesOn) this.#question = question;
    } while (this.#goesOn);
  }

  questionEnded(outcome: DnsAnswer | DnsError): void {
    this.#question = null;
    if (this.isOver) return;
    // A failure is no reason to take another name than the first that might be meant; that there is none is.
    if (!(outcome instanceof DnsError) || !isEmpty(outcome)) return this.#end(outcome);
    if (outcome.code === "DNS_NODATA") this.#noData ??= outcome;
    if (this.#index + 1 >= this.#names.length) return this.#end(this.#noData ?? outcome);
    if (this.#isAsking) this.#goesOn = true;
    else this.#tryNext();
  }

  #end(outcome: DnsAnswer | DnsError): void {
    this.#outcome = outcome;
    this.#goesOn = false;
    if (this.#abort !== undefined) this.#options.signal!.removeEventListener("abort", this.#abort);
    this.deadlineList?.remove(this);
    const question = this.#question;
    this.#question = null;
    question?.leave(this);
    this.#surroundings.deliveries.add(this);
  }

  cancel(reason?: unknown): void {
    if (!this.isOver) this.#end(new DnsError("DNS_CANCELLED", this.#names[0]!, { cause: reason }));
  }

  deadlinePassed(): void {
    if (!this.isOver) this.#end(new DnsError("DNS_TIMEOUT", this.#names[Math.max(0, this.#index)]!));
  }

  deliver(): void {
    const outcome = this.#outcome!;
    if (outcome instanceof DnsError) this.#callback(outcome, null);
    else this.#callback(null, outcome);
  }
}

/** Whether it is a fact that there is nothing, rather than a failure to find out. @internal */
export function isEmpty({ code }: DnsError): boolean {
  return code === "DNS_NXDOMAIN" || code === "DNS_NODATA";
}
