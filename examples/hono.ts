/**
 * A Hono application on the loop, which it does not know of: what it needs is a handler of standard requests.
 *
 *     deno run --allow-ffi examples/hono.ts [-p port]
 *     bun examples/hono.ts [-p port]
 */
import { Hono } from "hono";
import process from "node:process";
import { EventBase, serve } from "../mod.ts";

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

const at = process.argv.indexOf("-p");
const base = new EventBase();
const server = serve(base, { port: at < 0 ? 8080 : Number(process.argv[at + 1]) }, (request) => app.fetch(request));
console.log(`listening on http://127.0.0.1:${server.listeners[0]!.port}`);
await base.run();
