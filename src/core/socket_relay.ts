import { close } from "../ffi/mod.ts";
import type { SocketBufferEvent } from "./bufferevent_socket.ts";
import { ConnectionError } from "./connection_error.ts";
import { Deferred } from "./deferred.ts";
import { EvBuffer } from "./evbuffer.ts";
import { reactorOf } from "./event_base.ts";
import { InactivityTimer } from "./inactivity_timer.ts";
import { PipePool } from "./kernel_pipe.ts";
import type { Reactor } from "./reactor.ts";
import { RelayDirection, type RelayPath } from "./relay_direction.ts";
import { setResetOnClose } from "./socket_options.ts";

/** What may wait for a side that does not keep up, unless told otherwise. */
const WAITING_BYTES_MAX = 256 * 1024;

/** How a {@linkcode SocketRelay} passes bytes on. */
export interface SocketRelayOptions {
  /** Bytes that may wait for a side that takes them slower than they come; the other side is not read meanwhile. 256 KiB by default. */
  readonly waitingBytesMax?: number | undefined;
  /** Fails after so many milliseconds in which nothing has passed in either direction; never by default. */
  readonly idleTimeoutMs?: number | undefined;
}

/**
 * Called when nothing more will pass, and both sockets are closed. `error` is null after both sides have ended; a {@linkcode SystemError},
 * or a {@linkcode ConnectionError} with code `TIMEOUT`, when it has failed.
 */
export type SocketRelayCallback = (error: Error | null, relay: SocketRelay) => void;

/**
 * Passes on what two connected sockets say to each other, and does so inside the kernel (`splice`, on Linux): no byte is copied into our
 * memory, which takes less than half the processor time of two connections that move their buffers. Elsewhere, and with sockets that
 * do not go with it, bytes pass through memory; nothing else is different.
 *
 * The end of one direction is passed on behind its last byte, and the other direction goes on. When one side fails, both are reset, so
 * that nobody takes half a stream for a whole one. libevent has nothing like it.
 *
 * @example
 * ```ts
 * import { BEV_EVENT_CONNECTED, EV_READ, EventBase, Listener, SocketBufferEvent, SocketRelay } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using echo = new Listener(base, { port: 0 }, (fd) => {
 *   const connection = new SocketBufferEvent(base, fd);
 *   connection.setCallbacks({ read: () => connection.writeBuffer(connection.input) });
 *   connection.enable(EV_READ);
 * });
 * using proxy = new Listener(base, { port: 0 }, (fd) => {
 *   const near = new SocketBufferEvent(base, fd);
 *   const far = new SocketBufferEvent(base, -1);
 *   far.setCallbacks({
 *     event: (what) => {
 *       if ((what & BEV_EVENT_CONNECTED) === 0) return near.close();
 *       new SocketRelay(near, far, { idleTimeoutMs: 60_000 }, (error) => {
 *         if (error !== null) console.error(error.message);
 *       });
 *     },
 *   });
 *   far.connect(echo.address);
 * });
 * using client = new SocketBufferEvent(base, -1);
 * client.setCallbacks({
 *   read: () => {
 *     console.log(client.input.takeText()); // there and back
 *     base.loopBreak();
 *   },
 * });
 * client.enable(EV_READ);
 * client.connect(proxy.address);
 * client.write("there and back");
 * base.dispatch();
 * ```
 */
export class SocketRelay implements Disposable {
  readonly #reactor: Reactor;
  readonly #pool: PipePool;
  readonly #fds: readonly [number, number];
  readonly #forth: RelayDirection;
  readonly #back: RelayDirection;
  readonly #timer: InactivityTimer;
  readonly #idleTimeoutMs: number;
  readonly #callback: SocketRelayCallback | undefined;
  readonly #starter: Deferred;
  #isClosed = false;

  /**
   * Takes the sockets of two connections over, which are closed by that as connections. What they have received already and what
   * they have queued is passed on first. Their `maxSingleRead` is what is read at a time, and what is read in one turn is sent together. Timeouts, watermarks and callbacks are given up with them.
   *
   * @param callback called once, from the loop, unless the relay is closed before.
   * @throws {TypeError} when one of them is not connected, both are the same, they live on different loops, or one obeys a rate limit.
   * @throws {RangeError} when an option is out of its range.
   */
  constructor(
    one: SocketBufferEvent,
    other: SocketBufferEvent,
    options: SocketRelayOptions = {},
    callback?: SocketRelayCallback,
  ) {
    const { waitingBytesMax = WAITING_BYTES_MAX, idleTimeoutMs } = options;
    check(one, other, waitingBytesMax, idleTimeoutMs);
    const { base } = one;
    this.#reactor = reactorOf(base);
    this.#reactor.assertOpen("relay");
    this.#callback = callback;
    this.#idleTimeoutMs = idleTimeoutMs ?? -1;
    this.#timer = new InactivityTimer(base, () => this.#timeOut());
    this.#pool = PipePool.join(base);
    const limitsOf = (
      { maxSingleRead, priority }: SocketBufferEvent,
    ): Pick<RelayPath, "readMax" | "priority" | "waitingBytesMax"> => ({
      readMax: maxSingleRead,
      priority,
      waitingBytesMax,
    });
    const [forth, back] = [limitsOf(one), limitsOf(other)];
    const [toOther, toOne] = [takeWaiting(one, other), takeWaiting(other, one)];
    const [oneFd, otherFd] = this.#fds = [one.takeFd(), other.takeFd()];
    const callbacks = {
      progressed: () => this.#timer.restart(),
      done: () => this.#directionDone(),
      failed: (error: Error) => this.#end(error),
    };
    this.#forth = new RelayDirection(
      base,
      { ...forth, sourceFd: oneFd, targetFd: otherFd, waiting: toOther },
      this.#pool,
      callbacks,
    );
    this.#back = new RelayDirection(
      base,
      { ...back, sourceFd: otherFd, targetFd: oneFd, waiting: toOne },
      this.#pool,
      callbacks,
    );
    this.#reactor.dependents.add(this);
    // From the loop, since it may end at once, and then calls back.
    this.#starter = new Deferred(base, forth.priority, () => this.#start());
    try {
      closeBoth(one, other);
    } catch (error) {
      // Nobody else has the sockets now.
      this.close();
      throw error;
    }
    this.#starter.schedule();
  }

  /** Whether nothing passes any more. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** How many bytes of the first connection the second one has taken, or the kernel for it. */
  get bytesForth(): number {
    return this.#forth.bytes;
  }

  /** How many bytes of the second connection the first one has taken. */
  get bytesBack(): number {
    return this.#back.bytes;
  }

  /** How many bytes were read and wait for either side; 0 after closing. */
  get waitingBytes(): number {
    return this.#isClosed ? 0 : this.#forth.waitingBytes + this.#back.waitingBytes;
  }

  /**
   * Closes both sockets at once and calls back no more; by a reset, since neither side has been told that it is the end. Closing twice is
   * harmless.
   */
  close(): void {
    this.#close(true);
  }

  /** Same as {@linkcode SocketRelay.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #start(): void {
    this.#timer.update(true, this.#idleTimeoutMs);
    this.#forth.start();
    if (!this.#isClosed) this.#back.start();
  }

  #directionDone(): void {
    if (this.#forth.isDone && this.#back.isDone) this.#end(null);
  }

  #timeOut(): void {
    this.#end(new ConnectionError("TIMEOUT", `Cannot relay: nothing has passed for ${this.#idleTimeoutMs} ms`));
  }

  #end(error: Error | null): void {
    try {
      this.#close(error !== null);
    } finally {
      this.#callback?.(error, this);
    }
  }

  #close(resets: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reactor.dependents.delete(this);
    this.#starter.cancel();
    this.#timer.close();
    try {
      // Somebody may throw who is given back memory that was queued by reference.
      closeBoth(this.#forth, this.#back);
    } finally {
      this.#pool.leave();
      for (const fd of this.#fds) {
        if (resets) setResetOnClose(fd, true);
        close(fd);
      }
    }
  }
}

function closeBoth(one: { close(): void }, other: { close(): void }): void {
  try {
    one.close();
  } finally {
    other.close();
  }
}

/** What `from` has received and what `to` was to send: all that goes before what is yet to be read. */
function takeWaiting(from: SocketBufferEvent, to: SocketBufferEvent): EvBuffer {
  const waiting = new EvBuffer();
  waiting.takeOver(to.output);
  waiting.takeOver(from.input);
  return waiting;
}

function check(
  one: SocketBufferEvent,
  other: SocketBufferEvent,
  waitingBytesMax: number,
  idleTimeoutMs: number | undefined,
): void {
  if (one === other) throw new TypeError("Cannot relay: both sides are the same connection");
  if (one.base !== other.base) throw new TypeError("Cannot relay: the connections live on different loops");
  for (const connection of [one, other]) {
    if (connection.closed || !connection.isConnected) throw new TypeError("Cannot relay: a side is not connected");
    if (connection.rateLimit !== null || connection.rateLimitGroup !== null) {
      throw new TypeError("Cannot relay: a side obeys a rate limit, which the kernel would not");
    }
  }
  if (!(Number.isSafeInteger(waitingBytesMax) && waitingBytesMax > 0)) {
    throw new RangeError(`Cannot relay: waitingBytesMax must be a number of bytes above zero, not ${waitingBytesMax}`);
  }
  if (idleTimeoutMs !== undefined && !(idleTimeoutMs > 0)) {
    throw new RangeError(`Cannot relay: idleTimeoutMs must be above zero, not ${idleTimeoutMs}`);
  }
}
