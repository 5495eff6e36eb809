/** Connections that notice where they are about to differ from C's, and do nothing else. */
import type { BufferEvent } from "../../src/core/bufferevent.ts";
import { FilterBufferEvent, type FilterBufferEventOptions } from "../../src/core/bufferevent_filter.ts";
import { SocketBufferEvent, type SocketBufferEventOptions } from "../../src/core/bufferevent_socket.ts";
import {
  BEV_ERROR,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  EV_READ,
  EV_WRITE,
} from "../../src/core/constants.ts";
import { SUSPEND_BANDWIDTH } from "../../src/core/suspension.ts";
import type { Stage } from "./stage.ts";

/** A socket; `isPlain` when C's is left alone. */
export class WatchedSocket extends SocketBufferEvent {
  /** A connect has failed. */
  hasFailed = false;
  /** The timeouts that were set last. */
  times: readonly [number, number] = [-1, -1];
  /** Directions whose timeouts C has started anew without progress. */
  restarted = 0;
  readonly #stage: Stage;
  readonly #hasFilter: (under: BufferEvent) => boolean;
  readonly #isPlain: boolean;

  constructor(
    stage: Stage,
    hasFilter: (under: BufferEvent) => boolean,
    fd: number,
    options: SocketBufferEventOptions & { readonly isPlain: boolean },
  ) {
    super(stage.base(), fd, options);
    this.#stage = stage;
    this.#hasFilter = hasFilter;
    this.#isPlain = options.isPlain;
  }

  override suspend(directions: number, reason: number): void {
    const limit = this.rateLimit;
    if (reason === SUSPEND_BANDWIDTH && limit !== null && this.base.now() % limit.tickMs !== 0) {
      this.#stage.differ("an empty bucket is looked at when its tick begins");
    }
    super.suspend(directions, reason);
  }

  protected override callRead(defer: boolean = this.deferAll): void {
    if (defer && this.callbacks.read === undefined) this.#stage.differ("a deferred call waits for its callback");
    super.callRead(defer);
  }

  protected override callWrite(defer: boolean = this.deferAll): void {
    if (defer && this.callbacks.write === undefined) this.#stage.differ("a deferred call waits for its callback");
    super.callWrite(defer);
  }

  protected override tellEvent(what: number, defer: boolean): void {
    if (defer && this.callbacks.event === undefined) this.#stage.differ("a deferred call waits for its callback");
    if (!defer && this.callsPending) this.#stage.differ("an event waits for what came before it");
    if (what === (BEV_EVENT_ERROR | BEV_EVENT_WRITING) && this.error !== null) {
      this.#stage.differ("what cannot be sent is dropped");
    }
    if (what === BEV_EVENT_ERROR && this.error?.syscall === "connect") {
      this.hasFailed = true;
      if (this.#isPlain) this.#stage.differ("a connect that fails leaves nothing behind");
    }
    const direction = (what & BEV_EVENT_READING) !== 0 ? EV_READ : EV_WRITE;
    if ((what & BEV_EVENT_TIMEOUT) !== 0 && (this.restarted & direction) !== 0) {
      this.#stage.differ("only progress restarts a timeout");
    }
    const isEnd = (what & BEV_EVENT_EOF) !== 0 && (what & BEV_EVENT_READING) !== 0;
    if (isEnd && this.input.length > 0 && this.#hasFilter(this)) {
      this.#stage.differ("the end of the stream flushes the input transform");
    }
    super.tellEvent(what, defer);
  }
}

/** A filter. */
export class WatchedFilter extends FilterBufferEvent {
  readonly #stage: Stage;

  constructor(stage: Stage, underlying: BufferEvent, options: FilterBufferEventOptions) {
    const { input, output } = options;
    const watched = (transform: typeof input): typeof input =>
      transform && ((...facts) => {
        const result = transform(...facts);
        if (result === BEV_ERROR) stage.differ("a transform's error is told");
        return result;
      });
    super(underlying, { ...options, input: watched(input), output: watched(output) });
    this.#stage = stage;
  }

  protected override callRead(defer: boolean = this.deferAll): void {
    if (defer && !this.deferAll) this.#stage.differ("a filter calls back from the loop");
    super.callRead(defer);
  }

  protected override callWrite(defer: boolean = this.deferAll): void {
    if (defer && !this.deferAll) this.#stage.differ("a filter calls back from the loop");
    super.callWrite(defer);
  }

  protected override tellEvent(what: number, defer: boolean): void {
    if (!defer && this.callsPending) this.#stage.differ("an event waits for what came before it");
    super.tellEvent(what, defer);
  }
}
