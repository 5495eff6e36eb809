import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Datagram, type DnsError } from "../../mod.ts";
import type { NameServer } from "../../src/dns/name_server.ts";
import { Transmission, type TransmissionOwner } from "../../src/dns/transmission.ts";
import { WaitingQueries } from "../../src/dns/waiting_queries.ts";
import { WireQuestion } from "../../src/dns/wire_question.ts";
import { backendsUnderTest } from "../support/backends.ts";
import { withVirtualTime } from "../support/virtual_base.ts";
import { resolverFor } from "./resolver_support.ts";

describe("the queries that wait for answers at one socket", () => {
  it("are so few that each finds an id of its own, and one more is not added", () => {
    const [owner, server] = [{} as TransmissionOwner, {} as NameServer];
    const question = WireQuestion.take("www.test", 1, false);
    const fresh = (): Transmission => new Transmission(owner, server, question, false, 512, false);
    const waiting = new WaitingQueries();
    const all = Array.from({ length: 65_000 }, fresh);
    for (const one of all) assert(waiting.add(one));
    assertStrictEquals(new Set(all.map(({ id }) => id)).size, all.length);
    assertFalse(waiting.add(fresh()));
    assertStrictEquals(waiting.size, all.length);
    waiting.delete(all[7]!);
    assert(waiting.add(fresh()));
    assertFalse(waiting.add(fresh()));
  });

  it("leave no room for others at a port of one's own when too many were not answered, and these fail", () => {
    withVirtualTime(backendsUnderTest[0]!, (base) => {
      using silent = new Datagram(base, { port: 0 }, () => {});
      const free = new Datagram(base, { port: 0 }, () => {});
      const { port } = free;
      free.close();
      using resolver = resolverFor(base, [`127.0.0.1:${silent.port}`], {
        bindTo: { family: "ipv4", host: "127.0.0.1", port },
        maxInflight: 33_000,
        attempts: 2,
        maxTimeouts: 255,
        deadlineMs: 3_600_000,
        segmentation: false,
      });
      const count = 33_000;
      const errors: DnsError[] = [];
      for (let index = 0; index < count; index++) {
        resolver.query(`n${index}.test.`, "A", {}, (error) => {
          if (errors.push(error!) === count) base.loopBreak();
        });
      }
      base.dispatch();
      const full = errors.filter(({ code }) => code === "DNS_UNREACHABLE");
      // A thousand are too many, and each that fails takes its first query back, which makes room for another one.
      assertEquals([full.length, errors.length], [500, count]);
      assertStrictEquals((full[0]!.cause as Error).message, "too many queries wait for answers at one socket");
      assert(errors.every(({ code }) => code === "DNS_UNREACHABLE" || code === "DNS_TIMEOUT"));
    });
  });
});
