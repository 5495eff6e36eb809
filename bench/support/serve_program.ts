/** The subject "serve()" of the bench of standard handlers, on whichever runtime runs it. */
import process from "node:process";
import { EventBase, serve } from "../../mod.ts";

const base = new EventBase();
const server = serve(base, { port: 0, host: "127.0.0.1" }, () => new Response("Hello, World!"));
for (const name of ["SIGINT", "SIGTERM"]) base.signal(name, () => base.loopBreak()).add();
console.log(`listening on http://127.0.0.1:${server.listeners[0]!.port}`);
await base.run();
process.exit(0);
