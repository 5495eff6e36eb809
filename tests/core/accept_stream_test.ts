import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type AcceptStream, type EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import { allocate, getsockname, os, SOCKET_ADDRESS_BYTES_MAX } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { alongside, eventually, isPending, rejection, text } from "./async_support.ts";
import { clientSocket, settle } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  /** Writes down what a stream gets. */
  function watched(stream: AcceptStream): number[] {
    const fds: number[] = [];
    const accepted = stream.accepted.bind(stream);
    stream.accepted = (fd) => {
      fds.push(fd);
      accepted(fd);
    };
    return fds;
  }

  it("a listener's connections can be iterated over, until it is closed", () =>
    alongside(base, async () => {
      const listener = new Listener(base, { port: 0 });
      const clients: SocketBufferEvent[] = [];
      for (const name of ["a", "b", "c"]) {
        const client = new SocketBufferEvent(base);
        client.connect(listener.address);
        client.write(name);
        clients.push(client);
      }
      const names: (string | null)[] = [];
      for await (const connection of listener.connections()) {
        using _ = connection;
        names.push(text(await connection.readExactly(1)));
        if (names.length === 3) listener.close();
      }
      assertEquals(names.sort(), ["a", "b", "c"]);
      for (const client of clients) client.close();
      assertEquals((await listener.connections().next()).done, true);
    }));

  it("no more are accepted than the queue takes; the others wait in the backlog", async () => {
    using listener = new Listener(base, { port: 0 });
    for (let count = 0; count < 10; count++) clientSocket(descriptors, listener.port);
    // Nobody has asked for one, so nothing is accepted: in the end all ten are accounted for.
    settle(base);
    const stream = listener.connections({ queueMax: 3 });
    const fds = watched(stream);
    settle(base);
    assertEquals(fds.length, 3);
    // It would go on if there was room.
    assertEquals(listener.enabled, true);
    const first = await stream.next();
    settle(base);
    assertEquals(fds.length, 4);
    assertEquals(first.value?.fd, fds[0]);
    await stream.return();
    // Those that were not taken are closed, the one that was taken is not.
    assertEquals(fds.map((fd) => getsockname(fd, allocate(SOCKET_ADDRESS_BYTES_MAX)) > 0), [true, false, false, false]);
    first.value?.close();
    assertEquals(listener.enabled, false);
    // Somebody else may go on.
    const next = listener.connections();
    const others = watched(next);
    settle(base);
    assertEquals(others.length, 6);
    next.end();
  });

  it("an aborted signal ends it, before and meanwhile", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0 });
      for await (const _ of listener.connections({ signal: AbortSignal.abort() })) assert(false);
      const controller = new AbortController();
      const stream = listener.connections({ signal: controller.signal });
      const waiting = [stream.next(), stream.next()];
      assert(await isPending(waiting[0]!));
      controller.abort();
      for (const next of waiting) assertEquals((await next).done, true);
      assertEquals(listener.enabled, false);
    }));

  it("several who wait are served in the order in which they asked", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0 });
      const stream = listener.connections();
      const order: number[] = [];
      const waiting = [0, 1].map((index) => stream.next().then(({ value }) => (order.push(index), value?.close())));
      clientSocket(descriptors, listener.port);
      await eventually(() => order.length === 1, "the first");
      clientSocket(descriptors, listener.port);
      await Promise.all(waiting);
      assertEquals(order, [0, 1]);
    }));

  it("ends with options that no connection can be made with, and leaves nothing open", () =>
    alongside(base, async () => {
      using listener = new Listener(base, { port: 0 });
      for (const order of ["awaited", "queued"]) {
        const stream = listener.connections({ connection: { maxSingleRead: -1 } });
        const fds = watched(stream);
        const early = order === "awaited" ? rejection(stream.next()) : null;
        clientSocket(descriptors, listener.port);
        await eventually(() => fds.length === 1, "the connection");
        const error = await (early ?? rejection(stream.next()));
        assertInstanceOf(error, RangeError);
        assertEquals(getsockname(fds[0]!, allocate(SOCKET_ADDRESS_BYTES_MAX)), -os.errno.EBADF!);
        assertEquals((await stream.next()).done, true);
        assertEquals(listener.enabled, false);
      }
    }));

  it("refuses what makes no sense", () => {
    using taken = new Listener(base, { port: 0 }, () => {});
    assertThrows(() => taken.connections(), TypeError, "somebody else");
    using listener = new Listener(base, { port: 0 });
    assertThrows(() => listener.connections({ queueMax: 0 }), RangeError);
    listener.connections();
    assertThrows(() => listener.connections(), TypeError, "somebody else");
  });
});
