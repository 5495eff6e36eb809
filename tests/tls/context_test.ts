/** What a context takes and refuses; choosing by name and protocol; reloading. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { EV_READ, EventBase, PairBufferEvent, SystemError } from "../../src/core/mod.ts";
import { TlsBufferEvent, TlsContext, TlsError, type TlsServerOptions } from "../../src/tls/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { runScript } from "../support/run_script.ts";
import { until } from "../core/bufferevent_support.ts";
import { testCertificates } from "./certificate_folder.ts";
import { clientContext, failureOf, openEnds, serverContext, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void | Promise<void>): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** The error that making a server's context fails with. */
function refused(options: Partial<TlsServerOptions>): TlsError {
  return assertThrows(() => serverContext(options), TlsError) as TlsError;
}

describe("TlsContext", () => {
  it("takes certificates and keys as text, as bytes, as DER and from files", () => {
    const { server, folder } = testCertificates();
    folder.openssl("x509", "-in", server.certificateFile, "-outform", "DER", "-out", "server.der");
    folder.openssl("pkey", "-in", server.keyFile, "-outform", "DER", "-out", "key.der");
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    const both = server.key + server.certificate;
    const ways: TlsServerOptions[] = [
      { certificate: server.certificate, key: server.key },
      { certificate: bytes(server.certificate), key: bytes(server.key) },
      { certificate: { file: server.certificateFile }, key: { file: server.keyFile } },
      { certificate: folder.read("server.der"), key: folder.read("key.der") },
      { certificate: { file: `${folder.path}/server.der` }, key: { file: `${folder.path}/key.der` } },
      { certificate: both },
    ];
    for (const way of ways) {
      using context = TlsContext.server(way);
      assertEquals([context.role, context.closed], ["server", false]);
    }
  });

  it("decrypts a key with its passphrase, and never asks anybody for it", () => {
    const { server, folder } = testCertificates();
    folder.openssl("pkey", "-in", server.keyFile, "-aes256", "-passout", "pass:secret", "-out", "locked.key");
    const key = new TextDecoder().decode(folder.read("locked.key"));
    serverContext({ key, passphrase: "secret" }).close();
    for (const passphrase of ["wrong", "", undefined]) {
      assertEquals(refused({ key, passphrase }).code, "TLS_BAD_PASSPHRASE");
    }
  });

  it("says which file it cannot use, and why", () => {
    const { server, client, folder } = testCertificates();
    const junk = folder.write("junk.pem", "nothing of use\n");
    const broken = server.certificate.replace(/^(M\w{20})/m, "AAAAAAAAAAAAAAAAAAAAA");
    const cases: [Partial<TlsServerOptions>, string, string][] = [
      [{ certificate: { file: junk } }, "TLS_BAD_CERTIFICATE", junk],
      [{ certificate: broken }, "TLS_BAD_CERTIFICATE", "the text given as certificate"],
      [{ certificate: new Uint8Array([0x30, 3, 1]) }, "TLS_BAD_CERTIFICATE", "the bytes given as certificate"],
      [{ key: { file: junk } }, "TLS_BAD_KEY", junk],
      [{ key: server.certificate }, "TLS_BAD_KEY", "the text given as key"],
      [{ certificate: server.certificate, key: undefined }, "TLS_BAD_KEY", "the text given as certificate"],
      [{ key: client.key }, "TLS_KEY_MISMATCH", "key"],
      [{ ca: { file: junk } }, "TLS_BAD_CA", junk],
      [{ crl: server.certificate }, "TLS_BAD_CRL", "the text given as crl"],
      [{ ciphers: "NO-SUCH-CIPHER" }, "TLS_BAD_CIPHERS", "NO-SUCH-CIPHER"],
      [{ cipherSuites: "NO-SUCH-SUITE" }, "TLS_BAD_CIPHERS", "NO-SUCH-SUITE"],
      [{ groups: "NO-SUCH-GROUP" }, "TLS_BAD_GROUPS", "NO-SUCH-GROUP"],
    ];
    for (const [options, code, said] of cases) {
      const error = refused(options);
      assertEquals(error.code, code, error.message);
      assertStringIncludes(error.message, said);
    }
    const missing = assertThrows(
      () => serverContext({ key: { file: "/no/such/key.pem" } }),
      SystemError,
    ) as SystemError;
    assertEquals([missing.code, missing.path], ["ENOENT", "/no/such/key.pem"]);
  });

  it("refuses options that make no sense at once", () => {
    const { server } = testCertificates();
    const wrong: [Record<string, unknown>, typeof TypeError | typeof RangeError][] = [
      [{ certificate: undefined }, TypeError],
      [{ certificate: "/etc/ssl/cert.pem" }, TypeError],
      [{ certificate: { file: "/" } }, TypeError],
      [{ minVersion: "SSLv3" }, TypeError],
      [{ minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, RangeError],
      [{ alpn: [""] }, RangeError],
      [{ sessionsMax: -1 }, RangeError],
      [{ sessionTickets: -1 }, RangeError],
      [{ sessionTickets: 1.5 }, RangeError],
      [{ sessionTimeoutSeconds: 0 }, RangeError],
      [{ sessionTimeoutSeconds: 2 ** 31 }, RangeError],
      [{ sessionsMax: 2 ** 32 }, RangeError],
      [{ verifyDepth: -5 }, RangeError],
      [{ verifyDepth: 1.5 }, RangeError],
      [{ verifyDepth: 2 ** 32 }, RangeError],
      [{ clientCertificate: "required" }, TypeError],
      [{ clientCertificate: true }, TypeError],
      [{ clientCertificate: null }, TypeError],
      [{ ticketKeys: new Uint8Array(79) }, RangeError],
      [{ sessionIdContext: "x".repeat(33) }, RangeError],
      [{ serverNames: { "a b": serverContext() } }, TypeError],
      [{ serverNames: { "a": clientContext() } }, TypeError],
    ];
    for (const [options, kind] of wrong) {
      assertThrows(() => TlsContext.server({ certificate: server.certificate, key: server.key, ...options }), kind);
    }
    assertThrows(() => TlsContext.client({ key: server.key }), TypeError, "without a certificate");
    assertThrows(() => TlsContext.client({ sessionsMax: 0.5 }), RangeError);
  });

  it("names what to install where there is no OpenSSL, and needs it only for TLS", async () => {
    const script = `
      import { EventBase } from "../../src/core/mod.ts";
      import { TlsContext } from "../../src/tls/mod.ts";
      using base = new EventBase();
      for (let i = 0; i < 2; i++) {
        try {
          TlsContext.client();
        } catch (error) {
          console.log(error.name, error.code, error.message);
        }
      }
    `;
    const missing = { EVBASE_LIBSSL: "/no/such/libssl.so", EVBASE_LIBCRYPTO: "/no/such/libcrypto.so" };
    const { code, stdout } = await runScript(script, { env: missing });
    assertEquals(code, 0);
    const lines = stdout.split("\n");
    assertEquals(lines.length, 2);
    assertEquals(lines[0], lines[1]);
    assertStringIncludes(stdout, "TlsError TLS_LIBRARY_MISSING Cannot load OpenSSL (3, or 1.1.1), which TLS needs; ");
    assertStringIncludes(stdout, "/no/such/libcrypto.so");
  });
});

describe("a server's context", () => {
  let base: EventBase;
  beforeEach(() => {
    base = new EventBase();
  });
  afterEach(() => base.close());

  it("chooses a protocol by the server's taste, and refuses clients that offer others only", () => {
    const agreed = openEnds(base, null, { server: { alpn: ["h2", "http/1.1"] }, client: { alpn: ["http/1.1", "h2"] } });
    shakeHands(base, agreed);
    assertEquals([agreed.client.alpnProtocol, agreed.server.alpnProtocol], ["h2", "h2"]);
    const silent = openEnds(base, null, { server: { alpn: ["h2"] } });
    shakeHands(base, silent);
    assertEquals([silent.client.alpnProtocol, silent.server.alpnProtocol], ["", ""]);
    const refusing = openEnds(base, null, { server: { alpn: ["h2"] }, client: { alpn: ["h3"] } });
    assertEquals(failureOf(base, refusing.server).code, "TLS_NO_APPLICATION_PROTOCOL");
    assertEquals(failureOf(base, refusing.client).code, "TLS_ALERT_NO_APPLICATION_PROTOCOL");
    for (const { client, server } of [agreed, silent, refusing]) {
      client.close();
      server.close();
    }
  });

  it("serves each name with its own context, protocols and all", () => {
    const { folder, authority } = testCertificates();
    const named = (name: string): Pick<TlsServerOptions, "certificate" | "key"> => {
      const { certificate, key } = folder.issue(name, {
        issuer: authority,
        extensions: `subjectAltName=DNS:${name}\n`,
      });
      return { certificate, key };
    };
    using exact = serverContext({ ...named("a.example.org"), alpn: ["x"], maxVersion: "TLSv1.2" });
    using star = serverContext(named("*.example.org"));
    using servers = serverContext({ serverNames: { "a.example.org": exact, "*.example.org": star }, alpn: ["y"] });
    const shown: string[] = [];
    for (const hostname of ["a.example.org", "b.example.org", "localhost"]) {
      const ends = openEnds(base, null, {
        contexts: { server: servers },
        client: { alpn: ["x", "y"] },
        clientEnd: { hostname },
      });
      shakeHands(base, ends);
      const { peerCertificate, serverName } = ends.server.details;
      assertEquals([peerCertificate, serverName], [null, hostname]);
      shown.push(`${ends.client.details.peerCertificate?.subject} ${ends.client.alpnProtocol} ${ends.client.version}`);
      ends.client.close();
      ends.server.close();
    }
    assertEquals(shown, ["CN=a.example.org x TLSv1.2", "CN=*.example.org  TLSv1.3", "CN=localhost y TLSv1.3"]);
  });

  it("can be chosen by a function, which may refuse", () => {
    const asked: string[] = [];
    using other = serverContext({ maxVersion: "TLSv1.2" });
    using servers = serverContext({
      selectContext({ serverName, alpnProtocols }) {
        asked.push(`${serverName} ${alpnProtocols.join()}`);
        return serverName === "refused.example" ? null : alpnProtocols.includes("old") ? other : undefined;
      },
    });
    const contexts = { server: servers };
    const first = openEnds(base, null, { contexts });
    const second = openEnds(base, null, { contexts, client: { alpn: ["old"] } });
    shakeHands(base, first);
    shakeHands(base, second);
    assertEquals([first.client.version, second.client.version], ["TLSv1.3", "TLSv1.2"]);
    const third = openEnds(base, null, { contexts, clientEnd: { hostname: "refused.example" } });
    assertEquals(failureOf(base, third.server).code, "TLS_UNRECOGNIZED_NAME");
    assertEquals(failureOf(base, third.client).code, "TLS_ALERT_UNRECOGNIZED_NAME");
    assertEquals(asked, ["localhost ", "localhost old", "refused.example "]);
    for (const { client, server } of [first, second, third]) {
      client.close();
      server.close();
    }
  });

  it("cannot be left to chance by a hello that is too large, malformed, or none", () => {
    using servers = serverContext({ selectContext: () => null });
    for (
      const [first, code] of [
        // Of 64 KiB; of a session id that is longer than all of it; the hello of SSL 2; and no TLS at all.
        [[22, 3, 1, 0, 4, 1, 1, 0, 0], "TLS_BAD_CLIENT_HELLO"],
        [[22, 3, 1, 0, 39, 1, 0, 0, 35, 3, 3, ...new Array(32).fill(7), 255], "TLS_BAD_CLIENT_HELLO"],
        [[0x80, 0x2e, 1, 3, 1], "TLS_UNRECOGNIZED_NAME"],
        [[...new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")], "TLS_UNRECOGNIZED_NAME"],
      ] as const
    ) {
      const [far, near] = PairBufferEvent.create(base);
      using server = new TlsBufferEvent(near, servers);
      server.enable(EV_READ);
      far.enable(EV_READ);
      far.write(Uint8Array.from(first));
      assertEquals(failureOf(base, server).code, code);
      until(base, () => far.input.length > 0, "the alert");
      assertEquals(far.input.take()[0], 21);
      far.close();
    }
  });

  it("may be chosen by a function that throws or closes, after which nothing is left behind", () => {
    using throwing = serverContext({
      selectContext() {
        throw new Error("no idea");
      },
    });
    const ends = openEnds(base, null, { contexts: { server: throwing } });
    assertEquals(failureOf(base, ends.server).code, "TLS_CONTEXT_NOT_CHOSEN");
    assertEquals((ends.server.error!.cause as Error).message, "no idea");
    assertEquals(failureOf(base, ends.client).code, "TLS_ALERT_INTERNAL_ERROR");
    ends.client.close();
    ends.server.close();
    let closing = (): void => {};
    using servers = serverContext({
      selectContext() {
        closing();
        return undefined;
      },
    });
    const closed = openEnds(base, null, { contexts: { server: servers } });
    closing = () => closed.server.close();
    failureOf(base, closed.client);
    assert(closed.server.closed);
    closed.client.close();
    const both = openEnds(base, null, { contexts: { server: servers } });
    closing = () => {
      both.server.close();
      throw new Error("and throws");
    };
    failureOf(base, both.client);
    assertEquals([both.server.closed, both.server.error], [true, null]);
    both.client.close();
  });

  it("serves clients that came before it was closed, and refuses those that are to be served by a closed one", () => {
    const { client } = testCertificates();
    for (const when of ["before the hello", "while choosing"]) {
      const servers = serverContext({
        selectContext() {
          servers.close();
          return undefined;
        },
      });
      const ends = openEnds(base, null, { contexts: { server: servers } });
      if (when === "before the hello") servers.close();
      shakeHands(base, ends);
      ends.client.close();
      ends.server.close();
    }
    const gone = serverContext({ certificate: client.certificate, key: client.key });
    using servers = serverContext({ serverNames: { localhost: gone } });
    gone.close();
    const ends = openEnds(base, null, { contexts: { server: servers } });
    assertEquals(failureOf(base, ends.server).code, "TLS_CONTEXT_NOT_CHOSEN");
    ends.client.close();
    ends.server.close();
  });

  it("exchanges its certificate for new connections, while old ones go on and tickets stay good", () => {
    const { folder, authority, server } = testCertificates();
    const file = folder.write("reloaded.crt", server.certificate);
    const keyFile = folder.write("reloaded.key", server.key);
    using servers = serverContext({ certificate: { file }, key: { file: keyFile } });
    using clients = clientContext({ sessionsMax: 1 });
    const contexts = { client: clients, server: servers };
    const old = openEnds(base, null, { contexts });
    shakeHands(base, old);
    const before = old.client.details.peerCertificate!.serialNumber;
    old.server.write("a ticket comes along");
    base.loop(1);

    const next = folder.issue("localhost", { issuer: authority, extensions: "subjectAltName=DNS:localhost\n" });
    folder.write("reloaded.crt", next.certificate);
    const error = assertThrows(() => servers.reload(), TlsError) as TlsError;
    assertEquals(error.code, "TLS_KEY_MISMATCH");
    // Without a certificate nobody could be served.
    assertThrows(() => servers.reload({}), TypeError, "without a certificate");
    folder.write("reloaded.key", next.key);
    servers.reload();

    const resumed = openEnds(base, null, { contexts });
    shakeHands(base, resumed);
    assert(resumed.client.details.sessionReused);
    clients.forgetSessions();
    const fresh = openEnds(base, null, { contexts });
    shakeHands(base, fresh);
    assert(fresh.client.details.peerCertificate!.serialNumber !== before);
    servers.reload({ certificate: server.certificate, key: server.key });
    clients.forgetSessions();
    const back = openEnds(base, null, { contexts });
    shakeHands(base, back);
    assertEquals(back.client.details.peerCertificate!.serialNumber, before);
    old.client.write("still here");
    for (let i = 0; i < 5 && old.server.input.length === 0; i++) base.loop(1);
    assertEquals(old.server.input.takeText(), "still here");
    for (const { client, server } of [old, resumed, fresh, back]) {
      client.close();
      server.close();
    }
    servers.close();
    servers.close();
    assertThrows(() => servers.reload(), Error, "closed");
    const [near] = PairBufferEvent.create(base);
    assertThrows(() => new TlsBufferEvent(near, servers), Error, "closed");
  });
});
