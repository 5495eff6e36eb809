import type { StreamTarget } from "./connector_options.ts";
import { addressOf, authorityOf } from "./stream_target.ts";

/**
 * What the Host field says of a target (RFC 9110 section 7.2): without the port where that is the usual one, and "localhost" for a Unix
 * socket, which has no name.
 *
 * @throws {TypeError} for a host that is none.
 * @throws {RangeError} for a port that is none.
 */
export function hostField(target: StreamTarget, isSecure: boolean): string {
  if ("unixPath" in target) return "localhost";
  const { host, port } = target;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Cannot connect to port ${port} of ${host}: ports are 1 to 65535`);
  }
  // Which interface of ours an address belongs to is nothing to anybody else (RFC 9844 section 6).
  const address = addressOf(host).replace(/^([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)%\d+$/, "$1");
  const authority = authorityOf(address, port);
  const usual = isSecure ? 443 : 80;
  if (port !== usual) return authority;
  return address.includes(":") ? `[${address}]` : address;
}
