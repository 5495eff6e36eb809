/** Filters over sockets that connect, fail at the end, or go. */
import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { BEV_FINISHED, BEV_OK, EV_READ, FilterBufferEvent, SocketBufferEvent } from "../../src/core/mod.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, empty, openDescriptorCount } from "../support/descriptors.ts";
import { alongside, assertRejectsWith, eventually } from "./async_support.ts";
import { deadPort, journal, listeningSocket, settle, until } from "./bufferevent_support.ts";

forEachBackend((backend) => {
  it("a filter passes the connect of a socket on, its refusal, and the error", () => {
    using base = backend.newBase();
    using descriptors = new Descriptors();
    const { port } = listeningSocket(descriptors);
    for (const [to, event] of [[port, "CONNECTED"], [deadPort(descriptors), "ERROR"]] as const) {
      const socket = new SocketBufferEvent(base);
      using top = new FilterBufferEvent(socket);
      const told = journal(top);
      socket.connect({ family: "ipv4", host: "127.0.0.1", port: to });
      until(base, () => told.length > 0, event);
      assertEquals(told, [event]);
      assertEquals(top.error?.code, event === "ERROR" ? "ECONNREFUSED" : undefined);
    }
  });

  it("who awaits a filter's connect is not told what an earlier one has failed with", async () => {
    using base = backend.newBase();
    using descriptors = new Descriptors();
    const { port } = listeningSocket(descriptors);
    using socket = new SocketBufferEvent(base);
    using middle = new FilterBufferEvent(socket);
    using top = new FilterBufferEvent(middle);
    await alongside(base, async () => {
      const refused = top.connected();
      socket.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
      await assertRejectsWith(refused, "ECONNREFUSED");
      await assertRejectsWith(top.connected(), "ECONNREFUSED");
      socket.connect({ family: "ipv4", host: "127.0.0.1", port });
      await top.connected();
      await middle.connected();
      socket.takeFd();
      top.write("x");
      socket.replaceFd(descriptors.socketpair()[0]);
      await top.flushed();
    });
  });

  it("a transform that throws at the end reaches whoever hears of errors, however late the end comes", async () => {
    using base = backend.newBase();
    const errors: unknown[] = [];
    base.onError = (error) => errors.push(error);
    using descriptors = new Descriptors();
    const [near, far] = descriptors.socketpair();
    const socket = new SocketBufferEvent(base, near, { keepOpen: true });
    let thrown = 0;
    const middle = new FilterBufferEvent(socket, {
      output: (source, target, _limit, mode) => {
        if (mode === BEV_FINISHED) {
          thrown++;
          throw new Error("from the transform");
        }
        target.addBuffer(source);
        return BEV_OK;
      },
    });
    using top = new FilterBufferEvent(middle);
    await alongside(base, async () => {
      const bytes = new Uint8Array(1_000_000);
      top.write(bytes);
      // What is queued is more than the kernel takes.
      top.endWriting();
      let received = 0;
      await eventually(() => (received += empty(far)) === bytes.length, "everything was sent");
      await eventually(() => thrown > 0, "the end");
      await eventually(() => errors.length > 0, "the error");
    });
    assertEquals(errors.map(String), ["Error: from the transform"]);
  });

  it("500 filters over sockets, closed from above and from below, leave no descriptor behind", () => {
    using base = backend.newBase();
    const before = openDescriptorCount();
    for (let round = 0; round < 250; round++) {
      const descriptors = new Descriptors();
      const [one, other] = descriptors.socketpair().map((fd) => new SocketBufferEvent(base, fd));
      const tops = [new FilterBufferEvent(one!), new FilterBufferEvent(other!)];
      tops[1]!.enable(EV_READ);
      tops[0]!.write("x");
      if (round % 10 === 0) settle(base);
      tops[0]!.close();
      other!.close();
      assertEquals([one!.closed, tops[1]!.closed], [true, true]);
    }
    assertNoneLeft(before);
  });

  it("a filter over a socket that is not connected yet can be opened and closed", () => {
    using base = backend.newBase();
    using socket = new SocketBufferEvent(base);
    using top = new FilterBufferEvent(socket, { keepOpen: true });
    top.write("waits");
    settle(base);
    assertEquals(top.fd, -1);
  });
});
