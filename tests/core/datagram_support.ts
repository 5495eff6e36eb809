/** What the tests of datagrams share. */
import { afterEach, beforeEach } from "@std/testing/bdd";
import { Datagram, type DatagramCallback, type DatagramOptions, type EventBase } from "../../src/core/mod.ts";
import type { BackendUnderTest } from "../support/backends.ts";
import { until } from "./bufferevent_support.ts";

/** What a socket has received, in order. */
export interface Receiver {
  readonly socket: Datagram;
  readonly texts: string[];
}

/** Sockets that are closed with it. */
export class Sockets implements Disposable {
  readonly #base: EventBase;
  readonly #open: Datagram[] = [];

  constructor(base: EventBase) {
    this.#base = base;
  }

  /** A socket with or without a callback. */
  open(options: DatagramOptions, callback?: DatagramCallback): Datagram {
    return this.own(new Datagram(this.#base, options, callback));
  }

  /** A socket that notes the text of each datagram, then calls `also`. */
  receiver(options: DatagramOptions, also: DatagramCallback = () => {}): Receiver {
    const texts: string[] = [];
    const socket = this.open(options, (datagram, socket) => {
      texts.push(datagram.text());
      also(datagram, socket);
    });
    return { socket, texts };
  }

  /** A connected Unix pair of which the first half is only written to. */
  pair(options: Parameters<typeof Datagram.pair>[1] = {}, second?: DatagramCallback): [Datagram, Datagram] {
    const [left, right] = Datagram.pair(this.#base, options, undefined, second);
    return [this.own(left), this.own(right)];
  }

  /** Takes one on. */
  own(socket: Datagram): Datagram {
    this.#open.push(socket);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.close();
  }
}

/** Turns the loop until `receiver` has `count` datagrams. */
export function untilReceived(base: EventBase, receiver: Receiver, count: number): string[] {
  until(base, () => receiver.texts.length >= count, `${count} datagrams, of which ${receiver.texts.length} came`);
  return receiver.texts;
}

/** `count` texts that tell their own number. */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `datagram ${index}`);
}

/** A base, and sockets on it. */
export interface FreshSockets {
  readonly base: EventBase;
  readonly sockets: Sockets;
}

/** Gives each test of the group a base of its own and sockets, which are closed behind it. */
export function freshSockets(backend: BackendUnderTest, begin: (fresh: FreshSockets) => void): void {
  let fresh: FreshSockets;
  beforeEach(() => {
    const base = backend.newBase();
    fresh = { base, sockets: new Sockets(base) };
    begin(fresh);
  });
  afterEach(() => {
    fresh.sockets[Symbol.dispose]();
    fresh.base.close();
  });
}
