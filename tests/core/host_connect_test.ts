import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, it } from "@std/testing/bdd";
import {
  EV_READ,
  EventBase,
  FilterBufferEvent,
  HostConnectError,
  type HostQuery,
  type HostResolver,
  Listener,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { alongside, assertRejectsWith, eventually, isPending, rejection, text } from "./async_support.ts";
import { clientSocket, deadPort, journal, settle, until } from "./bufferevent_support.ts";

/** Answers everything with the same addresses. */
function fixed(...hosts: string[]): HostResolver {
  return { resolve: () => Promise.resolve(hosts.map((host) => ({ host }))) };
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let accepted: SocketBufferEvent[];

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
    accepted = [];
  });
  afterEach(() => {
    for (const connection of accepted) connection.close();
    descriptors[Symbol.dispose]();
    base.close();
  });

  function accept(fd: number): void {
    accepted.push(new SocketBufferEvent(base, fd));
  }

  /** A port at which every connect hangs: nobody accepts, and the backlog is full. */
  function stuck(host: string, port = 0): Listener {
    const listener = new Listener(base, { host, port, backlog: 1, disabled: true }, accept);
    for (let count = 0; count < 4; count++) clientSocket(descriptors, listener.port, host);
    return listener;
  }

  /** One such port, and a listener on another address that accepts at the same port, which somebody may have already. */
  function stuckBeside(host: string, acceptingHost: string): [hanging: Listener, listener: Listener] {
    for (let attempt = 1;; attempt++) {
      const hanging = stuck(host);
      try {
        return [hanging, new Listener(base, { port: hanging.port, host: acceptingHost }, accept)];
      } catch (error) {
        hanging.close();
        if (attempt === 20) throw error;
      }
    }
  }

  it("a literal address needs no resolver, nor does localhost, whatever it listens on", () => {
    for (const host of ["127.0.0.1", "::1"]) {
      using listener = new Listener(base, { port: 0, host }, accept);
      for (const name of [host, "localhost", "LOCALHOST.", "a.localhost"]) {
        using connection = new SocketBufferEvent(base);
        const told = journal(connection);
        connection.connectHostname(name, listener.port);
        connection.write("hello");
        assertEquals(told, []);
        until(base, () => told.length > 1, name);
        assertEquals(told, ["CONNECTED", "write"]);
        assertEquals(connection.remoteAddress, listener.address);
        assert(connection.isConnected);
      }
    }
  });

  it("is told by ERROR with all that was tried when every address refuses", () =>
    alongside(base, async () => {
      using connection = new SocketBufferEvent(base);
      const told = journal(connection);
      const port = deadPort(descriptors);
      connection.connectHostname("example.test", port, { resolver: fixed("127.0.0.1", "::1", "127.0.0.2", "::1") });
      const error = await rejection(connection.connected()) as HostConnectError;
      assertInstanceOf(error, HostConnectError);
      assertStrictEquals(connection.error, error);
      assertEquals(error.code, "ECONNREFUSED");
      assertEquals(error.errors.map(({ address, code }) => `${address} ${code}`), [
        "127.0.0.1 ECONNREFUSED",
        "::1 ECONNREFUSED",
        "127.0.0.2 ECONNREFUSED",
      ]);
      assertEquals(told, ["ERROR"]);
      assertEquals([connection.fd, connection.dnsError], [-1, null]);
      // It may be followed by another.
      using listener = new Listener(base, { port: 0 }, accept);
      connection.connectHostname("localhost", listener.port);
      await connection.connected();
      assertEquals(told, ["ERROR", "CONNECTED"]);
    }));

  it("an address that does not answer is overtaken by the next one, and given up", () =>
    alongside(base, async () => {
      const [hanging, listener] = stuckBeside("::1", "127.0.0.1");
      const connection = await SocketBufferEvent.connectTo(base, {
        host: "example.test",
        port: listener.port,
        resolver: fixed("::1", "127.0.0.1"),
        attemptDelayMs: 100,
      });
      assertEquals(connection.remoteAddress, listener.address);
      for (const one of [connection, hanging, listener]) one.close();
    }));

  it("the first answer wins although others hang, also when IPv4 hangs first", () =>
    alongside(base, async () => {
      const [hanging, listener] = stuckBeside("127.0.0.1", "::1");
      using connection = new SocketBufferEvent(base);
      connection.connectHostname("example.test", listener.port, {
        resolver: fixed("127.0.0.1", "127.0.0.1", "::1"),
        attemptDelayMs: 100,
      });
      await connection.send("through");
      await eventually(() => accepted.length === 1, "the connection");
      assertEquals(text(await accepted[0]!.readExactly(7)), "through");
      hanging.close();
      listener.close();
    }));

  it("what takes too long in all is told by ETIMEDOUT", () =>
    alongside(base, async () => {
      using hanging = stuck("127.0.0.1");
      const options = { host: "127.0.0.1", port: hanging.port, connectTimeoutMs: 50 };
      await assertRejectsWith(SocketBufferEvent.connectTo(base, options), "ETIMEDOUT");
      const never: HostResolver = { resolve: () => new Promise(() => {}) };
      const lookup = { host: "example.test", port: 1, connectTimeoutMs: 50, resolver: never };
      await assertRejectsWith(SocketBufferEvent.connectTo(base, lookup), "ETIMEDOUT");
    }));

  it("a resolver that fails, knows nothing or answers nonsense is told by ERROR, and its error kept", () =>
    alongside(base, async () => {
      const failure = new Error("NXDOMAIN");
      const resolvers: readonly (readonly [HostResolver, RegExp])[] = [
        [{ resolve: () => Promise.reject(failure) }, /NXDOMAIN/],
        [{
          resolve: () => {
            throw failure;
          },
        }, /NXDOMAIN/],
        [fixed(), /no usable address/],
        [fixed("not an address"), /is no address/],
        [{ resolve: () => null as unknown as [] }, /./],
        [{ resolve: () => Promise.resolve(7 as unknown as []) }, /./],
      ];
      for (const [resolver, message] of resolvers) {
        using connection = new SocketBufferEvent(base);
        const told = journal(connection);
        connection.connectHostname("example.test", 80, { resolver });
        await assertRejectsWith(connection.connected(), "HOST_NOT_FOUND");
        assertEquals(told, ["ERROR"]);
        assert(message.test(connection.dnsError!.message), connection.dnsError!.message);
        assertStrictEquals(connection.error!.cause, connection.dnsError);
      }
    }));

  it("addresses that come in parts are used as they come", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0, host: "127.0.0.1" }, accept);
      // The rest never comes, and is not wanted any more.
      let signal: AbortSignal | undefined;
      const partly: HostResolver = {
        resolve: (_host, query) => {
          signal = query.signal;
          query.partial([{ host: "::1" }]);
          query.partial([{ host: "127.0.0.1" }]);
          return new Promise(() => {});
        },
      };
      for (const resolver of [partly, { resolve: fixedPart("127.0.0.1") }]) {
        const target = { host: "example.test", port: listener.port, resolver, attemptDelayMs: 100 };
        using connection = await SocketBufferEvent.connectTo(base, target);
        assertEquals(connection.remoteAddress, listener.address);
      }
      assert(signal!.aborted);
      // A failure after that does not matter to who has an address.
      const failing: HostResolver = {
        resolve: (_host, query) => {
          query.partial([{ host: "127.0.0.1" }]);
          return Promise.reject(new Error("no AAAA"));
        },
      };
      const target = { host: "example.test", port: listener.port, resolver: failing };
      (await SocketBufferEvent.connectTo(base, target)).close();
    }));

  it("IPv6 is tried first when it comes in time, and otherwise what the resolver has in front", () =>
    alongside(base, async () => {
      using four = new Listener(base, { port: 0, host: "127.0.0.1" }, accept);
      using six = new Listener(base, { port: four.port, host: "::1" }, accept);
      const [ipv4, ipv6] = [{ host: "127.0.0.1" }, { host: "::1" }];
      const target = { host: "example.test", port: four.port, resolutionDelayMs: 2000, attemptDelayMs: 2000 };
      const connectedTo = async (resolve: HostResolver["resolve"]): Promise<unknown> => {
        using connection = await SocketBufferEvent.connectTo(base, { ...target, resolver: { resolve } });
        return connection.remoteAddress;
      };
      const later = (query: HostQuery, ...rest: { host: string }[]) => {
        query.partial([ipv4]);
        return Promise.resolve(rest);
      };
      assertEquals(await connectedTo((_host, query) => later(query, ipv6, ipv4)), six.address);
      assertEquals(await connectedTo((_host, query) => later(query, ipv4, ipv6)), four.address);
      const inParts = (query: HostQuery) => {
        query.partial([ipv4]);
        query.partial([ipv6]);
        return new Promise<never>(() => {});
      };
      assertEquals(await connectedTo((_host, query) => inParts(query)), six.address);
    }));

  function fixedPart(host: string): HostResolver["resolve"] {
    return (_host, query) => {
      query.partial([{ host }]);
      return new Promise(() => {});
    };
  }

  it("only addresses of the family that is asked for are used", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0, host: "127.0.0.1" }, accept);
      const target = { host: "example.test", port: listener.port, resolver: fixed("::1", "127.0.0.1") };
      (await SocketBufferEvent.connectTo(base, { ...target, family: "ipv4" })).close();
      await assertRejectsWith(SocketBufferEvent.connectTo(base, { ...target, family: "ipv6" }), "ECONNREFUSED");
      const none = { ...target, resolver: fixed("127.0.0.1"), family: "ipv6" } as const;
      await assertRejectsWith(SocketBufferEvent.connectTo(base, none), "HOST_NOT_FOUND");
    }));

  it("reading and writing wait for the end of it, and nothing is lost", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0 }, (fd) => {
        accept(fd);
        accepted.at(-1)!.write("welcome");
      });
      let answer: (addresses: { host: string }[]) => void = () => {};
      const resolver: HostResolver = { resolve: () => new Promise((resolve) => answer = resolve) };
      using connection = new SocketBufferEvent(base);
      connection.connectHostname("example.test", listener.port, { resolver });
      assertThrows(() => connection.connectHostname("localhost", 1), Error, "connecting already");
      assertThrows(() => connection.connect(listener.address), Error, "connecting already");
      connection.enable(EV_READ);
      connection.write("early");
      connection.flush();
      settleHost();
      answer([{ host: "127.0.0.1" }]);
      assertEquals(text(await connection.readExactly(7)), "welcome");
      assertEquals(text(await accepted[0]!.readExactly(5)), "early");
    }));

  it("the end of writing waits for it, also that of a stream and of a filter", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0 }, accept);
      for (const end of ["connection", "stream", "filter"]) {
        using connection = new SocketBufferEvent(base);
        connection.connectHostname("localhost", listener.port);
        if (end === "connection") connection.endWriting();
        else if (end === "filter") new FilterBufferEvent(connection).endWriting();
        else await connection.writable.close();
        await eventually(() => accepted.length > 0, "the connect");
        const [server] = accepted.splice(0);
        assertEquals(await server!.readSome(), null);
        await server!.send("answer");
        if (end !== "filter") assertEquals(text(await connection.readExactly(6)), "answer");
        server!.close();
      }
      // Forgotten when it fails.
      using connection = new SocketBufferEvent(base);
      connection.connectHostname("127.0.0.1", deadPort(descriptors));
      connection.endWriting();
      await rejection(connection.connected());
      connection.connectHostname("localhost", listener.port);
      await connection.send("still there");
      await eventually(() => accepted.length > 0, "the connect");
      assertEquals(text(await accepted[0]!.readExactly(11)), "still there");
      assert(await isPending(accepted[0]!.readSome()));
    }));

  function settleHost(): void {
    assertEquals(accepted.length, 0);
  }

  it("closing, aborting and another descriptor end it at any point, without a trace", () =>
    alongside(base, async () => {
      using hanging = stuck("127.0.0.1");
      // The loop has all it needs when it has done something.
      using listener = new Listener(base, { port: 0 }, accept);
      (await SocketBufferEvent.connectTo(base, { host: "127.0.0.1", port: listener.port })).close();
      await eventually(() => accepted.length === 1, "the other side");
      const before = openDescriptorCount();
      let own = 0;
      const lookups: HostResolver[] = [{ resolve: () => new Promise(() => {}) }, fixed("127.0.0.1")];
      for (const resolver of lookups) {
        for (const end of ["close", "closeAfterFlush", "abort", "replace", "take"] as const) {
          const controller = new AbortController();
          const connection = new SocketBufferEvent(base);
          const told = journal(connection);
          connection.connectHostname("example.test", hanging.port, { resolver, signal: controller.signal });
          const connected = connection.connected();
          connected.catch(() => {});
          await new Promise<void>((resolve) => setTimeout(resolve, 1));
          if (end === "close") connection.close();
          if (end === "abort" || end === "closeAfterFlush") {
            if (end === "closeAfterFlush") connection.closeAfterFlush();
            controller.abort(new Error("enough"));
            await assertRejectsWith(connected, "ECANCELED");
            assertEquals(told, ["ERROR"]);
            if (end === "closeAfterFlush") await eventually(() => connection.closed, "the close");
          }
          if (end === "replace") {
            const [near, far] = descriptors.socketpair();
            const copy = new SocketBufferEvent(base, far, { keepOpen: true });
            connection.replaceFd(near);
            await connection.send("other");
            assertEquals(text(await copy.readExactly(5)), "other");
            assertEquals(connection.takeFd(), near);
            copy.close();
            own += 2;
          }
          if (end === "take") assertEquals(connection.takeFd(), -1);
          connection.close();
        }
      }
      const reason = new Error("enough");
      const target = { host: "127.0.0.1", port: hanging.port };
      const early = SocketBufferEvent.connectTo(base, { ...target, signal: AbortSignal.abort(reason) });
      assertStrictEquals(await rejection(early), reason);
      const controller = new AbortController();
      const late = SocketBufferEvent.connectTo(base, { ...target, signal: controller.signal });
      setTimeout(() => controller.abort(reason), 5);
      assertStrictEquals(await rejection(late), reason);
      assertNoneLeft(before + own);
    }));

  it("a socket that cannot be watched because of somebody's mistake is closed, and the connect may be tried again", () => {
    const opened = backend.open();
    const { watch } = opened;
    let isBroken = true;
    opened.watch = (fd, was, is) => {
      if (isBroken && is !== 0) throw new TypeError("not today");
      return watch.call(opened, fd, was, is);
    };
    using own = new EventBase({ openBackend: () => opened });
    using listener = new Listener(base, { port: 0 }, accept);
    using connection = new SocketBufferEvent(own);
    const told = journal(connection);
    const before = openDescriptorCount();
    const controller = new AbortController();
    for (let attempt = 0; attempt < 2; attempt++) {
      assertThrows(
        () => connection.connectHostname("127.0.0.1", listener.port, { signal: controller.signal }),
        TypeError,
        "not today",
      );
      assertNoneLeft(before);
    }
    controller.abort();
    isBroken = false;
    settle(own);
    assertEquals(told, []);
    connection.connectHostname("127.0.0.1", listener.port);
    until(own, () => told.length > 0, "the connect");
    assertEquals(told, ["CONNECTED"]);
  });

  it("a base that is closed during a lookup leaves nothing behind", async () => {
    const own = backend.newBase();
    let answer: (addresses: { host: string }[]) => void = () => {};
    const connection = new SocketBufferEvent(own);
    connection.connectHostname("example.test", 1, {
      resolver: { resolve: () => new Promise((resolve) => answer = resolve) },
    });
    own.close();
    connection.close();
    answer([{ host: "127.0.0.1" }]);
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  });

  it("refuses what makes no sense", () => {
    using connection = new SocketBufferEvent(base);
    assertThrows(() => connection.connectHostname("example.test", 80), TypeError, "takes a resolver");
    for (const host of ["", "a b", "a\0b", "x".repeat(300)]) {
      assertThrows(() => connection.connectHostname(host, 80, { resolver: fixed() }), TypeError, "neither a name");
    }
    for (const port of [0, 65_536, 1.5, NaN]) {
      assertThrows(() => connection.connectHostname("localhost", port), RangeError, "1 to 65535");
    }
    for (const options of [{ attemptDelayMs: 99 }, { attemptDelayMs: 2001 }, { connectTimeoutMs: Infinity }]) {
      assertThrows(() => connection.connectHostname("localhost", 80, options), RangeError);
    }
    assertThrows(() => connection.connectHostname("localhost", 80, { family: "ipx" as "any" }), TypeError);
    const [near] = descriptors.socketpair();
    using used = new SocketBufferEvent(base, near, { keepOpen: true });
    assertThrows(() => used.connectHostname("localhost", 80), Error, "a socket of its own");
    settle(base);
  });
});
