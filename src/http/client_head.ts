import type { HttpClientRequest } from "./client_request.ts";
import { EVHTTP_REQ_CONNECT, EVHTTP_REQ_PATCH, EVHTTP_REQ_POST, EVHTTP_REQ_PUT } from "./methods.ts";

/** Methods whose requests say how long their body is even if there is none (RFC 9110 section 8.6). */
const BODY_METHODS = EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH;

/** How the body of a request is framed: it has so many bytes, or comes in chunks. */
export interface RequestFraming {
  /** Bytes of the body; -1 for chunks. */
  readonly length: number;
}

/**
 * How the body of a request is to be framed.
 *
 * @throws {TypeError} when a Content-Length among the fields is none, or is at odds with the body.
 */
export function framingOf(request: HttpClientRequest): RequestFraming {
  const { body, headers } = request;
  const declared = headers.get("content-length");
  if (declared === undefined) return { length: body.length };
  const length = /^\d{1,15}$/.test(declared) ? Number(declared) : -1;
  if (length < 0 || (body.length >= 0 && body.length !== length)) {
    const facts = body.length < 0 ? "no number of bytes" : `not the ${body.length} bytes there are`;
    throw new TypeError(
      `Cannot send ${request.describe()}: its Content-Length is ${JSON.stringify(declared)}, ${facts}`,
    );
  }
  return { length };
}

/** The request line and the header section, one character per byte. */
export function requestHead(request: HttpClientRequest, authority: string): string {
  const { headers, body, framing, methodId } = request;
  let text = `${request.method} ${request.target} HTTP/1.1\r\n`;
  // RFC 9110 section 7.2 wants it first; for CONNECT it repeats the target.
  if (!headers.has("host")) text += `Host: ${methodId === EVHTTP_REQ_CONNECT ? request.target : authority}\r\n`;
  const count = headers.size;
  for (let at = 0; at < count; at++) text += `${headers.nameAt(at)}: ${headers.valueAt(at)}\r\n`;
  if (framing.length < 0) text += "Transfer-Encoding: chunked\r\n";
  else if (!headers.has("content-length") && (!body.isAbsent || (methodId & BODY_METHODS) !== 0)) {
    text += `Content-Length: ${framing.length}\r\n`;
  }
  if (request.options.expectContinue === true && framing.length !== 0 && !headers.has("expect")) {
    text += "Expect: 100-continue\r\n";
  }
  return text + "\r\n";
}
