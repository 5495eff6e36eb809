import { parseIpv4, parseIpv6 } from "../core/mod.ts";
import type { ProxyOptions, StreamTarget } from "./connector_options.ts";
import { HttpTunnel } from "./http_tunnel.ts";
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
  const address = addressOf(host);
  return new Socks5Way({ host: parseIpv4(address) ?? parseIpv6(address) ?? address, port }, proxy.credentials);
}
