import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_TIMEOUT,
  type BufferEvent,
  type BufferEventCallbacks,
  EV_READ,
  type SocketAddress,
} from "../core/mod.ts";
import type { DeadlineList, DeadlineMember } from "../core/deadline_list.ts";
import { DNS_MESSAGE_BYTES_MAX } from "./constants.ts";
import type { DnsServerLimits } from "./dns_server_options.ts";
import type { QuerySource } from "./server_requests.ts";

const LENGTH_BYTES = 2;
const HEADER_BYTES = 12;
const lengthBytes = new Uint8Array(LENGTH_BYTES);

/** What a connection needs of its server. @internal */
export interface TcpConnectionCore {
  readonly limits: DnsServerLimits;
  /** Who waits for the next query. */
  readonly idle: DeadlineList<DnsTcpConnection>;
  /** Takes a query. */
  query(bytes: Uint8Array, connection: DnsTcpConnection): void;
  /** The connection was closed. */
  closed(connection: DnsTcpConnection): void;
}

/**
 * A client's connection: messages with their lengths in front, answers in any order (RFC 7766).
 *
 * While a client has too many queries waiting, or does not read its answers, its queries stay in the input, which stops reading when it is full.
 *
 * @internal
 */
export class DnsTcpConnection
  implements BufferEventCallbacks<BufferEvent>, DeadlineMember<DnsTcpConnection>, QuerySource {
  /** Who asks. */
  readonly remoteAddress: SocketAddress;
  readonly transport: "tcp" | "tls";
  deadlineList: DeadlineList<DnsTcpConnection> | null = null;
  deadlineMs = -Infinity;
  deadlineNext: DnsTcpConnection | null = null;
  deadlinePrevious: DnsTcpConnection | null = null;
  readonly #core: TcpConnectionCore;
  readonly #stream: BufferEvent;
  #waiting = 0;
  // What of its answers the system had not taken when that was last looked at.
  #unsentBytes = 0;
  // Whether it is there only because its client still reads its answers.
  #isLingering = false;
  #isReading = false;
  #hasEnded = false;
  #isStopping = false;
  #isClosed = false;

  constructor(core: TcpConnectionCore, stream: BufferEvent, remoteAddress: SocketAddress, isSecure: boolean) {
    this.#core = core;
    this.#stream = stream;
    this.remoteAddress = remoteAddress;
    this.transport = isSecure ? "tls" : "tcp";
    stream.setCallbacks(this);
    // Room for the longest query and its length; below that a query could never be complete.
    stream.setWatermark(EV_READ, 0, Math.max(4096, core.limits.maxTcpQueryBytes + LENGTH_BYTES));
    stream.enable(EV_READ);
    core.idle.add(this);
  }

  /** Whether the system has taken all answers, those included that are encrypted and wait underneath. */
  get hasSentAll(): boolean {
    return this.#stream.queuedBytes === 0;
  }

  /** Whether its time is over, and was given anew since its client still reads its answers. */
  get isLingering(): boolean {
    return this.#isLingering;
  }

  read(): void {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    try {
      while (this.#takeOne());
    } finally {
      this.#isReading = false;
    }
    this.#endIfOver();
  }

  write(): void {
    // What waited for the client to read its answers.
    this.read();
  }

  event(what: number): void {
    if ((what & BEV_EVENT_ERROR) !== 0 || (what & BEV_EVENT_TIMEOUT) !== 0) return this.close();
    if ((what & BEV_EVENT_EOF) === 0) return;
    this.#hasEnded = true;
    this.read();
  }

  /** Takes one complete query from the input; answers whether there was one, and may be another. */
  #takeOne(): boolean {
    const { limits } = this.#core;
    if (this.#isClosed || this.#isStopping || this.#waiting >= limits.maxPipelined) return false;
    const { input, output } = this.#stream;
    if (output.length >= limits.maxOutputBytes || input.length < LENGTH_BYTES) return false;
    input.copyOut(lengthBytes);
    const length = lengthBytes[0]! << 8 | lengthBytes[1]!;
    if (length < HEADER_BYTES || length > limits.maxTcpQueryBytes) {
      this.close();
      return false;
    }
    if (input.length < LENGTH_BYTES + length) return false;
    input.drain(LENGTH_BYTES);
    const bytes = input.take(length);
    this.#waiting++;
    this.#isLingering = false;
    this.deadlineList?.remove(this);
    this.#core.query(bytes, this);
    return true;
  }

  answerBytesMax(): number {
    return DNS_MESSAGE_BYTES_MAX;
  }

  /** It stays what it is, whatever becomes of its queries. */
  keep(): this {
    return this;
  }

  /** A query that was taken is done with: this is its answer, or null if there is none. Answers whether it is on its way. */
  finish(reply: Uint8Array | null, length: number): boolean {
    if (this.#isClosed) return false;
    this.#waiting--;
    if (reply !== null) {
      this.#stream.write(Uint8Array.of(length >> 8, length & 0xff));
      this.#stream.write(reply.subarray(0, length));
    }
    if (this.#waiting === 0) this.#becomeIdle();
    this.read();
    return true;
  }

  #becomeIdle(): void {
    this.#unsentBytes = this.#stream.queuedBytes;
    this.#core.idle.add(this);
  }

  /** A client that sends no more is let go when it has its answers. */
  #endIfOver(): void {
    if (!this.#hasEnded || this.#waiting > 0 || this.#isClosed) return;
    if (this.hasSentAll) return this.close();
    // Of what waits underneath nobody tells otherwise.
    this.#stream.whenOutputShrank ??= () => this.read();
  }

  /** Takes no more queries, and closes when there is nothing left to send. */
  stop(): void {
    if (this.#isClosed) return;
    this.#stream.disable(EV_READ);
    this.#hasEnded = this.#isStopping = true;
    this.#endIfOver();
  }

  /** Nothing has been asked for too long. A client that still reads its answers, however slowly, has more time. */
  deadlinePassed(): void {
    const { queuedBytes } = this.#stream;
    if (queuedBytes === 0 || queuedBytes >= this.#unsentBytes) return this.close();
    this.#isLingering = true;
    this.#becomeIdle();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.deadlineList?.remove(this);
    this.#stream.close();
    this.#core.closed(this);
  }
}
