import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import {
  buildDnsMessage,
  DNS_ERR_FORMAT,
  DNS_ERR_NOTEXIST,
  DNS_ERR_NOTIMPL,
  DNS_ERR_REFUSED,
  DNS_ERR_SERVERFAILED,
  DNS_FLAG_RESPONSE,
  DNS_FLAG_TRUNCATED,
  DNS_RCODE_BADVERS,
  dnsRcode,
  dnsRecord,
  DnsServer,
  type DnsServerRequest,
  EVDNS_ADDITIONAL_SECTION,
  EVDNS_AUTHORITY_SECTION,
  EVDNS_FLAGS_AA,
  EVDNS_FLAGS_RD,
} from "../../src/dns/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { bytes, hex } from "./message_support.ts";
import { edns, query, TcpClient, UdpClient } from "./server_support.ts";

/** Answers everything with one address. */
function oneAddress(request: DnsServerRequest): void {
  request.addA(request.question.name, "192.0.2.1", 60);
  request.respond();
}

describe("a DNS server", () => {
  forEachBackend((backend) => {
    it("answers over UDP and TCP on one port, and gives everything back", () => {
      using base = backend.newBase();
      const before = openDescriptorCount();
      {
        using server = new DnsServer(base, {}, oneAddress);
        const { port } = server.listen({ port: 0 });
        using udp = new UdpClient(base, port);
        using tcp = new TcpClient(base, port);
        for (const client of [udp, tcp]) {
          const reply = client.ask(query("Www.Example"));
          assertEquals(reply.answers, [dnsRecord("Www.Example", 60, { kind: "A", address: "192.0.2.1" })]);
          assertStrictEquals(reply.id, 0x1234);
        }
        assertStrictEquals(server.counts.answered, 2);
        assertStrictEquals(server.connectionCount, 1);
      }
      settle(base);
      assertEquals(openDescriptorCount(), before);
    });

    it("reads queries over TCP in pieces of any size, and many at once", () => {
      using base = backend.newBase();
      using server = new DnsServer(base, {}, oneAddress);
      const { port } = server.listen({ port: 0 });
      using tcp = new TcpClient(base, port);
      const one = buildDnsMessage(query("www.example"));
      for (const byte of [0, one.length, ...one]) {
        tcp.stream.write(Uint8Array.of(byte));
        settle(base);
      }
      tcp.reply(1);
      for (let id = 0; id < 200; id++) tcp.send(query("www.example", "A", { id }));
      tcp.reply(201);
      assertEquals(tcp.replies.slice(1).map(({ id }) => id), Array.from({ length: 200 }, (_, id) => id));
    });
  });

  it("answers with the bytes that libevent's server does", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, (request) => {
      request.setFlags(EVDNS_FLAGS_AA | EVDNS_FLAGS_RD);
      request.addA("zz.example.com", ["192.168.11.11"], 10);
      request.addCname("b.example.com", "zz.example.com", 20);
      request.add(
        EVDNS_AUTHORITY_SECTION,
        { name: "example.com", type: 2, class: 1, ttl: 5, data: { kind: "NS", target: "b.example.com" } },
      );
      request.add(EVDNS_ADDITIONAL_SECTION, dnsRecord("b.example.com", 6, { kind: "AAAA", address: "::1" }));
      request.respond();
    });
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    udp.ask(query("zz.example.com", "A", { flags: 0x0110 }));
    assertEquals(
      hex(udp.replies[0]!),
      hex(bytes(`
        1234 8590 0001 0002 0001 0001 "zz" "example" "com" 00 0001 0001
        c00c 0001 0001 0000000a 0004 c0a80b0b
        "b" c00f 0005 0001 00000014 0002 c00c
        c00f 0002 0001 00000005 0002 c030
        c030 001c 0001 00000006 0010 00000000000000000000000000000001
      `)),
    );
  });

  it("adds an address as a record each, and pointers by address or name", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, (request) => {
      request.addA("a", ["192.0.2.1", "192.0.2.2"], 1);
      request.addAaaa("a", ["2001:db8::1", "2001:db8::2"], 1);
      request.addPtr("192.0.2.1", "a", 1);
      request.addPtr("1.2.0.192.in-addr.arpa", "b", 1);
      request.respond();
    });
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    assertEquals(udp.ask(query("a")).answers, [
      dnsRecord("a", 1, { kind: "A", address: "192.0.2.1" }),
      dnsRecord("a", 1, { kind: "A", address: "192.0.2.2" }),
      dnsRecord("a", 1, { kind: "AAAA", address: "2001:db8::1" }),
      dnsRecord("a", 1, { kind: "AAAA", address: "2001:db8::2" }),
      dnsRecord("1.2.0.192.in-addr.arpa", 1, { kind: "PTR", target: "a" }),
      dnsRecord("1.2.0.192.in-addr.arpa", 1, { kind: "PTR", target: "b" }),
    ]);
  });

  it("tells who asks, what, and how", () => {
    using base = new EventBase();
    const seen: unknown[] = [];
    using server = new DnsServer(base, {}, (request) => {
      seen.push([request.transport, request.remoteAddress.family, request.question, request.recursionDesired]);
      request.respond();
    });
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    using tcp = new TcpClient(base, port);
    udp.ask(query("ExAmple", "MX"));
    tcp.ask(query("ExAmple", "TXT", { flags: 0 }));
    assertEquals(seen, [
      ["udp", "ipv4", { name: "ExAmple", type: 15, class: 1 }, true],
      ["tcp", "ipv4", { name: "ExAmple", type: 16, class: 1 }, false],
    ]);
  });

  it("cuts answers over UDP to 512 bytes, or to what the client says by EDNS and its own limit; never over TCP", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { maxUdpBytes: 1000 }, (request) => {
      for (let index = 0; index < 100; index++) request.addA(request.question.name, `192.0.2.${index}`, 1);
      request.respond();
    });
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    const sizes: [said: number | undefined, most: number][] = [[undefined, 512], [100, 512], [700, 700], [4096, 1000]];
    for (const [said, most] of sizes) {
      const reply = udp.ask(query("a", "A", said === undefined ? {} : { edns: edns(said) }));
      assertStrictEquals(reply.flags & DNS_FLAG_TRUNCATED, DNS_FLAG_TRUNCATED);
      const size = udp.replies.at(-1)!.length;
      assert(size <= most && size > most - 16, `${size} bytes for ${said}`);
      assertStrictEquals(reply.edns?.udpSize, said === undefined ? undefined : 1232);
    }
    using tcp = new TcpClient(base, port);
    const whole = tcp.ask(query("a"));
    assertEquals([whole.answers.length, whole.flags & DNS_FLAG_TRUNCATED], [100, 0]);
    assertStrictEquals(server.counts.truncated, 4);
  });

  it("answers later, in any order, by callback or promise", async () => {
    using base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    using server = new DnsServer(base, {}, (request) => {
      if (request.question.type === 1) return void waiting.push(request);
      return Promise.resolve().then(() => oneAddress(request));
    });
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    using tcp = new TcpClient(base, port);
    for (const client of [udp, tcp]) {
      for (let id = 1; id <= 3; id++) client.send(query(`a${id}`, "A", { id }));
      until(base, () => waiting.length === 3, "three requests");
      // The promise of the first client may have had no turn yet.
      assert(server.pendingCount >= 3);
      for (const request of waiting.reverse()) {
        assertFalse(request.isDone);
        oneAddress(request);
        assert(request.isDone);
      }
      waiting.length = 0;
      client.reply(3);
      client.send(query("b", "AAAA", { id: 4 }));
    }
    const stop = base.timer(() => udp.replies.length === 4 && tcp.replies.length === 4 && base.loopBreak(), {
      repeat: true,
    });
    stop.add(1);
    await base.run();
    stop.close();
    assertEquals(tcp.replies.map(({ id }) => id), [3, 2, 1, 4]);
    assertEquals(tcp.replies.map(({ questions }) => questions[0]?.name), ["a3", "a2", "a1", "b"]);
    assertEquals(udp.replies.map((reply) => reply[1]), [3, 2, 1, 4]);
    assertStrictEquals(server.pendingCount, 0);
  });

  it("shows a handler with a promise its own query behind the answer, whatever others have asked meanwhile", async () => {
    using base = new EventBase();
    const gates: (() => void)[] = [];
    const seen: string[] = [];
    const told: string[] = [];
    const shown = ({ question, remoteAddress, query }: DnsServerRequest): string =>
      `${query.id} ${question.name} ${"port" in remoteAddress ? remoteAddress.port : ""}`;
    using server = new DnsServer(base, { onError: (_, request) => told.push(shown(request)) }, async (request) => {
      request.respond();
      await new Promise<void>((resolve) => gates.push(resolve));
      seen.push(shown(request));
      throw new Error("on purpose");
    });
    const { port } = server.listen({ port: 0 });
    using one = new UdpClient(base, port);
    using other = new UdpClient(base, port);
    one.ask(query("first", "A", { id: 1 }));
    other.ask(query("other", "A", { id: 2 }));
    for (const open of gates) open();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(seen.map((text) => text.split(" ").slice(0, 2)), [["1", "first"], ["2", "other"]]);
    assertStrictEquals(new Set(seen.map((text) => text.split(" ")[2])).size, 2);
    assertEquals(told, seen);
  });

  it("sends nothing more when its base was closed, whatever handlers do then", async () => {
    const base = new EventBase();
    const waiting: DnsServerRequest[] = [];
    let failHandler = (): void => {};
    const told: string[] = [];
    const server = new DnsServer(base, { onError: (error) => told.push(String(error)) }, (request) => {
      waiting.push(request);
      if (request.question.name !== "fails") return;
      return new Promise<void>((_, reject) => failHandler = () => reject(new Error("on purpose")));
    });
    const { port } = server.listen({ port: 0 });
    const udp = new UdpClient(base, port);
    const tcp = ["responds", "drops", "fails"].map((name) => {
      const client = new TcpClient(base, port);
      client.send(query(name));
      return client;
    });
    udp.send(query("responds"));
    until(base, () => waiting.length === 4, "the requests");
    base.close();
    failHandler();
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (const request of waiting) {
      if (request.question.name === "responds") assertStrictEquals(request.respond(), false);
      else request.drop();
      assert(request.isDone);
    }
    assertEquals([told, server.pendingCount], [["Error: on purpose"], 0]);
    server.close();
    for (const client of [udp, ...tcp]) client[Symbol.dispose]();
  });

  it("answers SERVFAIL when the handler throws, its promise fails or brings no answer, or time runs out", async () => {
    using base = new EventBase();
    const told: string[] = [];
    using server = new DnsServer(base, {
      answerTimeoutMs: 20,
      onError: (error, request) => told.push(`${(error as Error).message} ${request.question.name}`),
    }, (request) => {
      request.setFlags(EVDNS_FLAGS_AA);
      request.addA("a", "192.0.2.1", 1);
      switch (request.question.name) {
        case "throws":
          throw new Error("one");
        case "rejects":
          return Promise.reject(new Error("two"));
        case "forgets":
          return Promise.resolve();
        case "wrong":
          request.addA("a..b", "192.0.2.1", 1);
          request.respond();
      }
      return undefined;
    });
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    const names = ["throws", "rejects", "forgets", "wrong", "waits"];
    for (const name of names) udp.send(query(name));
    const stop = base.timer(() => udp.replies.length === names.length && base.loopBreak(), { repeat: true });
    stop.add(1);
    await base.run();
    stop.close();
    for (let count = 1; count <= names.length; count++) {
      const reply = udp.reply(count);
      assertEquals([dnsRcode(reply), reply.answers.length, reply.flags & EVDNS_FLAGS_AA], [DNS_ERR_SERVERFAILED, 0, 0]);
    }
    assertStrictEquals(server.counts.failed, 5);
    assertEquals(told.map((text) => text.split(" ").at(-1)).sort(), ["rejects", "throws", "wrong"]);
    assertStrictEquals(server.pendingCount, 0);
  });

  it("answers for itself what is malformed, no query, or in an unknown version of EDNS; and never a response", () => {
    using base = new EventBase();
    using server = new DnsServer(base, {}, oneAddress);
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    const good = buildDnsMessage(query("a"));
    assertEquals(hex((udp.ask(good.slice(0, -1)), udp.replies.at(-1)!)), "123481010000000000000000");
    const two = { ...query("a"), questions: [...query("a").questions, ...query("b").questions] };
    assertStrictEquals(dnsRcode(udp.ask(two)), DNS_ERR_FORMAT);
    assertStrictEquals(dnsRcode(udp.ask({ ...query("a"), questions: [] })), DNS_ERR_FORMAT);
    const notify = udp.ask(query("a", "SOA", { flags: 4 << 11 }));
    assertEquals([dnsRcode(notify), notify.flags >> 11 & 15], [DNS_ERR_NOTIMPL, 4]);
    const newer = udp.ask(query("a", "A", { edns: edns(1232, { version: 1 }) }));
    assertEquals([dnsRcode(newer), newer.edns?.version], [DNS_RCODE_BADVERS, 0]);
    for (
      const ignored of [
        good.slice(0, 11),
        new Uint8Array(0),
        buildDnsMessage(query("a", "A", { flags: DNS_FLAG_RESPONSE })),
      ]
    ) {
      udp.send(ignored);
    }
    udp.ask(good);
    assertStrictEquals(udp.replies.length, 6);
    assertEquals(
      { ...server.counts },
      {
        received: 9,
        ignored: 3,
        malformed: 3,
        handled: 1,
        answered: 6,
        truncated: 0,
        failed: 0,
        overload: 0,
        limited: 0,
        refusedConnections: 0,
        displacedConnections: 0,
      },
    );
  });

  it("answers by a header alone, however much stands behind a header that is answered so", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { opcodes: [0, 4] }, () => {});
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    // More than fits into an answer of 512 bytes, and names of 255 bytes that take long to read.
    const root = { name: ".", type: 1, class: 1 };
    const long = { name: Array.from({ length: 4 }, () => "\\000".repeat(61)).join("."), type: 1, class: 1 };
    for (const question of [root, long]) {
      const questions = Array.from({ length: 150 }, () => question);
      for (const [opcode, rcode] of [[0, DNS_ERR_FORMAT], [4, DNS_ERR_FORMAT], [5, DNS_ERR_NOTIMPL]] as const) {
        const reply = udp.ask({ ...query("."), flags: opcode << 11, questions });
        assertEquals([dnsRcode(reply), reply.flags >> 11 & 15, udp.replies.at(-1)!.length], [rcode, opcode, 12]);
      }
    }
    assertStrictEquals(server.counts.malformed, 4);
  });

  it("hands over the opcodes that it was told to", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { opcodes: [0, 4] }, (request) => void request.respond(request.opcode));
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    assertStrictEquals(dnsRcode(udp.ask(query("a", "SOA", { flags: 4 << 11 }))), 4);
  });

  it("drops what the handler drops, and answers once at most", () => {
    using base = new EventBase();
    const results: unknown[] = [];
    using server = new DnsServer(base, {}, (request) => {
      if (request.question.name === "drop") request.drop();
      results.push(request.respond(DNS_ERR_REFUSED), request.respond(), request.isDone);
      assertThrows(() => request.addA("a", "192.0.2.1", 1), Error, "was answered");
    });
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    using tcp = new TcpClient(base, port);
    for (const client of [udp, tcp]) {
      client.send(query("drop"));
      assertStrictEquals(dnsRcode(client.ask(query("refuse"))), DNS_ERR_REFUSED);
    }
    assertEquals(results, Array(2).fill([false, false, true, true, false, true]).flat());
    assertStrictEquals(server.counts.failed, 0);
  });

  it("says NXDOMAIN, echoes EDNS with DNSSEC's flag, and its own options", () => {
    using base = new EventBase();
    using server = new DnsServer(base, { ednsUdpSize: 1400 }, (request) => {
      request.setEdnsOptions([{ code: 15, data: Uint8Array.of(0, 22) }]);
      request.respond(DNS_ERR_NOTEXIST);
    });
    using udp = new UdpClient(base, server.listen({ port: 0 }).port);
    const reply = udp.ask(
      query("a", "A", { edns: edns(1232, { flags: 0xffff, options: [{ code: 10, data: bytes("01") }] }) }),
    );
    assertStrictEquals(dnsRcode(reply), DNS_ERR_NOTEXIST);
    assertEquals(reply.edns, edns(1400, { flags: 0x8000, options: [{ code: 15, data: Uint8Array.of(0, 22) }] }));
    assertStrictEquals(udp.ask(query("a")).edns, undefined);
  });

  it("refuses options and flags that are out of range", () => {
    using base = new EventBase();
    for (const options of [{ maxUdpBytes: 511 }, { maxPending: 0 }, { tcpIdleTimeoutMs: NaN }, { maxPipelined: 1.5 }]) {
      assertThrows(() => new DnsServer(base, options, oneAddress), RangeError, "Cannot make a DNS server");
    }
    using server = new DnsServer(base, {}, (request) => {
      assertThrows(() => request.setFlags(DNS_FLAG_TRUNCATED), RangeError);
      assertThrows(() => request.add(3, dnsRecord("a", 0, { kind: "NS", target: "a" })), RangeError);
      for (const rcode of [-1, 4096, 0.5]) assertThrows(() => request.respond(rcode), RangeError);
      request.respond(23);
    });
    const { port } = server.listen({ port: 0 });
    using udp = new UdpClient(base, port);
    assertStrictEquals(dnsRcode(udp.ask(query("a"))), DNS_ERR_SERVERFAILED);
    assertStrictEquals(dnsRcode(udp.ask(query("a", "A", { edns: edns(512) }))), 23);
    assertThrows(() => server.listen({ port }), Error, "EADDRINUSE");
    assertThrows(() => server.listenUdp({ port: 0, host: "example.com" }), TypeError);
  });
});
