import { formatIpv4, formatIpv6 } from "../core/ip_text.ts";
import { latin1 } from "../core/latin1.ts";
import type { DnsRecord } from "./message.ts";
import type { DnsData, SvcParam } from "./record_data.ts";
import { dnsClassName, dnsTypeName } from "./record_type.ts";

/** A string between quotation marks, as zone files have it (RFC 1035 section 5.1). */
export function quotedDnsText(bytes: Uint8Array): string {
  let result = "";
  for (const byte of bytes) {
    if (byte === 34 || byte === 92) result += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 32 && byte < 127) result += String.fromCharCode(byte);
    else result += `\\${String(byte).padStart(3, "0")}`;
  }
  return `"${result}"`;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A name with the dot at its end, which makes it absolute in a zone file. */
function absolute(name: string): string {
  // A dot behind an odd number of backslashes belongs to a label.
  return /(?<!\\)(?:\\\\)*\.$/.test(name) ? name : `${name}.`;
}

/** The data of a record as zone files have it, with absolute names. */
export function dnsDataText(data: DnsData): string {
  switch (data.kind) {
    case "A":
    case "AAAA":
      return data.address;
    case "NS":
    case "CNAME":
    case "PTR":
    case "DNAME":
      return absolute(data.target);
    case "MX":
      return `${data.preference} ${absolute(data.exchange)}`;
    case "SOA": {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = data;
      return `${absolute(primary)} ${absolute(mailbox)} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case "TXT":
    case "SPF":
      return data.strings.map(quotedDnsText).join(" ");
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${absolute(data.target)}`;
    case "CAA":
      return `${data.flags} ${data.tag} ${quotedDnsText(data.value)}`;
    case "SVCB":
    case "HTTPS":
      return [data.priority, absolute(data.target), ...data.params.map(paramText)].join(" ");
    case "unknown":
      return `\\# ${data.bytes.length}${data.bytes.length === 0 ? "" : ` ${hexOf(data.bytes)}`}`;
  }
}

/** A record as a line of a zone file. */
export function dnsRecordText(record: DnsRecord): string {
  const { name, ttl, data } = record;
  return `${absolute(name)} ${ttl} ${dnsClassName(record.class)} ${dnsTypeName(record.type)} ${dnsDataText(data)}`;
}

/** The parameters of services that have names, by their numbers (RFC 9460 section 14.3.2). @internal */
export const SVC_PARAM_NAMES: readonly string[] = [
  "mandatory",
  "alpn",
  "no-default-alpn",
  "port",
  "ipv4hint",
  "ech",
  "ipv6hint",
];

const NO_DEFAULT_ALPN = 2;

function paramText({ key, value }: SvcParam): string {
  const text = wellFormedText(key, value);
  const name = SVC_PARAM_NAMES[key];
  if (name !== undefined && text !== undefined) return text === "" ? name : `${name}=${text}`;
  // Under its number a parameter is bytes, whatever it is usually.
  return value.length === 0 ? `key${key}` : `key${key}=${quotedDnsText(value)}`;
}

/** The value of a parameter in the form it is usually written in; undefined where it does not have it. */
function wellFormedText(key: number, value: Uint8Array): string | undefined {
  const words = (size: number, show: (at: number) => string): string | undefined => {
    if (value.length % size !== 0) return undefined;
    return Array.from({ length: value.length / size }, (_, index) => show(index * size)).join(",");
  };
  const word = (at: number): number => value[at]! << 8 | value[at + 1]!;
  if (value.length === 0) return key === NO_DEFAULT_ALPN ? "" : undefined;
  switch (key) {
    case 0:
      return words(2, (at) => SVC_PARAM_NAMES[word(at)] ?? `key${word(at)}`);
    case 1:
      return protocolsText(value);
    case 3:
      return value.length === 2 ? `${word(0)}` : undefined;
    case 4:
      return words(4, (at) => formatIpv4(value, at));
    case 5:
      return btoa(latin1(value, 0, value.length));
    case 6:
      return words(16, (at) => formatIpv6(value, at));
    default:
      return undefined;
  }
}

/** Protocol names, if they need no escapes of their own. */
function protocolsText(value: Uint8Array): string | undefined {
  const names: string[] = [];
  for (let at = 0; at < value.length;) {
    const end = at + 1 + value[at]!;
    if (end > value.length) return undefined;
    const name = latin1(value, at + 1, end);
    if (!/^[\w./+-]+$/.test(name)) return undefined;
    names.push(name);
    at = end;
  }
  return names.join(",");
}
