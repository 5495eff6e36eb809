/** A session that is taken up again skips verification, so it must not lead to where verification would have refused. */
import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { allocate } from "../../src/ffi/mod.ts";
import type { TlsBufferEventOptions, TlsContext, TlsVersion } from "../../src/tls/mod.ts";
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

describe("a client that remembers sessions", () => {
  withBase();

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
