/** What records say, by kind. The kind is the name of the type; of a type that is not known here, or in another class, it is `unknown`. */

/** An IPv4 address (RFC 1035) or an IPv6 address (RFC 3596). */
export interface AddressData {
  /** Which of them. */
  readonly kind: "A" | "AAAA";
  /** The address as text. */
  readonly address: string;
}

/** A name: a name server, an alias, the name of an address (RFC 1035), or an alias for all below (RFC 6672). */
export interface NameData {
  /** Which of them. */
  readonly kind: "NS" | "CNAME" | "PTR" | "DNAME";
  /** The name. */
  readonly target: string;
}

/** A host that takes mail (RFC 1035). */
export interface MxData {
  /** The type. */
  readonly kind: "MX";
  /** Lower ones are tried first; 0 to 65535. */
  readonly preference: number;
  /** The host. */
  readonly exchange: string;
}

/** The start of a zone (RFC 1035); times in seconds. */
export interface SoaData {
  /** The type. */
  readonly kind: "SOA";
  /** The name server the zone comes from. */
  readonly primary: string;
  /** The mailbox of who is responsible, with a dot in place of the at sign. */
  readonly mailbox: string;
  /** Version of the zone. */
  readonly serial: number;
  /** How often secondary servers look for a new version. */
  readonly refresh: number;
  /** How soon they look again after a failure. */
  readonly retry: number;
  /** After how long without success they give up answering. */
  readonly expire: number;
  /** How long the absence of a record may be remembered (RFC 2308). */
  readonly minimum: number;
}

/** Text (RFC 1035, RFC 7208), as one or more strings of up to 255 bytes each. */
export interface TxtData {
  /** Which of them. */
  readonly kind: "TXT" | "SPF";
  /** The strings, whose characters have no encoding. */
  readonly strings: readonly Uint8Array[];
}

/** Where a service is (RFC 2782). */
export interface SrvData {
  /** The type. */
  readonly kind: "SRV";
  /** Lower ones are tried first; 0 to 65535. */
  readonly priority: number;
  /** Share among those of the same priority; 0 to 65535. */
  readonly weight: number;
  /** Its port. */
  readonly port: number;
  /** Its host; the root where there is no such service. */
  readonly target: string;
}

/** Who may issue certificates (RFC 8659). */
export interface CaaData {
  /** The type. */
  readonly kind: "CAA";
  /** 128: whoever does not understand the tag must not issue. */
  readonly flags: number;
  /** What is said, such as `issue`; letters and digits. */
  readonly tag: string;
  /** The value. */
  readonly value: Uint8Array;
}

/** A parameter of {@linkcode SvcbData}. */
export interface SvcParam {
  /** Its number; RFC 9460 section 14.3.2 lists them. */
  readonly key: number;
  /** Its value in wire format. */
  readonly value: Uint8Array;
}

/** How a service is reached (RFC 9460). */
export interface SvcbData {
  /** Which of them. */
  readonly kind: "SVCB" | "HTTPS";
  /** 0: an alias; otherwise lower ones are tried first. */
  readonly priority: number;
  /** The host; the root stands for the owner of the record. */
  readonly target: string;
  /** In ascending order of their keys, each key once. */
  readonly params: readonly SvcParam[];
}

/** Anything else, as bytes (RFC 3597). */
export interface UnknownData {
  /** Not known. */
  readonly kind: "unknown";
  /** The data as it stands in the message. */
  readonly bytes: Uint8Array;
}

/** What a record says; `kind` tells which of these it is. */
export type DnsData =
  | AddressData
  | NameData
  | MxData
  | SoaData
  | TxtData
  | SrvData
  | CaaData
  | SvcbData
  | UnknownData;

/** A kind of data that is known here: the name of its type. */
export type DnsDataKind = Exclude<DnsData["kind"], "unknown">;

/** The number of each kind's type. */
export const DNS_KIND_TYPES: Readonly<Record<DnsDataKind, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  CAA: 257,
};
