/**
 * Ours, through the full HTTP server: GET gets a large body, POST what it has sent. `--reference`: the large body is referred to where it
 * lies, which is for those who will not change it; otherwise it is copied.
 */
import process from "node:process";
import { EvBuffer, EventBase, type HttpHandler, HttpServer } from "../../mod.ts";
import { LARGE_BYTES, letters } from "./bodies.ts";

const large = letters(LARGE_BYTES);
const refers = process.argv.includes("--reference");
const answer: HttpHandler = (request) => {
  if (request.method !== "GET") return request.reply(200, request.body);
  if (!refers) return request.reply(200, large);
  const body = new EvBuffer();
  body.addReference(large);
  request.reply(200, body);
};
using base = new EventBase();
using server = new HttpServer(base, {}, answer);
const { port } = server.listen({ port: 0 });
for (const name of ["SIGINT", "SIGTERM"]) base.signal(name, () => base.loopBreak()).add();
console.log(`listening on http://127.0.0.1:${port}`);
base.dispatch();
