import type { StreamTarget } from "./connector_options.ts";
import { addressOf, authorityOf } from "./stream_target.ts";

/**
 * What the Host field says of a target (RFC 9110 section 7.2): without the port where that is the usual one, and "localhost" for a Unix
 * socket, which has no name.
 *
 * @throws {TypeError} for a host that is none.
 */
export function hostField(target: StreamTarget, isSecure: boolean): string {
  if ("unixPath" in target) return "localhost";
  const authority = authorityOf(target.host, target.port);
  const usual = isSecure ? 443 : 80;
  if (target.port !== usual) return authority;
  const address = addressOf(target.host);
  return address.includes(":") ? `[${address}]` : address;
}
