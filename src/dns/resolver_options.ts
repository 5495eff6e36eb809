import type { IpSocketAddress, LogCallback, SecureLayer } from "../core/mod.ts";

/** What can be set while a {@linkcode DnsResolver} is at work. All have defaults. */
export interface DnsResolverSettings {
  /** A name with so many dots or more is tried as it is before the search domains; 1 by default, 0 to 255. */
  readonly ndots: number;
  /** How long a name server has to answer one query, in milliseconds; 5000 by default, 1 to an hour. */
  readonly timeoutMs: number;
  /** How many queries of one question may stay without an answer, 1 to 255; 3 by default. Each goes to the next name server. */
  readonly attempts: number;
  /** How long a lookup may take in all, waiting and search domains included, in milliseconds; 30,000 by default. */
  readonly deadlineMs: number;
  /** After how many queries in a row without an answer a name server counts as down, 1 to 255; 3 by default. */
  readonly maxTimeouts: number;
  /** Questions that are asked at one time, 1 to 65,000; 64 by default. Further ones wait. */
  readonly maxInflight: number;
  /** Questions that may wait, 0 to a million; 4096 by default. Further ones fail with `DNS_QUEUE_FULL`. */
  readonly waitingMax: number;
  /** Spread queries over all name servers; false by default: the first one that is not down is asked. libevent always spreads. */
  readonly rotate: boolean;
  /** Ask in letters of random case, and accept answers over UDP that repeat them exactly; true by default. Otherwise the case means nothing. */
  readonly randomizeCase: boolean;
  /**
   * Address to ask from; port 0 for a random one, which is what is safe. All name servers of its family are asked from one and the same port
   * otherwise, which nobody else may have, not even another resolver; over TCP the port is a random one in any case. Name servers of
   * the other family are asked from anywhere.
   */
  readonly bindTo: IpSocketAddress | undefined;
  /** How long after it was found down a name server is probed, in milliseconds; 10,000 by default, at most an hour. */
  readonly initialProbeMs: number;
  /** How long at most between two probes, in milliseconds; an hour by default. */
  readonly maxProbeMs: number;
  /** By what the time between two probes is multiplied, 1 to 10; 3 by default. */
  readonly probeBackoffFactor: number;
  /** How long `getaddrinfo` waits for the addresses of one family when those of the other are there, in milliseconds; 3000 by default. */
  readonly allowSkewMs: number;
  /**
   * Give the addresses of `getaddrinfo` in the order in which they should be tried (RFC 6724), as the C library does; false by default: IPv4
   * ones first, as in libevent. Connections by name use that order in any case.
   */
  readonly sortAddresses: boolean;
  /** Size of the kernel's receive buffer of UDP sockets, in bytes (SO_RCVBUF); 0, the default: the system's choice. */
  readonly receiveBufferBytes: number;
  /** Size of their send buffer, in bytes (SO_SNDBUF); 0, the default: the system's choice. */
  readonly sendBufferBytes: number;
  /**
   * Have queries of one length that leave together cut from one message by the kernel, as `segmentation` of a `Datagram` does; true by
   * default.
   */
  readonly segmentation: boolean;
  /** How long a TCP connection is kept without queries, in milliseconds; 5000 by default. */
  readonly tcpIdleMs: number;
  /** Ask over TCP only; false by default. */
  readonly useTcp: boolean;
  /** Make do with cut answers instead of asking again over TCP; false by default. */
  readonly ignoreTruncation: boolean;
  /**
   * Have name servers say whether they have verified an answer by DNSSEC, and believe them: {@linkcode DnsAnswer.isAuthentic}. False by default,
   * since it is worth as much as the way to them; `trust-ad` in a resolv.conf. When it changes, all answers are forgotten.
   */
  readonly authenticData: boolean;
  /** Bytes of an answer that are taken over UDP, 512 to 65,535; 1232 by default. 512: without EDNS, as libevent does by default. */
  readonly ednsUdpBytes: number;
  /** Queries that leave by one UDP socket before a new one, with a new random port, takes its place, 1 to 10,000; 256 by default. None is used for longer than a second. */
  readonly queriesPerSocket: number;
  /** Remember answers; true by default. */
  readonly cache: boolean;
  /**
   * Records that are remembered, 1 to ten million; 20,000 by default. That there are none counts as one, and a long record as one more for
   * each 256 bytes. The answers that were not asked for the longest go first.
   */
  readonly cacheRecordsMax: number;
  /** How many seconds an answer is remembered at least, 0 to an hour; 0 by default. */
  readonly cacheTtlMin: number;
  /** How many seconds an answer is remembered at most, 0 to a week; 86,400 by default. */
  readonly cacheTtlMax: number;
  /** How many seconds it is remembered at most that there is none, 0 to a week; 3600 by default (RFC 2308 section 5). */
  readonly cacheNegativeTtlMax: number;
}

/** How a {@linkcode DnsResolver} is set up. */
export interface DnsResolverOptions extends Partial<DnsResolverSettings> {
  /**
   * The name servers: addresses, or texts such as `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`. Without them those of
   * {@linkcode DnsResolverOptions.resolvConf} are used; an empty list means that they come later.
   */
  readonly nameservers?: readonly (string | IpSocketAddress)[] | undefined;
  /**
   * The domains in which short names are looked up, in that order. Without them those of the file, or where that says nothing of it the domain
   * of this host's name.
   */
  readonly search?: readonly string[] | undefined;
  /**
   * Path of the resolv.conf that name servers, search domains and options are taken from; `/etc/resolv.conf` by default, and nothing
   * is read where there are name servers already or for false. What the options say goes before the file.
   */
  readonly resolvConf?: string | false | undefined;
  /** Path of the hosts file; `/etc/hosts` by default. For false only `localhost` is known. */
  readonly hosts?: string | false | undefined;
  /** Path of the services file, which is read when a service is first asked for by name; `/etc/services` by default. */
  readonly services?: string | false | undefined;
  /** Ask 127.0.0.1 where the file has no name servers; true by default (without EVDNS_BASE_NAMESERVERS_NO_DEFAULT). */
  readonly defaultNameserver?: boolean | undefined;
  /** Encrypts the way to all name servers (DNS over TLS, RFC 7858): their port is then 853 unless it is given. */
  readonly tls?: SecureLayer | undefined;
  /** The name that the name servers' certificates must have; their addresses by default. */
  readonly tlsHostname?: string | undefined;
  /** Told what happens to name servers, as EVENT_LOG_WARN, and notes about queries, as EVENT_LOG_DEBUG (evdns_set_log_fn). */
  readonly log?: LogCallback | undefined;
}

/** How one lookup is done. */
export interface DnsQueryOptions {
  /** Do not try search domains (DNS_QUERY_NO_SEARCH). They are tried for A, AAAA and other types alike, never for reverse names. */
  readonly noSearch?: boolean | undefined;
  /** Ask over TCP (DNS_QUERY_USEVC). */
  readonly useTcp?: boolean | undefined;
  /** Make do with a cut answer (DNS_QUERY_IGNTC). */
  readonly ignoreTruncation?: boolean | undefined;
  /** Neither look into the cache nor put the answer there. */
  readonly noCache?: boolean | undefined;
  /** How long it may take in all, in milliseconds; {@linkcode DnsResolverSettings.deadlineMs} by default. */
  readonly deadlineMs?: number | undefined;
  /** Cancels it when aborted: the error is `DNS_CANCELLED`, its cause the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What is set where nothing else is said. @internal */
export const DEFAULT_SETTINGS: DnsResolverSettings = {
  ndots: 1,
  timeoutMs: 5000,
  attempts: 3,
  deadlineMs: 30_000,
  maxTimeouts: 3,
  maxInflight: 64,
  waitingMax: 4096,
  rotate: false,
  randomizeCase: true,
  bindTo: undefined,
  initialProbeMs: 10_000,
  maxProbeMs: 3_600_000,
  probeBackoffFactor: 3,
  allowSkewMs: 3000,
  sortAddresses: false,
  receiveBufferBytes: 0,
  sendBufferBytes: 0,
  segmentation: true,
  tcpIdleMs: 5000,
  useTcp: false,
  ignoreTruncation: false,
  authenticData: false,
  ednsUdpBytes: 1232,
  queriesPerSocket: 256,
  cache: true,
  cacheRecordsMax: 20_000,
  cacheTtlMin: 0,
  cacheTtlMax: 86_400,
  cacheNegativeTtlMax: 3600,
};
