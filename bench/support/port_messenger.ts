/** A Worker that sends messages to the bench of loop ports: through a port, or by the host's postMessage. */
import { type LoopPortHandle, LoopPortSender } from "../../mod.ts";
import { clockMs, os } from "../../src/ffi/mod.ts";

/** What the Worker is to send. */
export interface MessengerOrder {
  /** Through which port; undefined: by postMessage. */
  readonly handle?: LoopPortHandle | undefined;
  /** How many messages. */
  readonly count: number;
  /** The number of messages that have arrived, when each is to wait until the last one has; undefined: as fast as it goes. */
  readonly arrived?: Int32Array<SharedArrayBuffer> | undefined;
}

/** Bytes in a message: the time at which it was sent, in milliseconds, and padding. */
const MESSAGE_BYTES = 64;

/** Between messages that wait for each other, so that the receiver has gone to sleep. */
const PAUSE_MS = 0.3;

const pause = new Int32Array(new SharedArrayBuffer(4));

function send({ handle, count, arrived }: MessengerOrder, postByHost: (message: Uint8Array) => void): void {
  using sender = handle === undefined ? undefined : new LoopPortSender(handle);
  for (let sent = 0; sent < count; sent++) {
    if (arrived !== undefined) {
      for (let seen = Atomics.load(arrived, 0); seen < sent; seen = Atomics.load(arrived, 0)) {
        Atomics.wait(arrived, 0, seen);
      }
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
    const message = new Uint8Array(MESSAGE_BYTES);
    new Float64Array(message.buffer, 0, 1)[0] = clockMs(os.constants.CLOCK_MONOTONIC);
    if (sender === undefined) postByHost(message);
    else while (!sender.post(message)) Atomics.wait(pause, 0, 0, 0.05);
  }
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<MessengerOrder>) => void;
  postMessage(message: Uint8Array | string): void;
};
scope.onmessage = ({ data }) => send(data, (message) => scope.postMessage(message));
scope.postMessage("ready");
