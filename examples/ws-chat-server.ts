/**
 * A chat by WebSocket, and the page to chat on: open it in several browser windows.
 *
 * ```sh
 * deno run --allow-ffi examples/ws-chat-server.ts [-p port] [--backend name] [--run]
 * bun examples/ws-chat-server.ts [-p port] [--backend name] [--run]
 * ```
 */
import { parseArgs } from "node:util";
import { HttpServer, upgradeWebSocket, type WebSocketSession } from "../mod.ts";
import { chatPage } from "./shared/chat_page.ts";
import { openBase, orRefuse, runMain, serveUntilSignal, wholeNumber } from "./shared/program.ts";

const NAME_LENGTH_MAX = 32;
/** A window that does not take what the others say is not waited for. */
const MAX_OUTPUT_BYTES = 256 * 1024;

/** Everybody hears what each of them says. */
class Chat {
  readonly #members = new Map<WebSocketSession, string>();
  #count = 0;

  /** Somebody comes in, as a guest with a number. */
  enter(session: WebSocketSession): void {
    const name = `guest ${++this.#count}`;
    this.#members.set(session, name);
    session.send(`* you are ${name}; say "/name NAME" to be called otherwise, "/leave" to leave`);
    this.#tell(`* ${name} has come, ${this.#members.size} are here`);
  }

  /** Somebody says something. */
  hear(session: WebSocketSession, text: string): void {
    const name = this.#members.get(session);
    if (name === undefined) return;
    const renamed = /^\/name +(\S.*)$/.exec(text)?.[1]?.trim().slice(0, NAME_LENGTH_MAX);
    if (renamed !== undefined) {
      this.#members.set(session, renamed);
      this.#tell(`* ${name} is ${renamed} now`);
    } else if (text === "/leave") {
      session.close(1000, "goodbye");
    } else if (text !== "") {
      this.#tell(`${name}: ${text}`);
    }
  }

  /** Somebody is gone. */
  leave(session: WebSocketSession): void {
    const name = this.#members.get(session);
    if (this.#members.delete(session)) this.#tell(`* ${name} has left, ${this.#members.size} are here`);
  }

  #tell(line: string): void {
    for (const session of this.#members.keys()) session.send(line);
  }
}

async function main(): Promise<number> {
  const { values } = orRefuse(() =>
    parseArgs({
      options: {
        port: { type: "string", short: "p", default: "8080" },
        backend: { type: "string" },
        run: { type: "boolean", default: false },
      },
    })
  );
  const chat = new Chat();
  using base = openBase(values.backend);
  using server = new HttpServer(base);
  server.route("/", (request) => request.reply(200, chatPage, { "Content-Type": "text/html;charset=utf-8" }));
  server.route("/ws", (request) => {
    const session = upgradeWebSocket(request, {
      // Only the page that this server has sent may speak in the name of who looks at it.
      checkOrigin: (origin) => origin === undefined || origin === `http://${request.headers.get("host")}`,
      message: (data, session) =>
        typeof data === "string" ? chat.hear(session, data) : session.close(1003, "text only"),
      close: (_code, _reason, _wasClean, session) => chat.leave(session),
      // Such as a window that is gone without a word, which is nobody's fault.
      error: () => {},
      limits: { maxMessageBytes: 4096 },
      heartbeat: { intervalMs: 30_000 },
      maxOutputBytes: MAX_OUTPUT_BYTES,
      deflate: true,
    });
    if (session !== null) chat.enter(session);
  });
  const { port } = server.listen({ port: wholeNumber("--port", values.port, 0, 65_535) });
  return await serveUntilSignal(base, `listening on http://127.0.0.1:${port}`, values.run);
}

await runMain("ws-chat-server", main);
