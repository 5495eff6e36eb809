import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EventBase, ipSocketAddress, PairBufferEvent, setLogCallback } from "../../src/core/mod.ts";
import { DeadlineList } from "../../src/core/deadline_list.ts";
import {
  buildDnsMessage,
  DNS_FLAG_RESPONSE,
  DNS_FLAG_TRUNCATED,
  dnsRecord,
  DnsServer,
  type DnsServerRequest,
  parseDnsMessage,
} from "../../src/dns/mod.ts";
import { dnsServerLimits } from "../../src/dns/dns_server_options.ts";
import { DnsTcpConnection } from "../../src/dns/dns_tcp_connection.ts";
import { CUT, DROP, PASS, QueryRates } from "../../src/dns/query_rates.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { framed, query, TcpClient, UdpClient } from "./server_support.ts";

function oneAddress(request: DnsServerRequest): void {
  request.addA(request.question.name, "192.0.2.1", 60);
  request.respond();
}

describe("the limits of a DNS server", () => {
  it("end a connection that is idle, or sends single bytes, but none that waits for an answer", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, { tcpIdleTimeoutMs: 100 }, (request) => void waiting.push(request));
    const { port } = server.listen({ port: 0 });
    using silent = new TcpClient(base, port);
    using dripping = new TcpClient(base, port);
    using busy = new TcpClient(base, port);
    const bytes = framed(query("a"));
    let sent = 0;
    using drip = base.timer(() => dripping.stream.write(bytes.subarray(sent, ++sent)), { repeat: true });
    drip.add(10);
    busy.send(query("busy"));
    silent.untilEnd();
    dripping.untilEnd();
    assert(sent < bytes.length);
    until(base, () => waiting.length === 1, "the request");
    assertStrictEquals(server.connectionCount, 1);
    waiting[0]!.respond();
    busy.reply();
    busy.untilEnd();
    assertStrictEquals(server.connectionCount, 0);
  });

  it("close connections beyond the most there may be, where none is idle", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, { maxTcpConnections: 2 }, (request) => void waiting.push(request));
    const { port } = server.listen({ port: 0 });
    const clients = Array.from({ length: 2 }, () => new TcpClient(base, port));
    for (const client of clients) client.send(query("a"));
    until(base, () => waiting.length === 2, "the requests");
    using third = new TcpClient(base, port);
    third.untilEnd();
    assertEquals([server.connectionCount, server.counts.refusedConnections], [2, 1]);
    clients[0]!.stream.close();
    until(base, () => server.connectionCount === 1, "one has gone");
    using fourth = new TcpClient(base, port);
    fourth.send(query("a"));
    until(base, () => waiting.length === 3, "its request");
    for (const client of clients) client.stream.close();
  });

  it("have the connection that was idle for the longest make room for a new one", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { maxTcpConnections: 3 }, (request) => {
      if (request.question.name !== "long") return oneAddress(request);
      const strings = Array.from({ length: 250 }, () => new Uint8Array(255));
      request.add(0, dnsRecord("long", 60, { kind: "TXT", strings }));
      request.respond();
    });
    const { port } = server.listen({ port: 0 });
    // It does not read its answers, which are more than sockets hold.
    using unread = new TcpClient(base, port);
    unread.ask(query("a"));
    unread.stream.disable(EV_READ);
    for (let count = 0; count < 200; count++) unread.send(query("long"));
    until(base, () => unread.stream.output.length === 0, "the queries have left");
    settle(base);
    using first = new TcpClient(base, port);
    first.ask(query("a"));
    using second = new TcpClient(base, port);
    second.ask(query("a"));
    first.ask(query("a"));
    using third = new TcpClient(base, port);
    third.ask(query("a"));
    second.untilEnd();
    first.ask(query("a"));
    const { displacedConnections, refusedConnections } = server.counts;
    assertEquals([server.connectionCount, displacedConnections, refusedConnections], [3, 1, 0]);
    unread.stream.enable(EV_READ);
    unread.reply(201);
  });

  it("end a connection whose query is too long, or shorter than a header", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { maxTcpQueryBytes: 600 }, oneAddress);
    const { port } = server.listen({ port: 0 });
    const padded = (length: number): Uint8Array => {
      const empty = buildDnsMessage(query("a", "A", {
        edns: { udpSize: 512, version: 0, flags: 0, extendedRcode: 0, options: [] },
      }));
      const data = new Uint8Array(length - empty.length - 4);
      const options = [{ code: 12, data }];
      return buildDnsMessage(
        query("a", "A", { edns: { udpSize: 512, version: 0, flags: 0, extendedRcode: 0, options } }),
      );
    };
    using right = new TcpClient(base, port);
    assertStrictEquals(right.ask(padded(600)).answers.length, 1);
    for (const wrong of [padded(601), new Uint8Array(11), new Uint8Array(0)]) {
      using client = new TcpClient(base, port);
      client.send(wrong);
      client.untilEnd();
      assertStrictEquals(client.replies.length, 0);
    }
  });

  it("leave further queries of a connection unread while too many wait", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, { maxPipelined: 3 }, (request) => void waiting.push(request));
    const { port } = server.listen({ port: 0 });
    using client = new TcpClient(base, port);
    for (let id = 0; id < 10; id++) client.send(query("a", "A", { id }));
    until(base, () => waiting.length === 3, "three requests");
    settle(base);
    assertStrictEquals(waiting.length, 3);
    for (let answered = 0; answered < 10; answered++) {
      waiting[answered]!.respond();
      until(base, () => waiting.length === Math.min(10, answered + 4), "another request");
    }
    client.reply(10);
    assertEquals(client.replies.map(({ id }) => id), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("have a query that is answered done with before the next one of its connection has its turn", () => {
    using base = new EventBase();
    const requests: DnsServerRequest[] = [];
    const seen: unknown[] = [];
    using server = new DnsServer(base, { maxPipelined: 1 }, (request) => {
      for (const before of requests) seen.push(before.isDone, before.respond());
      requests.push(request);
    });
    using client = new TcpClient(base, server.listen({ port: 0 }).port);
    client.send(query("a", "A", { id: 1 }));
    client.send(query("b", "A", { id: 2 }));
    until(base, () => requests.length === 1, "the first request");
    settle(base);
    assertThrows(() => requests[0]!.respond(-1), RangeError);
    assertStrictEquals(requests[0]!.respond(), true);
    assertEquals([requests.length, seen, server.pendingCount], [2, [true, false], 1]);
    requests[1]!.respond();
    client.reply(2);
    settle(base);
    assertEquals([client.replies.map(({ id }) => id), server.pendingCount], [[1, 2], 0]);
  });

  it("leave queries unread while the client does not read its answers, and lose none", () => {
    using base = new EventBase();
    const text = new Uint8Array(255).fill(97);
    using server = new DnsServer(base, { maxOutputBytes: 10_000 }, (request) => {
      const data = { kind: "TXT", strings: Array<Uint8Array>(200).fill(text) } as const;
      request.answer({ answers: [{ name: "a", type: 16, class: 1, ttl: 1, data }] });
    });
    const { port } = server.listen({ port: 0 });
    using client = new TcpClient(base, port);
    client.stream.disable(2);
    const count = 400;
    for (let id = 0; id < count; id++) client.send(query("a", "TXT", { id }));
    for (let last = -1; last !== server.counts.handled;) {
      last = server.counts.handled;
      for (let round = 0; round < 20; round++) settle(base);
    }
    // 400 answers are 20 MB; the kernel's buffers hold some.
    assert(server.counts.handled < count, `${server.counts.handled} were handled`);
    client.stream.enable(2);
    client.reply(count);
    assertEquals(client.replies.map(({ id }) => id), Array.from({ length: count }, (_, id) => id));
  });

  it("give a client more time as long as it reads its answers, and end the connection when it does not", () => {
    using base = new EventBase();
    const [stream, client] = PairBufferEvent.create(base);
    let closed = 0;
    const connection = new DnsTcpConnection(
      {
        limits: dnsServerLimits({}),
        idle: new DeadlineList(base, 3_600_000),
        query: () => {},
        closed: () => closed++,
      },
      stream,
      { family: "unix", path: "" },
      false,
    );
    const reads = (bytes: number): void => {
      client.input.drain(client.input.length);
      client.setWatermark(EV_READ, 0, bytes);
      client.enable(EV_READ);
      settle(base);
      client.disable(EV_READ);
    };
    client.write(framed(query("a")));
    settle(base);
    connection.finish(new Uint8Array(60_000), 60_000);
    for (let round = 0; round < 5; round++) {
      reads(1000);
      connection.deadlinePassed();
      assertEquals([closed, connection.deadlineList !== null], [0, true]);
    }
    assertStrictEquals(stream.output.length, 55_002);
    connection.deadlinePassed();
    assertEquals([closed, connection.deadlineList], [1, null]);
    client.close();
  });

  it("drop queries while too many wait for their answers", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, { maxPending: 5 }, (request) => void waiting.push(request));
    using client = new UdpClient(base, server.listen({ port: 0 }).port);
    for (let id = 0; id < 8; id++) client.send(query("a", "A", { id }));
    until(base, () => server.counts.received === 8, "eight queries");
    assertEquals([waiting.length, server.pendingCount, server.counts.overload], [5, 5, 3]);
    for (const request of waiting.splice(0)) request.respond();
    client.send(query("a"));
    until(base, () => waiting.length === 1, "another one");
    waiting[0]!.respond();
    client.reply(6);
  });

  it("answer a client that has sent all it wanted to, and close then", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, {}, (request) => void waiting.push(request));
    using client = new TcpClient(base, server.listen({ port: 0 }).port);
    until(base, () => client.stream.isConnected, "the connection");
    client.send(query("a"));
    settle(base);
    client.stream.endWriting();
    until(base, () => waiting.length === 1, "the request");
    settle(base);
    waiting[0]!.respond();
    client.reply();
    client.untilEnd();
    assertStrictEquals(server.connectionCount, 0);
    using half = new TcpClient(base, server.listen({ port: 0 }).port);
    until(base, () => half.stream.isConnected, "the connection");
    half.stream.write(framed(query("a")).subarray(0, 9));
    settle(base);
    half.stream.endWriting();
    half.untilEnd();
  });

  it("answer all that was asked before the end, also what has to wait until the client has read other answers", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, { maxOutputBytes: 1, maxPipelined: 2 }, (request) => {
      if (waiting.push(request) > 2) oneAddress(request);
    });
    using client = new TcpClient(base, server.listen({ port: 0 }).port);
    until(base, () => client.stream.isConnected, "the connection");
    for (let id = 0; id < 20; id++) client.send(query("a", "A", { id }));
    until(base, () => waiting.length === 2, "as many as may wait");
    client.stream.endWriting();
    settle(base);
    for (const request of waiting.slice()) oneAddress(request);
    client.reply(20);
    client.untilEnd();
    assertEquals(client.replies.map(({ id }) => id), Array.from({ length: 20 }, (_, id) => id));
  });

  it("let go of a client that has gone, whose answer then is too late", () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, {}, (request) => void waiting.push(request));
    const client = new TcpClient(base, server.listen({ port: 0 }).port);
    client.send(query("a"));
    until(base, () => waiting.length === 1, "the request");
    client.stream.write(new Uint8Array([0]));
    settle(base);
    server.close();
    assertStrictEquals(waiting[0]!.respond(), false);
    client.stream.close();
  });

  it("have beyond a rate every second query answered by a cut answer alone, over UDP", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { queriesPerSecondMax: 1 }, oneAddress);
    const { port } = server.listen({ port: 0 });
    using client = new UdpClient(base, port);
    const message = query("a");
    const count = 41;
    for (let id = 0; id < count; id++) client.send({ ...message, id });
    until(base, () => server.counts.received === count, "all queries");
    settle(base);
    const { limited, answered } = server.counts;
    assert(limited >= count - 10, `${limited} were limited`);
    const replies = client.replies.map(parseDnsMessage);
    const cut = replies.filter(({ flags }) => (flags & DNS_FLAG_TRUNCATED) !== 0);
    assertEquals(replies.length - cut.length, answered);
    assert(Math.abs(cut.length - limited / 2) <= 1, `${cut.length} of ${limited}`);
    for (const { flags, questions, answers } of cut) {
      assertEquals([flags & DNS_FLAG_RESPONSE, questions, answers.length], [DNS_FLAG_RESPONSE, message.questions, 0]);
    }
    using tcp = new TcpClient(base, port);
    assertStrictEquals(tcp.ask(query("a")).answers.length, 1);
  });

  it("count by network and not by address, and give back a second's worth each second", () => {
    const rates = new QueryRates(2);
    const ask = (host: string, nowMs: number): number => rates.count(ipSocketAddress(host, 1)!, nowMs);
    assertEquals([1, 2, 3, 4, 5, 6, 7].map((last) => ask(`192.0.2.${last}`, 0)), [
      PASS,
      PASS,
      PASS,
      PASS,
      CUT,
      DROP,
      CUT,
    ]);
    assertEquals([1, 2, 3].map((last) => ask(`192.0.2.${last}`, 1000)), [PASS, PASS, DROP]);
    const v6 = ["2001:db8::1", "2001:db8:0:ff::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"];
    assertEquals(v6.map((host) => ask(host, 0)), [PASS, PASS, PASS, PASS, CUT]);
    const mapped = [1, 2, 3, 4, 5].map((last) => `::ffff:198.51.100.${last}`);
    assertEquals(mapped.map((host) => ask(host, 0)), [PASS, PASS, PASS, PASS, CUT]);
    assertStrictEquals(ask("::ffff:203.0.113.1", 0), PASS);
  });

  it("have a handler's errors logged at most once a second when nobody is told", () => {
    const lines: string[] = [];
    setLogCallback((_, line) => lines.push(line));
    try {
      using base = new EventBase();
      using server = new DnsServer(base, {}, () => {
        throw new Error("on purpose");
      });
      using client = new UdpClient(base, server.listen({ port: 0 }).port);
      for (let count = 0; count < 5; count++) client.send(query("a"));
      client.reply(5);
      assert(lines.length >= 1 && lines.length < 5, `${lines.length} lines`);
      assert(lines[0]?.includes("on purpose"));
    } finally {
      setLogCallback(null);
    }
  });
});
