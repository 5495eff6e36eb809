/** What a complete head means: which combinations of fields are refused, and what follows for the connection. */
import {
  FACT_BAD_CODING,
  FACT_CHUNKED,
  FACT_CLOSE,
  FACT_CODED,
  FACT_EXPECT_CONTINUE,
  FACT_EXPECT_OTHER,
  FACT_HOST,
  FACT_KEEP_ALIVE,
  FACT_LENGTH,
  FACT_OTHER_CODING,
  FACT_UPGRADE,
  FACT_UPGRADE_OPTION,
} from "./framing.ts";
import {
  HEAD_ABSOLUTE,
  HEAD_EXPECT_CONTINUE,
  HEAD_EXPECT_UNKNOWN,
  HEAD_KEEP_ALIVE,
  HEAD_UPGRADE,
} from "./request_text.ts";
import type { HttpLimits } from "./limits.ts";
import type { HttpParseErrorCode } from "./parse_error.ts";

// Two spaces, "HTTP/1.1" and CR LF.
const REQUEST_LINE_REST = 12;

/** Why a head with these `FACT_*` bits must be refused, or undefined. */
export function headFault(
  facts: number,
  versionMinor: number,
  requireHost: boolean,
): HttpParseErrorCode | undefined {
  if ((facts & FACT_HOST) === 0 && versionMinor !== 0 && requireHost) {
    return "HTTP_MISSING_HOST";
  }
  return codingFault(facts, versionMinor);
}

/** Why the framing that these `FACT_*` bits stand for must be refused, or undefined. */
export function codingFault(facts: number, versionMinor: number): HttpParseErrorCode | undefined {
  if ((facts & FACT_CODED) === 0) return undefined;
  if ((facts & FACT_LENGTH) !== 0) return "HTTP_LENGTH_AND_CHUNKED";
  const wellFormed = (facts & (FACT_CHUNKED | FACT_BAD_CODING)) === FACT_CHUNKED;
  if (versionMinor === 0 || !wellFormed) return "HTTP_BAD_TRANSFER_ENCODING";
  return (facts & FACT_OTHER_CODING) === 0 ? undefined : "HTTP_UNSUPPORTED_TRANSFER_ENCODING";
}

/** The sum of `HEAD_*` bits that follows from the `FACT_*` bits and the version. */
export function headFlags(
  facts: number,
  versionMinor: number,
  absolute: boolean,
): number {
  let flags = absolute ? HEAD_ABSOLUTE : 0;
  const stays = versionMinor !== 0 || (facts & FACT_KEEP_ALIVE) !== 0;
  if (stays && (facts & FACT_CLOSE) === 0) flags |= HEAD_KEEP_ALIVE;
  // Most heads hold none of what follows, and HTTP/1.0 knows none of it.
  if (versionMinor === 0 || (facts & RARE_FACTS) === 0) return flags;
  if ((facts & FACT_EXPECT_CONTINUE) !== 0) flags |= HEAD_EXPECT_CONTINUE;
  if ((facts & FACT_EXPECT_OTHER) !== 0) flags |= HEAD_EXPECT_UNKNOWN;
  if ((facts & UPGRADE_FACTS) === UPGRADE_FACTS) flags |= HEAD_UPGRADE;
  return flags;
}

/** A length no acceptable head exceeds, in bytes. */
export function longestHead(limits: HttpLimits): number {
  return limits.maxMethodBytes + limits.maxTargetBytes + REQUEST_LINE_REST +
    limits.maxHeaderBytes;
}

const UPGRADE_FACTS = FACT_UPGRADE | FACT_UPGRADE_OPTION;
const RARE_FACTS = FACT_EXPECT_CONTINUE | FACT_EXPECT_OTHER | UPGRADE_FACTS;
