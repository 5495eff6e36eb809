import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { DNS_ERR_SERVERFAILED, dnsRcode, DnsServer, type DnsServerRequest } from "../../src/dns/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { query, TcpClient, UdpClient } from "./server_support.ts";

/** Answers everything with one address. */
function oneAddress(request: DnsServerRequest): void {
  request.addA(request.question.name, "192.0.2.1", 60);
  request.respond();
}

describe("a DNS server that ends", () => {
  it("can be closed in a handler, by whoever answers, and twice", () => {
    using base = new EventBase();
    for (const kind of ["udp", "tcp"]) {
      const before = openDescriptorCount();
      const server = new DnsServer(base, {}, (request) => {
        server.close();
        assertFalse(request.respond());
      });
      const { port } = server.listen({ port: 0 });
      using client = kind === "udp" ? new UdpClient(base, port) : new TcpClient(base, port);
      for (let count = 0; count < 5; count++) client.send(query("a"));
      until(base, () => server.closed, "the server is closed");
      server.close();
      client[Symbol.dispose]();
      settle(base);
      assertEquals(openDescriptorCount(), before);
      assertThrows(() => server.listen({ port: 0 }), Error, "was closed");
    }
  });

  it("stops when what waits has been answered, and takes nothing more meanwhile", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    const server = new DnsServer(base, {}, (request) => void waiting.push(request));
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    using tcp = new TcpClient(base, port);
    using idle = new TcpClient(base, port);
    udp.send(query("a"));
    tcp.send(query("a"));
    until(base, () => waiting.length === 2 && server.connectionCount === 2, "two requests");
    server.stop();
    idle.untilEnd();
    udp.send(query("b"));
    tcp.send(query("b"));
    settle(base);
    assertStrictEquals(waiting.length, 2);
    assertFalse(server.closed);
    for (const request of waiting) assert(request.respond());
    assertEquals([udp.reply(1).questions[0]?.name, tcp.reply(1).questions[0]?.name], ["a", "a"]);
    until(base, () => server.closed, "the server has closed");
  });

  it("stops at once when nothing waits, and otherwise when time has run out", () => {
    using base = new EventBase();
    const idle = new DnsServer(base, {}, oneAddress);
    idle.listen({ port: 0 });
    idle.stop();
    assert(idle.closed);
    const slow = new DnsServer(base, { answerTimeoutMs: 20 }, () => {});
    using udp = new UdpClient(base, slow.listen({ port: 0 }).port);
    udp.send(query("a"));
    until(base, () => slow.pendingCount === 1, "a request");
    slow.stop();
    assertStrictEquals(dnsRcode(udp.reply()), DNS_ERR_SERVERFAILED);
    assert(slow.closed);
  });

  it("keeps the loop running for the promises that it waits for when it stops", async () => {
    using base = new EventBase();
    let answer = (): void => {};
    const server = new DnsServer(base, {}, async (request) => {
      await new Promise<void>((resolve) => answer = resolve);
      request.respond();
    });
    const { port } = server.listen({ port: 0 });
    using tcp = new TcpClient(base, port);
    tcp.send(query("a"));
    until(base, () => server.pendingCount === 1, "the request");
    server.stop();
    tcp.stream.close();
    setTimeout(() => answer(), 20);
    await base.run();
    assert(server.closed);
  });
});
