import type { EvBuffer } from "../core/mod.ts";
import type {
  HttpClientConnection,
  HttpClientResponse,
  HttpConnection,
  HttpHeaders,
  HttpRequest,
} from "../http/mod.ts";

/** A hook on what comes in: requests of a server, replies of a client. */
export const EVRPC_INPUT = 0;
/** A hook on what goes out: replies of a server, requests of a client. */
export const EVRPC_OUTPUT = 1;
/** Which way a hook stands in. */
export type RpcHookSide = typeof EVRPC_INPUT | typeof EVRPC_OUTPUT;

/** The call is to fail. */
export const EVRPC_TERMINATE: -1 = -1;
/** The call goes on, with the next hook. */
export const EVRPC_CONTINUE = 0;
/** The call waits for {@linkcode RpcHookContext.resume}. */
export const EVRPC_PAUSE = 1;
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

/** What a hook gets: a message on its way. */
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
   * Goes on with a call whose hook has answered, or is about to answer, {@linkcode EVRPC_PAUSE} (evrpc_resume_request): with the hooks that
   * are left, or not at all.
   *
   * @returns whether it was waiting.
   */
  resume(result: typeof EVRPC_CONTINUE | typeof EVRPC_TERMINATE): boolean {
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

/** The hooks of a server or a pool. @internal */
export class RpcHooks<Connection, Message> {
  #entries: readonly Entry<RpcHookContext<Connection, Message>>[] = [];

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
    const pass = new HookPass(this.#entries.filter(({ side }) => side === context.side), context, done);
    pass.go();
    return () => pass.cancel();
  }
}

/** A message's way through the hooks. */
class HookPass<Connection, Message> {
  readonly #entries: readonly Entry<RpcHookContext<Connection, Message>>[];
  readonly #context: RpcHookContext<Connection, Message>;
  readonly #done: HooksDone;
  #next = 0;
  // A hook is being asked: it may resume before it pauses.
  #isAsking = false;
  #isPaused = false;
  #resumedWith: RpcHookResult | null = null;
  #isOver = false;

  constructor(
    entries: readonly Entry<RpcHookContext<Connection, Message>>[],
    context: RpcHookContext<Connection, Message>,
    done: HooksDone,
  ) {
    this.#entries = entries;
    this.#context = context;
    this.#done = done;
    context.whenResumed = (result) => this.#resume(result);
  }

  cancel(): void {
    this.#isOver = true;
    this.#isPaused = false;
    this.#context.whenResumed = null;
  }

  go(): void {
    while (!this.#isOver) {
      const entry = this.#entries[this.#next++];
      if (entry === undefined) return this.#end(true, undefined);
      let result: RpcHookResult;
      try {
        result = this.#ask(entry.hook);
        if (result !== EVRPC_CONTINUE && result !== EVRPC_PAUSE && result !== EVRPC_TERMINATE) {
          throw new TypeError(`Cannot go on with ${this.#context.method}: a hook has answered ${String(result)}`);
        }
      } catch (error) {
        return this.#end(false, error);
      }
      if (result === EVRPC_TERMINATE) return this.#end(false, undefined);
      if (result === EVRPC_CONTINUE) continue;
      this.#isPaused = true;
      return;
    }
  }

  #ask(hook: RpcHook<RpcHookContext<Connection, Message>>): RpcHookResult {
    this.#isAsking = true;
    this.#resumedWith = null;
    try {
      const result = hook(this.#context);
      if (typeof result === "object" && result !== null) {
        result.then((later) => this.#resume(later), (error: unknown) => this.#fail(error));
        return EVRPC_PAUSE;
      }
      return result === EVRPC_PAUSE ? this.#resumedWith ?? EVRPC_PAUSE : result;
    } finally {
      this.#isAsking = false;
    }
  }

  #resume(result: RpcHookResult): boolean {
    if (this.#isAsking && this.#resumedWith === null) {
      this.#resumedWith = result;
      return true;
    }
    if (!this.#isPaused) return false;
    // A promise that answers a pause leaves the call to whoever resumes it.
    if (result === EVRPC_PAUSE) return true;
    this.#isPaused = false;
    if (result === EVRPC_CONTINUE) this.go();
    else this.#end(false, undefined);
    return true;
  }

  #fail(error: unknown): void {
    if (this.#isPaused) this.#end(false, error);
  }

  #end(goesOn: boolean, error: unknown): void {
    if (this.#isOver) return;
    this.cancel();
    this.#done(goesOn, error);
  }
}
