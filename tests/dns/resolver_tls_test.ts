import { assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { type EventBase, TlsContext, type TlsError } from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { lookedUp, Outcomes, resolverFor } from "./resolver_support.ts";
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
