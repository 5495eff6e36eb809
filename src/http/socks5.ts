import type { ProxyCredentials } from "./http_tunnel.ts";
import { ProxyError } from "./proxy_error.ts";
import type { ProxyWay } from "./proxy_way.ts";

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const CREDENTIALS_VERSION = 1;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

const AWAITING_METHOD = 0, AWAITING_VERDICT = 1, AWAITING_REPLY = 2;

/** Version, reply, a reserved byte, the kind of address and its first byte: the first part of a reply, which says how long it is. */
const REPLY_FRONT_BYTES = 5;
const PORT_BYTES = 2;

/** Reply codes of RFC 1928 section 6. */
const REPLIES: readonly string[] = [
  "",
  "general failure",
  "not allowed by its rules",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "time to live expired",
  "command not supported",
  "address type not supported",
];

const encoder = new TextEncoder();

/** Where a way through a SOCKS5 proxy leads to: an address as bytes, or a name that the proxy looks up. */
export interface SocksTarget {
  /** 4 or 16 bytes, or a name. */
  readonly host: Uint8Array | string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Opens a way through a SOCKS5 proxy (RFC 1928), with a user name and password if need be (RFC 1929). */
export class Socks5Way implements ProxyWay {
  position = 0;
  readonly #request: Uint8Array;
  readonly #credentials: Uint8Array | null;
  #state = AWAITING_METHOD;
  // What has come of an answer that is not complete.
  readonly #answer: number[] = [];

  /** @throws {TypeError} or {RangeError} when a name or password has more than 255 bytes, or none. */
  constructor(target: SocksTarget, credentials?: ProxyCredentials) {
    this.#request = connectRequest(target);
    this.#credentials = credentials === undefined ? null : credentialsMessage(credentials);
  }

  begin(): Uint8Array {
    const methods = this.#credentials === null ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, USER_AND_PASSWORD];
    return Uint8Array.of(VERSION, methods.length, ...methods);
  }

  receive(bytes: Uint8Array, start: number, end: number): Uint8Array | true | null {
    for (let at = start; at < end;) {
      this.#answer.push(bytes[at++]!);
      this.position = at;
      if (this.#answer.length < this.#answerLength()) continue;
      const next = this.#answered(this.#answer);
      this.#answer.length = 0;
      return next;
    }
    this.position = end;
    return null;
  }

  #answerLength(): number {
    const answer = this.#answer;
    if (this.#state !== AWAITING_REPLY) return 2;
    if (answer.length < REPLY_FRONT_BYTES) return REPLY_FRONT_BYTES;
    const kind = answer[3]!;
    if (kind === IPV4) return REPLY_FRONT_BYTES - 1 + 4 + PORT_BYTES;
    if (kind === IPV6) return REPLY_FRONT_BYTES - 1 + 16 + PORT_BYTES;
    return kind === NAME ? REPLY_FRONT_BYTES + answer[4]! + PORT_BYTES : REPLY_FRONT_BYTES;
  }

  #answered(answer: readonly number[]): Uint8Array | true {
    const [version, verdict] = answer as [number, number];
    if (this.#state === AWAITING_METHOD) {
      if (version !== VERSION) throw badReply(`it does not speak version 5, but ${version}`);
      if (verdict === NO_AUTHENTICATION) return this.#ask();
      if (verdict === USER_AND_PASSWORD && this.#credentials !== null) {
        this.#state = AWAITING_VERDICT;
        return this.#credentials;
      }
      if (verdict === 0xff) {
        throw new ProxyError("PROXY_AUTHENTICATION_FAILED", "it takes no way to authenticate that is offered");
      }
      throw badReply(`it has chosen method ${verdict}, which was not offered`);
    }
    if (this.#state === AWAITING_VERDICT) {
      if (version !== CREDENTIALS_VERSION) throw badReply(`it does not speak version 1 of RFC 1929, but ${version}`);
      if (verdict !== 0) throw new ProxyError("PROXY_AUTHENTICATION_FAILED", "user name or password is wrong");
      return this.#ask();
    }
    if (version !== VERSION) throw badReply(`it does not speak version 5, but ${version}`);
    if (verdict !== 0) {
      throw new ProxyError("PROXY_REFUSED", REPLIES[verdict] ?? `unknown reply ${verdict}`, { reply: verdict });
    }
    const kind = answer[3];
    if (kind !== IPV4 && kind !== IPV6 && kind !== NAME) throw badReply(`there is no address of kind ${kind}`);
    return true;
  }

  #ask(): Uint8Array {
    this.#state = AWAITING_REPLY;
    return this.#request;
  }
}

function connectRequest({ host, port }: SocksTarget): Uint8Array {
  const address = typeof host === "string"
    ? [NAME, ...counted(host, "a host name")]
    : [host.length === 4 ? IPV4 : IPV6, ...host];
  return Uint8Array.of(VERSION, CONNECT, 0, ...address, port >> 8, port & 0xff);
}

function credentialsMessage({ user, password }: ProxyCredentials): Uint8Array {
  return Uint8Array.of(CREDENTIALS_VERSION, ...counted(user, "a user name"), ...counted(password, "a password"));
}

/** Text behind its length. */
function counted(text: string, what: string): number[] {
  const bytes = encoder.encode(text);
  if (bytes.length === 0 || bytes.length > 255) {
    throw new RangeError(`Cannot send ${what} of ${bytes.length} bytes to a SOCKS5 proxy: 1 to 255 are possible`);
  }
  return [bytes.length, ...bytes];
}

function badReply(what: string): ProxyError {
  return new ProxyError("PROXY_BAD_REPLY", what);
}
