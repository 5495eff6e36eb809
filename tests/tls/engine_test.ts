/** TLS without sockets: two engines that are fed each other's bytes, split at every point. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import { addressOf, allocate, runtime } from "../../src/ffi/mod.ts";
import { plainSlab } from "../../src/tls/native_memory.ts";
import { openssl } from "../../src/tls/openssl.ts";
import { sharedBios } from "../../src/tls/shared_bios.ts";
import {
  ENGINE_CONNECTED,
  ENGINE_ENDED,
  ENGINE_FAILED,
  ENGINE_NOTHING,
  ENGINE_PLAIN,
} from "../../src/tls/engine_outcome.ts";
import { engineCount, TlsEngine } from "../../src/tls/tls_engine.ts";
import type { TlsEngineOptions } from "../../src/tls/tls_engine_options.ts";
import { type TlsClientOptions, TlsError, type TlsServerOptions } from "../../src/tls/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** One side: its engine, what it wants to send, and what it has decrypted. */
class Side {
  readonly output = new EvBuffer();
  readonly engine: TlsEngine;
  readonly outcomes: number[] = [];
  plain = "";

  constructor(make: (output: EvBuffer) => TlsEngine) {
    this.engine = make(this.output);
  }

  /** Takes bytes in pieces of at most `size`. */
  receive(bytes: Uint8Array, size: number, max?: number): void {
    for (let from = 0; from < bytes.length; from += size) {
      const end = Math.min(bytes.length, from + size);
      for (let at = from; at < end;) {
        at = this.engine.feed(bytes, at, end, max);
        this.note();
        while (this.engine.hasMore) {
          this.engine.readMore(max!);
          this.note();
        }
      }
    }
  }

  private note(): void {
    const { outcome } = this.engine;
    if (outcome === ENGINE_PLAIN) {
      this.plain += new TextDecoder().decode(plainSlab.bytes.subarray(plainSlab.start, plainSlab.end));
    } else if (outcome !== ENGINE_NOTHING) this.outcomes.push(outcome);
    if (!this.engine.error) assertEquals(sharedBios().unread, 0, "bytes of one connection were left for the next");
  }

  write(text: string): number {
    const bytes = allocate(text.length);
    new TextEncoder().encodeInto(text, bytes);
    return this.engine.write(runtime.word(addressOf(bytes)), bytes.length);
  }

  close(): void {
    this.engine.close();
    this.output.close();
  }
}

interface Setup {
  readonly client?: TlsClientOptions;
  readonly server?: Partial<TlsServerOptions>;
  readonly engine?: TlsEngineOptions;
}

/** Runs `body` with two sides that have not spoken yet. */
function withSides(setup: Setup, body: (client: Side, server: Side) => void): void {
  using clients = clientContext(setup.client);
  using servers = serverContext(setup.server);
  const before = engineCount();
  const client = new Side((output) => new TlsEngine(clients, output, { hostname: "localhost", ...setup.engine }));
  const server = new Side((output) => new TlsEngine(servers, output));
  try {
    body(client, server);
  } finally {
    client.close();
    server.close();
    assertEquals(engineCount(), before);
  }
}

/** Passes everything back and forth, in pieces of at most `size`, until both are silent. */
function exchange(client: Side, server: Side, size: number = Infinity): void {
  for (let round = 0; round < 20 && client.output.length + server.output.length > 0; round++) {
    server.receive(client.output.take(), size);
    client.receive(server.output.take(), size);
  }
}

function shakeHands(client: Side, server: Side, size?: number): void {
  client.engine.start();
  exchange(client, server, size);
}

const versions = ["TLSv1.2", "TLSv1.3"] as const;

describe("two engines", () => {
  for (const version of versions) {
    describe(`with ${version}`, () => {
      const setup: Setup = { client: { minVersion: version, maxVersion: version } };

      it("shake hands and talk, however small the pieces are", () => {
        for (const size of [1, 2, 3, 5, 7, 64, 1000, Infinity]) {
          withSides(setup, (client, server) => {
            shakeHands(client, server, size);
            assertEquals(
              [client.outcomes, server.outcomes],
              [[ENGINE_CONNECTED], [ENGINE_CONNECTED]],
              `pieces of ${size}`,
            );
            assertEquals([client.write("hello"), server.write("welcome")], [5, 7]);
            exchange(client, server, size);
            assertEquals([server.plain, client.plain], ["hello", "welcome"], `pieces of ${size}`);
          });
        }
      });

      it("shake hands wherever one piece of a flight is cut off", () => {
        withSides(setup, (client, server) => {
          client.engine.start();
          const length = client.output.length;
          // Every point of the first flight; the other flights go in pieces above.
          for (let cut = 1; cut < length; cut++) {
            withSides(setup, (oneClient, oneServer) => {
              oneClient.engine.start();
              const hello = oneClient.output.take();
              oneServer.receive(hello.subarray(0, cut), Infinity);
              assertEquals(oneServer.output.length, 0, `cut at ${cut}`);
              oneServer.receive(hello.subarray(cut), Infinity);
              exchange(oneClient, oneServer);
              assert(oneClient.engine.isOpen && oneServer.engine.isOpen, `cut at ${cut}`);
            });
          }
          assert(server.engine.isHandshaking);
        });
      });

      it("read a record in parts no larger than asked for", () => {
        withSides(setup, (client, server) => {
          shakeHands(client, server);
          client.write("0123456789".repeat(1000));
          server.receive(client.output.take(), Infinity, 77);
          assertEquals(server.plain, "0123456789".repeat(1000));
        });
      });

      it("send many records at once", () => {
        withSides(setup, (client, server) => {
          shakeHands(client, server);
          const text = "x".repeat(49_152);
          assertEquals(client.write(text), text.length);
          server.receive(client.output.take(), Infinity);
          assertStrictEquals(server.plain, text);
        });
      });

      it("announce their ends, and hear nothing more after the peer's", () => {
        withSides(setup, (client, server) => {
          shakeHands(client, server);
          client.write("bye");
          client.engine.shutdown();
          client.engine.shutdown();
          exchange(client, server);
          assertEquals([server.plain, server.outcomes], ["bye", [ENGINE_CONNECTED, ENGINE_ENDED]]);
          server.receive(Uint8Array.from([23, 3, 3, 0, 1, 0]), Infinity);
          assertEquals(server.outcomes.length, 2);
          // The other direction is still open.
          server.write("so long");
          exchange(client, server);
          assertEquals(client.plain, "so long");
        });
      });

      it("refuse a record that was tampered with, and say so", () => {
        withSides(setup, (client, server) => {
          shakeHands(client, server);
          client.write("hello");
          const bytes = client.output.take();
          bytes[bytes.length - 1]! ^= 1;
          server.receive(bytes, Infinity);
          assertEquals([server.outcomes.at(-1), server.engine.error?.code], [ENGINE_FAILED, "TLS_BAD_RECORD_MAC"]);
          exchange(client, server);
          assertEquals([client.engine.error?.code, client.engine.error?.alert], [
            "TLS_ALERT_BAD_RECORD_MAC",
            "bad_record_mac",
          ]);
          assert(client.engine.error!.opensslErrors.length > 0);
        });
      });

      it("refuse renegotiation, and go on", () => {
        withSides(setup, (client, server) => {
          shakeHands(client, server);
          assertEquals(client.engine.renegotiate(), false);
          client.write("hello");
          exchange(client, server);
          assertEquals(server.plain, "hello");
        });
      });
    });
  }

  const renegotiating: Setup = {
    client: { maxVersion: "TLSv1.2", allowRenegotiation: true },
    server: { allowRenegotiation: true },
  };

  it("announce their end as soon as a renegotiation that is under way allows it", () => {
    withSides(renegotiating, (client, server) => {
      shakeHands(client, server);
      assert(client.engine.renegotiate());
      client.engine.shutdown();
      assertEquals([client.engine.isCloseSent, client.engine.writeBlocked], [false, true]);
      exchange(client, server);
      client.engine.shutdown();
      assertEquals([client.engine.isCloseSent, client.engine.writeBlocked], [true, false]);
      exchange(client, server);
      assertEquals(server.outcomes, [ENGINE_CONNECTED, ENGINE_ENDED]);
    });
  });

  it("renegotiate in the middle of a record only where that breaks nothing", () => {
    withSides(renegotiating, (client, server) => {
      shakeHands(client, server);
      server.write("to be read");
      const bytes = server.output.take();
      assertEquals(client.engine.feed(bytes, 0, bytes.length, 3), bytes.length);
      assertEquals([client.engine.hasMore, client.engine.renegotiate()], [true, false]);
      client.engine.readMore(100);
      assert(client.engine.renegotiate());
      exchange(client, server);
      client.write("still there");
      exchange(client, server);
      assertEquals([server.plain, client.engine.error], ["still there", null]);
    });
  });

  it("change their keys midway with TLS 1.3", () => {
    withSides({}, (client, server) => {
      shakeHands(client, server);
      for (let i = 0; i < 3; i++) {
        assert(client.engine.updateKeys());
        client.write("a");
        server.write("b");
        exchange(client, server);
      }
      assertEquals([server.plain, client.plain], ["aaa", "bbb"]);
    });
  });

  it("announce new keys that were asked for to nobody else, whatever comes before the next write", () => {
    withSides({}, (client, server) => {
      withSides({}, (otherClient, otherServer) => {
        shakeHands(client, server);
        shakeHands(otherClient, otherServer);
        for (const max of [undefined, 3]) {
          assert(client.engine.updateKeys());
          server.write("to be read");
          client.receive(server.output.take(), Infinity, max);
          otherClient.write("b");
          exchange(otherClient, otherServer);
          client.write("a");
          exchange(client, server);
        }
        // In the middle of a record as well.
        server.write("to be read");
        const bytes = server.output.take();
        for (let at = 0; at < bytes.length;) at = client.engine.feed(bytes, at, bytes.length, 3);
        assert(client.engine.hasMore);
        assert(client.engine.updateKeys());
        while (client.engine.hasMore) client.engine.readMore(3);
        otherClient.write("b");
        exchange(otherClient, otherServer);
        client.write("a");
        exchange(client, server);
        assertEquals([server.plain, otherServer.plain], ["aaa", "bbb"]);
        assertEquals(client.plain, "to be readto be read");
        assertEquals([client, server, otherClient, otherServer].map(({ engine }) => engine.error), [
          null,
          null,
          null,
          null,
        ]);
      });
    });
  });

  it("announce new keys that were asked for before their end", () => {
    withSides({}, (client, server) => {
      shakeHands(client, server);
      assert(client.engine.updateKeys());
      client.engine.shutdown();
      exchange(client, server);
      assertEquals(server.outcomes, [ENGINE_CONNECTED, ENGINE_ENDED]);
      server.write("so long");
      exchange(client, server);
      assertEquals([client.plain, client.engine.error], ["so long", null]);
    });
  });

  it("do not mix their bytes up when many of them take turns", () => {
    using clients = clientContext();
    using servers = serverContext();
    const pairs = Array.from({ length: 20 }, () => ({
      client: new Side((output) => new TlsEngine(clients, output, { hostname: "localhost" })),
      server: new Side((output) => new TlsEngine(servers, output)),
    }));
    for (const { client } of pairs) client.engine.start();
    for (let round = 0; round < 400; round++) {
      for (const { client, server } of pairs) {
        // One byte a turn, so that every one of them is always in the middle of something.
        if (client.output.length > 0) server.receive(client.output.take(3), 3);
        if (server.output.length > 0) client.receive(server.output.take(17), 17);
      }
    }
    for (const { client, server } of pairs) exchange(client, server);
    pairs.forEach(({ client }, index) => client.write(`${index}`));
    pairs.forEach(({ client, server }, index) => {
      exchange(client, server);
      assertEquals(server.plain, `${index}`);
      client.close();
      server.close();
    });
  });

  it("need a hostname where a client is to verify it", () => {
    using clients = clientContext();
    assertThrows(() => new TlsEngine(clients, new EvBuffer()), TypeError, "hostname");
    for (const hostname of ["", "a b", "ü.org", "a..b", "x".repeat(254), "a\0b"]) {
      assertThrows(() => new TlsEngine(clients, new EvBuffer(), { hostname }), TypeError, "Cannot reach");
    }
    new TlsEngine(clients, new EvBuffer(), { verifyHostname: false }).close();
  });
});

describe("a client's engine", () => {
  it("is not made where OpenSSL would not compare the name", () => {
    using clients = clientContext();
    const crypto = openssl().crypto as unknown as {
      X509_VERIFY_PARAM_set1_host: () => number;
      X509_VERIFY_PARAM_set1_ip_asc: () => number;
    };
    const { X509_VERIFY_PARAM_set1_host: host, X509_VERIFY_PARAM_set1_ip_asc: ip } = crypto;
    const before = engineCount();
    crypto.X509_VERIFY_PARAM_set1_host = crypto.X509_VERIFY_PARAM_set1_ip_asc = () => 0;
    try {
      for (const hostname of ["localhost", "127.0.0.1"]) {
        assertThrows(() => new TlsEngine(clients, new EvBuffer(), { hostname }), TlsError, "TLS_LIBRARY_FAILED");
      }
    } finally {
      crypto.X509_VERIFY_PARAM_set1_host = host;
      crypto.X509_VERIFY_PARAM_set1_ip_asc = ip;
    }
    assertEquals(engineCount(), before);
  });
});

describe("a server's engine", () => {
  it("says what speaks to it when that is no TLS", () => {
    const foreign: [string, string][] = [
      ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "TLS_HTTP_REQUEST"],
      ["SSH-2.0-OpenSSH_9.2\r\n", "TLS_WRONG_VERSION_NUMBER"],
      ["\x17\x03\x03\xff\xff", "TLS_RECORD_TOO_LONG"],
    ];
    for (const [text, code] of foreign) {
      withSides({}, (_client, server) => {
        server.receive(Uint8Array.from(text, (character) => character.charCodeAt(0)), Infinity);
        assertEquals(server.engine.outcome, ENGINE_FAILED);
        // What exactly OpenSSL finds wrong first is its own business.
        assert(
          [code, "TLS_BAD_RECORD", "TLS_WRONG_VERSION_NUMBER"].includes(server.engine.error!.code),
          server.engine.error!.code,
        );
        assertEquals(sharedBios().unread, 0);
      });
    }
  });

  it("survives any one byte of a hello being changed", () => {
    withSides({}, (client) => {
      client.engine.start();
      const hello = client.output.take();
      for (let at = 0; at < hello.length; at += 3) {
        withSides({}, (_other, server) => {
          const broken = hello.slice();
          broken[at]! ^= 0x55;
          server.receive(broken, Infinity);
          assertEquals(openssl().crypto.ERR_peek_error(), 0);
          assert(server.engine.error !== null || server.engine.isHandshaking);
        });
      }
    });
  });
});
