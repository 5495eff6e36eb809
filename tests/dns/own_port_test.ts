/** A resolver whose queries leave from a port of its own. */
import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { Datagram, DNS_ERR_SERVERFAILED, EV_TIMEOUT, type EventBase, type IpSocketAddress } from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { lookedUp, Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, ScriptedServer } from "./scripted_server.ts";

function freePort(base: EventBase, host: string = "127.0.0.1"): number {
  using probe = new Datagram(base, { host, port: 0 }, () => {});
  return probe.port;
}

function portOf({ sender }: { sender: { family: string } }): number {
  return (sender as IpSocketAddress).port;
}

describe("a resolver with a port of its own", () => {
  forEachBackend((backend) => {
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      virtualTest(backend, `asks all its name servers from it, bound to ${host}`, (base) => {
        using first = new ScriptedServer(base, (query) => query.refuse(DNS_ERR_SERVERFAILED));
        using second = new ScriptedServer(base, (query) => query.refuse(DNS_ERR_SERVERFAILED));
        using third = new ScriptedServer(base, (query) => query.answer([a("192.0.2.3")]));
        const servers = [first, second, third];
        const port = freePort(base);
        using resolver = resolverFor(base, servers.map(({ address }) => address), {
          bindTo: { family: "ipv4", host, port },
          cache: false,
        });
        for (const name of ["a.test", "b.test"]) assertStrictEquals(lookedUp(resolver, name), "192.0.2.3");
        for (const { queries } of servers) assertEquals(queries.map(portOf), [port, port]);
      });
    }

    virtualTest(backend, "shares it with nobody else, before and after it has more than one socket", (base) => {
      using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")]));
      using other = new ScriptedServer(base, (query) => query.answer([a("192.0.2.2")]));
      const bindTo = { family: "ipv4", host: "127.0.0.1", port: freePort(base) } as const;
      using resolver = resolverFor(base, [server.address, other.address], { bindTo, cache: false, rotate: true });
      using late = resolverFor(base, [other.address], { bindTo, cache: false });
      for (const expected of ["192.0.2.1", "192.0.2.2"]) {
        assertStrictEquals(lookedUp(resolver, "a.test"), expected);
        assertStrictEquals(lookedUp(late, "a.test"), "DNS_UNREACHABLE");
      }
      // Without sockets it has no port either.
      resolver.close();
      assertStrictEquals(lookedUp(late, "a.test"), "192.0.2.2");
    });

    virtualTest(backend, "asks anew from it what was under way when settings change", (base) => {
      using server = new ScriptedServer(base, () => {});
      const port = freePort(base);
      using resolver = resolverFor(base, [server.address], { bindTo: { family: "ipv4", host: "127.0.0.1", port } });
      const outcomes = new Outcomes(base);
      resolver.query("a.test", "A", {}, outcomes.note);
      base.once(-1, EV_TIMEOUT, () => {
        assertEquals(server.asked, ["a.test A"]);
        server.script = (query) => query.answer([a("192.0.2.1")]);
        resolver.setOptions({ ednsUdpBytes: 4096 });
        resolver.query("b.test", "A", {}, outcomes.note);
      }, 100);
      assertEquals(outcomes.untilThereAre(2), ["192.0.2.1", "192.0.2.1"]);
      assertEquals(server.queries.map(portOf), [port, port, port]);
      assertEquals(server.asked, ["a.test A", "a.test A", "b.test A"]);
    });

    virtualTest(backend, "asks anew by another address with the same port, which all sockets had", (base) => {
      using first = new ScriptedServer(base, () => {});
      using second = new ScriptedServer(base, () => {});
      const servers = [first, second];
      const port = freePort(base);
      using resolver = resolverFor(base, servers.map(({ address }) => address), {
        bindTo: { family: "ipv4", host: "0.0.0.0", port },
        rotate: true,
      });
      const outcomes = new Outcomes(base);
      for (const name of ["a.test", "b.test"]) resolver.query(name, "A", {}, outcomes.note);
      base.once(-1, EV_TIMEOUT, () => {
        for (const server of servers) server.script = (query) => query.answer([a("192.0.2.1")]);
        resolver.setOptions({ bindTo: { family: "ipv4", host: "127.0.0.1", port } });
      }, 100);
      assertEquals(outcomes.untilThereAre(2), ["192.0.2.1", "192.0.2.1"]);
      for (const { asked, queries } of servers) {
        assertEquals([asked[0], ...queries.map(portOf)], [asked[1], port, port]);
      }
    });

    virtualTest(backend, "asks name servers of the other family from ports that change", (base) => {
      using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")]));
      using resolver = resolverFor(base, [server.address], {
        bindTo: { family: "ipv6", host: "::1", port: freePort(base, "::1"), scope: 0 },
        queriesPerSocket: 1,
        cache: false,
      });
      for (const name of ["a.test", "b.test"]) assertStrictEquals(lookedUp(resolver, name), "192.0.2.1");
      const [one, other] = server.queries.map(portOf);
      assertNotStrictEquals(one, other);
    });
  });
});
