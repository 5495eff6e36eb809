import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BufferEvent, EvBuffer, EventBase, type SocketAddress, SocketBufferEvent } from "../../src/core/mod.ts";
import { close, open, os } from "../../src/ffi/mod.ts";
import type { Compression } from "../../src/http/compression.ts";
import type { HttpServer } from "../../src/http/mod.ts";
import { errorPage, type TypedPage } from "../../src/http/error_page.ts";
import type { HttpReply } from "../../src/http/reply.ts";
import { HttpRequest } from "../../src/http/request.ts";
import type { RequestConnection } from "../../src/http/request_connection.ts";
import { RequestParser } from "../../src/http/parser.ts";
import { ReplyHead } from "../../src/http/reply_head.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { bytesOf } from "./parse_support.ts";

/** A connection that only writes down what is done to it. */
class RecordingConnection implements RequestConnection {
  readonly output: EvBuffer = new EvBuffer();
  readonly heads: ReplyHead;
  readonly compression: Compression | null = null;
  readonly stream: BufferEvent = new SocketBufferEvent(base);
  readonly remoteAddress: SocketAddress | undefined = undefined;
  readonly localAddress: SocketAddress | undefined = undefined;
  readonly isSecure = false;
  readonly closed = false;
  readonly isBodyComplete = true;
  readonly isBodyRead = true;
  onClose: (() => void) | undefined = undefined;
  mayKeepAlive = true;
  /** "ended", "ended for good" and "aborted", in order. */
  readonly log: string[] = [];

  constructor(base: EventBase) {
    this.heads = new ReplyHead(base, "text/plain;charset=utf-8", "");
  }

  get server(): HttpServer {
    throw new Error("There is no server");
  }

  customMethod(): number {
    return 0;
  }

  errorPage(status: number, explanation: string): TypedPage {
    return { body: errorPage(status, explanation), contentType: "text/html;charset=utf-8" };
  }

  writeCopy(bytes: Uint8Array): void {
    this.output.add(bytes);
  }

  afterSent(): void {}

  pauseBody(): void {}

  replyEnded(_request: HttpReply, keepAlive: boolean): void {
    this.log.push(keepAlive ? "ended" : "ended for good");
  }

  takeOver(): BufferEvent {
    this.log.push("taken over");
    return new SocketBufferEvent(base);
  }

  abort(): void {
    this.log.push("aborted");
  }

  close(): void {}

  /** What was written, with the time taken out. */
  text(): string {
    return this.output.takeText().replace(/Date: [^\r]*\r\n/g, "");
  }
}

/** A request as it was parsed, and its connection. */
function requestOf(line: string = "GET / HTTP/1.1"): { request: HttpRequest; connection: RecordingConnection } {
  const parser = new RequestParser();
  const bytes = bytesOf(`${line}\r\nHost: test\r\n\r\n`);
  parser.next(bytes, 0, bytes.length);
  const connection = new RecordingConnection(base);
  return { request: new HttpRequest(connection, parser.head), connection };
}

const base = new EventBase();
const ADDED = "HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=utf-8\r\n";

describe("HttpRequest", () => {
  it("replies with text, bytes and buffers, whose length it tells", () => {
    const buffer = new EvBuffer();
    buffer.add("buffer");
    for (
      const [body, length, text] of [["grün", 5, "grün"], [bytesOf("bytes"), 5, "bytes"], [
        buffer,
        6,
        "buffer",
      ]] as const
    ) {
      const { request, connection } = requestOf();
      request.reply(200, body);
      assertEquals(connection.text(), `${ADDED}Content-Length: ${length}\r\n\r\n${text}`);
      assertEquals(connection.log, ["ended"]);
      assert(request.finished);
    }
    assertEquals(buffer.length, 0);
  });

  it("replies with an empty body when none is given", () => {
    const { request, connection } = requestOf();
    request.reply(404);
    assertEquals(connection.text(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });

  it("dates its replies", () => {
    const { request, connection } = requestOf();
    request.reply(200, "x");
    assertMatch(connection.output.takeText(), /\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/);
  });

  it("sends the fields of replyHeaders and of the call, in this order, over its own Content-Type", () => {
    const { request, connection } = requestOf();
    request.replyHeaders.add("Set-Cookie", "a=1");
    request.reply(200, "x", [["Set-Cookie", "b=2"], ["content-type", "text/css"]]);
    assertEquals(
      connection.text(),
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-type: text/css\r\nContent-Length: 1\r\n\r\nx",
    );
  });

  it("does not let a handler's fields contradict the framing", () => {
    const { request, connection } = requestOf();
    request.reply(200, "four", { "Content-Length": "99", "Transfer-Encoding": "chunked", "Keep-Alive": "timeout=9" });
    assertEquals(connection.text(), `${ADDED}Content-Length: 4\r\n\r\nfour`);
  });

  it("refuses line ends in fields, before anything is sent", () => {
    for (const value of ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\0b", "\u010A"]) {
      const { request, connection } = requestOf();
      assertThrows(() => request.replyHeaders.set("X", value), TypeError);
      assertThrows(() => request.reply(200, "x", { "X": value }), TypeError);
      assertThrows(() => request.replyStart(200, [["X", value]]), TypeError);
      assertThrows(() => request.reply(200, "x", { [value]: "x" }), TypeError);
      assertEquals([connection.output.length, request.replyStarted], [0, false]);
      request.replyError(500);
      assertStringIncludes(connection.text(), "HTTP/1.1 500 Internal Server Error\r\n");
    }
  });

  it("has no way to say something of its own in the status line", () => {
    for (const status of [199, 100, 600, 0, -1, 200.5, NaN, Infinity, "200 OK\r\nX: y" as unknown as number]) {
      const { request, connection } = requestOf();
      assertThrows(() => request.reply(status), RangeError);
      assertThrows(() => request.replyStart(status), RangeError);
      assertThrows(() => request.replyError(status), RangeError);
      assertEquals(connection.output.length, 0);
    }
    const { request, connection } = requestOf();
    request.reply(299);
    assertStringIncludes(connection.text(), "HTTP/1.1 299 Success\r\n");
  });

  it("escapes what an error page is told to explain", () => {
    const { request, connection } = requestOf();
    request.replyError(400, `<a href="x">'&'</a>`);
    const text = connection.text();
    assertStringIncludes(text, "Content-Type: text/html;charset=utf-8\r\n");
    assertStringIncludes(text, "<p>&lt;a href=&quot;x&quot;&gt;&#039;&amp;&#039;&lt;/a&gt;</p>");
    assertStringIncludes(errorPage(404, ""), "<h1>404 Not Found</h1>");
  });

  it("answers once only", () => {
    const { request, connection } = requestOf();
    request.reply(200, "once");
    const before = connection.output.length;
    assertThrows(() => request.reply(200, "twice"), Error, "Cannot reply: a reply has begun already");
    assertThrows(() => request.replyStart(200), Error, "Cannot reply: a reply has begun already");
    assertThrows(() => request.replyChunk("x"), Error, "Cannot send a chunk");
    assertThrows(() => request.replyEnd(), Error, "Cannot end a reply");
    assertEquals(connection.output.length, before);
    const streaming = requestOf().request;
    assertThrows(() => streaming.replyChunk("x"), Error, "Cannot send a chunk");
    assertThrows(() => streaming.replyEnd(), Error, "Cannot end a reply");
    streaming.replyStart(200);
    assertThrows(() => streaming.reply(200), Error, "Cannot reply: a reply has begun already");
  });

  it("streams in chunks for HTTP/1.1, ignoring empty pieces", () => {
    const { request, connection } = requestOf();
    request.replyStart(200);
    assertEquals(connection.text(), `${ADDED}Transfer-Encoding: chunked\r\n\r\n`);
    assertEquals(request.replyChunk("Hello"), 10);
    request.replyChunk("");
    const buffer = new EvBuffer();
    buffer.add("0123456789abcdef!");
    request.replyChunk(buffer);
    request.replyEnd();
    assertEquals(connection.text(), "5\r\nHello\r\n11\r\n0123456789abcdef!\r\n0\r\n\r\n");
    assertEquals(connection.log, ["ended"]);
  });

  it("streams up to the end of the connection for HTTP/1.0", () => {
    const { request, connection } = requestOf("GET / HTTP/1.0");
    request.replyStart(200);
    request.replyChunk("Hello");
    request.replyEnd();
    assertEquals(connection.text(), `${ADDED}Connection: close\r\n\r\nHello`);
    assertEquals(connection.log, ["ended for good"]);
  });

  it("streams a body of a declared length as it is", () => {
    const { request, connection } = requestOf();
    request.replyStart(200, { "content-length": "5" });
    request.replyChunk("He");
    assertThrows(() => request.replyChunk("llo!"), RangeError, "the declared Content-Length leaves 3");
    request.replyChunk("llo");
    assertThrows(() => request.replyChunk("!"), RangeError, "the declared Content-Length leaves 0");
    request.replyEnd();
    assertEquals(connection.text(), `${ADDED}Content-Length: 5\r\n\r\nHello`);
    assertEquals(connection.log, ["ended"]);
  });

  it("takes no byte for a declared length of nothing", () => {
    const { request } = requestOf();
    request.replyStart(200, { "Content-Length": "0" });
    assertThrows(() => request.replyChunk("x"), RangeError, "the declared Content-Length leaves 0");
  });

  it("cuts the connection when a declared length is not reached", () => {
    const { request, connection } = requestOf();
    request.replyStart(200, { "Content-Length": "5" });
    request.replyChunk("Hell");
    request.replyEnd();
    assertEquals(connection.log, ["aborted"]);
  });

  it("refuses a declared length that is none, and can still answer", () => {
    for (const value of ["", "-1", "1e3", "0x10", " 5 x", "99999999999999999999"]) {
      const { request, connection } = requestOf();
      assertThrows(() => request.replyStart(200, { "Content-Length": value }), RangeError);
      assertEquals([request.replyStarted, connection.output.length], [false, 0]);
      request.replyError(500);
      assertEquals(connection.log, ["ended"]);
    }
  });

  it("sends no body to HEAD, but the length it would have", () => {
    const whole = requestOf("HEAD / HTTP/1.1");
    const buffer = new EvBuffer();
    buffer.add("Hello");
    whole.request.reply(200, buffer);
    assertEquals(whole.connection.text(), `${ADDED}Content-Length: 5\r\n\r\n`);
    assertEquals(buffer.length, 0);
    const streamed = requestOf("HEAD / HTTP/1.1");
    streamed.request.replyStart(200, { "Content-Length": "7" });
    buffer.add("Hello!!");
    streamed.request.replyChunk(buffer);
    streamed.request.replyEnd();
    assertEquals(streamed.connection.text(), `${ADDED}Content-Length: 7\r\n\r\n`);
    assertEquals([streamed.connection.log, buffer.length], [["ended"], 0]);
    const unknown = requestOf("HEAD / HTTP/1.1");
    unknown.request.replyStart(200);
    unknown.request.replyChunk("x");
    unknown.request.replyEnd();
    assertEquals([unknown.connection.text().endsWith("\r\n\r\n"), unknown.connection.log], [true, ["ended"]]);
  });

  it("sends neither body nor length with 204 and 304", () => {
    for (const [status, line] of [[204, "HTTP/1.1 204 No Content"], [304, "HTTP/1.1 304 Not Modified"]] as const) {
      const whole = requestOf();
      whole.request.reply(status, "dropped", { ETag: '"x"' });
      assertEquals(whole.connection.text(), `${line}\r\nETag: "x"\r\n\r\n`);
      const streamed = requestOf();
      streamed.request.replyStart(status);
      streamed.request.replyChunk("dropped");
      streamed.request.replyEnd();
      assertEquals([streamed.connection.text(), streamed.connection.log], [`${line}\r\n\r\n`, ["ended"]]);
    }
  });

  it("sends no body with 205, and that its length is none", () => {
    const line = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n";
    for (const method of ["GET", "HEAD"]) {
      const whole = requestOf(`${method} / HTTP/1.1`);
      whole.request.reply(205, "dropped");
      assertEquals([whole.connection.text(), whole.connection.log], [line, ["ended"]]);
      for (const headers of [undefined, { "Content-Length": "7" }]) {
        const streamed = requestOf(`${method} / HTTP/1.1`);
        streamed.request.replyStart(205, headers);
        streamed.request.replyChunk("dropped");
        streamed.request.replyEnd();
        assertEquals([streamed.connection.text(), streamed.connection.log], [line, ["ended"]]);
      }
      const file = requestOf(`${method} / HTTP/1.1`);
      file.request.replyFile(205, {
        fd: open(import.meta.filename!, os.constants.O_RDONLY),
        offset: 0,
        length: 9,
        closeOnFree: true,
      });
      assertEquals([file.connection.text(), file.connection.log], [line, ["ended"]]);
    }
    const old = requestOf("GET / HTTP/1.0\r\nConnection: keep-alive");
    old.request.replyStart(205);
    old.request.replyEnd();
    assertStringIncludes(old.connection.text(), "Content-Length: 0\r\n");
  });

  it("says whether the connection stays open, where that is not what the version implies", () => {
    const fieldOf = (line: string, prepare: (of: ReturnType<typeof requestOf>) => void): string | undefined => {
      const made = requestOf(line);
      prepare(made);
      made.request.reply(200, "x");
      return /Connection: (\S+)\r\n/.exec(made.connection.text())?.[1];
    };
    const nothing = (): void => {};
    const asked = ({ request }: ReturnType<typeof requestOf>): void => request.closeAfterReply();
    const field = ({ request }: ReturnType<typeof requestOf>): void => request.replyHeaders.set("connection", "Close");
    const forced = ({ connection }: ReturnType<typeof requestOf>): void => void (connection.mayKeepAlive = false);
    assertEquals([nothing, asked, field, forced].map((each) => fieldOf("GET / HTTP/1.1", each)), [
      undefined,
      "close",
      "close",
      "close",
    ]);
    assertEquals(fieldOf("GET / HTTP/1.0\r\nConnection: keep-alive", nothing), "keep-alive");
    assertEquals(fieldOf("GET / HTTP/1.0", forced), "close");
  });

  it("does nothing when the client has gone, but empties buffers and tells the handler once", () => {
    const { request, connection } = requestOf();
    let calls = 0;
    request.onClose = () => void calls++;
    request.connectionLost();
    request.connectionLost();
    assertEquals([calls, request.finished], [1, true]);
    const buffer = new EvBuffer();
    buffer.add("x");
    request.reply(200, buffer);
    request.reply(200, "again");
    request.replyStart(200);
    assertEquals(request.replyChunk("x"), 0);
    request.replyEnd();
    request.abort();
    assertEquals([connection.output.length, connection.log.length, buffer.length], [0, 0, 0]);
  });

  it("refuses a buffer that cannot be emptied, before anything is sent", () => {
    const { request, connection } = requestOf();
    const frozen = new EvBuffer();
    frozen.add("x");
    frozen.freezeFront();
    assertThrows(() => request.reply(200, frozen), TypeError);
    assertEquals([request.replyStarted, connection.output.length], [false, 0]);
    request.replyStart(200);
    const before = connection.output.length;
    assertThrows(() => request.replyChunk(frozen), TypeError);
    assertEquals(connection.output.length, before);
  });

  it("refuses a part of a file that is none, and leaves the descriptor to the caller", () => {
    const fd = openSelf();
    for (
      const part of [{ offset: -1, length: 1 }, { offset: 0, length: -1 }, { offset: 0.5, length: 1 }, {
        offset: 0,
        length: NaN,
      }]
    ) {
      const { request, connection } = requestOf();
      assertThrows(
        () => request.replyFile(200, { fd, closeOnFree: true, ...part }),
        RangeError,
        "Cannot reply with a file",
      );
      assertEquals([request.replyStarted, connection.output.length], [false, 0]);
    }
    assertEquals(close(fd), 0);
  });

  it("closes a file it was given, whether or not it is sent", () => {
    const before = openDescriptorCount();
    const sent = requestOf();
    sent.request.replyFile(200, { fd: openSelf(), offset: 0, length: 10, closeOnFree: true });
    assertEquals(openDescriptorCount(), before + 1);
    sent.connection.output.close();
    const head = requestOf("HEAD / HTTP/1.1");
    head.request.replyFile(200, { fd: openSelf(), offset: 0, length: 10, closeOnFree: true });
    assertStringIncludes(head.connection.text(), "Content-Length: 10\r\n\r\n");
    const empty = requestOf();
    empty.request.replyFile(200, { fd: openSelf(), offset: 0, length: 0, closeOnFree: true });
    const gone = requestOf();
    gone.request.connectionLost();
    gone.request.replyFile(200, { fd: openSelf(), offset: 0, length: 10, closeOnFree: true });
    assertEquals(openDescriptorCount(), before);
  });
});

describe("ReplyHead", () => {
  it("refuses a server name and a content type that no field can have", () => {
    assertThrows(() => new ReplyHead(base, "text/plain\r\nX: y", ""), TypeError);
    assertThrows(() => new ReplyHead(base, null, "evbase\n"), TypeError);
  });

  it("says the same text again, and another one, with another status or type, as if each were the first", () => {
    const heads = new ReplyHead(base, "text/plain", "");
    const output = new EvBuffer();
    const said = (status: number, text: string, type?: string): string => {
      if (!heads.writePlainText(output, status, text, type)) return "refused";
      return output.takeText().replace(/Date: [^\r]*\r\n/, "");
    };
    const expected = (status: string, text: string, type: string): string =>
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    const kinds = [
      [200, "200 OK", "hello", undefined],
      [200, "200 OK", "hallo", undefined],
      [404, "404 Not Found", "hello", undefined],
      [200, "200 OK", "hello", "text/html"],
      [200, "200 OK", "hello, world", "text/html"],
    ] as const;
    for (const [status, line, text, type] of [...kinds, ...kinds.toReversed()]) {
      for (let times = 0; times < 4; times++) {
        assertEquals(said(status, text, type), expected(line, text, type ?? "text/plain"));
      }
    }
    for (let times = 0; times < 3; times++) assertEquals(said(200, "h\xe9llo"), "refused");
    assertEquals(said(200, "hello"), expected("200 OK", "hello", "text/plain"));
  });

  it("gives the same text another date when the second has changed", () => {
    using late = new EventBase();
    const heads = new ReplyHead(late, "text/plain", "");
    const output = new EvBuffer();
    const dates = new Set<string>();
    const seen: string[] = [];
    const timer = late.timer(() => {
      heads.writePlainText(output, 200, "hello");
      seen.push(/Date: ([^\r]*)/.exec(output.takeText())![1]!);
      dates.add(seen.at(-1)!);
      if (dates.size === 3 || seen.length === 100) late.loopBreak();
    }, { repeat: true });
    timer.add(50);
    late.dispatch();
    assertEquals(dates.size, 3);
    assertEquals(seen, seen.toSorted((a, b) => Date.parse(a) - Date.parse(b)));
  });

  it("names the server, and no content type when that is wished", () => {
    const output = new EvBuffer();
    new ReplyHead(base, null, "evbase").write(output, 200, undefined, null, 1, "");
    assertMatch(
      output.takeText(),
      /^HTTP\/1\.1 200 OK\r\nDate: [^\r]*\r\nServer: evbase\r\nContent-Length: 1\r\n\r\n$/,
    );
  });
});

function openSelf(): number {
  const fd = open(new URL(import.meta.url).pathname, os.constants.O_RDONLY);
  assert(fd >= 0);
  return fd;
}
