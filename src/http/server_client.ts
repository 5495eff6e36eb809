import {
  BEV_EVENT_EOF,
  BEV_EVENT_PEER_CLOSED,
  BEV_EVENT_READING,
  type BufferEvent,
  type SocketAddress,
  SocketBufferEvent,
  takeSocketError,
} from "../core/mod.ts";
import { Deferred } from "../core/deferred.ts";
import { reactorOf } from "../core/event_base.ts";
import type { Compression } from "./compression.ts";
import type { HttpConnection } from "./request_connection.ts";
import type { HttpServer } from "./server.ts";
import type { ServerCore } from "./server_core.ts";
import { CLOSED, OWN_BIT, ServerStream } from "./server_stream.ts";

/** The connection is encrypted. */
const SECURE = OWN_BIT;
/** The end of the client's side is watched for although nothing is read. */
const PEER_WATCHED = OWN_BIT << 1;
/** The first bit that is for those who add to this. */
export const CLIENT_BIT: number = OWN_BIT << 2;

/**
 * What can be known about a client, and who wants to know what becomes of its replies.
 *
 * @internal
 */
export abstract class ServerClient extends ServerStream implements HttpConnection {
  onClose: (() => void) | undefined = undefined;
  // Called when everything queued has been sent.
  #sentCallbacks: ((isSent: boolean) => void)[] | null = null;

  constructor(core: ServerCore, stream: BufferEvent, isSecure: boolean) {
    super(core, stream);
    this.mark(SECURE, isSecure);
  }

  /** Whether a handler is at work for this client. */
  protected abstract get isServing(): boolean;

  get server(): HttpServer {
    return this.core.server;
  }

  get compression(): Compression | null {
    return this.core.compression;
  }

  get isSecure(): boolean {
    return this.is(SECURE);
  }

  get closed(): boolean {
    return this.phase === CLOSED;
  }

  get remoteAddress(): SocketAddress | undefined {
    // Those over sockets have one, whatever kind they are.
    return (this.stream as { readonly remoteAddress?: SocketAddress }).remoteAddress;
  }

  get localAddress(): SocketAddress | undefined {
    return (this.stream as { readonly localAddress?: SocketAddress }).localAddress;
  }

  customMethod(name: string): number {
    return this.core.methods.idOf(name);
  }

  // What was sent

  afterSent(callback: (isSent: boolean) => void): void {
    if (this.closed) return this.#tell([callback], false);
    (this.#sentCallbacks ??= []).push(callback);
    if (this.stream.queuedBytes > 0) return;
    // From the loop, since nothing else of the runtime runs in a blocking dispatch(). Closing the base closes this as well.
    const { base } = this.stream;
    new Deferred(base, base.priorities >> 1, () => this.tellSent()).schedule();
  }

  /** Calls back whoever waits for everything to be sent, if it is, or when it has ended. */
  protected tellSent(isSent: boolean = !this.closed): void {
    const { stream } = this;
    if (this.#sentCallbacks === null) return;
    if (!this.closed && stream.queuedBytes > 0) {
      // Bytes may wait underneath, where they are encrypted; of those nobody tells.
      if (this.output.length === 0) this.watchBytesBelow();
      return;
    }
    const callbacks = this.#sentCallbacks;
    this.#sentCallbacks = null;
    this.#tell(callbacks, isSent);
  }

  #tell(callbacks: readonly ((isSent: boolean) => void)[], isSent: boolean): void {
    for (const callback of callbacks) {
      try {
        callback(isSent);
      } catch (error) {
        this.core.report(error, undefined);
      }
    }
  }

  /** It has ended: whoever wants to know is told, and whether everything was sent before. */
  protected tellClosed(isSent: boolean): void {
    this.tellSent(isSent);
    try {
      this.onClose?.();
    } catch (error) {
      this.core.report(error, undefined);
    }
  }

  // Who has gone

  /** Watches for the client's end, or no longer, while nothing is read from it. */
  protected watchPeer(isWanted: boolean): void {
    if (this.is(PEER_WATCHED) === isWanted) return;
    this.mark(PEER_WATCHED, isWanted);
    this.#socket?.watchPeerClose(isWanted);
    // Not every backend can tell that end, and it may have come: the loop must be there all the same when there is a reply.
    reactorOf(this.stream.base).countVirtual(isWanted ? 1 : -1);
  }

  protected override release(): boolean {
    // First of all: who is given memory back may throw.
    if (!this.closed && this.is(PEER_WATCHED)) reactorOf(this.stream.base).countVirtual(-1);
    return super.release();
  }

  get #socket(): SocketBufferEvent | null {
    let stream: BufferEvent | undefined = this.stream;
    while (stream !== undefined && !(stream instanceof SocketBufferEvent)) {
      stream = (stream as { readonly underlying?: BufferEvent }).underlying;
    }
    return stream ?? null;
  }

  override event(what: number): void {
    if ((what & BEV_EVENT_PEER_CLOSED) !== 0 && this.isServing && this.#hasGone()) this.close();
    else if ((what & BEV_EVENT_EOF) !== 0 && this.isServing && !this.core.allowHalfClose) this.close();
    else super.event(what);
  }

  /** Whether the client's end was that of both sides, or counts as such. */
  #hasGone(): boolean {
    const socket = this.#socket;
    return !this.core.allowHalfClose || (socket !== null && socket.fd >= 0 && takeSocketError(socket.fd) !== 0);
  }

  protected override giveAway(): BufferEvent {
    this.watchPeer(false);
    const callbacks = this.#sentCallbacks;
    this.#sentCallbacks = null;
    const stream = super.giveAway();
    // Replies to earlier requests may still be on their way.
    if (callbacks !== null) {
      stream.flushed().then(() => this.#tell(callbacks, true), () => this.#tell(callbacks, false));
    }
    // Sockets tell the end of their stream again to who reads again. Of others, such as those that are encrypted, we have had it.
    if (this.inputEnded && !(stream instanceof SocketBufferEvent)) {
      stream.triggerEvent(BEV_EVENT_EOF | BEV_EVENT_READING, { defer: true });
    }
    return stream;
  }
}
