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
  /** All of it as a number below eight. */
  readonly bits: number;
}

const WAYS: readonly QuestionWay[] = Array.from({ length: 8 }, (_, bits) => ({
  useTcp: (bits & 1) !== 0,
  ignoreTruncation: (bits & 2) !== 0,
  noCache: (bits & 4) !== 0,
  bits,
}));

/** The way with these properties. @internal */
export function questionWay(useTcp: boolean, ignoreTruncation: boolean, noCache: boolean): QuestionWay {
  return WAYS[(useTcp ? 1 : 0) | (ignoreTruncation ? 2 : 0) | (noCache ? 4 : 0)]!;
}

/** What tells apart the questions about one name. @internal */
export function questionKind(type: number, way: QuestionWay): number {
  return type << 3 | way.bits;
}
