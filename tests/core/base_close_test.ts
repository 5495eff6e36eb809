/** A base that is closed while somebody waits: everybody is told, nothing stays pending, and nothing is left open. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BaseClosedError,
  type BufferEvent,
  Datagram,
  EV_PERSIST,
  EV_READ,
  EV_WRITE,
  type EventBase,
  type HostAddress,
  Listener,
  LoopPort,
  LoopPortSender,
  RateLimit,
  RateLimitGroup,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { assertRejectsWith, isPending, rejection, text } from "./async_support.ts";
import { clientSocket, settle } from "./bufferevent_support.ts";
import { forEachKind } from "./connection_kinds.ts";

const CODE = "BASE_CLOSED";

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;
  let before: number;

  beforeEach(() => {
    before = openDescriptorCount();
    base = backend.newBase();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    base.close();
    descriptors[Symbol.dispose]();
    assertNoneLeft(before);
  });

  forEachKind((kind) => {
    let near: BufferEvent;
    let far: BufferEvent;

    beforeEach(() => {
      [near, far] = kind.open(base, descriptors);
      // OpenSSL opens files of its own when it is first used.
      before = Infinity;
    });
    afterEach(() => {
      near.close();
      far.close();
    });

    it("whoever awaits a connection whose base is closed is told", async () => {
      const waiting = [
        near.readSome(),
        near.readInto(new Uint8Array(10)),
        near.readExactly(3),
        near.readLine(),
        near.readUntil("x"),
        near.send(new Uint8Array(8_000_000)),
        near.drained(),
        near.flushed(),
      ];
      // Also whoever could give up by himself, or asks again when told.
      const { signal } = new AbortController();
      waiting.push(near.readSome(1, { signal }), near.flushed({ signal }));
      const again = near.readSome().catch(() => near.readSome());
      base.close();
      for (const promise of [...waiting, again]) {
        assertInstanceOf(await assertRejectsWith(promise, CODE), BaseClosedError);
      }
      assert(!near.closed);
    });

    it("whoever asks a connection whose base is closed is told at once, after what is there already", async () => {
      far.write("abcdef\n");
      near.enable(EV_READ);
      settle(base);
      assertEquals(near.input.length, 7);
      const tooMuch = near.readExactly(100);
      base.close();
      await assertRejectsWith(tooMuch, CODE);
      assertEquals(text(await near.readExactly(3)), "abc");
      assertEquals(await near.readLine(), "def");
      await assertRejectsWith(near.readSome(), CODE);
      await assertRejectsWith(near.send("x"), CODE);
      await near.flushed();
      near.write("x");
      await assertRejectsWith(near.flushed(), CODE);
    });

    it("a connection with timeouts and limits can still be used for what takes no loop, and be closed", () => {
      using group = new RateLimitGroup(base, new RateLimit({ readRate: 100, writeRate: 100 }));
      for (const end of [near, far]) {
        end.enable(EV_READ);
        end.setTimeouts(10_000, 10_000);
        end.setRateLimit(new RateLimit({ readRate: 10, writeRate: 10 }));
        group.add(end);
      }
      far.write("abcdef");
      settle(base);
      base.close();
      near.write("more than a tick's worth");
      far.write("x");
      near.input.drain(Infinity);
      near.setTimeouts(20_000, -1);
      near.disable(EV_READ | EV_WRITE);
      near.enable(EV_READ | EV_WRITE);
      near.setWatermark(EV_READ, 0, 1);
      near.setRateLimit(new RateLimit({ readRate: 20, writeRate: 20 }));
      near.flush();
      near.setRateLimit(null);
      group.remove(far);
      far.closeAfterFlush();
      near.close();
    });

    it("a loop over what comes in ends", async () => {
      async function chunks(): Promise<number> {
        let count = 0;
        for await (const _ of near) count++;
        return count;
      }
      const counting = chunks();
      assert(await isPending(counting));
      base.close();
      assertEquals(await counting, 0);
      assertEquals(await chunks(), 0);
    });

    it("its streams fail", async () => {
      const read = near.readable.getReader().read();
      const write = near.writable.getWriter().write(new Uint8Array(8_000_000));
      assert(await isPending(read));
      base.close();
      await assertRejectsWith(read, CODE);
      await assertRejectsWith(write, CODE);
      // Both are over, and with them the connection.
      assert(near.closed);
    });
  });

  describe("whoever waits for a connect whose base is closed is told", () => {
    it("under way, or still to begin", async () => {
      using listener = new Listener(base, { port: 0 });
      using idle = new SocketBufferEvent(base);
      using connecting = new SocketBufferEvent(base);
      const waiting = [idle.connected(), connecting.connected()];
      connecting.connect(listener.address);
      base.close();
      for (const promise of waiting) await assertRejectsWith(promise, CODE);
      await assertRejectsWith(idle.connected(), CODE);
      await assertRejectsWith(SocketBufferEvent.connectTo(base, { host: "127.0.0.1", port: listener.port }), CODE);
      assertThrows(() => idle.connect(listener.address), BaseClosedError);
    });

    it("and nothing of a race is left open, although nobody closes the connection before the name is resolved", async () => {
      using listener = new Listener(base, { port: 0 });
      let answer!: (addresses: HostAddress[]) => void;
      let wasAborted = false;
      let partial!: (addresses: HostAddress[]) => void;
      const resolver = {
        resolve: (_host: string, query: { signal: AbortSignal; partial(addresses: HostAddress[]): void }) => {
          query.signal.addEventListener("abort", () => wasAborted = true);
          partial = query.partial;
          return new Promise<HostAddress[]>((resolve) => answer = resolve);
        },
      };
      const connection = new SocketBufferEvent(base);
      connection.connectHostname("name.example", listener.port, { resolver, family: "ipv4" });
      const connected = connection.connected();
      // One attempt is under way.
      partial([{ host: "127.0.0.1" }]);
      base.close();
      await assertRejectsWith(connected, CODE);
      assert(wasAborted);
      partial([{ host: "127.0.0.2" }]);
      answer([{ host: "127.0.0.3" }]);
      await isPending(connected);
      listener.close();
      assertNoneLeft(before);
      connection.close();
    });

    it("and connectTo leaves nothing open", async () => {
      using listener = new Listener(base, { port: 0 });
      const waiting = SocketBufferEvent.connectTo(base, { host: "127.0.0.1", port: listener.port });
      base.close();
      await assertRejectsWith(waiting, CODE);
    });
  });

  it("a loop over connections ends with its base, and those that were not taken are closed", async () => {
    const listener = new Listener(base, { port: 0 });
    const stream = listener.connections();
    for (let count = 0; count < 3; count++) clientSocket(descriptors, listener.port);
    settle(base);
    const first = await stream.next();
    first.value!.close();
    const other = new Listener(base, { port: 0 });
    const waiting = other.connections().next();
    base.close();
    assertEquals((await waiting).done, true);
    assertEquals((await stream.next()).done, true);
    assertThrows(() => listener.connections(), BaseClosedError);
    listener.close();
    other.close();
  });

  it("whoever waits for a datagram is told, and a loop over datagrams ends", async () => {
    const socket = new Datagram(base, { port: 0 });
    const { signal } = new AbortController();
    const waiting = [socket.receive(), socket.receive({ signal })];
    const other = new Datagram(base, { port: 0 });
    async function count(): Promise<number> {
      let count = 0;
      for await (const _ of other) count++;
      return count;
    }
    const counting = count();
    base.close();
    for (const promise of waiting) await assertRejectsWith(promise, CODE);
    assertEquals(await counting, 0);
    assertEquals(await count(), 0);
    await assertRejectsWith(socket.receive(), CODE);
    const sockets = [socket, other];
    for (const one of sockets) one.close();
  });

  it("a loop over the messages of a port ends", async () => {
    const port = new LoopPort(base);
    using sender = new LoopPortSender(port.handle);
    const waiting = port.messages().next();
    base.close();
    assertEquals((await waiting).done, true);
    assertEquals(sender.post("x"), false);
    assertThrows(() => new LoopPort(base), BaseClosedError);
  });

  it("a loop that is run then is refused, and so is an event", async () => {
    const event = base.event(descriptors.socketpair()[0], EV_READ | EV_PERSIST, () => {});
    base.close();
    await assertRejects(() => base.run(), BaseClosedError, "the event base is closed");
    assertEquals((await rejection(base.run()) as BaseClosedError).code, CODE);
    assertThrows(() => base.dispatch(), BaseClosedError);
    assertThrows(() => event.add(), BaseClosedError);
  });

  it("a base whose finalizer throws tells everybody all the same", async () => {
    const connection = new SocketBufferEvent(base, descriptors.socketpair()[0], { keepOpen: true });
    const waiting = connection.readSome();
    base.timer(() => {}).finalize(() => {
      throw new Error("from the finalizer");
    });
    assertThrows(() => base.close(), Error, "from the finalizer");
    await assertRejectsWith(waiting, CODE);
    connection.close();
  });

  it("those who wait are forgotten as soon as they have been served", async () => {
    const [one, other] = descriptors.socketpair().map((fd) => new SocketBufferEvent(base, fd, { keepOpen: true }));
    const controller = new AbortController();
    const aborted = one!.readSome(1, { signal: controller.signal });
    controller.abort(new Error("enough"));
    assertEquals((await rejection(aborted)).message, "enough");
    const served = one!.readSome();
    other!.write("x");
    settle(base);
    const closed = other!.readSome();
    other!.close();
    base.close();
    assertEquals(text(await served), "x");
    await assertRejectsWith(closed, "CLOSED");
    one!.close();
  });
});
