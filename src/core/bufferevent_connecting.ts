import { os, type SystemError, systemError, takeSocketError } from "../ffi/mod.ts";
import { SocketSending } from "./bufferevent_sending.ts";
import { CONNECTING, ENDS_WRITING, SENDING_FAILED } from "./connection_state.ts";
import { BEV_EVENT_CONNECTED, BEV_EVENT_ERROR, EV_WRITE } from "./constants.ts";
import { Deferred } from "./deferred.ts";

const { EINTR, ECONNREFUSED } = os.errno as Record<string, number>;

/** How a {@linkcode SocketBufferEvent} is connected: the kernel says by writability that it has ended, and the socket how. */
export abstract class SocketConnecting extends SocketSending {
  /** A connect has begun: `result` is what the system call said, and told later in any case. */
  protected connectBegun(result: number, underWay: boolean): void {
    this.mark(CONNECTING, true);
    this.mark(SENDING_FAILED, false);
    this.enabledBits |= EV_WRITE;
    this.streamBegun(true);
    if (underWay) {
      this.update();
    } else {
      // Also an immediate refusal is told from the loop, never from inside this call. It may have been closed by then, or given
      // another descriptor, perhaps of the same number; but not the same event.
      const { readEvent } = this;
      new Deferred(this.base, this.priority, () => {
        if (this.is(CONNECTING) && this.readEvent === readEvent) this.#connectFailed(result);
      }).schedule();
    }
  }

  /** A connect has begun that has no socket yet, since it first looks for an address. */
  protected lookupBegun(): void {
    this.mark(CONNECTING, true);
    this.mark(SENDING_FAILED, false);
    this.enabledBits |= EV_WRITE;
    this.streamBegun(true);
  }

  /** It has ended without a socket. */
  protected lookupFailed(error: SystemError): void {
    this.mark(CONNECTING | ENDS_WRITING, false);
    this.enabledBits &= ~EV_WRITE;
    this.mark(SENDING_FAILED, true);
    this.error = error;
    this.tell(BEV_EVENT_ERROR);
  }

  /** The socket says how it has ended. */
  protected override finishConnect(): void {
    const error = takeSocketError(this.socketFd);
    // Nothing was taken: the socket stays writable, and the next turn asks again.
    if (error === -EINTR!) return;
    if (error !== 0) return this.#connectFailed(error > 0 ? -error : error);
    this.mark(CONNECTING, false);
    this.watchWrite(false);
    this.update();
    this.tellConnected();
  }

  /** It has succeeded; what is queued now can be sent, and the end after that if it was asked for. */
  protected tellConnected(): void {
    this.tell(BEV_EVENT_CONNECTED);
    if (this.is(ENDS_WRITING)) this.endIfSent();
  }

  #connectFailed(result: number): void {
    this.giveUpSending();
    const facts = result === -ECONNREFUSED! ? { hint: "nobody listens there" } : {};
    this.error = systemError(result, "connect", "connect", facts);
    this.tell(BEV_EVENT_ERROR);
  }
}
