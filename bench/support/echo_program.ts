/** The subject of the echo bench, on whichever runtime runs it: buffered connections that send back what comes. */
import process from "node:process";
import { BEV_EVENT_EOF, BEV_EVENT_ERROR, EV_READ, EventBase, Listener, SocketBufferEvent } from "../../mod.ts";

const base = new EventBase();
const callbacks = {
  read: (connection: SocketBufferEvent): void => connection.writeBuffer(connection.input),
  event: (what: number, connection: SocketBufferEvent): void => {
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) !== 0) connection.close();
  },
};
const listener = new Listener(base, { port: 0 }, (fd) => {
  const connection = new SocketBufferEvent(base, fd);
  connection.setCallbacks(callbacks);
  connection.enable(EV_READ);
});
base.signal("SIGTERM", () => base.loopBreak()).add();
// Whoever weighs the process wants garbage out of the way first; Deno offers that by a flag of V8.
const { gc, Bun: bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc: (force: boolean) => void } };
base.signal("SIGUSR2", () => gc === undefined ? bun?.gc(true) : gc()).add();
console.log(`listening on http://127.0.0.1:${listener.port}`);
if (process.argv[2] === "--run") await base.run();
else base.dispatch();
process.exit(0);
