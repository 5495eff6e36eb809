/** The host of `host[:port]`; an IPv6 address keeps its brackets, and a dot at the end of a name, which means the root, is cut off. */
export function hostnameOf(authority: string): string {
  const end = authority.startsWith("[") ? authority.indexOf("]") + 1 : authority.indexOf(":");
  const name = end <= 0 ? authority : authority.slice(0, end);
  return name.length > 1 && name.endsWith(".") ? name.slice(0, -1) : name;
}

/**
 * Whether a name matches a pattern in which `*` stands for any characters. Both are compared as they are. The time is bounded by the
 * product of the lengths, whatever the pattern: only the last `*` is ever tried again.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  let inPattern = 0;
  let inName = 0;
  let starAt = -1;
  let starName = 0;
  while (inName < name.length) {
    if (pattern[inPattern] === "*") {
      starAt = inPattern++;
      starName = inName;
    } else if (pattern[inPattern] === name[inName]) {
      inPattern++;
      inName++;
    } else if (starAt >= 0) {
      inPattern = starAt + 1;
      inName = ++starName;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === "*") inPattern++;
  return inPattern === pattern.length;
}
