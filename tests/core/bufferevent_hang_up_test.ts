/** A peer that shuts down both ways, keeps its socket open, and leaves a writer without anything to wait for. */
import { assertEquals, assertLess } from "@std/assert";
import { it } from "@std/testing/bdd";
import { BEV_EVENT_ERROR, BEV_EVENT_WRITING, EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { os, shutdown } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { countWaits } from "../support/waits.ts";
import { alongside, eventually } from "./async_support.ts";
import { settle, until } from "./bufferevent_support.ts";

/** More than the kernel holds between two sockets. */
const MANY = 4_000_000;

forEachBackend(({ newBase, open }) => {
  /** A connection that waits for room to write, and whoever keeps it waiting. */
  function blockedWriter(base: EventBase, descriptors: Descriptors): { events: number[]; far: number } {
    const [near, far] = descriptors.socketpair();
    const connection = new SocketBufferEvent(base, near, { keepOpen: true });
    const events: number[] = [];
    connection.setCallbacks({
      event: (what) => {
        events.push(what);
        connection.close();
      },
    });
    connection.write(new Uint8Array(MANY));
    settle(base);
    assertEquals(events, []);
    return { events, far };
  }

  it("a write that waits for a peer which shuts down both ways fails in dispatch", () => {
    using base = newBase();
    using descriptors = new Descriptors();
    const { events, far } = blockedWriter(base, descriptors);
    shutdown(far, os.constants.SHUT_RDWR);
    until(base, () => events.length > 0, "it is told");
    assertEquals(events, [BEV_EVENT_ERROR | BEV_EVENT_WRITING]);
  });

  it("and beside the host, where it is shut down while the loop sleeps", async () => {
    const backend = open();
    const waits = countWaits(backend);
    using base = new EventBase({ openBackend: () => backend });
    using descriptors = new Descriptors();
    const { events, far } = blockedWriter(base, descriptors);
    await alongside(base, async () => {
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
      waits.count = 0;
      shutdown(far, os.constants.SHUT_RDWR);
      await eventually(() => events.length > 0, "it is told");
    });
    assertEquals(events, [BEV_EVENT_ERROR | BEV_EVENT_WRITING]);
    assertLess(waits.count, 20, "it did not spin");
  });
});
