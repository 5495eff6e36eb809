import { os, shutdown, type SystemError, systemError } from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ, EV_WRITE } from "./constants.ts";
import type { EvBuffer } from "./evbuffer.ts";
import type { EventBase } from "./event_base.ts";
import { LoopEvent } from "./event.ts";
import type { ByteCarrier, KernelPipe, PipePool } from "./kernel_pipe.ts";
import { watch } from "./watch.ts";

/** A read that brings at least so much, and all that it may, is not likely to be the last. */
const MUCH = 4096;

const { SHUT_WR } = os.constants;
const { EAGAIN, EINTR, EINVAL, EIO, ENOSYS } = os.errno as Record<string, number>;

/** One way through a relay: from where, to where, and how. */
export interface RelayPath {
  /** The socket that is read. */
  readonly sourceFd: number;
  /** The socket that is written to. */
  readonly targetFd: number;
  /** What waits for the target already. */
  readonly waiting: EvBuffer;
  /** Most bytes that are taken from the source at a time. */
  readonly readMax: number;
  /** Most bytes that may wait for the target. */
  readonly waitingBytesMax: number;
  /** Index of the queue its events run in. */
  readonly priority: number;
}

/** What a direction tells. */
export interface RelayDirectionCallbacks {
  /** Bytes have passed, one way or the other. */
  progressed(): void;
  /** The source has ended, and the target was told so after the last byte. */
  done(): void;
  /** Nothing more can pass. */
  failed(error: Error): void;
}

/**
 * One direction of a {@linkcode SocketRelay}. A pipe is held only while there are bytes in it, so that connections that keep up share
 * a few; where there are no pipes, or a socket does not go with them, bytes pass through memory.
 */
export class RelayDirection {
  /** Bytes that the target has taken. */
  bytes = 0;
  readonly #base: EventBase;
  readonly #path: RelayPath;
  readonly #pool: PipePool;
  readonly #callbacks: RelayDirectionCallbacks;
  readonly #memory: EvBuffer;
  readonly #readEvent: LoopEvent;
  #writeEvent: LoopEvent | null = null;
  #pipe: KernelPipe | null = null;
  #usesMemory = false;
  #isReadWatched = false;
  #isWriteWatched = false;
  #hasEnded = false;
  // Not read until the target has taken some.
  #isHeld = false;
  #isClosed = false;

  /** Takes `path.waiting` over; passes nothing on before {@linkcode RelayDirection.start}. */
  constructor(base: EventBase, path: RelayPath, pool: PipePool, callbacks: RelayDirectionCallbacks) {
    this.#base = base;
    this.#path = path;
    this.#pool = pool;
    this.#callbacks = callbacks;
    this.#memory = path.waiting;
    this.#readEvent = this.#openEvent(path.sourceFd, EV_READ, () => this.#onReadable());
  }

  /** Bytes that wait for the target. */
  get waitingBytes(): number {
    return this.#carrier.length;
  }

  /** Whether the end of the source was passed on. */
  get isDone(): boolean {
    return this.#hasEnded && this.waitingBytes === 0;
  }

  /** Begins. */
  start(): void {
    this.#isHeld = this.waitingBytes >= this.#path.waitingBytesMax;
    this.#send();
  }

  /** Gives everything back but the sockets. */
  close(): void {
    this.#isClosed = true;
    this.#readEvent.close();
    this.#writeEvent?.close();
    this.#releasePipe();
    this.#memory.close();
  }

  #openEvent(fd: number, what: number, callback: () => void): LoopEvent {
    const event = new LoopEvent(this.#base, fd, what | EV_PERSIST, callback);
    event.level = this.#path.priority;
    return event;
  }

  /** What holds the bytes now. */
  get #carrier(): ByteCarrier {
    return this.#pipe ?? this.#memory;
  }

  #onReadable(): void {
    // What waits in memory leaves before what would go past it.
    if (this.#pipe === null && !this.#usesMemory && this.#memory.length === 0) this.#pipe = this.#pool.take();
    let count = this.#fill();
    if ((count === -EINVAL! || count === -ENOSYS!) && this.#pipe?.length === 0) {
      // Not every kind of socket can be spliced, nor does every system know the call.
      this.#usesMemory = true;
      this.#releasePipe();
      count = this.#fill();
    }
    if (count === 0) this.#hasEnded = true;
    else if (count < 0 && count !== -EAGAIN! && count !== -EINTR!) return this.#fail(count, "recv", "read from");
    const waiting = this.waitingBytes;
    // A pipe has room for a number of pieces, not of bytes. It says the same when it is full as when there is nothing to read.
    if (waiting >= this.#path.waitingBytesMax || (count === -EAGAIN! && waiting > 0)) this.#isHeld = true;
    this.#send();
  }

  /** Reads until there is no more, or enough waits: what was read together is sent together. Returns what the last read has said. */
  #fill(): number {
    const carrier = this.#carrier;
    const { sourceFd, readMax, waitingBytesMax } = this.#path;
    for (;;) {
      const room = Math.min(readMax, waitingBytesMax - carrier.length);
      if (room <= 0) return 1;
      const count = carrier.receiveFrom(sourceFd, room);
      if (count < room || count < MUCH) return count;
    }
  }

  #onWritable(): void {
    const before = this.waitingBytes;
    const rest = this.#passOn();
    if (rest < before && rest <= this.#path.waitingBytesMax / 2) this.#isHeld = false;
    this.#settle(rest);
  }

  #send(): void {
    this.#settle(this.#passOn());
  }

  /** Sends as much as the target takes. Returns how much is left, or -1 if the relay has failed or was closed. */
  #passOn(): number {
    const carrier = this.#carrier;
    const before = carrier.length;
    let failure: Error | null = null;
    try {
      while (carrier.length > 0) {
        const count = carrier.sendTo(this.#path.targetFd);
        if (count > 0) continue;
        // A pipe that has lost its bytes would be waited for without end.
        if (count !== -EAGAIN! && count !== -EINTR!) {
          failure = failureOf(count === 0 ? -EIO! : count, "send", "write to");
        }
        break;
      }
    } catch (error) {
      // What was queued by reference before may have been taken away since.
      failure = error instanceof Error ? error : new Error(String(error));
    }
    const rest = carrier.length;
    if (rest !== before) {
      this.bytes += before - rest;
      this.#callbacks.progressed();
    }
    // Whoever is told that a reference is needed no longer may close the relay.
    if (this.#isClosed) return -1;
    if (failure === null) return rest;
    this.#callbacks.failed(failure);
    return -1;
  }

  /** Watches for what is to be waited for when `rest` bytes are left, and passes the end on behind the last one. */
  #settle(rest: number): void {
    if (rest < 0) return;
    if (rest === 0) {
      this.#isHeld = false;
      this.#releasePipe();
    }
    if (!this.#watch(!this.#hasEnded && !this.#isHeld, rest > 0) || !this.isDone) return;
    // What it may fail with is heard of from the other direction.
    shutdown(this.#path.targetFd, SHUT_WR);
    this.#callbacks.done();
  }

  /** Returns whether it can. */
  #watch(reads: boolean, writes: boolean): boolean {
    let error: SystemError | null = null;
    if (reads !== this.#isReadWatched) {
      this.#isReadWatched = reads;
      error = watch(this.#readEvent, reads);
    }
    if (writes !== this.#isWriteWatched) {
      this.#isWriteWatched = writes;
      this.#writeEvent ??= this.#openEvent(this.#path.targetFd, EV_WRITE, () => this.#onWritable());
      error ??= watch(this.#writeEvent, writes);
    }
    if (error !== null) this.#callbacks.failed(error);
    return error === null;
  }

  #releasePipe(): void {
    if (this.#pipe === null) return;
    this.#pool.giveBack(this.#pipe);
    this.#pipe = null;
  }

  #fail(result: number, syscall: string, action: string): void {
    this.#callbacks.failed(failureOf(result, syscall, action));
  }
}

function failureOf(result: number, syscall: string, action: string): SystemError {
  return systemError(result, syscall, `${action} a relayed connection`);
}
