import type {
  EventBase,
  HostAddress,
  HostQuery,
  HostResolver,
  NameLookupAnswer,
  NameLookupHints,
} from "../core/mod.ts";
import { Waiter } from "../core/waiter.ts";
import { AddressLookup, type FoundAddresses, KnownOutcome } from "./address_lookup.ts";
import { answersOf, familiesWanted, literalAddresses, ownAddresses, socketKinds } from "./address_info.ts";
import { sortAddresses } from "./address_sorting.ts";
import type { DnsAnswer } from "./answer.ts";
import { EVDNS_TYPE_A, EVDNS_TYPE_AAAA, EVDNS_TYPE_PTR } from "./constants.ts";
import { DnsError } from "./dns_error.ts";
import { type DnsCallback, type DnsRequest, Lookup } from "./lookup.ts";
import { dnsRecord } from "./message.ts";
import { isDnsName } from "./name.ts";
import { dnsTypeNumber } from "./record_type.ts";
import { ResolverBase } from "./resolver_base.ts";
import type { DnsQueryOptions, DnsResolverOptions } from "./resolver_options.ts";
import { reverseDnsName } from "./reverse_name.ts";
import { searchedNames } from "./search_list.ts";
import type { ServicesTable } from "./services_file.ts";
import { sourceAddress } from "./source_address.ts";
import { servicesOf } from "./system_files.ts";

/** Seconds that a record may have (RFC 2181 section 8). */
const TTL_MAX = 0x7fff_ffff;

/** A request that begins when it is told to. */
type StartableRequest = DnsRequest & { start(): void };

/**
 * Looks up names: a stub resolver on the loop (libevent's evdns_base), for any type of record, with the system's name servers, search
 * domains and hosts file or with others.
 *
 * It does not keep the loop alive unless something is being looked up. Lookups may be awaited, or told by callback from the loop. One that
 * was closed throws an `Error` when it is to look something up.
 * It is a {@linkcode HostResolver}: connections take it as their `resolver`.
 *
 * @example
 * ```ts
 * import { DnsResolver, EventBase } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using resolver = new DnsResolver(base);
 * resolver.lookup("localhost", "http", { type: "stream" }, (error, answers) => {
 *   console.log(error?.code ?? answers?.map(({ address }) => `${address.host}:${address.port}`));
 * });
 * base.dispatch();
 * ```
 */
export class DnsResolver extends ResolverBase implements HostResolver {
  readonly #servicesPath: string | false | undefined;
  #services: ServicesTable | undefined;

  /**
   * Sets it up; reads resolv.conf and the hosts file unless it is told otherwise. Files that cannot be read count as empty.
   *
   * @throws {TypeError} when a name server or `bindTo` is no address, a search domain no name, or `tls` for a server's side.
   * @throws {RangeError} for a number out of its range.
   * @throws {Error} when the base is closed.
   */
  constructor(base: EventBase, options: DnsResolverOptions = {}) {
    super(base, options);
    this.#servicesPath = options.services;
  }

  /**
   * Looks up the records of a name; what it is an alias of is followed.
   *
   * @param type a type by name or number; `"A"` by default.
   * @throws {DnsError} by rejection, when there are none; `code` says why.
   * @throws {TypeError} when there is no such type.
   * @throws {RangeError} when the deadline is none.
   */
  resolve(name: string, type?: string | number, options?: DnsQueryOptions): Promise<DnsAnswer>;
  /** As a {@linkcode HostResolver}: the addresses of a host by all that is known of it, best first (RFC 6724). */
  resolve(host: string, query: HostQuery): Promise<HostAddress[]>;
  resolve(
    name: string,
    what: string | number | HostQuery = "A",
    options: DnsQueryOptions = {},
  ): Promise<DnsAnswer | HostAddress[]> {
    if (typeof what === "object") return this.#resolveHost(name, what);
    return this.#promise<DnsAnswer>((callback) => this.query(name, what, options, callback));
  }

  /**
   * As {@linkcode DnsResolver.resolve}, by callback.
   *
   * @param callback called from the loop, never before this returns, with an error, or null and the answer.
   * @throws {TypeError} when there is no such type.
   * @throws {RangeError} when the deadline is none.
   */
  query(name: string, type: string | number, options: DnsQueryOptions, callback: DnsCallback<DnsAnswer>): DnsRequest {
    this.assertOpen("look up with");
    const number = typeof type === "number" ? type : dnsTypeNumber(type);
    if (number === undefined || !Number.isInteger(number) || number < 1 || number > 0xffff) {
      throw new TypeError(`Cannot look up records of type ${type}: there is no such type`);
    }
    checkDeadline(options);
    const names = this.#namesFor(name, options.noSearch === true);
    if (names === undefined) return this.#known(name, new DnsError("DNS_BAD_NAME", name), options, callback);
    return begun(new Lookup(this.surroundings, names, number, options, callback));
  }

  /** The IPv4 addresses of a name (evdns_base_resolve_ipv4). As in C the hosts file is not asked. */
  async resolve4(name: string, options: DnsQueryOptions = {}): Promise<string[]> {
    const { records } = await this.resolve(name, EVDNS_TYPE_A, options);
    return records.flatMap(({ data }) => data.kind === "A" ? [data.address] : []);
  }

  /** The IPv6 addresses of a name (evdns_base_resolve_ipv6). As in C the hosts file is not asked. */
  async resolve6(name: string, options: DnsQueryOptions = {}): Promise<string[]> {
    const { records } = await this.resolve(name, EVDNS_TYPE_AAAA, options);
    return records.flatMap(({ data }) => data.kind === "AAAA" ? [data.address] : []);
  }

  /**
   * The names of an address, IPv4 or IPv6 (evdns_base_resolve_reverse, evdns_base_resolve_reverse_ipv6).
   *
   * @throws {TypeError} when it is no address.
   */
  async reverse(address: string, options: DnsQueryOptions = {}): Promise<string[]> {
    const name = reverseDnsName(address);
    if (name === undefined) throw new TypeError(`Cannot look up the name of "${address}": it is not an address`);
    const { records } = await this.resolve(name, EVDNS_TYPE_PTR, { ...options, noSearch: true });
    return records.flatMap(({ data }) => data.kind === "PTR" ? [data.target] : []);
  }

  /**
   * Looks up a host and a service as getaddrinfo does (evdns_getaddrinfo): addresses as text, the hosts file, search domains, both families
   * at the same time. IPv4 addresses come first, unless {@linkcode DnsResolverSettings.sortAddresses} is set.
   *
   * @param host a name or an address; null for this host.
   * @param service a port, or the name of a service; null for port 0.
   * @throws {DnsError} by rejection; `eai` says what getaddrinfo would.
   * @throws {TypeError} when neither host nor service is given.
   * @throws {RangeError} when the port is none, or the deadline.
   */
  getaddrinfo(
    host: string | null,
    service: string | number | null = null,
    hints: NameLookupHints & DnsQueryOptions = {},
  ): Promise<NameLookupAnswer[]> {
    return this.#promise<NameLookupAnswer[]>((callback) => this.lookup(host, service, hints, callback));
  }

  /**
   * As {@linkcode DnsResolver.getaddrinfo}, by callback; {@linkcode DnsRequest.cancel} is evdns_getaddrinfo_cancel.
   *
   * @param callback called from the loop, never before this returns, with an error, or null and the answers.
   * @throws {TypeError} when neither host nor service is given.
   * @throws {RangeError} when the port is none, or the deadline.
   */
  lookup(
    host: string | null,
    service: string | number | null,
    hints: NameLookupHints & DnsQueryOptions,
    callback: DnsCallback<NameLookupAnswer[]>,
  ): DnsRequest {
    this.assertOpen("look up with");
    if (host === null && service === null) {
      throw new TypeError("Cannot look up nothing: neither host nor service is given");
    }
    checkDeadline(hints);
    const shown = host ?? "";
    let kinds: ReturnType<typeof socketKinds>;
    try {
      kinds = socketKinds(service, hints, () => this.#services ??= servicesOf(this.#servicesPath));
    } catch (error) {
      if (error instanceof DnsError) return this.#known(shown, error, hints, callback);
      throw error;
    }
    const told: DnsCallback<FoundAddresses> = (error, found) => {
      const sorted = this.settings.sortAddresses ? bestFirst : asTheyAre;
      const outcome = error ?? answersOf(shown, found!, kinds, hints, sorted);
      if (outcome instanceof DnsError) callback(outcome, null);
      else callback(null, outcome);
    };
    return this.#find(host, hints, familiesWanted(hints), undefined, told);
  }

  /**
   * Remembers addresses of a name, as if a name server had told them (evdns_cache_write).
   *
   * @param addresses IPv4 and IPv6 addresses; null forgets what is known of the name's addresses.
   * @param ttl for how many seconds; 0 to 2^31 - 1.
   * @throws {TypeError} when one is no address, or the name none.
   * @throws {RangeError} when the time is none.
   */
  cacheWrite(name: string, addresses: readonly string[] | null, ttl: number): void {
    const { cache } = this.desk;
    if (!isDnsName(name)) throw new TypeError(`Cannot remember addresses of "${name}": it is not a name`);
    const found = (addresses ?? []).map((address) => {
      const literal = address.includes("%") ? undefined : literalAddresses(address);
      if (literal === undefined) throw new TypeError(`Cannot remember "${address}": it is not an address`);
      return literal;
    });
    if (!Number.isInteger(ttl) || ttl < 0 || ttl > TTL_MAX) {
      throw new RangeError(`Cannot remember addresses of "${name}": the TTL is ${ttl}`);
    }
    cache.delete(name, [EVDNS_TYPE_A, EVDNS_TYPE_AAAA]);
    if (found.length === 0) return;
    const settings = { ...this.settings, cacheTtlMin: 0, cacheTtlMax: Infinity, cacheNegativeTtlMax: Infinity };
    for (
      const [type, kind, list] of [
        [EVDNS_TYPE_A, "A", found.flatMap(({ ipv4 }) => ipv4)],
        [EVDNS_TYPE_AAAA, "AAAA", found.flatMap(({ ipv6 }) => ipv6)],
      ] as const
    ) {
      const records = list.map((address) => dnsRecord(name, ttl, { kind, address }));
      const common = {
        name,
        canonicalName: name,
        type,
        ttl,
        isAuthentic: false,
        isTruncated: false,
        isFromCache: false,
      };
      const answer = records.length > 0 ? { ...common, records } : new DnsError("DNS_NODATA", name, { ttl });
      cache.store(name, type, answer, settings, this.base.now());
    }
  }

  /**
   * The addresses that are remembered of a name, without asking anybody (evdns_cache_lookup); undefined where nothing is known, an empty list
   * where it is known that there are none.
   */
  cacheLookup(name: string): string[] | undefined {
    if (!isDnsName(name)) return undefined;
    const known = [EVDNS_TYPE_A, EVDNS_TYPE_AAAA]
      .map((type) => this.desk.cache.find(name, type, this.base.now()))
      .filter((one) => one !== undefined);
    if (known.length === 0) return undefined;
    return known.flatMap((one) => one instanceof DnsError ? [] : one.records)
      .flatMap(({ data }) => data.kind === "A" || data.kind === "AAAA" ? [data.address] : []);
  }

  /** Forgets all answers. */
  clearCache(): void {
    this.desk.cache.clear();
  }

  /** How many answers are remembered, those included whose time is over and that nobody has asked for since. */
  get cacheSize(): number {
    return this.desk.cache.size;
  }

  #resolveHost(host: string, query: HostQuery): Promise<HostAddress[]> {
    const { family, signal } = query;
    const families = family === "any" ? ["ipv6", "ipv4"] as const : [family];
    const partial = (addresses: readonly string[]): void => query.partial(bestFirst(addresses).map(hostAddress));
    return this.#promise<FoundAddresses>((callback) => this.#find(host, { signal }, families, partial, callback))
      .then(({ ipv6, ipv4 }) =>
        bestFirst([...family === "ipv4" ? [] : ipv6, ...family === "ipv6" ? [] : ipv4]).map(hostAddress)
      );
  }

  /** Finds addresses by all that is known: literal ones, the hosts file, what `localhost` always is, the DNS. */
  #find(
    host: string | null,
    hints: NameLookupHints & DnsQueryOptions,
    families: readonly ("ipv4" | "ipv6")[],
    partial: ((addresses: readonly string[]) => void) | undefined,
    callback: DnsCallback<FoundAddresses>,
  ): DnsRequest {
    this.assertOpen("look up with");
    if (host === null || host === "") return this.#known("", ownAddresses(hints), hints, callback);
    const literal = literalAddresses(host);
    if (literal !== undefined) return this.#known(host, literal, hints, callback);
    if (hints.numericHost === true) return this.#known(host, new DnsError("DNS_NOT_NUMERIC", host), hints, callback);
    const names = this.#namesFor(host, hints.noSearch === true);
    if (names === undefined) return this.#known(host, new DnsError("DNS_BAD_NAME", host), hints, callback);
    const entry = this.#hostsEntry(host, families);
    if (entry !== undefined) return this.#known(host, entry, hints, callback);
    const { useTcp, ignoreTruncation, noCache, deadlineMs, signal } = hints;
    const query = { useTcp, ignoreTruncation, noCache, deadlineMs, signal, partial };
    const { allowSkewMs } = this.settings;
    return begun(
      new AddressLookup(this.base, this.surroundings, { ...query, names, families, skewMs: allowSkewMs }, callback),
    );
  }

  #hostsEntry(host: string, families: readonly ("ipv4" | "ipv6")[]): FoundAddresses | undefined {
    const entry = this.hosts.find(host);
    const addresses = entry?.addresses.map(({ host, scope }) => scope === undefined ? host : `${host}%${scope}`) ?? [];
    const ipv4 = families.includes("ipv4") ? addresses.filter((address) => !address.includes(":")) : [];
    const ipv6 = families.includes("ipv6") ? addresses.filter((address) => address.includes(":")) : [];
    if (ipv4.length + ipv6.length > 0) return { canonicalName: entry!.canonicalName, ipv4, ipv6 };
    // The DNS is never asked about this one (RFC 6761 section 6.3).
    if (!/^(?:.+\.)?localhost\.?$/i.test(host)) return undefined;
    return { canonicalName: "localhost", ipv4: ["127.0.0.1"], ipv6: ["::1"] };
  }

  #namesFor(name: string, noSearch: boolean): string[] | undefined {
    if (name === "" || !isDnsName(name)) return undefined;
    return noSearch ? [name] : searchedNames(name, this.searchDomains, this.settings.ndots);
  }

  #known<T>(host: string, outcome: T | DnsError, { signal }: DnsQueryOptions, callback: DnsCallback<T>): DnsRequest {
    return begun(new KnownOutcome(this.surroundings, host, outcome, signal, callback));
  }

  /** Turns a request into a promise, which is rejected too when the base is closed. */
  #promise<T>(begin: (callback: DnsCallback<T>) => DnsRequest): Promise<T> {
    const waiter = new Waiter<T>();
    const request = begin((error, answer) => {
      // Where the base is closed, that is what a promise is rejected with.
      if (waiter.isSettled || this.isBaseClosed) return;
      if (error !== null) waiter.reject(error);
      else waiter.resolve(answer!);
    });
    waiter.wait(this.base, undefined, () => request.cancel());
    return waiter.promise;
  }
}

function begun<T extends StartableRequest>(request: T): DnsRequest {
  request.start();
  return request;
}

function checkDeadline({ deadlineMs }: DnsQueryOptions): void {
  if (deadlineMs === undefined || deadlineMs > 0) return;
  throw new RangeError(`Cannot look up within ${deadlineMs} ms: that is no time`);
}

function bestFirst(addresses: readonly string[]): string[] {
  return sortAddresses(addresses, sourceAddress);
}

function asTheyAre(addresses: readonly string[]): readonly string[] {
  return addresses;
}

function hostAddress(text: string): HostAddress {
  const percent = text.indexOf("%");
  return percent < 0 ? { host: text } : { host: text.slice(0, percent), scope: Number(text.slice(percent + 1)) };
}
