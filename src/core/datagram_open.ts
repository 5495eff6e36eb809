import {
  allocate,
  bind,
  close,
  enablePacketInfo,
  encodeSocketAddress,
  getSocketOption,
  getsockname,
  interfaceIndex,
  ipSocketAddress,
  os,
  prepareDescriptor,
  setSocketOption,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  systemError,
} from "../ffi/mod.ts";
import type { DatagramOptions } from "./datagram_options.ts";
import { setMulticastInterface, setMulticastLoopback, setMulticastTtl, setTtl } from "./multicast.ts";
import { isSocketFile, removeStaleSocket, SocketFile } from "./socket_file.ts";
import { setIpv6Only, setReuseAddress, setReusePort } from "./socket_options.ts";

const { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_TYPE, SO_BROADCAST, SO_RCVBUF, SO_SNDBUF } =
  os.constants;

/** A datagram socket that is ready for use. */
export interface OpenedSocket {
  readonly fd: number;
  readonly family: SocketAddress["family"];
  /** The file that goes when the socket is closed. */
  readonly file: SocketFile | undefined;
}

/** Opens, configures and binds a socket, or adopts one, as the options say. */
export function openDatagramSocket(options: DatagramOptions): OpenedSocket {
  checkWhere(options);
  if (options.fd !== undefined) return adopt(options.fd, options);
  const target = targetOf(options);
  const family = target?.family ?? options.family ?? "ipv4";
  if (family === "unix" && options.reusePort === true) {
    throw new TypeError("Cannot open a datagram socket: reusePort means nothing for a Unix socket");
  }
  const facts = factsOf(target);
  // Encoded first, since that throws for what is no address.
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = target === undefined ? 0 : encodeSocketAddress(target, address);
  if (target?.family === "unix" && options.unlinkFirst === true && isSocketFile(target.path)) {
    removeStaleSocket(target.path);
  }
  const fd = socket(family === "ipv4" ? AF_INET : family === "ipv6" ? AF_INET6 : AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a datagram socket", facts);
  try {
    if (family !== "unix") {
      must(options.reuseAddress === true ? setReuseAddress(fd) : 0, "share an address");
      must(options.reusePort === true ? setReusePort(fd) : 0, "share a port");
      must(family === "ipv6" ? setIpv6Only(fd, options.dualStack !== true) : 0, "choose between IPv6 and IPv4");
    }
    configure(fd, family, options);
    const result = target === undefined ? 0 : bind(fd, address, length);
    if (result < 0) throw systemError(result, "bind", "bind", facts);
  } catch (error) {
    close(fd);
    throw error;
  }
  const file = target?.family === "unix" && isSocketFile(target.path) ? new SocketFile(target.path) : undefined;
  return { fd, family, file };
}

function checkWhere({ fd, port, path }: DatagramOptions): void {
  const given = Object.entries({ fd, port, path }).filter(([, value]) => value !== undefined).map(([name]) => name);
  if (given.length > 1) throw new TypeError(`Cannot open a datagram socket: ${given.join(" and ")} exclude each other`);
}

function targetOf({ port, host, path, family }: DatagramOptions): SocketAddress | undefined {
  if (path !== undefined) return { family: "unix", path };
  if (port === undefined) {
    if (host !== undefined) {
      throw new TypeError(`Cannot bind host "${host}" without a port: give port, 0 for a free one`);
    }
    return undefined;
  }
  const loopback = family === "ipv6" ? "::1" : "127.0.0.1";
  const name = host === undefined || host === "localhost" ? loopback : host;
  const address = ipSocketAddress(name, port, interfaceIndexOrNumber);
  if (address === undefined) {
    throw new TypeError(`Cannot bind host "${name}": it is not an IP address (resolve names first)`);
  }
  if (family !== undefined && family !== address.family) {
    throw new TypeError(`Cannot bind host "${name}": it is not of family "${family}"`);
  }
  return address;
}

/** Resolves the scope of an address by name or number. */
function interfaceIndexOrNumber(scope: string): number {
  return /^[0-9]{1,9}$/.test(scope) ? Number(scope) : interfaceIndex(scope);
}

function factsOf(target: SocketAddress | undefined): { path: string } | { address: string; port: number } | object {
  if (target === undefined) return {};
  return target.family === "unix" ? { path: target.path } : { address: target.host, port: target.port };
}

/** Makes an existing socket ours; it stays the caller's when this throws. */
function adopt(fd: number, options: DatagramOptions): OpenedSocket {
  const type = getSocketOption(fd, SOL_SOCKET, SO_TYPE);
  if (type < 0) throw systemError(type, "getsockopt", `use descriptor ${fd}`);
  if (type !== SOCK_DGRAM) throw new TypeError(`Cannot use descriptor ${fd}: it is not a datagram socket`);
  const result = prepareDescriptor(fd);
  if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
  const family = familyOf(fd);
  configure(fd, family, options);
  return { fd, family, file: undefined };
}

function familyOf(fd: number): SocketAddress["family"] {
  const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const result = getsockname(fd, bytes);
  if (result < 0) throw systemError(result, "getsockname", `read the address of descriptor ${fd}`);
  const family = os.hasSockaddrLength ? bytes[1] : bytes[0]! | bytes[1]! << 8;
  if (family === AF_INET) return "ipv4";
  if (family === AF_INET6) return "ipv6";
  if (family === AF_UNIX) return "unix";
  throw new TypeError(`Cannot use descriptor ${fd}: its address family ${family} is not supported`);
}

function configure(fd: number, family: SocketAddress["family"], options: DatagramOptions): void {
  const { receiveBufferBytes, sendBufferBytes, ttl, multicastTtl, multicastLoopback, multicastInterface } = options;
  if (receiveBufferBytes !== undefined) setSize(fd, SO_RCVBUF, "receiveBufferBytes", receiveBufferBytes);
  if (sendBufferBytes !== undefined) setSize(fd, SO_SNDBUF, "sendBufferBytes", sendBufferBytes);
  if (options.broadcast === true) setBroadcast(fd, true);
  if (ttl !== undefined) setTtl(fd, family, ttl);
  if (multicastTtl !== undefined) setMulticastTtl(fd, family, multicastTtl);
  if (multicastLoopback !== undefined) setMulticastLoopback(fd, family, multicastLoopback);
  if (multicastInterface !== undefined) setMulticastInterface(fd, family, multicastInterface);
  if (options.packetInfo === true) {
    if (family === "unix") throw new TypeError("Cannot have packetInfo from a Unix socket: it has no interfaces");
    must(enablePacketInfo(fd, family === "ipv6"), "ask for packet info");
  }
}

function setSize(fd: number, option: number, name: string, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 0x3fffffff) {
    throw new RangeError(`Cannot use ${name} ${bytes}: expected 1 to ${0x3fffffff}`);
  }
  must(setSocketOption(fd, SOL_SOCKET, option, bytes), `set ${name}`);
}

/** Allows or forbids sending to broadcast addresses (SO_BROADCAST). */
export function setBroadcast(fd: number, on: boolean): void {
  must(setSocketOption(fd, SOL_SOCKET, SO_BROADCAST, on ? 1 : 0), "allow broadcasts");
}

function must(result: number, action: string): void {
  if (result < 0) throw systemError(result, "setsockopt", action);
}
