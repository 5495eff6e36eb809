import { HttpHeaders, type HttpHeadersInit } from "./headers.ts";
import type { HttpLimits } from "./limits.ts";
import { END, ERROR, HEAD, NEED_MORE } from "./message_parser.ts";
import { EVHTTP_REQ_CONNECT } from "./methods.ts";
import { ProxyError } from "./proxy_error.ts";
import type { ProxyWay } from "./proxy_way.ts";
import { ResponseParser } from "./response_parser.ts";

/** Whom a proxy is to let through. */
export interface ProxyCredentials {
  /** A name without a colon. */
  readonly user: string;
  /** Its password. */
  readonly password: string;
}

const AUTHENTICATION_REQUIRED = 407;
const encoder = new TextEncoder();

/** Opens a way through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6). */
export class HttpTunnel implements ProxyWay {
  position = 0;
  readonly #request: string;
  readonly #parser: ResponseParser;

  /**
   * @param authority host and port of the way's other end, an IPv6 address in brackets.
   * @throws {TypeError} when a header field or the credentials hold what they may not.
   */
  constructor(
    authority: string,
    credentials: ProxyCredentials | undefined,
    headers: HttpHeadersInit | undefined,
    limits?: Partial<HttpLimits>,
  ) {
    const fields = new HttpHeaders(headers);
    fields.set("Host", authority);
    if (credentials !== undefined) fields.set("Proxy-Authorization", basicCredentials(credentials));
    const lines = [...fields].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    this.#request = `CONNECT ${authority} HTTP/1.1\r\n${lines}\r\n`;
    this.#parser = new ResponseParser(limits);
    this.#parser.expect(EVHTTP_REQ_CONNECT);
  }

  begin(): string {
    return this.#request;
  }

  receive(bytes: Uint8Array, start: number, end: number): true | null {
    const parser = this.#parser;
    let at = start;
    for (;;) {
      const event = parser.next(bytes, at, end);
      this.position = at = parser.position;
      if (event === NEED_MORE) return null;
      if (event === ERROR) throw new ProxyError("PROXY_BAD_REPLY", parser.error!.message, { cause: parser.error });
      const { status, reason } = parser.head;
      if (event === END && status >= 200) return true;
      if (event === HEAD && status >= 300) throw refusal(status, reason);
      if (event === HEAD && status === 101) {
        throw new ProxyError("PROXY_BAD_REPLY", "it has changed the protocol", { status });
      }
    }
  }
}

/** The value of an Authorization or Proxy-Authorization field of the Basic scheme, in UTF-8 (RFC 7617). */
export function basicCredentials({ user, password }: ProxyCredentials): string {
  if (user.includes(":")) {
    throw new TypeError("Cannot send a user name with a colon: it would end there (RFC 7617 section 2)");
  }
  let text = "";
  for (const byte of encoder.encode(`${user}:${password}`)) text += String.fromCharCode(byte);
  return `Basic ${btoa(text)}`;
}

function refusal(status: number, reason: string): ProxyError {
  const code = status === AUTHENTICATION_REQUIRED ? "PROXY_AUTHENTICATION_FAILED" : "PROXY_REFUSED";
  return new ProxyError(code, `it has answered ${status} ${reason}`.trimEnd(), { status });
}
