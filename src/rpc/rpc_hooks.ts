import type { EvBuffer } from "../core/mod.ts";
import type {
  HttpClientConnection,
  HttpClientResponse,
  HttpConnection,
  HttpHeaders,
  HttpRequest,
} from "../http/mod.ts";

/** A hook on what comes in: requests of a server, replies of a client. */
export const EVRPC_INPUT = 0 as const;
/** A hook on what goes out: replies of a server, requests of a client. */
export const EVRPC_OUTPUT = 1 as const;
/** Which way a hook stands in. */
export type RpcHookSide = typeof EVRPC_INPUT | typeof EVRPC_OUTPUT;

/** The call is to fail. */
export const EVRPC_TERMINATE: -1 = -1;
/** The call goes on, with the next hook. */
export const EVRPC_CONTINUE = 0 as const;
/** The call waits for {@linkcode RpcHookContext.resume}. */
export const EVRPC_PAUSE = 1 as const;
/** What a hook decides. */
export type RpcHookResult = typeof EVRPC_TERMINATE | typeof EVRPC_CONTINUE | typeof EVRPC_PAUSE;

/**
 * Looks at a message, and may change it, before it is unmarshalled or after it was marshalled. A promise pauses the call until it is
 * settled. What it throws, or rejects with, terminates the call.
 */
export type RpcHook<Context> = (context: Context) => RpcHookResult | Promise<RpcHookResult>;

/** What {@linkcode RpcHooks.add} gave, to remove the hook by. */
export interface RpcHookHandle {
  /** Which way it stands in. */
  readonly side: RpcHookSide;
}

/** What a hook gets: a message on its way. Each hook gets one of its own, so that none can resume for another. */
export class RpcHookContext<Connection, Message> {
  /** The name of the call. */
  readonly method: string;
  /** Which way the message goes. */
  readonly side: RpcHookSide;
  /** The message itself, to be looked at and changed. */
  readonly body: EvBuffer;
  /** The fields that came with it, or will go with it. */
  readonly headers: HttpHeaders;
  /** Notes for later hooks of this call, those of the other side included (evrpc_hook_add_meta, evrpc_hook_find_meta). */
  readonly meta: Map<string, unknown>;
  /** What the message goes by (evrpc_hook_get_connection). */
  readonly connection: Connection;
  /** The message of HTTP that carries it; null for a request that is to be sent. */
  readonly http: Message;
  /** @internal Goes on with the hooks. */
  whenResumed: ((result: RpcHookResult) => boolean) | null = null;

  /** @internal */
  constructor(
    { method, side, body, headers, meta, connection, http }: Pick<
      RpcHookContext<Connection, Message>,
      "method" | "side" | "body" | "headers" | "meta" | "connection" | "http"
    >,
  ) {
    this.method = method;
    this.side = side;
    this.body = body;
    this.headers = headers;
    this.meta = meta;
    this.connection = connection;
    this.http = http;
  }

  /**
   * Goes on with a call whose hook has answered, or is about to answer, {@linkcode EVRPC_PAUSE} or a promise (evrpc_resume_request): with
   * the hooks that are left, or not at all. What the promise has to say does not count any more then.
   *
   * @returns whether it was waiting for this hook.
   * @throws {TypeError} for another result.
   */
  resume(result: typeof EVRPC_CONTINUE | typeof EVRPC_TERMINATE): boolean {
    if (result !== EVRPC_CONTINUE && result !== EVRPC_TERMINATE) {
      throw new TypeError(`Cannot resume ${this.method} with ${String(result)}: a call goes on or is terminated`);
    }
    return this.whenResumed?.(result) ?? false;
  }
}

/** What the hook of a server gets. */
export type RpcServerHookContext = RpcHookContext<HttpConnection, HttpRequest>;
/** What the hook of a pool gets. */
export type RpcPoolHookContext = RpcHookContext<HttpClientConnection, HttpClientResponse | null>;

/** Told once how the hooks have decided, with what one of them has thrown. */
export type HooksDone = (goesOn: boolean, error: unknown) => void;

interface Entry<Context> extends RpcHookHandle {
  readonly hook: RpcHook<Context>;
}

/** Runs something soon: what goes on when a promise is settled. */
type RunLater = (callback: () => void) => void;

/** The hooks of a server or a pool. @internal */
export class RpcHooks<Connection, Message> {
  #entries: readonly Entry<RpcHookContext<Connection, Message>>[] = [];
  readonly #runLater: RunLater;

  /** @param runLater has everything run that follows from a promise; at once by default. */
  constructor(runLater: RunLater = (callback) => callback()) {
    this.#runLater = runLater;
  }

  /** Adds one behind the others of its side. */
  add(side: RpcHookSide, hook: RpcHook<RpcHookContext<Connection, Message>>): RpcHookHandle {
    if (side !== EVRPC_INPUT && side !== EVRPC_OUTPUT) throw new TypeError(`Cannot add a hook for side ${side}`);
    const entry = { side, hook };
    this.#entries = [...this.#entries, entry];
    return entry;
  }

  remove(handle: RpcHookHandle): boolean {
    const left = this.#entries.filter((entry) => entry !== handle);
    const was = left.length < this.#entries.length;
    this.#entries = left;
    return was;
  }

  has(side: RpcHookSide): boolean {
    return this.#entries.some((entry) => entry.side === side);
  }

  /**
   * Runs those of the context's side, one after the other. Hooks that are added or removed meanwhile count for later messages.
   *
   * @returns ends the run: no hook that is left is asked, and `done` is not called any more.
   */
  run(context: RpcHookContext<Connection, Message>, done: HooksDone): () => void {
    const hooks = this.#entries.filter(({ side }) => side === context.side).map(({ hook }) => hook);
    const pass = new HookPass(hooks, context, this.#runLater, done);
    pass.go();
    return () => pass.cancel();
  }
}

/** A message's way through the hooks. */
class HookPass<Connection, Message> {
  readonly #hooks: readonly RpcHook<RpcHookContext<Connection, Message>>[];
  readonly #context: RpcHookContext<Connection, Message>;
  readonly #runLater: RunLater;
  readonly #done: HooksDone;
  // How many were asked. Whoever speaks for one that is not the last of them speaks too late.
  #asked = 0;
  // The last one is being asked: it may resume before it pauses.
  #isAsking = false;
  #isPaused = false;
  #resumedWith: RpcHookResult | null = null;
  #isOver = false;

  constructor(
    hooks: readonly RpcHook<RpcHookContext<Connection, Message>>[],
    context: RpcHookContext<Connection, Message>,
    runLater: RunLater,
    done: HooksDone,
  ) {
    this.#hooks = hooks;
    this.#context = context;
    this.#runLater = runLater;
    this.#done = done;
  }

  cancel(): void {
    this.#isOver = true;
    this.#isPaused = false;
  }

  go(): void {
    while (!this.#isOver) {
      const hook = this.#hooks[this.#asked++];
      if (hook === undefined) return this.#end(true, undefined);
      let result: RpcHookResult;
      try {
        result = this.#checked(this.#ask(hook, this.#asked));
      } catch (error) {
        return this.#end(false, error);
      }
      if (result === EVRPC_TERMINATE) return this.#end(false, undefined);
      if (result === EVRPC_CONTINUE) continue;
      this.#isPaused = true;
      return;
    }
  }

  #ask(hook: RpcHook<RpcHookContext<Connection, Message>>, turn: number): RpcHookResult {
    const context = new RpcHookContext(this.#context);
    context.whenResumed = (result) => this.#resume(turn, result);
    this.#isAsking = true;
    this.#resumedWith = null;
    try {
      const result = hook(context);
      if (typeof result !== "object" || result === null) {
        return result === EVRPC_PAUSE ? this.#resumedWith ?? EVRPC_PAUSE : result;
      }
      result.then(
        (later) => this.#runLater(() => this.#settled(turn, later)),
        (error: unknown) => this.#runLater(() => this.#failed(turn, error)),
      );
      return this.#resumedWith ?? EVRPC_PAUSE;
    } finally {
      this.#isAsking = false;
    }
  }

  #checked(result: RpcHookResult): RpcHookResult {
    if (result === EVRPC_CONTINUE || result === EVRPC_PAUSE || result === EVRPC_TERMINATE) return result;
    throw new TypeError(`Cannot go on with ${this.#context.method}: a hook has answered ${String(result)}`);
  }

  #resume(turn: number, result: RpcHookResult): boolean {
    if (this.#isOver || turn !== this.#asked) return false;
    if (this.#isAsking) {
      if (this.#resumedWith !== null) return false;
      this.#resumedWith = result;
      return true;
    }
    if (!this.#isPaused) return false;
    this.#isPaused = false;
    if (result === EVRPC_CONTINUE) this.go();
    else this.#end(false, undefined);
    return true;
  }

  #settled(turn: number, result: RpcHookResult): void {
    try {
      this.#checked(result);
    } catch (error) {
      return this.#failed(turn, error);
    }
    // One that answers a pause leaves the call to whoever resumes it.
    if (result !== EVRPC_PAUSE) this.#resume(turn, result);
  }

  #failed(turn: number, error: unknown): void {
    if (this.#isPaused && turn === this.#asked) this.#end(false, error);
  }

  #end(goesOn: boolean, error: unknown): void {
    if (this.#isOver) return;
    this.cancel();
    this.#done(goesOn, error);
  }
}
