/**
 * Compares two texts with the letters A to Z and a to z taken for the same, whatever the locale (evutil_ascii_strcasecmp and,
 * with `charactersMax`, evutil_ascii_strncasecmp). Other letters are themselves: lower-casing by Unicode would take the
 * Kelvin sign for a `k`, and let a name that a protocol does not know pass for one that it does.
 *
 * @param charactersMax compare no more than so many characters; all by default.
 * @returns 0 when they are equal, a negative number when `one` comes first, a positive one when `other` does.
 */
export function compareAsciiIgnoreCase(one: string, other: string, charactersMax: number = Infinity): number {
  const end = Math.min(charactersMax, Math.max(one.length, other.length));
  for (let index = 0; index < end; index++) {
    // A text that has ended comes before one that goes on.
    const difference = lowerUnit(one, index) - lowerUnit(other, index);
    if (difference !== 0) return difference;
  }
  return 0;
}

function lowerUnit(text: string, index: number): number {
  if (index >= text.length) return -1;
  const unit = text.charCodeAt(index);
  return unit >= 65 && unit <= 90 ? unit + 32 : unit;
}
