import { EVDNS_CLASS_INET } from "./constants.ts";
import type { DnsRecord } from "./message.ts";
import { writtenDnsName } from "./name.ts";
import { readDataText } from "./record_data_text.ts";
import { dnsClassNumber, dnsTypeNumber } from "./record_type.ts";
import { ZoneFileError } from "./zone_file_error.ts";
import { zoneSeconds } from "./zone_time.ts";
import { zoneEntries, type ZoneEntry, type ZoneToken } from "./zone_tokens.ts";

/** Options of {@linkcode parseZoneFile}. */
export interface ZoneFileOptions {
  /** What relative names are relative to until the file says `$ORIGIN`; the root by default. */
  readonly origin?: string | undefined;
  /** TTL of records until the file says `$TTL`, in seconds. Without either a record takes the TTL of the one before, or its zone's minimum. */
  readonly ttl?: number | undefined;
}

/** RFC 2181 section 8. */
const TTL_MAX = 2 ** 31 - 1;

/** Whether a name ends in a dot that is not part of a label. */
const ABSOLUTE = /(?<!\\)(?:\\\\)*\.$/;

/**
 * Reads a zone file (RFC 1035 section 5): `$ORIGIN`, `$TTL` (RFC 2308), `@`, parentheses, comments, quoted strings, escapes, times such as
 * `1h30m`, and any type as bytes (RFC 3597). `$INCLUDE` is refused: no file is opened on behalf of another one.
 *
 * @returns the records in their order.
 * @throws {ZoneFileError} with the line, where something is wrong.
 * @throws {RangeError} when the origin is no name, or `ttl` no whole number of seconds.
 */
export function parseZoneFile(text: string, options: ZoneFileOptions = {}): DnsRecord[] {
  const reader = new ZoneFileReader(writtenDnsName(options.origin ?? "."), options.ttl);
  for (const entry of zoneEntries(text)) reader.take(entry);
  return reader.records;
}

class ZoneFileReader {
  readonly records: DnsRecord[] = [];
  #origin: string;
  #defaultTtl: number | undefined;
  #lastTtl: number | undefined;
  #owner: string | undefined;

  constructor(origin: string, ttl: number | undefined) {
    if (ttl !== undefined && !(Number.isInteger(ttl) && ttl >= 0 && ttl <= TTL_MAX)) {
      throw new RangeError(`Cannot use ${ttl} as the ttl of a zone: a whole number from 0 to ${TTL_MAX} is needed`);
    }
    this.#origin = origin;
    this.#defaultTtl = ttl;
  }

  take(entry: ZoneEntry): void {
    const first = entry.tokens[0]!;
    if (!entry.isIndented && !first.isQuoted && first.text.startsWith("$")) this.#directive(entry, first.text);
    else this.#record(entry);
  }

  #directive({ tokens, line }: ZoneEntry, name: string): void {
    const value = tokens[1]?.text;
    if (tokens.length !== 2 || value === undefined) {
      throw new ZoneFileError("ZONE_BAD_DIRECTIVE", line, `${name} takes one value here`);
    }
    switch (name.toUpperCase()) {
      case "$ORIGIN":
        this.#origin = this.#name(value, line);
        break;
      case "$TTL":
        this.#defaultTtl = zoneSeconds(value);
        if (this.#defaultTtl === undefined) throw new ZoneFileError("ZONE_BAD_TTL", line, `${value} is no time`);
        break;
      default:
        throw new ZoneFileError("ZONE_BAD_DIRECTIVE", line, `${name} is not supported`);
    }
  }

  /** A name that is absolute, without the dot at its end. */
  #name(text: string, line: number): string {
    const relative = this.#origin === "." ? text : `${text}.${this.#origin}`;
    const name = text === "@" ? this.#origin : ABSOLUTE.test(text) ? text : relative;
    try {
      return writtenDnsName(name);
    } catch (error) {
      throw new ZoneFileError("ZONE_BAD_NAME", line, (error as Error).message);
    }
  }

  #record({ tokens, line, isIndented }: ZoneEntry): void {
    let at = 0;
    if (!isIndented) this.#owner = this.#name(tokens[at++]!.text, line);
    if (this.#owner === undefined) {
      throw new ZoneFileError("ZONE_BAD_NAME", line, "there is no name that it could be about");
    }
    let ttl: number | undefined;
    // The TTL and the class may stand in either order, or not at all.
    for (; at < tokens.length; at++) {
      const { text } = tokens[at]!;
      const seconds = zoneSeconds(text);
      if (seconds !== undefined && ttl === undefined) ttl = seconds;
      else if (dnsClassNumber(text) !== EVDNS_CLASS_INET) break;
    }
    const word = tokens[at++]?.text;
    const type = word === undefined ? undefined : dnsTypeNumber(word);
    if (type === undefined) {
      throw new ZoneFileError(
        "ZONE_BAD_TYPE",
        line,
        word === undefined ? "the type is missing" : `there is no type ${word}`,
      );
    }
    this.#add(this.#owner, ttl, type, tokens.slice(at), line);
  }

  #add(name: string, ttl: number | undefined, type: number, tokens: readonly ZoneToken[], line: number): void {
    const data = readDataText(type, tokens, { line, name: (text) => this.#name(text, line) });
    const minimum = data.kind === "SOA" ? data.minimum : undefined;
    const effective = ttl ?? this.#defaultTtl ?? this.#lastTtl ?? minimum;
    if (effective === undefined) {
      throw new ZoneFileError("ZONE_BAD_TTL", line, "neither the record nor $TTL says a TTL");
    }
    this.#lastTtl = effective;
    this.records.push({ name, type, class: EVDNS_CLASS_INET, ttl: effective, data });
  }
}
