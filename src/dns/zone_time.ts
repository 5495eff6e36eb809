const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds from a text such as `3600`, or `1h30m` as most servers take it; undefined where it is none, or more than 2^31 - 1. @internal */
export function zoneSeconds(text: string): number | undefined {
  if (!/^(?:\d{1,10}[smhdw])*(?:\d{1,10})?$/i.test(text) || text === "") return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)) {
    seconds += Number(count) * UNITS[unit!]!;
  }
  return seconds <= 0x7fff_ffff ? seconds : undefined;
}
