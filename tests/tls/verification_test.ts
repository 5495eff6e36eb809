/** Who is trusted, and with which code everybody else is refused. Certificates are made relative to now. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { BEV_EVENT_ERROR, BEV_EVENT_READING, EventBase } from "../../src/core/mod.ts";
import type { TlsBufferEventOptions, TlsClientOptions, TlsServerOptions } from "../../src/tls/mod.ts";
import { settle, until } from "../core/bufferevent_support.ts";
import { itNeeds } from "../support/requires.ts";
import { type Issued, testCertificates } from "./certificate_folder.ts";
import { clientContext, failureOf, openEnds, serverContext, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

describe("a client of TLS", () => {
  let base: EventBase;
  beforeEach(() => {
    base = new EventBase();
  });
  afterEach(() => base.close());

  /** How a client fails with a server that shows `shown`; the code each side ends with. */
  function refusal(
    shown: Pick<Issued, "certificate" | "key">,
    client: TlsClientOptions = {},
    clientEnd: TlsBufferEventOptions = {},
    server: Partial<TlsServerOptions> = {},
  ): [string, string] {
    const options = { server: { certificate: shown.certificate, key: shown.key, ...server }, client, clientEnd };
    const ends = openEnds(base, null, options);
    const { what, code } = failureOf(base, ends.client);
    assertEquals(what, BEV_EVENT_ERROR | BEV_EVENT_READING);
    until(base, () => ends.server.error !== null, "the server hears of it");
    const told = ends.server.error!.code;
    ends.client.close();
    ends.server.close();
    return [code, told];
  }

  it("trusts a server that its authority vouches for, by name and by address", () => {
    for (const hostname of ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1", "[::1]"]) {
      const ends = openEnds(base, null, { clientEnd: { hostname } });
      shakeHands(base, ends);
      const shown = ends.client.details.peerCertificate!;
      assertEquals([shown.subject, shown.issuer], ["CN=localhost", "CN=evbase test authority"]);
      assert(shown.validFrom.getTime() <= Date.now() && shown.validTo.getTime() > Date.now());
      assert(/^[0-9a-f]{64}$/.test(shown.fingerprint256));
      assertEquals(shown.alternativeNames.dns, ["localhost"]);
      assertEquals(ends.server.details.peerCertificate, null);
      ends.client.close();
      ends.server.close();
    }
  });

  it("refuses a certificate that has expired", () => {
    const { folder, authority } = testCertificates();
    const extensions = "subjectAltName=DNS:localhost\n";
    const expired = folder.issue("localhost", { issuer: authority, extensions, days: -1 });
    assertEquals(refusal(expired), ["CERT_HAS_EXPIRED", "TLS_ALERT_CERTIFICATE_EXPIRED"]);
  });

  it("refuses a certificate that vouches for itself, unless it is trusted by name", () => {
    const own = testCertificates().folder.issue("localhost", { extensions: "subjectAltName=DNS:localhost\n" });
    assertEquals(refusal(own), ["DEPTH_ZERO_SELF_SIGNED_CERT", "TLS_ALERT_UNKNOWN_CA"]);
    const ends = openEnds(base, null, {
      server: { certificate: own.certificate, key: own.key },
      client: { ca: own.certificate },
    });
    shakeHands(base, ends);
    ends.client.close();
    ends.server.close();
  });

  it("refuses a chain that ends in an authority it does not trust", () => {
    const { folder } = testCertificates();
    const stranger = folder.authority("a stranger");
    const shown = folder.issue("localhost", { issuer: stranger, extensions: "subjectAltName=DNS:localhost\n" });
    const chain = { certificate: shown.certificate + stranger.certificate, key: shown.key };
    assertEquals(refusal(chain), ["SELF_SIGNED_CERT_IN_CHAIN", "TLS_ALERT_UNKNOWN_CA"]);
    assertEquals(refusal(shown), ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "TLS_ALERT_UNKNOWN_CA"]);
  });

  it("follows a chain over an authority in between, which the server has to show", () => {
    const { folder, authority } = testCertificates();
    const between = folder.authority("in between", authority);
    const shown = folder.issue("localhost", { issuer: between, extensions: "subjectAltName=DNS:localhost\n" });
    assertEquals(refusal(shown)[0], "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
    const certificate = shown.certificate + between.certificate;
    const ends = openEnds(base, null, { server: { certificate, key: shown.key } });
    shakeHands(base, ends);
    ends.client.close();
    ends.server.close();
  });

  it("refuses a certificate for another host or address", () => {
    const { server } = testCertificates();
    const alert = "TLS_ALERT_BAD_CERTIFICATE";
    assertEquals(refusal(server, {}, { hostname: "example.org" }), ["HOSTNAME_MISMATCH", alert]);
    assertEquals(refusal(server, {}, { hostname: "local" }), ["HOSTNAME_MISMATCH", alert]);
    assertEquals(refusal(server, {}, { hostname: "127.0.0.2" }), ["IP_ADDRESS_MISMATCH", alert]);
    const { folder, authority } = testCertificates();
    // A common name is no name of a host.
    assertEquals(refusal(folder.issue("localhost", { issuer: authority })), ["HOSTNAME_MISMATCH", alert]);
  });

  it("lets a star stand for one whole label only", () => {
    const { folder, authority } = testCertificates();
    const extensions = "subjectAltName=DNS:*.example.org,DNS:w*.example.net\n";
    const shown = folder.issue("a star", { issuer: authority, extensions });
    for (const hostname of ["a.b.example.org", "example.org", "www.example.net"]) {
      assertEquals(refusal(shown, {}, { hostname })[0], "HOSTNAME_MISMATCH", hostname);
    }
    const ends = openEnds(base, null, {
      server: { certificate: shown.certificate, key: shown.key },
      clientEnd: { hostname: "www.example.org" },
    });
    shakeHands(base, ends);
    ends.client.close();
    ends.server.close();
  });

  it("refuses certificates that were revoked, wherever in the chain", () => {
    const { folder, authority } = testCertificates();
    const between = folder.authority("soon revoked", authority);
    const leaf = folder.issue("localhost", { issuer: between, extensions: "subjectAltName=DNS:localhost\n" });
    const shown = { certificate: leaf.certificate + between.certificate, key: leaf.key };
    const nothing = folder.revocationList(authority, []);
    const ofBetween = folder.revocationList(between, [leaf]);
    const betweenClean = folder.revocationList(between, []);
    const ofAuthority = folder.revocationList(authority, [between]);
    const alert = "TLS_ALERT_CERTIFICATE_REVOKED";
    assertEquals(refusal(shown, { crl: [nothing, ofBetween] }), ["CERT_REVOKED", alert]);
    assertEquals(refusal(shown, { crl: [ofAuthority, betweenClean] }), ["CERT_REVOKED", alert]);
    // Without a list nobody can tell.
    assertEquals(refusal(shown, { crl: [nothing] })[0], "UNABLE_TO_GET_CRL");
    for (const client of [{ crl: [nothing, betweenClean] }, { crl: [betweenClean], crlLeafOnly: true }]) {
      const ends = openEnds(base, null, { server: shown, client });
      shakeHands(base, ends);
      ends.client.close();
      ends.server.close();
    }
  });

  it("refuses a certificate that is not for servers", () => {
    const { folder, authority } = testCertificates();
    const extensions = "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:localhost\n";
    assertEquals(refusal(folder.issue("localhost", { issuer: authority, extensions }))[0], "INVALID_PURPOSE");
  });

  it("trusts anybody when it is told to", () => {
    const own = testCertificates().folder.issue("nobody");
    const ends = openEnds(base, null, {
      server: { certificate: own.certificate, key: own.key },
      client: { verifyPeer: false },
      clientEnd: { hostname: "example.org" },
    });
    shakeHands(base, ends);
    assertEquals(ends.server.details.serverName, "example.org");
    ends.client.close();
    ends.server.close();
  });

  it("does not trust the tests' authority when it goes by the system's", () => {
    const { server } = testCertificates();
    assertEquals(refusal(server, { ca: undefined })[0], "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  });

  it("takes up a session only with the host it was made with", () => {
    using clients = clientContext({ maxVersion: "TLSv1.2" });
    using servers = serverContext();
    const contexts = { client: clients, server: servers };
    const first = openEnds(base, null, { contexts });
    shakeHands(base, first);
    const session = first.client.details.session!;
    first.client.close();
    first.server.close();
    const second = openEnds(base, null, { contexts, clientEnd: { session } });
    shakeHands(base, second);
    assert(second.client.details.sessionReused && second.server.details.sessionReused);
    second.client.close();
    second.server.close();
    const third = openEnds(base, null, { contexts, clientEnd: { session, hostname: "example.org" } });
    assertEquals(failureOf(base, third.client).code, "HOSTNAME_MISMATCH");
    third.client.close();
    third.server.close();
  });

  it("does not take up a session in which nobody was verified", () => {
    using trusting = clientContext({ verifyPeer: false, ca: undefined, systemCa: false });
    using careful = clientContext({ ca: undefined, systemCa: false });
    using servers = serverContext();
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      using limited = serverContext({ maxVersion: version });
      const first = openEnds(base, null, { contexts: { client: trusting, server: limited } });
      shakeHands(base, first);
      settle(base);
      const session = first.client.details.session!;
      first.client.close();
      first.server.close();
      const second = openEnds(base, null, { contexts: { client: careful, server: limited }, clientEnd: { session } });
      assertEquals(failureOf(base, second.client).code, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
      second.client.close();
      second.server.close();
    }
    assert(!servers.closed);
  });

  it("remembers sessions by host, and takes each up once", () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      using clients = clientContext({ sessionsMax: 4, maxVersion: version });
      using servers = serverContext();
      const reused: boolean[] = [];
      for (let i = 0; i < 3; i++) {
        const ends = openEnds(base, null, { contexts: { client: clients, server: servers } });
        shakeHands(base, ends);
        reused.push(ends.client.details.sessionReused);
        ends.server.write("here is your ticket");
        until(base, () => ends.client.input.length > 0, "data");
        ends.client.close();
        ends.server.close();
      }
      assertEquals([reused, clients.sessionCount], [[false, true, true], 1], version);
      clients.forgetSessions();
      assertEquals(clients.sessionCount, 0);
    }
  });
});

describe("a server of TLS", () => {
  let base: EventBase;
  beforeEach(() => {
    base = new EventBase();
  });
  afterEach(() => base.close());

  it("asks for a client's certificate, and verifies what it gets", () => {
    const { authority, client, folder } = testCertificates();
    const server: Partial<TlsServerOptions> = { ca: authority.certificate, clientCertificate: "require" };
    const ends = openEnds(base, null, { server, client: { certificate: client.certificate, key: client.key } });
    shakeHands(base, ends);
    const shown = ends.server.details.peerCertificate!;
    assertEquals([shown.subject, shown.alternativeNames.email], ["CN=a client", ["ada@example.org"]]);
    ends.client.close();
    ends.server.close();

    const nobody = openEnds(base, null, { server });
    assertEquals(failureOf(base, nobody.server).code, "TLS_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    assertEquals(failureOf(base, nobody.client).code, "TLS_ALERT_CERTIFICATE_REQUIRED");
    nobody.client.close();
    nobody.server.close();

    const own = folder.issue("somebody else");
    const stranger = openEnds(base, null, { server, client: { certificate: own.certificate, key: own.key } });
    assertEquals(failureOf(base, stranger.server).code, "DEPTH_ZERO_SELF_SIGNED_CERT");
    stranger.client.close();
    stranger.server.close();

    const optional = openEnds(base, null, { server: { ...server, clientCertificate: "request" } });
    shakeHands(base, optional);
    assertEquals(optional.server.details.peerCertificate, null);
    optional.client.close();
    optional.server.close();
  });

  it("and its client agree on nothing where their versions have nothing in common", () => {
    const ends = openEnds(base, null, { client: { maxVersion: "TLSv1.2" }, server: { minVersion: "TLSv1.3" } });
    assertEquals(failureOf(base, ends.server).code, "TLS_UNSUPPORTED_PROTOCOL");
    assertEquals(failureOf(base, ends.client).code, "TLS_ALERT_PROTOCOL_VERSION");
    ends.client.close();
    ends.server.close();
  });

  it("and its client agree on nothing where their ciphers have nothing in common", () => {
    const client = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" } as const;
    const ends = openEnds(base, null, { client, server: { ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" } });
    assertEquals(failureOf(base, ends.server).code, "TLS_NO_SHARED_CIPHER");
    assertEquals(failureOf(base, ends.client).code, "TLS_ALERT_HANDSHAKE_FAILURE");
    ends.client.close();
    ends.server.close();
  });
});
