/**
 * TLS without sockets: bytes in, bytes out.
 *
 * @module
 */

import type { EvBuffer } from "../core/mod.ts";
import type { Word } from "../ffi/mod.ts";
import { setOffered } from "./alpn.ts";
import { AskedHost } from "./asked_host.ts";
import { ClientHelloReader } from "./client_hello.ts";
import {
  ENGINE_CONNECTED,
  ENGINE_ENDED,
  ENGINE_FAILED,
  ENGINE_NOTHING,
  ENGINE_PLAIN,
  type EngineOutcome,
} from "./engine_outcome.ts";
import { clearErrors, queuedError, takeErrors } from "./error_queue.ts";
import { badHello, contextNotChosen, type HelloRefusal, unrecognizedName } from "./hello_refusal.ts";
import { HostName } from "./host_name.ts";
import { KeyUpdate } from "./key_update.ts";
import { plainSlab, RECORD_BYTES_MAX } from "./native_memory.ts";
import { NULL, openssl } from "./openssl.ts";
import * as c from "./openssl_constants.ts";
import { RecordCutter } from "./record_cutter.ts";
import { ConnectionSession, sessionKeyOf } from "./session.ts";
import { type DirectSender, type SharedBios, sharedBios } from "./shared_bios.ts";
import type { TlsContext } from "./tls_context.ts";
import type { TlsEngineOptions } from "./tls_engine_options.ts";
import { TlsError } from "./tls_error.ts";
import { doubtAbout, failureOf } from "./verdict.ts";

const HANDSHAKING = 0;
const OPEN = 1;
const FAILED = 2;
const CLOSED = 3;

let liveCount = 0;

/** How many engines hold memory of OpenSSL's; for tests of leaks. */
export function engineCount(): number {
  return liveCount;
}

/**
 * One side of one TLS connection. It is fed what arrived and adds what is to be sent to a buffer; it knows no sockets, no time and
 * no callbacks.
 *
 * Each call deals with one record at most, so whoever calls may stop between any two.
 *
 * What is to be sent is passed on last in each call: whoever listens to the output may close us, or have another connection speak.
 * Nothing of OpenSSL's is touched after that.
 */
export class TlsEngine {
  /** Why the connection has failed; null while it has not. */
  error: TlsError | null = null;
  /** What the last call came to. */
  outcome: EngineOutcome = ENGINE_NOTHING;
  /** Whether a record was only read in part, so that {@linkcode TlsEngine.readMore} has more of it. */
  hasMore = false;
  /** Whether what is to be sent, or our end, must wait for the peer, which happens in a renegotiation only. */
  writeBlocked = false;
  /** How many bytes it has answered with on its own account to what it was fed. Whoever sees to their leaving may count anew. */
  answeredBytes = 0;
  /** Server: the host that the client has asked for. */
  readonly asked: AskedHost;

  readonly #lib = openssl();
  readonly #bios: SharedBios = sharedBios();
  #output: EvBuffer;
  #sender: DirectSender | null;
  /** Knows how far what it was fed is within a record. */
  readonly cutter: RecordCutter = new RecordCutter();
  readonly #host: HostName | null;
  readonly #session: ConnectionSession;
  readonly #keys = new KeyUpdate();
  #context: TlsContext;
  #hello: ClientHelloReader | null = null;
  #ssl: Word = NULL;
  /** A reference to OpenSSL's context, until it is known which will serve. */
  #held: Word = NULL;
  #state: number = HANDSHAKING;
  #closeSent = false;
  #ended = false;
  #verifiesHost = false;

  /**
   * @param output where bytes for the peer are added.
   * @param sender may send what is written instead, while there is nothing in `output`.
   * @throws {TypeError} for a client that is to verify the server and does not know its name.
   */
  constructor(
    context: TlsContext,
    output: EvBuffer,
    options: TlsEngineOptions = {},
    sender: DirectSender | null = null,
  ) {
    this.#context = context;
    this.#sender = sender;
    this.#output = output;
    this.asked = new AskedHost(context.scope);
    const { hostname, serverName, verifyHostname, session } = options;
    this.#host = hostname === undefined ? null : new HostName(hostname);
    // With those of the context as it is now: what this connection is judged by is not what a reloaded one goes by.
    this.#session = new ConnectionSession(context.sessions, sessionKeyOf(options));
    if (context.role === "server") {
      if (context.choosesByHello) {
        this.#hello = new ClientHelloReader();
        // It may be closed before the client has said whom it wants.
        this.#held = context.hold();
      } else {
        this.asked.listen();
        this.#open(context);
      }
      return;
    }
    this.#verifiesHost = context.verifiesPeer && verifyHostname !== false;
    if (this.#verifiesHost && this.#host === null) {
      throw new TypeError("Cannot verify the server without its hostname; give it, or set verifyHostname to false");
    }
    const announced = serverName === undefined ? this.#host : serverName === "" ? null : new HostName(serverName);
    this.#open(context);
    const { ssl } = this.#lib;
    // Without this every name would do.
    if (this.#verifiesHost && !this.#host!.requireOf(this.#ssl)) {
      const error = queuedError(`require a certificate for ${this.#host!.text}`, "TLS_LIBRARY_FAILED");
      this.close();
      throw error;
    }
    announced?.announce(this.#ssl);
    if (context.alpn !== null && context.alpn.length > 0) {
      ssl.SSL_set_alpn_protos(this.#ssl, context.alpn, context.alpn.length);
    }
    this.#session.offer(this.#ssl, session);
  }

  #open(context: TlsContext): void {
    this.#ssl = context.newConnection(context === this.#context ? this.#held : NULL);
    if (context !== this.#context) this.asked.scope = context.scope;
    this.#context = context;
    this.#release();
    this.#bios.attach(this.#ssl);
    liveCount++;
  }

  #release(): void {
    if (this.#held) this.#lib.ssl.SSL_CTX_free(this.#held);
    this.#held = NULL;
  }

  /** OpenSSL's object; NULL before a server knows which context will serve, and after closing. */
  get connection(): Word {
    return this.#ssl;
  }

  /** Whether the handshake goes on. */
  get isHandshaking(): boolean {
    return this.#state === HANDSHAKING;
  }

  /** Whether the handshake has ended well and nothing failed since. */
  get isOpen(): boolean {
    return this.#state === OPEN;
  }

  /** Whether it was told that nothing more will be sent. */
  get isCloseSent(): boolean {
    return this.#closeSent;
  }

  /** Has what is to be sent go elsewhere from now on; as in the constructor. */
  moveTo(output: EvBuffer, sender: DirectSender | null): void {
    this.#output = output;
    this.#sender = sender;
  }

  /** Begins the handshake: a client speaks first. */
  start(): void {
    this.outcome = ENGINE_NOTHING;
    if (this.#state === HANDSHAKING && this.#ssl) this.#handshake();
  }

  /**
   * Takes `bytes[start..end)`, up to the end of a record. {@linkcode TlsEngine.outcome} says what it came to; plaintext lies in the
   * slab of the thread. Must not be called while {@linkcode TlsEngine.hasMore}.
   *
   * @param max most bytes of plaintext to give.
   * @returns the index up to which bytes were taken; `start` when something was to be said first, so that they are to be fed again.
   */
  feed(bytes: Uint8Array, start: number, end: number, max: number = RECORD_BYTES_MAX): number {
    this.outcome = ENGINE_NOTHING;
    if (this.#saysKeys()) return start;
    // RFC 8446 section 6.1: what comes after close_notify is ignored.
    if (this.#state > OPEN || this.#ended) return end;
    if (this.#hello !== null) return this.#readHello(this.#hello, bytes, start, end);
    const cut = this.cutter.cut(bytes, start, end);
    if (this.#state === HANDSHAKING) this.asked.overhear(this.#ssl, bytes, start, cut);
    this.#bios.feed(bytes, start, cut);
    if (this.#state === HANDSHAKING) this.#handshake();
    else this.#read(max);
    // OpenSSL has had its chance to say what is wrong, and to tell the peer.
    if (this.cutter.malformed && this.error === null && this.#ssl) {
      this.#fail(new TlsError("TLS_BAD_RECORD", "Cannot speak TLS: what the peer has sent is no TLS record"));
    }
    return cut;
  }

  /** Goes on with a record that was read in part; as {@linkcode TlsEngine.feed}. */
  readMore(max: number): void {
    this.outcome = ENGINE_NOTHING;
    if (this.#saysKeys()) return;
    this.hasMore = false;
    if (this.#state === OPEN) this.#read(max);
  }

  /** Has new keys that were asked for announced before anything is read; whether they were. Then we may be closed, or elsewhere. */
  #saysKeys(): boolean {
    if (!this.#keys.isOwed || this.#state !== OPEN) return false;
    this.#keys.say(this.#ssl);
    this.#bios.drain(this.#output);
    return true;
  }

  /**
   * Encrypts `length` bytes at `address`, as many records as that takes.
   *
   * @param isLast whether no more is to be written at once, so that it need not wait to be sent together with that.
   * @returns `length`; 0 when it must wait for the peer, and then be called again with as many bytes or more; -1 when the connection
   * has failed.
   */
  write(address: Word, length: number, isLast = false): number {
    clearErrors();
    this.#keys.isOwed = false;
    let written = this.#lib.ssl.SSL_write(this.#ssl, address, length);
    this.writeBlocked = false;
    if (written <= 0) {
      this.writeBlocked = this.#lib.ssl.SSL_get_error(this.#ssl, written) === c.SSL_ERROR_WANT_READ;
      if (!this.writeBlocked) this.#failed("write to");
      written = this.writeBlocked ? 0 : -1;
    }
    this.#bios.drain(this.#output, this.#sender, isLast);
    return written;
  }

  /** Says once that nothing more will be sent (close_notify), if it is open; while that is blocked it is to be called again. */
  shutdown(): void {
    if (this.#state !== OPEN || this.#closeSent) return;
    this.#keys.say(this.#ssl);
    clearErrors();
    this.#closeSent = this.#lib.ssl.SSL_shutdown(this.#ssl) >= 0;
    this.writeBlocked = !this.#closeSent;
    takeErrors();
    this.#bios.drain(this.#output);
  }

  /** The bytes end here, without the peer having said so: somebody may have cut them off. */
  truncated(): TlsError {
    const error = this.#state === HANDSHAKING
      ? new TlsError("TLS_HANDSHAKE_TRUNCATED", "Cannot finish the TLS handshake: the peer has ended the connection")
      : new TlsError(
        "TLS_TRUNCATED",
        "Cannot trust the end of the connection: the peer has not announced it (close_notify)",
      );
    this.#fail(error);
    return error;
  }

  /** Gives up for a reason outside of TLS. */
  abandon(error: TlsError): void {
    this.#fail(error);
  }

  /** Asks for new keys of both sides (TLS 1.3), with what is sent next, or before something is read. */
  updateKeys(): boolean {
    return this.#state === OPEN && this.#keys.ask(this.#ssl);
  }

  /** Begins a renegotiation (TLS 1.2 and older); false where there is none, and where the rest of a record would break it. */
  renegotiate(): boolean {
    if (this.#state !== OPEN || !this.#context.renegotiates) return false;
    if (this.hasMore && this.#context.role === "client") return false;
    const begun = this.#lib.ssl.SSL_renegotiate(this.#ssl) === 1;
    takeErrors();
    if (!begun) return false;
    setOffered(this.#context.alpn);
    this.#lib.ssl.SSL_do_handshake(this.#ssl);
    takeErrors();
    this.#bios.drain(this.#output);
    return true;
  }

  /** Gives OpenSSL's memory back. Closing twice is harmless. */
  close(): void {
    this.#state = CLOSED;
    this.#hello = null;
    this.#release();
    if (!this.#ssl) return;
    this.#lib.ssl.SSL_free(this.#ssl);
    this.#ssl = NULL;
    liveCount--;
  }

  /** Gathers what the client says first, until it is clear which context will serve it. */
  #readHello(reader: ClientHelloReader, bytes: Uint8Array, start: number, end: number): number {
    const hello = reader.push(bytes, start, end);
    if (hello === null) return end;
    this.#hello = null;
    if (hello === undefined) return this.#refuse(badHello(), end);
    try {
      const chosen = this.#context.choose(hello);
      // Choosing is the user's code, which may have closed the connection.
      if (this.#state === CLOSED) return end;
      if (chosen === null) return this.#refuse(unrecognizedName(hello.serverName), end);
      this.#open(chosen);
      this.asked.said(this.#ssl, hello.serverName);
    } catch (cause) {
      return this.#refuse(contextNotChosen(cause), end);
    }
    const { raw } = reader;
    // Nothing can have ended here: the client has not heard from us yet.
    for (let at = 0; at < raw.length && this.#state === HANDSHAKING;) at = this.feed(raw, at, raw.length);
    return end;
  }

  /** Sends an alert of our own, and takes all that has come, up to `end`. */
  #refuse({ error, record }: HelloRefusal, end: number): number {
    if (this.#state === CLOSED) return end;
    this.#fail(error);
    this.#output.add(record);
    return end;
  }

  #handshake(): void {
    clearErrors();
    setOffered(this.#context.alpn);
    const { ssl } = this.#lib;
    const result = ssl.SSL_do_handshake(this.#ssl);
    if (result === 1) this.#opened();
    else if (ssl.SSL_get_error(this.#ssl, result) !== c.SSL_ERROR_WANT_READ) {
      this.#failed("finish the TLS handshake with");
    }
    // An alert that says why we give up is sent as well.
    this.answeredBytes += this.#bios.drain(this.#output);
  }

  /** The handshake has ended well, unless the server is not to be trusted. */
  #opened(): void {
    const doubt = this.#context.verifiesPeer ? doubtAbout(this.#ssl, this.#verifiesHost ? this.#host : null) : null;
    if (doubt !== null) return this.#fail(doubt);
    this.#state = OPEN;
    this.outcome = ENGINE_CONNECTED;
    this.#session.keep(this.#ssl, true);
  }

  #read(max: number): void {
    clearErrors();
    const slab = plainSlab;
    slab.prepare();
    const wanted = max < RECORD_BYTES_MAX ? max : RECORD_BYTES_MAX;
    const { ssl } = this.#lib;
    // Only a renegotiation may ask for it here.
    if (this.#context.renegotiates) setOffered(this.#context.alpn);
    const got = ssl.SSL_read(this.#ssl, slab.free, wanted);
    if (got > 0) {
      slab.take(got);
      this.outcome = ENGINE_PLAIN;
      this.hasMore = got === wanted && wanted < RECORD_BYTES_MAX && ssl.SSL_pending(this.#ssl) > 0;
      return;
    }
    const error = ssl.SSL_get_error(this.#ssl, got);
    if (error === c.SSL_ERROR_WANT_READ) this.#session.keep(this.#ssl, false);
    else if (error !== c.SSL_ERROR_ZERO_RETURN) this.#failed("read from");
    else {
      this.#ended = true;
      this.outcome = ENGINE_ENDED;
    }
    this.answeredBytes += this.#bios.drain(this.#output);
  }

  /** A call has failed, and OpenSSL's queue says why. */
  #failed(action: string): void {
    const fallback = this.#state === HANDSHAKING ? "TLS_HANDSHAKE_FAILED" : "TLS_PROTOCOL_ERROR";
    this.#fail(failureOf(this.#ssl, action, fallback, this.#host));
  }

  #fail(error: TlsError): void {
    this.#state = FAILED;
    this.error = error;
    this.outcome = ENGINE_FAILED;
    this.hasMore = false;
    // What was not read of it belongs to nobody any more.
    this.#bios.reset();
  }
}
