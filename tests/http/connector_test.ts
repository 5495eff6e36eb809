import { assertEquals, assertFalse, assertInstanceOf } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BaseClosedError,
  type BufferEvent,
  EV_READ,
  type EventBase,
  Listener,
  type SecureLayer,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { openStream, type ProxyOptions, StreamOpening } from "../../src/http/mod.ts";
import { alongside, assertRejectsWith, eventually, isPending, rejection } from "../core/async_support.ts";
import { deadPort, passTime, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";

const HOST = "127.0.0.1";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let listeners: Listener[];
  let accepted: BufferEvent[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    listeners = [];
    accepted = [];
  });
  afterEach(() => {
    for (const listener of listeners) listener.close();
    for (const connection of accepted) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  /** Listens, and serves each connection; returns the port. */
  function serve(serveOne: (connection: BufferEvent) => void, layer?: SecureLayer): number {
    const listener = new Listener(base, { host: HOST, port: 0 }, (fd) => {
      const socket = new SocketBufferEvent(base, fd);
      const connection = layer === undefined ? socket : layer.secure(socket);
      accepted.push(connection);
      connection.enable(EV_READ);
      serveOne(connection);
    });
    listeners.push(listener);
    return listener.port;
  }

  /** Answers the nth thing that comes with the nth answer. */
  function script(...answers: string[]): (connection: BufferEvent) => void {
    return (connection) => {
      const left = [...answers];
      connection.setCallbacks({
        read: () => {
          connection.input.take();
          const answer = left.shift();
          if (answer !== undefined) connection.write(Uint8Array.from(answer, (character) => character.charCodeAt(0)));
        },
      });
    };
  }

  const echo = (connection: BufferEvent): void =>
    connection.setCallbacks({ read: () => connection.write(connection.input.take()) });

  async function assertEchoes(stream: BufferEvent, text: string): Promise<void> {
    stream.write(text);
    assertEquals(new TextDecoder().decode(await stream.readExactly(text.length)), text);
  }

  describe("openStream", () => {
    it("opens a plain connection, also by a callback inside dispatch()", async () => {
      const port = serve(echo);
      await alongside(base, async () => {
        using stream = await openStream(base, { host: "localhost", port });
        await assertEchoes(stream, "hello");
      });
      let opened: BufferEvent | null = null;
      new StreamOpening(base, { host: HOST, port }, {}, {
        opened: (stream) => void (opened = stream),
        failed: (error) => {
          throw error;
        },
      });
      until(base, () => opened !== null, "the stream");
      opened!.close();
    });

    it("connects from a given address, and to a Unix socket", async () => {
      let peer = "";
      const port = serve((connection) => {
        const { remoteAddress } = connection as SocketBufferEvent;
        peer = remoteAddress?.family === "ipv4" ? remoteAddress.host : "";
        echo(connection);
      });
      const localAddress = { family: "ipv4", host: "127.0.0.2", port: 0 } as const;
      const path = `\0evbase-connector-${crypto.randomUUID()}`;
      const unix = new Listener(base, { path }, (fd) => void accepted.push(new SocketBufferEvent(base, fd)));
      listeners.push(unix);
      await alongside(base, async () => {
        using stream = await openStream(base, { host: HOST, port }, { localAddress });
        await assertEchoes(stream, "from there");
        assertEquals(peer, "127.0.0.2");
        using _other = await openStream(base, { unixPath: path });
        await eventually(() => accepted.length === 2, "the Unix connection");
        const wrong = { family: "ipv4", host: "192.0.2.77", port: 0 } as const;
        await assertRejectsWith(openStream(base, { host: HOST, port }, { localAddress: wrong }), "EADDRNOTAVAIL");
        assertInstanceOf(await rejection(openStream(base, { host: "::1", port }, { localAddress })), Error);
      });
    });

    it("rejects when there is nobody, and leaves nothing open", async () => {
      const port = deadPort(descriptors);
      // What a loop beside the host's opens once stays.
      await alongside(base, () => assertRejectsWith(openStream(base, { host: HOST, port }), "ECONNREFUSED"));
      const before = openDescriptorCount();
      await alongside(base, async () => {
        await assertRejectsWith(openStream(base, { host: HOST, port }), "ECONNREFUSED");
        const proxy: ProxyOptions = { kind: "http", host: HOST, port };
        await assertRejectsWith(openStream(base, { host: "a.example", port: 1 }, { proxy }), "ECONNREFUSED");
        assertInstanceOf(await rejection(openStream(base, { host: "a.example", port: 1 })), TypeError);
        assertInstanceOf(await rejection(openStream(base, { host: HOST, port }, { connectTimeoutMs: 0 })), RangeError);
        assertInstanceOf(await rejection(openStream(base, { host: "a b", port: 1 }, { proxy })), TypeError);
        assertInstanceOf(await rejection(openStream(base, { unixPath: "/x" }, { proxy })), TypeError);
      });
      assertNoneLeft(before);
    });

    it("goes through a SOCKS5 proxy, and leaves what the other end has said to the caller", async () => {
      const port = serve(script("\x05\x00", "\x05\x00\x00\x01abcdpphello"));
      const proxy: ProxyOptions = { kind: "socks5", host: HOST, port };
      await alongside(base, async () => {
        using stream = await openStream(base, { host: "a.example", port: 80 }, { proxy });
        assertEquals(new TextDecoder().decode(await stream.readExactly(5)), "hello");
      });
    });

    it("goes through an HTTP proxy, and tells why not", async () => {
      const good = serve(script("HTTP/1.1 200 OK\r\n\r\nhello"));
      const bad = serve(script("HTTP/1.1 403 No\r\n\r\n"));
      const rude = serve((connection) => connection.closeAfterFlush());
      await alongside(base, async () => {
        const through = (port: number): Promise<BufferEvent> =>
          openStream(base, { host: "a.example", port: 80 }, { proxy: { kind: "http", host: HOST, port } });
        using stream = await through(good);
        assertEquals(new TextDecoder().decode(await stream.readExactly(5)), "hello");
        await assertRejectsWith(through(bad), "PROXY_REFUSED");
        await assertRejectsWith(through(rude), "PROXY_CLOSED");
      });
    });

    itNeeds("openssl", "openssl", "speaks TLS with the target, the proxy, and both", async () => {
      using serving = serverContext();
      using tls = clientContext();
      const plain = serve(echo, serving);
      // A proxy that carries on by itself: behind its answer it is the target.
      const secureProxy = serve((proxy) => {
        proxy.setCallbacks({
          read: () => {
            proxy.input.take();
            proxy.write("HTTP/1.1 200 OK\r\n\r\n");
            const target = serving.secure(proxy);
            accepted.push(target);
            target.enable(EV_READ);
            echo(target);
          },
        });
      }, serving);
      await alongside(base, async () => {
        using direct = await openStream(base, { host: "localhost", port: plain }, { tls });
        await assertEchoes(direct, "secret");
        const proxy: ProxyOptions = { kind: "http", host: "localhost", port: secureProxy, tls };
        using both = await openStream(base, { host: "localhost", port: 443 }, { tls, proxy });
        await assertEchoes(both, "doubly secret");
        await assertRejectsWith(
          openStream(base, { host: HOST, port: plain }, { tls, tlsHostname: "other.example" }),
          "HOSTNAME_MISMATCH",
        );
      });
    });

    it("gives up in time, when aborted, and when the base is closed, at every step", async () => {
      const silent = serve(() => {});
      const halfway = serve(script("\x05\x00"));
      await alongside(base, () => Promise.resolve());
      const before = (): number => openDescriptorCount() - accepted.length;
      const open = before();
      const ways: readonly ProxyOptions[] = [
        { kind: "http", host: HOST, port: silent },
        { kind: "socks5", host: HOST, port: silent },
        { kind: "socks5", host: HOST, port: halfway },
      ];
      await alongside(base, async () => {
        for (const proxy of ways) {
          const target = { host: "a.example", port: 1 };
          await assertRejectsWith(openStream(base, target, { proxy, connectTimeoutMs: 20 }), "TIMEOUT");
          const controller = new AbortController();
          const opening = rejection(openStream(base, target, { proxy, signal: controller.signal }));
          const count = accepted.length;
          await eventually(() => accepted.length > count, "the connection");
          controller.abort(new Error("enough"));
          assertEquals((await opening).message, "enough");
          assertEquals(
            (await rejection(openStream(base, target, { proxy, signal: controller.signal }))).message,
            "enough",
          );
        }
        // Fewer, where a thread of an earlier base has ended meanwhile.
        await eventually(() => before() <= open, "that all is closed");
      });
      const waiting = openStream(base, { host: "a.example", port: 1 }, { proxy: ways[0]! });
      base.close();
      assertInstanceOf(await rejection(waiting), BaseClosedError);
    });

    it("rejects also when the base is closed between its failure and the turn of who is to be told", async () => {
      const port = serve(() => {});
      const proxy: ProxyOptions = { kind: "socks5", host: HOST, port };
      const opening = openStream(base, { host: HOST, port: 1 }, { proxy, connectTimeoutMs: 1 });
      using breaker = base.timer(() => base.loopBreak());
      breaker.add(1);
      passTime(base, 5);
      base.dispatch();
      base.close();
      assertFalse(await isPending(opening));
      await assertRejectsWith(opening, "TIMEOUT");
    });

    it("may be cancelled at any time, and is harmless afterwards", () => {
      const port = serve(echo);
      const before = openDescriptorCount();
      const told: string[] = [];
      const owner = {
        opened: (stream: BufferEvent) => {
          told.push("opened");
          stream.close();
        },
        failed: (error: Error) => void told.push(error.message),
      };
      const opening = new StreamOpening(base, { host: HOST, port }, {}, owner);
      opening.cancel();
      opening.cancel();
      assertEquals(told, []);
      assertNoneLeft(before);
      const other = new StreamOpening(base, { host: HOST, port }, {}, owner);
      until(base, () => told.length > 0, "the stream");
      other.cancel();
      assertEquals(told, ["opened"]);
    });
  });
});
