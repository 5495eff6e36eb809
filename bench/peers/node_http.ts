/** The peer "node:http", on whichever runtime runs it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((_request, response) => {
  response.setHeader("Content-Type", "text/plain;charset=utf-8");
  response.end("Hello, World!");
});
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
