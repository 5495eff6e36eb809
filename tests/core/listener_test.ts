import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLessOrEqual,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventBase, Listener, type ListenerOptions, SocketBufferEvent, SystemError } from "../../src/core/mod.ts";
import {
  allocate,
  bind,
  encodeSocketAddress,
  fcntl,
  getSocketOption,
  os,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { clientSocket, listeningSocket, settle, until } from "./bufferevent_support.ts";

const c = os.constants;
const { EINVAL } = os.errno as Record<"EINVAL", number>;

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let listeners: Listener[];
  let folder: string;

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    listeners = [];
    folder = mkdtempSync(join(tmpdir(), "evbase-listener-"));
  });
  afterEach(() => {
    for (const listener of listeners) listener.close();
    descriptors[Symbol.dispose]();
    base.close();
    rmSync(folder, { recursive: true });
  });

  /** A listener that keeps what it accepts. */
  function listen(
    options: ListenerOptions,
    callback: (fd: number, listener: Listener) => void = () => {},
  ): { listener: Listener; fds: number[] } {
    const fds: number[] = [];
    const listener = new Listener(base, options, (fd, listener) => {
      fds.push(descriptors.own(fd));
      callback(fd, listener);
    });
    listeners.push(listener);
    return { listener, fds };
  }

  /** Listens for IPv6 alone. Another program may have the same number for IPv4, and would take its clients: then it has to be another one. */
  function listenWhereIPv4IsFree(): { listener: Listener; fds: number[] } {
    for (let tries = 1;; tries++) {
      const only = listen({ host: "::", port: 0 });
      try {
        listen({ host: "127.0.0.1", port: only.listener.port }).listener.close();
        return only;
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EADDRINUSE" || tries === 20) throw error;
        only.listener.close();
      }
    }
  }

  function connectUnix(path: string): SocketBufferEvent {
    const connection = new SocketBufferEvent(base);
    connection.connect({ family: "unix", path });
    return connection;
  }

  describe("a TCP listener", () => {
    it("picks a free port of 127.0.0.1 and accepts there, telling who connects", () => {
      const peers: unknown[] = [];
      const { listener, fds } = listen({ port: 0 }, (_fd, listener) => peers.push(listener.peerAddress));
      assertGreater(listener.port, 0);
      assertEquals(listener.address, { family: "ipv4", host: "127.0.0.1", port: listener.port });
      const client = new SocketBufferEvent(base, clientSocket(descriptors, listener.port), { keepOpen: true });
      until(base, () => fds.length > 0, "the connection");
      assertEquals(peers, [client.localAddress]);
      assertEquals(client.remoteAddress, listener.address);
      client.close();
    });

    it("hands out non-blocking close-on-exec sockets with TCP_NODELAY and keep-alive", () => {
      const { listener, fds } = listen({ port: 0 });
      clientSocket(descriptors, listener.port);
      until(base, () => fds.length > 0, "the connection");
      const fd = fds[0]!;
      assertNotEquals(fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK, 0);
      assertNotEquals(fcntl(fd, c.F_GETFD, 0) & c.FD_CLOEXEC, 0);
      assertNotEquals(getSocketOption(fd, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
      assertNotEquals(getSocketOption(fd, c.SOL_SOCKET, c.SO_KEEPALIVE), 0);
      assertEquals(getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPIDLE), 300);
      assertEquals(getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPINTVL), 100);
      assertEquals(getSocketOption(fd, c.IPPROTO_TCP, c.TCP_KEEPCNT), 3);
    });

    it("sets what the options say on what it accepts, on an adopted socket too", () => {
      const adopted = listeningSocket(descriptors).fd;
      const keepAlive = { idleSeconds: 9, intervalSeconds: 8, count: 7 };
      for (const where of [{ port: 0 }, { fd: fcntl(adopted, c.F_DUPFD_CLOEXEC, 0) }]) {
        const { listener, fds } = listen({ ...where, noDelay: true, keepAlive });
        clientSocket(descriptors, listener.port);
        until(base, () => fds.length > 0, "the connection");
        assertNotEquals(getSocketOption(fds[0]!, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
        assertEquals(getSocketOption(fds[0]!, c.IPPROTO_TCP, c.TCP_KEEPIDLE), 9);
        listener.close();
      }
      const { listener, fds } = listen({ port: 0, noDelay: false, keepAlive: false });
      clientSocket(descriptors, listener.port);
      until(base, () => fds.length > 0, "the connection");
      assertEquals(getSocketOption(fds[0]!, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
      assertEquals(getSocketOption(fds[0]!, c.SOL_SOCKET, c.SO_KEEPALIVE), 0);
    });

    it("serves IPv6, and IPv4 too only when it is dual-stack", () => {
      const families: string[] = [];
      const six = listen({ host: "::1", port: 0 }, (_fd, listener) => families.push(listener.peerAddress.family));
      clientSocket(descriptors, six.listener.port, "::1");
      until(base, () => six.fds.length === 1, "the connection");
      assertEquals(families, ["ipv6"]);
      const dual = listen({ host: "::", port: 0, dualStack: true });
      clientSocket(descriptors, dual.listener.port, "::1");
      clientSocket(descriptors, dual.listener.port, "127.0.0.1");
      until(base, () => dual.fds.length === 2, "two connections");
      const only = listenWhereIPv4IsFree();
      const refused = new SocketBufferEvent(base);
      refused.connect({ family: "ipv4", host: "127.0.0.1", port: only.listener.port });
      until(base, () => refused.error !== null, "the refusal");
      assertEquals(refused.error?.code, "ECONNREFUSED");
      assertEquals(only.fds, []);
    });

    it("takes 200 connections that come at once", () => {
      const { listener, fds } = listen({ port: 0 });
      for (let count = 0; count < 200; count++) clientSocket(descriptors, listener.port);
      until(base, () => fds.length === 200, "200 connections");
      assertEquals(new Set(fds).size, 200);
    });

    it("shares a port with another that is told to", () => {
      const one = listen({ port: 0, reusePort: true });
      const other = listen({ port: one.listener.port, reusePort: true });
      for (let count = 0; count < 64; count++) clientSocket(descriptors, one.listener.port);
      until(base, () => one.fds.length + other.fds.length === 64, "64 connections");
      assertGreater(one.fds.length, 0);
      assertGreater(other.fds.length, 0);
    });

    it("frees its port when it is closed, and twice is harmless", () => {
      const { listener } = listen({ port: 0 });
      listener.close();
      listener.close();
      assertFalse(base.dispatch());
      assertThrows(() => listener.enable(), Error, "closed");
      assertEquals(listen({ port: listener.port }).listener.port, listener.port);
    });
  });

  describe("switching a listener", () => {
    it("on later leaves connections waiting until then", () => {
      const { listener, fds } = listen({ port: 0, disabled: true });
      assertFalse(listener.enabled);
      clientSocket(descriptors, listener.port);
      settle(base);
      assertEquals(fds, []);
      listener.enable();
      listener.enable();
      until(base, () => fds.length === 1, "the connection");
      listener.disable();
      clientSocket(descriptors, listener.port);
      settle(base);
      assertEquals(fds.length, 1);
    });

    it("off, or closing it, in its callback ends the burst", () => {
      for (const action of ["disable", "close"] as const) {
        const { listener, fds } = listen({ port: 0 }, (_fd, listener) => listener[action]());
        for (let count = 0; count < 3; count++) clientSocket(descriptors, listener.port);
        until(base, () => fds.length > 0, "the connection");
        settle(base);
        assertEquals(fds.length, 1);
        assertFalse(listener.enabled);
      }
    });

    it("off and on in its callback goes on", () => {
      const { listener, fds } = listen({ port: 0 }, (_fd, listener) => {
        listener.disable();
        listener.enable();
      });
      for (let count = 0; count < 3; count++) clientSocket(descriptors, listener.port);
      until(base, () => fds.length === 3, "three connections");
    });

    it("is not done by a callback that throws: the next connection is accepted", () => {
      let explosive = true;
      const { listener, fds } = listen({ port: 0 }, () => {
        if (explosive) throw new Error("thrown on purpose");
      });
      clientSocket(descriptors, listener.port);
      assertThrows(() => until(base, () => fds.length > 1, "nothing"), Error, "thrown on purpose");
      explosive = false;
      clientSocket(descriptors, listener.port);
      until(base, () => fds.length === 2, "the second connection");
    });
  });

  describe("a Unix listener", () => {
    it("makes its file, accepts there, and removes the file when it is closed", () => {
      const path = join(folder, "socket");
      const peers: unknown[] = [];
      const { listener, fds } = listen({ path }, (_fd, listener) => peers.push(listener.peerAddress));
      assertEquals(listener.address, { family: "unix", path });
      assertEquals(listener.port, 0);
      assert(existsSync(path));
      using _client = connectUnix(path);
      until(base, () => fds.length > 0, "the connection");
      assertEquals(peers, [{ family: "unix", path: "" }]);
      listener.close();
      assertFalse(existsSync(path));
    });

    it("listens on an abstract name", { ignore: os.name !== "linux" }, () => {
      const path = `\0evbase-${backend.name}-${backend.isDouble}-${folder}`;
      const { listener, fds } = listen({ path, unlinkFirst: true });
      assertEquals(listener.address, { family: "unix", path });
      using _client = connectUnix(path);
      until(base, () => fds.length > 0, "the connection");
      const error = assertThrows(() => listen({ path }), SystemError, "address");
      assertEquals(error.code, "EADDRINUSE");
    });

    it("refuses a path that is taken, unless it is to be removed first", () => {
      const path = join(folder, "socket");
      writeFileSync(path, "left over");
      const error = assertThrows(() => listen({ path }), SystemError, `bind ${path}`);
      assertEquals(error.code, "EADDRINUSE");
      assertEquals(error.path, path);
    });

    it("takes the place of a socket that was left over when told to, but not of another file", () => {
      const path = join(folder, "socket");
      const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
      const leftOver = descriptors.own(socket(c.AF_UNIX, c.SOCK_STREAM, 0));
      assertEquals(bind(leftOver, address, encodeSocketAddress({ family: "unix", path }, address)), 0);
      descriptors.close(leftOver);
      assert(existsSync(path));
      const { fds } = listen({ path, unlinkFirst: true });
      using _client = connectUnix(path);
      until(base, () => fds.length > 0, "the connection");
      const other = join(folder, "file");
      writeFileSync(other, "not to be removed");
      const error = assertThrows(() => listen({ path: other, unlinkFirst: true }), SystemError, `bind ${other}`);
      assertEquals(error.code, "EADDRINUSE");
      assert(existsSync(other));
    });

    it("refuses to share, and touches nothing then", () => {
      const path = join(folder, "socket");
      const { listener } = listen({ path });
      assertThrows(() => listen({ path, reusePort: true, unlinkFirst: true }), TypeError, "reusePort");
      assert(listener.enabled);
      assert(existsSync(path));
    });
  });

  describe("an adopted socket", () => {
    it("serves as it listens already, or begins to with a backlog", () => {
      const ready = listeningSocket(new Descriptors());
      const one = listen({ fd: ready.fd });
      assertEquals([one.listener.fd, one.listener.port], [ready.fd, ready.port]);
      clientSocket(descriptors, ready.port);
      until(base, () => one.fds.length > 0, "the connection");
      const bound = socket(c.AF_INET, c.SOCK_STREAM, 0);
      const other = listen({ fd: bound, backlog: 5 });
      clientSocket(descriptors, other.listener.port);
      until(base, () => other.fds.length > 0, "the connection");
    });

    it("that does not listen is reported again and again, but not in a hot loop", () => {
      const fd = socket(c.AF_INET, c.SOCK_STREAM, 0);
      const errors: SystemError[] = [];
      const started = base.now();
      const { listener } = listen({ fd, onError: (error) => errors.push(error) });
      until(base, () => errors.length >= 2, "two reports");
      assertEquals(errors[0]!.errno, EINVAL);
      assertStringIncludes(errors[0]!.message, "accept a connection");
      assertLessOrEqual(errors.length, 1 + (base.now() - started) / 50);
      assert(listener.enabled);
      listener.disable();
      assertFalse(base.dispatch());
    });

    it("that is none is refused, and stays open", () => {
      const [fd] = descriptors.pipe();
      assertThrows(() => listen({ fd }), SystemError, `descriptor ${fd}`);
      assert(fcntl(fd, c.F_GETFD, 0) >= 0);
      assertThrows(() => listen({ fd: 15_000 }), SystemError, "EBADF");
    });
  });

  describe("a listener that cannot be had", () => {
    it("says which address is taken", () => {
      const { listener } = listen({ port: 0 });
      const error = assertThrows(
        () => listen({ port: listener.port }),
        SystemError,
        `Cannot bind 127.0.0.1:${listener.port}: address already in use (EADDRINUSE)`,
      );
      assertEquals(error.syscall, "bind");
      assertEquals(error.port, listener.port);
    });

    it("says which address is not ours", () => {
      const error = assertThrows(() => listen({ host: "192.0.2.1", port: 0 }), SystemError, "192.0.2.1");
      assertEquals(error.code, "EADDRNOTAVAIL");
    });

    it("leaves no descriptor and no file behind, whatever was wrong", () => {
      const path = join(folder, "socket");
      const taken = listen({ port: 0 }).listener.port;
      const closed = backend.newBase();
      closed.close();
      const before = openDescriptorCount();
      const fail = (options: ListenerOptions, on: EventBase = base): unknown =>
        assertThrows(() => new Listener(on, options, () => {}));
      fail({});
      fail({ host: "localhost.example", port: 0 });
      fail({ port: 65_536 });
      fail({ port: -1 });
      fail({ port: 1.5 });
      fail({ port: taken });
      fail({ path: "x".repeat(200) });
      fail({ path: "a\0b" });
      fail({ path: join(folder, "missing", "socket") });
      fail({ path, reusePort: true });
      fail({ port: 0, keepAlive: { idleSeconds: -1, intervalSeconds: 1, count: 1 } });
      fail({ port: 0 }, closed);
      fail({ path }, closed);
      assertEquals(openDescriptorCount(), before);
      assertFalse(existsSync(path));
    });

    it("is a TypeError or RangeError when the options are at fault", () => {
      assertThrows(() => listen({}), TypeError, "neither port, path nor fd");
      assertThrows(() => listen({ host: "localhost.example", port: 0 }), TypeError, '"localhost.example"');
      assertThrows(() => listen({ port: 65_536 }), RangeError, "65536");
    });
  });

  it("a backlog limits how many connections wait, and the rest get in when there is room", () => {
    const { listener, fds } = listen({ path: join(folder, "socket"), backlog: 2, disabled: true });
    const codes: (string | undefined)[] = [];
    const clients = Array.from({ length: 6 }, () => {
      const client = connectUnix((listener.address as { path: string }).path);
      client.setCallbacks({ event: (_what, client) => codes.push(client.error?.code) });
      return client;
    });
    until(base, () => codes.length === 6, "six outcomes");
    const failed = codes.filter((code) => code !== undefined);
    assertGreater(failed.length, 0);
    assert(failed.every((code) => code === "EAGAIN" || code === "ECONNREFUSED"));
    listener.enable();
    until(base, () => fds.length === 6 - failed.length, "those that waited");
    for (const client of clients) client.close();
  });
});
