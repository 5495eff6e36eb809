import { assert, assertEquals, assertFalse } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EventBase, PairBufferEvent } from "../../src/core/mod.ts";
import { dnsRecord, type DnsServerRequest } from "../../src/dns/mod.ts";
import { dnsServerLimits } from "../../src/dns/dns_server_options.ts";
import { ServerRequests } from "../../src/dns/server_requests.ts";
import { TcpConnections } from "../../src/dns/tcp_connections.ts";
import { settle } from "../core/bufferevent_support.ts";
import { framed, query } from "./server_support.ts";

const strings = Array.from({ length: 200 }, () => new Uint8Array(255));

function longAnswer(request: DnsServerRequest): void {
  request.add(0, dnsRecord("a", 60, { kind: "TXT", strings }));
  request.respond();
}

describe("connections of a DNS server, as many as there may be", () => {
  /** Two of them, whose clients have asked and read as much as they are told to. */
  function withTwo(
    body: (connections: TcpConnections, clients: readonly PairBufferEvent[], counts: ServerRequests["counts"]) => void,
  ): void {
    using base = new EventBase();
    const limits = dnsServerLimits({ maxTcpConnections: 2, tcpIdleTimeoutMs: 3_600_000 });
    const requests = new ServerRequests(base, limits, longAnswer, undefined, () => {});
    const connections = new TcpConnections(base, requests, () => {});
    const clients = [1, 2].map(() => {
      assert(connections.makeRoom());
      const [stream, client] = PairBufferEvent.create(base);
      connections.add(stream, { family: "unix", path: "" }, false);
      client.write(framed(query("a")));
      settle(base);
      return client;
    });
    body(connections, clients, requests.counts);
    for (const client of clients) client.close();
    connections.close();
    requests.close();
  }

  /** Has a client read some bytes, or all. */
  function read(client: PairBufferEvent, bytes: number): void {
    client.input.drain(client.input.length);
    client.setWatermark(EV_READ, 0, bytes);
    client.enable(EV_READ);
    settle(client.base);
    client.disable(EV_READ);
  }

  it("keep those that have their time to read their answers", () => {
    withTwo((connections, clients, counts) => {
      read(clients[0]!, 1000);
      assertFalse(connections.makeRoom());
      assertEquals([connections.count, counts.refusedConnections, counts.displacedConnections], [2, 1, 0]);
    });
  });

  it("have one that takes longer than that make room", () => {
    withTwo((connections, clients, counts) => {
      const [slow, other] = [connections.idle.head!, connections.idle.head!.deadlineNext!];
      read(clients[0]!, 1000);
      connections.idle.remove(slow);
      slow.deadlinePassed();
      assertEquals(connections.count, 2);
      assert(connections.makeRoom());
      assertEquals([connections.count, counts.refusedConnections, counts.displacedConnections], [1, 0, 1]);
      assert(connections.idle.head === other);
    });
  });

  it("have one that is idle make room before that, and none that asks anew", () => {
    withTwo((connections, clients, counts) => {
      const slow = connections.idle.head!;
      read(clients[0]!, 1000);
      connections.idle.remove(slow);
      slow.deadlinePassed();
      read(clients[1]!, 0);
      assert(connections.makeRoom());
      assertEquals([connections.count, counts.displacedConnections], [1, 1]);
      assert(connections.idle.head === slow);
      clients[0]!.write(framed(query("a")));
      settle(clients[0]!.base);
      assertFalse(slow.isLingering);
    });
  });
});
