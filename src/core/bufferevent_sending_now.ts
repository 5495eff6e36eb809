import { type Address, os, sendAt } from "../ffi/mod.ts";
import { SocketConnecting } from "./bufferevent_connecting.ts";
import { CLOSED, CONNECTING, SENDING, WRITE_WATCHED } from "./connection_state.ts";

const { EAGAIN, EINTR } = os.errno as Record<string, number>;
const { MSG_NOSIGNAL } = os.constants;

/** Fewer bytes are copied in less time than it takes to send what is queued before them on their account. */
const COPIED_MAX = 32 * 1024;
/** With so much before them in the queue, most of them would have to be copied after all. */
const BEFORE_MAX = 4096;

/**
 * What a {@linkcode SocketBufferEvent} sends at once, from memory that its owner has back when the call returns, instead of copying it for
 * later. That something has left, or that the kernel has refused it, is told when what is queued would have been sent.
 */
export abstract class SocketSendingNow extends SocketConnecting {
  /**
   * @internal Sends memory that only the caller sees, without a buffer in between, where nothing is queued and nothing stands in the
   * way; returns how many of the bytes the kernel has taken. The rest is to be queued.
   */
  sendNow(address: Address, length: number): number {
    // Nor past those who want to hear of all that is queued.
    if (!this.#maySend() || this.outputLength > 0) return 0;
    return this.#sentNow(sendAt(this.socketFd, address, Math.min(length, this.writeMax), MSG_NOSIGNAL));
  }

  /** @internal As {@linkcode BufferEvent.writeCopy}; of many bytes only those are copied that do not leave at once. */
  override writeCopy(bytes: Uint8Array): void {
    const { output } = this;
    if (bytes.length <= COPIED_MAX || output.length > BEFORE_MAX || !this.#maySend()) return output.add(bytes);
    output.addReference(bytes);
    output.unfreezeFront();
    try {
      this.#sentNow(output.sendTo(this.socketFd, this.writeMax));
    } finally {
      output.freezeFront();
      output.ownLast(bytes);
    }
  }

  /** Whether nothing stands in the way of what is sent now, and nobody wants to hear of all that is queued. */
  #maySend(): boolean {
    if (this.is(SENDING | CONNECTING | WRITE_WATCHED | CLOSED) || this.socketFd < 0 || !this.writeRuns) return false;
    const { rates, failureAhead } = this.needExtras();
    return rates === null && failureAhead === 0 && !this.output.hasCallbacks;
  }

  /** Notes what a system call has said; returns how many bytes it took. */
  #sentNow(result: number): number {
    const extras = this.needExtras();
    // The kernel would say something else the second time.
    if (result < 0 && result !== -EAGAIN! && result !== -EINTR!) extras.failureAhead = result;
    if (result <= 0) return 0;
    extras.sentAhead += result;
    this.flushSoon();
    return result;
  }
}
