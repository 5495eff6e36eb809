/** What runs in a {@linkcode PortWorker}. */
import { LoopPortSender } from "../../src/core/loop_port_sender.ts";
import { ACCEPTED, DONE, messageOf, type PortOrder, type PortParcel } from "./port_worker.ts";

const pause = new Int32Array(new SharedArrayBuffer(4));

function carryOut({ handle, count, id, isWaking = false, afterMs = 0 }: PortOrder, progress: Int32Array): void {
  using sender = new LoopPortSender(handle);
  if (afterMs > 0) Atomics.wait(pause, 0, 0, afterMs);
  for (let sequence = 0; sequence < count && !sender.closed;) {
    if (isWaking ? sender.wake() : sender.post(messageOf(id, sequence))) {
      sequence++;
      Atomics.store(progress, ACCEPTED, sequence);
    } else {
      Atomics.wait(pause, 0, 0, 0.1);
    }
  }
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<PortParcel>) => void;
  postMessage(message: string): void;
};
scope.onmessage = ({ data: { order, progress } }) => {
  let outcome = 2;
  try {
    carryOut(order, progress);
    outcome = 1;
  } finally {
    Atomics.store(progress, DONE, outcome);
    Atomics.notify(progress, DONE);
  }
};
scope.postMessage("ready");
