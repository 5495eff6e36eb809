import {
  DNS_ERR_FORMAT,
  DNS_ERR_NOTEXIST,
  DNS_ERR_NOTIMPL,
  DNS_ERR_REFUSED,
  DNS_ERR_SERVERFAILED,
  dnsRcodeName,
} from "./constants.ts";

/** Why a lookup has failed. Codes are stable; messages are not. */
export type DnsErrorCode =
  | "DNS_FORMERR"
  | "DNS_SERVFAIL"
  | "DNS_NXDOMAIN"
  | "DNS_NOTIMP"
  | "DNS_REFUSED"
  | "DNS_RCODE"
  | "DNS_TRUNCATED"
  | "DNS_BAD_ANSWER"
  | "DNS_LAME"
  | "DNS_TIMEOUT"
  | "DNS_UNREACHABLE"
  | "DNS_SHUTDOWN"
  | "DNS_CANCELLED"
  | "DNS_NODATA"
  | "DNS_NO_SERVERS"
  | "DNS_QUEUE_FULL"
  | "DNS_BAD_NAME"
  | "DNS_NOT_NUMERIC"
  | "DNS_NO_SERVICE";

const TEXTS: Readonly<Record<DnsErrorCode, string>> = {
  DNS_FORMERR: "the name server did not understand the query",
  DNS_SERVFAIL: "the name server has failed to find out",
  DNS_NXDOMAIN: "there is no such name",
  DNS_NOTIMP: "the name server does not answer such queries",
  DNS_REFUSED: "the name server does not want to answer",
  DNS_RCODE: "the name server has answered with an error",
  DNS_TRUNCATED: "the answer was cut, and could not be had over TCP",
  DNS_BAD_ANSWER: "the answer is malformed",
  DNS_LAME: "the name server neither knows nor asks others",
  DNS_TIMEOUT: "no name server has answered in time",
  DNS_UNREACHABLE: "no name server can be reached",
  DNS_SHUTDOWN: "the resolver was closed",
  DNS_CANCELLED: "it was cancelled",
  DNS_NODATA: "the name exists and has no such record",
  DNS_NO_SERVERS: "there are no name servers to ask",
  DNS_QUEUE_FULL: "too many lookups wait already",
  DNS_BAD_NAME: "it is not a name that can be looked up",
  DNS_NOT_NUMERIC: "it is not an address, and only those were allowed",
  DNS_NO_SERVICE: "there is no such service",
};

const NUMBERS: Partial<Readonly<Record<DnsErrorCode, number>>> = {
  DNS_FORMERR: DNS_ERR_FORMAT,
  DNS_SERVFAIL: DNS_ERR_SERVERFAILED,
  DNS_NXDOMAIN: DNS_ERR_NOTEXIST,
  DNS_NOTIMP: DNS_ERR_NOTIMPL,
  DNS_REFUSED: DNS_ERR_REFUSED,
  DNS_TRUNCATED: 65,
  DNS_TIMEOUT: 67,
  DNS_UNREACHABLE: 67,
  DNS_SHUTDOWN: 68,
  DNS_CANCELLED: 69,
  DNS_NODATA: 70,
};

const EAI: Partial<Readonly<Record<DnsErrorCode, string>>> = {
  DNS_NXDOMAIN: "EAI_NONAME",
  DNS_BAD_NAME: "EAI_NONAME",
  DNS_NOT_NUMERIC: "EAI_NONAME",
  DNS_NODATA: "EAI_NODATA",
  DNS_NO_SERVICE: "EAI_SERVICE",
  DNS_CANCELLED: "EAI_CANCELED",
  DNS_SERVFAIL: "EAI_AGAIN",
  DNS_TIMEOUT: "EAI_AGAIN",
  DNS_UNREACHABLE: "EAI_AGAIN",
  DNS_NO_SERVERS: "EAI_AGAIN",
  DNS_QUEUE_FULL: "EAI_AGAIN",
};

/** What is known about a {@linkcode DnsError} beside its code. */
export interface DnsErrorFacts {
  /** The response code of the name server, where one has answered. */
  readonly rcode?: number | undefined;
  /** How many seconds the failure may be remembered; only where a name server has said so. */
  readonly ttl?: number | undefined;
  /** Where the aliases of the name end, if it has some. */
  readonly canonicalName?: string | undefined;
  /** What is behind it: a SystemError, a DnsMessageError, the reason of an AbortSignal. */
  readonly cause?: unknown;
}

/**
 * A name could not be looked up.
 *
 * @example
 * ```ts
 * import { DnsError } from "@evbase/evbase";
 *
 * const error = new DnsError("DNS_NXDOMAIN", "nobody.example", { rcode: 3 });
 * console.log(error.message); // Cannot look up nobody.example: there is no such name (DNS_NXDOMAIN)
 * console.log(error.eai); // EAI_NONAME
 * ```
 */
export class DnsError extends Error {
  /** Always `DnsError`. */
  override readonly name: string = "DnsError";
  /** The stable code to branch on. */
  readonly code: DnsErrorCode;
  /** What was looked up. */
  readonly host: string;
  /** What does not exist or has no such records: the name where the aliases of {@linkcode DnsError.host} end, if it has some. */
  readonly canonicalName: string;
  /** The response code of the name server, where one has answered; {@linkcode dnsRcodeName} names it. */
  readonly rcode: number | undefined;
  /** How many seconds the failure may be remembered (RFC 2308); undefined where nobody has said so. */
  readonly ttl: number | undefined;

  /** Describes a failed lookup of `host`. */
  constructor(code: DnsErrorCode, host: string, facts: DnsErrorFacts = {}) {
    const detail = code === "DNS_RCODE" && facts.rcode !== undefined ? `, ${dnsRcodeName(facts.rcode)}` : "";
    super(
      `Cannot look up ${host}: ${TEXTS[code]}${detail} (${code})`,
      facts.cause === undefined ? undefined : { cause: facts.cause },
    );
    this.code = code;
    this.host = host;
    this.canonicalName = facts.canonicalName ?? host;
    this.rcode = facts.rcode;
    this.ttl = facts.ttl;
  }

  /** The number that evdns hands to its callbacks for it (`DNS_ERR_`): 1 to 5, 65 to 70. */
  get number(): number {
    return NUMBERS[this.code] ?? 66;
  }

  /** What getaddrinfo would say: the name of an EAI_ code. */
  get eai(): string {
    return EAI[this.code] ?? "EAI_FAIL";
  }
}

/** The code of an error that a response code stands for. @internal */
export function codeOfRcode(rcode: number): DnsErrorCode {
  switch (rcode) {
    case DNS_ERR_FORMAT:
      return "DNS_FORMERR";
    case DNS_ERR_SERVERFAILED:
      return "DNS_SERVFAIL";
    case DNS_ERR_NOTEXIST:
      return "DNS_NXDOMAIN";
    case DNS_ERR_NOTIMPL:
      return "DNS_NOTIMP";
    case DNS_ERR_REFUSED:
      return "DNS_REFUSED";
    default:
      return "DNS_RCODE";
  }
}

/** What a `DNS_ERR_` number means (evdns_err_to_string). */
export function dnsErrorText(number: number): string {
  if (number === 0) return "no error";
  const found = Object.entries(NUMBERS).find(([, value]) => value === number);
  return found === undefined ? "unknown error" : TEXTS[found[0] as DnsErrorCode];
}
