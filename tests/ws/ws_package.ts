/** The `ws` package from npm, by the path of its file: by its name Bun would put an implementation of its own in its place. */
import { createRequire } from "node:module";
import type { Server } from "node:http";

/** The part of its sockets that is used. */
export interface PeerSocket {
  readonly protocol: string;
  readonly extensions: string;
  on(event: "open", callback: () => void): void;
  on(event: "message", callback: (data: Uint8Array, isBinary: boolean) => void): void;
  on(event: "ping" | "pong", callback: (data: Uint8Array) => void): void;
  on(event: "close", callback: (code: number, reason: Uint8Array) => void): void;
  on(event: "error", callback: (error: Error) => void): void;
  on(event: "unexpected-response", callback: (request: unknown, response: { statusCode: number }) => void): void;
  send(data: string | Uint8Array, options?: { fin?: boolean; compress?: boolean }): void;
  ping(data?: string): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

/** The package. */
export interface WsPackage {
  readonly WebSocket: new (url: string, protocols?: readonly string[], options?: object) => PeerSocket;
  readonly WebSocketServer: new (options: object) => {
    address(): { port: number };
    on(event: "listening", callback: () => void): void;
    on(event: "connection", callback: (socket: PeerSocket) => void): void;
    close(callback?: () => void): void;
    readonly clients: ReadonlySet<PeerSocket>;
    readonly _server: Server;
  };
}

/** The package. */
export const ws: WsPackage = createRequire(import.meta.url)("../../node_modules/ws/index.js");
