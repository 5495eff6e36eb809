import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { EVHTTP_REQ_TRACE, type HttpHandler, HttpServer, type HttpServerOptions } from "../../src/http/mod.ts";
import { echo, eventually, get, withServer } from "./server_support.ts";

const HOST = "Host: test\r\n";
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;

/** What a server refuses, by the status line it says so with. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  "400 Bad Request": [
    "\0\x01\x02\x03\r\n\r\n",
    "GET\r\n\r\n",
    "GET /\r\n\r\n",
    `GET  / HTTP/1.1\r\n${HOST}\r\n`,
    `GET / HTTP/1.1 \r\n${HOST}\r\n`,
    `GET / http/1.1\r\n${HOST}\r\n`,
    `GET /\x80 HTTP/1.1\r\n${HOST}\r\n`,
    `GE(T / HTTP/1.1\r\n${HOST}\r\n`,
    "GET / HTTP/1.1\r\n\r\n",
    `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`,
    `GET / HTTP/1.1\r\n${HOST}No colon\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}Name : blank\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}: nameless\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}X: a\r\n folded\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`,
    `GET / HTTP/1.1\n${HOST}\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1, 2\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${CHUNKED}x\r\n`,
    `${CHUNKED}-1\r\n`,
    `${CHUNKED}1\r\nab`,
    `${CHUNKED}0\r\nContent-Length: 1\r\n\r\n`,
  ],
  "405 Method Not Allowed": [`PATCH / HTTP/1.1\r\n${HOST}\r\n`, `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  "413 Content Too Large": [
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1001\r\n\r\n`,
    `${CHUNKED}3e9\r\n`,
    `${CHUNKED}3e8\r\n${"x".repeat(1000)}\r\n1\r\n`,
  ],
  "414 URI Too Long": [`GET /${"x".repeat(9000)} HTTP/1.1\r\n${HOST}\r\n`],
  "417 Expectation Failed": [`POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nExpect: 200-ok\r\n\r\n`],
  "431 Request Header Fields Too Large": [
    `GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(40_000)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(101)}\r\n`,
  ],
  "501 Not Implemented": [
    `BREW / HTTP/1.1\r\n${HOST}\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n`,
  ],
  "505 HTTP Version Not Supported": [`GET / HTTP/2.0\r\n${HOST}\r\n`],
};

describe("an HttpServer refuses", () => {
  for (const [status, requests] of Object.entries(REFUSED)) {
    it(`what deserves ${status}, once, and ends the connection`, () => {
      let handled = 0;
      const handler: HttpHandler = (request) => {
        handled++;
        request.reply(200);
      };
      return withServer({ limits: { maxBodyBytes: 1000 } }, handler, async ({ exchange }) => {
        for (const request of requests) {
          const text = await exchange(request);
          const shown = `for ${JSON.stringify(request.slice(0, 80))}: ${text.slice(0, 80)}`;
          assertEquals(text.slice(0, text.indexOf("\r\n")), `HTTP/1.1 ${status}`, shown);
          assertStringIncludes(text, "\r\nConnection: close\r\n");
          assertEquals(text.match(/HTTP\/1\.1 \d\d\d /g)?.length, 1, shown);
          const length = Number(/Content-Length: (\d+)/.exec(text)?.[1]);
          assertEquals(text.length - text.indexOf("\r\n\r\n") - 4, length, shown);
        }
        assertEquals(handled, 0);
      });
    });
  }

  it("a method by naming those it allows", () =>
    withServer({}, echo, async ({ exchange }) => {
      const text = await exchange(`PATCH / HTTP/1.1\r\n${HOST}\r\n`);
      assertStringIncludes(text, "\r\nAllow: GET, POST, HEAD, PUT, DELETE\r\n");
    }));

  it("what follows good requests without losing their replies", () =>
    withServer({}, echo, async ({ exchange }) => {
      const text = await exchange(`${get("/a")}${get("/b")}BAD\r\n\r\n${get("/never")}`);
      assertEquals(text.match(/HTTP\/1\.1 \d+|GET \/\w+/g), [
        "HTTP/1.1 200",
        "GET /a",
        "HTTP/1.1 200",
        "GET /b",
        "HTTP/1.1 400",
      ]);
    }));

  it("HEAD without a body, also where it cannot be understood, and nothing else so", () =>
    withServer({ limits: { maxBodyBytes: 1000 }, headerTimeoutMs: 20 }, echo, async ({ exchange }) => {
      const rests: readonly (readonly [status: number, rest: string])[] = [
        [400, `/ HTTP/1.1\r\n\r\n`],
        [400, `/ HTTP/1.1\r\n${HOST}No colon\r\n\r\n`],
        [400, `/\x80 HTTP/1.1\r\n${HOST}\r\n`],
        [408, `/ HTTP/1.1\r\n${HOST}`],
        [413, `/ HTTP/1.1\r\n${HOST}Content-Length: 1001\r\n\r\n`],
        [414, `/${"x".repeat(9000)} HTTP/1.1\r\n${HOST}\r\n`],
        [431, `/ HTTP/1.1\r\n${HOST}X: ${"x".repeat(40_000)}\r\n\r\n`],
        [505, `/ HTTP/2.0\r\n${HOST}\r\n`],
      ];
      for (const [status, rest] of rests) {
        for (const method of ["HEAD", "GET"]) {
          const text = await exchange(`${method} ${rest}`);
          assertStringIncludes(text, `HTTP/1.1 ${status} `);
          assertEquals(text.endsWith("\r\n\r\n"), method === "HEAD", `${method} ${rest.slice(0, 100)}`);
        }
      }
      const before = `HEAD / HTTP/1.1\r\n${HOST}\r\n`;
      for (const garbage of ["\0\0\r\n\r\n", "\r\n".repeat(6), "\n"]) {
        assertStringIncludes(await exchange(before + garbage), "</html>");
      }
    }));

  it("HEAD without a body", () =>
    withServer({}, echo, async ({ exchange }) => {
      const text = await exchange(`HEAD / HTTP/1.1\r\n${HOST}Expect: miracles\r\n\r\n`);
      assertStringIncludes(text, "HTTP/1.1 417 ");
      assertEquals(text.indexOf("\r\n\r\n"), text.length - 4);
    }));

  it("a head that does not arrive in time with 408", () =>
    withServer({ headerTimeoutMs: 20 }, echo, async ({ exchange }) => {
      assertStringIncludes(await exchange("GET / HTTP/1.1\r\nHost: te"), "HTTP/1.1 408 Request Timeout\r\n");
    }));

  it("a head that arrives byte by byte, but not in time, with 408", () =>
    withServer({ headerTimeoutMs: 60 }, echo, async ({ connect }) => {
      const client = await connect();
      const gone = client.untilGone();
      let over = false;
      gone.then(() => over = true, () => over = true);
      client.send("GET / HTTP/1.1\r\nX: ");
      while (!over) {
        client.send("x");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assertStringIncludes(await gone, "HTTP/1.1 408 Request Timeout\r\n");
    }));

  it("a body that stops coming with 408", () =>
    withServer({ bodyTimeoutMs: 20 }, echo, async ({ exchange }) => {
      assertStringIncludes(
        await exchange(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n12345`),
        "HTTP/1.1 408 Request Timeout\r\n",
      );
      assertStringIncludes(await exchange(`${CHUNKED}5\r\n12`), "HTTP/1.1 408 Request Timeout\r\n");
      assertStringIncludes(await exchange(`${CHUNKED}0\r\nTrailer: `), "HTTP/1.1 408 Request Timeout\r\n");
    }));

  it("to wait for another request longer than it should, without a word", () =>
    withServer({ keepAliveTimeoutMs: 20 }, echo, async ({ connect, server }) => {
      assertEquals(await (await connect()).untilClose(), "");
      const client = await connect();
      assertEquals((await client.send(get("/")).reply()).status, 200);
      assertEquals(await client.untilClose(), "");
      assertEquals(server.connectionCount, 0);
    }));

  it("connections over its limit with 503, and serves others as soon as there is room", () =>
    withServer({ maxConnections: 2 }, echo, async ({ connect, server }) => {
      const served = [await connect(), await connect()];
      for (const client of served) assertEquals((await client.send(get("/")).reply()).status, 200);
      const refused = [await connect(), await connect(), await connect()];
      for (const client of refused) {
        const text = await client.untilClose();
        assertStringIncludes(text, "HTTP/1.1 503 Service Unavailable\r\n");
        assertStringIncludes(text, "\r\nConnection: close\r\n");
      }
      assertEquals(server.connectionCount, 2);
      served[0]!.close();
      await eventually("there is room", () => server.connectionCount === 1);
      // Those that were refused and have not been closed by their clients yet do not count.
      assertEquals((await (await connect()).send(get("/")).reply()).status, 200);
    }));

  it("options that make no sense", () => {
    using base = new EventBase();
    const refused: readonly HttpServerOptions[] = [
      { keepAliveTimeoutMs: 0 },
      { headerTimeoutMs: -1 },
      { bodyTimeoutMs: NaN },
      { writeTimeoutMs: -Infinity },
      { maxConnections: 0 },
      { maxOutputBytes: 0 },
      { limits: { maxBodyBytes: -1 } },
      { allowedMethods: NaN },
      { allowedMethods: Infinity },
      { allowedMethods: 1.5 },
      { allowedMethods: 2 ** 32 },
    ];
    for (const options of refused) assertThrows(() => new HttpServer(base, options), RangeError);
    // All methods, and all but one.
    for (const allowedMethods of [0, ~0, ~EVHTTP_REQ_TRACE, 0xffff_ffff]) {
      new HttpServer(base, { allowedMethods }).close();
    }
    assertThrows(() => new HttpServer(base, { serverName: "a\r\nb" }), TypeError);
    assertThrows(() => new HttpServer(base, { defaultContentType: "a\r\nb" }), TypeError);
  });

  it("no time to those who ask for all of it", () => {
    const forever: HttpServerOptions = {
      keepAliveTimeoutMs: Infinity,
      headerTimeoutMs: Infinity,
      bodyTimeoutMs: Infinity,
      writeTimeoutMs: Infinity,
    };
    return withServer(forever, echo, async ({ connect }) => {
      const client = await connect();
      assertEquals((await client.send(get("/")).reply()).status, 200);
      assertEquals((await client.send(get("/")).reply()).status, 200);
    });
  });

  it("a second handler for a path", () => {
    using base = new EventBase();
    const server = new HttpServer(base);
    server.route("/x", echo);
    assertThrows(() => server.route("/x", echo), Error, "Cannot route /x: it has a handler already");
  });
});
