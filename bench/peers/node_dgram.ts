/** The peer "node:dgram" of the datagram bench: echoes by the module that both runtimes have. */
import { createSocket } from "node:dgram";

const socket = createSocket({ type: "udp4", recvBufferSize: 1_000_000 });
socket.on("message", (message, { port, address }) => socket.send(message, port, address));
socket.bind(0, "127.0.0.1", () => console.log(`listening on udp://127.0.0.1:${socket.address().port}`));
