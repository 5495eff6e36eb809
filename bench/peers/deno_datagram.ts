/** The peer "Deno.listenDatagram" of the datagram bench. */
const socket = Deno.listenDatagram({ hostname: "127.0.0.1", port: 0, transport: "udp" });
console.log(`listening on udp://127.0.0.1:${(socket.addr as Deno.NetAddr).port}`);
for await (const [bytes, sender] of socket) await socket.send(bytes, sender);
