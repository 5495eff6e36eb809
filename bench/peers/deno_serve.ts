/** The peer "Deno.serve": a handler that makes its Response per request. */

/** The part of Deno that is used; written out so that type-checking does the same on both runtimes. */
interface DenoServe {
  serve(
    options: { port: number; hostname: string; onListen: (address: { port: number }) => void },
    handler: () => Response,
  ): unknown;
}

const { Deno: deno } = globalThis as unknown as { Deno: DenoServe };
deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`listening on http://127.0.0.1:${port}`) },
  () => new Response("Hello, World!"),
);
