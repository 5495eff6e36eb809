import { type BufferEvent, EvBuffer } from "../core/mod.ts";
import type { HttpHeadersInit } from "./headers.ts";
import { EVHTTP_REQ_CONNECT } from "./methods.ts";
import { bytesOf, checkFile, drop, type FileBody, type ReplyBody } from "./reply_body.ts";
import { TUNNEL } from "./reply_head.ts";
import { FINISHED, goneError, OPEN } from "./reply_state.ts";
import { StreamedReply } from "./reply_streamed.ts";

const NOTHING = new Uint8Array(0);

/** The answering half of an {@linkcode HttpRequest}. */
export abstract class HttpReply extends StreamedReply {
  /**
   * Sends a whole reply (evhttp_send_reply). Content-Length, Date and, for a body whose type is not given, Content-Type are
   * added. Without effect when the client has gone.
   *
   * @param status 200 to 599.
   * @param headers fields besides those of {@linkcode ReplyState.replyHeaders}.
   * @throws {Error} when a reply has begun already.
   * @throws {RangeError} for another status.
   * @throws {TypeError} for a body that is none.
   */
  reply(status: number, body: ReplyBody = NOTHING, headers?: HttpHeadersInit): void {
    if (!this.begin(status, headers)) {
      drop(body);
      return this.endInVain();
    }
    const { compression } = this.link;
    const mayCompress = compression !== null && compression.concerns(status, body.length);
    if (typeof body === "string" && !mayCompress && this.replyPlainText(status, body)) return;
    let bytes = bytesOf(body);
    if (mayCompress) bytes = compression.whole(this, status, bytes);
    this.writeHead(status, bytes.length, true);
    if (this.mayHaveBody(status)) this.sendWhole(bytes);
    else drop(bytes);
    this.finish();
  }

  /**
   * As {@linkcode HttpReply.reply}, with no field but a content type, if that; for those who have many such replies to give.
   *
   * @throws as {@linkcode HttpReply.reply}.
   * @internal
   */
  replyTyped(status: number, body: string | Uint8Array, type: string | undefined): void {
    if (type === undefined) return this.reply(status, body);
    const isSimple = this.state === OPEN && !this.gone && this.link.compression === null && body.length > 0 &&
      status >= 200 && status <= 599 && this.mayHaveBody(status) && this.isPlain();
    if (!isSimple) return this.reply(status, body, [["Content-Type", type]]);
    if (typeof body === "string" && this.replyPlainText(status, body, type)) return;
    const { heads, output } = this.link;
    const bytes = bytesOf(body);
    heads.writePlain(output, status, bytes.length, type);
    this.sendWhole(bytes);
    this.finish();
  }

  /** @internal The short way for the most common reply: ASCII text, no fields of its own, on a connection that lives on. */
  private replyPlainText(status: number, text: string, type?: string): boolean {
    const { heads, output } = this.link;
    if (text === "" || !this.mayHaveBody(status) || !this.isPlain()) return false;
    if (!heads.writePlainText(output, status, text, type)) return false;
    this.finish();
    return true;
  }

  /**
   * Sends a part of a file as a whole reply; its bytes go from the kernel's cache to the socket (sendfile), or through memory where they
   * are encrypted. They are not compressed. When this throws, the descriptor is still the caller's.
   *
   * @throws as {@linkcode HttpReply.reply}, and {RangeError} when descriptor, offset or length is not a whole number.
   */
  replyFile(status: number, file: FileBody, headers?: HttpHeadersInit): void {
    checkFile(file);
    const begun = this.begin(status, headers);
    if (begun) this.writeHead(status, file.length, true);
    const options = { closeOnFree: file.closeOnFree === true };
    if (begun && this.mayHaveBody(status)) {
      this.link.output.addFile(file.fd, file.offset, file.length, options);
    } else {
      // The descriptor is ours to close even if nothing of it is sent.
      new EvBuffer().addFile(file.fd, 0, 0, options);
    }
    if (begun) this.finish();
    else this.endInVain();
  }

  /**
   * Sends an error page (evhttp_send_error) with the status's standard phrase, and an explanation if there is one, escaped; or what
   * the server's `onErrorPage` makes of it.
   *
   * @throws as {@linkcode HttpReply.reply}.
   */
  replyError(status: number, explanation: string = ""): void {
    const hadBegun = this.replyStarted;
    const { body, contentType } = this.link.errorPage(status, explanation, this);
    // The maker may have answered by itself.
    if (this.replyStarted && !hadBegun) return;
    this.replyHeaders.set("Content-Type", contentType);
    this.reply(status, body);
  }

  /**
   * Ends HTTP on this connection and hands its stream to the caller: to speak another protocol that the client has offered
   * (101, RFC 9110 section 7.8), or for a tunnel that it has asked for (200 to CONNECT, section 9.3.6; the server has to allow
   * that method).
   *
   * The head is queued in the output. What has come behind the request is in the input, about which nobody calls back; reading is
   * disabled, and no timeouts, callbacks or sinks of ours are left. The stream is the caller's to close. Until it is, it counts as
   * a connection of the server, and closing the server closes it.
   *
   * @param status 101 for a request that offers to upgrade, whose first protocol becomes the Upgrade field unless there is one;
   * 200 for CONNECT.
   * @param headers fields besides those of {@linkcode ReplyState.replyHeaders}.
   * @throws {TypeError} when the request is not one for this status.
   * @throws {ConnectionError} `CLOSED`, when the client has gone.
   * @throws {Error} when a reply has begun already, or the body of the request is still to come.
   */
  takeOver(status: 101 | 200, headers?: HttpHeadersInit): BufferEvent {
    const { head, link } = this;
    if (status !== 101 && status !== 200) {
      throw new RangeError(`Cannot take a connection over with status ${status}: 101 or 200 is needed`);
    }
    const offered = head.methodId === EVHTTP_REQ_CONNECT ? undefined : head.upgrade;
    // Elements of a list may be empty (RFC 9110 section 5.6.1.2), and are no protocols.
    const upgrade = offered?.split(",").map((protocol) => protocol.trim()).find((protocol) => protocol !== "");
    if (status === 101 ? upgrade === undefined : head.methodId !== EVHTTP_REQ_CONNECT) {
      const needed = status === 101 ? "offers no other protocol" : "is not CONNECT";
      throw new TypeError(`Cannot take a connection over with status ${status}: the request ${needed}`);
    }
    this.prepare(headers);
    if (!link.isBodyComplete) {
      throw new Error("Cannot take a connection over: the body of the request is still to come");
    }
    if (this.gone) throw goneError();
    const fields = this.replyHeaders;
    if (upgrade !== undefined && !fields.has("upgrade")) fields.set("Upgrade", upgrade);
    this.state = FINISHED;
    link.heads.write(link.output, status, undefined, fields, TUNNEL, status === 101 ? "Upgrade" : "");
    return link.takeOver();
  }
}
