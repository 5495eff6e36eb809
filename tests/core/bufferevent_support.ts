/** What the tests of connections and listeners share: a loop that is turned until something holds, and a record of what was told. */
import { assertEquals, fail } from "@std/assert";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_PEER_CLOSED,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  type BufferEvent,
  type BufferEventCallbacks,
  EV_READ,
  type EventBase,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import {
  accept,
  allocate,
  bind,
  connect,
  encodeSocketAddress,
  getsockname,
  listen,
  os,
  poll,
  read,
  setSocketOptionBytes,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../../src/ffi/mod.ts";
import type { Descriptors, Pair } from "../support/descriptors.ts";

const { AF_INET, POLLIN, SOCK_STREAM, SO_LINGER, SOL_SOCKET } = os.constants;

/** A broken test ends after so long; no verdict depends on it. */
const LIMIT_MS = 15_000;

/** Two connections over a socket pair whose descriptors are not theirs to close; the second one reads. */
export function twoEnds(base: EventBase, descriptors: Descriptors): [SocketBufferEvent, SocketBufferEvent] {
  const [one, other] = descriptors.socketpair();
  const ends = [one, other].map((fd) => new SocketBufferEvent(base, fd, { keepOpen: true }));
  ends[1]!.enable(EV_READ);
  return ends as [SocketBufferEvent, SocketBufferEvent];
}

/** Turns the loop until `done` holds. */
export function until(base: EventBase, done: () => boolean, what: string): void {
  using limit = base.timer(() => base.loopBreak());
  limit.add(LIMIT_MS);
  while (!done()) {
    base.loop(EVLOOP_ONCE);
    if (limit.pending() === 0) fail(`Waited too long: ${what}`);
  }
}

/** Lets the loop do all there is to do now. Loopback is synchronous: what was sent before has arrived. */
export function settle(base: EventBase): void {
  for (let round = 0; round < 3; round++) base.loop(EVLOOP_NONBLOCK);
}

/** Blocks in the loop for `ms` milliseconds. */
export function runFor(base: EventBase, ms: number): void {
  base.loopExit(ms);
  base.dispatch();
}

/** Lets time pass without turning the loop. */
export function passTime(base: EventBase, ms: number): void {
  for (const end = base.now() + ms; base.now() < end;);
}

const eventNames: readonly (readonly [number, string])[] = [
  [BEV_EVENT_CONNECTED, "CONNECTED"],
  [BEV_EVENT_EOF, "EOF"],
  [BEV_EVENT_ERROR, "ERROR"],
  [BEV_EVENT_TIMEOUT, "TIMEOUT"],
  [BEV_EVENT_READING, "READING"],
  [BEV_EVENT_WRITING, "WRITING"],
  [BEV_EVENT_PEER_CLOSED, "PEER_CLOSED"],
];

/** Writes everything down that `connection` tells, such as "read", "write" and "EOF|READING", then calls `also`. */
export function journal(connection: BufferEvent, also: BufferEventCallbacks<BufferEvent> = {}): string[] {
  const entries: string[] = [];
  connection.setCallbacks({
    read: (connection) => {
      entries.push("read");
      also.read?.(connection);
    },
    write: (connection) => {
      entries.push("write");
      also.write?.(connection);
    },
    event: (what, connection) => {
      entries.push(eventNames.filter(([bit]) => (what & bit) !== 0).map(([, name]) => name).join("|"));
      also.event?.(what, connection);
    },
  });
  return entries;
}

/** Takes everything out of the input, as text. */
export function inputText(connection: BufferEvent): string {
  return new TextDecoder().decode(connection.input.take());
}

/** Bytes that tell their position, so that a swap or a gap shows. */
export function pattern(length: number): Uint8Array {
  const bytes = allocate(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + (at >>> 16)) & 255;
  return bytes;
}

/** Compares long arrays without printing them. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  assertEquals(actual.findIndex((byte, at) => byte !== expected[at]), -1, "the first byte that differs");
}

/** Counts the calls that reach the kernel to send `connection`'s output, and what each of them took. */
export function countWrites(connection: BufferEvent): number[] {
  const results: number[] = [];
  const { output } = connection;
  const sendTo = output.sendTo.bind(output);
  output.sendTo = (fd, bytesMax) => {
    const result = sendTo(fd, bytesMax);
    results.push(result);
    return result;
  };
  const sendLone = output.sendLone.bind(output);
  output.sendLone = (fd, bytesMax) => {
    const result = sendLone(fd, bytesMax);
    // Else it was no case for it.
    if (result !== 0) results.push(result);
    return result;
  };
  if (connection instanceof SocketBufferEvent) {
    // What leaves past the output.
    const sendNow = connection.sendNow.bind(connection);
    connection.sendNow = (address, length) => {
      const result = sendNow(address, length);
      if (result > 0) results.push(result);
      return result;
    };
  }
  return results;
}

/** A listening TCP socket on a free loopback port. */
export function listeningSocket(descriptors: Descriptors): { fd: number; port: number } {
  const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  const length = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port: 0 }, address);
  assertEquals(bind(fd, address, length), 0);
  assertEquals(listen(fd, 512), 0);
  assertEquals(getsockname(fd, address), length);
  return { fd, port: address[2]! << 8 | address[3]! };
}

/** A port on which nobody listens. */
export function deadPort(descriptors: Descriptors): number {
  const { fd, port } = listeningSocket(descriptors);
  descriptors.close(fd);
  return port;
}

/** A client's socket that has begun to connect to a local port. */
export function clientSocket(descriptors: Descriptors, port: number, host: string = "127.0.0.1"): number {
  const family = host.includes(":") ? "ipv6" : "ipv4";
  const fd = descriptors.own(socket(family === "ipv6" ? os.constants.AF_INET6 : AF_INET, SOCK_STREAM, 0));
  const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
  connect(
    fd,
    address,
    encodeSocketAddress(family === "ipv6" ? { family, host, port, scope: 0 } : { family, host, port }, address),
  );
  return fd;
}

/** Sleeps until `fd` can be read from, or has a connection to accept. */
export function untilReadable(fd: number): void {
  const pollfd = allocate(8);
  new Int32Array(pollfd.buffer)[0] = fd;
  new Int16Array(pollfd.buffer)[2] = POLLIN;
  assertEquals(poll(pollfd, 1, LIMIT_MS), 1);
}

/** Two connected TCP sockets: the client's and the server's. */
export function tcpPair(descriptors: Descriptors): Pair {
  const listening = listeningSocket(descriptors);
  const client = clientSocket(descriptors, listening.port);
  untilReadable(listening.fd);
  const server = descriptors.own(
    accept(listening.fd, allocate(SOCKET_ADDRESS_BYTES_MAX), allocate(4).fill(SOCKET_ADDRESS_BYTES_MAX, 0, 1)),
  );
  descriptors.close(listening.fd);
  return [client, server];
}

/** Closes a TCP socket such that the other side is reset. */
export function resetAndClose(descriptors: Descriptors, fd: number): void {
  const linger = allocate(8);
  linger[0] = 1;
  assertEquals(setSocketOptionBytes(fd, SOL_SOCKET, SO_LINGER, linger), 0);
  descriptors.close(fd);
}

/** Everything that can be read from `fd` now, up to the end. */
export function drainDescriptor(fd: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const bytes = allocate(65_536);
    const count = read(fd, bytes, bytes.length);
    if (count <= 0) return pieces;
    pieces.push(bytes.subarray(0, count));
  }
}
