/** What had come before the connection underneath has failed is received first. */
import { assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import {
  BEV_ERROR,
  BEV_OK,
  EV_READ,
  EventBase,
  FilterBufferEvent,
  type SocketBufferEvent,
} from "../../src/core/mod.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { inputText, journal, resetAndClose, settle, tcpPair, until } from "../core/bufferevent_support.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext, shakeHands, transports } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** Takes records one at a time: it disables reading behind each. */
function takeOne(end: TlsBufferEvent, got: string[]): void {
  end.setSink({
    receive(bytes, from, to) {
      got.push(new TextDecoder().decode(bytes.subarray(from, to)));
      end.disable(EV_READ);
    },
  });
}

/** Has each part leave as a record of its own. */
function sayEach(end: TlsBufferEvent, parts: readonly string[]): void {
  for (const part of parts) {
    end.write(part);
    end.flush();
  }
}

describe("TLS over a connection that can be read no more", () => {
  it("gives what had come before it tells of the error", () => {
    using base = new EventBase();
    let fails = false;
    const [one, other] = transports(base, null);
    const filter = new FilterBufferEvent(one, {
      input(source, target) {
        target.addBuffer(source);
        return fails ? BEV_ERROR : BEV_OK;
      },
    });
    using clients = clientContext({ maxVersion: "TLSv1.2" });
    using servers = serverContext();
    using client = new TlsBufferEvent(filter, clients, { hostname: "localhost", closeTimeoutMs: 0 });
    using server = new TlsBufferEvent(other, servers, { closeTimeoutMs: 0 });
    client.enable(EV_READ);
    server.enable(EV_READ);
    shakeHands(base, { client, server });
    settle(base);
    const got: string[] = [];
    takeOne(client, got);
    const told = journal(client);
    fails = true;
    sayEach(server, ["a", "b", "c"]);
    settle(base);
    assertEquals([got, told], [["a"], []]);
    for (const expected of [["a", "b"], ["a", "b", "c"]]) {
      client.enable(EV_READ);
      until(base, () => got.length === expected.length, "another record");
      assertEquals(got, expected);
    }
    assertEquals([told, client.enabled], [["ERROR|READING"], 0]);
  });

  it("gives what had come before a reset that is noticed sooner than there was time for it", () => {
    using base = new EventBase({ priorities: 3 });
    using descriptors = new Descriptors();
    const [one, other] = tcpPair(descriptors);
    using clients = clientContext({ maxVersion: "TLSv1.2" });
    using servers = serverContext();
    using client = TlsBufferEvent.overSocket(base, one, clients, { hostname: "localhost", keepOpen: true });
    using server = TlsBufferEvent.overSocket(base, other, servers, { keepOpen: true });
    client.enable(EV_READ);
    server.enable(EV_READ);
    shakeHands(base, { client, server });
    const got: string[] = [];
    takeOne(client, got);
    const told = journal(client);
    sayEach(server, ["a", "b", "c"]);
    until(base, () => got.length === 1, "the first record");
    resetAndClose(descriptors, (server.underlying as SocketBufferEvent).takeFd());
    // Readiness comes before what is put off.
    client.underlying.priority = 0;
    client.setSink(null);
    client.enable(EV_READ);
    until(base, () => told.includes("ERROR|READING"), "the error");
    assertEquals([told, inputText(client), client.error?.code], [["read", "ERROR|READING"], "bc", "ECONNRESET"]);
  });
});
