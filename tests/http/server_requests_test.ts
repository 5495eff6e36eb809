import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import { EVHTTP_REQ_GET, EVHTTP_REQ_POST, type HttpHandler } from "../../src/http/mod.ts";
import { echo, get, post, withServer } from "./server_support.ts";

describe("requests to an HttpServer", () => {
  it("share one connection as long as the client likes", () =>
    withServer({}, echo, async ({ connect, server }) => {
      const client = await connect();
      for (let count = 0; count < 50; count++) {
        const reply = await client.send(get(`/${count}`)).reply();
        assertEquals([reply.statusLine, reply.body, reply.headers["connection"]], [
          "HTTP/1.1 200 OK",
          `GET /${count} `,
          undefined,
        ]);
      }
      assertEquals(server.connectionCount, 1);
    }));

  it("that come in one segment are answered in order, in one system call", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      for (const count of [1, 2, 3, 10, 32, 100]) {
        const paths = Array.from({ length: count }, (_, index) => `/${count}/${index}`);
        const calls = countWrites();
        let bodies: string[] = [];
        try {
          client.send(paths.map((path) => get(path)).join(""));
          bodies = [];
          for (let index = 0; index < count; index++) bodies.push((await client.reply()).body);
        } finally {
          calls.restore();
        }
        assertEquals(bodies, paths.map((path) => `GET ${path} `));
        assertEquals(calls.count(), 1, `system calls for ${count} requests`);
      }
    }));

  it("may be cut at any byte", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      const request = get("/first") + post("/second", "body") +
        "PUT /third HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\n";
      for (let cut = 1; cut < request.length; cut += 3) {
        await client.sendAndWait(request.slice(0, cut));
        // Lets the loop see the first part before the second one is there.
        await new Promise((resolve) => setTimeout(resolve, 0));
        client.send(request.slice(cut));
        const bodies = [await client.reply(), await client.reply(), await client.reply()].map((reply) => reply.body);
        assertEquals(bodies, ["GET /first ", "POST /second body", "PUT /third abcd"], `cut at ${cut}`);
      }
    }));

  it("may come byte by byte", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      for (const byte of post("/slow", "body")) await client.sendAndWait(byte);
      assertEquals((await client.reply()).body, "POST /slow body");
    }));

  it("bring bodies of a declared length, as large as the limit", () => {
    const large = "0123456789abcdef".repeat(64 * 1024);
    const handler: HttpHandler = (request) => {
      const text = request.body.takeText();
      request.reply(200, text === large ? "identical" : `${text.length} bytes that differ`);
    };
    return withServer({ limits: { maxBodyBytes: large.length } }, handler, async ({ connect }) => {
      const client = await connect();
      for (let count = 0; count < 3; count++) {
        assertEquals((await client.send(post("/", large)).reply()).body, "identical");
      }
    });
  });

  it("bring bodies in chunks, with trailer fields", () => {
    const handler: HttpHandler = (request) => {
      request.reply(200, `${request.body.takeText()}|${request.trailers?.get("checksum")}`);
    };
    return withServer({}, handler, async ({ connect }) => {
      const client = await connect();
      const head = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
      client.send(`${head}5\r\nHello\r\n7\r\n, World\r\n0\r\nChecksum: 42\r\n\r\n`);
      assertEquals((await client.reply()).body, "Hello, World|42");
      client.send(`${head}0\r\n\r\n`);
      assertEquals((await client.reply()).body, "|undefined");
    });
  });

  it("can be echoed by moving their body into the reply", () =>
    withServer({}, (request) => request.reply(200, request.body), async ({ connect }) => {
      const client = await connect();
      const body = "x".repeat(100_000);
      client.send(post("/", body) + post("/", "") + post("/", "small"));
      assertEquals([await client.reply(), await client.reply(), await client.reply()].map((reply) => reply.body), [
        body,
        "",
        "small",
      ]);
    }));

  it("with Expect: 100-continue are told to go on before their body comes", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      client.send("POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
      assertEquals(await client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      client.send("body");
      assertEquals((await client.reply()).body, "POST /x body");
      client.send("POST /y HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n");
      assertEquals(await client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      client.send("4\r\nmore\r\n0\r\n\r\n");
      assertEquals((await client.reply()).body, "POST /y more");
    }));

  it("with Expect: 100-continue are not told to go on when they have no body, or HTTP/1.0", () =>
    withServer({}, echo, async ({ connect }) => {
      const client = await connect();
      client.send(post("/none", "", "Expect: 100-continue\r\n"));
      assertEquals((await client.reply("POST")).body, "POST /none ");
      client.send("POST /old HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx");
      assertEquals((await client.reply("POST")).body, "POST /old x");
    }));

  it("with Expect: 100-continue and too long a body get 413 instead", () =>
    withServer({ limits: { maxBodyBytes: 3 } }, echo, async ({ exchange }) => {
      const text = await exchange("POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
      assertStringIncludes(text, "HTTP/1.1 413 Content Too Large\r\n");
      assertEquals(text.includes("100 Continue"), false);
    }));

  it("with a list of nothing but that, and of nothing, expect no more", () =>
    withServer({}, echo, async ({ exchange }) => {
      for (const value of ["100-continue,", ", 100-continue , 100-Continue", "", ","]) {
        const text = await exchange(get("/", `Connection: close\r\nExpect: ${value}\r\n`));
        assertStringIncludes(text, "HTTP/1.1 200 OK\r\n", value);
      }
    }));

  it("with another expectation get 417", () =>
    withServer({}, echo, async ({ exchange }) => {
      assertStringIncludes(await exchange(get("/", "Expect: miracles\r\n")), "HTTP/1.1 417 Expectation Failed\r\n");
    }));

  it("reach the handler of their decoded path, else the general one, else get 404", () =>
    withServer({}, undefined, async ({ connect, server }) => {
      const client = await connect();
      server.route("/a b", (request) => request.reply(200, "routed"));
      assertEquals((await client.send(get("/a%20b?x=/other")).reply()).body, "routed");
      const missing = await client.send(get("/'b'&%ff")).reply();
      assertEquals(missing.status, 404);
      assertStringIncludes(missing.body, "There is nothing at /&#039;b&#039;&amp;%ff");
      server.setHandler(echo);
      assertEquals((await client.send(get("/other")).reply()).body, "GET /other ");
      assertEquals([server.unroute("/a b"), server.unroute("/a b")], [true, false]);
      assertEquals((await client.send(get("/a%20b")).reply()).body, "GET /a%20b ");
    }));

  it("know the client's address", () =>
    withServer({}, (request) => request.reply(200, JSON.stringify(request.remoteAddress)), async ({ connect }) => {
      const client = await connect();
      assertStringIncludes((await client.send(get("/")).reply()).body, `"127.0.0.1"`);
    }));

  it("reach handlers by the methods the server allows", () =>
    withServer({ allowedMethods: EVHTTP_REQ_GET | EVHTTP_REQ_POST }, echo, async ({ exchange }) => {
      const text = await exchange("DELETE / HTTP/1.1\r\nHost: test\r\n\r\n");
      assertStringIncludes(text, "HTTP/1.1 405 Method Not Allowed\r\n");
      assertStringIncludes(text, "\r\nAllow: GET, POST\r\n");
    }));
});

/** Counts the system calls by which buffers are sent. */
function countWrites(): { count(): number; restore(): void } {
  const { sendTo, sendLone } = EvBuffer.prototype;
  let calls = 0;
  EvBuffer.prototype.sendLone = function (this: EvBuffer, fd: number, bytesMax: number): number {
    const result = sendLone.call(this, fd, bytesMax);
    // Else it was no case for it.
    if (result !== 0) calls++;
    return result;
  };
  EvBuffer.prototype.sendTo = function (this: EvBuffer, fd: number, bytesMax?: number): number {
    calls++;
    return sendTo.call(this, fd, bytesMax);
  };
  return {
    count: () => calls,
    restore: () => {
      delete (EvBuffer.prototype as Partial<EvBuffer>).sendTo;
      delete (EvBuffer.prototype as Partial<EvBuffer>).sendLone;
    },
  };
}
