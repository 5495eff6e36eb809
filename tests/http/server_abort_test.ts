/** What has left when a reply is cut short. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { get, withServer } from "./server_support.ts";

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
