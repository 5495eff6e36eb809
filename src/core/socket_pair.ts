import { os, setCloseOnExec, setNonBlocking, socketpair, systemError } from "../ffi/mod.ts";

const { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = os.constants;

/** How the two ends talk, and how they are left. */
export interface SocketPairOptions {
  /** A stream of bytes (the default), datagrams, or a stream of messages (Linux and FreeBSD). */
  readonly type?: "stream" | "datagram" | "seqpacket" | undefined;
  /** Leave both ends blocking, for another program, say; false by default. */
  readonly blocking?: boolean | undefined;
  /** False: both ends stay open in programs that this process executes. True by default. */
  readonly closeOnExec?: boolean | undefined;
}

/**
 * Two connected Unix sockets (evutil_socketpair), which are the caller's to close.
 *
 * @throws {SystemError} when there are no more descriptors, or the system has no such type.
 * @throws {TypeError} for a type that does not exist.
 */
export function socketPair(options: SocketPairOptions = {}): [number, number] {
  const { type = "stream", blocking = false, closeOnExec = true } = options;
  const types = { stream: SOCK_STREAM, datagram: SOCK_DGRAM, seqpacket: SOCK_SEQPACKET };
  if (!Object.hasOwn(types, type)) throw new TypeError(`Cannot make a socket pair of type "${type}": there is none`);
  const pair = new Int32Array(2);
  const result = socketpair(AF_UNIX, types[type], 0, pair);
  if (result < 0) throw systemError(result, "socketpair", "make a socket pair");
  const [first, second] = [pair[0]!, pair[1]!];
  // Neither can fail on descriptors just made; and both are rare, so that the usual pair costs one call.
  for (const fd of [first, second]) {
    if (blocking) setNonBlocking(fd, false);
    if (!closeOnExec) setCloseOnExec(fd, false);
  }
  return [first, second];
}
