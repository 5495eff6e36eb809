import { assert, assertEquals, assertFalse, assertGreater, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Datagram, type EventBase, SystemError } from "../../src/core/mod.ts";
import { allocate, os, putAddress } from "../../src/ffi/mod.ts";
import { sys } from "../../src/ffi/libc.ts";
import { addressOf } from "../../src/ffi/strings.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { settle, until } from "./bufferevent_support.ts";
import { numbered, Sockets, untilReceived } from "./datagram_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  let folder: string;
  beforeEach(() => {
    base = backend.newBase();
    sockets = new Sockets(base);
    folder = mkdtempSync(join(tmpdir(), "evbase-datagram-"));
  });
  afterEach(() => {
    sockets[Symbol.dispose]();
    base.close();
    rmSync(folder, { recursive: true });
  });

  describe("a Unix datagram socket", () => {
    it("has a path, by which it is reached and answered", () => {
      const [path, other] = [join(folder, "server"), join(folder, "client")];
      const senders: unknown[] = [];
      const server = sockets.receiver({ path }, (datagram) => {
        senders.push(datagram.sender);
        datagram.reply(`you said ${datagram.text()}`);
      });
      assertEquals(server.socket.address, { family: "unix", path });
      assertEquals(server.socket.port, 0);
      const client = sockets.receiver({ path: other });
      assert(client.socket.send("hello", server.socket.address));
      assertEquals(untilReceived(base, client, 1), ["you said hello"]);
      assertEquals(senders, [{ family: "unix", path: other }]);
    });

    it("removes its file when it is closed, and one that is in its way only when told to", () => {
      const path = join(folder, "socket");
      const first = sockets.open({ path });
      assert(existsSync(path));
      const error = assertThrows(() => sockets.open({ path }), SystemError);
      assertEquals([error.code, error.path], ["EADDRINUSE", path]);
      assert(existsSync(path));
      const second = sockets.receiver({ path, unlinkFirst: true });
      sockets.open({ family: "unix" }).send("to the new one", { family: "unix", path });
      assertEquals(untilReceived(base, second, 1), ["to the new one"]);
      second.socket.close();
      assertFalse(existsSync(path));
      first.close();
      writeFileSync(path, "no socket");
      assertThrows(() => sockets.open({ path, unlinkFirst: true }), SystemError, "EADDRINUSE");
      assert(existsSync(path));
      assertThrows(() => sockets.open({ path: join(folder, "no", "such") }), SystemError, "ENOENT");
      assertThrows(() => sockets.open({ path: `/${"x".repeat(200)}` }), RangeError);
      assertThrows(() => sockets.open({ path: join(folder, "y"), reusePort: true }), TypeError, "reusePort");
    });

    it("leaves the file of a socket that has taken its place", () => {
      const path = join(folder, "socket");
      const first = sockets.open({ path });
      const second = sockets.receiver({ path, unlinkFirst: true });
      first.close();
      assert(existsSync(path));
      sockets.open({ family: "unix" }).send("still there", { family: "unix", path });
      assertEquals(untilReceived(base, second, 1), ["still there"]);
    });

    it("without a name is heard, and cannot be answered", () => {
      const errors: string[] = [];
      const answered: boolean[] = [];
      const paths: unknown[] = [];
      const server = sockets.receiver(
        { path: join(folder, "server"), gatherReplies: false, onError: ({ code }) => errors.push(code) },
        (datagram) => {
          paths.push(datagram.sender);
          answered.push(datagram.reply("to nobody"));
        },
      );
      sockets.open({ family: "unix" }).send("who am I", server.socket.address);
      untilReceived(base, server, 1);
      until(base, () => errors.length === 1, "the error");
      assertEquals(paths, [{ family: "unix", path: "" }]);
      assertEquals(answered, [false]);
      assertEquals(server.socket.counts.refused, 1);
    });

    it("says whom it cannot reach", () => {
      const client = sockets.open({ family: "unix" });
      const path = join(folder, "nobody");
      assertFalse(client.send("x", { family: "unix", path }));
      assertEquals([client.lastError?.code, client.lastError?.path], ["ENOENT", path]);
      assertThrows(() => client.connect({ family: "unix", path }), SystemError, path);
    });

    it("is told when its peer is gone, and finds the next one", () => {
      const path = join(folder, "server");
      const first = sockets.receiver({ path });
      const client = sockets.open({ family: "unix" });
      client.connect(first.socket.address);
      assertEquals(client.remoteAddress, { family: "unix", path });
      assert(client.send("one"));
      assertEquals(untilReceived(base, first, 1), ["one"]);
      first.socket.close();
      assertFalse(client.send("two"));
      assertEquals(client.lastError?.code, "ECONNREFUSED");
      const second = sockets.receiver({ path });
      client.disconnect();
      client.connect(second.socket.address);
      assert(client.send("three"));
      assertEquals(untilReceived(base, second, 1), ["three"]);
    });

    it("carries more than UDP can, as far as the buffers go", () => {
      const lengths: number[] = [];
      const server = sockets.open({ path: join(folder, "s"), maxDatagramBytes: 150_000 }, (datagram) => {
        lengths.push(datagram.bytes.length);
        datagram.reply(datagram.bytes);
      });
      const client = sockets.open({ path: join(folder, "c"), maxDatagramBytes: 150_000 }, (datagram) => {
        lengths.push(-datagram.bytes.length);
      });
      assert(client.send(new Uint8Array(140_000), server.address));
      until(base, () => lengths.length === 2, "the answer");
      assertEquals(lengths, [140_000, -140_000]);
      assertFalse(client.send(new Uint8Array(50_000_000), server.address));
      assertEquals(client.lastError?.code, "EMSGSIZE");
      assertStringIncludes(client.lastError!.message, "sendBufferBytes");
    });

    it("takes no descriptors that a peer slips in", { ignore: os.name !== "linux" }, () => {
      const server = sockets.receiver({ path: join(folder, "server") });
      const client = sockets.open({ family: "unix" });
      client.connect(server.socket.address);
      const before = openDescriptorCount();
      const keep = sendDescriptor(client.fd, client.fd);
      assertEquals(untilReceived(base, server, 1), ["x"]);
      assertEquals(openDescriptorCount(), before);
      assertGreater(keep.length, 0);
    });

    it("has an abstract name on Linux, which leaves no file", { ignore: os.name !== "linux" }, () => {
      const path = `\0evbase-${backend.name}-${folder}`;
      const server = sockets.receiver({ path }, (datagram) => datagram.reply("found"));
      assertEquals(server.socket.address, { family: "unix", path });
      const client = sockets.receiver({ path: `${path}-client` });
      client.socket.send("x", server.socket.address);
      assertEquals(untilReceived(base, client, 1), ["found"]);
    });
  });

  describe("a pair of datagram sockets", () => {
    it("is connected both ways, and answers without names", () => {
      const [left, right] = sockets.pair({}, (datagram) => datagram.reply(`<${datagram.text()}>`));
      assertEquals(left.remoteAddress, { family: "unix", path: "" });
      assert(left.send("a"));
      assert(left.send(""));
      settle(base);
      assertEquals(right.counts.received, 2);
      const [one, other] = Datagram.pair(base, {}, () => {}, () => {});
      sockets.own(one);
      sockets.own(other);
      assert(one.send("x") && other.send("y"));
      settle(base);
      assertEquals([one.counts.received, other.counts.received], [1, 1]);
    });

    it("delivers everything in order however slowly it is read", () => {
      const texts: string[] = [];
      const [left, right] = sockets.pair({ sendBufferBytes: 20_000 }, (datagram) => texts.push(datagram.text()));
      right.pause();
      const sent = numbered(500);
      for (const text of sent) assert(left.send(text));
      assertGreater(left.queuedDatagrams, 0);
      settle(base);
      assertGreater(left.queuedDatagrams, 0);
      right.resume();
      until(base, () => texts.length === 500, "500 datagrams");
      assertEquals(texts, sent);
      assertEquals([left.queuedDatagrams, left.queuedBytes, left.counts.sent], [0, 0, 500]);
    });
  });
});

/** Sends "x" together with a descriptor; returns the memory that the call has used. */
function sendDescriptor(fd: number, passed: number): Uint8Array[] {
  const { msghdr, iovec, cmsghdr } = os.structs;
  const [byte, vector, control, header] = [allocate(1).fill(120), allocate(16), allocate(24), allocate(msghdr.size)];
  const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.buffer);
  putAddress(words(vector), 0, addressOf(byte), 0);
  words(vector)[iovec.fields.len.offset >> 2] = 1;
  words(control)[0] = cmsghdr.size + 4;
  words(control)[cmsghdr.fields.level.offset >> 2] = os.constants.SOL_SOCKET;
  words(control)[cmsghdr.fields.type.offset >> 2] = os.constants.SCM_RIGHTS;
  words(control)[cmsghdr.size >> 2] = passed;
  putAddress(words(header), msghdr.fields.iov.offset >> 2, addressOf(vector), 0);
  words(header)[msghdr.fields.iovlen.offset >> 2] = 1;
  putAddress(words(header), msghdr.fields.control.offset >> 2, addressOf(control), 0);
  words(header)[msghdr.fields.controllen.offset >> 2] = control.length;
  assertEquals(sys.sendmsg(fd, header, 0), 1);
  return [byte, vector, control, header];
}
