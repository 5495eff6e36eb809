import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection } from "../../src/http/mod.ts";
import {
  EVRPC_CONTINUE,
  EVRPC_INPUT,
  EVRPC_OUTPUT,
  EVRPC_PAUSE,
  EVRPC_STATUS_ERR_BADPAYLOAD,
  EVRPC_STATUS_ERR_HOOKABORTED,
  EVRPC_STATUS_ERR_TIMEOUT,
  EVRPC_STATUS_ERR_UNSTARTED,
  EVRPC_TERMINATE,
  type RpcCall,
  type RpcCallOptions,
  RpcError,
  type RpcErrorCode,
  type RpcHookResult,
  RpcPool,
  type RpcPoolHookContext,
  type RpcPoolOptions,
  type TagError,
} from "../../src/rpc/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { answering, ok, openSocketCount, ScriptedServer } from "../http/client_support.ts";
import { textOf } from "../http/parse_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Echo, Sum, Total } from "./calls.ts";
import { fullLetter, type LetterValue } from "./letter.ts";
import { type RpcPair, withPair } from "./rpc_support.ts";

type SumCall = RpcCall<{ each: number[] }, { total: number }>;

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  /** A pair whose server holds calls back until they are answered by hand. */
  function withHeldCalls(
    body: (pair: RpcPair, held: SumCall[]) => Promise<void>,
    options: RpcPoolOptions = {},
  ): Promise<void> {
    return withPair(base, async (pair) => {
      const held: SumCall[] = [];
      pair.rpc.register(Sum, (_, call) => void held.push(call));
      await body(pair, held);
    }, options);
  }

  async function failure(pool: RpcPool, options: RpcCallOptions = {}): Promise<RpcError> {
    const error = await rejection(pool.call(Sum, { each: [1] }, options));
    assertInstanceOf(error, RpcError, `${error}`);
    return error;
  }

  function assertFailed(error: Error | null, code: RpcErrorCode, status: number): void {
    assertInstanceOf(error, RpcError, `${error}`);
    assertEquals([error.code, error.status], [code, status]);
  }

  describe("RpcPool sends", () => {
    it("the bytes that libevent's client sends, and a Host", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok(textOf(Total.marshal({ total: 6 })))));
        using pool = new RpcPool(base);
        pool.addConnection(server.connection());
        assertEquals(await pool.call(Sum, { each: [1, 2] }), { total: 6 });
        assertStrictEquals(
          server.peers[0]!.received,
          `POST /.rpc.Sum HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Length: 6\r\n\r\n` +
            "\x01\x01\x01\x01\x01\x02",
        );
      }));

    it("calls by callback, never from inside of the asking", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect();
        let told: unknown[] = [];
        pair.pool.request(Sum, { each: [4] }, {}, (reply, error, response) => {
          told = [reply, error, response?.status];
        });
        await eventually(() => held.length === 1, "it has come");
        held[0]!.done({ total: 4 });
        await eventually(() => told.length > 0, "it is told");
        assertEquals(told, [{ total: 4 }, null, 200]);
      }));

    it("one call at a time by each connection, the others in their order", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect(2);
        const replies: number[] = [];
        const calls = [1, 2, 3, 4, 5].map((each) =>
          pair.pool.call(Sum, { each: [each] }).then(({ total }) => void replies.push(total))
        );
        await eventually(() => held.length === 2, "two have come");
        assertEquals([pair.pool.queuedCount, pair.pool.pendingCount], [3, 5]);
        for (let next = 0; next < 5; next++) {
          await eventually(() => held.length > next, "the next has come");
          held[next]!.done({ total: held[next]!.request.each[0]! });
        }
        await Promise.all(calls);
        assertEquals(held.map(({ request }) => request.each[0]).sort(), [1, 2, 3, 4, 5]);
        assertEquals(new Set(held.slice(0, 2).map(({ request }) => request.each[0])), new Set([1, 2]));
        assertStrictEquals(pair.pool.pendingCount, 0);
        assertStrictEquals(pair.http.connectionCount, 2);
      }));

    it("what waits by a connection that comes later", () =>
      withHeldCalls(async (pair, held) => {
        const reply = pair.pool.call(Sum, { each: [1] });
        assert(await isPending(reply));
        assertStrictEquals(pair.pool.queuedCount, 1);
        pair.connect();
        await eventually(() => held.length === 1, "it has come");
        held[0]!.done({ total: 1 });
        assertEquals(await reply, { total: 1 });
      }));

    it("letters as they were when the call was made", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Echo, (letter) => letter);
        const letter: LetterValue = fullLetter();
        const reply = pair.pool.call(Echo, letter);
        letter.sender = "somebody else";
        pair.connect();
        assertEquals(await reply, fullLetter());
      }));

    it("nothing that is not complete", () =>
      withPair(base, async (pair) => {
        const error = await rejection(pair.pool.call(Echo, { sender: "x" } as LetterValue));
        assertInstanceOf(error, TypeError);
        assertThrows(() => pair.pool.request(Sum, { each: [-1] }, {}, () => {}), TypeError);
        assertStrictEquals(pair.pool.pendingCount, 0);
      }));
  });

  describe("Calls fail with", () => {
    it("RPC_BAD_PAYLOAD for what is no reply, whatever the status, and go on", () =>
      alongside(base, async () => {
        const good = textOf(Total.marshal({ total: 6 }));
        const bodies = [ok(""), ok("\x01"), ok(good + good), ok(`${good}\x07\x00`), ok("<html>")];
        const refused = ok(good).replace("200 OK", "503 Service Unavailable");
        using server = new ScriptedServer(base, answering(...bodies, refused, ok(good)));
        using pool = new RpcPool(base);
        pool.addConnection(server.connection());
        const codes: unknown[] = [];
        for (const _ of bodies) {
          const error = await failure(pool);
          assertFailed(error, "RPC_BAD_PAYLOAD", EVRPC_STATUS_ERR_BADPAYLOAD);
          assertStrictEquals(error.response?.status, 200);
          codes.push((error.cause as TagError).code);
        }
        assertEquals(codes, ["TAG_MISSING", "TAG_SHORT", "TAG_REPEATED", "TAG_UNKNOWN", "TAG_UNKNOWN"]);
        const error = await failure(pool);
        assertFailed(error, "RPC_BAD_PAYLOAD", EVRPC_STATUS_ERR_BADPAYLOAD);
        assertStrictEquals(error.response?.status, 503);
        assertEquals(await pool.call(Sum, { each: [1] }), { total: 6 });
        assertStrictEquals(server.peers.length, 1);
      }));

    it("RPC_TIMEOUT when the time is up, wherever they are, and the connection is made anew", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect();
        const started = pair.pool.call(Sum, { each: [1] });
        assertFailed(await failure(pair.pool, { timeoutMs: 20 }), "RPC_TIMEOUT", EVRPC_STATUS_ERR_UNSTARTED);
        await eventually(() => held.length === 1, "the first has come");
        pair.pool.timeoutMs = 50;
        assertStrictEquals(pair.pool.timeoutMs, 50);
        held[0]!.done({ total: 1 });
        assertEquals(await started, { total: 1 });
        const error = await failure(pair.pool, { timeoutMs: 200 });
        assertFailed(error, "RPC_TIMEOUT", EVRPC_STATUS_ERR_TIMEOUT);
        pair.pool.timeoutMs = Infinity;
        const next = pair.pool.call(Sum, { each: [77] });
        const last = (): SumCall | undefined => held.find(({ request }) => request.each[0] === 77);
        await eventually(() => last() !== undefined, "the next comes");
        last()!.done({ total: 3 });
        assertEquals(await next, { total: 3 });
      }));

    it("RPC_NO_RESPONSE when there is no connection, it ends, or what comes is no HTTP", async () => {
      using server = new ScriptedServer(base, answering((peer) => peer.end(), "nonsense\r\n\r\n"));
      // Gone before the loop runs: a thread that sleeps on a listener keeps it open until it has woken, and it takes connections so long.
      const gone = new ScriptedServer(base, () => {});
      const refused = gone.connection();
      gone.listener.close();
      await alongside(base, async () => {
        using pool = new RpcPool(base);
        pool.addConnection(server.connection());
        const codes: unknown[] = [];
        for (let count = 0; count < 2; count++) {
          const error = await failure(pool);
          assertFailed(error, "RPC_NO_RESPONSE", EVRPC_STATUS_ERR_TIMEOUT);
          codes.push((error.cause as { code?: string }).code);
        }
        using other = new RpcPool(base);
        other.addConnection(refused);
        const error = await failure(other);
        assertFailed(error, "RPC_NO_RESPONSE", EVRPC_STATUS_ERR_TIMEOUT);
        codes.push((error.cause as { code?: string }).code);
        assertEquals(codes, ["HTTP_EOF", "HTTP_INVALID_RESPONSE", "HTTP_CONNECT_FAILED"]);
      });
    });

    it("RPC_QUEUE_FULL when too many wait", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect();
        const first = pair.pool.call(Sum, { each: [1] });
        const second = pair.pool.call(Sum, { each: [2] });
        assertFailed(await failure(pair.pool), "RPC_QUEUE_FULL", EVRPC_STATUS_ERR_UNSTARTED);
        for (const at of [0, 1]) {
          await eventually(() => held.length > at, "it has come");
          held[at]!.done({ total: at });
        }
        assertEquals(await Promise.all([first, second]), [{ total: 0 }, { total: 1 }]);
      }, { maxQueued: 1 }));

    it("RPC_CANCELLED, or the reason of a signal, whether they wait or are under way", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect();
        const errors: (RpcError | null)[] = [];
        const first = pair.pool.request(Sum, { each: [1] }, {}, (_, error) => void errors.push(error));
        const second = pair.pool.request(Sum, { each: [2] }, {}, (_, error) => void errors.push(error));
        await eventually(() => held.length === 1, "it has come");
        second.cancel(new Error("why"));
        second.cancel();
        first.cancel();
        assertEquals([first.isOver, second.isOver], [true, true]);
        assertFailed(errors[0]!, "RPC_CANCELLED", EVRPC_STATUS_ERR_UNSTARTED);
        assertStrictEquals((errors[0]!.cause as Error).message, "why");
        assertFailed(errors[1]!, "RPC_CANCELLED", EVRPC_STATUS_ERR_TIMEOUT);
        assertStrictEquals(errors.length, 2);
        const controller = new AbortController();
        const third = rejection(pair.pool.call(Sum, { each: [3] }, { signal: controller.signal }));
        await eventually(() => held.length === 2, "the third has come");
        const reason = new Error("reason");
        controller.abort(reason);
        assertStrictEquals(await third, reason);
        assertStrictEquals(await rejection(pair.pool.call(Sum, { each: [4] }, { signal: controller.signal })), reason);
        let told: RpcError | null = null;
        pair.pool.request(Sum, { each: [5] }, { signal: controller.signal }, (_, error) => void (told = error));
        assertStrictEquals(told, null);
        await eventually(() => told !== null, "it is told from the loop");
        assertFailed(told, "RPC_CANCELLED", EVRPC_STATUS_ERR_UNSTARTED);
      }));

    it("RPC_CLOSED when the pool is closed, which closes its connections", () =>
      withHeldCalls(async (pair, held) => {
        const [connection] = pair.connect();
        const errors = [1, 2].map((each) => rejection(pair.pool.call(Sum, { each: [each] })));
        await eventually(() => held.length === 1, "it has come");
        pair.pool.close();
        pair.pool.close();
        assertFailed(await errors[0]!, "RPC_CLOSED", EVRPC_STATUS_ERR_TIMEOUT);
        assertFailed(await errors[1]!, "RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED);
        assertStrictEquals(connection!.closed, true);
        assertFailed(await failure(pair.pool), "RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED);
        assertThrows(() => pair.pool.addConnection(pair.connection()), Error, "closed");
        assertEquals([pair.pool.closed, pair.pool.pendingCount], [true, 0]);
      }));

    it("RPC_CLOSED when the base is closed", async () => {
      const other = backend.newBase();
      const pool = new RpcPool(other);
      pool.addConnection(new HttpClientConnection(other, { host: "127.0.0.1", port: 9 }));
      const errors = [rejection(pool.call(Sum, { each: [1] })), rejection(pool.call(Sum, { each: [1] }))];
      other.close();
      for (const error of errors) assertStrictEquals((await error as RpcError).code, "RPC_CLOSED");
      assertStrictEquals(pool.pendingCount, 0);
      assertFailed(await failure(pool, { timeoutMs: 1000 }), "RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED);
      const unused = backend.newBase();
      const late = new RpcPool(unused, { timeoutMs: 1000 });
      unused.close();
      assertFailed(await failure(late), "RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED);
      late.close();
    });
  });

  describe("Calls that have failed before their loop could say so", () => {
    it("are told of when the base is closed", () => {
      const other = backend.newBase();
      const told: unknown[] = [];
      const tell = (reply: unknown, error: RpcError | null): void => void told.push(reply, error?.code);
      const pool = new RpcPool(other, { maxQueued: 0 });
      pool.request(Sum, { each: [1] }, {}, tell);
      pool.request(Sum, { each: [1] }, { signal: AbortSignal.abort() }, tell);
      pool.close();
      pool.request(Sum, { each: [1] }, {}, tell);
      assertEquals(told, []);
      other.close();
      assertEquals(told, [null, "RPC_QUEUE_FULL", null, "RPC_CANCELLED", null, "RPC_CLOSED"]);
    });
  });

  describe("Hooks of an RpcPool", () => {
    it("change what goes out and what comes in, and leave notes for each other", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, ({ each }, call) => {
          assertStrictEquals(call.http.headers.get("x-key"), "k");
          call.http.replyHeaders.set("X-Answer", "a");
          return { total: each.length };
        });
        const [connection] = pair.connect();
        const seen: unknown[] = [];
        pair.pool.addHook(EVRPC_OUTPUT, (context) => {
          seen.push(context.side, context.method, context.body.length, context.http, context.connection === connection);
          context.headers.set("X-Key", "k");
          context.meta.set("note", 42);
          context.body.add(new Uint8Array([1, 1, 7]));
          return EVRPC_CONTINUE;
        });
        pair.pool.addHook(EVRPC_INPUT, (context) => {
          seen.push(context.side, context.headers.get("x-answer"), context.meta.get("note"), context.http?.status);
          return EVRPC_CONTINUE;
        });
        assertEquals(await pair.pool.call(Sum, { each: [1] }), { total: 2 });
        assertEquals(seen, [EVRPC_OUTPUT, "Sum", 3, null, true, EVRPC_INPUT, "a", 42, 200]);
      }));

    it("terminate calls, each side with its own code, and the next one goes out", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, () => ({ total: 1 }));
        pair.connect();
        const { pool } = pair;
        for (
          const end of [
            (): RpcHookResult => EVRPC_TERMINATE,
            (): Promise<RpcHookResult> => Promise.reject(new Error("no")),
          ]
        ) {
          const out = pool.addHook(EVRPC_OUTPUT, end);
          const errors = await Promise.all([failure(pool), failure(pool)]);
          for (const error of errors) assertFailed(error, "RPC_UNSTARTED", EVRPC_STATUS_ERR_UNSTARTED);
          assertStrictEquals(pool.removeHook(out), true);
          const into = pool.addHook(EVRPC_INPUT, end);
          const error = await failure(pool);
          assertFailed(error, "RPC_HOOK_ABORTED", EVRPC_STATUS_ERR_HOOKABORTED);
          assertStrictEquals(error.response?.status, 200);
          pool.removeHook(into);
          assertEquals(await pool.call(Sum, { each: [1] }), { total: 1 });
        }
      }));

    it("pause calls on either side", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, ({ each }) => ({ total: each[0]! }));
        pair.connect();
        const paused: RpcPoolHookContext[] = [];
        const pausing = (context: RpcPoolHookContext): RpcHookResult => {
          paused.push(context);
          return EVRPC_PAUSE;
        };
        pair.pool.addHook(EVRPC_OUTPUT, pausing);
        pair.pool.addHook(EVRPC_INPUT, pausing);
        const reply = pair.pool.call(Sum, { each: [5] });
        await eventually(() => paused.length === 1, "the request waits");
        const other = pair.pool.call(Sum, { each: [6] });
        assertStrictEquals(pair.pool.queuedCount, 1);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), true);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
        // While the reply waits the connection has something else to do.
        await eventually(() => paused.length === 3, "the reply and the other request wait");
        assert(await isPending(reply));
        const replyContext = paused.find(({ side }) => side === EVRPC_INPUT)!;
        assertStrictEquals(replyContext.resume(EVRPC_CONTINUE), true);
        assertEquals(await reply, { total: 5 });
        const error = rejection(other);
        pair.pool.close();
        assertFailed(await error, "RPC_CLOSED", EVRPC_STATUS_ERR_UNSTARTED);
        for (const context of paused) assertStrictEquals(context.resume(EVRPC_CONTINUE), false);
      }));

    it("may take a call longer than its time", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, () => ({ total: 1 }));
        pair.connect();
        const paused: RpcPoolHookContext[] = [];
        const hook = pair.pool.addHook(EVRPC_OUTPUT, (context) => {
          paused.push(context);
          return EVRPC_PAUSE;
        });
        assertFailed(await failure(pair.pool, { timeoutMs: 20 }), "RPC_TIMEOUT", EVRPC_STATUS_ERR_UNSTARTED);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
        pair.pool.removeHook(hook);
        assertEquals(await pair.pool.call(Sum, { each: [1] }), { total: 1 });
      }));

    it("may be a thousand calls' end at once", () =>
      withPair(base, async (pair) => {
        pair.pool.addHook(EVRPC_OUTPUT, () => EVRPC_TERMINATE);
        const calls = Array.from({ length: 1000 }, () => failure(pair.pool));
        pair.connect();
        for (const error of await Promise.all(calls)) assertStrictEquals(error.code, "RPC_UNSTARTED");
      }));
  });

  describe("Callbacks of an RpcPool", () => {
    it("may make calls, cancel them and close the pool", () =>
      withHeldCalls(async (pair, held) => {
        pair.connect();
        const told: string[] = [];
        pair.pool.request(Sum, { each: [1] }, {}, (reply) => {
          told.push(`first ${reply?.total}`);
          const second = pair.pool.request(Sum, { each: [2] }, {}, (_, error) => {
            told.push(`second ${error?.code}`);
            pair.pool.request(Sum, { each: [3] }, {}, (_, error) => void told.push(`third ${error?.code}`));
            pair.pool.close();
          });
          second.cancel();
        });
        await eventually(() => held.length === 1, "it has come");
        held[0]!.done({ total: 1 });
        await eventually(() => told.length === 3, "all are told");
        assertEquals(told, ["first 1", "second RPC_CANCELLED", "third RPC_CLOSED"]);
      }));

    it("may throw, and the next call goes out all the same", () => {
      const errors: unknown[] = [];
      const other = backend.newBase({ onError: (error: unknown) => void errors.push(error) });
      return withPair(other, async (pair) => {
        pair.rpc.register(Sum, ({ each }) => ({ total: each[0]! }));
        pair.connect();
        pair.pool.request(Sum, { each: [1] }, {}, () => {
          throw new Error("thrown");
        });
        assertEquals(await pair.pool.call(Sum, { each: [2] }), { total: 2 });
        assertEquals(errors.map((error) => (error as Error).message), ["thrown"]);
      }).finally(() => other.close());
    });
  });

  describe("Connections of an RpcPool", () => {
    it("can be given back, and are checked", () =>
      withHeldCalls(async (pair, held) => {
        const [connection] = pair.connect();
        assertEquals(pair.pool.connections, [connection!]);
        const reply = pair.pool.call(Sum, { each: [1] });
        await eventually(() => held.length === 1, "it has come");
        assertStrictEquals(pair.pool.removeConnection(connection!), true);
        assertStrictEquals(pair.pool.removeConnection(connection!), false);
        held[0]!.done({ total: 1 });
        assertEquals(await reply, { total: 1 });
        assertStrictEquals(connection!.closed, false);
        const waiting = pair.pool.call(Sum, { each: [2] });
        assert(await isPending(waiting));
        pair.pool.addConnection(connection!);
        await eventually(() => held.length === 2, "it goes out");
        held[1]!.done({ total: 2 });
        assertEquals(await waiting, { total: 2 });
        assertThrows(() => pair.pool.addConnection(connection!), TypeError, "twice");
        connection!.close();
        assertThrows(() => pair.pool.addConnection(connection!), TypeError);
        const other = backend.newBase();
        using stranger = new HttpClientConnection(other, { host: "127.0.0.1", port: 9 });
        assertThrows(() => pair.pool.addConnection(stranger), TypeError, "another base");
        other.close();
        // One that was closed by others is left out.
        const last = pair.pool.call(Sum, { each: [3] });
        assert(await isPending(last));
        assertEquals(pair.pool.connections, []);
        pair.connect();
        await eventually(() => held.length === 3, "it goes out");
        held[2]!.done({ total: 3 });
        assertEquals(await last, { total: 3 });
      }));

    it("leave no descriptors behind", async () => {
      const round = (): Promise<void> =>
        withHeldCalls(async (pair, held) => {
          pair.connect(3);
          const calls = Array.from({ length: 6 }, (_, at) => rejection(pair.pool.call(Sum, { each: [at] })));
          await eventually(() => held.length === 3, "three have come");
          pair.pool.close();
          await Promise.all(calls);
        });
      await round();
      const before = openSocketCount();
      await round();
      assertStrictEquals(openSocketCount(), before);
    });
  });

  describe("RpcPool refuses", () => {
    it("times and limits that are none", () => {
      for (const timeoutMs of [0, -1, NaN]) {
        assertThrows(() => new RpcPool(base, { timeoutMs }), RangeError);
        using pool = new RpcPool(base);
        assertThrows(() => pool.timeoutMs = timeoutMs, RangeError);
        assertThrows(() => pool.request(Sum, { each: [1] }, { timeoutMs }, () => {}), RangeError);
      }
      assertThrows(() => new RpcPool(base, { maxQueued: -1 }), RangeError);
      assertThrows(() => new RpcPool(base, { limits: { maxMembers: 0 } }), RangeError);
      using pool = new RpcPool(base);
      assertThrows(() => pool.addHook(7 as 0, () => EVRPC_CONTINUE), TypeError);
    });
  });
});
