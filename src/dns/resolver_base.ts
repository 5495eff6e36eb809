import type { EventBase, IpSocketAddress } from "../core/mod.ts";
import { DeadlineList } from "../core/deadline_list.ts";
import { reactorOf } from "../core/event_base.ts";
import { Deliveries } from "./deliveries.ts";
import type { HostsTable } from "./hosts_file.ts";
import type { Lookup, LookupSurroundings } from "./lookup.ts";
import { QuestionDesk } from "./question_desk.ts";
import { DNS_PORT, nameserverAddress, RESOLV_CONF_PATH, type ResolvConf, searchDomain } from "./resolv_conf.ts";
import { DEFAULT_SETTINGS, type DnsResolverOptions, type DnsResolverSettings } from "./resolver_options.ts";
import { checkAddress, namedSetting, namedSettingsOf, settingsOf } from "./resolver_settings.ts";
import { domainsOfHost } from "./search_list.ts";
import { hostsOf, orElse, readHosts, readResolvConf } from "./system_files.ts";

/** The port of DNS over TLS (RFC 7858). */
const TLS_PORT = 853;
const NOTHING: ResolvConf = { nameservers: [], search: undefined, options: [] };

/** A name server as a {@linkcode DnsResolver} sees it. */
export interface DnsServerState {
  /** Where it is. */
  readonly address: IpSocketAddress;
  /** Whether it has left too many queries in a row without an answer, and was not heard of since. */
  readonly isDown: boolean;
  /** Queries in a row without an answer. */
  readonly timeouts: number;
  /** Queries sent to it, probes included. */
  readonly sent: number;
  /** Answers of any kind from it. */
  readonly answers: number;
}

/** What of a resolv.conf is to be taken over. */
export interface ResolvConfParts {
  /** Its name servers, behind those there are (DNS_OPTION_NAMESERVERS); true by default. */
  readonly nameservers?: boolean | undefined;
  /**
   * Its search domains, in place of those there are (DNS_OPTION_SEARCH); true by default. Where neither there are any nor it says
   * something of them, the domain of this host's name.
   */
  readonly search?: boolean | undefined;
  /** Its options (DNS_OPTION_MISC); true by default. */
  readonly options?: boolean | undefined;
}

/** How a resolver is set up: its name servers, search domains, hosts and options. */
export abstract class ResolverBase implements Disposable {
  /** The base it belongs to. */
  readonly base: EventBase;
  /** @internal */
  protected readonly desk: QuestionDesk;
  /** @internal */
  protected readonly surroundings: LookupSurroundings;
  /** @internal */
  protected hosts: HostsTable;
  /** @internal Whether it was closed since its base was. */
  protected isBaseClosed = false;
  readonly #deadlines: DeadlineList<Lookup>;
  readonly #defaultPort: number;
  #search: readonly string[] = [];
  #isClosed = false;
  readonly #dependent = { close: (): void => this.#baseClosed() };

  /** @internal */
  constructor(base: EventBase, options: DnsResolverOptions) {
    reactorOf(base).assertOpen("create a resolver");
    const { tls, tlsHostname, nameservers, resolvConf = RESOLV_CONF_PATH } = options;
    if (tls !== undefined && tls.role !== "client") {
      throw new TypeError("Cannot ask name servers over the TLS of a server: give a client's context");
    }
    this.base = base;
    this.#defaultPort = tls === undefined ? DNS_PORT : TLS_PORT;
    const own = settingsOf(options);
    const known = nameservers?.map((one) => this.#addressOf(one));
    const ownSearch = options.search?.map(domainOf);
    const isFileWanted = known === undefined && resolvConf !== false;
    const file = isFileWanted ? orElse(resolvConf, readResolvConf, () => NOTHING) : NOTHING;
    this.hosts = hostsOf(options.hosts);
    this.desk = new QuestionDesk(base, { tls, tlsHostname }, options.log);
    this.desk.settings = { ...DEFAULT_SETTINGS, ...namedSettingsOf(file.options), ...own };
    this.#deadlines = new DeadlineList(base, this.desk.settings.deadlineMs);
    reactorOf(base).dependents.add(this.#dependent);
    this.surroundings = { desk: this.desk, deliveries: new Deliveries(base), deadlines: this.#deadlines };
    this.#search = ownSearch ?? file.search ?? (isFileWanted ? domainsOfHost() : []);
    for (const address of known ?? file.nameservers) this.desk.addServer(this.#withPort(address));
    if (known === undefined && this.desk.servers.length === 0 && options.defaultNameserver !== false) {
      this.desk.addServer({ family: "ipv4", host: "127.0.0.1", port: this.#defaultPort });
    }
  }

  #addressOf(server: string | IpSocketAddress): IpSocketAddress {
    const address = typeof server === "string" ? nameserverAddress(server, this.#defaultPort) : server;
    if (address === undefined) {
      throw new TypeError(`Cannot use "${server as string}" as a name server: it is not an address`);
    }
    const { port } = address;
    if (Number.isInteger(port) && port >= 1 && port <= 65_535) {
      checkAddress(address);
      return address;
    }
    throw new RangeError(`Cannot use port ${port} of a name server: ports are 1 to 65535`);
  }

  /** A file speaks of plain DNS; encrypted it is at its own port. */
  #withPort(address: IpSocketAddress): IpSocketAddress {
    return address.port === DNS_PORT ? { ...address, port: this.#defaultPort } : address;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** The settings in force. */
  get settings(): DnsResolverSettings {
    return this.desk.settings;
  }

  /**
   * Changes settings, for queries from now on.
   *
   * @throws {RangeError} for a number out of its range, the port or scope of `bindTo` among them, or {TypeError} for a `bindTo` that is no
   * address; nothing is changed then.
   */
  setOptions(settings: Partial<DnsResolverSettings>): void {
    this.desk.change(settingsOf(settings));
  }

  /**
   * Sets an option by the name it has in libevent and in resolv.conf, such as `"timeout"`; times are in seconds here
   * (evdns_base_set_option). The name may end with a colon.
   *
   * @throws {TypeError} for a name that is not known; nothing is changed then, nor for a value that is none.
   * @throws {RangeError} for a value that is none.
   */
  setOption(name: string, value: string): void {
    this.desk.change(namedSetting(name, value));
  }

  /** The name servers in the order in which they are asked, and how they are (evdns_base_get_nameserver_addr). */
  get nameservers(): readonly DnsServerState[] {
    return this.desk.servers.map(({ address, isDown, timeouts, sent, answers }) => ({
      address,
      isDown,
      timeouts,
      sent,
      answers,
    }));
  }

  /** How many name servers there are (evdns_base_count_nameservers). */
  get nameserverCount(): number {
    return this.desk.servers.length;
  }

  /** Questions that name servers are being asked. */
  get inflightCount(): number {
    return this.desk.activeCount;
  }

  /** Questions that wait for their turn. */
  get waitingCount(): number {
    return this.desk.waitingCount;
  }

  /**
   * Adds a name server behind the others (evdns_base_nameserver_ip_add, evdns_base_nameserver_sockaddr_add).
   *
   * @param server an address, or text such as `192.0.2.1`, `192.0.2.1:5353` or `[2001:db8::1]:53`.
   * @returns false when it was there already.
   * @throws {TypeError} when it is no address.
   * @throws {RangeError} when the port or the scope is none.
   */
  addNameserver(server: string | IpSocketAddress): boolean {
    this.assertOpen("add a name server to");
    return this.desk.addServer(this.#addressOf(server));
  }

  /**
   * Removes all name servers and asks nothing until {@linkcode ResolverBase.resume}; what was being asked waits, and is asked anew then
   * (evdns_base_clear_nameservers_and_suspend).
   */
  clearNameserversAndSuspend(): void {
    this.assertOpen("suspend");
    this.desk.isSuspended = true;
    this.desk.clearServers();
  }

  /** Asks again (evdns_base_resume). */
  resume(): void {
    this.assertOpen("resume");
    this.desk.isSuspended = false;
    this.desk.pump();
  }

  /** The domains that short names are looked up in, in their order. */
  get searchDomains(): readonly string[] {
    return this.#search;
  }

  /** @throws {TypeError} when one is no name. */
  set searchDomains(domains: readonly string[]) {
    this.#search = domains.map(domainOf);
  }

  /** Puts a domain in front of the others (evdns_base_search_add). @throws {TypeError} when it is no name. */
  addSearchDomain(domain: string): void {
    this.#search = [domainOf(domain), ...this.#search];
  }

  /**
   * Takes over what a resolv.conf says (evdns_base_resolv_conf_parse). Unlike in C no name server is added where the file has none.
   *
   * @throws {SystemError} when it cannot be read.
   */
  loadResolvConf(path: string = RESOLV_CONF_PATH, parts: ResolvConfParts = {}): void {
    this.assertOpen("set up");
    const file = readResolvConf(path);
    if (parts.options !== false) this.desk.change(namedSettingsOf(file.options));
    if (parts.search !== false) {
      this.#search = file.search ?? (this.#search.length > 0 ? this.#search : domainsOfHost());
    }
    if (parts.nameservers === false) return;
    for (const address of file.nameservers) this.desk.addServer(this.#withPort(address));
  }

  /**
   * Takes a hosts file, or a table of hosts, in place of the one there is (evdns_base_load_hosts; evdns_base_clear_host_addresses is an empty
   * table).
   *
   * @throws {SystemError} when the file cannot be read.
   */
  loadHosts(hosts: string | HostsTable): void {
    this.hosts = typeof hosts === "string" ? readHosts(hosts) : hosts;
  }

  /**
   * Closes it, also from within a callback. What is under way is told `DNS_SHUTDOWN`, from the loop (evdns_base_free with fail_requests).
   * Closing twice is harmless. It is closed with its base as well, which then tells at once what was not told yet.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.desk.close();
    this.#deadlines.close();
    // The loop has to tell who waits; if it does not come to that, the base does when it is closed.
    this.surroundings.deliveries.whenAllTold(() => reactorOf(this.base).dependents.delete(this.#dependent));
  }

  #baseClosed(): void {
    this.isBaseClosed = true;
    this.close();
    this.surroundings.deliveries.baseClosed();
  }

  /** Same as {@linkcode ResolverBase.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Throws unless it is open. */
  protected assertOpen(doing: string): void {
    if (this.#isClosed) throw new Error(`Cannot ${doing} a resolver that was closed`);
  }
}

function domainOf(text: string): string {
  const domain = searchDomain(text);
  if (domain === undefined) throw new TypeError(`Cannot search in "${text}": it is not the name of a domain`);
  return domain;
}
