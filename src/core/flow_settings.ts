import type { Watermark } from "./bufferevent_flow.ts";

/**
 * What somebody has set about a connection. Hardly any two connections of a server differ in it, so it never changes: each setting
 * gives another object, and the same settings made in the same order give the same one.
 *
 * @internal
 */
export interface FlowSettings {
  /** Watermarks of the input. */
  readonly readMark: Watermark;
  /** Watermarks of the output. */
  readonly writeMark: Watermark;
  /** Milliseconds without progress before a read times out; -1: no limit. */
  readonly readTimeoutMs: number;
  /** Milliseconds without progress before a write times out; -1: no limit. */
  readonly writeTimeoutMs: number;
  /** Most bytes that one read takes. */
  readonly readMax: number;
  /** Most bytes that are sent in one go. */
  readonly writeMax: number;
  /** Index of the queue of the loop; 0 is served first. */
  readonly priority: number;
}

/** Most bytes that one read takes. */
export const READ_MAX: number = 64 * 1024;
/** Most bytes that are sent in one go. */
export const WRITE_MAX: number = 256 * 1024;
const NO_MARK: Watermark = Object.freeze({ low: 0, high: 0 });

/** What holds until something is set. */
export const USUAL_SETTINGS: FlowSettings = Object.freeze({
  readMark: NO_MARK,
  writeMark: NO_MARK,
  readTimeoutMs: -1,
  writeTimeoutMs: -1,
  readMax: READ_MAX,
  writeMax: WRITE_MAX,
  priority: 0,
});

// From settings to those that were made of them last.
const successors = new WeakMap<FlowSettings, FlowSettings>();

/** `settings` with some of them changed. */
export function changeSettings(settings: FlowSettings, change: Partial<FlowSettings>): FlowSettings {
  const changed = { ...settings, ...change };
  if (areSame(changed, settings)) return settings;
  const last = successors.get(settings);
  if (last !== undefined && areSame(changed, last)) return last;
  successors.set(settings, changed);
  return changed;
}

function areSame(one: FlowSettings, other: FlowSettings): boolean {
  return one.readTimeoutMs === other.readTimeoutMs && one.writeTimeoutMs === other.writeTimeoutMs &&
    one.readMax === other.readMax && one.writeMax === other.writeMax && one.priority === other.priority &&
    isSameMark(one.readMark, other.readMark) && isSameMark(one.writeMark, other.writeMark);
}

function isSameMark(one: Watermark, other: Watermark): boolean {
  return one.low === other.low && one.high === other.high;
}
