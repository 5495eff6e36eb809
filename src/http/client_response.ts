import { type BufferEvent, EvBuffer } from "../core/mod.ts";
import type { HttpHeaders } from "./headers.ts";
import type { ResponseHead } from "./response_head.ts";

/**
 * The response to a request of a client. Its body is collected in {@linkcode HttpClientResponse.body}, unless the request had an `onData`
 * that took it.
 */
export class HttpClientResponse {
  /** The status line and the fields as they came. */
  readonly head: ResponseHead;
  /** What has come of the body and was not handed to `onData`; all of it when the response is complete. Yours to empty. */
  readonly body: EvBuffer = new EvBuffer();
  /** The fields behind a body in chunks, once it is complete; undefined when there were none. */
  trailers: HttpHeaders | undefined = undefined;
  /** The URL that has answered in the end, where a client was given one; "" otherwise. */
  url = "";
  /** Whether redirects were followed to it. */
  redirected = false;
  /** The connection, if it speaks another protocol now. */
  #stream: BufferEvent | null = null;

  /** @internal */
  constructor(head: ResponseHead) {
    this.head = head;
  }

  /** The status, 100 to 999. */
  get status(): number {
    return this.head.status;
  }

  /** The reason phrase, which may be empty. */
  get reason(): string {
    return this.head.reason;
  }

  /** The header fields. */
  get headers(): HttpHeaders {
    return this.head.headers;
  }

  /** Whether the status is one of success, 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Takes what is in {@linkcode HttpClientResponse.body}. */
  bytes(): Uint8Array {
    return this.body.take();
  }

  /** Takes what is in {@linkcode HttpClientResponse.body}, as UTF-8. */
  text(): string {
    return this.body.takeText();
  }

  /**
   * Takes what is in {@linkcode HttpClientResponse.body}, as JSON.
   *
   * @throws {SyntaxError} when it is none.
   */
  json(): unknown {
    return JSON.parse(this.text());
  }

  /** Whether the connection speaks another protocol now: after a 101, and after a 2xx to CONNECT. */
  get isSwitched(): boolean {
    return this.#stream !== null;
  }

  /**
   * Takes the connection, after a 101 or a 2xx to CONNECT: a stream without callbacks or timeouts, with what the server has sent behind
   * its response in its input. It is the caller's to close then. One that nobody takes is closed with the client's connection.
   *
   * @throws {TypeError} when there is none, or it was taken before.
   */
  takeOver(): BufferEvent {
    const stream = this.#stream;
    if (stream === null) {
      throw new TypeError("Cannot take the connection over: it speaks HTTP, or somebody has it already");
    }
    this.#stream = null;
    return stream;
  }

  /** @internal */
  switchTo(stream: BufferEvent): void {
    this.#stream = stream;
  }

  /** @internal Closes a stream that nobody has taken. */
  closeUntaken(): void {
    this.#stream?.close();
    this.#stream = null;
  }
}
