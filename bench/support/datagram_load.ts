/**
 * The load of the datagram bench. Per line on standard input, `PORT WINDOW BYTES COUNT`, it keeps WINDOW datagrams of BYTES bytes on their way
 * to a port of 127.0.0.1 and back, until COUNT were sent and have come back as they were. It answers with `ECHOED LOST WRONG WALL_US`.
 */
import { Datagram, EventBase } from "../../mod.ts";
import { nextRequest } from "./requests.ts";

/** When nothing has come back for so long, what is on its way is lost; on a loopback interface that is when a buffer was full. */
const LOST_MS = 5000;

function load(port: number, window: number, bytes: number, count: number): string {
  using base = new EventBase();
  const payload = new Uint8Array(new ArrayBuffer(bytes));
  const view = new DataView(payload.buffer);
  let [sent, echoed, lost, wrong, seen] = [0, 0, 0, 0, -1];
  const send = (): void => {
    view.setUint32(0, sent++);
    payload[bytes - 1] = sent & 255;
    socket.send(payload);
  };
  using socket = new Datagram(base, { receiveBufferBytes: 1_000_000 }, (datagram) => {
    const { bytes: got } = datagram;
    const number = (got[0]! << 24 | got[1]! << 16 | got[2]! << 8 | got[3]!) >>> 0;
    if (got.length !== bytes || got[bytes - 1] !== (number + 1 & 255)) wrong++;
    else echoed++;
    // Those still on their way are waited for: answers to a port that is closed disturb some servers.
    if (sent < count) send();
    else if (echoed + wrong + lost >= sent) base.loopBreak();
  });
  socket.connect({ family: "ipv4", host: "127.0.0.1", port });
  // When nothing has come for a while, what is on its way is lost, and the window is filled anew.
  const guard = base.timer(() => {
    guard.add(LOST_MS);
    if (seen === echoed) {
      lost = sent - echoed - wrong;
      if (sent >= count) base.loopBreak();
      for (let index = 0; index < window && sent < count; index++) send();
    }
    seen = echoed;
  });
  guard.add(LOST_MS);
  const startedMs = performance.now();
  for (let index = 0; index < window && sent < count; index++) send();
  base.dispatch();
  return `${echoed} ${sent - echoed - wrong} ${wrong} ${((performance.now() - startedMs) * 1000).toFixed(1)}`;
}

for (let request = nextRequest(); request !== undefined; request = nextRequest()) {
  const [port = 0, window = 1, bytes = 64, count = 0] = request;
  console.log(load(port, window, bytes, count));
}
