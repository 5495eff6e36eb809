import {
  type BufferEvent,
  closeDescriptor,
  type EventBase,
  type ListenerOptions,
  type SecureLayer,
  SocketBufferEvent,
  type SocketBufferEventOptions,
} from "../core/mod.ts";

/** Makes the stream of a client from a connected, non-blocking socket, which belongs to that stream then. One that it closes is not served. */
export type StreamMaker = (base: EventBase, fd: number) => BufferEvent;

const PREPARED: SocketBufferEventOptions = Object.freeze({ prepared: true });

/** What lies between a client's socket and HTTP. */
export interface HttpTransport {
  /** Encrypts connections: a server's `TlsContext`, say. */
  readonly tls?: SecureLayer | undefined;
  /**
   * Makes the streams of clients, for a filter or limits of their own, say (evhttp_bound_set_bevcb); encryption, if there is any,
   * lies on top of it. That of the server by default, or a plain {@linkcode SocketBufferEvent}.
   */
  readonly makeStream?: StreamMaker | undefined;
}

/** Where an {@linkcode HttpServer} listens, and what lies between those sockets and HTTP. */
export interface HttpListenOptions extends ListenerOptions, HttpTransport {}

/**
 * Makes the stream that HTTP is spoken over. Whatever happens, the descriptor is no longer the caller's.
 *
 * @param isPrepared whether the descriptor is non-blocking and close-on-exec already.
 * @throws what a maker throws, or a layer.
 * @throws {SystemError} when the descriptor is not open.
 */
export function openTransport(
  base: EventBase,
  fd: number,
  { tls, makeStream }: HttpTransport,
  serverMaker: StreamMaker | undefined,
  isPrepared: boolean,
): BufferEvent {
  const make = makeStream ?? serverMaker;
  const stream = make === undefined
    ? new SocketBufferEvent(base, fd, isPrepared ? PREPARED : undefined)
    : made(make, base, fd);
  if (tls === undefined || stream.closed) return stream;
  try {
    return tls.secure(stream);
  } catch (error) {
    stream.close();
    throw error;
  }
}

function made(make: StreamMaker, base: EventBase, fd: number): BufferEvent {
  try {
    return make(base, fd);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** @throws {TypeError} for a layer of the wrong side. */
export function checkTransport({ tls }: HttpTransport): void {
  if (tls !== undefined && tls.role !== "server") {
    throw new TypeError(`Cannot serve over a secure layer whose role is "${tls.role}": "server" is needed`);
  }
}
