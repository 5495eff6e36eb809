import type { BufferEvent, EvBuffer } from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import { requestHead } from "./client_head.ts";
import type { HttpClientRequest } from "./client_request.ts";
import { Upload, type UploadOwner } from "./upload.ts";

/** Bytes that may wait to be sent before a source is asked for more. */
export const OUTPUT_MAX: number = 128 * 1024;

/** Who has requests sent. */
export interface RequestSenderOwner {
  /** A piece of a body was queued. */
  went(): void;
  /** The source of a body has failed. Called from the loop. */
  bodyFailed(error: unknown): void;
}

/**
 * Sends one request after the other: the head, then the body, at once, after a 100, or as its source brings it.
 *
 * @internal
 */
export class RequestSender implements UploadOwner {
  readonly #output: EvBuffer;
  readonly #owner: RequestSenderOwner;
  readonly #tellError: Deferred;
  #request: HttpClientRequest | null = null;
  #upload: Upload | null = null;
  #error: unknown = undefined;
  // Bytes of the body that are still to be queued: -1 in chunks, and 0 when all are.
  #unsent = 0;
  #awaitsContinue = false;
  #isDropped = false;

  constructor({ base, output }: BufferEvent, owner: RequestSenderOwner) {
    this.#output = output;
    this.#owner = owner;
    // It is told from the loop, where what callbacks throw has somebody to go to.
    this.#tellError = new Deferred(base, base.priorities >> 1, () => owner.bodyFailed(this.#error));
  }

  /** Whether the body waits for a 100. */
  get awaitsContinue(): boolean {
    return this.#awaitsContinue;
  }

  /** Whether all of the request is queued. */
  get isDone(): boolean {
    return this.#unsent === 0 && this.#upload === null;
  }

  /** Whether there is more to be queued, sooner or later. */
  get isSending(): boolean {
    return !this.isDone && !this.#isDropped;
  }

  /** Sends a request, or its head if the server is to ask for the body. */
  begin(request: HttpClientRequest, authority: string): void {
    const { body, framing } = request;
    this.#request = request;
    this.#output.addLatin1(requestHead(request, authority));
    this.#unsent = framing.length;
    this.#awaitsContinue = request.options.expectContinue === true && framing.length !== 0;
    this.#isDropped = false;
    const source = body.takeSource();
    if (source !== null) this.#upload = new Upload(source, this);
    if (!this.#awaitsContinue) this.sendBody();
  }

  /** Sends the body. */
  sendBody(): void {
    this.#awaitsContinue = false;
    if (this.#upload !== null) {
      this.#upload.start();
    } else {
      this.#request!.body.addTo(this.#output);
      this.#unsent = 0;
    }
  }

  /** Waits for no 100 any more: a body that nobody has asked for is not sent. Returns whether it has waited. */
  dropAwaited(): boolean {
    if (!this.#awaitsContinue) return false;
    this.#awaitsContinue = false;
    return this.#isDropped = true;
  }

  /** The server has taken what was queued, or most of it. */
  sent(): void {
    this.#upload?.resume();
  }

  /** Ends it: nothing is left to be sent. A source is told. */
  close(): void {
    this.#tellError.cancel();
    this.#upload?.cancel();
    this.#upload = null;
    this.#request = null;
    this.#unsent = 0;
    this.#awaitsContinue = false;
  }

  uploaded(bytes: Uint8Array): boolean {
    const output = this.#output;
    if (this.#unsent < 0) {
      output.addAscii(`${bytes.length.toString(16)}\r\n`);
      output.add(bytes);
      output.addAscii("\r\n");
    } else {
      if (bytes.length > this.#unsent) throw new RangeError("the body is longer than its Content-Length");
      this.#unsent -= bytes.length;
      output.add(bytes);
    }
    this.#owner.went();
    return output.length < OUTPUT_MAX;
  }

  uploadEnded(): void {
    if (this.#unsent > 0) throw new RangeError(`the body is ${this.#unsent} bytes shorter than its Content-Length`);
    if (this.#unsent < 0) this.#output.addAscii("0\r\n\r\n");
    this.#unsent = 0;
    this.#upload = null;
    this.#owner.went();
  }

  uploadFailed(error: unknown): void {
    this.#error = error;
    this.#tellError.schedule();
  }
}
