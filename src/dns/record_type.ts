/** Types and classes of records by name. */

/** The types that have a name here. */
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  HINFO: 13,
  PTR: 12,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  SIG: 24,
  KEY: 25,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
};

const CLASSES: Readonly<Record<string, number>> = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 };

function inverse(table: Readonly<Record<string, number>>): Map<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]));
}

const TYPE_NAMES = inverse(TYPES);
const CLASS_NAMES = inverse(CLASSES);

/** The name of a record type; `TYPE` and the number where there is none (RFC 3597 section 5). */
export function dnsTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** The number of a record type by its name in any case, `TYPE123` included; undefined where it is none. */
export function dnsTypeNumber(name: string): number | undefined {
  return numberOf(name, TYPES, /^TYPE(\d{1,5})$/);
}

/** The name of a class; `CLASS` and the number where there is none. */
export function dnsClassName(value: number): string {
  return CLASS_NAMES.get(value) ?? `CLASS${value}`;
}

/** The number of a class by its name in any case, `CLASS123` included; undefined where it is none. */
export function dnsClassNumber(name: string): number | undefined {
  return numberOf(name, CLASSES, /^CLASS(\d{1,5})$/);
}

function numberOf(name: string, table: Readonly<Record<string, number>>, generic: RegExp): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(table, upper)) return table[upper];
  const value = Number(generic.exec(upper)?.[1] ?? NaN);
  return value <= 0xffff ? value : undefined;
}
