/** A session that is taken up again skips verification, so it must not lead to where verification would have refused. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { EV_READ, EV_WRITE, EvBuffer, EventBase } from "../../src/core/mod.ts";
import { allocate } from "../../src/ffi/mod.ts";
import type { TlsBufferEventOptions, TlsContext, TlsVersion } from "../../src/tls/mod.ts";
import { TlsEngine } from "../../src/tls/tls_engine.ts";
import { until } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";
import { clientContext, type Ends, openEnds, serverContext, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

const versions: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];
const ticketKeys = allocate(80).fill(7);

let base: EventBase;

/** A loop for each test of a group. */
function withBase(): void {
  beforeEach(() => {
    base = new EventBase();
  });
  afterEach(() => base.close());
}

function closeBoth({ client, server }: Ends): void {
  client.close();
  server.close();
}

/** Two ends that have shaken hands and talked, so that tickets have come. */
function talk(client: TlsContext, server: TlsContext, clientEnd: TlsBufferEventOptions = {}): Ends {
  const ends = openEnds(base, null, { contexts: { client, server }, clientEnd });
  shakeHands(base, ends);
  ends.server.write("here is your ticket");
  until(base, () => ends.client.input.length > 0, "data");
  return ends;
}

function sessionFrom(client: TlsContext, server: TlsContext): Uint8Array {
  const ends = talk(client, server);
  const session = ends.client.details.session!;
  closeBoth(ends);
  return session;
}

describe("a server that verifies clients", () => {
  withBase();

  /** Whether `second` takes up a session of `first`, whose ticket keys are the same. */
  function isTakenUp(version: TlsVersion, client: TlsContext, first: TlsContext, second: TlsContext): boolean {
    const session = sessionFrom(client, first);
    const ends = openEnds(base, null, { contexts: { client, server: second }, clientEnd: { session } });
    until(base, () => ends.server.isSecure || ends.server.error !== null, `${version} has begun`);
    const reused = ends.server.details.sessionReused;
    closeBoth(ends);
    return reused;
  }

  it("takes up no session of a server that does not, or that trusts others", () => {
    const { folder, authority, client: identity } = testCertificates();
    const other = folder.authority("somebody else's authority");
    for (const maxVersion of versions) {
      using clients = clientContext({ maxVersion, certificate: identity.certificate, key: identity.key });
      using open = serverContext({ ticketKeys });
      using asking = serverContext({ ticketKeys, ca: authority.certificate, clientCertificate: "request" });
      using demanding = serverContext({ ticketKeys, ca: authority.certificate, clientCertificate: "require" });
      using elsewhere = serverContext({ ticketKeys, ca: other.certificate, clientCertificate: "require" });
      using twin = serverContext({ ticketKeys, ca: authority.certificate, clientCertificate: "require" });
      assertEquals(isTakenUp(maxVersion, clients, open, demanding), false, maxVersion);
      assertEquals(isTakenUp(maxVersion, clients, open, asking), false, maxVersion);
      assertEquals(isTakenUp(maxVersion, clients, demanding, elsewhere), false, maxVersion);
      // What is the same is the same.
      assertEquals(isTakenUp(maxVersion, clients, demanding, twin), true, maxVersion);
      assertEquals(isTakenUp(maxVersion, clients, open, open), true, maxVersion);
    }
  });

  it("takes up no session of a client that was revoked meanwhile", () => {
    const { folder, authority, client: identity } = testCertificates();
    const file = folder.write("resumed.crl", folder.revocationList(authority, []));
    for (const maxVersion of versions) {
      folder.write("resumed.crl", folder.revocationList(authority, []));
      using clients = clientContext({ maxVersion, certificate: identity.certificate, key: identity.key });
      using servers = serverContext({ ca: authority.certificate, clientCertificate: "require", crl: { file } });
      const session = sessionFrom(clients, servers);
      folder.write("resumed.crl", folder.revocationList(authority, [identity]));
      servers.reload();
      const contexts = { client: clients, server: servers };
      const ends = openEnds(base, null, { contexts, clientEnd: { session } });
      until(base, () => ends.server.error !== null || ends.server.isSecure, "a verdict");
      assertEquals(ends.server.error?.code, "CERT_REVOKED", maxVersion);
      closeBoth(ends);
    }
  });
});

describe("a session that was made for one name", () => {
  withBase();

  /** Contexts of a server by how it finds the one to serve; the tickets of all of them are the same. */
  const servings: Readonly<Record<string, () => TlsContext>> = {
    "a context for all": () => serverContext({ ticketKeys }),
    "contexts by name": () => {
      const other = serverContext({ ticketKeys });
      return serverContext({ ticketKeys, serverNames: { "other.example": other, "*.other.example": other } });
    },
  };

  for (const [serving, make] of Object.entries(servings)) {
    it(`is taken up under no other, with ${serving}`, () => {
      for (const maxVersion of versions) {
        using clients = clientContext({ maxVersion });
        using servers = make();
        const asking = (serverName: string | undefined, session?: Uint8Array): [boolean, string, Uint8Array] => {
          const ends = talk(clients, servers, { serverName, session });
          const { sessionReused, serverName: heard } = ends.server.details;
          const left = ends.client.details.session!;
          closeBoth(ends);
          return [sessionReused, heard, left];
        };
        for (const [name, other] of [["localhost", "other.example"], ["a.other.example", "b.other.example"]] as const) {
          const [, heard, session] = asking(name);
          assertEquals(heard, name, maxVersion);
          for (const another of [other, ""]) {
            assertEquals(asking(another, session)[0], false, `${maxVersion} ${another}`);
          }
          const nameless = asking("")[2];
          assertEquals(asking(name, nameless)[0], false, maxVersion);
          assertEquals(asking("", nameless).slice(0, 2), [true, ""], maxVersion);
          // However it is spelt.
          assertEquals(asking(name.toUpperCase(), session)[0], true, maxVersion);
        }
      }
    });

    it(`is taken up under that, which the server knows, with ${serving}`, () => {
      for (const maxVersion of versions) {
        using clients = clientContext({ maxVersion });
        using servers = make();
        const session = sessionFrom(clients, servers);
        const ends = talk(clients, servers, { session });
        const { server, client } = ends;
        assertEquals([server.details.sessionReused, server.details.serverName], [true, "localhost"], maxVersion);
        assertEquals(client.details.serverName, "localhost", maxVersion);
        closeBoth(ends);
      }
    });
  }

  it("is for whatever the client calls a name, unless OpenSSL refuses it", () => {
    for (const make of Object.values(servings)) {
      using clients = clientContext();
      using servers = make();
      const [asked, answers] = [new EvBuffer(), new EvBuffer()];
      const client = new TlsEngine(clients, asked, { hostname: "localhost" });
      const server = new TlsEngine(servers, answers);
      client.start();
      const hello = asked.take();
      const at = new TextDecoder("latin1").decode(hello).indexOf("localhost");
      for (const byte of [0, 0xff]) {
        const engine = byte === 0 ? server : new TlsEngine(servers, answers);
        hello[at + 3] = byte;
        for (let index = 0; index < hello.length;) index = engine.feed(hello, index, hello.length);
        assertEquals(engine.error !== null, byte === 0);
        engine.close();
      }
      client.close();
    }
  });

  it("is found wherever the client's first words are split", () => {
    for (const maxVersion of versions) {
      for (const make of Object.values(servings)) {
        using clients = clientContext({ maxVersion });
        using servers = make();
        const asked = new EvBuffer();
        const client = new TlsEngine(clients, asked, { hostname: "localhost", session: sessionFrom(clients, servers) });
        client.start();
        const hello = asked.take();
        client.close();
        /** What the server takes the name to be when it gets these one after the other. */
        const heard = (...parts: readonly Uint8Array[]): string | null => {
          const server = new TlsEngine(servers, new EvBuffer());
          for (const part of parts) {
            for (let index = 0; index < part.length;) index = server.feed(part, index, part.length);
          }
          assertEquals(server.error, null);
          const { name } = server.asked;
          server.close();
          return name;
        };
        for (let cut = 0; cut <= hello.length; cut++) {
          assertEquals(heard(hello.subarray(0, cut), hello.subarray(cut)), "localhost", `${maxVersion}, ${cut}`);
        }
        const [head, body] = [hello.subarray(0, 3), hello.subarray(5)];
        const record = (from: number, to: number): Uint8Array =>
          Uint8Array.of(...head, (to - from) >> 8, to - from, ...body.subarray(from, to));
        for (let cut = 1; cut < body.length; cut++) {
          assertEquals(heard(record(0, cut), record(cut, body.length)), "localhost", `${maxVersion}, records, ${cut}`);
        }
      }
    }
  });

  it("is not offered under another by a client that remembers it", () => {
    for (const maxVersion of versions) {
      using clients = clientContext({ maxVersion, sessionsMax: 4 });
      using servers = serverContext();
      for (const sessionKey of [undefined, "the same peer"]) {
        clients.forgetSessions();
        closeBoth(talk(clients, servers, { sessionKey }));
        assertEquals(clients.sessionCount, 1);
        closeBoth(talk(clients, servers, { sessionKey, serverName: "other.example" }));
        // It took none out, and has brought one of its own.
        assertEquals(clients.sessionCount, 2);
        const again = talk(clients, servers, { sessionKey, serverName: "localhost" });
        assert(again.client.details.sessionReused, maxVersion);
        closeBoth(again);
        assertEquals(clients.sessionCount, 2);
      }
    }
  });
});

describe("a client that remembers sessions", () => {
  withBase();

  /** Has a server say something, behind a record that is no data where there is such a thing. */
  function sayMore({ client, server }: Ends): void {
    const { length } = client.input;
    server.updateKeys();
    server.write("more");
    until(base, () => client.input.length > length, "more");
  }

  it("forgets them when it is reloaded, and takes none of connections that are older", () => {
    for (const maxVersion of versions) {
      using clients = clientContext({ maxVersion, sessionsMax: 4 });
      using servers = serverContext();
      const older = talk(clients, servers);
      assertEquals(clients.sessionCount, 1);
      clients.reload();
      assertEquals(clients.sessionCount, 0);
      older.server.updateKeys();
      older.server.write("more");
      until(base, () => older.client.input.length > 20, "more");
      assertEquals(clients.sessionCount, 0);
      closeBoth(older);
      const newer = talk(clients, servers);
      assertEquals([newer.client.details.sessionReused, clients.sessionCount], [false, 1]);
      closeBoth(newer);
    }
  });

  it("remembers none again that another connection has taken up, or that it was told to forget", () => {
    for (const maxVersion of versions) {
      using clients = clientContext({ maxVersion, sessionsMax: 4 });
      using servers = serverContext();
      const older = talk(clients, servers);
      const contexts = { client: clients, server: servers };
      assertEquals(clients.sessionCount, 1);
      const newer = openEnds(base, null, { contexts });
      // Not yet.
      newer.client.disable(EV_READ | EV_WRITE);
      assertEquals(clients.sessionCount, 0);
      sayMore(older);
      assertEquals(clients.sessionCount, 0, maxVersion);
      // The server has sent no other ticket yet, and this one is used up; before TLS 1.3 it is the session that goes on.
      newer.client.setCallbacks({
        event: () => assertEquals(clients.sessionCount, maxVersion === "TLSv1.3" ? 0 : 1, maxVersion),
      });
      newer.client.enable(EV_READ | EV_WRITE);
      shakeHands(base, newer);
      assert(newer.client.details.sessionReused);
      sayMore(newer);
      assertEquals(clients.sessionCount, 1, maxVersion);
      clients.forgetSessions();
      sayMore(older);
      sayMore(newer);
      assertEquals(clients.sessionCount, 0, maxVersion);
      closeBoth(older);
      closeBoth(newer);
    }
  });

  it("remembers none without knowing with whom", () => {
    using clients = clientContext({ sessionsMax: 4 });
    using servers = serverContext();
    const nameless: TlsBufferEventOptions = { hostname: undefined, verifyHostname: false };
    closeBoth(talk(clients, servers, nameless));
    assertEquals(clients.sessionCount, 0);
    closeBoth(talk(clients, servers, { ...nameless, sessionKey: "the printer" }));
    assertEquals(clients.sessionCount, 1);
  });
});
