/** A server by node:http for the tests of our client: `node client_node_server.mjs SOCKET`. */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import process from "node:process";
import { createGzip } from "node:zlib";

const line = Buffer.alloc(1000, "0123456789");
let connections = 0;

const server = createServer((request, response) => {
  const [, what, argument] = request.url.split("/");
  const size = Number(argument);
  const chunked = (target) => {
    let left = size;
    const go = () => {
      while (left > 0) {
        const piece = line.subarray(0, Math.min(left, line.length));
        left -= piece.length;
        if (!target.write(piece)) return target.once("drain", go);
      }
      target.end();
    };
    go();
  };
  switch (what) {
    case "digest": {
      const hash = createHash("sha256");
      let length = 0;
      request.on("data", (piece) => {
        length += piece.length;
        hash.update(piece);
      });
      request.on(
        "end",
        () => response.end(`${length} ${hash.digest("hex")} ${request.headers["transfer-encoding"] ?? "counted"}`),
      );
      return;
    }
    case "chunked":
      return chunked(response);
    case "gzip": {
      response.setHeader("Content-Encoding", "gzip");
      const gzip = createGzip();
      gzip.pipe(response);
      return chunked(gzip);
    }
    case "hints":
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      return response.end("hinted");
    case "trailers":
      response.writeHead(200, { Trailer: "X-Sum" });
      response.write("body");
      response.addTrailers({ "X-Sum": "42" });
      return response.end();
    case "status":
      response.writeHead(size, { "X-Field": ["a", "b"] });
      return response.end();
    case "close":
      response.setHeader("Connection", "close");
      return response.end("bye");
    case "count":
      return response.end(String(connections));
    case "cut":
      response.writeHead(200, { "Content-Length": "1000" });
      return response.write("half", () => request.socket.destroy());
    case "redirect":
      response.writeHead(307, { Location: "/digest" });
      return request.resume().on("end", () => response.end());
  }
  response.writeHead(404);
  response.end("nothing");
});
server.on("connection", () => connections++);
server.on("upgrade", (_request, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst");
  socket.write(head);
  socket.pipe(socket);
});
server.listen(process.argv[2]);
