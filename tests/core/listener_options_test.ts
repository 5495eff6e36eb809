/** The options of a listener beyond where it listens, and what can be changed about it later. */
import {
  assert,
  assertEquals,
  assertFalse,
  assertGreaterOrEqual,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AcceptCallback,
  type EventBase,
  getDeferredAccept,
  getFastOpen,
  getKeepAlive,
  getReceiveBufferBytes,
  getReuseAddress,
  getSendBufferBytes,
  isListening,
  Listener,
  type ListenerOptions,
  setLogCallback,
  SocketBufferEvent,
  type SystemError,
} from "../../src/core/mod.ts";
import { close, fcntl, getSocketOption, os, socket } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { clientSocket, listeningSocket, runFor, settle, until, untilReadable } from "./bufferevent_support.ts";

const c = os.constants;
const onLinux = os.name === "linux";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let listeners: Listener[];
  let folder: string;
  let fds: number[];
  const keep: AcceptCallback = (fd) => void fds.push(descriptors.own(fd));

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    listeners = [];
    fds = [];
    folder = mkdtempSync(join(tmpdir(), "evbase-listener-"));
  });
  afterEach(() => {
    for (const listener of listeners) listener.close();
    descriptors[Symbol.dispose]();
    base.close();
    rmSync(folder, { recursive: true });
  });

  function listen(options: ListenerOptions, callback: AcceptCallback | null = keep): Listener {
    const listener = new Listener(base, options, callback);
    listeners.push(listener);
    return listener;
  }

  /** What the listener hands out to one client. */
  function acceptOne(listener: Listener): number {
    const before = fds.length;
    clientSocket(descriptors, listener.port);
    until(base, () => fds.length > before, "the connection");
    return fds.at(-1)!;
  }

  const isBlocking = (fd: number): boolean => (fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK) === 0;
  const survivesExec = (fd: number): boolean => (fcntl(fd, c.F_GETFD, 0) & c.FD_CLOEXEC) === 0;

  describe("what a listener hands out", () => {
    it("blocks, or stays open in other programs, when the options say so", () => {
      for (const blocking of [false, true]) {
        for (const closeOnExec of [true, false]) {
          const listener = listen({ port: 0, blocking, closeOnExec });
          const fd = acceptOne(listener);
          assertEquals([isBlocking(fd), survivesExec(fd)], [blocking, !closeOnExec]);
          // The listening socket never blocks: the loop would stop in it.
          assertEquals([isBlocking(listener.fd), survivesExec(listener.fd)], [false, !closeOnExec]);
        }
      }
    });

    it("is as blocking as the options say when the socket was adopted", () => {
      const { fd, port } = listeningSocket(new Descriptors());
      const listener = listen({ fd, blocking: true, closeOnExec: false });
      assertEquals(listener.port, port);
      const accepted = acceptOne(listener);
      assertEquals([isBlocking(accepted), survivesExec(accepted), isBlocking(fd), survivesExec(fd)], [
        true,
        true,
        false,
        true,
      ]);
    });

    it("has the buffers that were asked for", () => {
      const usual = acceptOne(listen({ port: 0 }));
      const own = acceptOne(listen({ port: 0, sendBufferBytes: 30_000, receiveBufferBytes: 20_000 }));
      for (const [read, bytes] of [[getSendBufferBytes, 30_000], [getReceiveBufferBytes, 20_000]] as const) {
        assertEquals(read(own), onLinux ? bytes * 2 : bytes);
        assertNotEquals(read(own), read(usual));
      }
      const path = join(folder, "socket");
      assertEquals(
        getSendBufferBytes(listen({ path, sendBufferBytes: 30_000 }).fd),
        onLinux ? 60_000 : 30_000,
      );
    });

    it("is probed as libevent does it when keepAlive is a number of seconds", () => {
      assertEquals(getKeepAlive(acceptOne(listen({ port: 0, keepAlive: 30 }))), {
        idleSeconds: 30,
        intervalSeconds: 10,
        count: 3,
      });
    });

    it("has its first bytes when accepting is deferred", { ignore: !onLinux }, () => {
      const listener = listen({ port: 0, deferAccept: 60 });
      assertGreaterOrEqual(getDeferredAccept(listener.fd), 60);
      const client = clientSocket(descriptors, listener.port);
      settle(base);
      runFor(base, 20);
      assertEquals(fds, []);
      writeText(client, "hello");
      until(base, () => fds.length > 0, "the connection");
      assertEquals(readText(fds[0]!), "hello");
    });
  });

  describe("the socket of a listener", () => {
    it("defers by a second, and opens fast for 256 connections, when just told to", { ignore: !onLinux }, () => {
      const listener = listen({ port: 0, deferAccept: true, fastOpen: true });
      assertEquals([getDeferredAccept(listener.fd), getFastOpen(listener.fd)], [1, 256]);
      assertEquals(getFastOpen(listen({ port: 0, fastOpen: 7 }).fd), 7);
      const adopted = listen({ fd: listeningSocket(new Descriptors()).fd, deferAccept: true, fastOpen: 9 });
      assertEquals([getDeferredAccept(adopted.fd), getFastOpen(adopted.fd)], [1, 9]);
      const plain = listen({ port: 0, deferAccept: false, fastOpen: false });
      assertEquals([getDeferredAccept(plain.fd), getFastOpen(plain.fd)], [0, 0]);
    });

    it("takes its address over from connections that linger, unless told not to", () => {
      assertEquals(getReuseAddress(listen({ port: 0 }).fd), 1);
      assertEquals(getReuseAddress(listen({ port: 0, reuseAddress: false }).fd), 0);
    });

    it("listens with a backlog of 128 for a negative one, and refuses what is no backlog", () => {
      assertEquals(isListening(listen({ port: 0, backlog: -1 }).fd), 1);
      const bound = socket(c.AF_INET, c.SOCK_STREAM, 0);
      assertEquals(isListening(bound), 0);
      const listener = listen({ fd: bound, backlog: -1 });
      assertEquals(isListening(listener.fd), 1);
      acceptOne(listener);
      for (const backlog of [0, 1.5, NaN, 2 ** 31]) {
        assertThrows(() => listen({ port: 0, backlog }), RangeError, "backlog");
      }
    });

    it("stays open behind a listener that was told so, for the next one to adopt", () => {
      for (const where of [{ port: 0 }, { path: join(folder, "socket") }]) {
        const first = listen({ ...where, keepOpen: true });
        first.close();
        first.close();
        assertEquals(isListening(first.fd), 1);
        if (where.path !== undefined) assert(existsSync(where.path));
        const second = listen({ fd: first.fd });
        assertEquals(second.address, first.address);
        using client = new SocketBufferEvent(base);
        client.connect(second.address);
        const before = fds.length;
        until(base, () => fds.length > before, "the connection");
        second.close();
        assert(isListening(first.fd) < 0);
      }
    });

    it("leaves its path to whoever has taken it over meanwhile", () => {
      const path = join(folder, "socket");
      const first = listen({ path });
      const second = listen({ path, unlinkFirst: true });
      first.close();
      assert(existsSync(path));
      using client = new SocketBufferEvent(base);
      client.connect({ family: "unix", path });
      until(base, () => fds.length > 0, "the connection");
      second.close();
      assertFalse(existsSync(path));
    });

    it("has the permissions that were asked for, and needs a file for that", () => {
      for (const mode of [0o600, 0o666, 0]) {
        const path = join(folder, `socket-${mode}`);
        listen({ path, mode });
        assertEquals(statSync(path).mode & 0o777, mode);
      }
      const path = join(folder, "socket");
      for (const mode of [-1, 0o1000, 1.5]) assertThrows(() => listen({ path, mode }), RangeError, "mode");
      assertThrows(() => listen({ port: 0, mode: 0o600 }), TypeError, "mode");
      if (onLinux) assertThrows(() => listen({ path: "\0evbase-mode", mode: 0o600 }), TypeError, "mode");
      assertFalse(existsSync(path));
    });

    it("is not left behind when an option is out of range", () => {
      const before = openDescriptorCount();
      const wrong: ListenerOptions[] = [
        { keepAlive: 0 },
        { keepAlive: 1.5 },
        { sendBufferBytes: -1 },
        { receiveBufferBytes: 2 ** 31 },
        { deferAccept: -1 },
        { fastOpen: 0.5 },
      ];
      for (const options of wrong) assertThrows(() => listen({ port: 0, ...options }), RangeError, "Cannot use");
      assertEquals(openDescriptorCount(), before);
    });
  });

  describe("the callback of a listener", () => {
    it("may come later: connections wait until then", () => {
      const listener = listen({ port: 0 }, null);
      assert(listener.enabled);
      clientSocket(descriptors, listener.port);
      settle(base);
      assertFalse(base.dispatch(), "nothing is watched without a callback");
      listener.setCallback(keep);
      until(base, () => fds.length === 1, "the connection");
    });

    it("may come while the listener is off, and is then only kept", () => {
      const listener = listen({ port: 0, disabled: true }, null);
      listener.setCallback(keep);
      clientSocket(descriptors, listener.port);
      assertFalse(base.dispatch());
      assertEquals(fds, []);
      listener.enable();
      until(base, () => fds.length === 1, "the connection");
    });

    it("may be replaced between two connections of one burst", () => {
      const others: number[] = [];
      const listener = listen({ port: 0 }, (fd, listener) => {
        keep(fd, listener);
        listener.setCallback((fd) => others.push(descriptors.own(fd)));
      });
      for (let count = 0; count < 3; count++) clientSocket(descriptors, listener.port);
      until(base, () => fds.length + others.length === 3, "three connections");
      assertEquals(fds.length, 1);
    });

    it("may be taken away: then one connection per wake-up is closed, until there is one again", () => {
      const listener = listen({ port: 0 });
      listener.setCallback(null);
      const clients = [1, 2, 3].map(() => clientSocket(descriptors, listener.port));
      untilReadable(listener.fd);
      base.loop(1);
      untilReadable(clients[0]!);
      assertEquals(readText(clients[0]!), "");
      assertEquals(readText(clients[2]!), -os.errno.EAGAIN!);
      base.loop(1);
      untilReadable(clients[1]!);
      assertEquals(readText(clients[1]!), "");
      listener.setCallback(keep);
      until(base, () => fds.length === 1, "the third connection");
      assert(listener.enabled);
    });

    it("may be taken away in itself, with the rest of the burst waiting for a loop turn each", () => {
      const listener = listen({ port: 0 }, (fd, listener) => {
        keep(fd, listener);
        listener.setCallback(null);
      });
      const clients = [1, 2].map(() => clientSocket(descriptors, listener.port));
      untilReadable(listener.fd);
      until(base, () => readText(clients[1]!) === "", "the second connection is closed");
      assertEquals(fds.length, 1);
    });

    it("does not matter to a listener that was closed", () => {
      const listener = listen({ port: 0 }, null);
      listener.close();
      listener.setCallback(keep);
      listener.setErrorCallback(null);
      assertFalse(base.dispatch());
      assert(listener.closed);
    });
  });

  describe("failures to accept", () => {
    /** A socket that does not listen: accepting fails with EINVAL every time. */
    const broken = (): number => socket(c.AF_INET, c.SOCK_STREAM, 0);

    it("go to the error callback of the moment", () => {
      const told: string[] = [];
      const listener = listen({ fd: broken(), onError: () => told.push("first") });
      until(base, () => told.length === 1, "the first report");
      listener.setErrorCallback((error, which) => {
        assertStrictEquals(which, listener);
        told.push((error as SystemError).code);
        listener.close();
      });
      assertFalse(base.dispatch());
      assertEquals(told, ["first", "EINVAL"]);
    });

    it("without an error callback are logged as a warning, once for all in a row", () => {
      const logged: [number, string][] = [];
      setLogCallback((level, message) => logged.push([level, message]));
      try {
        const fd = broken();
        const listener = listen({ fd });
        // Long enough for three attempts; however many there are, the log must have one line.
        runFor(base, 170);
        assertEquals(logged.length, 1);
        const [level, message] = logged[0]!;
        assertEquals(level, 2);
        assertEquals(
          message.startsWith("Cannot accept a connection: invalid argument (EINVAL); the listener on descriptor "),
          true,
        );
        listener.close();
      } finally {
        setLogCallback(null);
      }
    });

    it("are followed by a pause that a new callback does not cut short", () => {
      let failures = 0;
      const fd = broken();
      const listener = listen({ fd, onError: () => failures++ });
      until(base, () => failures === 1, "the failure");
      // In the pause: taken away and given again, the callback must not end it.
      listener.setCallback(null);
      listener.setCallback(keep);
      settle(base);
      assertEquals(failures, 1);
      until(base, () => failures === 2, "the failure after the pause");
    });
  });

  describe("an AbortSignal", () => {
    it("closes a listener, in its own callback too", () => {
      for (const within of [false, true]) {
        const controller = new AbortController();
        const listener = listen({ port: 0, signal: controller.signal }, (fd, listener) => {
          keep(fd, listener);
          controller.abort();
        });
        if (within) acceptOne(listener);
        else controller.abort();
        assert(listener.closed);
        assertFalse(base.dispatch());
      }
    });

    it("that was aborted before refuses to listen, and one that comes late does nothing", () => {
      const before = openDescriptorCount();
      const reason = new Error("changed my mind");
      assertThrows(() => listen({ port: 0, signal: AbortSignal.abort(reason) }), Error, "changed my mind");
      assertEquals(openDescriptorCount(), before);
      const controller = new AbortController();
      const listener = listen({ port: 0, signal: controller.signal });
      listener.close();
      const taken = socket(c.AF_INET, c.SOCK_STREAM, 0);
      controller.abort();
      assertEquals(getSocketOption(taken, c.SOL_SOCKET, c.SO_TYPE), c.SOCK_STREAM);
      assertEquals(close(taken), 0);
    });
  });
});
