import { hostnameOf, matchesPattern } from "./host_name.ts";
import type { HttpRequest } from "./request.ts";
import type { HttpHandler } from "./server_options.ts";

/** How a handler is called. */
export interface RouteOptions {
  /**
   * Call it as soon as the head of a request has come, while its body is still to come: the handler reads that piece by piece.
   * False by default: the handler is called when `request.body` is complete.
   */
  readonly streamBody?: boolean | undefined;
}

/** A handler and how it is called. @internal */
export interface Route {
  readonly handler: HttpHandler;
  readonly streamBody: boolean;
}

interface VirtualHost {
  readonly pattern: string;
  readonly host: HttpHost;
}

/**
 * What answers for one or several names (libevent's virtual hosts): handlers by path and a general one, and more hosts inside
 * of it. An {@linkcode HttpServer} is one, for all names that no other host answers for.
 *
 * The name is that of the request: of the target of CONNECT, or of one that is a whole URI, else of the Host field, without the port.
 * Exact aliases go first, wherever they are; then the first pattern that matches leads to a host, and on into the hosts inside of
 * that one.
 *
 * @example
 * ```ts
 * import { EventBase, HttpHost, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => request.reply(200, "any other name"));
 * const host = server.addVirtualHost("*.example.com", new HttpHost((request) => request.reply(200, request.hostname)));
 * host.addAlias("example.com");
 * ```
 */
export class HttpHost {
  readonly #routes = new Map<string, Route>();
  #general: Route | undefined;
  readonly #hosts: VirtualHost[] = [];
  // In lower case.
  readonly #aliases: string[] = [];
  #parent: HttpHost | null = null;

  /**
   * Makes a host that nothing leads to yet.
   *
   * @param handler answers what no route does (evhttp_set_gencb).
   */
  constructor(handler?: HttpHandler, options?: RouteOptions) {
    this.setHandler(handler, options);
  }

  /** Sets the handler for what no route answers; undefined: 404 (evhttp_set_gencb). */
  setHandler(handler: HttpHandler | undefined, options: RouteOptions = {}): void {
    this.#general = handler === undefined ? undefined : { handler, streamBody: options.streamBody === true };
  }

  /**
   * Sets the handler for one path, compared with the percent-decoded path of the request, without its query (evhttp_set_cb).
   *
   * @throws {Error} when the path has one already.
   */
  route(path: string, handler: HttpHandler, options: RouteOptions = {}): void {
    if (this.#routes.has(path)) throw new Error(`Cannot route ${path}: it has a handler already`);
    this.#routes.set(path, { handler, streamBody: options.streamBody === true });
  }

  /** Takes a path's handler away; returns whether it had one (evhttp_del_cb). */
  unroute(path: string): boolean {
    return this.#routes.delete(path);
  }

  /**
   * Has another host answer for the names that match a pattern (evhttp_add_virtual_host).
   *
   * @param pattern a name in any case, in which each `*` stands for any characters, also for none and for dots.
   * @param host has handlers of its own; those of this one do not count for it.
   * @returns `host`.
   * @throws {Error} when `host` answers for names already, or is a server.
   */
  addVirtualHost(pattern: string, host: HttpHost = new HttpHost()): HttpHost {
    if (host.isTaken) throw new Error(`Cannot add a host for ${pattern}: it has its place already`);
    if (host === this || host.#contains(this)) {
      throw new Error(`Cannot add a host for ${pattern}: it would be inside of itself`);
    }
    host.#parent = this;
    this.#hosts.push({ pattern: pattern.toLowerCase(), host });
    return host;
  }

  /** Takes a host away again; returns whether it was one of ours (evhttp_remove_virtual_host). */
  removeVirtualHost(host: HttpHost): boolean {
    const at = this.#hosts.findIndex((each) => each.host === host);
    if (at < 0) return false;
    this.#hosts.splice(at, 1);
    host.#parent = null;
    return true;
  }

  /** Has this host answer for a name that is compared exactly, but for case (evhttp_add_server_alias). */
  addAlias(name: string): void {
    this.#aliases.push(name.toLowerCase());
  }

  /** Takes a name away; returns whether it was there (evhttp_remove_server_alias). */
  removeAlias(name: string): boolean {
    const at = this.#aliases.indexOf(name.toLowerCase());
    if (at >= 0) this.#aliases.splice(at, 1);
    return at >= 0;
  }

  /** @internal Whether it cannot be put anywhere. */
  protected get isTaken(): boolean {
    return this.#parent !== null;
  }

  /** @internal What answers a request; undefined: nothing does. */
  routeOf(request: HttpRequest): Route | undefined {
    const host = this.#hosts.length === 0 ? this : this.#hostOf(request);
    if (host.#routes.size === 0) return host.#general;
    return host.#routes.get(decodedPath(request.path)) ?? host.#general;
  }

  #contains(host: HttpHost): boolean {
    return this.#hosts.some((each) => each.host === host || each.host.#contains(host));
  }

  #hostOf(request: HttpRequest): HttpHost {
    const name = hostnameOf(request.head.host ?? "").toLowerCase();
    if (name === "") return this;
    return this.#findAlias(name) ?? this.#findPattern(name);
  }

  #findAlias(name: string): HttpHost | undefined {
    if (this.#aliases.includes(name)) return this;
    for (const { host } of this.#hosts) {
      const found = host.#findAlias(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #findPattern(name: string): HttpHost {
    const found = this.#hosts.find(({ pattern }) => matchesPattern(pattern, name));
    return found === undefined ? this : found.host.#findPattern(name);
  }
}

/** A malformed escape stays as it is, so that it matches no route but does no harm either. */
function decodedPath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
