/** What the tests of TLS share. */
import {
  BEV_EVENT_CONNECTED,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import {
  TlsBufferEvent,
  type TlsBufferEventOptions,
  type TlsClientOptions,
  TlsContext,
  type TlsServerOptions,
} from "../../src/tls/mod.ts";
import { accept, allocate, SOCKET_ADDRESS_BYTES_MAX } from "../../src/ffi/mod.ts";
import { openssl } from "../../src/tls/openssl.ts";
import { sharedBios } from "../../src/tls/shared_bios.ts";
import type { TlsEngine } from "../../src/tls/tls_engine.ts";
import { until } from "../core/bufferevent_support.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { testCertificates } from "./certificate_folder.ts";

/** A context for a server that shows the certificate for localhost. */
export function serverContext(options: Partial<TlsServerOptions> = {}): TlsContext {
  const { server } = testCertificates();
  return TlsContext.server({ certificate: server.certificate, key: server.key, ...options });
}

/** A context for a client that trusts the tests' authority. */
export function clientContext(options: TlsClientOptions = {}): TlsContext {
  return TlsContext.client({ ca: testCertificates().authority.certificate, ...options });
}

/** Two connected ends and what they were told. */
export interface Ends {
  readonly client: TlsBufferEvent;
  readonly server: TlsBufferEvent;
}

/** How two ends are made. */
export interface EndsOptions {
  /** "sockets", or "pair" for no descriptors at all. */
  readonly over?: "sockets" | "pair";
  readonly client?: TlsClientOptions;
  readonly server?: Partial<TlsServerOptions>;
  readonly clientEnd?: TlsBufferEventOptions;
  readonly serverEnd?: TlsBufferEventOptions;
  /** Contexts to use instead of fresh ones. */
  readonly contexts?: { readonly client?: TlsContext; readonly server?: TlsContext };
}

/** Two ends underneath. */
export function transports(base: EventBase, descriptors: Descriptors | null): [BufferEvent, BufferEvent] {
  if (descriptors === null) return PairBufferEvent.create(base);
  const [one, other] = descriptors.socketpair();
  return [new SocketBufferEvent(base, one, { keepOpen: true }), new SocketBufferEvent(base, other, { keepOpen: true })];
}

/** Makes two ends that have not shaken hands yet; both read and write. */
export function openEnds(base: EventBase, descriptors: Descriptors | null, options: EndsOptions = {}): Ends {
  const [one, other] = transports(base, descriptors);
  const clients = options.contexts?.client ?? clientContext(options.client);
  const servers = options.contexts?.server ?? serverContext(options.server);
  const client = new TlsBufferEvent(one, clients, { hostname: "localhost", closeTimeoutMs: 0, ...options.clientEnd });
  const server = new TlsBufferEvent(other, servers, { closeTimeoutMs: 0, ...options.serverEnd });
  // What was opened from them lives on.
  if (options.contexts?.client === undefined) clients.close();
  if (options.contexts?.server === undefined) servers.close();
  client.enable(EV_READ | EV_WRITE);
  server.enable(EV_READ | EV_WRITE);
  return { client, server };
}

/** Turns the loop until both have shaken hands. */
export function shakeHands(base: EventBase, { client, server }: Ends): void {
  until(base, () => client.isSecure && server.isSecure, "both have shaken hands");
}

/**
 * Turns the loop until an end was told of an event other than a connect; returns the event, and its error's code. The event is -1 when
 * the end had failed already.
 */
export function failureOf(base: EventBase, end: TlsBufferEvent): { what: number; code: string } {
  let seen = -1;
  end.setCallbacks({
    event(what) {
      if (what !== BEV_EVENT_CONNECTED) seen = what;
    },
  });
  until(base, () => seen >= 0 || end.error !== null, "an event");
  return { what: seen, code: end.error?.code ?? "" };
}

/** Has OpenSSL refuse to encrypt anything more, as if it were told not to behind our back. */
export function breakEncryption(end: TlsBufferEvent): void {
  const { engine } = end as unknown as { readonly engine: TlsEngine };
  openssl().ssl.SSL_shutdown(engine.connection);
  // Its close_notify is not to leave with what another connection says.
  using lost = new EvBuffer();
  sharedBios().drain(lost);
}

/** Turns the loop until somebody has connected to a listening socket; returns the new descriptor. */
export function acceptOne(base: EventBase, fd: number): number {
  let accepted = -1;
  const event = base.event(fd, EV_READ, () => {
    accepted = accept(fd, allocate(SOCKET_ADDRESS_BYTES_MAX), allocate(4).fill(SOCKET_ADDRESS_BYTES_MAX, 0, 1));
  });
  event.add();
  until(base, () => accepted >= 0, "a connection");
  event.close();
  return accepted;
}
