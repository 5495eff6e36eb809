/** Bounds on what a peer may send, and the deviations from the RFC that an application may choose to live with. */

/** Bounds of one message. Every one has a safe default and an error code of its own. */
export interface HttpLimits {
  /** Longest method in bytes; a longer one is refused with 501. Default 32. */
  readonly maxMethodBytes: number;
  /** Longest request target in bytes; a longer one is refused with 414. Default 8192. */
  readonly maxTargetBytes: number;
  /**
   * Longest header section in bytes, line ends and the closing empty line included; more is refused with 431. Default
   * 32768.
   */
  readonly maxHeaderBytes: number;
  /** Most field lines in a header section, and in a trailer section; more is refused with 431. Default 100. */
  readonly maxHeaderCount: number;
  /**
   * Longest trailer section in bytes, line ends and the closing empty line included; more is refused with 431. Default
   * 8192.
   */
  readonly maxTrailerBytes: number;
  /** Longest body in bytes after the chunks are joined, or Infinity; more is refused with 413. Default 16 MiB. */
  readonly maxBodyBytes: number;
  /** Most bytes of chunk extensions in one message, semicolons included; more is refused with 413. Default 4096. */
  readonly maxChunkExtensionBytes: number;
  /** Most empty lines tolerated before a request line (RFC 9112 section 2.2); more is refused with 400. Default 4. */
  readonly maxLeadingEmptyLines: number;
  /** Longest reason phrase of a response in bytes. Default 1024. */
  readonly maxReasonBytes: number;
  /** Most interim responses (1xx) before the one that counts. Default 16. */
  readonly maxInterimResponses: number;
}

/**
 * Deviations from RFC 9112 that can be allowed one by one. All are off by default; each weakens the defence against
 * smuggling.
 */
export interface HttpLeniency {
  /**
   * Accepts a lone LF as the end of a line in heads and trailers (RFC 9112 section 2.2); never inside chunk framing.
   */
  readonly allowBareLf?: boolean;
  /**
   * Accepts a folded field line and joins it by one space (RFC 9112 section 5.2). The fields that decide framing and
   * routing (Host, Content-Length, Transfer-Encoding, Connection, Expect, Upgrade) may not be folded even then.
   */
  readonly allowObsFold?: boolean;
  /** Accepts an HTTP/1.1 request without a Host field (RFC 9112 section 3.2 asks for 400), and one that names no host. */
  readonly allowMissingHost?: boolean;
  /**
   * Accepts a request whose target, a whole URI or that of CONNECT, names another host than the Host field; the target's is then the
   * one that counts (RFC 9112 sections 3.2.2 and 3.3). Some clients behind a proxy put the proxy's name into Host.
   */
  readonly allowHostMismatch?: boolean;
}

/** The limits that hold when none are given. */
export const DEFAULT_HTTP_LIMITS: HttpLimits = Object.freeze({
  maxMethodBytes: 32,
  maxTargetBytes: 8192,
  maxHeaderBytes: 32768,
  maxHeaderCount: 100,
  maxTrailerBytes: 8192,
  maxBodyBytes: 16 * 1024 * 1024,
  maxChunkExtensionBytes: 4096,
  maxLeadingEmptyLines: 4,
  maxReasonBytes: 1024,
  maxInterimResponses: 16,
});

// Offsets stay small integers in both engines below this bound, which is what makes comparing them cheap.
const LARGEST_LIMIT = 0x3fff_ffff;

const resolved: WeakSet<HttpLimits> = new WeakSet([DEFAULT_HTTP_LIMITS]);

/**
 * Fills in the defaults and checks every value. The result is frozen and passes through unchanged when given again, so
 * a server resolves its limits once and hands the same object to every connection's parser.
 *
 * @throws {RangeError} when a limit is not a whole number between 0 (1 for methods and targets) and 2^30 - 1;
 * `maxBodyBytes` may go up to 2^53 - 1 or be Infinity.
 */
export function httpLimits(limits?: Partial<HttpLimits>): HttpLimits {
  if (limits === undefined) return DEFAULT_HTTP_LIMITS;
  if (resolved.has(limits as HttpLimits)) return limits as HttpLimits;
  const result: Record<keyof HttpLimits, number> = { ...DEFAULT_HTTP_LIMITS };
  for (const name of Object.keys(result) as (keyof HttpLimits)[]) {
    const value = limits[name];
    if (value === undefined) continue;
    const isBody = name === "maxBodyBytes";
    const lowest = name === "maxMethodBytes" || name === "maxTargetBytes" ? 1 : 0;
    const highest = isBody ? Number.MAX_SAFE_INTEGER : LARGEST_LIMIT;
    const valid = (Number.isInteger(value) && value >= lowest && value <= highest) ||
      (isBody && value === Infinity);
    if (!valid) {
      throw new RangeError(
        `Cannot set ${name} to ${value}: expected a whole number from ${lowest} to ${highest}`,
      );
    }
    result[name] = value;
  }
  const frozen: HttpLimits = Object.freeze(result);
  resolved.add(frozen);
  return frozen;
}
