import { BufferEvent } from "./bufferevent.ts";
import type { Chain } from "./chain.ts";
import * as facts from "./connection_state.ts";
import { sendMemory } from "./evbuffer_io.ts";
import { STAGE_BYTES } from "./output_stages.ts";

// As constants of this module V8 knows their values, which it would load each time from another one.
const { CLOSED, CLOSING, CONNECTING, IN_CALLBACK, SENDING, SENDING_FAILED, WRITE_WATCHED } = facts;

/** Of these facts only IN_CALLBACK may hold: then what is queued leaves when the callback ends, if not a little later. */
const STAGE_FACTS = IN_CALLBACK | CLOSED | CLOSING | CONNECTING | SENDING | SENDING_FAILED | WRITE_WATCHED;

/**
 * What a {@linkcode SocketBufferEvent} queues in a callback of its own, while nothing else waits, stands in a stage until it is sent:
 * to put it into the output and take it out again takes longer.
 */
export abstract class SocketStaging extends BufferEvent {
  /** The socket, or -1. */
  protected socketFd: number = -1;

  /** @internal */
  override reserveOutput(bytes: number): Chain {
    const { staged } = this;
    if (staged !== null) {
      if (staged.limit - staged.end >= bytes) return staged;
    } else if (bytes <= STAGE_BYTES && this.#mayStage()) {
      return this.staged = this.reactor.stages.take();
    }
    return super.reserveOutput(bytes);
  }

  /** Nothing waits, nobody is to hear of what is queued, and the callback is one of the loop's, which takes its stages back when it has run them. */
  #mayStage(): boolean {
    return (this.state & STAGE_FACTS) === IN_CALLBACK && this.reactor.running !== null && this.isOutputIdle;
  }

  /** @internal */
  override commitOutput(count: number): void {
    const { staged } = this;
    if (staged === null) super.commitOutput(count);
    else staged.end += count;
  }

  /**
   * Sends what is staged, if that may be sent at once; nothing else is queued then. Returns how many bytes the socket took, or `-errno`; what
   * it did not take is still staged.
   */
  protected sendStaged(staged: Chain): number {
    const length = staged.end - staged.start;
    if (length > this.writeMax) return 0;
    const sent = sendMemory(this.socketFd, staged);
    if (sent === length) {
      this.staged = null;
      this.reactor.stages.give(staged);
    } else if (sent > 0) {
      staged.start += sent;
    }
    return sent;
  }
}
