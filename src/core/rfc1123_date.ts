/**
 * Dates as Internet messages write them (RFC 1123 section 5.2.14; HTTP's IMF-fixdate).
 *
 * @module
 */

let cachedSecond = -1;
let cachedText = "";

/** The time of day, such as `Sun, 06 Nov 1994 08:49:37 GMT`; made once a second. */
export function rfc1123DateNow(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== cachedSecond) {
    cachedText = rfc1123Date(second * 1000);
    cachedSecond = second;
  }
  return cachedText;
}

/**
 * A time in words (evutil_date_rfc1123). `toUTCString` is specified to give just that form, whatever the locale.
 *
 * @param milliseconds since 1970; fractions of a second are dropped
 * @throws {RangeError} for what is no time a `Date` can hold
 */
export function rfc1123Date(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) {
    throw new RangeError(`Cannot write ${milliseconds} as a date: it is no time in milliseconds since 1970`);
  }
  return date.toUTCString();
}
