/** The peer "Deno.serve": GET gets a large body, POST what it has sent. */
import { LARGE_BYTES, letters } from "./bodies.ts";

/** The part of Deno that is used; written out so that type-checking does the same on both runtimes. */
interface DenoServe {
  serve(
    options: { port: number; hostname: string; onListen: (address: { port: number }) => void },
    handler: (request: Request) => Response | Promise<Response>,
  ): unknown;
}

const { Deno: deno } = globalThis as unknown as { Deno: DenoServe };
const large = letters(LARGE_BYTES);
deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`listening on http://127.0.0.1:${port}`) },
  async (request) => new Response(request.method === "GET" ? large : await request.arrayBuffer()),
);
