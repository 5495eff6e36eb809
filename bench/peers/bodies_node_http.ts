/** The peer "node:http", on whichever runtime runs it: GET gets a large body, POST what it has sent. */
import { Buffer } from "node:buffer";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { LARGE_BYTES, letters } from "./bodies.ts";

const large = letters(LARGE_BYTES);
const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.end(large);
    return;
  }
  const pieces: Uint8Array[] = [];
  request.on("data", (piece: Uint8Array) => pieces.push(piece));
  request.on("end", () => response.end(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)));
});
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
