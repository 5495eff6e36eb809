import type { SecureLayer } from "../core/mod.ts";
import { hostField } from "./client_authority.ts";
import type { HttpClientConnectionOptions } from "./client_settings.ts";
import type { HttpClientOptions } from "./client_options.ts";
import type { ClientOrigin } from "./client_pool.ts";
import { pathOf, targetOf } from "./client_url.ts";
import type { ProxyOptions } from "./connector_options.ts";
import { HttpHeaders } from "./headers.ts";

/** How many proxies are told apart at a time. */
const PROXIES_MAX = 1000;

/** Where a request for a URL goes, and what its first line and its fields say because of that. */
export interface Route {
  readonly origin: ClientOrigin;
  /** The request target: a path, or a whole URL for a proxy (RFC 9112 section 3.2). */
  readonly target: string;
  /** What the Host field says. */
  readonly authority: string;
  /** The proxy that is asked directly, which takes fields of its own. */
  readonly asked: ProxyOptions | null;
}

/**
 * Finds the way to URLs: connections that may be shared have the same key.
 *
 * @internal
 */
export class Router {
  readonly #options: HttpClientOptions;
  readonly #connection: HttpClientConnectionOptions;
  readonly #proxyIds = new Map<string, number>();
  readonly #layerIds = new WeakMap<SecureLayer, number>();

  constructor(options: HttpClientOptions) {
    const { proxy: _proxy, tls: _tls, ...connection } = options;
    this.#options = options;
    this.#connection = { ...connection, idleKeepsLoop: options.idleKeepsLoop === true };
    if (options.tls !== undefined && options.tls.role !== "client") {
      throw new TypeError(`Cannot request over a secure layer whose role is "${options.tls.role}": "client" is needed`);
    }
  }

  /**
   * @throws {TypeError} for an https URL without a secure layer, and for a proxy whose host is none; {RangeError} for one whose port is none.
   */
  route(url: URL, unixPath: string | undefined): Route {
    const isSecure = url.protocol === "https:";
    const tls = isSecure ? this.#layer(url) : undefined;
    const target = targetOf(url);
    const authority = hostField(target, isSecure);
    const base = `${url.protocol}//${url.host}`;
    const direct = { target: pathOf(url), authority, asked: null };
    const options: HttpClientConnectionOptions = {
      ...this.#connection,
      ...(tls === undefined ? {} : { tls, tlsHostname: target.host }),
    };
    if (unixPath !== undefined) {
      return { ...direct, origin: { key: `${base} at ${unixPath}`, target: { unixPath }, options } };
    }
    const proxy = this.#proxyFor(url);
    if (proxy === null) return { ...direct, origin: { key: base, target, options } };
    const through = this.#idOf(proxy);
    if (isSecure || proxy.kind !== "http") {
      return { ...direct, origin: { key: `${base} by ${through}`, target, options: { ...options, proxy } } };
    }
    // A mistake is told to whoever makes it, and not when the connection is made, which may be much later, and for somebody else.
    hostField({ host: proxy.host, port: proxy.port }, proxy.tls !== undefined);
    const toProxy = { ...this.#connection, ...(proxy.tls === undefined ? {} : { tls: proxy.tls }) };
    return {
      origin: { key: `by ${through}`, target: { host: proxy.host, port: proxy.port }, options: toProxy },
      target: `${base}${pathOf(url)}`,
      authority,
      asked: proxy,
    };
  }

  #layer(url: URL): SecureLayer {
    const { tls } = this.#options;
    if (tls !== undefined) return tls;
    throw new TypeError(
      `Cannot request ${url.origin}: https takes a secure layer, given to the client as the option tls, such as TlsContext.client()`,
    );
  }

  #proxyFor(url: URL): ProxyOptions | null {
    const { proxy } = this.#options;
    return typeof proxy === "function" ? proxy(url) : proxy ?? null;
  }

  /** The same for proxies that are the same, since a function may make a new object each time. */
  #idOf(proxy: ProxyOptions): number {
    const { kind, host, port, credentials } = proxy;
    const { tls, headers } = proxy.kind === "http" ? proxy : {};
    const text = JSON.stringify([
      ...[kind, host, port, credentials?.user, credentials?.password],
      tls === undefined ? 0 : this.#layerId(tls),
      ...new HttpHeaders(headers),
    ]);
    let id = this.#proxyIds.get(text);
    // Those who make up new credentials each time meet none of them again.
    if (id === undefined && this.#proxyIds.size >= PROXIES_MAX) this.#proxyIds.clear();
    id ??= ++this.#lastId;
    this.#proxyIds.set(text, id);
    return id;
  }

  #layerId(layer: SecureLayer): number {
    const id = this.#layerIds.get(layer) ?? ++this.#lastId;
    this.#layerIds.set(layer, id);
    return id;
  }

  #lastId = 0;
}
