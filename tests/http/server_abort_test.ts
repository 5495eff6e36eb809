/** What has left when a reply is cut short. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpRequest } from "../../src/http/mod.ts";
import { eventually, get, signal, withServer } from "./server_support.ts";

describe("a reply that is cut short", () => {
  it("lets the replies before it arrive", () =>
    withServer(
      {},
      (request) => request.target === "/" ? request.reply(200, "whole") : request.abort(),
      async (running) => {
        const text = await running.exchange(get("/") + get("/cut"));
        assertStringIncludes(text, "HTTP/1.1 200 OK\r\n");
        assertEquals(text.endsWith("\r\n\r\nwhole"), true);
      },
    ));

  it("lets what it has begun with arrive, so that the client knows that there is more", () =>
    withServer(
      {},
      (request) => {
        request.replyStart(200, { "Content-Length": "10" });
        request.replyChunk("half");
        request.abort();
      },
      async (running) => {
        const text = await running.exchange(get("/"));
        assertStringIncludes(text, "Content-Length: 10\r\n");
        assertEquals(text.endsWith("\r\n\r\nhalf"), true);
      },
    ));

  it("does so when it ends before all that it has promised", () =>
    withServer(
      {},
      (request) => {
        request.replyStart(200, { "Content-Length": "10" });
        request.replyChunk("half");
        request.replyEnd();
      },
      async (running) => assertEquals((await running.exchange(get("/"))).endsWith("\r\n\r\nhalf"), true),
    ));

  it("does so when the stream that it comes from breaks off", async () => {
    const reason = new Error("the source breaks off");
    const source = function* (): Generator<string> {
      yield "half";
      throw reason;
    };
    await withServer({}, (request) => request.replyFrom(200, source()), async ({ exchange, errors }) => {
      assertStringIncludes(await exchange(get("/")), "4\r\nhalf\r\n");
      assertEquals(errors, [reason]);
    });
  });
});

describe("a reply that ends before all that it has promised", () => {
  it("counts as one that is not sent, and aborts what was done for it", async () => {
    const told: string[] = [];
    await withServer({}, (request) => {
      request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
      request.onClose = () => void told.push("close");
      request.signal.addEventListener("abort", () => told.push("aborted"));
      request.replyStart(200, { "Content-Length": "10" });
      request.replyChunk("half");
      request.replyEnd();
      told.push(`finished ${request.finished}`);
    }, async ({ exchange, errors }) => {
      assertEquals((await exchange(get("/"))).endsWith("\r\n\r\nhalf"), true);
      assertEquals(told, ["aborted", "complete false", "finished true"]);
      assertEquals(errors, []);
    });
  });

  it("has it reported what is thrown when that is told", async () => {
    const reason = new Error("by onComplete");
    await withServer({}, (request) => {
      request.onComplete = () => {
        throw reason;
      };
      return request.replyFrom(200, ["half"], { "Content-Length": "10" });
    }, async ({ exchange, errors }) => {
      assertEquals((await exchange(get("/"))).endsWith("\r\n\r\nhalf"), true);
      assertEquals(errors, [reason]);
    });
  });

  it("does so also when it comes from an iteration, which is not ended twice", async () => {
    const told: string[] = [];
    await withServer({}, async (request) => {
      request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
      const pieces = ["half"];
      const iterator: Iterator<string> = {
        next: () => pieces.length > 0 ? { done: false, value: pieces.shift()! } : { done: true, value: undefined },
        return: () => {
          told.push("returned");
          return { done: true, value: undefined };
        },
      };
      await request.replyFrom(200, { [Symbol.iterator]: () => iterator }, { "Content-Length": "10" });
      told.push("resolved");
    }, async ({ exchange, errors }) => {
      assertEquals((await exchange(get("/"))).endsWith("\r\n\r\nhalf"), true);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(told, ["complete false", "resolved"]);
      assertEquals(errors, []);
    });
  });
});

describe("a request that never has its reply", () => {
  const failure = new Error("by the handler");
  const ends: Record<string, (request: HttpRequest) => void | Promise<void>> = {
    aborted: (request) => request.abort(),
    "aborted in the middle": (request) => {
      request.replyStart(200);
      request.replyChunk("begun");
      request.abort();
    },
    closed: (request) => request.connection.close(),
    "failed in the middle": (request) => {
      request.replyStart(200);
      throw failure;
    },
    "refused while its body comes": async (request) => {
      await request.bytes();
      throw new Error("never comes here");
    },
  };

  for (const [how, end] of Object.entries(ends)) {
    it(`tells that it is over, once: ${how}`, async () => {
      const told: string[] = [];
      await withServer({}, undefined, async ({ exchange, errors, server }) => {
        server.setHandler((request) => {
          request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
          request.signal.addEventListener("abort", () => told.push("aborted"));
          return end(request);
        }, { streamBody: true });
        const isRefused = how.startsWith("refused");
        await exchange(isRefused ? "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" : get("/"));
        await eventually("it is told", () => told.length >= 2 && (!isRefused || errors.length > 0));
        assertEquals(told, ["aborted", "complete false"]);
        if (how.startsWith("failed")) assertEquals(errors, [failure]);
      });
    });
  }

  it("tells so when its client goes, or the server is closed, and the handler has given up", async () => {
    for (const isServers of [false, true]) {
      const asked = signal<HttpRequest>();
      const told: string[] = [];
      await withServer({}, (request) => {
        request.onComplete = (isSent) => void told.push(`complete ${isSent}`);
        request.onClose = () => void told.push("closed");
        asked.resolve(request);
      }, async ({ connect, server }) => {
        const client = await connect();
        client.send(get("/"));
        await asked.promise;
        if (isServers) server.close();
        else client.reset();
        await eventually("it is told", () => told.length >= 2);
        assertEquals(told, ["closed", "complete false"]);
      });
    }
  });
});
