/**
 * Attacks on the agreement between servers about where a request ends. The smuggled request asks for /smuggled, which must never be
 * seen as a request of its own.
 */

/** The field that every request has. */
export const HOST = "Host: a\r\n";
/** The request that must stay hidden. */
export const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`;
const TE = "Transfer-Encoding: chunked\r\n";

/** Bytes that are sent on one connection, and what a strict server makes of them. */
export interface Attack {
  readonly title: string;
  readonly text: string;
  /** What the text gives: "BAD" and a code for a refusal, else the events. */
  readonly gives: string;
}

function post(title: string, fields: string, rest: string, gives: string): Attack {
  return { title, text: `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${rest}`, gives };
}

function chunked(title: string, rest: string, gives: string): Attack {
  return post(title, TE, rest, gives);
}

/** A length and chunks that each leave a request over for who goes by the other. */
function lengthAndChunks(title: string, fields: string, gives: string = "BAD HTTP_LENGTH_AND_CHUNKED"): Attack {
  return post(title, fields, `0\r\n\r\n${SMUGGLED}`, gives);
}

const bothFields: Attack[] = [
  lengthAndChunks("CL.TE: a length before chunks (RFC 9112 section 6.1)", `Content-Length: 6\r\n${TE}`),
  lengthAndChunks("TE.CL: chunks before a length (RFC 9112 section 6.3)", `${TE}Content-Length: 3\r\n`),
  lengthAndChunks("CL.TE with a length of zero (RFC 9112 section 6.3)", `Content-Length: 0\r\n${TE}`),
  lengthAndChunks(
    "CL.TE in names of another case (RFC 9110 section 5.1)",
    `CONTENT-LENGTH: 6\r\ntransfer-encoding: chunked\r\n`,
  ),
  lengthAndChunks(
    "CL.TE with fields between them (RFC 9112 section 6.3)",
    `Content-Length: 6\r\nX: 1\r\nY: 2\r\n${TE}`,
  ),
  {
    title: "TE in HTTP/1.0 (RFC 9112 section 6.1)",
    text: `POST / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n${TE}\r\n0\r\n\r\n${SMUGGLED}`,
    gives: "BAD HTTP_BAD_TRANSFER_ENCODING",
  },
  {
    title: "CL.TE in HTTP/1.0 (RFC 9112 section 6.1)",
    text: `POST / HTTP/1.0\r\n${HOST}Content-Length: 5\r\n${TE}\r\n0\r\n\r\n${SMUGGLED}`,
    gives: "BAD HTTP_LENGTH_AND_CHUNKED",
  },
];

function obfuscated(what: string, section: string, fields: string, code: string): Attack {
  return lengthAndChunks(`TE.TE: ${what} (${section})`, `Content-Length: 6\r\n${fields}`, `BAD ${code}`);
}

const codings: Attack[] = [
  obfuscated(
    "a blank before the colon",
    "RFC 9112 section 5.1",
    "Transfer-Encoding : chunked\r\n",
    "HTTP_BAD_HEADER_NAME",
  ),
  obfuscated(
    "a tab before the colon",
    "RFC 9112 section 5.1",
    "Transfer-Encoding\t: chunked\r\n",
    "HTTP_BAD_HEADER_NAME",
  ),
  obfuscated(
    "NUL before the colon",
    "RFC 9110 section 5.1",
    "Transfer-Encoding\0: chunked\r\n",
    "HTTP_BAD_HEADER_NAME",
  ),
  obfuscated(
    "a blank before the name",
    "RFC 9112 section 5.2",
    " Transfer-Encoding: chunked\r\n",
    "HTTP_FOLDED_HEADER",
  ),
  obfuscated("a folded value", "RFC 9112 section 5.2", "Transfer-Encoding:\r\n chunked\r\n", "HTTP_FOLDED_HEADER"),
  obfuscated("behind a lone LF", "RFC 9112 section 2.2", "X: 1\nTransfer-Encoding: chunked\r\n", "HTTP_BAD_LINE_END"),
  obfuscated("behind a lone CR", "RFC 9112 section 2.2", "X: 1\rTransfer-Encoding: chunked\r\n", "HTTP_BAD_LINE_END"),
  obfuscated(
    "CR before the line's end",
    "RFC 9112 section 2.2",
    "Transfer-Encoding: chunked\r\r\n",
    "HTTP_BAD_LINE_END",
  ),
  obfuscated(
    "a vertical tab in the value",
    "RFC 9110 section 5.5",
    "Transfer-Encoding: \x0bchunked\r\n",
    "HTTP_BAD_HEADER_VALUE",
  ),
  obfuscated("NUL in the value", "RFC 9110 section 5.5", "Transfer-Encoding: chunked\0\r\n", "HTTP_BAD_HEADER_VALUE"),
  obfuscated("a blank in the name", "RFC 9110 section 5.1", "Transfer Encoding: chunked\r\n", "HTTP_BAD_HEADER_NAME"),
  obfuscated("no colon", "RFC 9112 section 5", "Transfer-Encoding chunked\r\n", "HTTP_BAD_HEADER_NAME"),
  ...[
    ["an unknown coding", "xchunked", "RFC 9112 section 6.1"],
    ["chunked not last", "chunked, identity", "RFC 9112 section 6.3"],
    ["chunked twice", "chunked, chunked", "RFC 9112 section 6.1"],
    ["a quoted coding", '"chunked"', "RFC 9112 section 7"],
    ["an empty element", ",chunked", "RFC 9110 section 5.6.1"],
    ["a parameter", "chunked;q=1", "RFC 9112 section 7.1"],
    ["a byte above 127", "\xa0chunked", "RFC 9110 section 5.6.2"],
  ].map(([what = "", value = "", section = ""]) =>
    post(
      `TE.TE: ${what} (${section})`,
      `Transfer-Encoding: ${value}\r\n`,
      `0\r\n\r\n${SMUGGLED}`,
      "BAD HTTP_BAD_TRANSFER_ENCODING",
    )
  ),
  post(
    "TE.TE: two fields that disagree (RFC 9110 section 5.3)",
    `${TE}Transfer-Encoding: identity\r\n`,
    `0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_TRANSFER_ENCODING",
  ),
  post(
    "TE.TE: a name with an underscore is another field (RFC 9110 section 5.1)",
    `Transfer_Encoding: chunked\r\nContent-Length: ${5 + SMUGGLED.length}\r\n`,
    `0\r\n\r\n${SMUGGLED}`,
    `HEAD, BODY 0\r\n\r\n${SMUGGLED}, END`,
  ),
];

function lengths(title: string, fields: string, code: string = "HTTP_BAD_CONTENT_LENGTH"): Attack {
  return post(title, fields, SMUGGLED, `BAD ${code}`);
}

const contentLengths: Attack[] = [
  lengths(
    "CL.CL: lengths that differ (RFC 9112 section 6.3)",
    "Content-Length: 0\r\nContent-Length: 44\r\n",
    "HTTP_DUPLICATE_CONTENT_LENGTH",
  ),
  lengths(
    "CL.CL: lengths that agree (RFC 9110 section 8.6)",
    "Content-Length: 44\r\nContent-Length: 44\r\n",
    "HTTP_DUPLICATE_CONTENT_LENGTH",
  ),
  lengths("CL.CL: a list (RFC 9110 section 8.6)", "Content-Length: 44, 44\r\n"),
  lengths("CL.CL: the second one folded (RFC 9112 section 5.2)", "Content-Length: 0\r\n 44\r\n", "HTTP_FOLDED_HEADER"),
  lengths("CL with a sign (RFC 9110 section 8.6)", "Content-Length: +44\r\n"),
  lengths("CL below zero (RFC 9110 section 8.6)", "Content-Length: -1\r\n"),
  lengths("CL with a blank inside (RFC 9110 section 8.6)", "Content-Length: 4 4\r\n"),
  lengths("CL with an underscore (RFC 9110 section 8.6)", "Content-Length: 4_4\r\n"),
  lengths("CL in hexadecimal (RFC 9110 section 8.6)", "Content-Length: 0x2c\r\n"),
  lengths("CL of 2^64, which wraps to 0 (RFC 9110 section 8.6)", "Content-Length: 18446744073709551616\r\n"),
  lengths(
    "CL of 2^32, beyond the body's limit (RFC 9110 section 15.5.14)",
    "Content-Length: 4294967296\r\n",
    "HTTP_BODY_TOO_LARGE",
  ),
  lengths("CL that is empty (RFC 9110 section 8.6)", "Content-Length:\r\n"),
  lengths(
    "CL with a control character behind it (RFC 9110 section 5.5)",
    "Content-Length: 44\x0b\r\n",
    "HTTP_BAD_HEADER_VALUE",
  ),
  lengths("CL with a blank before the colon (RFC 9112 section 5.1)", "Content-Length : 44\r\n", "HTTP_BAD_HEADER_NAME"),
  {
    title: "0.CL: a body of GET is read (RFC 9110 section 9.3.1)",
    text: `GET / HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    gives: `HEAD, BODY ${SMUGGLED}, END`,
  },
  {
    title: "0.CL: a body of a method without a meaning for it is read (RFC 9112 section 6.3)",
    text: `DELETE / HTTP/1.1\r\n${HOST}${TE}\r\n2\r\nab\r\n0\r\n\r\n`,
    gives: "HEAD, BODY ab, END",
  },
  {
    title: "CL.0: a body announced on one line and begun on the next (RFC 9112 section 6.2)",
    text: `POST / HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length + 2}\r\n\r\n\r\n${SMUGGLED}`,
    gives: `HEAD, BODY \r\n${SMUGGLED}, END`,
  },
];

const chunks: Attack[] = [
  chunked(
    "chunk size of 2^64 + 1, which wraps to 1 (RFC 9112 section 7.1)",
    `10000000000000001\r\nX\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  chunked(
    "chunk size of 2^32, which wraps to 0 (RFC 9112 section 7.1)",
    `100000000\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BODY_TOO_LARGE",
  ),
  chunked("chunk size below zero (RFC 9112 section 7.1)", `-1\r\n\r\n${SMUGGLED}`, "BAD HTTP_BAD_CHUNK_SIZE"),
  chunked("chunk size with a prefix (RFC 9112 section 7.1)", `0x0\r\n\r\n${SMUGGLED}`, "BAD HTTP_BAD_CHUNK_SIZE"),
  chunked(
    "chunk size in other digits (RFC 9112 section 7.1)",
    `\xb2\r\nab\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  chunked(
    "chunk size with a blank behind it (RFC 9112 section 7.1)",
    `0 \r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  chunked(
    "chunk size with a vertical tab behind it (RFC 9112 section 7.1)",
    `0\x0b\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  chunked("chunk size ended by LF (RFC 9112 section 2.2)", `0\n\r\n${SMUGGLED}`, "BAD HTTP_BAD_CHUNK_SIZE"),
  chunked("chunk size ended by CR (RFC 9112 section 2.2)", `0\r\r\n${SMUGGLED}`, "BAD HTTP_BAD_LINE_END"),
  chunked(
    "no last chunk before the next request (RFC 9112 section 7.1)",
    `1\r\nX\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  // What is one byte to who skips two without looking, and two to who looks.
  chunked(
    "one byte in the place of the line's end (RFC 9112 section 7.1)",
    `1\r\nXY\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_END",
  ),
  chunked(
    "two bytes in the place of the line's end (RFC 9112 section 7.1)",
    `1\r\nXYZ0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_END",
  ),
  chunked(
    "TERM.SPILL: LF in the place of the line's end (RFC 9112 section 7.1)",
    `1\r\nX\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_END",
  ),
  chunked(
    "SPILL.TERM: more data than the chunk's size (RFC 9112 section 7.1)",
    `5\r\nhello0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_END",
  ),
  chunked(
    "TERM.EXT: LF inside an extension (RFC 9112 section 7.1.1)",
    `2;\nxx\r\n10\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_EXTENSION",
  ),
  chunked(
    "EXT.TERM: CR inside an extension (RFC 9112 section 7.1.1)",
    `2;a\rxx\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_LINE_END",
  ),
  chunked(
    "TERM.EXT: LF inside a quoted extension (RFC 9112 section 7.1.1)",
    `2;a="\nxx\r\n0\r\n\r\n${SMUGGLED}"`,
    "BAD HTTP_BAD_CHUNK_EXTENSION",
  ),
  chunked(
    "EXT.TERM: a line end inside a quoted extension (RFC 9112 section 7.1.1)",
    `2;a="\r\nxx\r\n0\r\n\r\n${SMUGGLED}"`,
    "BAD HTTP_BAD_CHUNK_EXTENSION",
  ),
  chunked(
    "a line end behind a backslash in an extension (RFC 9110 section 5.6.4)",
    `2;a="\\\r\nxx\r\n0\r\n\r\n${SMUGGLED}"`,
    "BAD HTTP_BAD_CHUNK_EXTENSION",
  ),
  chunked(
    "an extension without a semicolon (RFC 9112 section 7.1.1)",
    `2 a\r\nxx\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_CHUNK_SIZE",
  ),
  chunked(
    "a request inside a quoted extension stays there (RFC 9112 section 7.1.1)",
    `2;a="GET /smuggled"\r\nxx\r\n0\r\n\r\n`,
    "HEAD, BODY xx, END",
  ),
];

const trailers: Attack[] = [
  chunked(
    "a length as trailer (RFC 9110 section 6.5.1)",
    `0\r\nContent-Length: 44\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_FORBIDDEN_TRAILER",
  ),
  chunked(
    "a coding as trailer (RFC 9110 section 6.5.1)",
    `0\r\n${TE}\r\n0\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_FORBIDDEN_TRAILER",
  ),
  chunked(
    "a Host as trailer (RFC 9110 section 6.5.1)",
    `0\r\nHost: b\r\n\r\n${SMUGGLED}`,
    "BAD HTTP_FORBIDDEN_TRAILER",
  ),
  chunked(
    "credentials as trailer (RFC 9110 section 6.5.1)",
    `0\r\nAuthorization: x\r\n\r\n`,
    "BAD HTTP_FORBIDDEN_TRAILER",
  ),
  chunked("a trailer ended by LF (RFC 9112 section 2.2)", `0\r\nX: 1\n\r\n${SMUGGLED}`, "BAD HTTP_BAD_LINE_END"),
  chunked("a section ended by LF (RFC 9112 section 7.1.2)", `0\r\n\n${SMUGGLED}`, "BAD HTTP_BAD_LINE_END"),
  chunked(
    "a folded trailer (RFC 9112 section 5.2)",
    `0\r\nX: 1\r\n GET /smuggled HTTP/1.1\r\n\r\n`,
    "BAD HTTP_FOLDED_HEADER",
  ),
  chunked(
    "a request in the place of trailers (RFC 9112 section 7.1.2)",
    `0\r\n${SMUGGLED}`,
    "BAD HTTP_BAD_HEADER_NAME",
  ),
];

const heads: Attack[] = [
  {
    title: "a folded Host (RFC 9112 section 5.2)",
    text: `GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n${SMUGGLED}`,
    gives: "BAD HTTP_BAD_HOST",
  },
  {
    title: "a request behind a lone CR in a value (RFC 9112 section 2.2)",
    text: `GET / HTTP/1.1\r\n${HOST}X: 1\r\r${SMUGGLED}`,
    gives: "BAD HTTP_BAD_LINE_END",
  },
  {
    title: "a head closed by LF LF (RFC 9112 section 2.2)",
    text: `GET / HTTP/1.1\r\n${HOST}X: 1\n\n${SMUGGLED}`,
    gives: "BAD HTTP_BAD_LINE_END",
  },
  {
    title: "a request inside the target (RFC 9112 section 3)",
    text: `GET /?x HTTP/1.1 ${SMUGGLED}`,
    gives: "BAD HTTP_BAD_VERSION",
  },
  {
    title: "a version that takes the next line with it (RFC 9112 section 2.3)",
    text: `GET / HTTP/1.1\x00\r\n${HOST}\r\n${SMUGGLED}`,
    gives: "BAD HTTP_BAD_VERSION",
  },
  {
    title: "a line of HTTP/0.9 (RFC 9112 section 3)",
    text: `GET /smuggled\r\n\r\n`,
    gives: "BAD HTTP_BAD_VERSION",
  },
  {
    title: "two Hosts (RFC 9112 section 3.2)",
    text: `GET / HTTP/1.1\r\n${HOST}Host: b\r\n\r\n`,
    gives: "BAD HTTP_DUPLICATE_HOST",
  },
  {
    title: "a Host at odds with the target (RFC 9112 section 3.2.2)",
    text: `GET http://b/ HTTP/1.1\r\n${HOST}\r\n`,
    gives: "BAD HTTP_HOST_MISMATCH",
  },
  {
    title: "a Host at odds with the target of CONNECT (RFC 9112 section 3.2)",
    text: `CONNECT b:443 HTTP/1.1\r\n${HOST}\r\n`,
    gives: "BAD HTTP_HOST_MISMATCH",
  },
  {
    title: "the preface of HTTP/2 (RFC 9113 section 3.4)",
    text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    gives: "BAD HTTP_VERSION_UNSUPPORTED",
  },
  {
    title: "the preface of HTTP/2 as the body of an upgrade to h2c (RFC 9113 section 3.1)",
    text:
      `POST / HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n` +
      `Content-Length: 4\r\n\r\nbodyPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
    gives: "HEAD, BODY body, END, BAD HTTP_VERSION_UNSUPPORTED",
  },
];

/** All of them. */
export const attacks: readonly Attack[] = [
  ...bothFields,
  ...codings,
  ...contentLengths,
  ...chunks,
  ...trailers,
  ...heads,
];
