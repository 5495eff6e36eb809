/** The peer "node:net", on whichever runtime runs it: sends back what comes. */
import { type AddressInfo, createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("drain", () => socket.resume());
  socket.on("data", (data) => {
    if (!socket.write(data)) socket.pause();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
