/** The peer "Bun.serve": GET gets a large body, POST what it has sent. */
import { LARGE_BYTES, letters } from "./bodies.ts";

/** The part of Bun that is used; written out so that type-checking needs no Bun. */
interface BunServe {
  serve(
    options: { port: number; hostname: string; fetch: (request: Request) => Response | Promise<Response> },
  ): { port: number };
}

const { Bun: bun } = globalThis as unknown as { Bun: BunServe };
const large = letters(LARGE_BYTES);
const server = bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => new Response(request.method === "GET" ? large : await request.arrayBuffer()),
});
console.log(`listening on http://127.0.0.1:${server.port}`);
