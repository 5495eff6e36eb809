import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { type DnsRequest, EV_TIMEOUT } from "../../mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Outcomes, resolverFor, virtualTest } from "./resolver_support.ts";
import { a, ScriptedServer } from "./scripted_server.ts";

/** Runs `work`; how many elements of arrays were looked at by filtering meanwhile. */
function countFiltered(work: () => void): number {
  const { filter } = Array.prototype;
  let count = 0;
  Array.prototype.filter = function (this: unknown[], ...given: Parameters<typeof filter>): unknown[] {
    count += this.length;
    return filter.apply(this, given);
  } as typeof filter;
  try {
    work();
  } finally {
    Array.prototype.filter = filter;
  }
  return count;
}

describe("queries that have not left", () => {
  forEachBackend((backend) => {
    virtualTest(
      backend,
      "are given up by looking at each a few times at most, and the others leave in their order",
      (base) => {
        using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")]));
        using resolver = resolverFor(base, [server.address], { maxInflight: 5000, cache: false });
        const outcomes = new Outcomes(base);
        const count = 2000;
        const isKept = (index: number): boolean => index % 200 === 7;
        let looked = 0;
        base.once(-1, EV_TIMEOUT, () => {
          const requests: DnsRequest[] = [];
          for (let index = 0; index < count; index++) {
            requests.push(resolver.query(`n${index}.test`, "A", {}, outcomes.note));
          }
          looked = countFiltered(() => requests.forEach((request, index) => isKept(index) || request.cancel()));
        }, 1);
        const told = outcomes.untilThereAre(count);
        const kept = Array.from({ length: count }, (_, index) => index).filter(isKept);
        assertEquals(server.asked, kept.map((index) => `n${index}.test A`));
        assertEquals(told.filter((one) => one === "192.0.2.1").length, kept.length);
        assertEquals(told.filter((one) => one === "DNS_CANCELLED").length, count - kept.length);
        assert(looked <= 2 * count, `looked at ${looked}`);
      },
    );

    virtualTest(backend, "may all be given up, and one that is asked behind them leaves", (base) => {
      using server = new ScriptedServer(base, (query) => query.answer([a("192.0.2.1")]));
      using resolver = resolverFor(base, [server.address], { cache: false });
      const outcomes = new Outcomes(base);
      base.once(-1, EV_TIMEOUT, () => {
        const requests = ["a.test", "b.test"].map((name) => resolver.query(name, "A", {}, outcomes.note));
        for (const request of requests) request.cancel();
        resolver.query("c.test", "A", {}, outcomes.note);
      }, 1);
      assertEquals(outcomes.untilThereAre(3), ["DNS_CANCELLED", "DNS_CANCELLED", "192.0.2.1"]);
      assertEquals(server.asked, ["c.test A"]);
    });
  });
});
