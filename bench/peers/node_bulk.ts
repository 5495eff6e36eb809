/**
 * The peer "node:net" of the bulk bench, on whichever runtime runs it: `sink`, which writes what comes to standard output; `source`,
 * which sends standard input; or `proxy PORT`. Both streams are always ready, so they are used without a detour over other threads.
 */
import { Buffer } from "node:buffer";
import { readSync, writeSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import process from "node:process";

const [mode, port] = process.argv.slice(2);
const PIECE_BYTES = 64 * 1024;

/** The next piece of standard input, in memory of its own, since it may have to wait. */
function nextPiece(): Uint8Array {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  return piece.subarray(0, readSync(0, piece));
}

function serve(socket: Socket): void {
  socket.on("error", () => {});
  if (mode === "sink") {
    socket.on("data", (piece) => writeSync(1, piece as Uint8Array));
  } else if (mode === "source") {
    const send = (): void => {
      while (!socket.destroyed && socket.write(nextPiece()));
    };
    socket.on("drain", send);
    socket.resume();
    send();
  } else {
    const far = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    far.on("error", () => socket.destroy());
    socket.on("close", () => far.destroy());
    socket.pipe(far);
    far.pipe(socket);
  }
}

const server = createServer({ noDelay: true }, serve);
server.listen(0, "127.0.0.1", () => {
  console.error(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
