/** Bounds of what the other side may send in one message. Every one has a safe default and an error code of its own. */
export interface WebSocketLimits {
  /** Longest payload of one frame in bytes, as it comes; 1009 and `WS_FRAME_TOO_LARGE`. 16 MiB by default. */
  readonly maxFrameBytes: number;
  /** Longest message in bytes, as it comes and decompressed; 1009 and `WS_MESSAGE_TOO_LARGE`. 16 MiB by default. */
  readonly maxMessageBytes: number;
  /** Most frames of one message; 1008 and `WS_TOO_MANY_FRAGMENTS`. 65,536 by default. */
  readonly maxFragments: number;
}

/** The limits that hold when none are given. */
export const DEFAULT_WEBSOCKET_LIMITS: WebSocketLimits = Object.freeze({
  maxFrameBytes: 16 * 1024 * 1024,
  maxMessageBytes: 16 * 1024 * 1024,
  maxFragments: 65_536,
});

/** A message is one array or string in the end, which no engine makes larger. */
const LARGEST_LIMIT = 2 ** 31 - 1;

const resolved: WeakSet<WebSocketLimits> = new WeakSet([DEFAULT_WEBSOCKET_LIMITS]);

/**
 * Fills in the defaults and checks every value. The result passes through unchanged when it is given again, so that sessions can
 * share it.
 *
 * @throws {RangeError} when a limit is not a whole number from 1 to 2^31 - 1.
 */
export function webSocketLimits(limits?: Partial<WebSocketLimits>): WebSocketLimits {
  if (limits === undefined) return DEFAULT_WEBSOCKET_LIMITS;
  if (resolved.has(limits as WebSocketLimits)) return limits as WebSocketLimits;
  const result: Record<keyof WebSocketLimits, number> = { ...DEFAULT_WEBSOCKET_LIMITS };
  for (const name of Object.keys(result) as (keyof WebSocketLimits)[]) {
    const value = limits[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 1 || value > LARGEST_LIMIT) {
      throw new RangeError(`Cannot set ${name} to ${value}: expected a whole number from 1 to ${LARGEST_LIMIT}`);
    }
    result[name] = value;
  }
  const frozen: WebSocketLimits = Object.freeze(result);
  resolved.add(frozen);
  return frozen;
}
