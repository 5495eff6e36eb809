/** The peer "ws": the package from npm, by the path of its file, since Bun puts an implementation of its own in place of the name. */
import { ws } from "../../tests/ws/ws_package.ts";

const server = new ws.WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(isBinary ? data : String(data)));
});
server.on("listening", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
