/** Whoever listens to the output underneath runs while TLS is at work, and may close the connection or speak TLS elsewhere. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EvBuffer, EventBase } from "../../src/core/mod.ts";
import { addressOf, allocate, runtime } from "../../src/ffi/mod.ts";
import { engineCount, TlsEngine } from "../../src/tls/tls_engine.ts";
import type { TlsContext } from "../../src/tls/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";
import { clientContext, openEnds, serverContext } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** An engine and what it has to say. */
class Side {
  readonly output = new EvBuffer();
  readonly engine: TlsEngine;

  constructor(context: TlsContext) {
    this.engine = new TlsEngine(context, this.output, { hostname: "localhost" });
  }

  hear(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.engine.feed(bytes, at, bytes.length);
  }

  say(bytes: Uint8Array): number {
    return this.engine.write(runtime.word(addressOf(bytes)), bytes.length);
  }

  /** Closes itself as soon as it says something. */
  closeWhenSpeaking(): void {
    this.output.addCallback((_buffer, { added }) => {
      if (added > 0) this.engine.close();
    });
  }

  assertClosed(): void {
    assert(!this.engine.connection && !this.engine.isOpen && !this.engine.isHandshaking);
  }
}

/** Two sides that have shaken hands. */
function shaken(client: Side, server: Side): void {
  client.engine.start();
  for (let round = 0; round < 4; round++) {
    server.hear(client.output.take());
    client.hear(server.output.take());
  }
  assert(client.engine.isOpen && server.engine.isOpen);
}

describe("an engine that is closed while it speaks", () => {
  function withSides(clients: TlsContext, body: (client: Side, server: Side) => void): void {
    using servers = serverContext();
    const before = engineCount();
    const [client, server] = [new Side(clients), new Side(servers)];
    body(client, server);
    client.engine.close();
    server.engine.close();
    assertEquals(engineCount(), before);
  }

  it("is closed when its last flight ends the handshake", () => {
    using clients = clientContext({ sessionsMax: 8 });
    withSides(clients, (client, server) => {
      client.engine.start();
      server.hear(client.output.take());
      client.closeWhenSpeaking();
      client.hear(server.output.take());
      client.assertClosed();
    });
    withSides(clients, (client, server) => {
      client.engine.start();
      server.hear(client.output.take());
      client.hear(server.output.take());
      server.closeWhenSpeaking();
      server.hear(client.output.take());
      server.assertClosed();
    });
  });

  it("is closed when it refuses", () => {
    using strangers = clientContext({ ca: testCertificates().server.certificate });
    withSides(strangers, (client, server) => {
      client.engine.start();
      server.hear(client.output.take());
      client.closeWhenSpeaking();
      client.hear(server.output.take());
      client.assertClosed();
    });
  });

  it("is closed when it answers, writes or ends", () => {
    using clients = clientContext({ sessionsMax: 8 });
    for (const act of ["answer", "write", "end"] as const) {
      withSides(clients, (client, server) => {
        shaken(client, server);
        // OpenSSL answers the first change of keys with what it says next, and later ones at once.
        for (let change = 0; change < 2; change++) {
          server.hear(client.output.take());
          client.engine.updateKeys();
          client.say(allocate(1));
        }
        server.closeWhenSpeaking();
        if (act === "answer") server.hear(client.output.take());
        else if (act === "write") server.say(allocate(100_000));
        else server.engine.shutdown();
        server.assertClosed();
      });
    }
  });
});

describe("two engines of which one speaks while the other does", () => {
  it("keep their bytes apart, however long a flight is", () => {
    using clients = clientContext();
    const { server } = testCertificates();
    // A chain that takes more than is moved in one piece.
    using talkative = serverContext({ certificate: server.certificate.repeat(160), key: server.key });
    using servers = serverContext();
    const quiet = { client: new Side(clients), server: new Side(servers) };
    shaken(quiet.client, quiet.server);
    const loud = { client: new Side(clients), server: new Side(talkative) };
    const word = allocate(4).fill(33);
    loud.server.output.addCallback((_buffer, { added }) => {
      if (added > 0) quiet.server.say(word);
    });
    loud.client.engine.start();
    loud.server.hear(loud.client.output.take());
    assert(loud.server.output.length > 70_000, `${loud.server.output.length}`);
    loud.client.hear(loud.server.output.take());
    // What it makes of so many certificates is its own business, but all of them have come.
    assert(loud.client.engine.isOpen || loud.client.engine.error?.code === "TLS_PROTOCOL_ERROR");
    quiet.client.hear(quiet.server.output.take());
    assertEquals(quiet.client.engine.error, null);
    for (const side of [quiet.client, quiet.server, loud.client, loud.server]) side.engine.close();
  });
});

describe("a connection that is closed by a callback on the output underneath", () => {
  it("is closed, whatever it was about to send", () => {
    const before = engineCount();
    for (let nth = 1; nth <= 8; nth++) {
      for (const which of ["client", "server"] as const) {
        using base = new EventBase();
        const ends = openEnds(base, null);
        let left = nth;
        ends[which].underlying.output.addCallback((_buffer, { added }) => {
          if (added > 0 && --left === 0) ends[which].close();
        });
        for (const end of [ends.client, ends.server]) end.write(allocate(100_000));
        for (let turn = 0; turn < 10; turn++) settle(base);
        assertEquals(ends[which].closed, left <= 0);
        ends.client.close();
        ends.server.close();
      }
    }
    assertEquals(engineCount(), before);
  });
});
