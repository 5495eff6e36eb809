/** What the tests of runs of datagrams share. */
import { assertEquals } from "@std/assert";
import { afterEach, beforeEach } from "@std/testing/bdd";
import type { Datagram, DatagramOptions, EventBase, SocketAddress } from "../../src/core/mod.ts";
import {
  allocate,
  bind,
  close,
  encodeSocketAddress,
  getsockname,
  os,
  recv,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../../src/ffi/mod.ts";
import type { BackendUnderTest } from "../support/backends.ts";
import { withFault } from "../support/faults.ts";
import { type FreshSockets, Sockets } from "./datagram_support.ts";

const { AF_INET, SOCK_DGRAM, MSG_DONTWAIT, UDP_SEGMENT } = os.constants;
/** Whether this system can cut runs. */
export const isSegmenting: boolean = UDP_SEGMENT !== 0;
const UDP = "ipv4" as const;

/** `count` texts of `length` bytes that tell their own number. */
export function texts(count: number, length: number, mark = ""): string[] {
  return Array.from({ length: count }, (_, index) => `${mark}${index} `.padEnd(length, "."));
}

/** Plain sockets that are read by plain calls. */
export class Plain implements Disposable {
  readonly fd: number = socket(AF_INET, SOCK_DGRAM, 0);
  readonly address: SocketAddress;

  constructor() {
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    assertEquals(bind(this.fd, bytes, encodeSocketAddress({ family: UDP, host: "127.0.0.1", port: 0 }, bytes)), 0);
    getsockname(this.fd, bytes);
    this.address = { family: UDP, host: "127.0.0.1", port: bytes[2]! << 8 | bytes[3]! };
  }

  /** All that is there, one text per call. */
  take(): string[] {
    const found: string[] = [];
    const room = allocate(65_536);
    for (let length = recv(this.fd, room, room.length, MSG_DONTWAIT); length >= 0;) {
      found.push(new TextDecoder().decode(room.subarray(0, length)));
      length = recv(this.fd, room, room.length, MSG_DONTWAIT);
    }
    return found;
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** How many messages each call of sendmmsg is given meanwhile. */
export function messagesPerCall(body: () => void): number[] {
  const given: number[] = [];
  if (!isSegmenting) {
    body();
    return given;
  }
  const when = (_fd: number, _headers: number, count: number): boolean => {
    given.push(count);
    return false;
  };
  withFault({ call: "sendmmsg", error: "EIO", when }, body);
  return given;
}

/** Picks calls whose first message has ancillary data: where nothing else needs it, that is a run. */
export const isRun: (...args: number[]) => boolean =
  ((_fd: number, headers: Uint8Array): boolean =>
    headers[os.structs.msghdr.fields.controllen.offset] !== 0) as unknown as (...args: number[]) => boolean;

/** A base, sockets on it, and a plain one to send to. */
export class FreshRuns implements FreshSockets, Disposable {
  readonly base: EventBase;
  readonly sockets: Sockets;
  readonly plain: Plain = new Plain();
  /** What the sockets were told that {@linkcode FreshRuns.open} has opened. */
  readonly errors: string[] = [];

  constructor(base: EventBase) {
    this.base = base;
    this.sockets = new Sockets(base);
  }

  readonly open = (options: DatagramOptions = {}): Datagram =>
    this.sockets.open({ onError: ({ code }) => this.errors.push(String(code)), ...options });

  /** Sends all to the plain socket; the messages per call. */
  readonly sendTo = (client: Datagram, datagrams: readonly string[], { address } = this.plain): number[] =>
    messagesPerCall(() => {
      assertEquals(client.sendMany(datagrams.map((text) => [text, address])), datagrams.length);
    });

  [Symbol.dispose](): void {
    this.sockets[Symbol.dispose]();
    this.plain[Symbol.dispose]();
    this.base.close();
  }
}

/** Gives each test of the group all that, which is closed behind it. */
export function freshRuns(backend: BackendUnderTest, begin: (fresh: FreshRuns) => void): void {
  let fresh: FreshRuns;
  beforeEach(() => begin(fresh = new FreshRuns(backend.newBase())));
  afterEach(() => fresh[Symbol.dispose]());
}
