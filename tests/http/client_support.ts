/** What the tests of the client share: servers that say literally what they are told to. */
import process from "node:process";
import { EV_READ, type EventBase, getSocketType, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpClientConnectionOptions } from "../../src/http/mod.ts";
import { bytesOf, textOf } from "./parse_support.ts";

export const HOST = "127.0.0.1";

/** An address of this process, for ports that are to be free again when a server has gone: on the usual one others may take them. */
export const OWN_HOST = `127.${1 + (process.pid >> 15) % 100}.${1 + (process.pid >> 8) % 128}.${1 + process.pid % 250}`;

/** One connection that a server has accepted. */
export class Peer {
  readonly stream: SocketBufferEvent;
  /** Everything that has come by it. */
  received = "";
  /** Whether the client has ended it. */
  isOver = false;

  constructor(stream: SocketBufferEvent) {
    this.stream = stream;
  }

  /** Sends bytes, one per character. */
  say(text: string): void {
    this.stream.write(bytesOf(text));
  }

  /** Closes once everything is sent. */
  end(): void {
    this.stream.closeAfterFlush();
  }
}

/** Says what a server does with what has come; `index` counts connections. Called whenever something has come. */
export type Script = (peer: Peer, index: number) => void;

/** A server that follows a script. */
export class ScriptedServer implements Disposable {
  readonly listener: Listener;
  readonly peers: Peer[] = [];

  constructor(base: EventBase, script: Script, onAccept: Script = () => {}, host: string = HOST) {
    this.listener = new Listener(base, { host, port: 0 }, (fd) => {
      const stream = new SocketBufferEvent(base, fd);
      const peer = new Peer(stream);
      const index = this.peers.push(peer) - 1;
      stream.setCallbacks({
        read: () => {
          peer.received += textOf(stream.input.take());
          script(peer, index);
        },
        event: () => void (peer.isOver = true),
      });
      stream.enable(EV_READ);
      onAccept(peer, index);
    });
  }

  get port(): number {
    return this.listener.port;
  }

  /** A client's connection to it. */
  connection(options: HttpClientConnectionOptions = {}): HttpClientConnection {
    return new HttpClientConnection(this.listener.base, { host: HOST, port: this.port }, options);
  }

  [Symbol.dispose](): void {
    this.listener.close();
    for (const { stream } of this.peers) stream.close();
  }
}

/** Answers each head that has come with the next of `answers`, whatever connection it comes by. */
export function answering(...answers: (string | ((peer: Peer) => void))[]): Script {
  const served = new Map<Peer, number>();
  let next = 0;
  return (peer) => {
    const count = peer.received.split("\r\n\r\n").length - 1;
    for (let at = served.get(peer) ?? 0; at < count; at++) {
      served.set(peer, at + 1);
      const answer = answers[next++];
      if (typeof answer === "string") peer.say(answer);
      else answer?.(peer);
    }
  };
}

/** A response with a body. */
export function ok(body: string, fields: string = ""): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** How many sockets this process has open. Other descriptors come and go with the threads on which runtimes sleep. */
export function openSocketCount(): number {
  let count = 0;
  for (let fd = 0; fd < 1000; fd++) {
    if (getSocketType(fd) >= 0) count++;
  }
  return count;
}
