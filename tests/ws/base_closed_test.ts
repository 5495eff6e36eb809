/** Sessions, and those who wait for them, when the event base is closed. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BaseClosedError, EV_READ, type EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import { connectWebSocket } from "../../src/ws/mod.ts";
import { rejection } from "../core/async_support.ts";
import { settle } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { Rig } from "./session_support.ts";

/** Lets promises go on, and the loop between them. */
async function turn(base: EventBase): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
  settle(base);
}

forEachBackend((backend) => {
  describe("A session whose base is closed", () => {
    it("tells those who wait for its end that it will not come, and can still be cut", async () => {
      using rig = new Rig({}, backend);
      const { base, session } = rig;
      const waiting = rejection(session.whenClosed());
      base.close();
      assertInstanceOf(await waiting, BaseClosedError);
      assertInstanceOf(await rejection(session.whenClosed()), BaseClosedError);
      assertEquals([session.state, session.closeFacts, rig.told()], ["open", undefined, []]);
      session.terminate();
      assertEquals(rig.told(), ["close 1006 unclean"]);
      assertEquals(await session.whenClosed(), { code: 1006, reason: "", wasClean: false });
    });

    it("is cut when it is closed: nobody would hear the answer", async () => {
      using rig = new Rig({}, backend);
      rig.base.close();
      rig.session.close(1001, "bye");
      assertEquals(rig.told(), ["close 1006 unclean"]);
      assertEquals((await rig.session.whenClosed()).code, 1006);
    });
  });

  describe("Whoever waits for the end of a session", () => {
    it("may give up, and the others wait on", async () => {
      using rig = new Rig({}, backend);
      const controller = new AbortController();
      const given = rejection(rig.session.whenClosed({ signal: controller.signal }));
      const waiting = rig.session.whenClosed();
      controller.abort("enough");
      assertEquals(await given, "enough" as unknown as Error);
      assertEquals(
        await rejection(rig.session.whenClosed({ signal: controller.signal })),
        "enough" as unknown as Error,
      );
      rig.session.terminate();
      assertEquals((await waiting).code, 1006);
      assertEquals((await rig.session.whenClosed({ signal: controller.signal })).code, 1006);
    });
  });

  describe("A handshake whose base is closed", () => {
    it("fails at once, and leaves nothing open", async () => {
      let before = Infinity;
      for (let round = 0; round < 3; round++) {
        const base = backend.newBase();
        const accepted: SocketBufferEvent[] = [];
        const listener = new Listener(base, { port: 0 }, (fd) => {
          const stream = new SocketBufferEvent(base, fd);
          stream.enable(EV_READ);
          accepted.push(stream);
        });
        const { address } = listener;
        assert(address.family !== "unix");
        const failed = rejection(connectWebSocket(base, `ws://127.0.0.1:${address.port}/`));
        // The request is there, so all that is missing is the reply.
        for (let count = 0; count < 5000 && !accepted[0]?.input.length; count++) await turn(base);
        assert(accepted[0]!.input.length > 0);
        base.close();
        assertInstanceOf(await failed, BaseClosedError);
        listener.close();
        for (const stream of accepted) stream.close();
        if (round > 0) assertEquals(openDescriptorCount(), before);
        before = openDescriptorCount();
      }
    });
  });
});
