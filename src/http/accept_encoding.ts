/** A content coding that replies can be sent in (RFC 9110 section 8.4.1). */
export type ContentCoding = "gzip" | "deflate" | "br";

// One element of the list, strictly as RFC 9110 sections 12.4.2 and 12.5.3 have it: a coding, and perhaps a weight.
const ELEMENT = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?$/;
/** Longer fields are not worth reading. */
const FIELD_CHARACTERS_MAX = 1024;

/**
 * Chooses how to encode a body (RFC 9110 section 12.5.3): the coding with the highest weight, of several with the same the one that is
 * offered first; null: not at all. A field that is malformed is taken for none, so that what cannot be decoded is never sent.
 *
 * @param field values of Accept-Encoding, joined; undefined without one.
 */
export function chooseCoding(field: string | undefined, offered: readonly ContentCoding[]): ContentCoding | null {
  const weights = field === undefined ? undefined : parseWeights(field);
  if (weights === undefined) return null;
  const others = weights.get("*");
  let best: ContentCoding | null = null;
  // What nobody mentions is as good as any coding that is, and any of those is better than none.
  let bestWeight = weights.get("identity") ?? 0;
  for (const coding of offered) {
    const weight = weights.get(coding) ?? (coding === "gzip" ? weights.get("x-gzip") : undefined) ?? others ?? 0;
    if (weight > 0 && (weight > bestWeight || (best === null && weight === bestWeight))) {
      best = coding;
      bestWeight = weight;
    }
  }
  return best;
}

/** Weights by coding in lower case; undefined when the field is malformed. */
function parseWeights(field: string): Map<string, number> | undefined {
  if (field.length > FIELD_CHARACTERS_MAX) return undefined;
  const weights = new Map<string, number>();
  for (const element of field.split(",")) {
    const text = element.replace(/^[ \t]+|[ \t]+$/g, "");
    if (text === "") continue;
    const match = ELEMENT.exec(text);
    if (match === null) return undefined;
    weights.set(match[1]!.toLowerCase(), Number(match[2] ?? 1));
  }
  return weights;
}
