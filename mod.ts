/**
 * evbase: an event notification library for Deno and Bun, after libevent, on direct FFI.
 *
 * @example A server in ten lines
 * ```ts
 * import { EventBase, HttpServer } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * using server = new HttpServer(base, {}, (request) => {
 *   request.reply(200, `Hello, ${request.remoteAddress?.family} client!\n`);
 * });
 * const { port } = server.listen({ port: 0 });
 * console.log(`listening on http://127.0.0.1:${port}`);
 * base.loopExit(100); // A real server leaves this out.
 * await base.run();
 * ```
 *
 * @module
 */

export * from "./src/core/mod.ts";
export * from "./src/http/mod.ts";
export * from "./src/tls/mod.ts";
export * from "./src/dns/mod.ts";
export * from "./src/ws/mod.ts";
export * from "./src/rpc/mod.ts";
