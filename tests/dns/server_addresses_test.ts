import { assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Datagram, EventBase } from "../../src/core/mod.ts";
import { DnsServer, type DnsServerRequest } from "../../src/dns/mod.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { until } from "../core/bufferevent_support.ts";
import { query, TcpClient, UdpClient } from "./server_support.ts";

/** Answers everything with one address. */
function oneAddress(request: DnsServerRequest): void {
  request.addA(request.question.name, "192.0.2.1", 60);
  request.respond();
}

describe("a DNS server with several addresses", () => {
  it("answers from the address that it was asked at, and over IPv6", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, oneAddress);
    const { port } = server.listen({ host: "0.0.0.0", port: 0 });
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      using udp = new UdpClient(base, port, host);
      // A connected socket hears of no other address.
      assertStrictEquals(udp.ask(query("a")).answers.length, 1);
    }
    const six = server.listen({ host: "::1", port: 0 });
    using udp = new UdpClient(base, six.port, "::1");
    assertStrictEquals(udp.ask(query("a")).answers.length, 1);
  });

  it("answers from there also where all addresses are written otherwise, or a socket is open already", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, oneAddress);
    const original = new Datagram(base, { host: "0.0.0.0", port: 0 });
    const duplicate = fcntl(original.fd, os.constants.F_DUPFD_CLOEXEC, 0);
    original.close();
    const sockets = [
      server.listenUdp({ fd: duplicate }),
      server.listenUdp({ host: "0:0:0:0:0:0:0:0", port: 0, dualStack: true }),
    ];
    for (const { port } of sockets) {
      for (const host of ["127.0.0.1", "127.0.0.2"]) {
        using udp = new UdpClient(base, port, host);
        assertStrictEquals(udp.ask(query("a")).answers.length, 1);
      }
    }
  });

  it("listens on several sockets, and does not mind that some were closed", () => {
    using base = new EventBase();
    const server = new DnsServer(base, {}, oneAddress);
    const [one, other] = [server.listenUdp({ port: 0 }), server.listenUdp({ port: 0 })];
    const listener = server.listenTcp({ port: 0 });
    for (const { port } of [one, other]) {
      using udp = new UdpClient(base, port);
      udp.ask(query("a"));
    }
    using tcp = new TcpClient(base, listener.port);
    tcp.ask(query("a"));
    one.close();
    listener.close();
    server.stop();
    tcp.untilEnd();
    until(base, () => server.closed, "the server has closed");
  });
});
