import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpClientResponse, HttpServer } from "../../src/http/mod.ts";
import {
  EVRPC_CONTINUE,
  EVRPC_INPUT,
  EVRPC_OUTPUT,
  EVRPC_PAUSE,
  EVRPC_TERMINATE,
  field,
  type RpcCall,
  type RpcError,
  type RpcHookResult,
  rpcMethod,
  RpcPool,
  RpcServer,
  type RpcServerHookContext,
  type RpcStruct,
  rpcStruct,
} from "../../src/rpc/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { HttpClient } from "../support/http_client.ts";
import { Deliver, Echo, Numbers, Sum, Total } from "./calls.ts";
import { Duel, fullLetter, Letter, shortLetter } from "./letter.ts";
import { type RpcPair, withPair } from "./rpc_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  /** Posts bytes to a call, by hand. */
  async function post(
    pair: RpcPair,
    path: string,
    body: Uint8Array,
    method: string = "POST",
  ): Promise<HttpClientResponse> {
    using connection = pair.connection();
    return await connection.send(path, { method, body });
  }

  const sum = ({ each }: { each: number[] }): { total: number } => ({ total: each.reduce((all, one) => all + one, 0) });
  const three = Numbers.marshal({ each: [1, 2] });

  describe("RpcServer answers", () => {
    it("a call by 200 and the bytes of the reply", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        const response = await post(pair, "/.rpc.Sum", three);
        assertEquals([response.status, response.reason], [200, "OK"]);
        assertStrictEquals(response.headers.get("content-type"), "application/octet-stream");
        assertEquals(Total.unmarshal(response.body), { total: 3 });
        assertEquals(pair.errors, []);
      }));

    it("at once, by a promise, or when it is done", () =>
      withPair(base, async (pair) => {
        const waiting: RpcCall<{ each: number[] }, { total: number }>[] = [];
        const later = rpcMethod("Later", Numbers, Total);
        const promised = rpcMethod("Promised", Numbers, Total);
        pair.rpc.register(later, (_, call) => void waiting.push(call));
        pair.rpc.register(promised, async (request) => {
          await Promise.resolve();
          return sum(request);
        });
        pair.rpc.register(Sum, (request, call) => call.done(sum(request)));
        pair.connect(3);
        const first = pair.pool.call(later, { each: [5] });
        assertEquals(await pair.pool.call(promised, { each: [1, 1] }), { total: 2 });
        assertEquals(await pair.pool.call(Sum, { each: [7] }), { total: 7 });
        const call = waiting[0]!;
        assertEquals([call.isOver, call.request, call.method.name], [false, { each: [5] }, "Later"]);
        assertStrictEquals(call.http.path, "/.rpc.Later");
        call.done({ total: 9 });
        assertStrictEquals(call.isOver, true);
        assertThrows(() => call.done({ total: 9 }), Error, "answered already");
        assertEquals(await first, { total: 9 });
      }));

    it("letters with everything in them", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Echo, (letter) => letter);
        pair.connect();
        for (const letter of [fullLetter(), shortLetter()]) assertEquals(await pair.pool.call(Echo, letter), letter);
      }));

    it("beside what else is on its server", () =>
      withPair(base, async (pair) => {
        pair.http.route("/", (request) => request.reply(200, "page"));
        pair.rpc.register(Sum, sum);
        using connection = pair.connection();
        assertStrictEquals((await connection.send("/")).text(), "page");
        assertStrictEquals((await connection.send("/.rpc.Other", { method: "POST", body: "x" })).status, 404);
      }));
  });

  describe("RpcServer answers 503", () => {
    it("to what is no POST, to nothing, and to what is no request", () =>
      withPair(base, async (pair) => {
        let calls = 0;
        pair.rpc.register(Deliver, () => {
          calls++;
          return { weapon: "", call: "", rounds: [] };
        });
        const status = async (body: Uint8Array, method?: string): Promise<number> =>
          (await post(pair, "/.rpc.Deliver", body, method)).status;
        const good = Letter.marshal(shortLetter());
        assertStrictEquals(await status(good), 200);
        assertStrictEquals(await status(good, "GET"), 503);
        assertStrictEquals(await status(good, "PUT"), 503);
        assertStrictEquals(await status(new Uint8Array(0)), 503);
        assertStrictEquals(await status(good.slice(0, -1)), 503);
        assertStrictEquals(await status(good.slice(0, 3)), 503);
        assertStrictEquals(await status(Uint8Array.of(...good, 9, 0)), 503);
        assertStrictEquals(await status(new TextEncoder().encode("garbage in")), 503);
        assertStrictEquals(calls, 1);
        assertEquals(pair.errors, []);
      }));

    it("when a handler throws, rejects, fails the call, or leaves out a member", () =>
      withPair(base, async (pair) => {
        const refusals: Record<string, (request: unknown, call: RpcCall<unknown, { total: number }>) => unknown> = {
          Throws: () => {
            throw new Error("thrown");
          },
          Rejects: () => Promise.reject(new Error("rejected")),
          Fails: (_, call) => call.fail(),
          Incomplete: () => ({}),
          PromisedIncomplete: () => Promise.resolve({}),
          Done: (_, call) => {
            assertThrows(() => call.done({} as { total: number }), TypeError, "total is missing");
            assert(call.isOver);
          },
        };
        for (const [name, handler] of Object.entries(refusals)) {
          pair.rpc.register(rpcMethod(name, Numbers, Total), handler as () => { total: number });
          assertStrictEquals((await post(pair, `/.rpc.${name}`, three)).status, 503, name);
        }
        await eventually(() => pair.errors.length === 4, "errors are told");
        assertEquals(pair.errors.map((error) => (error as Error).message.slice(0, 28)), [
          "thrown",
          "rejected",
          "Cannot marshal total: its me",
          "Cannot marshal total: its me",
        ]);
      }));
  });

  describe("RpcServer whose onError throws", () => {
    it("leaves that to the loop, whether or not a promise was in between", () => {
      const told: unknown[] = [];
      const other = backend.newBase({ onError: (error: unknown) => void told.push(error) });
      return withPair(other, async (pair) => {
        const rpc = new RpcServer(pair.http, {
          onError: (error) => {
            throw new Error(`told: ${(error as Error).message}`);
          },
        });
        const handlers: Record<string, () => { total: number } | Promise<{ total: number }>> = {
          Throws: () => {
            throw new Error("thrown");
          },
          Rejects: () => Promise.reject(new Error("rejected")),
          Hooked: () => ({ total: 0 }),
        };
        rpc.addHook(EVRPC_INPUT, ({ method }) => {
          return method === "Hooked" ? Promise.reject(new Error("from a hook")) : EVRPC_CONTINUE;
        });
        for (const [name, handler] of Object.entries(handlers)) {
          rpc.register(rpcMethod(name, Numbers, Total), handler);
          assertStrictEquals((await post(pair, `/.rpc.${name}`, three)).status, 503, name);
        }
        await eventually(() => told.length === 3, "errors are told");
        const expected = ["told: thrown", "told: rejected", "told: from a hook"];
        assertEquals(told.map((error) => (error as Error).message), expected);
        rpc.close();
      }).finally(() => other.close());
    });
  });

  describe("RpcServer registers and unregisters", () => {
    it("calls by their names", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        assertThrows(() => pair.rpc.register(Sum, sum), Error, "handler already");
        assertEquals(pair.rpc.methods, ["Sum"]);
        assertStrictEquals(pair.rpc.unregister("Other"), false);
        assertStrictEquals(pair.rpc.unregister("Sum"), true);
        assertStrictEquals(pair.rpc.unregister("Sum"), false);
        assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 404);
        pair.rpc.register(Sum, sum);
        assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 200);
        pair.rpc.close();
        assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 404);
        assertThrows(() => pair.rpc.register(Sum, sum), Error, "closed");
      }));

    it("no more of a call that handlers have, whose answers still go out", () =>
      withPair(base, async (pair) => {
        const held: RpcCall<unknown, { total: number }>[] = [];
        pair.rpc.register(Sum, (_, call) => void held.push(call));
        const replies = [pair.connection(), pair.connection()].map((connection) => {
          pair.pool.addConnection(connection);
          return pair.pool.call(Sum, { each: [1] });
        });
        await eventually(() => held.length === 2, "both have come");
        assertStrictEquals(pair.rpc.unregister("Sum"), true);
        held[0]!.done({ total: 1 });
        pair.rpc.close();
        held[1]!.done({ total: 2 });
        assertEquals((await Promise.all(replies)).map(({ total }) => total).sort(), [1, 2]);
        assertStrictEquals((await rejection(pair.pool.call(Sum, { each: [1] })) as RpcError).response?.status, 404);
      }));

    it("nothing when the HTTP server was closed before, and calls that handlers have are over", () =>
      withPair(base, async (pair) => {
        const held: RpcCall<unknown, { total: number }>[] = [];
        pair.rpc.register(Sum, (_, call) => void held.push(call));
        pair.connect();
        const failed = rejection(pair.pool.call(Sum, { each: [1] }));
        await eventually(() => held.length === 1, "it has come");
        pair.http.close();
        assertStrictEquals((await failed as RpcError).code, "RPC_NO_RESPONSE");
        assertStrictEquals(held[0]!.isOver, true);
        held[0]!.done({ total: 1 });
        pair.rpc.close();
        assertEquals([pair.errors, pair.rpc.methods], [[], []]);
      }));

    it("calls with names that fit into a path only", () => {
      for (const name of ["", "a b", "a/b", "a?b", "ä", "a\r\n"]) {
        assertThrows(() => rpcMethod(name, Numbers, Total), TypeError);
      }
    });
  });

  describe("Hooks of an RpcServer", () => {
    it("see requests and replies, may change them, and leave notes for each other", () =>
      withPair(base, async (pair) => {
        const seen: string[] = [];
        pair.rpc.addHook(EVRPC_INPUT, (context) => {
          seen.push(`in ${context.method} ${context.body.length} ${context.headers.get("x-key")}`);
          context.body.drain(1);
          context.meta.set("who", context.headers.get("x-key"));
          assertStrictEquals(context.connection.server, pair.http);
          return EVRPC_CONTINUE;
        });
        pair.rpc.addHook(EVRPC_OUTPUT, (context) => {
          seen.push(`out ${context.method} ${context.body.length} ${context.meta.get("who")}`);
          context.body.prepend(new Uint8Array([9]));
          context.headers.set("X-Signed", "yes");
          context.headers.set("Content-Type", "x/y");
          return EVRPC_CONTINUE;
        });
        pair.rpc.register(Sum, (request, call) => {
          seen.push(`handler ${call.meta.get("who")}`);
          return sum(request);
        });
        using connection = pair.connection();
        const body = Uint8Array.of(7, ...three);
        const response = await connection.send("/.rpc.Sum", { method: "POST", body, headers: { "X-Key": "k" } });
        assertEquals([response.status, response.headers.get("x-signed"), response.headers.get("content-type")], [
          200,
          "yes",
          "x/y",
        ]);
        assertEquals(response.bytes(), Uint8Array.of(9, ...Total.marshal({ total: 3 })));
        assertEquals(seen, [`in Sum ${body.length} k`, "handler k", "out Sum 3 k"]);
      }));

    it("are asked in their order, until one terminates or is removed", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        const asked: string[] = [];
        const answering = (name: string, result: RpcHookResult) => (): RpcHookResult => {
          asked.push(name);
          return result;
        };
        const { rpc } = pair;
        rpc.addHook(EVRPC_INPUT, answering("one", EVRPC_CONTINUE));
        const two = rpc.addHook(EVRPC_INPUT, answering("two", EVRPC_TERMINATE));
        rpc.addHook(EVRPC_INPUT, answering("three", EVRPC_CONTINUE));
        const out = rpc.addHook(EVRPC_OUTPUT, answering("out", EVRPC_TERMINATE));
        const status = async (): Promise<number> => (await post(pair, "/.rpc.Sum", three)).status;
        assertStrictEquals(await status(), 503);
        assertEquals(asked.splice(0), ["one", "two"]);
        assertStrictEquals(rpc.removeHook(two), true);
        assertStrictEquals(rpc.removeHook(two), false);
        assertStrictEquals(await status(), 503);
        assertEquals(asked.splice(0), ["one", "three", "out"]);
        assertStrictEquals(rpc.removeHook(out), true);
        assertStrictEquals(await status(), 200);
        assertThrows(() => rpc.addHook(2 as 0, () => EVRPC_CONTINUE), TypeError);
      }));

    it("pause calls on either side, which then pass the hooks that are left", () =>
      withPair(base, async (pair) => {
        const paused: RpcServerHookContext[] = [];
        const passed: string[] = [];
        const pausing = (context: RpcServerHookContext): RpcHookResult => {
          paused.push(context);
          return EVRPC_PAUSE;
        };
        for (const side of [EVRPC_INPUT, EVRPC_OUTPUT] as const) {
          pair.rpc.addHook(side, pausing);
          pair.rpc.addHook(side, (context) => {
            passed.push(`${context.side} ${context.method}`);
            return EVRPC_CONTINUE;
          });
        }
        pair.rpc.register(Sum, sum);
        pair.connect();
        const reply = pair.pool.call(Sum, { each: [2, 3] });
        await eventually(() => paused.length === 1, "the request waits");
        assert(await isPending(reply));
        assertStrictEquals(pair.rpc.pausedCount, 1);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), true);
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
        await eventually(() => paused.length === 2, "the reply waits");
        assert(await isPending(reply));
        assertStrictEquals(paused[1]!.resume(EVRPC_CONTINUE), true);
        assertEquals(await reply, { total: 5 });
        assertEquals(passed, ["0 Sum", "1 Sum"]);
        assertStrictEquals(pair.rpc.pausedCount, 0);
      }));

    it("terminate calls that they have paused on either side", () =>
      withPair(base, async (pair) => {
        const paused: RpcServerHookContext[] = [];
        for (const side of [EVRPC_INPUT, EVRPC_OUTPUT] as const) {
          pair.rpc.addHook(side, (context) => {
            paused.push(context);
            return EVRPC_PAUSE;
          });
        }
        pair.rpc.register(Sum, sum);
        const first = post(pair, "/.rpc.Sum", three);
        await eventually(() => paused.length === 1, "the request waits");
        paused[0]!.resume(EVRPC_TERMINATE);
        assertStrictEquals((await first).status, 503);
        const second = post(pair, "/.rpc.Sum", three);
        await eventually(() => paused.length === 2, "another request waits");
        paused[1]!.resume(EVRPC_CONTINUE);
        await eventually(() => paused.length === 3, "its reply waits");
        paused[2]!.resume(EVRPC_TERMINATE);
        assertStrictEquals((await second).status, 503);
      }));

    it("may resume before they pause, or answer by a promise", () =>
      withPair(base, async (pair) => {
        let result: RpcHookResult = EVRPC_CONTINUE;
        pair.rpc.addHook(EVRPC_INPUT, (context) => {
          assertStrictEquals(context.resume(EVRPC_CONTINUE), true);
          return EVRPC_PAUSE;
        });
        pair.rpc.addHook(EVRPC_INPUT, async () => {
          await Promise.resolve();
          return result;
        });
        pair.rpc.register(Sum, sum);
        assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 200);
        result = EVRPC_TERMINATE;
        assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 503);
      }));

    it("end calls by what they throw, reject with, or answer that is no answer", () =>
      withPair(base, async (pair) => {
        pair.rpc.register(Sum, sum);
        const answers: (() => RpcHookResult | Promise<RpcHookResult>)[] = [
          () => {
            throw new Error("thrown");
          },
          () => Promise.reject(new Error("rejected")),
          () => undefined as unknown as RpcHookResult,
        ];
        for (const side of [EVRPC_INPUT, EVRPC_OUTPUT] as const) {
          for (const answer of answers) {
            const hook = pair.rpc.addHook(side, answer);
            assertStrictEquals((await post(pair, "/.rpc.Sum", three)).status, 503);
            pair.rpc.removeHook(hook);
          }
        }
        const messages = ["thrown", "rejected", "Cannot go on with Sum: a hook has answered undefined"];
        assertEquals(pair.errors.map((error) => (error as Error).message), [...messages, ...messages]);
      }));

    it("are let go when the client goes, or the server is closed", () =>
      withPair(base, async (pair) => {
        const paused: RpcServerHookContext[] = [];
        pair.rpc.addHook(EVRPC_INPUT, (context) => {
          paused.push(context);
          return EVRPC_PAUSE;
        });
        let calls = 0;
        pair.rpc.register(Sum, (request) => {
          calls++;
          return sum(request);
        });
        const connection = pair.connection();
        const gone = connection.send("/.rpc.Sum", { method: "POST", body: three }).catch(() => "gone");
        await eventually(() => paused.length === 1, "it waits");
        paused[0]!.connection.close();
        assertStrictEquals(await gone, "gone");
        await eventually(() => pair.rpc.pausedCount === 0, "it is let go");
        assertStrictEquals(paused[0]!.resume(EVRPC_CONTINUE), false);
        connection.close();
        const response = post(pair, "/.rpc.Sum", three);
        await eventually(() => paused.length === 2, "another waits");
        pair.rpc.close();
        assertStrictEquals((await response).status, 503);
        assertStrictEquals(paused[1]!.resume(EVRPC_CONTINUE), false);
        assertStrictEquals(calls, 0);
      }));
  });

  describe("A client that has gone", () => {
    it("gets no answer, and nobody minds", () =>
      withPair(base, async (pair) => {
        const waiting: RpcCall<unknown, { total: number }>[] = [];
        pair.rpc.register(Sum, (_, call) => void waiting.push(call));
        const connection = pair.connection();
        const gone = connection.send("/.rpc.Sum", { method: "POST", body: three }).catch(() => "gone");
        await eventually(() => waiting.length === 1, "it has come");
        waiting[0]!.http.connection.close();
        await gone;
        assert(waiting[0]!.isOver);
        waiting[0]!.done({ total: 1 });
        waiting[0]!.fail();
        connection.close();
        assertEquals(pair.errors, []);
      }));
  });

  describe("A request without a Host field", () => {
    const request = `POST /.rpc.Sum HTTP/1.1\r\nContent-Length: ${three.length}\r\n\r\n${
      String.fromCharCode(...three)
    }`;

    for (const [allowMissingHost, status] of [[true, 200], [false, 400]] as const) {
      it(`gets ${status} from a server that ${allowMissingHost ? "allows" : "does not allow"} it`, () =>
        alongside(base, async () => {
          using server = new HttpServer(base, { leniency: { allowMissingHost } });
          using rpc = new RpcServer(server);
          rpc.register(Sum, sum);
          using client = await HttpClient.connect(server.listen({ port: 0 }).port);
          assertStrictEquals((await client.send(request).reply()).status, status);
        }));
    }
  });

  describe("Limits", () => {
    it("of an RpcServer hold for requests", () =>
      alongside(base, async () => {
        using server = new HttpServer(base);
        using rpc = new RpcServer(server, { limits: { maxMembers: 2 } });
        rpc.register(Sum, sum);
        using connection = new HttpClientConnection(base, { host: "127.0.0.1", port: server.listen({ port: 0 }).port });
        const status = async (each: number[]): Promise<number> =>
          (await connection.send("/.rpc.Sum", { method: "POST", body: Numbers.marshal({ each }) })).status;
        assertStrictEquals(await status([1]), 200);
        assertStrictEquals(await status([1, 2]), 503);
        assertThrows(() => new RpcServer(server, { limits: { maxDepth: 0 } }), RangeError);
      }));

    it("of depth hold for what goes out as well, on both sides", () =>
      alongside(base, async () => {
        interface Chain {
          next?: Chain | undefined;
        }
        const Chain: RpcStruct<Chain> = rpcStruct("chain", { next: field.optional(field.struct(1, () => Chain)) });
        const Back = rpcMethod("Back", Chain, Chain);
        const chain = Array.from({ length: 40 }).reduce((next: Chain) => ({ next }), {});
        const limits = { maxDepth: 41 };
        using server = new HttpServer(base);
        using rpc = new RpcServer(server, { limits });
        rpc.register(Back, (request) => request);
        using pool = new RpcPool(base, { limits });
        pool.addConnection(
          new HttpClientConnection(base, { host: "127.0.0.1", port: server.listen({ port: 0 }).port }),
        );
        assertEquals(await pool.call(Back, chain), chain);
        assertThrows(() => pool.request(Back, { next: chain }, {}, () => {}), TypeError, "nested in 41 others");
      }));

    it("let structures without required members be asked for, but not by nothing", () =>
      withPair(base, async (pair) => {
        const Nothing = rpcStruct("nothing", { note: field.optional(field.string(1)) });
        const Ping = rpcMethod("Ping", Nothing, Duel);
        pair.rpc.register(Ping, () => ({ weapon: "w", call: "c", rounds: [] }));
        assertStrictEquals((await post(pair, "/.rpc.Ping", Nothing.marshal({ note: "" }))).status, 200);
        assertStrictEquals((await post(pair, "/.rpc.Ping", Nothing.marshal({}))).status, 503);
      }));
  });
});
