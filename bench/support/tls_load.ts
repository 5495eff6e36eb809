/**
 * Load over TLS: `port`, `connections`, `upload`, `download`, then either `requests` or `seconds`, and `fresh` for a new connection
 * for each request. Prints the result as JSON.
 */
import process from "node:process";
import { BEV_EVENT_CONNECTED, EV_READ, EventBase, TlsBufferEvent, TlsContext } from "../../mod.ts";
import { request } from "../peers/tls_exchange.ts";

const options = JSON.parse(process.argv[2]!) as {
  port: number;
  connections: number;
  upload: number;
  download: number;
  requests: number;
  seconds: number;
  fresh: boolean;
};

const base = new EventBase();
// The certificate is made for the bench; what is measured is the server.
const context = TlsContext.client({ verifyPeer: false, systemCa: false });
const bytes = request(options.upload, options.download);
const stopMs = performance.now() + options.seconds * 1000;
let [sent, done, running] = [0, 0, options.connections];

/** Whether another request is to be made, which is counted then. */
function another(): boolean {
  if (options.requests > 0 ? sent >= options.requests : performance.now() >= stopMs) return false;
  sent++;
  return true;
}

function open(): void {
  if (!another()) return finish();
  const connection = TlsBufferEvent.overSocket(base, -1, context, { hostname: "localhost", closeTimeoutMs: 0 });
  let left = options.download;
  connection.setSink({
    receive(_bytes, start, end) {
      left -= end - start;
      if (left < 0) throw new Error("The server has answered too much");
      if (left > 0) return;
      done++;
      left = options.download;
      if (options.fresh) {
        connection.close();
        open();
      } else if (another()) {
        connection.output.addReference(bytes);
      } else {
        connection.close();
        finish();
      }
    },
  });
  connection.setCallbacks({
    event(what) {
      if (what !== BEV_EVENT_CONNECTED) throw new Error(`Cannot go on: ${connection.error ?? "the server has ended"}`);
    },
  });
  connection.enable(EV_READ);
  connection.connect({ family: "ipv4", host: "127.0.0.1", port: options.port });
  connection.output.addReference(bytes);
}

function finish(): void {
  if (--running === 0) base.loopBreak();
}

const started = performance.now();
for (let i = 0; i < options.connections; i++) open();
base.dispatch();
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ requests: done, seconds, perSecond: done / seconds }));
