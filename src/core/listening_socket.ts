/**
 * Opens a listening socket, or makes an existing one ours.
 *
 * @module
 */

import {
  allocate,
  bind,
  chmod,
  close,
  encodeSocketAddress,
  ipSocketAddress,
  listen,
  os,
  setCloseOnExec,
  setNonBlocking,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  systemError,
} from "../ffi/mod.ts";
import type { ListenerOptions } from "./listener_options.ts";
import { EVENT_LOG_WARN, log } from "./log.ts";
import {
  checkInt,
  setIpv6Only,
  setReceiveBufferBytes,
  setReuseAddress,
  setReusePort,
  setSendBufferBytes,
} from "./socket_options.ts";
import { isSocketFile, removeStaleSocket, SocketFile } from "./socket_file.ts";
import { type KeepAlive, setDeferredAccept, setFastOpen, setKeepAlive, setNoDelay } from "./tcp_options.ts";

const BACKLOG = 511;
/** What libevent makes of a negative backlog. */
const BACKLOG_OF_NEGATIVE = 128;
const KEEP_ALIVE: KeepAlive = { idleSeconds: 300, intervalSeconds: 100, count: 3 };
const FAST_OPEN_PENDING = 256;

const { ENOENT, ENOPROTOOPT, ENOTSUP, EOPNOTSUPP } = os.errno as Record<string, number>;

/** A socket that listens. */
export interface ListeningSocket {
  /** Its descriptor. */
  readonly fd: number;
  /** The file that came with it, and so has to go with it. */
  readonly file: SocketFile | undefined;
}

/**
 * Does what the options say, up to and including `listen`.
 *
 * @throws {SystemError} when the address cannot be had; nothing is left behind then, and an adopted socket stays open.
 */
export function openListeningSocket(options: ListenerOptions): ListeningSocket {
  checkOptions(options);
  if (options.fd !== undefined) return { fd: adopt(options.fd, options), file: undefined };
  return openNew(options);
}

/** Closes it, and removes its file. */
export function closeListeningSocket({ fd, file }: ListeningSocket): void {
  // The file first: were it there without its socket, a client would be refused rather than find nothing.
  file?.remove();
  close(fd);
}

function checkOptions({ port, path, fd, backlog, mode, reuseAddress, reusePort }: ListenerOptions): void {
  if (backlog !== undefined) checkInt("a backlog", backlog, -0x80000000);
  if (backlog === 0 && fd === undefined) {
    throw new RangeError("Cannot listen with a backlog of 0: that is for sockets that listen already");
  }
  if (path === undefined && port === undefined && fd === undefined) {
    throw new TypeError("Cannot listen: neither port, path nor fd says where");
  }
  const isPath = path !== undefined && fd === undefined;
  if (isPath && (reuseAddress === true || reusePort === true)) {
    // Libevent refuses it too.
    const name = reusePort === true ? "reusePort" : "reuseAddress";
    throw new TypeError(`Cannot listen on ${path}: ${name} means nothing for a path`);
  }
  if (mode === undefined) return;
  checkInt("the mode of a socket's file", mode, 0, 0o777);
  if (!isPath || !isSocketFile(path)) {
    throw new TypeError("Cannot listen with a mode: it is for the file of a Unix socket");
  }
}

/** Makes an existing socket ours. */
function adopt(fd: number, options: ListenerOptions): number {
  let result = setNonBlocking(fd);
  if (result >= 0) result = setCloseOnExec(fd, options.closeOnExec !== false);
  if (result < 0) throw systemError(result, "fcntl", `use descriptor ${fd}`);
  // Of no concern where these fail: they mean nothing to a Unix socket.
  configureAccepted(fd, options);
  const { backlog = 0 } = options;
  if (backlog !== 0) result = listen(fd, backlog < 0 ? BACKLOG_OF_NEGATIVE : backlog);
  if (result < 0) throw systemError(result, "listen", `listen on descriptor ${fd}`);
  configureListening(fd, options);
  return fd;
}

function targetOf({ port, host = "127.0.0.1", path }: ListenerOptions): SocketAddress {
  if (path !== undefined) return { family: "unix", path };
  const address = ipSocketAddress(host === "localhost" ? "127.0.0.1" : host, port!);
  if (address !== undefined) return address;
  throw new TypeError(`Cannot listen on host "${host}": it is not an IP address (resolve names first)`);
}

function openNew(options: ListenerOptions): ListeningSocket {
  const target = targetOf(options);
  const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } = os.constants;
  const families = { ipv4: AF_INET, ipv6: AF_INET6, unix: AF_UNIX };
  const facts = target.family === "unix" ? { path: target.path } : { address: target.host, port: target.port };
  // Encoded first, since that throws for what is no address.
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress(target, address);
  const path = target.family === "unix" && isSocketFile(target.path) ? target.path : undefined;
  if (path !== undefined && options.unlinkFirst === true) removeStaleSocket(path);

  const fd = socket(families[target.family], SOCK_STREAM, 0);
  if (fd < 0) throw systemError(fd, "socket", "open a socket for", facts);
  let file: SocketFile | undefined;
  try {
    const attempt = (syscall: string, result: number): void => {
      if (result < 0) throw systemError(result, syscall, syscall === "bind" ? "bind" : "listen on", facts);
    };
    if (options.closeOnExec === false) attempt("fcntl", setCloseOnExec(fd, false));
    if (target.family !== "unix") {
      attempt("setsockopt", configureAddress(fd, target.family === "ipv6", options));
      attempt("setsockopt", configureAccepted(fd, options));
    } else {
      attempt("setsockopt", configureBuffers(fd, options));
    }
    attempt("bind", bind(fd, address, length));
    if (path !== undefined) {
      file = new SocketFile(path);
      // Before anybody can connect.
      if (options.mode !== undefined) attempt("chmod", chmod(path, options.mode));
    }
    const { backlog = BACKLOG } = options;
    attempt("listen", listen(fd, backlog < 0 ? BACKLOG_OF_NEGATIVE : backlog));
    if (target.family !== "unix") attempt("setsockopt", configureListening(fd, options));
  } catch (error) {
    closeListeningSocket({ fd, file });
    throw error;
  }
  return { fd, file };
}

/** What binding depends on. */
function configureAddress(fd: number, isIpv6: boolean, options: ListenerOptions): number {
  let result = options.reuseAddress !== false ? setReuseAddress(fd) : 0;
  if (result >= 0 && options.reusePort === true) result = setReusePort(fd);
  if (result >= 0 && isIpv6) result = setIpv6Only(fd, options.dualStack !== true);
  return result;
}

/** Options set here are inherited by every accepted connection, which so costs no call of its own. */
function configureAccepted(fd: number, options: ListenerOptions): number {
  let result = configureBuffers(fd, options);
  if (result >= 0 && options.noDelay !== false) result = setNoDelay(fd, true);
  if (result >= 0 && options.keepAlive !== false) result = setKeepAlive(fd, options.keepAlive ?? KEEP_ALIVE);
  return result;
}

function configureBuffers(fd: number, { sendBufferBytes, receiveBufferBytes }: ListenerOptions): number {
  let result = sendBufferBytes !== undefined ? setSendBufferBytes(fd, sendBufferBytes) : 0;
  if (result >= 0 && receiveBufferBytes !== undefined) result = setReceiveBufferBytes(fd, receiveBufferBytes);
  return result;
}

/** What only a socket that listens already may be told: macOS and FreeBSD insist on that order, Linux does not mind. */
function configureListening(fd: number, { deferAccept, fastOpen }: ListenerOptions): number {
  let result = 0;
  if (deferAccept !== undefined && deferAccept !== false) {
    result = orWithout("deferred accept", setDeferredAccept(fd, deferAccept === true ? 1 : deferAccept));
  }
  if (result >= 0 && fastOpen !== undefined && fastOpen !== false) {
    result = orWithout("TCP fast open", setFastOpen(fd, fastOpen === true ? FAST_OPEN_PENDING : fastOpen));
  }
  return result;
}

/** Both only save time, so a system without them is served without them. ENOENT: FreeBSD's kernel module is not loaded. */
function orWithout(what: string, result: number): number {
  if (![ENOENT, ENOPROTOOPT, ENOTSUP, EOPNOTSUPP].includes(-result)) return result;
  log(EVENT_LOG_WARN, systemError(result, "setsockopt", `use ${what}, listening without it`).message);
  return 0;
}
