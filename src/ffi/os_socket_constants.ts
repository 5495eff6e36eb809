/**
 * The constants that belong to sockets and to name lookup, by their names in C.
 *
 * @module
 */

/** Numbers from `sys/socket.h`, `netinet/*.h` and `netdb.h`; part of OsConstants, whose comment speaks of zeros. */
export interface OsSocketConstants {
  // Address families.

  /** Any family. */
  readonly AF_UNSPEC: number;
  /** Sockets named by a path. */
  readonly AF_UNIX: number;
  /** IPv4. */
  readonly AF_INET: number;
  /** IPv6. */
  readonly AF_INET6: number;

  // Socket types.

  /** A stream of bytes. */
  readonly SOCK_STREAM: number;
  /** Messages that may be lost or reordered. */
  readonly SOCK_DGRAM: number;
  /** Access below the transport protocol. */
  readonly SOCK_RAW: number;
  /** A stream of messages. */
  readonly SOCK_SEQPACKET: number;
  /** Open without blocking; 0 on macOS, where fcntl follows. */
  readonly SOCK_NONBLOCK: number;
  /** Close on exec from the start; 0 on macOS, where fcntl follows. */
  readonly SOCK_CLOEXEC: number;

  // Socket options (level SOL_SOCKET).

  /** The level of the SO_ options. */
  readonly SOL_SOCKET: number;
  /** Bind although old connections linger on the address. */
  readonly SO_REUSEADDR: number;
  /** Several sockets on one address; shares the load on Linux only. */
  readonly SO_REUSEPORT: number;
  /** SO_REUSEPORT that shares the load; FreeBSD only. */
  readonly SO_REUSEPORT_LB: number;
  /** Reads the socket type. */
  readonly SO_TYPE: number;
  /** Reads and clears the pending error. */
  readonly SO_ERROR: number;
  /** Reads whether the socket listens. */
  readonly SO_ACCEPTCONN: number;
  /** Accepts once a filter in the kernel is content (struct accept_filter_arg); FreeBSD only. */
  readonly SO_ACCEPTFILTER: number;
  /** Allows sending to broadcast addresses. */
  readonly SO_BROADCAST: number;
  /** Probes an idle connection. */
  readonly SO_KEEPALIVE: number;
  /** What close does with unsent bytes (struct linger). */
  readonly SO_LINGER: number;
  /** Size of the send buffer, in bytes. */
  readonly SO_SNDBUF: number;
  /** Size of the receive buffer, in bytes. */
  readonly SO_RCVBUF: number;
  /** Limit on a blocking send (struct timeval). */
  readonly SO_SNDTIMEO: number;
  /** Limit on a blocking receive (struct timeval). */
  readonly SO_RCVTIMEO: number;
  /** No SIGPIPE from this socket; absent on Linux (MSG_NOSIGNAL there). */
  readonly SO_NOSIGPIPE: number;
  /** The header's largest backlog; musl says 128 and kernels clamp by their own setting. */
  readonly SOMAXCONN: number;

  // Protocols and their options.

  /** Level of IPv4 options. */
  readonly IPPROTO_IP: number;
  /** ICMP for IPv4. */
  readonly IPPROTO_ICMP: number;
  /** TCP, and the level of its options. */
  readonly IPPROTO_TCP: number;
  /** UDP. */
  readonly IPPROTO_UDP: number;
  /** Level of IPv6 options. */
  readonly IPPROTO_IPV6: number;
  /** ICMP for IPv6. */
  readonly IPPROTO_ICMPV6: number;
  /** Keeps an IPv6 socket from taking IPv4. */
  readonly IPV6_V6ONLY: number;
  /** Sends small segments at once. */
  readonly TCP_NODELAY: number;
  /** Holds partial segments back; TCP_NOPUSH on macOS and FreeBSD. */
  readonly TCP_CORK: number;
  /** Idle seconds before the first probe; TCP_KEEPALIVE on macOS. */
  readonly TCP_KEEPIDLE: number;
  /** Seconds between probes. */
  readonly TCP_KEEPINTVL: number;
  /** Unanswered probes before the connection is dropped. */
  readonly TCP_KEEPCNT: number;
  /** Accepts once data is there; Linux only. */
  readonly TCP_DEFER_ACCEPT: number;
  /** Milliseconds sent data may stay unacknowledged; Linux only. */
  readonly TCP_USER_TIMEOUT: number;
  /** Data in the first segment. */
  readonly TCP_FASTOPEN: number;

  // Send and receive flags.

  /** Urgent data. */
  readonly MSG_OOB: number;
  /** Leaves the data where it is. */
  readonly MSG_PEEK: number;
  /** Sends to directly attached networks only. */
  readonly MSG_DONTROUTE: number;
  /** Ancillary data was cut. */
  readonly MSG_CTRUNC: number;
  /** The message was cut; on Linux also asks for its real length. */
  readonly MSG_TRUNC: number;
  /** This call does not block. */
  readonly MSG_DONTWAIT: number;
  /** End of a record. */
  readonly MSG_EOR: number;
  /** Waits until the buffer is full. */
  readonly MSG_WAITALL: number;
  /** No SIGPIPE; older macOS kernels refuse it, use SO_NOSIGPIPE there. */
  readonly MSG_NOSIGNAL: number;
  /** More data follows; Linux only. */
  readonly MSG_MORE: number;
  /** recvmmsg returns after the first message; absent on macOS. */
  readonly MSG_WAITFORONE: number;
  /** Received descriptors close on exec; absent on macOS. */
  readonly MSG_CMSG_CLOEXEC: number;
  /** Ancillary data that carries descriptors. */
  readonly SCM_RIGHTS: number;
  /** No more reading. */
  readonly SHUT_RD: number;
  /** No more writing. */
  readonly SHUT_WR: number;
  /** Neither. */
  readonly SHUT_RDWR: number;

  // Name lookup.

  /** Wildcard addresses, to bind. */
  readonly AI_PASSIVE: number;
  /** Asks for the canonical name. */
  readonly AI_CANONNAME: number;
  /** The host must be an address. */
  readonly AI_NUMERICHOST: number;
  /** The service must be a number. */
  readonly AI_NUMERICSERV: number;
  /** IPv4-mapped addresses when there is no IPv6. */
  readonly AI_V4MAPPED: number;
  /** With AI_V4MAPPED, both kinds. */
  readonly AI_ALL: number;
  /** Only families this host has addresses in. */
  readonly AI_ADDRCONFIG: number;
  /** The name has no address of the family; musl does not define it. */
  readonly EAI_ADDRFAMILY: number;
  /** Temporary failure. */
  readonly EAI_AGAIN: number;
  /** Invalid flags. */
  readonly EAI_BADFLAGS: number;
  /** Permanent failure. */
  readonly EAI_FAIL: number;
  /** Family not supported. */
  readonly EAI_FAMILY: number;
  /** Out of memory. */
  readonly EAI_MEMORY: number;
  /** The name has no address; not defined on FreeBSD. */
  readonly EAI_NODATA: number;
  /** Unknown name or service. */
  readonly EAI_NONAME: number;
  /** Service not available for the socket type. */
  readonly EAI_SERVICE: number;
  /** Socket type not supported. */
  readonly EAI_SOCKTYPE: number;
  /** See errno. */
  readonly EAI_SYSTEM: number;
  /** Asks for the service of datagrams. */
  readonly NI_DGRAM: number;
  /** Fails rather than answer with an address. */
  readonly NI_NAMEREQD: number;
  /** Answers with an address. */
  readonly NI_NUMERICHOST: number;
  /** Answers with a port. */
  readonly NI_NUMERICSERV: number;
}
