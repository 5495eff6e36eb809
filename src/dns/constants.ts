/** Numbers of the DNS protocol. Where libevent's `dns.h` has a name for one, that name stands here with the same value. */

/** Where a record stands: among the answers. */
export const EVDNS_ANSWER_SECTION = 0;
/** Where a record stands: in the authority section. */
export const EVDNS_AUTHORITY_SECTION = 1;
/** Where a record stands: in the additional section. */
export const EVDNS_ADDITIONAL_SECTION = 2;

/** IPv4 address (RFC 1035). */
export const EVDNS_TYPE_A = 1;
/** Name server (RFC 1035). */
export const EVDNS_TYPE_NS = 2;
/** Alias (RFC 1035). */
export const EVDNS_TYPE_CNAME = 5;
/** Start of a zone (RFC 1035). */
export const EVDNS_TYPE_SOA = 6;
/** Name of an address (RFC 1035). */
export const EVDNS_TYPE_PTR = 12;
/** Mail exchange (RFC 1035). */
export const EVDNS_TYPE_MX = 15;
/** Text (RFC 1035). */
export const EVDNS_TYPE_TXT = 16;
/** IPv6 address (RFC 3596). */
export const EVDNS_TYPE_AAAA = 28;
/** In questions: transfer of a whole zone (RFC 5936). */
export const EVDNS_QTYPE_AXFR = 252;
/** In questions: all types (RFC 8482 says what may be answered). */
export const EVDNS_QTYPE_ALL = 255;
/** The internet. */
export const EVDNS_CLASS_INET = 1;
/** In questions: any class. */
export const DNS_CLASS_ANY = 255;
/** In updates: no class (RFC 2136). */
export const DNS_CLASS_NONE = 254;

/** Flag: a response, not a query. */
export const DNS_FLAG_RESPONSE = 0x8000;
/** Flag: authoritative answer. */
export const EVDNS_FLAGS_AA = 0x400;
/** Flag: cut to the size of a datagram. */
export const DNS_FLAG_TRUNCATED = 0x200;
/** Flag: recursion desired. */
export const DNS_FLAG_RECURSION_DESIRED = 0x100;
/** Flag: recursion available. libevent calls it recursion desired, which its value is not. */
export const EVDNS_FLAGS_RD = 0x080;
/** Flag: recursion available, by its right name. */
export const DNS_FLAG_RECURSION_AVAILABLE = 0x080;
/** Flag: authentic data (RFC 4035). */
export const DNS_FLAG_AUTHENTIC_DATA = 0x020;
/** Flag: checking disabled (RFC 4035). */
export const DNS_FLAG_CHECKING_DISABLED = 0x010;

/** What a message is for: a query. */
export const DNS_OPCODE_QUERY = 0;
/** What a message is for: a zone has changed (RFC 1996). */
export const DNS_OPCODE_NOTIFY = 4;
/** What a message is for: change records (RFC 2136). */
export const DNS_OPCODE_UPDATE = 5;

/** Response code: no error. */
export const DNS_ERR_NONE = 0;
/** Response code: the query could not be understood (FORMERR). */
export const DNS_ERR_FORMAT = 1;
/** Response code: the server has failed (SERVFAIL). */
export const DNS_ERR_SERVERFAILED = 2;
/** Response code: there is no such name (NXDOMAIN). */
export const DNS_ERR_NOTEXIST = 3;
/** Response code: the server does not do that (NOTIMP). */
export const DNS_ERR_NOTIMPL = 4;
/** Response code: the server does not want to (REFUSED). */
export const DNS_ERR_REFUSED = 5;
/** Response code: the server has no authority over that zone (NOTAUTH, RFC 2136). */
export const DNS_RCODE_NOTAUTH = 9;
/** Response code: no such version of EDNS here (BADVERS, RFC 6891). Needs EDNS to be said. */
export const DNS_RCODE_BADVERS = 16;

const RCODE_NAMES = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "YXDOMAIN",
  "YXRRSET",
  "NXRRSET",
];

/** The usual name of a response code, such as `NXDOMAIN`; `RCODE` and the number where there is none. */
export function dnsRcodeName(rcode: number): string {
  if (rcode === DNS_RCODE_NOTAUTH) return "NOTAUTH";
  if (rcode === DNS_RCODE_BADVERS) return "BADVERS";
  return RCODE_NAMES[rcode] ?? `RCODE${rcode}`;
}

/** Most bytes of a message over UDP where nothing else is agreed on (RFC 1035 section 4.2.1). */
export const DNS_UDP_BYTES = 512;
/** Bytes over UDP that are agreed on by EDNS unless one says otherwise: they pass through networks in one piece. */
export const DNS_EDNS_UDP_BYTES = 1232;
/** Most bytes of any message. */
export const DNS_MESSAGE_BYTES_MAX = 65_535;
