/**
 * Requests that servers are known to disagree about, and some that they agree about, for `server_verdicts_test.ts` and for the
 * script that asks real servers, `tests/interop/server_verdicts.ts`.
 */

/** Bytes to send on one connection, one byte per character, and what they mean to who accepts them. */
export interface Vector {
  readonly title: string;
  readonly text: string;
  /** Method, target and body of every request in it, as one reading of it that makes sense. */
  readonly reads: readonly string[];
}

const HOST = "Host: a\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";

/** A request without a body. */
function get(title: string, line: string, fields: string = HOST, reads: string = "GET /"): Vector {
  return { title, text: `${line}${fields}\r\n`, reads: [reads] };
}

function field(title: string, lines: string): Vector {
  return get(title, "GET / HTTP/1.1\r\n", HOST + lines);
}

/** A POST with these fields and bytes behind them; a body of "hello" unless said otherwise. */
function post(title: string, fields: string, rest: string, body: string = "hello"): Vector {
  return { title, text: `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${rest}`, reads: [`POST / ${body}`] };
}

function chunks(title: string, rest: string, body: string = "hello"): Vector {
  return post(title, CHUNKED, rest, body);
}

/** What all of these read the same, so that the others mean something. */
const plain: Vector[] = [
  get("a GET", "GET / HTTP/1.1\r\n"),
  get("a GET of HTTP/1.0 without Host", "GET / HTTP/1.0\r\n", ""),
  get("a query", "GET /?a=b HTTP/1.1\r\n", HOST, "GET /?a=b"),
  get("a port in Host", "GET / HTTP/1.1\r\n", "Host: a:80\r\n"),
  field("blanks around a value", "X: \t1 \t\r\n"),
  field("an empty value", "X:\r\n"),
  field("the same field twice", "X: 1\r\nX: 2\r\n"),
  post("a body with its length", "Content-Length: 5\r\n", "hello"),
  chunks("a body in chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
  chunks("chunk sizes in upper case", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
  chunks("zeros before a chunk size", "005\r\nhello\r\n00\r\n\r\n"),
  chunks("a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
  chunks("a quoted chunk extension", '5;a="b c"\r\nhello\r\n0\r\n\r\n'),
  chunks("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
  post("zeros before a length", "Content-Length: 005\r\n", "hello"),
  post("a coding in mixed case", "Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
  {
    title: "two requests in one piece",
    text: `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\n`,
    reads: ["GET /1", "GET /2"],
  },
];

const lines: Vector[] = [
  get("an empty line before the request", "\r\nGET / HTTP/1.1\r\n"),
  get("a lone LF before the request", "\nGET / HTTP/1.1\r\n"),
  get("a blank before the method", " GET / HTTP/1.1\r\n"),
  get("a method in lower case", "get / HTTP/1.1\r\n", HOST, "get /"),
  get("a method that is no token", "G(T / HTTP/1.1\r\n", HOST, "G(T /"),
  get("a tab after the method", "GET\t/ HTTP/1.1\r\n"),
  get("two blanks after the method", "GET  / HTTP/1.1\r\n"),
  get("two blanks after the target", "GET /  HTTP/1.1\r\n"),
  get("a blank after the version", "GET / HTTP/1.1 \r\n"),
  get("a blank inside the target", "GET /a b HTTP/1.1\r\n", HOST, "GET /a b"),
  get("a control character in the target", "GET /a\x01b HTTP/1.1\r\n", HOST, "GET /a\x01b"),
  get("NUL in the target", "GET /a\0b HTTP/1.1\r\n", HOST, "GET /a\0b"),
  get("a byte above 127 in the target", "GET /\xe9 HTTP/1.1\r\n", HOST, "GET /\xe9"),
  get("a fragment in the target", "GET /a#b HTTP/1.1\r\n", HOST, "GET /a#b"),
  get("a quote in the target", 'GET /a"b HTTP/1.1\r\n', HOST, 'GET /a"b'),
  get("angle brackets in the target", "GET /a<b> HTTP/1.1\r\n", HOST, "GET /a<b>"),
  get("brackets and a bar in a query", "GET /?a[b]=c|d HTTP/1.1\r\n", HOST, "GET /?a[b]=c|d"),
  get("a malformed escape in the target", "GET /%zz HTTP/1.1\r\n", HOST, "GET /%zz"),
  get("a malformed escape in a query", "GET /?a=100% HTTP/1.1\r\n", HOST, "GET /?a=100%"),
  get("NUL as an escape in the target", "GET /a%00b HTTP/1.1\r\n", HOST, "GET /a%00b"),
  get("a target without a slash", "GET a HTTP/1.1\r\n", HOST, "GET a"),
  get("a target in absolute form", "GET http://a/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("a target in absolute form for another host", "GET http://b/c HTTP/1.1\r\n", HOST, "GET /c"),
  get("a target in absolute form with the port its scheme implies", "GET http://a:80/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("a target in absolute form with a host in upper case", "GET http://A/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("a target in absolute form with another port", "GET http://a:81/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("a target in absolute form without a host", "GET http:///b HTTP/1.1\r\n", HOST, "GET /b"),
  get("user information in the target", "GET http://u@a/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("another scheme", "GET ftp://a/b HTTP/1.1\r\n", HOST, "GET /b"),
  get("an asterisk with GET", "GET * HTTP/1.1\r\n", HOST, "GET *"),
  get("an authority with GET", "GET a:80 HTTP/1.1\r\n", HOST, "GET a:80"),
  get("HTTP/0.9", "GET /\r\n", ""),
  get("HTTP/0.9 spelled out", "GET / HTTP/0.9\r\n"),
  get("HTTP/1.2", "GET / HTTP/1.2\r\n"),
  get("HTTP/1.10", "GET / HTTP/1.10\r\n"),
  get("HTTP/01.1", "GET / HTTP/01.1\r\n"),
  get("HTTP/2.0 in a request line", "GET / HTTP/2.0\r\n"),
  get("HTTP/3.0", "GET / HTTP/3.0\r\n"),
  get("a version in lower case", "GET / http/1.1\r\n"),
  get("a version of another protocol", "GET / HTTQ/1.1\r\n"),
  get("a version that is no number", "GET / HTTP/1.x\r\n"),
  get("a lone LF after the request line", "GET / HTTP/1.1\n"),
  get("a lone CR after the request line", "GET / HTTP/1.1\r"),
];

const fields: Vector[] = [
  field("a blank before the colon", "X : 1\r\n"),
  field("a tab before the colon", "X\t: 1\r\n"),
  field("a name that is no token", "X(1): 1\r\n"),
  field("an underscore in a name", "X_Y: 1\r\n"),
  field("no name", ": 1\r\n"),
  field("no colon", "X\r\n"),
  field("NUL in a name", "X\0: 1\r\n"),
  field("NUL in a value", "X: a\0b\r\n"),
  field("a control character in a value", "X: a\x01b\r\n"),
  field("DEL in a value", "X: a\x7fb\r\n"),
  field("a byte above 127 in a value", "X: caf\xe9\r\n"),
  field("a byte above 127 in a name", "X\xe9: 1\r\n"),
  field("a lone LF after a field", "X: 1\nY: 2\r\n"),
  field("a lone CR inside a value", "X: 1\rY: 2\r\n"),
  field("a CR too many after a value", "X: 1\r\r\n"),
  field("a folded field", "X: 1\r\n 2\r\n"),
  get("a blank before the first field", "GET / HTTP/1.1\r\n", ` ${HOST}`),
  { title: "a lone LF as the closing line", text: `GET / HTTP/1.1\r\n${HOST}\n`, reads: ["GET /"] },
  get("no Host", "GET / HTTP/1.1\r\n", ""),
  get("Host twice, alike", "GET / HTTP/1.1\r\n", HOST + HOST),
  get("Host twice, unlike", "GET / HTTP/1.1\r\n", `${HOST}Host: b\r\n`),
  get("two hosts in one Host", "GET / HTTP/1.1\r\n", "Host: a, b\r\n"),
  get("a blank in Host", "GET / HTTP/1.1\r\n", "Host: a b\r\n"),
  get("a slash in Host", "GET / HTTP/1.1\r\n", "Host: a/b\r\n"),
  get("user information in Host", "GET / HTTP/1.1\r\n", "Host: u@a\r\n"),
  get("a port that is no number", "GET / HTTP/1.1\r\n", "Host: a:b\r\n"),
  get("an open bracket in Host", "GET / HTTP/1.1\r\n", "Host: [::1\r\n"),
  get("no IPv6 address in brackets", "GET / HTTP/1.1\r\n", "Host: [1:2:3]\r\n"),
  get("an underscore in Host", "GET / HTTP/1.1\r\n", "Host: a_b\r\n"),
  get("a port in Host that is too large", "GET / HTTP/1.1\r\n", "Host: a:65536\r\n"),
  get("a byte above 127 in Host", "GET / HTTP/1.1\r\n", "Host: \xe9\r\n"),
  get("only a port in Host", "GET / HTTP/1.1\r\n", "Host: :80\r\n"),
  get("an empty Host", "GET / HTTP/1.1\r\n", "Host:\r\n"),
];

const lengths: Vector[] = [
  post("a sign before a length", "Content-Length: +5\r\n", "hello"),
  post("a negative length", "Content-Length: -5\r\n", "", ""),
  post("an empty length", "Content-Length:\r\n", "", ""),
  post("a length in hexadecimal", "Content-Length: 0x5\r\n", "hello"),
  post("a blank inside a length", "Content-Length: 5 6\r\n", "hello"),
  post("a fraction as length", "Content-Length: 5.0\r\n", "hello"),
  post("a list as length", "Content-Length: 5, 5\r\n", "hello"),
  post("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
  post("two lengths that differ", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
  post("a length beyond 64 bits", "Content-Length: 18446744073709551621\r\n", "hello"),
  post("a length and chunks", `Content-Length: 5\r\n${CHUNKED}`, "5\r\nhello\r\n0\r\n\r\n"),
  post("chunks and a length", `${CHUNKED}Content-Length: 5\r\n`, "5\r\nhello\r\n0\r\n\r\n"),
  {
    title: "chunks in HTTP/1.0",
    text: `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`,
    reads: ["POST / hello"],
  },
];

function coding(title: string, value: string): Vector {
  return post(title, `Transfer-Encoding: ${value}\r\n`, "5\r\nhello\r\n0\r\n\r\n");
}

const codings: Vector[] = [
  coding("an unknown coding", "xchunked"),
  coding("identity", "identity"),
  coding("chunked twice in a list", "chunked, chunked"),
  coding("identity before chunked", "identity, chunked"),
  coding("chunked before identity", "chunked, identity"),
  coding("gzip before chunked", "gzip, chunked"),
  coding("a quoted coding", '"chunked"'),
  coding("a parameter of chunked", "chunked;a=b"),
  coding("a comma after chunked", "chunked,"),
  coding("a vertical tab before chunked", "\x0bchunked"),
  coding("an empty coding", ""),
  post("chunked twice in two fields", CHUNKED + CHUNKED, "5\r\nhello\r\n0\r\n\r\n"),
  post("identity and chunked in two fields", `Transfer-Encoding: identity\r\n${CHUNKED}`, "5\r\nhello\r\n0\r\n\r\n"),
  post("a folded coding", "Transfer-Encoding:\r\n chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
  post("a blank between Transfer-Encoding and the colon", "Transfer-Encoding : chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
];

const framing: Vector[] = [
  chunks("a lone LF after a chunk size", "5\nhello\r\n0\r\n\r\n"),
  chunks("a lone CR after a chunk size", "5\rhello\r\n0\r\n\r\n"),
  chunks("a lone LF after chunk data", "5\r\nhello\n0\r\n\r\n"),
  chunks("other bytes after chunk data", "5\r\nhelloXX0\r\n\r\n"),
  chunks("no line end after chunk data", "5\r\nhello0\r\n\r\n"),
  chunks("a chunk size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
  chunks("a blank before a chunk size", " 5\r\nhello\r\n0\r\n\r\n"),
  chunks("a blank after a chunk size", "5 \r\nhello\r\n0\r\n\r\n"),
  chunks("a blank before a chunk extension", "5 ;a=b\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
  chunks("no chunk size", "\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk extension without a name", "5;\r\nhello\r\n0\r\n\r\n"),
  chunks("a lone LF in a chunk extension", "5;a\nhello\r\n0\r\n\r\n"),
  chunks("a lone CR in a chunk extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
  chunks("a blank after a chunk extension", "5;a=b \r\nhello\r\n0\r\n\r\n"),
  chunks("NUL in a chunk extension", "5;a=\0\r\nhello\r\n0\r\n\r\n"),
  chunks("a line end in a quoted chunk extension", '5;a="\r\nhello\r\n0\r\n\r\n'),
  chunks("a trailer that decides about framing", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
  chunks("a trailer without a colon", "5\r\nhello\r\n0\r\nX\r\n\r\n"),
  chunks("a blank before a trailer's colon", "5\r\nhello\r\n0\r\nX : 1\r\n\r\n"),
  chunks("a lone LF after a trailer", "5\r\nhello\r\n0\r\nX: 1\n\r\n"),
  chunks("a lone LF as the last line", "5\r\nhello\r\n0\r\n\n"),
];

/** All of them, in the order of the table. */
export const vectors: readonly Vector[] = [...plain, ...lines, ...fields, ...lengths, ...codings, ...framing];
