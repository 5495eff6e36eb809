/** A client for the tests of DNS servers: plain sockets on the same loop. */
import {
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  Datagram,
  EV_READ,
  type EventBase,
  ipSocketAddress,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import {
  buildDnsMessage,
  DNS_FLAG_RECURSION_DESIRED,
  type DnsMessage,
  dnsTypeNumber,
  type Edns,
  parseDnsMessage,
} from "../../src/dns/mod.ts";
import { until } from "../core/bufferevent_support.ts";

/** A query as a resolver would send it. */
export function query(name: string, type: string = "A", more: Partial<DnsMessage> = {}): DnsMessage {
  const questions = [{ name, type: dnsTypeNumber(type)!, class: 1 }];
  return {
    id: 0x1234,
    flags: DNS_FLAG_RECURSION_DESIRED,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
    ...more,
  };
}

/** EDNS with a size. */
export function edns(udpSize: number, more: Partial<Edns> = {}): Edns {
  return { udpSize, version: 0, flags: 0, extendedRcode: 0, options: [], ...more };
}

/** Asks over UDP. */
export class UdpClient implements Disposable {
  /** What has come, as bytes. */
  readonly replies: Uint8Array[] = [];
  readonly #base: EventBase;
  readonly #socket: Datagram;

  constructor(base: EventBase, port: number, host: string = "127.0.0.1") {
    this.#base = base;
    const address = ipSocketAddress(host, port)!;
    const keep = ({ bytes }: { readonly bytes: Uint8Array }) => void this.replies.push(bytes.slice());
    this.#socket = new Datagram(base, { family: address.family }, keep);
    this.#socket.connect(address);
  }

  send(message: DnsMessage | Uint8Array): void {
    this.#socket.send(message instanceof Uint8Array ? message : buildDnsMessage(message));
  }

  /** Turns the loop until there are `count` replies; answers the last of them. */
  reply(count: number = this.replies.length + 1): DnsMessage {
    until(this.#base, () => this.replies.length >= count, `${count} replies, of which ${this.replies.length} came`);
    return parseDnsMessage(this.replies[count - 1]!);
  }

  ask(message: DnsMessage | Uint8Array): DnsMessage {
    const count = this.replies.length + 1;
    this.send(message);
    return this.reply(count);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** A message with its length in front. */
export function framed(message: DnsMessage | Uint8Array): Uint8Array {
  const bytes = message instanceof Uint8Array ? message : buildDnsMessage(message);
  return Uint8Array.from([bytes.length >> 8, bytes.length & 255, ...bytes]);
}

/** Asks over TCP. */
export class TcpClient implements Disposable {
  readonly replies: DnsMessage[] = [];
  hasEnded = false;
  readonly stream: SocketBufferEvent;
  readonly #base: EventBase;

  constructor(base: EventBase, port: number) {
    this.#base = base;
    this.stream = new SocketBufferEvent(base);
    this.stream.setCallbacks({
      read: () => this.#read(),
      event: (what) => this.hasEnded ||= (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) !== 0,
    });
    this.stream.connect({ family: "ipv4", host: "127.0.0.1", port });
    this.stream.enable(EV_READ);
  }

  #read(): void {
    const { input } = this.stream;
    for (;;) {
      const length = new Uint8Array(2);
      if (input.copyOut(length) < 2) return;
      const bytes = length[0]! << 8 | length[1]!;
      if (input.length < 2 + bytes) return;
      input.drain(2);
      this.replies.push(parseDnsMessage(input.take(bytes)));
    }
  }

  send(message: DnsMessage | Uint8Array): void {
    this.stream.write(framed(message));
  }

  reply(count: number = this.replies.length + 1): DnsMessage {
    until(this.#base, () => this.replies.length >= count, `${count} replies, of which ${this.replies.length} came`);
    return this.replies[count - 1]!;
  }

  ask(message: DnsMessage | Uint8Array): DnsMessage {
    const count = this.replies.length + 1;
    this.send(message);
    return this.reply(count);
  }

  untilEnd(): void {
    until(this.#base, () => this.hasEnded, "the end of the connection");
  }

  [Symbol.dispose](): void {
    this.stream.close();
  }
}
