import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { type DnsError, EventBase, TlsContext, type TlsError } from "../../mod.ts";
import { alongside, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { MANY, RunningServer, unboundOverTls } from "./real_server.ts";
import { codeOf, lookedUp, Outcomes, resolverFor, untilUp } from "./resolver_support.ts";
import { a, type Script, ScriptedServer } from "./scripted_server.ts";

const one: Script = (query) => query.answer([a("192.0.2.1")]);

forEachBackend((backend) => {
  itNeeds(
    "openssl",
    "openssl",
    "asks over TLS, verifies whom, and keeps the connection without keeping the loop alive",
    () => {
      const { authority, server: identity } = testCertificates();
      using base: EventBase = backend.newBase();
      using serverTls = TlsContext.server({ certificate: identity.certificate, key: identity.key });
      using tls = TlsContext.client({ ca: authority.certificate });
      const server = new ScriptedServer(base, one, { tls: serverTls });
      using resolver = resolverFor(base, [server.address], { tls, cache: false });
      for (const name of ["a.test", "b.test"]) assertEquals(lookedUp(resolver, name), "192.0.2.1");
      assertEquals(server.asked, ["a.test A over TCP", "b.test A over TCP"]);
      assertStrictEquals(server.accepted, 1);
      // Whatever is asked is as long as anything else (RFC 8467).
      lookedUp(resolver, `${"x".repeat(63)}.${"x".repeat(42)}.test`);
      const lengths = server.queries.map(({ bytes, message }) => [bytes.length, message.edns!.options[0]!.code]);
      assertEquals(lengths, [[128, 12], [128, 12], [256, 12]]);
      server.asked.length = 2;
      using named = resolverFor(base, [server.address], { tls, tlsHostname: "localhost", cache: false });
      assertEquals(lookedUp(named, "a.test"), "192.0.2.1");
      using wrong = resolverFor(base, [server.address], { tls, tlsHostname: "other.test", cache: false });
      const outcomes = new Outcomes(base);
      wrong.query("a.test", "A", {}, outcomes.note);
      assertEquals(outcomes.untilThereAre(1), ["DNS_UNREACHABLE"]);
      assertStrictEquals((outcomes.errors[0]!.cause as TlsError).code, "HOSTNAME_MISMATCH");
      assertStrictEquals(server.asked.length, 3, "nothing is told to a stranger");
      server[Symbol.dispose]();
      assertFalse(base.dispatch());
    },
  );
});

describe("DNS over TLS", () => {
  itNeeds("unbound", "unbound", "is spoken with unbound, whose certificate has to be right", async () => {
    const { folder, authority, server: identity } = testCertificates();
    using base = new EventBase();
    const running = new RunningServer(unboundOverTls(identity, 150));
    try {
      await alongside(base, async () => {
        using tls = TlsContext.client({ ca: authority.certificate });
        const options = { tls, cache: false, timeoutMs: 3000 };
        using resolver = resolverFor(base, [running.address], options);
        await untilUp(resolver);
        assertEquals(await resolver.resolve4("www.test"), ["192.0.2.1"]);
        assertEquals(await resolver.resolve6("www.test"), ["2001:db8::1"]);
        assertEquals(await codeOf(resolver.resolve4("nobody.test")), "DNS_NXDOMAIN");
        assertEquals((await resolver.resolve4("many.test")).length, MANY);
        const infos = await resolver.getaddrinfo("www.test", 443, { type: "stream" });
        assertEquals(infos.map(({ address }) => address.host), ["192.0.2.1", "2001:db8::1"]);
        const codes = await Promise.all(
          Array.from({ length: 300 }, (_, at) => codeOf(resolver.resolve4(`n${at}.test`))),
        );
        assertEquals(new Set(codes), new Set(["DNS_NXDOMAIN"]), "many at a time");
        // Unbound closes the connection meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 400));
        assertEquals(await resolver.resolve4("www.test"), ["192.0.2.1"]);

        using named = resolverFor(base, [running.address], { ...options, tlsHostname: "localhost" });
        assertEquals(await named.resolve4("www.test"), ["192.0.2.1"]);
        using misnamed = resolverFor(base, [running.address], { ...options, tlsHostname: "dns.example" });
        const refused = await rejection(misnamed.resolve4("www.test")) as DnsError;
        assertEquals([refused.code, (refused.cause as TlsError).code], ["DNS_UNREACHABLE", "HOSTNAME_MISMATCH"]);
        using strangers = TlsContext.client({ ca: folder.authority("another authority").certificate });
        using distrusting = resolverFor(base, [running.address], { ...options, tls: strangers });
        const unknown = await rejection(distrusting.resolve4("www.test")) as DnsError;
        assertStrictEquals(unknown.code, "DNS_UNREACHABLE");
        assert((unknown.cause as TlsError).name === "TlsError", String(unknown.cause));
        assertEquals([misnamed, distrusting].map(({ nameservers }) => nameservers[0]!.answers), [0, 0]);
      });
    } finally {
      await running.stop();
    }
  });
});
