/** Ours, through the full HTTP server: GET gets a large body, POST what it has sent. */
import { EventBase, HttpServer } from "../../mod.ts";
import { LARGE_BYTES, letters } from "./bodies.ts";

const large = letters(LARGE_BYTES);
using base = new EventBase();
using server = new HttpServer(
  base,
  {},
  (request) => request.reply(200, request.method === "GET" ? large : request.body),
);
const { port } = server.listen({ port: 0 });
for (const name of ["SIGINT", "SIGTERM"]) base.signal(name, () => base.loopBreak()).add();
console.log(`listening on http://127.0.0.1:${port}`);
base.dispatch();
