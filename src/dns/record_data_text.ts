import { parseIpv4, parseIpv6 } from "../core/ip_text.ts";
import { EVDNS_CLASS_INET } from "./constants.ts";
import { DnsMessageError } from "./message_error.ts";
import { MessageReader } from "./message_reader.ts";
import { DNS_KIND_TYPES, type DnsData, type DnsDataKind, type SvcbData, type SvcParam } from "./record_data.ts";
import { readRecordData } from "./record_data_reader.ts";
import { SVC_PARAM_NAMES } from "./record_text.ts";
import { dnsTypeName } from "./record_type.ts";
import { ZoneFileError, type ZoneFileErrorCode } from "./zone_file_error.ts";
import type { ZoneToken } from "./zone_tokens.ts";
import { zoneSeconds } from "./zone_time.ts";

const kinds = new Map(Object.entries(DNS_KIND_TYPES).map(([kind, type]) => [type, kind as DnsDataKind]));

/** What the words of an entry are read with. @internal */
export interface DataTextContext {
  /** The line, for errors. */
  readonly line: number;
  /** Makes a name absolute. */
  readonly name: (text: string) => string;
}

/** The words behind a type, read one after the other. */
class Words {
  readonly #tokens: readonly ZoneToken[];
  readonly #context: DataTextContext;
  #next = 0;

  constructor(tokens: readonly ZoneToken[], context: DataTextContext) {
    this.#tokens = tokens;
    this.#context = context;
  }

  get left(): number {
    return this.#tokens.length - this.#next;
  }

  fail(what: string, code: ZoneFileErrorCode = "ZONE_BAD_DATA"): never {
    throw new ZoneFileError(code, this.#context.line, what);
  }

  text(what: string): string {
    const token = this.#tokens[this.#next++];
    return token === undefined ? this.fail(`${what} is missing`) : token.text;
  }

  name(what: string): string {
    return this.#context.name(this.text(what));
  }

  number(what: string, max: number): number {
    const text = this.text(what);
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Infinity;
    return value <= max ? value : this.fail(`${what} is ${text}, and must be a number up to ${max}`);
  }

  seconds(what: string): number {
    const text = this.text(what);
    return zoneSeconds(text) ?? this.fail(`${what} is ${text}, and must be a time`);
  }

  string(what: string): Uint8Array {
    const bytes = stringBytes(this.text(what));
    if (bytes === undefined) return this.fail(`${what} has an escape that is none, or characters that are not ASCII`);
    return bytes.length <= 255 ? bytes : this.fail(`${what} has ${bytes.length} bytes, and may have 255`);
  }

  end(): void {
    if (this.left > 0) this.fail(`there is more than the type takes: ${this.#tokens[this.#next]!.text}`);
  }
}

/** The bytes of a string with escapes; undefined where one is wrong. */
function stringBytes(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const [piece] of text.matchAll(/\\\d{3}|\\[^]|[^]/g)) {
    const byte = piece.length === 4 ? Number(piece.slice(1)) : piece.charCodeAt(piece.length - 1);
    // A backslash before a digit needs two more.
    if (byte > 255 || (piece.length < 4 && byte > 126) || /^\\\d?$/.test(piece)) return undefined;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/**
 * Reads the data of a record as zone files have it; any type in the form of RFC 3597 section 5 (`\# 4 C0000201`).
 *
 * @throws {ZoneFileError} when it does not fit the type.
 *
 * @internal
 */
export function readDataText(type: number, tokens: readonly ZoneToken[], context: DataTextContext): DnsData {
  const words = new Words(tokens, context);
  const kind = kinds.get(type);
  if (tokens[0]?.text === "\\#" && !tokens[0].isQuoted) return genericData(type, words);
  if (kind === undefined) return words.fail(`type ${type} is only known as bytes, such as \\# 1 00`, "ZONE_BAD_TYPE");
  const data = readKind(kind, words);
  words.end();
  return data;
}

/** Data as bytes; that of a type which is known means the same as in the type's own form, and has to fit it (RFC 3597 section 5). */
function genericData(type: number, words: Words): DnsData {
  words.text("the mark");
  const length = words.number("the length", 65_535);
  let digits = "";
  while (words.left > 0) digits += words.text("the digits");
  if (!/^[0-9a-f]*$/i.test(digits) || digits.length !== length * 2) {
    return words.fail(`there are ${digits.length} hexadecimal digits for ${length} bytes`);
  }
  const bytes = Uint8Array.from({ length }, (_, index) => parseInt(digits.slice(index * 2, index * 2 + 2), 16));
  try {
    return readRecordData(new MessageReader(bytes), type, EVDNS_CLASS_INET, length);
  } catch (error) {
    if (error instanceof DnsMessageError) return words.fail(`the bytes do not fit type ${dnsTypeName(type)}`);
    throw error;
  }
}

function readKind(kind: DnsDataKind, words: Words): DnsData {
  switch (kind) {
    case "A":
    case "AAAA": {
      const address = words.text("the address");
      const isRight = (kind === "A" ? parseIpv4(address) : parseIpv6(address)) !== null;
      return isRight ? { kind, address } : words.fail(`${address} is no address for ${kind}`);
    }
    case "NS":
    case "CNAME":
    case "PTR":
    case "DNAME":
      return { kind, target: words.name("the name") };
    case "MX":
      return { kind, preference: words.number("the preference", 0xffff), exchange: words.name("the host") };
    case "SOA":
      return {
        kind,
        primary: words.name("the primary server"),
        mailbox: words.name("the mailbox"),
        serial: words.number("the serial number", 0xffff_ffff),
        refresh: words.seconds("refresh"),
        retry: words.seconds("retry"),
        expire: words.seconds("expire"),
        minimum: words.seconds("minimum"),
      };
    case "TXT":
    case "SPF": {
      const strings = [words.string("the text")];
      while (words.left > 0) strings.push(words.string("the text"));
      return { kind, strings };
    }
    case "SRV":
      return {
        kind,
        priority: words.number("the priority", 0xffff),
        weight: words.number("the weight", 0xffff),
        port: words.number("the port", 0xffff),
        target: words.name("the host"),
      };
    case "CAA": {
      const flags = words.number("the flags", 0xff);
      const tag = words.text("the tag");
      if (!/^[0-9A-Za-z]+$/.test(tag)) words.fail(`the tag is ${tag}`);
      return { kind, flags, tag, value: words.string("the value") };
    }
    case "SVCB":
    case "HTTPS":
      return readService(kind, words);
  }
}

function readService(kind: SvcbData["kind"], words: Words): DnsData {
  const priority = words.number("the priority", 0xffff);
  const target = words.name("the host");
  const params: SvcParam[] = [];
  while (words.left > 0) {
    const [, name = "", value = ""] = /^([^=]*)=?([^]*)$/.exec(words.text("a parameter")) ?? [];
    const key = paramKey(name) ?? words.fail(`there is no parameter ${name}`);
    const bytes = name.startsWith("key") ? stringBytes(value) : paramBytes(key, value);
    params.push({ key, value: bytes ?? words.fail(`${name} cannot be ${value}`) });
  }
  params.sort((one, other) => one.key - other.key);
  const twice = params.find(({ key }, index) => key === params[index + 1]?.key);
  return twice === undefined ? { kind, priority, target, params } : words.fail(`parameter ${twice.key} is there twice`);
}

function paramKey(name: string): number | undefined {
  const known = SVC_PARAM_NAMES.indexOf(name);
  if (known >= 0) return known;
  const key = Number(/^key(\d{1,5})$/.exec(name)?.[1] ?? NaN);
  return key <= 0xffff ? key : undefined;
}

/** The wire format of a parameter's value; undefined where it is wrong. */
function paramBytes(key: number, text: string): Uint8Array | undefined {
  const parts = text === "" ? [] : text.split(",");
  const joined = (pieces: readonly (Uint8Array | null | undefined)[]): Uint8Array | undefined => {
    if (pieces.length === 0 || pieces.some((piece) => piece === null || piece === undefined)) return undefined;
    return Uint8Array.from(pieces.flatMap((piece) => Array.from(piece!)));
  };
  const word = (value: number | undefined): Uint8Array | undefined =>
    value !== undefined && value <= 0xffff ? Uint8Array.of(value >> 8, value & 0xff) : undefined;
  switch (key) {
    case 0:
      return joined(parts.map((name) => word(paramKey(name))));
    case 1:
      return joined(parts.map((name) => {
        const bytes = stringBytes(name);
        return bytes === undefined || bytes.length === 0 || bytes.length > 255
          ? null
          : Uint8Array.of(bytes.length, ...bytes);
      }));
    case 2:
      return text === "" ? new Uint8Array(0) : undefined;
    case 3:
      return /^\d{1,5}$/.test(text) ? word(Number(text)) : undefined;
    case 4:
      return joined(parts.map(parseIpv4));
    case 5:
      return /^(?:[\w+/]{4})*(?:[\w+/]{2}==|[\w+/]{3}=)?$/.test(text) && !text.includes("_")
        ? Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
        : undefined;
    case 6:
      return joined(parts.map(parseIpv6));
    default:
      return stringBytes(text);
  }
}
