import { close, pipe, setPipeSize, splice } from "../ffi/mod.ts";
import { type EventBase, reactorOf } from "./event_base.ts";

/** What a pipe has room for, if the system grants it: the kernel counts pieces of a page or more, of which this makes 64. */
const PIPE_BYTES = 256 * 1024;

/** Empty pipes that are kept. A side that keeps up needs one for no longer than it takes to pass the bytes on. */
const KEPT_MAX = 4;

/** What holds bytes that have come from one socket and are to leave by another. */
export interface ByteCarrier {
  /** How many it holds. */
  readonly length: number;
  /** Takes at most `max` bytes from a socket; returns how many, 0 at the end of the stream, or `-errno`. */
  receiveFrom(fd: number, max: number): number;
  /** Hands a socket what it takes now; returns how many bytes, or `-errno`. */
  sendTo(fd: number): number;
}

/** A pipe through which bytes pass from socket to socket without ever being in our memory. */
export class KernelPipe implements ByteCarrier {
  /** How many bytes are in it. */
  length = 0;
  readonly #readFd: number;
  readonly #writeFd: number;

  private constructor(readFd: number, writeFd: number) {
    this.#readFd = readFd;
    this.#writeFd = writeFd;
  }

  /** A new one, or null where there are no more. */
  static open(): KernelPipe | null {
    const pair = new Int32Array(2);
    if (pipe(pair) < 0) return null;
    setPipeSize(pair[1]!, PIPE_BYTES);
    return new KernelPipe(pair[0]!, pair[1]!);
  }

  /** As {@linkcode ByteCarrier.receiveFrom}; `-EAGAIN` also when the pipe is full, which it may be with few bytes in it. */
  receiveFrom(fd: number, max: number): number {
    const count = splice(fd, this.#writeFd, max);
    if (count > 0) this.length += count;
    return count;
  }

  /** As {@linkcode ByteCarrier.sendTo}. */
  sendTo(fd: number): number {
    const count = splice(this.#readFd, fd, this.length);
    if (count > 0) this.length -= count;
    return count;
  }

  /** Closes it, with what is in it. */
  close(): void {
    close(this.#readFd);
    close(this.#writeFd);
  }
}

/** The empty pipes of a loop, kept for as long as somebody uses them. */
export class PipePool {
  static readonly #pools = new WeakMap<object, PipePool>();
  readonly #kept: KernelPipe[] = [];
  #userCount = 0;

  /** The pool of a loop, with one more user; see {@linkcode PipePool.leave}. */
  static join(base: EventBase): PipePool {
    const reactor = reactorOf(base);
    let pool = PipePool.#pools.get(reactor);
    if (pool === undefined) PipePool.#pools.set(reactor, pool = new PipePool());
    pool.#userCount++;
    return pool;
  }

  /** An empty pipe, or null where there are no more. */
  take(): KernelPipe | null {
    return this.#kept.pop() ?? KernelPipe.open();
  }

  /** Takes a pipe back. One that still holds something is closed, since nobody is to see another's bytes. */
  giveBack(pipe: KernelPipe): void {
    if (pipe.length === 0 && this.#kept.length < KEPT_MAX) this.#kept.push(pipe);
    else pipe.close();
  }

  /** There is one user less, who has given everything back. */
  leave(): void {
    if (--this.#userCount === 0) { for (const pipe of this.#kept.splice(0)) pipe.close(); }
  }
}
