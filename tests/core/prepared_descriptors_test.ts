/** Who makes descriptors non-blocking and close-on-exec: whoever accepts them, in the same system call, and nobody a second time. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { it } from "@std/testing/bdd";
import {
  type EventBase,
  EVLOOP_NONBLOCK,
  Listener,
  type ListenerOptions,
  type SecureLayer,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { DnsServer } from "../../src/dns/mod.ts";
import { sysFcntl, sysFcntlPadded } from "../../src/ffi/libc.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import type { Descriptors } from "../support/descriptors.ts";
import { freshBase } from "../support/fresh_base.ts";
import { eventually } from "./async_support.ts";

const { F_GETFD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } = os.constants;

/** Whether a descriptor is non-blocking, and whether it is closed by exec. */
function flagsOf(fd: number): [isNonBlocking: boolean, isClosedByExec: boolean] {
  return [(fcntl(fd, F_GETFL, 0) & O_NONBLOCK) !== 0, (fcntl(fd, F_GETFD, 0) & FD_CLOEXEC) !== 0];
}

/** Runs `body` and says how often it has called fcntl. */
async function fcntlCalls(body: () => void | Promise<void>): Promise<number> {
  const library = (sysFcntl ?? sysFcntlPadded) as unknown as { fcntl: (...values: number[]) => number };
  const original = library.fcntl;
  let count = 0;
  library.fcntl = (...values): number => {
    count++;
    return original(...values);
  };
  try {
    await body();
  } finally {
    library.fcntl = original;
  }
  return count;
}

/** Lies on top of a server's connections, and changes nothing: where one sees them before they are used. */
function lookingAt(look: (stream: SocketBufferEvent) => void): SecureLayer {
  return {
    role: "server",
    secure: (stream) => {
      look(stream as SocketBufferEvent);
      return stream;
    },
  };
}

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  freshBase(backend, (fresh) => ({ base, descriptors } = fresh));

  /** Connects to `port`, waits until the other side `isServed`, and says how often fcntl was called meanwhile. */
  async function fcntlCallsOf(port: number, isServed: () => boolean): Promise<number> {
    using client = new SocketBufferEvent(base);
    return await fcntlCalls(async () => {
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      await eventually(() => {
        base.loop(EVLOOP_NONBLOCK);
        return isServed();
      }, "it is served");
    });
  }

  const handlers: Record<string, (options: ListenerOptions, serve: (stream: SocketBufferEvent) => void) => Listener> = {
    "by an option": (options, serve) =>
      new Listener(
        base,
        options,
        (fd, { handsOutPrepared: prepared }) => serve(new SocketBufferEvent(base, fd, { prepared })),
      ),
    "in a loop": (options, serve) => {
      const listener = new Listener(base, options);
      const take = async (): Promise<void> => {
        for await (const connection of listener.connections()) serve(connection);
      };
      void take();
      return listener;
    },
    "by an HTTP server": (options, serve) =>
      new HttpServer(base, {}, () => {}).listen({ ...options, tls: lookingAt(serve) }),
    "by a DNS server": (options, serve) =>
      new DnsServer(base, {}, () => {}).listenTcp({ ...options, tls: lookingAt(serve) }),
  };
  for (const [how, handle] of Object.entries(handlers)) {
    it(`a connection that is taken ${how} is prepared when it is accepted, and not again`, async () => {
      const streams: SocketBufferEvent[] = [];
      using listener = handle({ port: 0 }, (stream) => void streams.push(stream));
      assert(listener.handsOutPrepared);
      const count = await fcntlCallsOf(listener.port, () => streams.length === 1);
      assertEquals([count, flagsOf(streams[0]!.fd)], [0, [true, true]]);
      streams[0]!.close();
    });

    it(`a connection that is taken ${how} is prepared all the same where its listener leaves it as it is`, async () => {
      for (const options of [{ blocking: true }, { closeOnExec: false }]) {
        const streams: SocketBufferEvent[] = [];
        using listener = handle({ port: 0, ...options }, (stream) => void streams.push(stream));
        assertFalse(listener.handsOutPrepared);
        await fcntlCallsOf(listener.port, () => streams.length === 1);
        assertEquals(flagsOf(streams[0]!.fd), [true, true]);
        streams[0]!.close();
      }
    });
  }

  it("somebody else's descriptor is prepared, also by a server that is given it", () => {
    using server = new HttpServer(base, {}, () => {});
    for (const give of [(fd: number) => server.accept(fd), (fd: number) => void new SocketBufferEvent(base, fd)]) {
      const [near] = descriptors.socketpair();
      fcntl(near, F_SETFL, 0);
      fcntl(near, F_SETFD, 0);
      assertEquals(flagsOf(near), [false, false]);
      give(descriptors.release(near));
      assertEquals(flagsOf(near), [true, true]);
    }
  });
});
