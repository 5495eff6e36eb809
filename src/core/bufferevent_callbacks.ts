/**
 * What a {@linkcode BufferEvent} calls. All may close the connection they are called for. (Written as methods, so that a
 * `SocketBufferEvent` passes for a `BufferEvent`.)
 */
export interface BufferEventCallbacks<T> {
  /** The input holds at least the read low watermark, and something was added to it. */
  read?(connection: T): void;
  /** Something was sent, and the output is down to the write low watermark. */
  write?(connection: T): void;
  /** `what` is a `BEV_EVENT_` combination: connected, end of stream, error or timeout. */
  event?(what: number, connection: T): void;
}

/** What can go wrong with a connection: a {@linkcode SystemError}, or what a protocol such as TLS has to say. */
export interface ConnectionFailure extends Error {
  /** What happened, the same on every system: the thing to compare. */
  readonly code: string;
  /** The errno number of a {@linkcode SystemError}. */
  readonly errno?: number;
  /** The C function that a {@linkcode SystemError} is about. */
  readonly syscall?: string;
}

/** Takes bytes past the input buffer: protocol code that parses them where they lie. */
export interface ByteSink {
  /**
   * Receives `bytes[start..end)`. They are never overwritten, so offsets into them may be kept for as long as the bytes
   * are referred to; unless {@linkcode ByteSink.keepsNothing}.
   */
  receive(bytes: Uint8Array, start: number, end: number): void;
  /**
   * Whether nothing is kept of what was received last; looked at after each {@linkcode ByteSink.receive}. Then the memory is used for
   * what comes next, where otherwise it would soon be new memory, which has to be zeroed and brought into the cache. False by default.
   */
  readonly keepsNothing?: boolean | undefined;
  /**
   * Whether what is queued while it receives may leave together with what other connections queue in the next callbacks: as many of them as
   * have taken less than 0.2 ms lately, eight at most. A server that answers at once is cheaper by that. False by default.
   */
  readonly sendsTogether?: boolean | undefined;
  /** The connection is closed, by whomever; what was queued and has not left is still in its output. */
  connectionClosed?(): void;
}

/** How a callback is called that nothing has happened for, see {@linkcode BufferEvent.trigger}. */
export interface TriggerOptions {
  /** Call whatever the watermarks say (BEV_TRIG_IGNORE_WATERMARKS). */
  readonly ignoreWatermarks?: boolean | undefined;
  /** Call from the loop, not from inside this call (BEV_TRIG_DEFER_CALLBACKS). */
  readonly defer?: boolean | undefined;
}

/** How all kinds of connection are made. */
export interface BufferEventOptions {
  /**
   * Call back from the loop, never from inside what caused it; then a callback need not expect that a call of its own has it
   * called again (BEV_OPT_DEFER_CALLBACKS). A {@linkcode ByteSink} is served at once all the same.
   */
  readonly deferCallbacks?: boolean | undefined;
}
