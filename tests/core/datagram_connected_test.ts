import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type EventBase, SystemError } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { until } from "./bufferevent_support.ts";
import { freshSockets, type Sockets, untilReceived } from "./datagram_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  freshSockets(backend, (fresh) => ({ base, sockets } = fresh));

  describe("a connected UDP socket", () => {
    it("needs no address, and hears nobody else", () => {
      const server = sockets.receiver({ port: 0 }, (datagram) => datagram.reply("answer"));
      const client = sockets.receiver({ port: 0 });
      client.socket.connect(server.socket.address);
      assertEquals(client.socket.remoteAddress, server.socket.address);
      sockets.open({}).send("from a stranger", client.socket.address);
      assert(client.socket.send("question"));
      assertEquals(untilReceived(base, client, 1), ["answer"]);
      assertEquals(client.socket.sendMany([["1"], ["2"]]), 2);
      assertEquals(untilReceived(base, server, 3), ["question", "1", "2"]);
      assertThrows(() => client.socket.send("x", server.socket.address), TypeError, "connected");
      client.socket.disconnect();
      assertEquals(client.socket.remoteAddress, undefined);
      assertThrows(() => client.socket.send("x"), TypeError, "not connected");
      client.socket.send("free again", server.socket.address);
      assertEquals(untilReceived(base, server, 4)[3], "free again");
    });

    it("is told that nobody listens, and lives on", () => {
      const errors: string[] = [];
      const client = sockets.receiver({ onError: (error) => errors.push(error.code) });
      const gone = sockets.open({ port: 0 });
      const { address } = gone;
      gone.close();
      client.socket.connect(address);
      client.socket.send("anybody?");
      until(base, () => errors.length > 0, "the refusal");
      assertEquals(errors, ["ECONNREFUSED"]);
      const server = sockets.receiver(
        { port: client.socket.remoteAddress?.family === "ipv4" ? gone.port : 0 },
        (datagram) => datagram.reply("here"),
      );
      assert(client.socket.send("and now?"));
      assertEquals(untilReceived(base, server, 1), ["and now?"]);
      assertEquals(untilReceived(base, client, 1), ["here"]);
      assertEquals(client.socket.counts.refused, 0);
    });

    it("loses nothing to a refusal that stands in the way of the next datagram", () => {
      const errors: string[] = [];
      // Nothing is received meanwhile, so that the next call of all is the one that meets the error.
      const client = sockets.open({ onError: (error) => errors.push(error.code) });
      const gone = sockets.open({ port: 0 });
      const { address, port } = gone;
      gone.close();
      client.connect(address);
      client.send("into the void");
      const server = sockets.receiver({ port });
      assert(client.send("one"));
      assertEquals(untilReceived(base, server, 1), ["one"]);
      assertEquals(errors, ["ECONNREFUSED"]);
      server.socket.close();
      client.send("into the void");
      const again = sockets.receiver({ port });
      assertEquals(client.sendMany([["two"], ["three"]]), 2);
      assertEquals(untilReceived(base, again, 2), ["two", "three"]);
      assertEquals(errors, ["ECONNREFUSED", "ECONNREFUSED"]);
      assertEquals(client.counts.refused, 0);
    });

    it("does not exist where there is no way", () => {
      const socket = sockets.open({ host: "127.0.0.1", port: 0 });
      const error = assertThrows(
        () => socket.connect({ family: "ipv4", host: "255.255.255.255", port: 9 }),
        SystemError,
        "connect to 255.255.255.255:9",
      );
      assertEquals(error.syscall, "connect");
      assert(socket.send("still usable", socket.address));
    });
  });
});
