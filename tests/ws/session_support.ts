/** A session on one end of a socket pair, and on the other a hand that writes and reads bare bytes. */
import { EV_READ, EventBase, SocketBufferEvent, socketPair } from "../../src/core/mod.ts";
import { type WebSocketAgreement, WebSocketSession, type WebSocketSessionOptions } from "../../src/ws/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import type { BackendUnderTest } from "../support/backends.ts";

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What {@linkcode Rig} is made with. */
export interface RigOptions extends WebSocketSessionOptions {
  readonly agreement?: Partial<WebSocketAgreement>;
}

/** A session with a peer of bare bytes, and a record of what was told. */
export class Rig implements Disposable {
  readonly base: EventBase;
  readonly session: WebSocketSession;
  readonly peer: SocketBufferEvent;
  /** What the session's callbacks were told, in order. */
  readonly log: string[] = [];
  /** What the peer's connection was told: `BEV_EVENT_` bits. */
  readonly peerEvents: number[] = [];

  constructor(options: RigOptions = {}, backend?: BackendUnderTest) {
    this.base = backend === undefined ? new EventBase() : backend.newBase();
    const [ours, theirs] = socketPair();
    const { agreement, ...rest } = options;
    const say = (text: string): void => void this.log.push(text);
    const text = (data: Uint8Array): string => new TextDecoder().decode(data);
    this.peer = new SocketBufferEvent(this.base, theirs);
    this.peer.setCallbacks({ event: (what) => void this.peerEvents.push(what) });
    this.peer.enable(EV_READ);
    this.session = new WebSocketSession(new SocketBufferEvent(this.base, ours), { role: "server", ...agreement }, {
      message: (data) => say(typeof data === "string" ? `text ${data}` : `bytes ${hexOf(data)}`),
      close: (code, reason, wasClean) => say(`close ${code} ${reason}${wasClean ? "clean" : "unclean"}`),
      error: ({ code }) => say(`error ${code}`),
      ping: (data) => say(`ping ${text(data)}`),
      pong: (data) => say(`pong ${text(data)}`),
      drain: () => say("drain"),
      ...rest,
    });
  }

  /** Sends bytes to the session and lets it do what it will. */
  send(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.peer.write(part);
    return this.settle();
  }

  /** Lets the loop do all there is to do now. */
  settle(): this {
    settle(this.base);
    return this;
  }

  /** Turns the loop until something holds. */
  until(done: () => boolean, what: string): this {
    until(this.base, done, what);
    return this;
  }

  /** What the session has sent since the last call, as hexadecimal digits. */
  received(): string {
    this.settle();
    return hexOf(this.peer.input.take());
  }

  /** What was told since the last call. */
  told(): string[] {
    return this.log.splice(0);
  }

  [Symbol.dispose](): void {
    this.session.terminate();
    this.peer.close();
    this.base.close();
  }
}
