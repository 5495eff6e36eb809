/** Counterparts of the cases of libevent's group "listener"; `docs/parity.md` says which is which. */
import { assert, assertEquals, assertFalse, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, EVLOOP_NONBLOCK, Listener, type ListenerOptions } from "../../src/core/mod.ts";
import { clientSocket } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, writeText } from "../support/descriptors.ts";

forEachBackend(({ newBase }) => {
  it("two listeners pick ports of their own, and the loop ends when both have turned themselves off", () => {
    using base = newBase();
    using fds = new Descriptors();
    const left = [2, 1];
    const [first, second] = left.map((_, index) =>
      new Listener(base, { port: 0, backlog: -1 }, (fd, listener) => {
        closeDescriptor(fd);
        if (--left[index]! === 0) listener.disable();
      })
    ) as [Listener, Listener];
    for (const listener of [first, second]) {
      assertStrictEquals(listener.base, base);
      assertEquals(listener.address, { family: "ipv4", host: "127.0.0.1", port: listener.port });
    }
    assertNotEquals(first.port, second.port);
    for (const port of [first.port, first.port, second.port]) clientSocket(fds, port);
    assertFalse(base.dispatch());
    assertEquals(left, [0, 0]);
    first.close();
    second.close();
  });

  it("a listener on a socket that does not listen tells its error callback, which may turn it off", () => {
    using base = newBase();
    using fds = new Descriptors();
    const [near, far] = fds.socketpair();
    writeText(far, "hello");
    const told: string[] = [];
    using listener = new Listener(base, { fd: near, keepOpen: true }, () => told.push("accepted"));
    listener.setErrorCallback((error, listener) => {
      told.push(error.code);
      listener.disable();
    });
    assertFalse(base.dispatch());
    assertEquals(told, ["EINVAL"]);
  });

  it("a listener that is closed by its own callback leaves the loop with nothing to do", () => {
    using base = newBase();
    using fds = new Descriptors();
    let accepted = 0;
    const before = openDescriptorCount();
    const listener = new Listener(base, { port: 0 }, (fd, listener) => {
      closeDescriptor(fd);
      accepted++;
      listener.close();
    });
    fds.close(clientSocket(fds, listener.port));
    assertFalse(base.dispatch());
    assertEquals([accepted, listener.closed], [1, true]);
    assertEquals(openDescriptorCount(), before);
  });

  it("a listener that is closed by its own callback takes none of the connections that wait", () => {
    using base = newBase();
    using fds = new Descriptors();
    let accepted = 0;
    const listener = new Listener(base, { port: 0 }, (fd, listener) => {
      closeDescriptor(fd);
      accepted++;
      listener.close();
    });
    for (let count = 0; count < 2; count++) clientSocket(fds, listener.port);
    assertFalse(base.dispatch());
    assertEquals(accepted, 1);
  });

  it("a Unix socket shares neither address nor port, and listens without", () => {
    using base = newBase();
    const folder = mkdtempSync(join(tmpdir(), "evbase-regress-"));
    try {
      const path = join(folder, "socket");
      const open = (options: ListenerOptions): Listener => new Listener(base, { path, ...options }, () => {});
      assertThrows(() => open({ reuseAddress: true }), TypeError, "reuseAddress");
      assertThrows(() => open({ reusePort: true }), TypeError, "reusePort");
      assertFalse(existsSync(path));
      using _listener = open({ backlog: -1 });
      assert(existsSync(path));
      base.loop(EVLOOP_NONBLOCK);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
