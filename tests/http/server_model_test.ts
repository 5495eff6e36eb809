/** Many requests of every kind, cut anywhere, against what a server of any design has to answer. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HttpHandler, HttpRequest } from "../../src/http/mod.ts";
import { eventually, withServer } from "./server_support.ts";

/** The mulberry32 generator: the same numbers from the same seed, so that a failing round can be repeated. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) % below;
  };
}

const WAYS = ["whole", "large", "chunks", "declared", "later", "drained", "throws", "rejects"] as const;

function textOf(request: HttpRequest): string {
  return `<${request.path}|${request.body.takeText()}>`;
}

/** Answers in the way that the path names. */
const handler: HttpHandler = async (request) => {
  const way = request.path.split("/")[2] as typeof WAYS[number];
  const text = textOf(request);
  if (way === "whole") return request.reply(200, text);
  if (way === "large") return request.reply(200, text + "l".repeat(50_000));
  if (way === "throws") throw new Error("thrown");
  if (way === "drained") {
    request.onDrain = () => request.replyEnd();
    request.replyStart(200);
    request.replyChunk(text);
    return;
  }
  if (way === "chunks" || way === "declared") {
    request.replyStart(200, way === "chunks" ? {} : { "Content-Length": String(text.length) });
    for (const character of text) request.replyChunk(character);
    return request.replyEnd();
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (way === "rejects") throw new Error("rejected");
  request.reply(200, text);
};

interface Sent {
  readonly method: string;
  readonly bytes: string;
  readonly status: number;
  readonly body: string;
  readonly isLast: boolean;
}

function makeRequest(number: number, pick: (below: number) => number, closes: boolean): Sent {
  const way = WAYS[pick(WAYS.length)]!;
  const path = `/${number}/${way}`;
  const method = ["GET", "POST", "PUT", "HEAD"][pick(4)]!;
  const hasBody = method === "POST" || method === "PUT";
  const body = hasBody ? "b".repeat(pick(3) === 0 ? pick(40_000) : pick(20)) : "";
  let head = `${method} ${path} HTTP/1.1\r\nHost: test\r\n${closes ? "Connection: close\r\n" : ""}`;
  let content = body;
  if (hasBody && pick(2) === 0) {
    head += "Transfer-Encoding: chunked\r\n";
    const half = Math.floor(body.length / 2);
    content = [body.slice(0, half), body.slice(half), ""].filter((part, index) => part !== "" || index === 2)
      .map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  } else if (hasBody) {
    head += `Content-Length: ${body.length}\r\n`;
  }
  const failed = way === "throws" || way === "rejects";
  const text = `<${path}|${body}>${way === "large" ? "l".repeat(50_000) : ""}`;
  const answer = method === "HEAD" || failed ? "" : text;
  return { method, bytes: `${head}\r\n${content}`, status: failed ? 500 : 200, body: answer, isLast: closes };
}

describe("an HttpServer", () => {
  it("answers whatever comes, however it is cut, in order and completely", () =>
    withServer({ maxOutputBytes: 20_000, limits: { maxBodyBytes: 50_000 } }, handler, async ({ connect, server }) => {
      for (let seed = 1; seed <= 60; seed++) {
        const pick = numbersFrom(seed);
        const count = 1 + pick(30);
        const requests: Sent[] = [];
        for (let number = 0; number < count; number++) requests.push(makeRequest(number, pick, pick(25) === 0));
        const client = await connect();
        const bytes = requests.map((request) => request.bytes).join("");
        const sending = (async () => {
          for (let at = 0; at < bytes.length;) {
            const size = pick(2) === 0 ? 1 + pick(100) : 1 + pick(30_000);
            await client.sendAndWait(bytes.slice(at, at += size));
            if (client.error !== undefined) return;
          }
          if (seed % 2 === 0) client.end();
        })();
        for (const request of requests) {
          const reply = await client.reply(request.method);
          const shown = `seed ${seed}, ${request.bytes.slice(0, 30)}`;
          assertEquals(reply.status, request.status, shown);
          if (reply.status === 200 && reply.body !== request.body) assertEquals(reply.body, request.body, shown);
          if (request.isLast) break;
        }
        await sending;
        const wasLast = requests.some((request) => request.isLast);
        if (wasLast || seed % 2 === 0) assertEquals(await client.untilGone(), "", `seed ${seed}, at the end`);
        client.close();
      }
      await eventually("all connections are forgotten", () => server.connectionCount === 0);
    }));
});
