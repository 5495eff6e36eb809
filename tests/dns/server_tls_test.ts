/** What is encrypted already, and waits underneath for a client that is slow to read, is not sent yet. */
import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EV_READ, EventBase, PairBufferEvent } from "../../src/core/mod.ts";
import { DeadlineList } from "../../src/core/deadline_list.ts";
import { dnsServerLimits } from "../../src/dns/dns_server_options.ts";
import { DnsTcpConnection } from "../../src/dns/dns_tcp_connection.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { framed, query } from "./server_support.ts";

const ANSWER_BYTES = 20_000;

/** A connection over TLS with an answer that is encrypted, of which its client gets as much as the test lets through. */
class SlowClient implements Disposable {
  readonly base: EventBase = new EventBase();
  readonly connection: DnsTcpConnection;
  closed = 0;
  readonly #client: TlsBufferEvent;
  readonly #clientSide: PairBufferEvent;
  readonly #serverSide: PairBufferEvent;

  /** @param isStopping whether the server takes no more queries before it answers this one. */
  constructor(isStopping: boolean) {
    const { base } = this;
    const [clientBelow, clientSide] = PairBufferEvent.create(base);
    const [serverBelow, serverSide] = PairBufferEvent.create(base);
    this.#clientSide = clientSide;
    this.#serverSide = serverSide;
    // So much waits on our side, the rest at the server's.
    serverSide.setWatermark(EV_READ, 0, 1000);
    for (const side of [clientSide, serverSide]) side.enable(EV_READ);
    using clients = clientContext();
    using servers = serverContext();
    const client = this.#client = new TlsBufferEvent(clientBelow, clients, { hostname: "localhost" });
    const server = new TlsBufferEvent(serverBelow, servers);
    client.enable(EV_READ);
    const idle = new DeadlineList<DnsTcpConnection>(base, 3_600_000);
    let asked = 0;
    const note = (): void => void asked++;
    this.connection = new DnsTcpConnection(
      { limits: dnsServerLimits({}), idle, query: note, closed: () => this.closed++ },
      server,
      { family: "unix", path: "" },
      true,
    );
    client.write(framed(query("a")));
    this.letThroughUntil(() => asked === 1, "the query");
    if (isStopping) this.connection.stop();
    this.connection.finish(new Uint8Array(ANSWER_BYTES), ANSWER_BYTES);
    settle(base);
    assertStrictEquals(server.output.length, 0, "the answer is encrypted");
    assert(server.queuedBytes > 0, "and waits");
  }

  /** Lets some bytes through to the client, and all to the server. */
  letThrough(): void {
    this.#clientSide.write(this.#serverSide.input.take(this.#serverSide.input.length));
    this.#serverSide.write(this.#clientSide.input.take(this.#clientSide.input.length));
    settle(this.base);
  }

  letThroughUntil(isSo: () => boolean, what: string): void {
    for (let rounds = 0; !isSo(); rounds++) {
      assert(rounds < 1000, what);
      this.letThrough();
    }
  }

  /** Whether the client has the whole answer. */
  get hasAnswer(): boolean {
    return this.#client.input.length === 2 + ANSWER_BYTES;
  }

  [Symbol.dispose](): void {
    this.#client.close();
    this.connection.close();
    this.base.close();
  }
}

describe("a connection over TLS whose client is slow to read its answer", () => {
  itNeeds("openssl", "openssl", "is not taken for one that has nothing to send", () => {
    using slow = new SlowClient(false);
    assertFalse(slow.connection.hasSentAll);
    slow.letThroughUntil(() => slow.hasAnswer, "the answer");
    assert(slow.connection.hasSentAll);
  });

  itNeeds("openssl", "openssl", "has more time as long as it takes some of it, and no more when it does not", () => {
    using slow = new SlowClient(false);
    for (let round = 0; round < 3; round++) {
      slow.letThrough();
      slow.connection.deadlinePassed();
      assertEquals([slow.closed, slow.connection.deadlineList !== null], [0, true]);
    }
    slow.connection.deadlinePassed();
    assertEquals([slow.closed, slow.connection.deadlineList], [1, null]);
  });

  itNeeds("openssl", "openssl", "gets all of it before it is closed, and is closed then", () => {
    using slow = new SlowClient(true);
    slow.letThrough();
    slow.letThrough();
    assertStrictEquals(slow.closed, 0);
    slow.letThroughUntil(() => slow.hasAnswer, "the answer");
    slow.letThroughUntil(() => slow.closed === 1, "the end");
  });
});
