/**
 * The system's own name lookup, which blocks.
 *
 * @module
 */

import { errno, sys } from "./libc.ts";
import { os, runtime } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { SystemError } from "./errors.ts";
import {
  decodeSocketAddress,
  encodeSocketAddress,
  type Ipv4SocketAddress,
  type Ipv6SocketAddress,
  SOCKET_ADDRESS_BYTES_MAX,
} from "./sockaddr.ts";
import { allocate, cString, stringAt, stringIn } from "./strings.ts";
import { get, set } from "./struct.ts";

const c = os.constants;
const { addrinfo } = os.structs;

/** What a lookup is narrowed down to: the hints of getaddrinfo, each left open where it is absent. */
export interface NameLookupHints {
  /** Only addresses of this family (ai_family). */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** Only for sockets of this type (ai_socktype); without it an address comes once for each type. */
  readonly type?: "stream" | "datagram" | undefined;
  /** Only for this protocol, an IPPROTO_ number (ai_protocol). */
  readonly protocol?: number | undefined;
  /** Addresses to bind: without a host the wildcard rather than the loopback address (AI_PASSIVE). */
  readonly passive?: boolean | undefined;
  /** Ask for the host's canonical name, which comes with the first answer (AI_CANONNAME). */
  readonly canonicalName?: boolean | undefined;
  /** The host must be an address: nobody is asked (AI_NUMERICHOST). */
  readonly numericHost?: boolean | undefined;
  /** The service must be a number: nobody is asked (AI_NUMERICSERV). */
  readonly numericService?: boolean | undefined;
  /** With `family: "ipv6"`, IPv4-mapped addresses where there are no others (AI_V4MAPPED). */
  readonly mapped?: boolean | undefined;
  /** With `mapped`, both kinds (AI_ALL). */
  readonly all?: boolean | undefined;
  /** Only families that this host has an address of, the loopback ones not counted (AI_ADDRCONFIG). */
  readonly configured?: boolean | undefined;
}

/** One answer of {@linkcode lookUpBlocking}. */
export interface NameLookupAnswer {
  /** Where to connect or bind. */
  readonly address: Ipv4SocketAddress | Ipv6SocketAddress;
  /** Type of socket, a SOCK_ number of this system. */
  readonly type: number;
  /** Protocol, an IPPROTO_ number. */
  readonly protocol: number;
  /** The host's canonical name, where it was asked for. */
  readonly canonicalName?: string;
}

/** A name could not be looked up. */
export class NameLookupError extends Error {
  /** Always `NameLookupError`. */
  override readonly name: string = "NameLookupError";
  /** The EAI_ name of what went wrong, such as `EAI_NONAME`: the thing to compare. */
  readonly code: string;
  /** Its number, which differs between systems. */
  readonly number: number;

  /**
   * Describes a failed lookup.
   *
   * @param number what getaddrinfo returned
   * @param subject what was being looked up, to stand after "Cannot look up"
   */
  constructor(number: number, subject: string) {
    const code = codes.get(number) ?? `EAI ${number}`;
    super(`Cannot look up ${subject}: ${lookupErrorText(number)} (${code})`);
    this.code = code;
    this.number = number;
  }
}

const codes: ReadonlyMap<number, string> = new Map(
  Object.entries(c).filter(([name, number]) => name.startsWith("EAI_") && number !== 0)
    .map(([name, number]) => [number, name]),
);

/** What the system says of an EAI_ number (evutil_gai_strerror). */
export function lookupErrorText(number: number): string {
  return stringAt(Number(sys.gai_strerror(number)));
}

/**
 * Looks a host and a service up by whatever the system is set up for: files, DNS, ... (evutil_getaddrinfo).
 *
 * **It blocks**, the loop and everything else of the thread included, for as long as a name server takes to answer or not to.
 * It is meant for a program's start, and for addresses as text, which ask nobody. Deno's `--allow-net` is not consulted.
 *
 * @param host a name or an address, an IPv6 scope after `%` included; null for this host
 * @param service a port, or the name of a service; null for port 0
 * @throws {NameLookupError} when there is no answer; `code` says why.
 * @throws {SystemError} when a system call failed (EAI_SYSTEM).
 * @throws {TypeError} when neither host nor service is given, or one holds a NUL.
 * @throws {RangeError} when the port is none.
 */
export function lookUpBlocking(
  host: string | null,
  service: string | number | null,
  hints: NameLookupHints = {},
): NameLookupAnswer[] {
  if (host === null && service === null) {
    throw new TypeError("Cannot look up nothing: neither host nor service is given");
  }
  if (typeof service === "number" && !(Number.isInteger(service) && service >= 0 && service <= 65535)) {
    throw new RangeError(`Cannot use ${service} as a port: it must be an integer from 0 to 65535`);
  }
  const head = allocate(8);
  const hostBytes = host === null ? null : cString(host);
  const serviceBytes = service === null ? null : cString(String(service));
  const result = sys.getaddrinfo(hostBytes, serviceBytes, encodeHints(hints, typeof service === "number"), head);
  if (result !== 0) throw failure("getaddrinfo", result, errno[0]!, subjectOf(host, service));
  const first = Number(new DataView(head.buffer).getBigUint64(0, true));
  try {
    return answersFrom(first);
  } finally {
    sys.freeaddrinfo(runtime.word(first));
  }
}

function encodeHints(hints: NameLookupHints, isPort: boolean): Uint8Array {
  const bytes = allocate(addrinfo.size);
  const view = new DataView(bytes.buffer);
  const { fields } = addrinfo;
  const flags = [
    [hints.passive, c.AI_PASSIVE],
    [hints.canonicalName, c.AI_CANONNAME],
    [hints.numericHost, c.AI_NUMERICHOST],
    [isPort || hints.numericService, c.AI_NUMERICSERV],
    [hints.mapped, c.AI_V4MAPPED],
    [hints.all, c.AI_ALL],
    [hints.configured, c.AI_ADDRCONFIG],
  ] as const;
  set(view, fields.flags, flags.reduce((bits, [on, bit]) => on === true ? bits | bit : bits, 0));
  set(view, fields.family, { ipv4: c.AF_INET, ipv6: c.AF_INET6, any: c.AF_UNSPEC }[hints.family ?? "any"]);
  set(view, fields.socktype, { stream: c.SOCK_STREAM, datagram: c.SOCK_DGRAM, any: 0 }[hints.type ?? "any"]);
  set(view, fields.protocol, hints.protocol ?? 0);
  return bytes;
}

/** Copies a list that C made, since it is about to be freed. */
function answersFrom(first: Address): NameLookupAnswer[] {
  const answers: NameLookupAnswer[] = [];
  const { fields } = addrinfo;
  for (let at = first; at !== 0;) {
    const view = new DataView(runtime.viewAt(at, addrinfo.size));
    const family = get(view, fields.family);
    // A system may know families besides the Internet's two.
    if (family === c.AF_INET || family === c.AF_INET6) {
      const length = get(view, fields.addrlen);
      const bytes = new Uint8Array(runtime.viewAt(Number(get(view, fields.addr)), length)).slice();
      const name = Number(get(view, fields.canonname));
      answers.push({
        address: decodeSocketAddress(bytes, length) as Ipv4SocketAddress | Ipv6SocketAddress,
        type: get(view, fields.socktype),
        protocol: get(view, fields.protocol),
        ...(name === 0 ? {} : { canonicalName: stringAt(name) }),
      });
    }
    at = Number(get(view, fields.next));
  }
  return answers;
}

function subjectOf(host: string | null, service: string | number | null): string {
  const parts = [host === null ? "" : `host "${host}"`, service === null ? "" : `service "${service}"`];
  return parts.filter((part) => part !== "").join(", ");
}

function failure(syscall: string, result: number, systemErrno: number, subject: string): Error {
  return result === c.EAI_SYSTEM && systemErrno > 0
    ? new SystemError(systemErrno, syscall, `look up ${subject}`)
    : new NameLookupError(result, subject);
}

/** What an address is called. */
export interface AddressName {
  /** The host's name, or its address as text where it has none. */
  readonly host: string;
  /** The service's name, or its port as text where it has none. */
  readonly service: string;
}

/** How {@linkcode nameOfBlocking} answers. */
export interface AddressNameOptions {
  /** The address as text; nobody is asked (NI_NUMERICHOST). */
  readonly numericHost?: boolean | undefined;
  /** The port as text; nobody is asked (NI_NUMERICSERV). */
  readonly numericService?: boolean | undefined;
  /** Fail with EAI_NONAME rather than give an address for a name (NI_NAMEREQD). */
  readonly nameRequired?: boolean | undefined;
  /** The service of datagrams, where it has another name (NI_DGRAM). */
  readonly datagram?: boolean | undefined;
}

// NI_MAXHOST and NI_MAXSERV.
const hostBytes = allocate(1025);
const serviceBytes = allocate(32);

/**
 * What the system calls an address: the reverse of {@linkcode lookUpBlocking}, and like it **blocking**.
 *
 * @throws {NameLookupError} when there is no answer; `code` says why.
 * @throws {SystemError} when a system call failed (EAI_SYSTEM).
 */
export function nameOfBlocking(
  address: Ipv4SocketAddress | Ipv6SocketAddress,
  options: AddressNameOptions = {},
): AddressName {
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress(address, bytes);
  const flags = (options.numericHost === true ? c.NI_NUMERICHOST : 0) |
    (options.numericService === true ? c.NI_NUMERICSERV : 0) |
    (options.nameRequired === true ? c.NI_NAMEREQD : 0) |
    (options.datagram === true ? c.NI_DGRAM : 0);
  const result = sys.getnameinfo(
    bytes,
    length,
    hostBytes,
    hostBytes.length,
    serviceBytes,
    serviceBytes.length,
    flags,
  );
  if (result !== 0) throw failure("getnameinfo", result, errno[0]!, subjectOf(address.host, address.port));
  return { host: stringIn(hostBytes), service: stringIn(serviceBytes) };
}
