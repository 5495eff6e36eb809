import type { EventBase, LoopEvent } from "../core/mod.ts";
import type { DnsAnswer } from "./answer.ts";
import { EVDNS_TYPE_A, EVDNS_TYPE_AAAA } from "./constants.ts";
import type { Delivery } from "./deliveries.ts";
import { DnsError } from "./dns_error.ts";
import { type DnsCallback, type DnsRequest, isEmpty, Lookup, type LookupSurroundings } from "./lookup.ts";
import type { DnsQueryOptions } from "./resolver_options.ts";

/** A family of addresses. */
export type IpFamily = "ipv4" | "ipv6";

/** The addresses of a host. @internal */
export interface FoundAddresses {
  /** Where all aliases of its name end. */
  readonly canonicalName: string;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** What is looked up, and how. @internal */
export interface AddressQuery extends DnsQueryOptions {
  /** The names to try. */
  readonly names: readonly string[];
  /** The families wanted, the one first that is asked for first. */
  readonly families: readonly IpFamily[];
  /** How long one family is waited for when there are addresses of the other. */
  readonly skewMs: number;
  /** Told of the addresses that come first. */
  readonly partial?: ((addresses: readonly string[]) => void) | undefined;
}

/**
 * The addresses of a host in both families, which are asked for at the same time. A name counts as found if it has addresses of one; a
 * lookup of each family for itself might find them under different names.
 *
 * @internal
 */
export class AddressLookup implements DnsRequest, Delivery {
  readonly #surroundings: LookupSurroundings;
  readonly #query: AddressQuery;
  readonly #callback: DnsCallback<FoundAddresses>;
  readonly #base: EventBase;
  readonly #skew: LoopEvent;
  readonly #endMs: number;
  readonly #abort: (() => void) | undefined;
  readonly #outcomes = new Map<IpFamily, DnsAnswer | DnsError>();
  #lookups: Lookup[] = [];
  #index = -1;
  #noData: DnsError | null = null;
  #outcome: FoundAddresses | DnsError | null = null;

  constructor(
    base: EventBase,
    surroundings: LookupSurroundings,
    query: AddressQuery,
    callback: DnsCallback<FoundAddresses>,
  ) {
    this.#base = base;
    this.#surroundings = surroundings;
    this.#query = query;
    this.#callback = callback;
    this.#skew = base.timer(() => this.#finishWithWhatThereIs());
    this.#endMs = base.now() + (query.deadlineMs ?? surroundings.desk.settings.deadlineMs);
    const { signal } = query;
    if (signal !== undefined) this.#abort = () => this.cancel(signal.reason);
  }

  get isOver(): boolean {
    return this.#outcome !== null;
  }

  /** Begins. */
  start(): void {
    const { signal } = this.#query;
    this.#surroundings.deliveries.begun();
    if (signal?.aborted === true) return this.cancel(signal.reason);
    if (this.#abort !== undefined) signal!.addEventListener("abort", this.#abort);
    this.#tryNext();
  }

  #tryNext(): void {
    const { names, families, useTcp, ignoreTruncation, noCache } = this.#query;
    const name = names[++this.#index]!;
    const options = { useTcp, ignoreTruncation, noCache, deadlineMs: Math.max(0, this.#endMs - this.#base.now()) };
    this.#outcomes.clear();
    this.#lookups = [];
    for (const family of families) {
      // The log hook, which is told that the first is asked, may have cancelled all of it.
      if (this.isOver) return;
      const lookup = new Lookup(
        this.#surroundings,
        [name],
        family === "ipv4" ? EVDNS_TYPE_A : EVDNS_TYPE_AAAA,
        options,
        (error, answer) => this.#answered(family, error ?? answer!),
      );
      this.#lookups.push(lookup);
      lookup.start();
    }
  }

  #answered(family: IpFamily, outcome: DnsAnswer | DnsError): void {
    if (this.isOver) return;
    this.#outcomes.set(family, outcome);
    const { families, skewMs, partial } = this.#query;
    if (this.#outcomes.size < families.length) {
      if (outcome instanceof DnsError) return;
      this.#skew.add(skewMs);
      partial?.(addressesOf(outcome));
      return;
    }
    const outcomes = [...this.#outcomes.values()];
    const errors = outcomes.filter((one) => one instanceof DnsError);
    if (errors.length < outcomes.length) return this.#finishWithWhatThereIs();
    const failure = errors.find((error) => !isEmpty(error));
    if (failure !== undefined) return this.#finish(failure);
    this.#noData ??= errors.find(({ code }) => code === "DNS_NODATA") ?? null;
    if (this.#index + 1 < this.#query.names.length) this.#tryNext();
    else this.#finish(this.#noData ?? errors[0]!);
  }

  #finishWithWhatThereIs(): void {
    const found = [...this.#outcomes.values()].find((one): one is DnsAnswer => !(one instanceof DnsError))!;
    const of = (family: IpFamily): readonly string[] => {
      const outcome = this.#outcomes.get(family);
      return outcome === undefined || outcome instanceof DnsError ? [] : addressesOf(outcome);
    };
    this.#finish({ canonicalName: found.canonicalName, ipv4: of("ipv4"), ipv6: of("ipv6") });
  }

  /** From the loop: there is no reason to wait any longer. */
  #finish(outcome: FoundAddresses | DnsError): void {
    this.#conclude(outcome);
    this.#surroundings.deliveries.deliverNow(this);
  }

  #conclude(outcome: FoundAddresses | DnsError): void {
    this.#outcome = outcome;
    if (this.#abort !== undefined) this.#query.signal!.removeEventListener("abort", this.#abort);
    this.#skew.close();
    // Their own callbacks find that it is over.
    for (const lookup of this.#lookups) lookup.cancel();
  }

  cancel(reason?: unknown): void {
    if (this.isOver) return;
    this.#conclude(new DnsError("DNS_CANCELLED", this.#query.names[0]!, { cause: reason }));
    this.#surroundings.deliveries.add(this);
  }

  deliver(): void {
    const outcome = this.#outcome!;
    if (outcome instanceof DnsError) this.#callback(outcome, null);
    else this.#callback(null, outcome);
  }
}

function addressesOf({ records }: DnsAnswer): string[] {
  return records.flatMap(({ data }) => data.kind === "A" || data.kind === "AAAA" ? [data.address] : []);
}

/** A lookup whose outcome is known from the start, and told from the loop all the same. @internal */
export class KnownOutcome<T> implements DnsRequest, Delivery {
  readonly #surroundings: LookupSurroundings;
  readonly #callback: DnsCallback<T>;
  readonly #host: string;
  readonly #signal: AbortSignal | undefined;
  #outcome: T | DnsError;
  #isTold = false;

  constructor(
    surroundings: LookupSurroundings,
    host: string,
    outcome: T | DnsError,
    signal: AbortSignal | undefined,
    callback: DnsCallback<T>,
  ) {
    this.#surroundings = surroundings;
    this.#host = host;
    this.#outcome = outcome;
    this.#signal = signal;
    this.#callback = callback;
  }

  get isOver(): boolean {
    return this.#isTold;
  }

  /** Has it told. */
  start(): void {
    this.#surroundings.deliveries.begun();
    this.#surroundings.deliveries.add(this);
  }

  cancel(reason?: unknown): void {
    if (!this.#isTold) this.#outcome = new DnsError("DNS_CANCELLED", this.#host, { cause: reason });
  }

  deliver(): void {
    // It is told so soon that there is no need to listen.
    if (this.#signal?.aborted === true) this.cancel(this.#signal.reason);
    this.#isTold = true;
    if (this.#outcome instanceof DnsError) this.#callback(this.#outcome, null);
    else this.#callback(null, this.#outcome);
  }
}
