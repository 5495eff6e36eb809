/** Channels that closed ports have left to the ports that come after them, and how a test gets rid of them. */
import { EventBase } from "../../src/core/event_base.ts";
import { LoopPort } from "../../src/core/loop_port.ts";
import { canFail, withFault } from "./faults.ts";

/** The C function that opens a port's channel here. */
export const channelCall: string = canFail("eventfd") ? "eventfd" : "pipe";

/**
 * Opens ports until one of them has to open a channel: the others have those that senders terminated in the middle of a write
 * have left in earlier tests. The next port then opens its own, until the result is given back.
 */
export function takeSpareChannels(): Disposable {
  const base = new EventBase();
  let opened = 0;
  for (let ports = 0; opened === 0; ports++) {
    if (ports === 1000) throw new Error("Cannot take the spare channels: a thousand ports have opened none");
    withFault({ call: channelCall, error: "EMFILE", when: () => false }, (count) => {
      new LoopPort(base, () => {});
      opened = count.calls;
    });
  }
  return base;
}
