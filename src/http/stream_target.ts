import type { StreamTarget } from "./connector_options.ts";
import { isHost } from "./uri_grammar.ts";

/** A host as sockets want it: the address in brackets without them. */
export function addressOf(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

/** The host of a target; undefined for a Unix socket. */
export function hostOf(target: StreamTarget): string | undefined {
  return "unixPath" in target ? undefined : addressOf(target.host);
}

/**
 * Host and port as a CONNECT request and a Host field name them (RFC 9110 section 7.2): an address of IPv6 in brackets.
 *
 * @throws {TypeError} for a host that is none, so that nothing can be slipped into a request by it.
 */
export function authorityOf(host: string, port: number): string {
  const address = addressOf(host);
  const name = address.includes(":") ? `[${address}]` : address;
  if (name === "" || !isHost(name)) {
    throw new TypeError(`Cannot connect to ${JSON.stringify(host)}: it is neither a name nor an address`);
  }
  return `${name}:${port}`;
}
