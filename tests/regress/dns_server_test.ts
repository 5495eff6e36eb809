/** The server's side of libevent's regress group dns. The resolver's side is asked with messages of our own. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import {
  DNS_ERR_NOTIMPL,
  DNS_FLAG_TRUNCATED,
  dnsRcode,
  dnsRecordText,
  DnsServer,
  type DnsServerRequest,
  EVDNS_TYPE_A,
  EVDNS_TYPE_AAAA,
  isSameDnsName,
  reverseDnsName,
} from "../../src/dns/mod.ts";
import { until } from "../core/bufferevent_support.ts";
import { edns, query, TcpClient, UdpClient } from "../dns/server_support.ts";

const V4 = "192.168.11.11";
const V6 = "fff0::aaaa:1111:0:efef";

/** Answers as the handler of libevent's test does. */
function regressHandler(request: DnsServerRequest): void {
  const { name, type } = request.question;
  if (isSameDnsName(name, "drop.example.com")) return request.drop();
  if (isSameDnsName(name, "zz.example.com")) {
    if (type === EVDNS_TYPE_A) request.addA(name, V4, 12_345);
    if (type === EVDNS_TYPE_AAAA) request.addAaaa(name, "6162:6364:6566:6768:696a:6b6c:6d6e:6f70", 123);
  } else if (isSameDnsName(name, reverseDnsName(V4)!)) {
    request.addPtr(name, "ZZ.EXAMPLE.COM", 54_321);
  } else if (isSameDnsName(name, reverseDnsName(V6)!)) {
    request.addPtr(name, "ZZ-INET6.EXAMPLE.COM", 54_322);
  }
  request.respond();
}

/** Answers with as many addresses as the name says, `many.` with more than a datagram holds. */
function addresses(request: DnsServerRequest): void {
  const count = request.question.name.startsWith("many.") ? 300 : 64;
  request.addA(request.question.name, Array<string>(count).fill("11.22.33.45"), 1);
  request.respond();
}

describe("dns", () => {
  it("addresses and names of both families are answered, and what is dropped is not", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, regressHandler);
    using client = new UdpClient(base, server.listen({ port: 0 }).port);
    client.send(query("drop.example.com"));
    const answer = (name: string, type: string): string[] => client.ask(query(name, type)).answers.map(dnsRecordText);
    assertEquals(answer("zz.example.com", "A"), [`zz.example.com. 12345 IN A ${V4}`]);
    assertEquals(answer("zZ.Example.Com", "AAAA"), [
      "zZ.Example.Com. 123 IN AAAA 6162:6364:6566:6768:696a:6b6c:6d6e:6f70",
    ]);
    assertEquals(answer(reverseDnsName(V4)!, "PTR"), [`${reverseDnsName(V4)}. 54321 IN PTR ZZ.EXAMPLE.COM.`]);
    assertEquals(answer(reverseDnsName(V6)!, "PTR"), [`${reverseDnsName(V6)}. 54322 IN PTR ZZ-INET6.EXAMPLE.COM.`]);
    assertStrictEquals(client.replies.length, 4);
  });

  it("an answer that does not fit into a datagram comes whole over a connection, on which many are answered", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, addresses);
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    assertStrictEquals(udp.ask(query("many.example.com")).flags & DNS_FLAG_TRUNCATED, DNS_FLAG_TRUNCATED);
    using tcp = new TcpClient(base, port);
    for (let id = 0; id < 3; id++) tcp.send(query("many.example.com", "A", { id }));
    tcp.reply(3);
    assertEquals(tcp.replies.map(({ answers }) => answers.length), [300, 300, 300]);
    assertStrictEquals(server.connectionCount, 1);
  });

  it("three clients are served at once, each on its own connection", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, addresses);
    const { port } = server.listen({ port: 0 });
    const clients = [1, 2, 3].map(() => new TcpClient(base, port));
    for (const client of clients) client.send(query("small.a.example.com"));
    for (const client of clients) assertStrictEquals(client.reply(1).answers.length, 64);
    assertStrictEquals(server.connectionCount, 3);
    for (const client of clients) client.stream.close();
  });

  it("a server may say over a connection that it does not do that", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, (request) => void request.respond(DNS_ERR_NOTIMPL));
    using tcp = new TcpClient(base, server.listen({ port: 0 }).port);
    assertStrictEquals(dnsRcode(tcp.ask(query("notimpl.request.com"))), DNS_ERR_NOTIMPL);
  });

  it("connections are limited in number and idle time by options", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { maxTcpConnections: 1, tcpIdleTimeoutMs: 50 }, addresses);
    const { port } = server.listen({ port: 0 });
    using first = new TcpClient(base, port);
    first.ask(query("a"));
    using second = new TcpClient(base, port);
    second.untilEnd();
    assertStrictEquals(second.replies.length, 0);
    until(base, () => first.hasEnded, "the first one has been idle for too long");
  });

  it("an answer is as long as the size that the query tells by EDNS allows", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { maxUdpBytes: 65_535 }, addresses);
    using client = new UdpClient(base, server.listen({ port: 0 }).port);
    const ask = (size: number | undefined) =>
      client.ask(query("small.a.example.com", "A", size === undefined ? {} : { edns: edns(size) }));
    assertStrictEquals(ask(undefined).flags & DNS_FLAG_TRUNCATED, DNS_FLAG_TRUNCATED);
    for (const size of [4096, 65_535]) assertStrictEquals(ask(size).answers.length, 64);
    assert(client.replies.at(-1)!.length > 512);
  });
});
