/** The peer "Bun.serve": a dynamic handler that makes its Response per request, as an application's would be. */

/** The part of Bun that is used; written out so that type-checking needs no Bun. */
interface BunServe {
  serve(options: { port: number; hostname: string; idleTimeout: number; fetch: () => Response }): { port: number };
}

const { Bun: bun } = globalThis as unknown as { Bun: BunServe };
const server = bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  // The most there is, for the bench of idle connections.
  idleTimeout: 255,
  fetch: () => new Response("Hello, World!"),
});
console.log(`listening on http://127.0.0.1:${server.port}`);
