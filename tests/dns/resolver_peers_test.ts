/** The resolver against the name servers of others. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { type DnsError, EventBase } from "../../mod.ts";
import { alongside } from "../core/async_support.ts";
import { itNeeds } from "../support/requires.ts";
import {
  BIND,
  DNSMASQ,
  KNOT,
  MANY,
  type RealServer,
  RunningServer,
  UNBOUND,
  VERIFYING_UNBOUND,
} from "./real_server.ts";
import { codeOf, resolverFor, untilUp } from "./resolver_support.ts";
import { ScriptedServer } from "./scripted_server.ts";

const servers: readonly RealServer[] = [UNBOUND, DNSMASQ, KNOT, BIND];

describe("the resolver", () => {
  for (const server of servers) {
    itNeeds(server.command, server.debianPackage, `gets every kind of answer from ${server.command}`, async () => {
      using base = new EventBase();
      const running = new RunningServer(server);
      try {
        await alongside(base, async () => {
          using resolver = resolverFor(base, [running.address], {
            search: ["nothing.test", "search.test"],
            timeoutMs: 3000,
          });
          await untilUp(resolver);
          assertEquals(await resolver.resolve4("www.test"), ["192.0.2.1"]);
          assertEquals(await resolver.resolve6("www.test"), ["2001:db8::1"]);
          const aliased = await resolver.resolve("alias.test", "CNAME");
          assertEquals(aliased.records.map(({ data }) => data), [{ kind: "CNAME", target: "www.test" }]);
          const mail = await resolver.resolve("test", "MX", { noSearch: true });
          assertEquals(mail.records[0]!.data, { kind: "MX", preference: 10, exchange: "mail.test" });
          const text = await resolver.resolve("txt.test", "TXT");
          assertEquals(text.records[0]!.data.kind, "TXT");
          assertEquals(await codeOf(resolver.resolve4("nobody.test")), "DNS_NXDOMAIN");
          assertEquals(await codeOf(resolver.resolve("www.test", "SRV", { noSearch: true })), "DNS_NODATA");
          assertEquals(await resolver.resolve4("host"), ["192.0.2.9"], "by the search domains");
          const { sent } = resolver.nameservers[0]!;
          assertEquals((await resolver.resolve4("many.test")).length, MANY, "over TCP after a cut answer");
          assert(resolver.nameservers[0]!.sent >= sent + 2, "over UDP and then over TCP");
          assertEquals((await resolver.resolve4("many.test", { useTcp: true, noCache: true })).length, MANY);
          const small = await resolver.resolve("many.test", "A", { ignoreTruncation: true, noCache: true }).then(
            ({ records, isTruncated }) => records.length < MANY && isTruncated,
            (error: DnsError) => error.code === "DNS_TRUNCATED",
          );
          assert(small, "the cut answer itself");
          const addresses = await resolver.getaddrinfo("www.test", 80, { type: "stream" });
          assertEquals(addresses.map(({ address }) => address.host), ["192.0.2.1", "2001:db8::1"]);
          await Promise.all(
            Array.from({ length: 500 }, (_, index) => codeOf(resolver.resolve4(`n${index}.test`, { noSearch: true }))),
          ).then((codes) => assertEquals(new Set(codes), new Set(["DNS_NXDOMAIN"])));
          assert(!resolver.nameservers[0]!.isDown);
        });
      } finally {
        await running.stop();
      }
    });
  }

  itNeeds("unbound", "unbound", "gets by a dead first server, and a lame one, to unbound", async () => {
    using base = new EventBase();
    const running = new RunningServer(UNBOUND);
    try {
      await alongside(base, async () => {
        using dead = new ScriptedServer(base, () => {});
        using lame = new ScriptedServer(base, (query) => query.refuse(0, { flags: 0x8000 }));
        using alone = resolverFor(base, [running.address]);
        await untilUp(alone);
        const options = { timeoutMs: 100, maxTimeouts: 2, cache: false };
        using resolver = resolverFor(base, [dead.address, lame.address, running.address], options);
        for (let count = 0; count < 4; count++) assertEquals(await resolver.resolve4("www.test"), ["192.0.2.1"]);
        assert(resolver.nameservers[0]!.isDown);
      });
    } finally {
      await running.stop();
    }
  });

  itNeeds(
    "dnssec-signzone",
    "bind9-utils",
    "is told by unbound what was verified, where it asks for that",
    async () => {
      using base = new EventBase();
      const running = new RunningServer(VERIFYING_UNBOUND);
      try {
        await alongside(base, async () => {
          const name = "www.signed.example";
          for (const authenticData of [false, true]) {
            using resolver = resolverFor(base, [running.address], { authenticData });
            await untilUp(resolver, name);
            const { isAuthentic, records } = await resolver.resolve(name);
            assertEquals([isAuthentic, records.length], [authenticData, 1]);
            assertEquals((await resolver.resolve(name)).isAuthentic, authenticData, "remembered as well");
          }
        });
      } finally {
        await running.stop();
      }
    },
  );
});
