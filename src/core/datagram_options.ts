import type { SystemError } from "../ffi/mod.ts";
import type { Datagram } from "./datagram.ts";

/** A network interface: its index, its name (`eth0`), or for IPv4 one of its addresses. */
export type NetworkInterface = number | string;

/** Where and how a {@linkcode Datagram} socket is opened. Without `port`, `path` and `fd` it is bound to nothing until it sends. */
export interface DatagramOptions {
  /** UDP port to bind, 0 to have a free one picked. */
  readonly port?: number | undefined;
  /** IPv4 or IPv6 address to bind; `127.0.0.1` by default, `0.0.0.0` or `::` for all interfaces. An IPv6 one may have a `%scope`. */
  readonly host?: string | undefined;
  /** Path of a Unix socket to create; a leading NUL makes it abstract (Linux). */
  readonly path?: string | undefined;
  /** Remove a socket that stands at `path` first, left behind by a process that crashed. Anything else stays: EADDRINUSE. */
  readonly unlinkFirst?: boolean | undefined;
  /** What kind of socket to open when nothing says where: `ipv4` by default. */
  readonly family?: "ipv4" | "ipv6" | "unix" | undefined;
  /** An existing datagram socket to adopt (socket activation, a socketpair). It is made non-blocking, and closed by {@linkcode Datagram.close}. */
  readonly fd?: number | undefined;

  /**
   * Bind although others have bound the same address (SO_REUSEADDR): the way for several programs to listen to one multicast group.
   * Each unicast datagram goes to one of them only, usually the last. False by default.
   */
  readonly reuseAddress?: boolean | undefined;
  /** Share the port with other sockets that say so too; the kernel spreads senders over them (SO_REUSEPORT). */
  readonly reusePort?: boolean | undefined;
  /** Let an IPv6 socket serve IPv4 too; false by default. IPv4 senders then look like `::ffff:192.0.2.1`. */
  readonly dualStack?: boolean | undefined;
  /** Allow sending to broadcast addresses; false by default: the kernel then refuses (EACCES). */
  readonly broadcast?: boolean | undefined;
  /** Hops a unicast packet may take, 1 to 255. */
  readonly ttl?: number | undefined;
  /** Hops a multicast packet may take, 0 to 255; 1 by default: it stays on its link. */
  readonly multicastTtl?: number | undefined;
  /** Whether multicast that is sent also comes back to this host's members; true by default. */
  readonly multicastLoopback?: boolean | undefined;
  /** Where multicast leaves; by default the routing table says. */
  readonly multicastInterface?: NetworkInterface | undefined;
  /** Size of the kernel's receive buffer, in bytes (SO_RCVBUF); what does not fit is lost. Linux clamps it by a system setting and doubles it. */
  readonly receiveBufferBytes?: number | undefined;
  /** Size of the kernel's send buffer, in bytes (SO_SNDBUF). */
  readonly sendBufferBytes?: number | undefined;

  /**
   * Bytes of a datagram that are kept, 1 to 1 MiB; 65,536 by default, which is more than UDP can carry. Longer ones are cut and say so
   * ({@linkcode ReceivedDatagram.truncated}).
   */
  readonly maxDatagramBytes?: number | undefined;
  /** Datagrams received by one system call, 1 to 1024; 32 by default. With `maxDatagramBytes` each they take up at most 64 MiB. */
  readonly batch?: number | undefined;
  /** Datagrams received per wake-up before others have their turn; 128 by default. */
  readonly datagramsPerWakeMax?: number | undefined;
  /** Tell of each datagram where it came in ({@linkcode ReceivedDatagram.localAddress}), and answer from there. Not for Unix sockets. */
  readonly packetInfo?: boolean | undefined;
  /** Start without receiving, until {@linkcode Datagram.resume}. */
  readonly paused?: boolean | undefined;

  /**
   * Gather what is sent while received datagrams are handled, and send it in one system call after each batch; true by default. With
   * false each leaves at once.
   */
  readonly gatherReplies?: boolean | undefined;
  /**
   * Hand datagrams that leave together to the kernel in runs, one for each peer, which it or the network device cuts (UDP segmentation offload);
   * true by default. Peers notice nothing of it; a packet capture on this host shows a run as one large packet. Only those of up to 1232 bytes, and
   * only on Linux from 4.18 on; what the kernel or a device cannot cut goes one by one, by itself. Nothing to a Unix socket.
   */
  readonly segmentation?: boolean | undefined;
  /** Bytes that may wait while the kernel takes no more, 1 MiB by default. */
  readonly queueBytesMax?: number | undefined;
  /** Datagrams that may wait, 1024 by default. Further ones are dropped, and counted. */
  readonly queueDatagramsMax?: number | undefined;

  /**
   * Told, from the loop, what the system refused: a datagram that could not be sent (EMSGSIZE, ENETUNREACH, EACCES, ...), or that
   * nobody listens where a connected socket sent to (ECONNREFUSED). The socket goes on. Without it errors are counted only.
   */
  readonly onError?: ((error: SystemError, socket: Datagram) => void) | undefined;
  /** Called, from the loop, when what had to wait has all been sent. */
  readonly onDrain?: ((socket: Datagram) => void) | undefined;
}
