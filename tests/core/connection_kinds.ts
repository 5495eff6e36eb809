/** One body of tests over every kind of connection: two connected ends of a kind, however they are connected. */
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import {
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  PairBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { TlsBufferEvent, TlsContext } from "../../src/tls/mod.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { requires } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { until } from "./bufferevent_support.ts";

/** A kind of connection, and how to get two ends that are connected to each other. */
export interface ConnectionKind {
  readonly name: string;
  /** Whether all its callbacks come from the loop. */
  readonly defers: boolean;
  /** Whether what is underneath carries other bytes, more of them, and some of its own. */
  readonly encrypts?: boolean;
  open(base: EventBase, descriptors: Descriptors): [BufferEvent, BufferEvent];
}

function sockets(base: EventBase, descriptors: Descriptors, deferCallbacks: boolean): [BufferEvent, BufferEvent] {
  const [one, other] = descriptors.socketpair();
  const options = { keepOpen: true, deferCallbacks };
  return [new SocketBufferEvent(base, one, options), new SocketBufferEvent(base, other, options)];
}

function filtered([one, other]: [BufferEvent, BufferEvent]): [BufferEvent, BufferEvent] {
  return [new FilterBufferEvent(one), new FilterBufferEvent(other)];
}

/** TLS on both ends, after the handshake. */
function secured(base: EventBase, [one, other]: [BufferEvent, BufferEvent]): [BufferEvent, BufferEvent] {
  const { authority, server } = testCertificates();
  using serving = TlsContext.server({ certificate: server.certificate, key: server.key });
  using asking = TlsContext.client({ ca: authority.certificate });
  const ends: [TlsBufferEvent, TlsBufferEvent] = [
    new TlsBufferEvent(one, asking, { hostname: "localhost", closeTimeoutMs: 0 }),
    new TlsBufferEvent(other, serving, { closeTimeoutMs: 0 }),
  ];
  for (const end of ends) end.enable(EV_READ | EV_WRITE);
  until(base, () => ends.every((end) => end.isSecure), "both have shaken hands");
  for (const end of ends) end.disable(EV_READ);
  return ends;
}

/** All of them. */
export const connectionKinds: readonly ConnectionKind[] = [
  { name: "sockets", defers: false, open: (base, descriptors) => sockets(base, descriptors, false) },
  { name: "sockets that defer", defers: true, open: (base, descriptors) => sockets(base, descriptors, true) },
  { name: "a pair", defers: true, open: (base) => PairBufferEvent.create(base) },
  {
    name: "filters over sockets",
    defers: false,
    open: (base, descriptors) => filtered(sockets(base, descriptors, false)),
  },
  { name: "filters over a pair", defers: false, open: (base) => filtered(PairBufferEvent.create(base)) },
  ...(requires("openssl", "openssl")
    ? [
      {
        name: "TLS over sockets",
        defers: false,
        encrypts: true,
        open: (base: EventBase, descriptors: Descriptors) => secured(base, sockets(base, descriptors, false)),
      },
      {
        name: "TLS over a pair",
        defers: false,
        encrypts: true,
        open: (base: EventBase) => secured(base, PairBufferEvent.create(base)),
      },
    ]
    : []),
];

/** Registers the tests of `body` once for each kind, in a group that names it. */
export function forEachKind(body: (kind: ConnectionKind) => void): void {
  for (const kind of connectionKinds) describe(`over ${kind.name}`, () => body(kind));
}

/** Gives each test of the group two ends of its own, which are closed behind it. */
export function freshEnds(
  open: () => [BufferEvent, BufferEvent],
  begin: (ends: [BufferEvent, BufferEvent]) => void,
): void {
  let ends: [BufferEvent, BufferEvent];
  beforeEach(() => {
    ends = open();
    begin(ends);
  });
  afterEach(() => {
    for (const end of ends) end.close();
  });
}
