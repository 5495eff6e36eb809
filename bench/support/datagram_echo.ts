/** Our server of the datagram bench. With `run` as its argument it runs beside the host's own loop. */
import process from "node:process";
import { Datagram, EventBase } from "../../mod.ts";

using base = new EventBase();
using socket = new Datagram(base, { port: 0, receiveBufferBytes: 1_000_000 }, (datagram) => {
  datagram.reply(datagram.bytes);
});
base.signal("SIGTERM", () => base.loopBreak()).add();
console.log(`listening on udp://127.0.0.1:${socket.port}`);
if (process.argv[2] === "run") await base.run();
else base.dispatch();
