/**
 * Our resolver in its bench, in step with `bench/peers/resolver.c`. Per line on standard input, `PORT WINDOW MS`, it keeps WINDOW lookups under
 * way for MS milliseconds, asking the name server at that port of 127.0.0.1. It answers with `RIGHT WRONG WALL_US CPU_US`.
 *
 * With `uncached` among its arguments it remembers no answers, which C's does not either; with `spinning`, its loop looks 50 us for what is ready
 * before it sleeps.
 */
import process from "node:process";
import { DnsResolver, EventBase } from "../../mod.ts";
import { lookupRound } from "./lookup_round.ts";
import { nextRequest } from "./requests.ts";

const OPTIONS = {};
const cache = !process.argv.includes("uncached");
using base = new EventBase({ spinUs: process.argv.includes("spinning") ? 50 : 0 });
let resolver: DnsResolver | undefined;
for (let request = nextRequest(); request !== undefined; request = nextRequest()) {
  const [port = 0, window = 1, ms = 0] = request;
  const asked = resolver ??= new DnsResolver(base, { nameservers: [`127.0.0.1:${port}`], hosts: false, cache });
  const lookUp = (name: string, told: (address: string | undefined) => void): void => {
    asked.query(name, "A", OPTIONS, (_error, answer) => {
      const data = answer?.records[0]?.data;
      told(data?.kind === "A" ? data.address : undefined);
    });
  };
  let figures = "";
  lookupRound(window, ms, lookUp, (found) => figures = found);
  base.dispatch();
  console.log(figures);
}
resolver?.close();
