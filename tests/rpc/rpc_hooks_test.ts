/** Who may let a call go on that a hook holds back, and who hears of what goes wrong meanwhile. */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, HttpServer } from "../../src/http/mod.ts";
import {
  EVRPC_CONTINUE,
  EVRPC_INPUT,
  EVRPC_OUTPUT,
  EVRPC_PAUSE,
  EVRPC_STATUS_ERR_UNSTARTED,
  EVRPC_TERMINATE,
  RpcError,
  type RpcHookResult,
  RpcPool,
  type RpcPoolHookContext,
  RpcServer,
  type RpcServerHookContext,
} from "../../src/rpc/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Sum } from "./calls.ts";
import { withPair } from "./rpc_support.ts";

/** A promise, and how to settle it. */
interface Later {
  readonly promise: Promise<RpcHookResult>;
  readonly resolve: (result: RpcHookResult) => void;
  readonly reject: (error: unknown) => void;
}

function later(): Later {
  let resolve: Later["resolve"] | undefined;
  let reject: Later["reject"] | undefined;
  const promise = new Promise<RpcHookResult>((...both) => [resolve, reject] = both);
  return { promise, resolve: resolve!, reject: reject! };
}

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const sum = ({ each }: { each: number[] }): { total: number } => ({ total: each.length });

  describe("A hook that holds a call back", () => {
    for (const how of ["resolved", "rejected"] as const) {
      it(`is the only one that lets it go on, whatever becomes of one before it (${how})`, () =>
        withPair(base, async (pair) => {
          pair.rpc.register(Sum, sum);
          pair.connect();
          const promised = later();
          const paused: RpcServerHookContext[] = [];
          const holding = (context: RpcServerHookContext): RpcHookResult => {
            paused.push(context);
            return EVRPC_PAUSE;
          };
          pair.rpc.addHook(EVRPC_INPUT, (context) => {
            paused.push(context);
            return promised.promise;
          });
          pair.rpc.addHook(EVRPC_INPUT, holding);
          const reply = pair.pool.call(Sum, { each: [1] });
          await eventually(() => paused.length === 1, "the first hook is asked");
          assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), true);
          await eventually(() => paused.length === 2, "the second hook is asked");
          // Both say that the first one is done with the call, which is known; neither says anything of the second.
          assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
          if (how === "resolved") promised.resolve(EVRPC_CONTINUE);
          else promised.reject(new Error("too late"));
          assert(await isPending(reply));
          assertStrictEquals(pair.rpc.pausedCount, 1);
          assertStrictEquals(paused[1]!.resume(EVRPC_CONTINUE), true);
          assertEquals(await reply, { total: 1 });
        }));
    }

    it("may let it go on before it answers by a promise", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        let result: typeof EVRPC_CONTINUE | typeof EVRPC_TERMINATE = EVRPC_CONTINUE;
        pair.rpc.addHook(EVRPC_INPUT, async (context) => {
          assertStrictEquals(context.resume(result), true);
          assertStrictEquals(context.resume(EVRPC_CONTINUE), false);
          await Promise.resolve();
          return EVRPC_PAUSE;
        });
        assertEquals(await pair.pool.call(Sum, { each: [1] }), { total: 1 });
        result = EVRPC_TERMINATE;
        assertStrictEquals((await rejection(pair.pool.call(Sum, { each: [1] })) as RpcError).response?.status, 503);
        assertEquals(pair.errors, []);
      }));

    it("hears of a message that it has spoilt by a 503, as does whoever hears of errors", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        const hooks: ((context: RpcServerHookContext) => RpcHookResult | Promise<RpcHookResult>)[] = [
          () => EVRPC_CONTINUE,
          async () => {
            await Promise.resolve();
            return EVRPC_CONTINUE;
          },
          (context) => {
            setTimeout(() => context.resume(EVRPC_CONTINUE), 1);
            return EVRPC_PAUSE;
          },
        ];
        for (const side of [EVRPC_INPUT, EVRPC_OUTPUT] as const) {
          for (const hook of hooks) {
            const handle = pair.rpc.addHook(side, (context) => {
              context.body.freezeFront();
              return hook(context);
            });
            const error = await rejection(pair.pool.call(Sum, { each: [1] }, { timeoutMs: 10_000 })) as RpcError;
            assertStrictEquals(error.response?.status, 503);
            assertStrictEquals(pair.errors.length, 1);
            assertInstanceOf(pair.errors.pop(), TypeError);
            pair.rpc.removeHook(handle);
          }
        }
        assertEquals(await pair.pool.call(Sum, { each: [1] }), { total: 1 });
      }));

    it("is told at once when it resumes with what is no end of a pause", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        const paused: RpcServerHookContext[] = [];
        pair.rpc.addHook(EVRPC_INPUT, (context) => {
          paused.push(context);
          return EVRPC_PAUSE;
        });
        const reply = pair.pool.call(Sum, { each: [1] });
        await eventually(() => paused.length === 1, "it waits");
        for (const wrong of [EVRPC_PAUSE, undefined]) {
          assertThrows(() => paused[0]!.resume(wrong as unknown as typeof EVRPC_CONTINUE), TypeError, `${wrong}`);
        }
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), true);
        assertEquals(await reply, { total: 1 });
      }));

    it("ends it by a promise of what is no answer, and that is reported", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        pair.rpc.addHook(EVRPC_INPUT, (() => Promise.resolve(undefined)) as unknown as () => RpcHookResult);
        assertStrictEquals((await rejection(pair.pool.call(Sum, { each: [1] })) as RpcError).response?.status, 503);
        assertEquals(pair.errors.map((error) => (error as Error).message), [
          "Cannot go on with Sum: a hook has answered undefined",
        ]);
      }));

    it("does not keep it when it has closed the connection itself", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        const paused: RpcServerHookContext[] = [];
        pair.rpc.addHook(EVRPC_INPUT, (context) => {
          paused.push(context);
          context.connection.close();
          return EVRPC_PAUSE;
        });
        assertStrictEquals((await rejection(pair.pool.call(Sum, { each: [1] })) as RpcError).code, "RPC_NO_RESPONSE");
        assertStrictEquals(paused.length, 1);
        assertStrictEquals(pair.rpc.pausedCount, 0);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
      }));

    for (const allowHalfClose of [false, true]) {
      it(`loses it when the client closes, ${allowHalfClose ? "or is answered" : "where that means that it has gone"}`, () =>
        alongside(base, async () => {
          using server = new HttpServer(base, { allowHalfClose });
          using rpc = new RpcServer(server);
          rpc.register(Sum, sum);
          const paused: RpcServerHookContext[] = [];
          rpc.addHook(EVRPC_INPUT, (context) => {
            paused.push(context);
            return EVRPC_PAUSE;
          });
          const { port } = server.listen({ port: 0 });
          using pool = new RpcPool(base);
          pool.addConnection(new HttpClientConnection(base, { host: "127.0.0.1", port }));
          const failed = rejection(pool.call(Sum, { each: [1] }));
          await eventually(() => paused.length === 1, "it waits");
          pool.close();
          await failed;
          if (allowHalfClose) assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), true);
          await eventually(() => rpc.pausedCount === 0 && server.connectionCount === 0, "it is let go");
          assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
        }));
    }

    for (const result of [EVRPC_CONTINUE, EVRPC_PAUSE] as const) {
      it(`has no use for it when it has closed the server itself (${result})`, () =>
        withPair(base, async (pair) => {
          let calls = 0;
          pair.rpc.register(Sum, (request) => {
            calls++;
            return sum(request);
          });
          pair.connect();
          pair.rpc.addHook(EVRPC_INPUT, () => {
            pair.rpc.close();
            return result;
          });
          assertStrictEquals((await rejection(pair.pool.call(Sum, { each: [1] })) as RpcError).response?.status, 503);
          assertEquals([calls, pair.rpc.pausedCount], [0, 0]);
        }));
    }
  });

  describe("A hook of a pool that holds a call back", () => {
    it("has callbacks called from the loop when its promise is settled", () => {
      const errors: unknown[] = [];
      const other = backend.newBase({ onError: (error: unknown) => void errors.push(error) });
      return withPair(other, async (pair) => {
        pair.rpc.register(Sum, sum);
        pair.connect();
        pair.pool.addHook(EVRPC_INPUT, () => Promise.resolve(EVRPC_CONTINUE));
        pair.pool.request(Sum, { each: [1] }, {}, () => {
          throw new Error("thrown");
        });
        assertEquals(await pair.pool.call(Sum, { each: [2] }), { total: 1 });
        assertEquals(errors.map((error) => (error as Error).message), ["thrown"]);
      }).finally(() => other.close());
    });

    for (const how of ["a promise", "a pause"]) {
      for (const side of [EVRPC_OUTPUT, EVRPC_INPUT] as const) {
        it(`keeps the loop running meanwhile: ${how} of ${side === EVRPC_INPUT ? "the reply" : "the request"}`, () =>
          withPair(base, async (pair) => {
            pair.rpc.register(Sum, sum);
            // Apart from the call there is nothing that its loop could wait for.
            const other = backend.newBase();
            try {
              const pool = new RpcPool(other);
              const target = { host: "127.0.0.1", port: pair.port };
              pool.addConnection(new HttpClientConnection(other, target, { idleKeepsLoop: false }));
              pool.addHook(side, (context) => {
                if (how === "a promise") return new Promise((resolve) => setTimeout(() => resolve(EVRPC_CONTINUE), 20));
                setTimeout(() => context.resume(EVRPC_CONTINUE), 20);
                return EVRPC_PAUSE;
              });
              const replies: unknown[] = [];
              pool.request(Sum, { each: [3] }, {}, (reply, error) => replies.push(error ?? reply));
              assertStrictEquals(await other.run(), false);
              assertEquals(replies, [{ total: 1 }]);
              // Nor does it keep the loop running when it was ended meanwhile.
              const request = pool.request(Sum, { each: [3] }, {}, (_, error) => replies.push(error?.code));
              setTimeout(() => request.cancel(), 10);
              await other.run();
              assertStrictEquals(pool.pendingCount, 0);
              assertEquals(replies.length, 2);
            } finally {
              other.close();
            }
          }));
      }
    }

    it("finds the connection closed afterwards, and nothing was sent", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        const [connection] = pair.connect();
        const paused: RpcPoolHookContext[] = [];
        pair.pool.addHook(EVRPC_OUTPUT, (context) => {
          paused.push(context);
          return EVRPC_PAUSE;
        });
        const failed = rejection(pair.pool.call(Sum, { each: [1] }));
        await eventually(() => paused.length === 1, "it waits");
        connection!.close();
        paused[0]!.resume(EVRPC_CONTINUE);
        const error = await failed;
        assertInstanceOf(error, RpcError);
        assertEquals([error.code, error.status], ["RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED]);
      }));
  });
});
