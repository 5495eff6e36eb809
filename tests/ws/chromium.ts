/** A headless Chromium, driven by the DevTools protocol through our own client. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventBase } from "../../src/core/mod.ts";
import { connectWebSocket, type WebSocketSession } from "../../src/ws/mod.ts";

/** A browser takes its time on a busy machine; only a failing test waits so long. */
const PATIENCE_MS = 60_000;

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** A running browser. */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #session: WebSocketSession;
  readonly #waiting: Map<number, (answer: Answer) => void> = new Map();
  #count = 0;

  private constructor(child: ChildProcess, folder: string, session: WebSocketSession) {
    this.#child = child;
    this.#folder = folder;
    this.#session = session;
    void this.#listen();
  }

  /** Starts one with a folder of its own. */
  static async start(base: EventBase): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), "evbase-chromium-"));
    const options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
    const places = ["--remote-debugging-port=0", `--user-data-dir=${folder}`, "about:blank"];
    const child = spawn("chromium", [...options, ...places], { stdio: ["ignore", "ignore", "pipe"] });
    try {
      const url = await devToolsUrl(child);
      return new Chromium(child, folder, await connectWebSocket(base, url, { limits: { maxMessageBytes: 64 << 20 } }));
    } catch (error) {
      await end(child, folder);
      throw error;
    }
  }

  /** Opens a page in a tab of its own. */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.send("Target.createTarget", { url }) as { targetId: string };
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true }) as {
      sessionId: string;
    };
    return new Tab(this, sessionId);
  }

  /** Sends a command and waits for its result. */
  async send(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#count;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#session.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  /** Ends it and waits until it has ended. */
  async stop(): Promise<void> {
    this.#session.close();
    await this.#session.whenClosed();
    await end(this.#child, this.#folder);
  }

  async #listen(): Promise<void> {
    let reason = "the browser has gone";
    try {
      for await (const message of this.#session) {
        const answer = JSON.parse(String(message)) as Answer;
        if (answer.id === undefined) continue;
        this.#waiting.get(answer.id)?.(answer);
        this.#waiting.delete(answer.id);
      }
    } catch (error) {
      reason = String(error);
    }
    for (const answer of this.#waiting.values()) answer({ error: { message: reason } });
  }
}

/** A page. */
export class Tab {
  readonly #browser: Chromium;
  readonly #id: string;

  constructor(browser: Chromium, id: string) {
    this.#browser = browser;
    this.#id = id;
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.#browser.send("Runtime.evaluate", { expression, returnByValue: true }, this.#id);
    return (result as { value?: unknown }).value;
  }

  /** Waits until the text of the page holds `text`. */
  async shows(text: string): Promise<void> {
    const limitMs = Date.now() + PATIENCE_MS;
    for (;;) {
      const shown = String(await this.evaluate("document.body?.innerText"));
      if (shown.includes(text)) return;
      if (Date.now() > limitMs) throw new Error(`The page does not show ${text}, but ${shown}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function devToolsUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    const limit = setTimeout(() => reject(new Error(`Chromium does not start: ${printed}`)), PATIENCE_MS);
    child.once("error", reject);
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      printed = (printed + text).slice(-10_000);
      const url = /DevTools listening on (ws:\S+)/.exec(printed)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
  });
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  // Its helpers may take a moment longer, and write meanwhile. Deno tries once, whatever maxRetries says.
  for (let tries = 1;; tries++) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
