import type { DeflateOptions } from "./deflate_parameters.ts";
import type { WebSocketLimits } from "./limits.ts";
import type { WebSocketSession } from "./session.ts";
import type { WebSocketError } from "./ws_error.ts";

/** What a message is: text, or bytes in memory that is the receiver's to keep. */
export type WebSocketMessage = string | Uint8Array;

/** How a session has ended. */
export interface WebSocketClose {
  /** The close code: the other side's, 1005 if it sent none, or 1006 if the connection ended without a close frame; after a fault ours. */
  readonly code: number;
  /** The reason that came with it. */
  readonly reason: string;
  /** Whether the close frames of both sides have left, with all that was before them, and neither has broken the protocol. */
  readonly wasClean: boolean;
}

/** What a session calls. All may close the session they are called for. (Written as methods, so that each may take less.) */
export interface WebSocketCallbacks {
  /** A message is complete. Without this callback messages wait to be iterated over, and reading stops when they are many. */
  message?(data: WebSocketMessage, session: WebSocketSession): void;
  /** The session is over and its connection closed; called once, and last of all. */
  close?(code: number, reason: string, wasClean: boolean, session: WebSocketSession): void;
  /** Why a session ends that does not end well; `close` follows. */
  error?(error: WebSocketError, session: WebSocketSession): void;
  /** A ping has come, and is being answered. */
  ping?(data: Uint8Array, session: WebSocketSession): void;
  /** A pong has come. */
  pong?(data: Uint8Array, session: WebSocketSession): void;
  /** Everything sent has left, after more than `highWaterBytes` had been waiting. */
  drain?(session: WebSocketSession): void;
}

/** Looking after the other side by pings. */
export interface HeartbeatOptions {
  /** Every so many milliseconds the other side is sent a ping if nothing came from it meanwhile: after up to twice as long without anything. */
  readonly intervalMs: number;
  /**
   * Milliseconds it then has for anything at all, before the connection is cut; as long as the interval by default. That it takes what waits
   * before the ping will do.
   */
  readonly timeoutMs?: number | undefined;
}

/** How a session behaves. */
export interface WebSocketSessionOptions extends WebSocketCallbacks {
  /** Bounds of what the other side may send; see {@linkcode WebSocketLimits} for the defaults. */
  readonly limits?: Partial<WebSocketLimits> | undefined;
  /** Bytes that may wait to be sent when another message is added; 16 MiB by default. */
  readonly maxOutputBytes?: number | undefined;
  /** What becomes of a message beyond that: the connection is cut (by default), or the message is left out and `-1` returned. */
  readonly outputPolicy?: "disconnect" | "drop" | undefined;
  /** Waiting bytes after which `drain` tells that they have left; 64 KiB by default. */
  readonly highWaterBytes?: number | undefined;
  /**
   * How long the other side may take to answer a close frame and end the connection, in milliseconds; 10 s by default. The time runs from when
   * the close frame has left. Before that, 16 KiB of what waits have to leave within this time or `writeTimeoutMs`, whichever is longer and
   * has an end.
   */
  readonly closeTimeoutMs?: number | undefined;
  /** How long it may take none of what is sent, in milliseconds; 30 s by default, Infinity for ever. */
  readonly writeTimeoutMs?: number | undefined;
  /** Pings to find out whether the other side is still there; none by default. */
  readonly heartbeat?: HeartbeatOptions | undefined;
  /** Whether pings are answered; true by default. */
  readonly autoPong?: boolean | undefined;
  /** Compression of messages, if the other side knows it (RFC 7692); none by default. */
  readonly deflate?: boolean | DeflateOptions | undefined;
}

/** The numbers of a session's options, checked. */
export interface SessionSettings {
  readonly maxOutputBytes: number;
  readonly dropsOutput: boolean;
  readonly highWaterBytes: number;
  readonly closeTimeoutMs: number;
  readonly writeTimeoutMs: number;
  /** Infinity: no heartbeat. */
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly autoPong: boolean;
}

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const HIGH_WATER_BYTES = 64 * 1024;
const CLOSE_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 30_000;

// Those that were asked for last. Hardly any two sessions of a program differ in them, and what all share stays in the processor's first cache.
let newest: SessionSettings | null = null;

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} for what is no number above zero, {TypeError} for an `outputPolicy` that is none.
 */
export function sessionSettings(options: WebSocketSessionOptions): SessionSettings {
  const { heartbeat } = options;
  const heartbeatMs = positive("heartbeat.intervalMs", heartbeat?.intervalMs ?? Infinity);
  const settings: SessionSettings = {
    maxOutputBytes: positive("maxOutputBytes", options.maxOutputBytes ?? OUTPUT_BYTES_MAX),
    dropsOutput: drops(options.outputPolicy ?? "disconnect"),
    highWaterBytes: positive("highWaterBytes", options.highWaterBytes ?? HIGH_WATER_BYTES),
    closeTimeoutMs: positive("closeTimeoutMs", options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS),
    writeTimeoutMs: positive("writeTimeoutMs", options.writeTimeoutMs ?? WRITE_TIMEOUT_MS),
    heartbeatMs,
    heartbeatTimeoutMs: positive("heartbeat.timeoutMs", heartbeat?.timeoutMs ?? heartbeatMs),
    autoPong: options.autoPong !== false,
  };
  if (newest === null || !areSame(settings, newest)) newest = settings;
  return newest;
}

function areSame(one: SessionSettings, other: SessionSettings): boolean {
  return one.maxOutputBytes === other.maxOutputBytes && one.dropsOutput === other.dropsOutput &&
    one.highWaterBytes === other.highWaterBytes && one.closeTimeoutMs === other.closeTimeoutMs &&
    one.writeTimeoutMs === other.writeTimeoutMs && one.heartbeatMs === other.heartbeatMs &&
    one.heartbeatTimeoutMs === other.heartbeatTimeoutMs && one.autoPong === other.autoPong;
}

function drops(policy: string): boolean {
  if (policy === "drop" || policy === "disconnect") return policy === "drop";
  throw new TypeError(`Cannot set outputPolicy to ${JSON.stringify(policy)}: expected "disconnect" or "drop"`);
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`Cannot set ${name} to ${value}: expected a number above zero`);
  return value;
}
