/** The servers that are compared. All answer with the same body, by a handler that makes its response per request. */
import { runWith } from "./runtimes.ts";

/** One of the servers. */
export interface ServerKind {
  /** As the table shows it. */
  readonly name: string;
  /** How it is started; undefined when that cannot be done here. */
  readonly command: readonly string[] | undefined;
  /** Why it cannot be started. */
  readonly problem?: string;
  /** Takes part only where a lone connection is measured. */
  readonly forLoneConnection?: boolean;
}

const HELLO = "examples/http-hello.ts";
const ABSENT = "the runtime is not installed";

/** The servers written in TypeScript, ours first. */
export function scriptServers(): ServerKind[] {
  const kind = (name: string, runtime: "deno" | "bun", script: string, args: readonly string[] = []): ServerKind => {
    return { name, command: runWith(runtime, script, args), problem: ABSENT };
  };
  const spinning = { forLoneConnection: true };
  return [
    kind("evbase, Bun", "bun", HELLO, ["-p", "0"]),
    kind("evbase, Deno", "deno", HELLO, ["-p", "0"]),
    kind("Bun.serve", "bun", "bench/peers/bun_serve.ts"),
    kind("Deno.serve", "deno", "bench/peers/deno_serve.ts"),
    kind("node:http, Bun", "bun", "bench/peers/node_http.ts"),
    kind("node:http, Deno", "deno", "bench/peers/node_http.ts"),
    kind("evbase, Bun, run()", "bun", HELLO, ["-p", "0", "--run"]),
    kind("evbase, Deno, run()", "deno", HELLO, ["-p", "0", "--run"]),
    { ...kind("evbase, Bun, spin 50 us", "bun", HELLO, ["-p", "0", "--spin", "50"]), ...spinning },
    { ...kind("evbase, Deno, spin 50 us", "deno", HELLO, ["-p", "0", "--spin", "50"]), ...spinning },
  ];
}
