/**
 * The peer "node:dns" of the resolver bench: on Bun it is c-ares, on Deno hickory, a resolver in Rust. Per line on standard input, `PORT WINDOW MS`, it keeps
 * WINDOW lookups under way for MS milliseconds, asking the name server at that port of 127.0.0.1. It answers with `RIGHT WRONG WALL_US CPU_US`.
 */
import { Resolver } from "node:dns";
import process from "node:process";
import { createInterface } from "node:readline";
import { lookupRound } from "../support/lookup_round.ts";

const resolver = new Resolver();
createInterface({ input: process.stdin }).on("line", (line) => {
  const [port = 0, window = 1, ms = 0] = line.split(" ").map(Number);
  if (resolver.getServers()[0] !== `127.0.0.1:${port}`) resolver.setServers([`127.0.0.1:${port}`]);
  lookupRound(
    window,
    ms,
    (name, told) => resolver.resolve4(name, (_error, addresses) => told(addresses?.[0])),
    (figures) => console.log(figures),
  );
});
