import type { HttpHeaders } from "./headers.ts";

/**
 * Fields that hold sums of a body as it is encoded (RFC 9530, and those before it): of a representation, too, its coding is a part (RFC 9110
 * section 8.1).
 */
export const DIGEST_FIELDS: readonly string[] = ["content-digest", "repr-digest", "digest", "content-md5"];

/** Takes them away, where what they are sums of is not what goes with them. */
export function dropDigests(fields: HttpHeaders | Headers): void {
  for (const name of DIGEST_FIELDS) fields.delete(name);
}
