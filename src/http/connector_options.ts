import type {
  AddressFamily,
  HostResolver,
  IpSocketAddress,
  SecureLayer,
  SocketBufferEventOptions,
} from "../core/mod.ts";
import type { HttpHeadersInit } from "./headers.ts";
import type { ProxyCredentials } from "./http_tunnel.ts";

/** Where to connect to: a host and port, or the path of a Unix socket. */
export type StreamTarget =
  | {
    /** A name, or an address; one of IPv6 with brackets or without, and with the number of an interface where it takes one (`fe80::1%2`). */
    readonly host: string;
    /** 1 to 65535. */
    readonly port: number;
  }
  | {
    /** The path of a Unix socket; a leading NUL makes it abstract (Linux). */
    readonly unixPath: string;
  };

/** A proxy to go through. Names are looked up by it, its own by us. */
export type ProxyOptions =
  | {
    /** Speaks HTTP, and is asked by CONNECT. */
    readonly kind: "http";
    /** Its name or address. */
    readonly host: string;
    /** Its port. */
    readonly port: number;
    /** Speak TLS with the proxy itself. */
    readonly tls?: SecureLayer | undefined;
    /** Whom to be let through as, by the Basic scheme. */
    readonly credentials?: ProxyCredentials | undefined;
    /** Further fields for the proxy: those of CONNECT, and of requests for `http:` URLs, which it is asked for directly. */
    readonly headers?: HttpHeadersInit | undefined;
  }
  | {
    /** Speaks SOCKS5 (RFC 1928). */
    readonly kind: "socks5";
    /** Its name or address. */
    readonly host: string;
    /** Its port. */
    readonly port: number;
    /** Whom to be let through as (RFC 1929). */
    readonly credentials?: ProxyCredentials | undefined;
  };

/** How a stream is opened. */
export interface ConnectorOptions {
  /** Speak TLS with the target. */
  readonly tls?: SecureLayer | undefined;
  /** The name that is sent to the target and verified; its host by default. */
  readonly tlsHostname?: string | undefined;
  /** Finds addresses of names. Literal addresses and "localhost" need none, nor do names that a proxy looks up. */
  readonly resolver?: HostResolver | undefined;
  /** Which addresses to use; "any" by default. */
  readonly family?: AddressFamily | undefined;
  /** The address of this side; port 0 for any. The system's choice by default. */
  readonly localAddress?: IpSocketAddress | undefined;
  /**
   * How long the whole way may take, lookup, proxy and TLS handshake included, in milliseconds; 45,000 by default, as in evhttp;
   * Infinity: for ever.
   */
  readonly connectTimeoutMs?: number | undefined;
  /** Goes through a proxy. */
  readonly proxy?: ProxyOptions | undefined;
  /** How the socket is made. */
  readonly connection?: SocketBufferEventOptions | undefined;
}
