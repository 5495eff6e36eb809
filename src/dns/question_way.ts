/**
 * How a question is asked. There is one object for each way, so that ways are the same if they are the same object.
 *
 * @internal
 */
export interface QuestionWay {
  /** Over TCP only. */
  readonly useTcp: boolean;
  /** Make do with cut answers. */
  readonly ignoreTruncation: boolean;
  /** Neither take the answer from the cache nor put it there. */
  readonly noCache: boolean;
  /** Ask whether the answer was verified, and believe it. */
  readonly authenticData: boolean;
  /** All of it as a number below 16. */
  readonly bits: number;
}

const WAYS: readonly QuestionWay[] = Array.from({ length: 16 }, (_, bits) => ({
  useTcp: (bits & 1) !== 0,
  ignoreTruncation: (bits & 2) !== 0,
  noCache: (bits & 4) !== 0,
  authenticData: (bits & 8) !== 0,
  bits,
}));

/** The way with these properties. @internal */
export function questionWay(
  useTcp: boolean,
  ignoreTruncation: boolean,
  noCache: boolean,
  authenticData: boolean,
): QuestionWay {
  return WAYS[(useTcp ? 1 : 0) | (ignoreTruncation ? 2 : 0) | (noCache ? 4 : 0) | (authenticData ? 8 : 0)]!;
}

/** What tells apart the questions about one name. @internal */
export function questionKind(type: number, way: QuestionWay): number {
  return type << 4 | way.bits;
}
