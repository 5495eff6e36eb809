/**
 * What the library has to say besides errors: a few warnings where an error has nobody to go to, and notes for whoever hunts
 * a fault. Nothing of it is on a hot path, and a message is put together only when somebody is going to get it.
 *
 * @module
 */

/** A note for hunting faults; only after {@linkcode enableDebugLogging}. */
export const EVENT_LOG_DEBUG: number = 0;
/** Something that was asked for, such as what EVENT_SHOW_METHOD shows. */
export const EVENT_LOG_MSG: number = 1;
/** Something went wrong, and the program goes on. */
export const EVENT_LOG_WARN: number = 2;
/** Something went wrong for good. The library throws then, so nothing of it has this level; it is there for callbacks shared with C. */
export const EVENT_LOG_ERR: number = 3;

/** No debug notes. */
export const EVENT_DBG_NONE: number = 0;
/** All debug notes. */
export const EVENT_DBG_ALL: number = 0xffffffff;

/** Receives what is logged: the level, an EVENT_LOG_ number, and the message without a newline. */
export type LogCallback = (level: number, message: string) => void;

const prefixes = ["debug", "msg", "warn", "err"];
let callback: LogCallback = writeToStderr;
let debugMask = EVENT_DBG_NONE;

/** What C prints without a callback, in its form. */
function writeToStderr(level: number, message: string): void {
  console.error(`[${prefixes[level] ?? "???"}] ${message}`);
}

/**
 * Sends what this thread's part of the library logs to `receive` from now on (event_set_log_callback), or with null back to
 * the error output, where each line begins with its level: `[warn] ...`. A function that does nothing silences it.
 *
 * What `receive` throws reaches whoever caused the message, as if one of their own callbacks had thrown.
 *
 * @example
 * ```ts
 * import { EVENT_LOG_WARN, setLogCallback } from "@evbase/evbase";
 *
 * setLogCallback((level, message) => {
 *   if (level >= EVENT_LOG_WARN) console.error(new Date().toISOString(), message);
 * });
 * setLogCallback(null);
 * ```
 */
export function setLogCallback(receive: LogCallback | null): void {
  callback = receive ?? writeToStderr;
}

/**
 * Turns notes of level {@linkcode EVENT_LOG_DEBUG} on or off (event_enable_debug_logging). Which bits are set does not
 * matter, as in C: any of them turns all notes on.
 */
export function enableDebugLogging(mask: number = EVENT_DBG_ALL): void {
  debugMask = mask >>> 0;
}

/** @internal Whether debug notes are wanted: asked before one is put together. */
export function isDebugLogged(): boolean {
  return debugMask !== EVENT_DBG_NONE;
}

/** @internal Logs `message` if its level is wanted. */
export function log(level: number, message: string): void {
  if (level !== EVENT_LOG_DEBUG || isDebugLogged()) callback(level, message);
}
