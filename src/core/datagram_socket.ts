import { close, getpeername, getSocketOption, getsockname, os, type SocketAddress, systemError } from "../ffi/mod.ts";
import type { NetworkInterface } from "./datagram_options.ts";
import { type OpenedSocket, setBroadcast } from "./datagram_open.ts";
import {
  changeMembership,
  type MembershipOptions,
  setMulticastInterface,
  setMulticastLoopback,
  setMulticastTtl,
  setTtl,
} from "./multicast.ts";
import type { SocketFile } from "./socket_file.ts";
import { optionalAddress } from "./socket_address.ts";

const { SOL_SOCKET, SO_RCVBUF, SO_SNDBUF } = os.constants;

/** The socket under a {@linkcode Datagram}: its addresses, its options, and the multicast groups it is in. */
export abstract class DatagramSocket {
  /** Its descriptor. */
  readonly fd: number;
  /** What kind of addresses it has. */
  readonly family: SocketAddress["family"];
  readonly #file: SocketFile | undefined;
  #closed = false;
  #addressBefore: SocketAddress | undefined;

  /** @internal */
  constructor({ fd, family, file }: OpenedSocket) {
    this.fd = fd;
    this.family = family;
    this.#file = file;
  }

  /**
   * Where it is bound, as the kernel tells now: before the first datagram of an unbound socket that is port 0. Of a closed one, where
   * it was.
   */
  get address(): SocketAddress {
    const address = this.#addressBefore ?? optionalAddress(this.fd, getsockname);
    if (address === undefined) {
      throw new Error("Cannot tell where a datagram socket is: somebody has closed its descriptor");
    }
    return address;
  }

  /** Its UDP port; 0 for Unix sockets and while it is not bound. */
  get port(): number {
    const { address } = this;
    return address.family === "unix" ? 0 : address.port;
  }

  /** To whom it is connected; undefined when to nobody. */
  get remoteAddress(): SocketAddress | undefined {
    return this.#closed ? undefined : optionalAddress(this.fd, getpeername);
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Size of the kernel's receive buffer, in bytes; on Linux twice what was asked for, half of it for bookkeeping. */
  get receiveBufferBytes(): number {
    return this.#option(SO_RCVBUF);
  }

  /** Size of the kernel's send buffer, in bytes. */
  get sendBufferBytes(): number {
    return this.#option(SO_SNDBUF);
  }

  #option(option: number): number {
    this.assertOpen("read an option of");
    const result = getSocketOption(this.fd, SOL_SOCKET, option);
    if (result < 0) throw systemError(result, "getsockopt", "read a buffer's size");
    return result;
  }

  /**
   * Joins a multicast group. On Linux the socket then gets the groups only that it has joined itself (IP_MULTICAST_ALL off).
   *
   * Bind to the group's port and all addresses, and with `reuseAddress` where others may listen too.
   *
   * @param group such as `239.1.2.3` or `ff02::1234%eth0`.
   * @throws {SystemError} EADDRINUSE when it is joined already, ENODEV without a route to it, ENXIO without such an interface.
   * @throws {TypeError} when it is no group, or of another family.
   */
  join(group: string, options: MembershipOptions = {}): void {
    this.assertOpen("join a group with");
    changeMembership(this.fd, this.family, true, group, options);
  }

  /** Leaves a group again, with the same options. Closing leaves all of them. */
  leave(group: string, options: MembershipOptions = {}): void {
    this.assertOpen("leave a group with");
    changeMembership(this.fd, this.family, false, group, options);
  }

  /** Allows or forbids sending to broadcast addresses. */
  setBroadcast(on: boolean): void {
    this.assertOpen("configure");
    setBroadcast(this.fd, on);
  }

  /** How many hops unicast packets may take, 1 to 255. */
  setTtl(hops: number): void {
    this.assertOpen("configure");
    setTtl(this.fd, this.family, hops);
  }

  /** How many hops multicast packets may take, 0 to 255; 0 keeps them on this host. */
  setMulticastTtl(hops: number): void {
    this.assertOpen("configure");
    setMulticastTtl(this.fd, this.family, hops);
  }

  /** Whether multicast that is sent also comes back to this host's members. */
  setMulticastLoopback(on: boolean): void {
    this.assertOpen("configure");
    setMulticastLoopback(this.fd, this.family, on);
  }

  /** Where multicast leaves; of a dual-stack socket that of both families, or by an IPv4 address that of IPv4 alone. */
  setMulticastInterface(through: NetworkInterface): void {
    this.assertOpen("configure");
    setMulticastInterface(this.fd, this.family, through);
  }

  /** @internal Throws unless it is open; `doing` completes "Cannot ... a datagram socket that was closed". */
  protected assertOpen(doing: string): void {
    if (this.#closed) throw new Error(`Cannot ${doing} a datagram socket that was closed`);
  }

  /** @internal Gives the descriptor back, and removes a Unix socket's file. */
  protected closeSocket(): void {
    this.#addressBefore = optionalAddress(this.fd, getsockname);
    this.#closed = true;
    // The file first: were it there without its socket, a sender would be refused rather than find nothing.
    this.#file?.remove();
    close(this.fd);
  }
}
