/**
 * A Hono application on the loop, which it does not know of: what it needs is a handler of standard requests.
 *
 *     deno run --allow-ffi examples/hono.ts [-p port]
 *     bun examples/hono.ts [-p port]
 */
import { Hono } from "hono";
import { parseArgs } from "node:util";
import { serve } from "../mod.ts";
import { openBase, orRefuse, runMain, serveUntilSignal, wholeNumber } from "./shared/program.ts";

const app = new Hono();
app.get("/", (context) => context.text("Hello from Hono!"));
app.get("/users/:name", (context) => context.json({ name: context.req.param("name"), query: context.req.query() }));
app.post("/echo", (context) => new Response(context.req.raw.body));
app.get("/count/:to", (context) => {
  const to = Math.min(Number(context.req.param("to")), 1000);
  let count = 0;
  const numbers = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (count < to) controller.enqueue(new TextEncoder().encode(`${++count}\n`));
      else controller.close();
    },
  });
  return context.body(numbers);
});

async function main(): Promise<number> {
  const { values } = orRefuse(() => parseArgs({ options: { port: { type: "string", short: "p", default: "8080" } } }));
  using base = openBase(undefined);
  const port = wholeNumber("--port", values.port, 0, 65_535);
  const server = serve(base, { port }, (request) => app.fetch(request));
  return await serveUntilSignal(base, `listening on http://127.0.0.1:${server.listeners[0]!.port}`, true);
}

await runMain("hono", main);
