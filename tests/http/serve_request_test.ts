import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Hono } from "hono";
import { inspect } from "node:util";
import { EVHTTP_REQ_CONNECT } from "../../src/http/methods.ts";
import { requestUrl } from "../../src/http/request_url.ts";
import { CopiedRequest } from "../../src/http/standard_request.ts";
import { withHandler } from "./serve_support.ts";
import { get, post, signal, withServer } from "./server_support.ts";

/** Has a handler look at a request; returns what it found. */
async function look<T>(text: string, at: (request: Request) => T | Promise<T>): Promise<T> {
  let found: { value: T } | undefined;
  await withHandler(async (request) => {
    found = { value: await at(request) };
    return new Response("looked");
  }, async ({ connect, errors }) => {
    const { body } = await (await connect()).send(text).reply();
    assertEquals(errors, []);
    assertEquals(body, "looked");
  });
  return found!.value;
}

const JSON_TEXT = '{"some":"text"}';
const POST = post("/path?query", JSON_TEXT, "X-One: 1\r\nCookie: a=b\r\nX-One: 2\r\nX-Own: \u00e9\r\n");

/** All ways to read a body as text. */
const READERS: Readonly<Record<string, (request: Request) => Promise<string>>> = {
  text: (request) => request.text(),
  json: async (request) => JSON.stringify(await request.json()),
  bytes: async (request) => new TextDecoder().decode(await request.bytes()),
  arrayBuffer: async (request) => new TextDecoder().decode(await request.arrayBuffer()),
  blob: async (request) => await (await request.blob()).text(),
  body: (request) => new Response(request.body).text(),
};

/** What requests can be made of a request, each with the method and path that it has then. */
const COPIES: readonly (readonly [string, (request: Request) => Request, string, string])[] = [
  ["new Request(request)", (request) => new Request(request), "POST", "/path?query"],
  ["new Request(request, {})", (request) => new Request(request, {}), "POST", "/path?query"],
  ["with another method", (request) => new Request(request, { method: "PUT" }), "PUT", "/path?query"],
  ["with another URL", (request) => new Request("http://other/", request), "POST", "/"],
  ["request.clone()", (request) => request.clone(), "POST", "/path?query"],
];

describe("a request that a standard handler gets", () => {
  it("is a Request with all that has come, whatever is asked first", async () => {
    const found = await look(POST, (request) => [
      request instanceof Request,
      request.headers instanceof Headers,
      Object.prototype.toString.call(request),
      request.headers === request.headers,
      [...request.headers].filter(([name]) => name !== "content-length"),
      [request.method, request.url, request.bodyUsed, request.redirect, request.signal.aborted],
    ]);
    assertEquals(found, [true, true, "[object Request]", true, [
      ["cookie", "a=b"],
      ["host", "test"],
      ["x-one", "1, 2"],
      ["x-own", "\u00e9"],
    ], ["POST", "http://test/path?query", false, "follow", false]]);
  });

  it("has the URL that the standard makes of its target", async () => {
    const url = (target: string, host = "test"): Promise<string> =>
      look(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, (request) => request.url);
    const targets = [
      "/",
      "/a.b/c",
      "/a/../b",
      "/a/%2E%2e/b",
      "/.",
      "/a//b",
      "//a",
      "/a?b=/../c",
      "/a?b'c",
      "/a|b",
    ];
    for (const target of targets) assertEquals(await url(target), new URL(`http://test${target}`).href);
    for (const host of ["TEST:80", "127.1:8080", "test:8080", "[0::1]:80"]) {
      assertEquals(await url("/", host), new URL(`http://${host}/`).href);
    }
  });

  it("has a URL of the host that CONNECT names, whatever that is called", () =>
    withServer(
      { allowedMethods: EVHTTP_REQ_CONNECT },
      (request) => request.reply(403, requestUrl(request)),
      async (at) => {
        const client = await at.connect();
        for (const host of ["https:443", "test:443"]) {
          const { body } = await client.send(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`).reply();
          assertEquals(body, `http://${host}/${host}`);
        }
      },
    ));

  it("gives its body in every way, and once", async () => {
    for (const [name, read] of Object.entries(READERS)) {
      const found = await look(POST, async (request) => {
        const text = await read(request);
        assertEquals(request.bodyUsed, true, name);
        assert(request.body !== null);
        for (const again of Object.values(READERS)) {
          await assertRejects(() => Promise.resolve().then(() => again(request)), TypeError);
        }
        assertThrows(() => request.clone(), TypeError);
        assertThrows(() => new Request(request), TypeError);
        return text;
      });
      assertEquals(found, JSON_TEXT, name);
    }
  });

  it("gives an empty body where none has come", async () => {
    for (
      const text of [
        get("/"),
        get("/").replace("GET", "DELETE"),
        get("/", "Content-Length: 4\r\n") + "body",
      ]
    ) {
      const found = await look(text, async (request) => {
        const { body, bodyUsed } = request;
        return [
          body,
          bodyUsed,
          await request.text(),
          (await request.bytes()).length,
          (await request.clone().arrayBuffer()).byteLength,
        ];
      });
      assertEquals(found, [null, false, "", 0, 0]);
    }
    assertEquals(await look(post("/", ""), (request) => request.text()), "");
  });

  it("gives a form", async () => {
    const form = post("/", "a=1&b=%C3%A9", "Content-Type: application/x-www-form-urlencoded\r\n");
    assertEquals(await look(form, async (request) => [...await request.formData()]), [["a", "1"], ["b", "\u00e9"]]);
  });

  it("gives a blob of the type that its client has named", async () => {
    for (
      const [fields, type] of [
        ["Content-Type: image/png\r\n", "image/png"],
        ["Content-Type: text/html;charset=utf-8\r\n", "text/html;charset=utf-8"],
        ["", ""],
      ] as const
    ) {
      const found = await look(post("/", "bytes", fields), async (request) => {
        const blob = await request.blob();
        return [blob instanceof Blob, blob.type, await blob.text()];
      });
      assertEquals(found, [true, type, "bytes"]);
    }
  });

  it("can be copied in every way, with its body", async () => {
    for (const [name, copy, method, path] of COPIES) {
      const found = await look(POST, async (request) => {
        const copied = copy(request);
        assert(copied !== request && copied instanceof Request);
        return [
          copied.method,
          copied.url,
          copied.headers.get("x-one"),
          copied.headers.get("x-own"),
          await copied.text(),
        ];
      });
      const host = path === "/" ? "other" : "test";
      assertEquals(found, [method, `http://${host}${path}`, "1, 2", "\u00e9", JSON_TEXT], name);
    }
  });

  it("can be read itself beside its clone, whatever was looked at before", async () => {
    const found = await look(POST, async (request) => {
      const { body } = request;
      const clone = request.clone();
      assert(body !== null && request.body !== null && !request.bodyUsed);
      return [await request.text(), await clone.text(), request.bodyUsed, clone.bodyUsed];
    });
    assertEquals(found, [JSON_TEXT, JSON_TEXT, true, true]);
  });

  it("copies fields that the handler has changed", async () => {
    const found = await look(POST, (request) => {
      request.headers.set("X-One", "changed");
      request.headers.delete("X-Own");
      const copies = [new Request(request.clone()), request.clone(), new Request("http://other", request)];
      return copies.map(({ headers }) => [headers.get("x-one"), headers.get("x-own")]);
    });
    assertEquals(found, [["changed", null], ["changed", null], ["changed", null]]);
  });

  it("knows whether its stream was read from", async () => {
    const found = await look(POST, async (request) => {
      const reader = request.body!.getReader();
      const before = request.bodyUsed;
      await assertRejects(() => request.text(), TypeError);
      const { value } = await reader.read();
      reader.releaseLock();
      await assertRejects(() => request.text(), TypeError);
      return [before, value!.length > 0];
    });
    assertEquals(found[1], true);
  });

  it("fails with its client, in the middle of the body", async () => {
    const ways = [READERS["text"]!, READERS["body"]!, (request: Request) => request.clone().text()];
    for (const read of ways) {
      const begun = signal();
      const failed = signal<unknown>();
      await withHandler(async (request) => {
        begun.resolve();
        await read(request).then(() => failed.resolve("it has come"), failed.resolve);
        return new Response();
      }, async ({ connect }) => {
        const client = await connect();
        client.send(post("/", "x".repeat(100)).slice(0, -50));
        await begun.promise;
        client.reset();
        assert(await failed.promise instanceof Error);
      });
    }
  });

  it("can be passed on to fetch, with its body, and its copy ends with its client", async () => {
    const reached = signal();
    const aborted = signal<unknown>();
    await withServer({}, async (request) => {
      if (request.path === "/slow") return reached.resolve();
      request.reply(200, `${request.method} ${request.headers.get("x-one")} ${await request.text()}`);
    }, async (upstream) => {
      const pass = (request: Request): Promise<Response> => {
        const url = new URL(request.url);
        url.host = `127.0.0.1:${upstream.port}`;
        if (url.pathname === "/whole") return fetch(request);
        return fetch(new Request(url, request)).catch((error: unknown) => {
          aborted.resolve(error);
          throw error;
        });
      };
      await withHandler(pass, async ({ connect, port, errors }) => {
        const client = await connect();
        assertEquals((await client.send(POST).reply()).body, `POST 1, 2 ${JSON_TEXT}`);
        assertEquals((await client.send(get("/", "X-One: 3\r\n")).reply()).body, "GET 3 ");
        // A client that names the other server is led there by the request as it is.
        const whole = POST.replace("/path?query", "/whole").replace("Host: test", `Host: 127.0.0.1:${upstream.port}`);
        assertEquals((await client.send(whole).reply()).body, `POST 1, 2 ${JSON_TEXT}`);
        assertEquals(errors, []);
        assert(port !== upstream.port);
        client.send(get("/slow"));
        await reached.promise;
        client.reset();
        assert(await aborted.promise instanceof Error);
      });
    });
  });

  it("shows itself when it is printed", async () => {
    const shown = await look(POST, (request) => inspect(request));
    assertStringIncludes(shown, "http://test/path?query");
    assertStringIncludes(shown, "POST");
  });

  it("serves a framework", async () => {
    const app = new Hono();
    app.get(
      "/users/:name",
      (context) => context.json([context.req.param("name"), context.req.query("q"), context.req.header("x-one")]),
    );
    app.post("/json", async (context) => context.json(await context.req.json()));
    app.post("/form", async (context) => context.json(await context.req.parseBody()));
    app.post("/raw", async (context) => context.text(await context.req.raw.clone().text() + await context.req.text()));
    await withHandler((request) => app.fetch(request), async ({ connect, errors }) => {
      const client = await connect();
      const body = async (text: string): Promise<string> => (await client.send(text).reply()).body;
      assertEquals(await body(get("/users/a%20b?q=1", "X-One: 1\r\n")), '["a b","1","1"]');
      assertEquals(await body(post("/json", JSON_TEXT)), JSON_TEXT);
      assertEquals(
        await body(post("/form", "a=b", "Content-Type: application/x-www-form-urlencoded\r\n")),
        '{"a":"b"}',
      );
      assertEquals(await body(post("/raw", "text")), "texttext");
      assertEquals((await client.send(get("/none")).reply()).status, 404);
      assertEquals(errors, []);
    });
  });

  it("is a whole Request where the runtime takes nothing else for one", () =>
    withServer({}, undefined, async ({ server, connect }) => {
      server.setHandler(async (request) => {
        const copied = new CopiedRequest(request);
        const { method, url, headers, signal } = copied;
        const text = await new Request(copied).text();
        request.reply(200, JSON.stringify([method, url, headers.get("x-one"), signal.aborted, text]));
      }, { streamBody: true });
      const client = await connect();
      const found = JSON.parse((await client.send(POST).reply()).body);
      assertEquals(found, ["POST", "http://test/path?query", "1, 2", false, JSON_TEXT]);
    }));
});
