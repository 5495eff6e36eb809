/** Our server of the TLS bench. Arguments: files with the certificate and the key. */
import process from "node:process";
import { EV_READ, EventBase, Listener, TlsBufferEvent, TlsContext } from "../../mod.ts";
import { answerBytes, Exchange } from "./tls_exchange.ts";

const [certificate = "", key = ""] = process.argv.slice(2);
const context = TlsContext.server({ certificate: { file: certificate }, key: { file: key } });
const base = new EventBase();
const listener = new Listener(base, { host: "127.0.0.1", port: 0, backlog: 512 }, (fd) => {
  const connection = TlsBufferEvent.overSocket(base, fd, context);
  const exchange = new Exchange();
  connection.setSink({
    keepsNothing: true,
    receive(bytes, start, end) {
      for (let rest = exchange.receive(bytes, start, end); rest > 0; rest -= answerBytes.length) {
        connection.output.addReferencePart(answerBytes, 0, Math.min(rest, answerBytes.length));
      }
    },
  });
  connection.setCallbacks({ event: (what) => what === 0x80 || connection.close() });
  connection.enable(EV_READ);
});
console.log(`listening on http://127.0.0.1:${(listener.address as { port: number }).port}`);
base.dispatch();
