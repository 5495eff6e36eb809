import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, SocketBufferEvent } from "../../src/core/mod.ts";
import { type HttpHandler, HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { echo, eventually, get, post, withServer } from "./server_support.ts";

const LARGE = "0123456789abcdef".repeat(256 * 1024);

const mixed: HttpHandler = async (request) => {
  if (request.path === "/later") await new Promise((resolve) => setTimeout(resolve, 2));
  if (request.path === "/large") {
    request.reply(200, request.body);
  } else if (request.path === "/stream") {
    request.onDrain = () => request.replyEnd();
    request.replyStart(200);
    request.replyChunk("streamed");
  } else {
    echo(request);
  }
};

describe("an HttpServer", () => {
  forEachBackend((backend) => {
    it("answers pipelined requests in order, at once, later and in pieces", () =>
      withServer({}, mixed, async ({ connect }) => {
        const client = await connect();
        for (let round = 0; round < 3; round++) {
          client.send(get("/a") + get("/later") + post("/b", "body") + get("/stream") + get("/later") + get("/c"));
          const bodies: string[] = [];
          for (let count = 0; count < 6; count++) bodies.push((await client.reply()).body);
          assertEquals(bodies, ["GET /a ", "GET /later ", "POST /b body", "streamed", "GET /later ", "GET /c "]);
        }
      }, backend.newBase()));

    it("moves large bodies both ways", () =>
      withServer({}, mixed, async ({ connect }) => {
        const client = await connect();
        client.send(post("/large", LARGE) + get("/a"));
        assertEquals((await client.reply()).body === LARGE, true);
        assertEquals((await client.reply()).body, "GET /a ");
      }, backend.newBase()));

    it("answers what is complete when the client ends its side, and 400 to half a request", () =>
      withServer({}, mixed, async ({ connect, server }) => {
        const client = await connect();
        const text = await client.send(get("/later") + get("/a") + "GET /").end().untilClose();
        assertEquals(text.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
        await eventually("it is forgotten", () => server.connectionCount === 0);
      }, backend.newBase()));

    it("forgets clients that reset the connection, idle and waiting for a reply", () => {
      let closed = 0;
      const never: HttpHandler = (request) => void (request.onClose = () => void closed++);
      return withServer({}, never, async ({ connect, server }) => {
        const [idle, waiting] = [await connect(), await connect()];
        waiting.send(get("/"));
        await eventually("both are there", () => server.connectionCount === 2);
        idle.reset();
        waiting.reset();
        await eventually("both are forgotten", () => server.connectionCount === 0);
        await eventually("the handler has heard of it", () => closed === 1);
      }, backend.newBase());
    });

    it("refuses what is no request, and closes idle connections", () =>
      withServer({ keepAliveTimeoutMs: 20 }, mixed, async ({ connect, exchange }) => {
        assertStringIncludes(await exchange("BAD\r\n\r\n"), "HTTP/1.1 400 Bad Request\r\n");
        assertEquals(await (await connect()).untilClose(), "");
      }, backend.newBase()));

    it("serves clients on its own loop by dispatch()", () => {
      using base = backend.newBase();
      const server = new HttpServer(base, {}, echo);
      const { port } = server.listen({ port: 0 });
      const client = new SocketBufferEvent(base);
      let text = "";
      client.setCallbacks({
        read: () => {
          text += client.input.takeText();
          if (text.includes("GET /b")) base.loopExit();
        },
      });
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      client.enable(EV_READ);
      client.write(get("/a") + get("/b"));
      base.loopExit(15_000);
      base.dispatch();
      assertEquals(text.match(/GET \/\w/g), ["GET /a", "GET /b"]);
      client.close();
      server.close();
    });
  });
});
