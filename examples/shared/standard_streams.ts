/** Standard input, output and error beside a loop, without blocking it. */
import { isatty } from "node:tty";
import {
  EV_PERSIST,
  EV_READ,
  EV_WRITE,
  EvBuffer,
  type EventBase,
  type LoopEvent,
  setNonBlocking,
  SystemError,
} from "../../mod.ts";

/** What a blocking pipe or terminal takes without blocking once it is ready for writing: the unit of a pipe's room. */
const POLITE_BYTES_MAX = 4096;

/** Starts to wait; false for what cannot be waited for, such as a regular file, which is always ready. */
function watch(event: LoopEvent): boolean {
  try {
    event.add();
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "EPERM") return false;
    throw error;
  }
}

function isTransient(error: SystemError): boolean {
  return error.code === "EAGAIN" || error.code === "EINTR";
}

/** What is told of an input. */
export interface InputCallbacks {
  /** Bytes were added to the buffer. */
  received(): void;
  /** No more will come: the end was reached, or reading has failed. */
  ended(error: SystemError | null): void;
}

/** A descriptor that is read into a buffer while that is wanted. */
export class StandardInput {
  readonly fd: number;
  readonly #bytesMax: number;
  readonly #callbacks: InputCallbacks;
  readonly #event: LoopEvent;
  // Reads what is always ready, as much per turn as its owner has room for.
  readonly #again: LoopEvent;
  #buffer: EvBuffer | null = null;
  #canWait = true;
  #hasEnded = false;

  /** @param bytesMax most bytes per read. */
  constructor(base: EventBase, fd: number, bytesMax: number, callbacks: InputCallbacks) {
    this.fd = fd;
    this.#bytesMax = bytesMax;
    this.#callbacks = callbacks;
    this.#event = base.event(fd, EV_READ | EV_PERSIST, () => this.#read());
    this.#again = base.timer(() => this.#read());
  }

  /** Whether no more will come. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Reads into `buffer` from now on, until the end or {@linkcode StandardInput.pause}. */
  start(buffer: EvBuffer): void {
    if (this.#hasEnded || this.#buffer === buffer) return;
    this.#buffer = buffer;
    this.#canWait = watch(this.#event);
    if (!this.#canWait) this.#again.add(0);
  }

  /** Reads no further for the time being. */
  pause(): void {
    this.#buffer = null;
    this.#event.delete();
    this.#again.delete();
  }

  /** Takes what has come so far for all there is. */
  end(): void {
    this.#hasEnded = true;
    this.pause();
  }

  /** Reads no more. The descriptor stays open. */
  close(): void {
    this.end();
    this.#event.close();
    this.#again.close();
  }

  #read(): void {
    // What is always ready is read until there is enough of it, so that it leaves in large pieces.
    do this.#readOnce(this.#buffer!); while (this.#buffer !== null && !this.#canWait);
  }

  #readOnce(buffer: EvBuffer): void {
    const result = buffer.readFrom(this.fd, this.#bytesMax);
    if (result > 0) return this.#callbacks.received();
    const error = result === 0 ? null : new SystemError(-result, "read", "read standard input");
    if (error !== null && isTransient(error)) return;
    this.end();
    this.#callbacks.ended(error);
  }
}

/** What is told of an output. */
export interface OutputCallbacks {
  /** The buffer that was being written is empty. */
  drained(): void;
  /** Nobody takes the bytes any more. */
  failed(error: SystemError): void;
}

/** A descriptor that a buffer is written to, as fast as it takes it. */
export class StandardOutput {
  readonly fd: number;
  readonly #callbacks: OutputCallbacks;
  readonly #event: LoopEvent;
  readonly #canWait: boolean;
  readonly #isNonBlocking: boolean;
  #buffer: EvBuffer | null = null;

  constructor(base: EventBase, fd: number, callbacks: OutputCallbacks) {
    this.fd = fd;
    this.#callbacks = callbacks;
    this.#event = base.event(fd, EV_WRITE, () => this.#writeOn());
    this.#canWait = watch(this.#event);
    this.#event.delete();
    // Only then does it say how much it takes. A terminal belongs to whoever started this program, too, and is left alone.
    this.#isNonBlocking = this.#canWait && !isatty(fd) && setNonBlocking(fd) >= 0;
  }

  /** Writes what is in `buffer`, or goes on with it when more was added. */
  write(buffer: EvBuffer): void {
    this.#buffer = buffer;
    if (this.#event.pending(EV_WRITE) !== 0) return;
    if (this.#isNonBlocking) this.#writeOn();
    else if (this.#canWait) this.#event.add();
    else this.#writeAll();
  }

  /** Writes no more, and leaves the descriptor as programs expect to find it. */
  close(): void {
    this.#buffer = null;
    this.#event.close();
    if (this.#isNonBlocking) setNonBlocking(this.fd, false);
  }

  #writeOn(): void {
    const buffer = this.#buffer!;
    if (this.#isNonBlocking) { while (buffer.length > 0 && this.#writeOnce(buffer, Infinity)); }
    else this.#writeOnce(buffer, POLITE_BYTES_MAX);
    if (buffer.length === 0) this.#callbacks.drained();
    else if (this.#buffer !== null) this.#event.add();
  }

  /** Where nobody can be waited for, nobody makes us wait either. */
  #writeAll(): void {
    const buffer = this.#buffer!;
    while (buffer.length > 0 && this.#buffer !== null) this.#writeOnce(buffer, Infinity);
    if (this.#buffer !== null) this.#callbacks.drained();
  }

  /** Returns whether anything was written. */
  #writeOnce(buffer: EvBuffer, bytesMax: number): boolean {
    const result = buffer.writeTo(this.fd, bytesMax);
    if (result >= 0) return result > 0;
    const error = new SystemError(-result, "write", `write to descriptor ${this.fd}`);
    if (isTransient(error)) return false;
    this.#buffer = null;
    this.#callbacks.failed(error);
    return false;
  }
}

/** What may wait for a console that does not keep up; beyond that, lines are left out rather than the program delayed. */
const WAITING_BYTES_MAX = 64 * 1024;

/** Prints lines on standard error, which may be the same pipe as standard output and as slow. */
export class ErrorLines {
  readonly #waiting: EvBuffer = new EvBuffer();
  readonly #event: LoopEvent;

  constructor(base: EventBase) {
    this.#event = base.event(2, EV_WRITE, () => {
      this.#write(POLITE_BYTES_MAX);
      if (this.#waiting.length > 0) this.#event.add();
    });
  }

  /** Prints one line, as soon as that can be done without waiting. */
  print(line: string): void {
    if (this.#waiting.length > WAITING_BYTES_MAX) return;
    this.#waiting.add(`${line}\n`);
    if (!watch(this.#event)) this.#write(Infinity);
  }

  /** Prints what is left, waiting for it. */
  close(): void {
    this.#event.close();
    while (this.#waiting.length > 0) this.#write(Infinity);
    this.#waiting.close();
  }

  #write(bytesMax: number): void {
    const result = this.#waiting.writeTo(2, bytesMax);
    // Nobody reads it any more, which is no reason to stop.
    if (result < 0 && !isTransient(new SystemError(-result, "write", "print"))) this.#waiting.drain(Infinity);
  }
}
