/**
 * Counterparts of libevent's regress cases for TLS (group openssl). Two ends count up: each answers a number with the next one, and at
 * the last one an end is cut off without announcing it, since in C nobody ever announces it.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_TIMEOUT,
  type BufferEvent,
  CheckWatcher,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  Listener,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { engineCount } from "../../src/tls/tls_engine.ts";
import { TlsBufferEvent, type TlsContext } from "../../src/tls/mod.ts";
import { countWrites, settle, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, type Pair } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";

const LAST_NUMBER = 1001;
const RENEGOTIATE_AT = 600;

function it(title: string, fn: () => void | Promise<void>): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** Two connected sockets, to be closed by the connections over them. */
function socketpair(): Pair {
  return new Descriptors().socketpair();
}

interface Counted {
  connected: number;
  closed: number;
  failed: number;
  timedOut: number;
  done: boolean;
  renegotiated: boolean;
}

forEachBackend((backend) => {
  let base: EventBase;
  let clients: TlsContext;
  let servers: TlsContext;
  let counted: Counted;

  beforeEach(() => {
    base = backend.newBase();
    clients = clientContext();
    servers = serverContext();
    counted = { connected: 0, closed: 0, failed: 0, timedOut: 0, done: false, renegotiated: false };
  });
  afterEach(() => {
    clients.close();
    servers.close();
    base.close();
  });

  function event(what: number, end: BufferEvent): void {
    if ((what & BEV_EVENT_CONNECTED) !== 0) return void counted.connected++;
    if ((what & BEV_EVENT_EOF) !== 0) counted.closed++;
    else if ((what & BEV_EVENT_ERROR) !== 0) counted.failed++;
    else if ((what & BEV_EVENT_TIMEOUT) !== 0) counted.timedOut++;
    end.close();
  }

  function answer(end: TlsBufferEvent): void {
    for (let line = end.input.readLine(); line !== null && !end.closed; line = end.input.readLine()) {
      const number = Number(line);
      if (number === LAST_NUMBER) {
        counted.done = true;
        // Cut off, without a word.
        end.underlying.close();
        return;
      }
      if (counted.renegotiated === false && number === RENEGOTIATE_AT) counted.renegotiated = end.renegotiate();
      end.write(`${number + 1}\n`);
    }
  }

  [false, true].forEach((isFilter) => {
    /** An end over `fd`: over a socket of its own, or over a connection of ours. */
    function open(fd: number, context: TlsContext, options: object = {}): TlsBufferEvent {
      const all = { hostname: "localhost", deferCallbacks: true, ...options };
      if (!isFilter) return TlsBufferEvent.overSocket(base, fd, context, all);
      return new TlsBufferEvent(new SocketBufferEvent(base, fd), context, all);
    }

    function openBoth(options: object = {}): [TlsBufferEvent, TlsBufferEvent] {
      const [one, other] = socketpair();
      const ends: [TlsBufferEvent, TlsBufferEvent] = [open(one, clients, options), open(other, servers, options)];
      for (const end of ends) end.setCallbacks({ read: answer, event });
      return ends;
    }

    function countUp([client, server]: [TlsBufferEvent, TlsBufferEvent]): void {
      client.enable(EV_READ | EV_WRITE);
      server.enable(EV_READ | EV_WRITE);
      until(base, () => client.closed && server.closed, "both have ended");
      assert(counted.done);
      assertEquals(counted.connected, 2);
      assertEquals(counted.timedOut, 0);
    }

    function useTls12(): void {
      clients.close();
      servers.close();
      clients = clientContext({ maxVersion: "TLSv1.2", allowRenegotiation: true });
      servers = serverContext({ maxVersion: "TLSv1.2", allowRenegotiation: true });
    }

    describe(isFilter ? "TLS over a connection" : "TLS over a socket", () => {
      it("two ends count up to a thousand, and an end that was cut off is an error", () => {
        const ends = openBoth();
        assert(ends[0].fd >= 0);
        ends[0].write("1\n");
        countUp(ends);
        assertEquals([counted.failed, counted.closed], [1, 0]);
      });

      it("what is written as soon as the handshake has ended goes out", () => {
        const ends = openBoth();
        ends[0].setCallbacks({
          read: answer,
          event(what, end) {
            event(what, end);
            if ((what & BEV_EVENT_CONNECTED) !== 0) end.write("1\n");
          },
        });
        countUp(ends);
        assertEquals([counted.failed, counted.closed], [1, 0]);
      });

      it("an end that was cut off is the end of the stream where that is allowed", () => {
        const ends = openBoth({ allowDirtyShutdown: true });
        ends[0].write("1\n");
        countUp(ends);
        assertEquals([counted.failed, counted.closed], [0, 1]);
      });

      /** The same TLS in a connection of its own, over the same descriptor or connection. */
      function reopened(end: TlsBufferEvent, options: object): TlsBufferEvent {
        const tls = end.detach();
        assert(end.closed);
        const socket = end.underlying as SocketBufferEvent;
        assertEquals([socket.closed, socket.queuedBytes, socket.input.length], [false, 0, 0]);
        const all = { deferCallbacks: true, ...options };
        if (isFilter) return new TlsBufferEvent(socket, tls, all);
        const fd = socket.takeFd();
        socket.close();
        return TlsBufferEvent.overSocket(base, fd, tls, all);
      }

      function countUpReopened(options: object): void {
        const first = openBoth();
        for (const end of first) end.enable(EV_READ | EV_WRITE);
        until(base, () => counted.connected === 2, "both are connected");
        settle(base);
        const second = first.map((end) => reopened(end, options)) as typeof first;
        for (const end of second) {
          end.setCallbacks({ read: answer, event });
          assert(end.isSecure && end.version === "TLSv1.3");
        }
        second[0].write("1\n");
        countUp(second);
      }

      it("TLS that is open already goes on, and an end that was cut off is an error", () => {
        countUpReopened({});
        assertEquals([counted.failed, counted.closed], [1, 0]);
      });

      it("TLS that is open already goes on, and a cut is the end of the stream where that is allowed", () => {
        countUpReopened({ allowDirtyShutdown: true });
        assertEquals([counted.failed, counted.closed], [0, 1]);
      });

      it("the keys are renegotiated midway, and no number is lost", () => {
        useTls12();
        const ends = openBoth();
        ends[0].write("1\n");
        countUp(ends);
        assert(counted.renegotiated);
        assertEquals([counted.failed, counted.closed], [1, 0]);
      });

      it("the keys are renegotiated midway, and a cut is the end of the stream where that is allowed", () => {
        useTls12();
        const ends = openBoth({ allowDirtyShutdown: true });
        ends[0].write("1\n");
        countUp(ends);
        assert(counted.renegotiated);
        assertEquals([counted.failed, counted.closed], [0, 1]);
      });

      it("small writes of one callback share a record", () => {
        const [client, server] = openBoth();
        client.enable(EV_READ);
        server.enable(EV_READ);
        until(base, () => counted.connected === 2, "both are connected");
        settle(base);
        let arrived = 0;
        let reads = 0;
        server.setSink({
          receive(_bytes, start, end) {
            arrived += end - start;
            reads++;
          },
        });
        const writes = countWrites(client.underlying);
        // References, so that the queue holds a hundred pieces.
        for (let i = 0; i < 100; i++) client.output.addReference(new TextEncoder().encode("0123456789"));
        until(base, () => arrived === 1000, "all of it");
        assertEquals([reads, writes.length], [1, 1]);
        client.close();
        server.close();
      });

      it("closing in a callback gives back OpenSSL's memory and the descriptor, which was the socket's until then", () => {
        const engines = engineCount();
        const [one, other] = socketpair();
        const descriptors = openDescriptorCount();
        const ends: [TlsBufferEvent, TlsBufferEvent] = [open(one, clients), open(other, servers)];
        for (const end of ends) end.setCallbacks({ read: answer, event });
        assertEquals([ends[0].fd, ends[1].fd], [one, other]);
        assertEquals(engineCount(), engines + 2);
        ends[0].write("1\n");
        countUp(ends);
        assertEquals([ends[0].fd, ends[1].fd], [-1, -1]);
        assertEquals(engineCount(), engines);
        assertEquals(openDescriptorCount(), descriptors - 2);
      });

      it("a handshake that nobody answers times out", () => {
        const engines = engineCount();
        const [client, server] = openBoth();
        server.disable(EV_READ | EV_WRITE);
        client.enable(EV_READ | EV_WRITE);
        client.setTimeouts(20, 20);
        client.write("1\n");
        until(base, () => client.closed, "the time is up");
        assertEquals(counted, { connected: 0, closed: 0, failed: 0, timedOut: 1, done: false, renegotiated: false });
        assert(client.closed);
        server.close();
        assertEquals(engineCount(), engines);
      });

      for (const deferCallbacks of [false, true]) {
        describe(deferCallbacks ? "with deferred callbacks" : "with callbacks at once", () => {
          it("a high watermark holds back what TLS has pending, and everything arrives in the end", () => {
            const high = 5 * 1024;
            const limit = high * 8;
            const payload = new Uint8Array(1024).fill(65);
            const got = [0, 0];
            const ends: TlsBufferEvent[] = [];
            const finished: boolean[] = [false, false];
            let most = 0;
            const take = (side: number) => (end: BufferEvent) => {
              most = Math.max(most, end.input.length);
              if (got[side]! >= limit) {
                finished[side] = true;
                end.setCallbacks({});
                end.disable(EV_READ);
                if (finished[1 - side]) base.loopBreak();
              } else {
                got[side]! += end.input.drain(512);
              }
              end.write(payload);
            };
            const [one, other] = socketpair();
            ends.push(open(one, clients, { deferCallbacks }), open(other, servers, { deferCallbacks }));
            ends.forEach((end, side) => {
              end.setWatermark(EV_READ, 0, high);
              end.setCallbacks({ read: take(side) });
              end.enable(EV_READ | EV_WRITE);
            });
            ends[0]!.write(payload);
            until(base, () => finished.every((side) => side), "both have had enough");
            assertEquals(got, [limit, limit]);
            assertLess(most, high + 1);
            for (const end of ends) end.close();
          });
        });
      }
    });
  });

  describe("a client of TLS", () => {
    function listen(late: boolean): { port: number; listener: Listener; server: () => TlsBufferEvent | null } {
      let server: TlsBufferEvent | null = null;
      const listener = new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
        server = TlsBufferEvent.overSocket(base, fd, servers, { deferCallbacks: true });
        server.setCallbacks({ read: answer, event });
        if (late) {
          server.disable(EV_READ | EV_WRITE);
          const timer = base.timer(() => server!.enable(EV_READ | EV_WRITE));
          timer.add(50);
        } else {
          server.enable(EV_READ | EV_WRITE);
        }
        listener.disable();
      });
      return { port: (listener.address as { port: number }).port, listener, server: () => server };
    }

    function connect(port: number): TlsBufferEvent {
      const client = TlsBufferEvent.overSocket(base, -1, clients, { hostname: "localhost", deferCallbacks: true });
      client.setCallbacks({ read: (end) => end.close(), event });
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      client.write("1\n");
      client.enable(EV_READ | EV_WRITE);
      return client;
    }

    it("connects, shakes hands and is answered", () => {
      const { port, listener, server } = listen(false);
      const client = connect(port);
      until(base, () => client.closed && server()!.closed, "both have ended");
      // The client announces its end, as it does not in C.
      assertEquals([counted.connected, counted.failed, counted.closed], [2, 0, 1]);
      listener.close();
    });

    it("sleeps while the server does not answer its handshake", () => {
      const { port, listener, server } = listen(true);
      let turns = 0;
      const watcher = new CheckWatcher(base, () => void turns++);
      const client = connect(port);
      until(base, () => client.closed && server()!.closed, "both have ended");
      assertEquals(counted.connected, 2);
      assertLess(turns, 100);
      watcher.close();
      listener.close();
    });
  });

  it("an open buffer of payload can be shared by reference between encrypted connections", () => {
    const [one, other] = socketpair();
    const client = TlsBufferEvent.overSocket(base, one, clients, { hostname: "localhost" });
    const server = TlsBufferEvent.overSocket(base, other, servers);
    const shared = new Uint8Array(new ArrayBuffer(40_000)).fill(7);
    const buffer = new EvBuffer();
    buffer.addReference(shared);
    client.writeBuffer(buffer);
    server.enable(EV_READ);
    client.enable(EV_READ);
    until(base, () => server.input.length === shared.length, "all of it");
    assertEquals(server.input.take(), shared);
    client.close();
    server.close();
  });
});
