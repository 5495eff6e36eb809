/** The peer "Bun.udpSocket" of the datagram bench. */
interface UdpSocket {
  readonly port: number;
  send(data: Uint8Array, port: number, address: string): boolean;
}

/** The part of Bun that this needs; written out so that type-checking needs no Bun. */
interface BunUdp {
  udpSocket(options: {
    hostname: string;
    port: number;
    socket: { data(socket: UdpSocket, data: Uint8Array, port: number, address: string): void };
  }): Promise<UdpSocket>;
}

const { Bun: bun } = globalThis as unknown as { Bun: BunUdp };
const socket = await bun.udpSocket({
  hostname: "127.0.0.1",
  port: 0,
  socket: { data: (socket, data, port, address) => void socket.send(data, port, address) },
});
console.log(`listening on udp://127.0.0.1:${socket.port}`);
