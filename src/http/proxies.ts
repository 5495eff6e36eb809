import { parseIpv4, parseIpv6 } from "../core/mod.ts";
import type { ProxyOptions, StreamTarget } from "./connector_options.ts";
import { HttpHeaders } from "./headers.ts";
import { basicCredentials, HttpTunnel } from "./http_tunnel.ts";
import type { ProxyWay } from "./proxy_way.ts";
import { Socks5Way } from "./socks5.ts";
import { addressOf, authorityOf } from "./stream_target.ts";

/**
 * The way to a target through a proxy.
 *
 * @throws {TypeError} for a target that a proxy cannot be asked for, credentials or fields that cannot be sent.
 * @throws {RangeError} for a port or a length that is none.
 */
export function proxyWay(proxy: ProxyOptions, target: StreamTarget): ProxyWay {
  if ("unixPath" in target) throw new TypeError("Cannot connect to a Unix socket through a proxy");
  const { host, port } = target;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`Cannot connect to port ${port} of ${host}: ports are 1 to 65535`);
  }
  const authority = authorityOf(host, port);
  if (proxy.kind === "http") return new HttpTunnel(authority, proxy.credentials, proxy.headers);
  if (proxy.kind !== "socks5") {
    throw new TypeError(`Cannot connect through a proxy of the kind ${JSON.stringify((proxy as ProxyOptions).kind)}`);
  }
  const address = addressOf(host);
  return new Socks5Way({ host: parseIpv4(address) ?? parseIpv6(address) ?? address, port }, proxy.credentials);
}

/** Adds what an HTTP proxy is told that is asked for a whole URL: its own fields where the request has none of the same name. */
export function addProxyFields(fields: HttpHeaders, proxy: ProxyOptions): void {
  const own = new HttpHeaders(proxy.kind === "http" ? proxy.headers : undefined);
  for (const [name] of fields) own.delete(name);
  for (const [name, value] of own) fields.add(name, value);
  if (proxy.credentials !== undefined) fields.set("Proxy-Authorization", basicCredentials(proxy.credentials));
}
