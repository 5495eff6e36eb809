import type { SystemError } from "../ffi/mod.ts";
import type { Listener } from "./listener.ts";
import type { KeepAlive } from "./tcp_options.ts";

/**
 * Called for each connection with its descriptor, which now is the callee's to close; non-blocking and close-on-exec unless
 * the options say otherwise. Who connects is {@linkcode Listener.peerAddress} meanwhile.
 */
export type AcceptCallback = (fd: number, listener: Listener) => void;

/** Called when accepting fails. */
export type ListenerErrorCallback = (error: SystemError, listener: Listener) => void;

/**
 * Where and how a {@linkcode Listener} listens. One of `port`, `path` and `fd` says where. What stands in brackets is
 * libevent's flag.
 */
export interface ListenerOptions {
  /** TCP port, 0 to have a free one picked. */
  readonly port?: number | undefined;
  /** IPv4 or IPv6 address to bind; `127.0.0.1` by default, `0.0.0.0` or `::` for all interfaces. */
  readonly host?: string | undefined;
  /** Path of a Unix socket to create; a leading NUL makes it abstract (Linux). */
  readonly path?: string | undefined;
  /** An existing socket to adopt (socket activation). It is made non-blocking; it must be bound, and listen unless `backlog` is given. */
  readonly fd?: number | undefined;

  /**
   * How many connections may wait to be accepted. 511 by default; a negative number means 128, as in libevent; 0, the default
   * with `fd`, that the socket listens already. The kernel has a limit of its own (on Linux `net.core.somaxconn`).
   */
  readonly backlog?: number | undefined;
  /** Take an address at once after its last owner (LEV_OPT_REUSEABLE); true by default. Unix sockets have no such thing. */
  readonly reuseAddress?: boolean | undefined;
  /** Share the port with other listeners that say so too (LEV_OPT_REUSEABLE_PORT); on Linux and FreeBSD. */
  readonly reusePort?: boolean | undefined;
  /** Let an IPv6 listener serve IPv4 too (LEV_OPT_BIND_IPV4_AND_IPV6); false by default (LEV_OPT_BIND_IPV6ONLY). */
  readonly dualStack?: boolean | undefined;
  /** Remove a socket that stands at `path` first, left behind by a process that crashed. Anything else stays: EADDRINUSE. */
  readonly unlinkFirst?: boolean | undefined;
  /**
   * Permission bits of a Unix socket's file, such as `0o660`; who may write may connect. What the process's umask leaves of
   * `0o777` by default. They are set before the socket listens, so nobody else slips in.
   */
  readonly mode?: number | undefined;

  /** Hand out blocking sockets (LEV_OPT_LEAVE_SOCKETS_BLOCKING), for another program, say; false by default. */
  readonly blocking?: boolean | undefined;
  /** False: the listening socket and what it accepts stay open in programs that this process executes. True by default (LEV_OPT_CLOSE_ON_EXEC). */
  readonly closeOnExec?: boolean | undefined;
  /** Leave the socket open, and a Unix socket's file in place, when the listener is closed (C's default, without LEV_OPT_CLOSE_ON_FREE). */
  readonly keepOpen?: boolean | undefined;
  /** Start without accepting, until {@linkcode Listener.enable} (LEV_OPT_DISABLED). */
  readonly disabled?: boolean | undefined;

  /** TCP_NODELAY on accepted connections; true by default, since a loop gathers small writes itself. */
  readonly noDelay?: boolean | undefined;
  /**
   * Keep-alive probes on accepted connections; after 300 s of silence, every 100 s, 3 times by default (as libevent). A number
   * of seconds stands for what `keepAliveAfter` makes of it.
   */
  readonly keepAlive?: KeepAlive | number | false | undefined;
  /**
   * Accept connections when their first bytes have come (LEV_OPT_DEFERRED_ACCEPT), holding a silent one back for about so many
   * seconds, or for one. Without effect where the system cannot.
   */
  readonly deferAccept?: boolean | number | undefined;
  /** Take data with the first segment (TCP_FASTOPEN), for so many connections at once, or for 256. Without effect where the system cannot. */
  readonly fastOpen?: boolean | number | undefined;
  /** Room for bytes sent but not acknowledged, per accepted connection (SO_SNDBUF); the system's choice by default. */
  readonly sendBufferBytes?: number | undefined;
  /** Room for bytes received but not read, per accepted connection (SO_RCVBUF); the system's choice by default. */
  readonly receiveBufferBytes?: number | undefined;

  /** Closes the listener when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told when accepting fails, for instance without descriptors (EMFILE, ENFILE). The listener has by then paused itself; it
   * tries again by itself. Without it, failures are logged as warnings, at most one a second.
   */
  readonly onError?: ListenerErrorCallback | undefined;
}
