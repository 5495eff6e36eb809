/**
 * Dates as HTTP writes and reads them (RFC 9110 section 5.6.7).
 *
 * @module
 */

import { rfc1123Date, rfc1123DateNow } from "../core/mod.ts";

/** The time of day as an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`; made once a second. */
export const httpDateNow: () => string = rfc1123DateNow;

/** A time in milliseconds since 1970 as an IMF-fixdate. */
export const httpDate: (milliseconds: number) => string = rfc1123Date;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const IMF = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const RFC850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/**
 * Reads a date in any of the three forms a recipient must accept.
 *
 * @returns milliseconds since 1970, or undefined for anything else, which HTTP asks to ignore.
 */
export function parseHttpDate(text: string): number | undefined {
  let match = IMF.exec(text);
  if (match !== null) return toMs(match[3]!, match[2]!, match[1]!, match[4]!, match[5]!, match[6]!);
  match = RFC850.exec(text);
  if (match !== null) return toMs(fullYear(Number(match[3])), match[2]!, match[1]!, match[4]!, match[5]!, match[6]!);
  match = ASCTIME.exec(text);
  if (match !== null) return toMs(match[6]!, match[1]!, match[2]!, match[3]!, match[4]!, match[5]!);
  return undefined;
}

/** A two-digit year that seems more than 50 years ahead is the most recent past one with these digits. */
function fullYear(twoDigits: number): string {
  const now = new Date().getUTCFullYear();
  const year = now - now % 100 + twoDigits;
  return String(year > now + 50 ? year - 100 : year);
}

function toMs(
  year: string,
  month: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
): number | undefined {
  const monthIndex = MONTHS.indexOf(month);
  const [y, d, h, m, s] = [Number(year), Number(day), Number(hour), Number(minute), Number(second)];
  if (monthIndex < 0 || d < 1 || h > 23 || m > 59 || s > 60) return undefined;
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  const day0 = new Date(0);
  day0.setUTCFullYear(y, monthIndex, d);
  // A day the month does not have would roll over into the next one.
  if (day0.getUTCMonth() !== monthIndex) return undefined;
  return day0.getTime() + ((h * 60 + m) * 60 + s) * 1000;
}
