/** Calls whose hooks, handlers, signals and connections do what they like: each is told once how it has ended, and with its own reply. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import {
  EVRPC_CONTINUE,
  EVRPC_INPUT,
  EVRPC_OUTPUT,
  EVRPC_PAUSE,
  EVRPC_TERMINATE,
  type RpcCall,
  type RpcError,
  type RpcHookResult,
} from "../../src/rpc/mod.ts";
import { openSocketCount } from "../http/client_support.ts";
import { fuzzEffort, Random } from "../support/fuzz.ts";
import { Sum } from "./calls.ts";
import { type RpcPair, withPair } from "./rpc_support.ts";

const CALLS_MAX = 60;
const STEPS = 100;

/** What a hook of either side can do with its context. */
interface Resumable {
  resume(result: typeof EVRPC_CONTINUE | typeof EVRPC_TERMINATE): boolean;
}

/** What callbacks, handlers and hooks throw here. */
class Thrown extends Error {}

/** Does something inside of which a callback may throw. */
function minding(deed: () => void): void {
  try {
    deed();
  } catch (error) {
    if (!(error instanceof Thrown)) throw error;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Both sides, and all that is going on. */
class Bustle {
  readonly #pair: RpcPair;
  readonly #random: Random;
  readonly #held: RpcCall<{ each: number[] }, { total: number }>[] = [];
  readonly #paused: Resumable[] = [];
  readonly #calls: { readonly cancel: () => void; readonly told: string[] }[] = [];

  constructor(pair: RpcPair, random: Random) {
    this.#pair = pair;
    this.#random = random;
    const { rpc, pool } = pair;
    rpc.register(Sum, (request, call) => this.#answer(request.each[0]!, call));
    for (const side of [EVRPC_INPUT, EVRPC_OUTPUT] as const) {
      for (let count = 1 + random.below(2); count > 0; count--) {
        rpc.addHook(side, (context) => this.#decide(context));
        pool.addHook(side, (context) => this.#decide(context));
      }
    }
  }

  /** Does one thing or another. */
  async step(): Promise<void> {
    const { pool } = this.#pair;
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
      case 1:
        return this.#call();
      case 2:
        return this.#finish(this.#held.splice(random.below(this.#held.length + 1), 1));
      case 3:
        return this.#resume(this.#paused.splice(random.below(this.#paused.length + 1), 1));
      case 4:
        return minding(() => this.#calls[random.below(this.#calls.length * 3 + 1)]?.cancel());
      case 5:
        if (random.below(5) === 0) minding(() => pool.connections[0]?.close());
        return;
      case 6:
        return this.connect();
      default:
        return await pause(random.below(3));
    }
  }

  connect(): void {
    if (this.#pair.pool.connections.filter(({ closed }) => !closed).length < 3) {
      minding(() => this.#pair.pool.addConnection(this.#pair.connection()));
    }
  }

  /** Lets everything come to its end. */
  async end(): Promise<void> {
    // One that has failed as it was made is not pending any more, and is told of that by the loop.
    const isUnderWay = (): boolean =>
      this.#pair.pool.pendingCount > 0 || this.#calls.some(({ told }) => told.length === 0);
    for (const end = Date.now() + 12_000; isUnderWay() && Date.now() < end;) {
      this.connect();
      this.#resume(this.#paused.splice(0));
      this.#finish(this.#held.splice(0));
      await pause(1);
    }
    assertEquals(this.#pair.pool.pendingCount, 0);
    this.#calls.forEach(({ told }, index) => {
      assertEquals(told.length, 1, `call ${index}: ${told}`);
      assert(told[0]!.startsWith("RPC_") || told[0] === `${index}`, `call ${index}: ${told}`);
    });
    assert(this.#calls.length > 5);
  }

  #call(): void {
    if (this.#calls.length >= CALLS_MAX) return;
    const random = this.#random;
    const index = this.#calls.length;
    const told: string[] = [];
    const callback = (reply: { total: number } | null, error: RpcError | null): void => {
      told.push(error?.code ?? `${reply?.total}`);
      if (random.below(5) === 0) this.#call();
      if (random.below(20) === 0) throw new Thrown();
    };
    const options = { timeoutMs: random.below(4) === 0 ? 1 + random.below(30) : Infinity };
    const cancel = { cancel: (): void => {}, told };
    this.#calls.push(cancel);
    const request = this.#pair.pool.request(Sum, { each: [index] }, options, callback);
    cancel.cancel = () => request.cancel();
  }

  #answer(
    total: number,
    call: RpcCall<{ each: number[] }, { total: number }>,
  ): { total: number } | Promise<{ total: number }> | void {
    switch (this.#random.below(6)) {
      case 0:
        return void this.#held.push(call);
      case 1:
        return Promise.resolve({ total });
      case 2:
        return call.http.connection.close();
      case 3:
        throw new Thrown();
      default:
        return { total };
    }
  }

  #decide(context: Resumable): RpcHookResult | Promise<RpcHookResult> {
    const random = this.#random;
    switch (random.below(12)) {
      case 0:
        return EVRPC_TERMINATE;
      case 1:
        this.#paused.push(context);
        return EVRPC_PAUSE;
      case 2:
        return Promise.resolve(EVRPC_CONTINUE);
      case 3:
        this.#paused.push(context);
        return pause(1).then(() => random.pick([EVRPC_CONTINUE, EVRPC_PAUSE]));
      case 4:
        throw new Thrown();
      case 5:
        context.resume(EVRPC_CONTINUE);
        return EVRPC_PAUSE;
      default:
        return EVRPC_CONTINUE;
    }
  }

  #finish(calls: readonly RpcCall<{ each: number[] }, { total: number }>[]): void {
    for (const call of calls) if (!call.isOver) call.done({ total: call.request.each[0]! });
  }

  #resume(contexts: readonly Resumable[]): void {
    for (const context of contexts) {
      minding(() => context.resume(this.#random.below(4) === 0 ? EVRPC_TERMINATE : EVRPC_CONTINUE));
    }
  }
}

describe("Calls of which anything may become", () => {
  it("are told once how they have ended, and of their own replies only", async () => {
    let before = Infinity;
    for (let seed = 1; seed <= 10 * fuzzEffort; seed++) {
      const errors: unknown[] = [];
      const base = new EventBase({ onError: (error: unknown) => void errors.push(error) });
      await withPair(base, async (pair) => {
        const bustle = new Bustle(pair, new Random(seed));
        for (let step = 0; step < STEPS; step++) await bustle.step();
        await bustle.end();
        assertEquals([...errors, ...pair.errors].filter((error) => !(error instanceof Thrown)), []);
      }, { maxQueued: 15 });
      base.close();
      if (seed > 1) assert(openSocketCount() <= before, `seed ${seed}`);
      before = openSocketCount();
    }
  });
});
