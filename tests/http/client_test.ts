import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { EV_READ, EvBuffer, type EventBase, SocketBufferEvent } from "../../src/core/mod.ts";
import { acceptEncoding, decodesWholeBrotli } from "../../src/http/content_decoding.ts";
import { DIGEST_FIELDS } from "../../src/http/digest_fields.ts";
import {
  type FetchInit,
  HttpClient,
  HttpClientConnection,
  HttpClientError,
  type HttpClientOptions,
  type HttpClientRequestOptions,
  type HttpHandler,
  type HttpHeaders,
  HttpServer,
  type ProxyOptions,
} from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { answering, HOST, ok, openSocketCount, ScriptedServer } from "./client_support.ts";

const encoder = new TextEncoder();

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  /** Runs `body` beside an HttpServer of ours. */
  function withServer(
    handler: HttpHandler,
    body: (client: HttpClient, url: string) => Promise<void>,
    options: HttpClientOptions = {},
  ): Promise<void> {
    return alongside(base, async () => {
      using server = new HttpServer(base, { allowedMethods: 0xffff }, handler);
      const { port } = server.listen({ host: HOST, port: 0 });
      using client = new HttpClient(base, options);
      await body(client, `http://${HOST}:${port}`);
    });
  }

  const echo: HttpHandler = (request) => {
    const fields = [...request.headers].filter(([name]) => name.toLowerCase() !== "host").map(([name, value]) =>
      `${name}=${value};`
    )
      .join("");
    request.reply(200, `${request.method} ${request.target} ${request.body.takeText()} ${fields}`);
  };

  async function failure(
    client: HttpClient,
    url: string,
    options: HttpClientRequestOptions = {},
  ): Promise<HttpClientError> {
    const error = await rejection(client.request(url, options));
    assertInstanceOf(error, HttpClientError);
    return error;
  }

  describe("HttpClient", () => {
    it("requests URLs, over connections that are kept and shared", () =>
      withServer(echo, async (client, url) => {
        for (let count = 0; count < 3; count++) {
          const response = await client.request(`${url}/a%20b?c=d#e`, { method: "POST", body: "x" });
          assertEquals([response.status, response.text()], [200, "POST /a%20b?c=d x Content-Length=1;"]);
          assertEquals([response.url, response.redirected], [`${url}/a%20b?c=d#e`, false]);
        }
        assertEquals([client.connectionCount, client.idleCount], [1, 1]);
        client.closeIdle();
        assertEquals([client.connectionCount, client.idleCount], [0, 0]);
      }));

    it("goes by callback as well, one request from inside the other's, over one connection", () =>
      withServer(echo, async (client, url) => {
        const texts: string[] = [];
        await new Promise<void>((resolve) => {
          const next = (): void => {
            client.request(url, {}, (response, error) => {
              texts.push(error?.code ?? response!.text());
              assertEquals(client.connectionCount, 1);
              if (texts.length < 5) next();
              else resolve();
            });
          };
          next();
        });
        assertEquals(texts, Array(5).fill("GET /  "));
      }));

    it("works inside dispatch()", () => {
      using server = new HttpServer(base, {}, echo);
      const { port } = server.listen({ host: HOST, port: 0 });
      using client = new HttpClient(base);
      let text = "";
      client.request(`http://${HOST}:${port}/`, {}, (response, error) => {
        text = error?.message ?? response!.text();
        base.loopBreak();
      });
      base.loopExit(15_000);
      base.dispatch();
      assertEquals(text, "GET /  ");
    });

    it("sends its own fields, and the credentials of a URL, unless a request has others", () =>
      withServer(echo, async (client, url) => {
        const withUser = url.replace("//", "//me:p%40ss@");
        assertEquals((await client.request(withUser)).text(), "GET /  User-Agent=me;Authorization=Basic bWU6cEBzcw==;");
        const headers = { "user-agent": "you", authorization: "x" };
        assertEquals((await client.request(withUser, { headers })).text(), "GET /  user-agent=you;authorization=x;");
      }, { headers: { "User-Agent": "me" } }));

    it("sends all of its own fields of a name, or those of the request", () =>
      withServer(echo, async (client, url) => {
        const asked = async (headers?: [string, string][]): Promise<string> =>
          (await client.request(url, { headers })).text();
        assertEquals(await asked(), "GET /  X-A=1;X-B=b;x-a=2;");
        assertEquals(await asked([["X-B", "c"], ["x-b", "d"]]), "GET /  X-B=c;x-b=d;X-A=1;x-a=2;");
        assertEquals(await asked([["x-A", "own"]]), "GET /  x-A=own;X-B=b;");
      }, { headers: [["X-A", "1"], ["X-B", "b"], ["x-a", "2"]] }));

    it("makes no more connections than it may, to a host and in all, and the others wait", () =>
      alongside(base, async () => {
        const held: (() => void)[] = [];
        using server = new HttpServer(base, {}, (request) => void held.push(() => request.reply(200, request.target)));
        const { port } = server.listen({ host: HOST, port: 0 });
        using client = new HttpClient(base, { maxConnectionsPerHost: 2, maxConnections: 3, maxWaiting: 4 });
        const urls = ["a", "b", "c", "d"].map((path) => `http://${HOST}:${port}/${path}`);
        const others = ["e", "f", "g"].map((path) => `http://localhost:${port}/${path}`);
        const promises = [...urls, ...others].map((url) => client.request(url).then((response) => response.text()));
        await eventually(() => held.length === 3, "three are served");
        assertEquals([client.connectionCount, client.waitingCount], [3, 4]);
        assertEquals((await failure(client, urls[0]!)).code, "HTTP_QUEUE_FULL");
        let served = 0;
        while (served < 7) {
          await eventually(() => held.length > served, "the next one is served");
          held[served++]!();
          assert(client.connectionCount <= 3);
        }
        assertEquals((await Promise.all(promises)).sort(), ["/a", "/b", "/c", "/d", "/e", "/f", "/g"]);
        assertEquals(client.waitingCount, 0);
      }));

    it("makes room for another host by closing what has nothing to do", () =>
      withServer(echo, async (client, url) => {
        await client.request(url);
        await client.request(url.replace(HOST, "localhost"));
        assertEquals([client.connectionCount, client.idleCount], [1, 1]);
      }, { maxConnections: 1 }));

    it("keeps what has nothing to do while others wait for connections to their own host only", () =>
      alongside(base, async () => {
        using busy = new ScriptedServer(base, () => {});
        using other = new ScriptedServer(base, answering(ok("1"), ok("2"), ok("3")));
        using client = new HttpClient(base, { maxConnectionsPerHost: 1, maxConnections: 2 });
        const wait = [1, 2].map(() => rejection(client.request(`http://${HOST}:${busy.port}/`)));
        for (const answer of ["1", "2"]) {
          assertEquals((await client.request(`http://${HOST}:${other.port}/`)).text(), answer);
          assertEquals([client.waitingCount, client.idleCount, other.peers.length], [1, 1, 1]);
        }
        client.close();
        await Promise.all(wait);
      }));

    it("lets nobody wait for ever, however much there is to do for others", () =>
      alongside(base, async () => {
        const hello: HttpHandler = (request) => request.reply(200, "hello");
        using busy = new HttpServer(base, {}, hello);
        using other = new HttpServer(base, {}, hello);
        const [busyUrl, otherUrl] = [busy, other].map((server) =>
          `http://${HOST}:${server.listen({ host: HOST, port: 0 }).port}/`
        ) as [string, string];
        using client = new HttpClient(base, { maxConnections: 2 });
        let isOver = false;
        let count = 0;
        const busyWork = async (): Promise<void> => {
          while (!isOver && count < 1000) {
            await client.request(busyUrl);
            count++;
          }
        };
        const work = Array.from({ length: 20 }, busyWork);
        await client.request(otherUrl);
        isOver = true;
        await Promise.all(work);
        assert(count < 200, `${count} requests came first`);
        assertEquals(client.waitingCount, 0);
      }));

    it("ends what waits, by cancel(), a signal and close(), and leaves nothing open", async () => {
      const run = (): Promise<void> =>
        withServer(() => {}, async (client, url) => {
          const outcomes: string[] = [];
          const note = (_: unknown, error: HttpClientError | null): void => void outcomes.push(error!.code);
          const first = client.request(url, {}, note);
          const second = client.request(url, {}, note);
          const controller = new AbortController();
          const third = rejection(client.request(url, { signal: controller.signal }));
          const last = rejection(client.request(url));
          await isPending(last);
          second.cancel();
          await new Promise<void>((resolve) => {
            client.request(url, { signal: AbortSignal.abort() }, (_, error) => {
              assertEquals(error!.code, "HTTP_CANCELLED");
              resolve();
            });
          });
          controller.abort(new Error("enough"));
          assertEquals((await third).message, "enough");
          first.cancel();
          assertEquals(outcomes, ["HTTP_CANCELLED", "HTTP_CANCELLED"]);
          client.close();
          client.close();
          assertEquals((await last as HttpClientError).code, "HTTP_CLOSED");
          assertEquals((await failure(client, url)).code, "HTTP_CLOSED");
          assertEquals([client.connectionCount, client.waitingCount], [0, 0]);
        }, { maxConnectionsPerHost: 1 });
      await run();
      const before = openSocketCount();
      await run();
      assertEquals(openSocketCount(), before);
    });

    it("ends all that waits, however much that is, and whatever callbacks throw", () => {
      const count = 50_000;
      for (const ends of ["client", "base"] as const) {
        const own = backend.newBase();
        using server = new ScriptedServer(own, () => {});
        using client = new HttpClient(own, { maxConnections: 1, maxWaiting: count });
        const thrown: Error[] = [];
        let ended = 0;
        for (let index = 0; index < count; index++) {
          client.request(`http://${HOST}:${server.port}/`, {}, (_, error) => {
            assertEquals(error!.code, "HTTP_CLOSED");
            ended++;
            if (index % 20_000 === 10_000) {
              thrown.push(new Error(`${index}`));
              throw thrown.at(-1);
            }
          });
        }
        const error = assertThrows(() => ends === "client" ? client.close() : own.close());
        assertEquals([error, thrown.length, ended], [thrown[0], 2, count]);
        own.close();
      }
    });

    it("ends everything when its base is closed", async () => {
      const own = backend.newBase();
      const client = new HttpClient(own, { maxConnectionsPerHost: 1 });
      using server = new ScriptedServer(own, () => {});
      const url = `http://${HOST}:${server.port}/`;
      const errors = [rejection(client.request(url)), rejection(client.request(url))];
      await alongside(own, () => eventually(() => server.peers.length === 1, "it has connected"));
      own.close();
      for (const error of await Promise.all(errors)) assertEquals((error as HttpClientError).code, "HTTP_CLOSED");
    });

    it("tells of what was refused at once also when its base is closed before the loop has run", () => {
      const own = backend.newBase();
      const told: unknown[] = [];
      const tell = (_: unknown, error: HttpClientError | null): void => void told.push(error?.code);
      const client = new HttpClient(own);
      const connection = new HttpClientConnection(own, { host: HOST, port: 1 });
      client.close();
      connection.close();
      client.request(`http://${HOST}:1/`, {}, tell);
      connection.request("/", {}, tell);
      assertEquals(told, []);
      own.close();
      assertEquals(told, ["HTTP_CLOSED", "HTTP_CLOSED"]);
    });

    it("refuses what makes no sense", async () => {
      using client = new HttpClient(base);
      for (const url of ["", "/path", "ftp://a/", "https://127.0.0.1/", "http://example.test/"]) {
        assertInstanceOf(await rejection(client.request(url)), TypeError, url);
      }
      const error = await rejection(client.request("https://127.0.0.1/"));
      assert(error.message.includes("TlsContext.client()"), error.message);
      assertThrows(() => client.request("http://127.0.0.1:1", { method: "no method" }, () => {}), TypeError);
      assertThrows(() => client.request("http://127.0.0.1:1", { method: 3 }, () => {}), TypeError, "3 is no method");
      assertThrows(
        () => client.request("http://127.0.0.1:1", { method: "CONNECT" }, () => {}),
        TypeError,
        "openStream()",
      );
      const headers = { "Content-Length": "5" };
      assertThrows(
        () => client.request("http://127.0.0.1:1", { headers, body: "four" }, () => {}),
        TypeError,
        "not the 4 bytes",
      );
      assertThrows(() => client.request("http://127.0.0.1:1", { maxBodyBytes: NaN }, () => {}), RangeError);
      assertInstanceOf(await rejection(client.fetch("http://127.0.0.1:1", { maxBodyBytes: -1 })), RangeError);
      assertThrows(() => new HttpClient(base, { maxConnections: 0 }), RangeError);
      assertThrows(() => new HttpClient(base, { maxWaiting: NaN }), RangeError);
      assertThrows(() => new HttpClient(base, { maxRedirects: -1 }), RangeError);
      assertThrows(() => new HttpClient(base, { maxDecompressionRatio: 0 }), RangeError);
      assertEquals(client.connectionCount, 0);
    });

    itNeeds("openssl", "openssl", "speaks TLS, and verifies the name", () =>
      alongside(base, async () => {
        using serverTls = serverContext();
        using clientTls = clientContext();
        using server = new HttpServer(base, {}, echo);
        const { port } = server.listen({ host: HOST, port: 0, tls: serverTls });
        using client = new HttpClient(base, { tls: clientTls });
        for (let count = 0; count < 2; count++) {
          assertEquals((await client.request(`https://localhost:${port}/x`)).text(), "GET /x  ");
        }
        assertEquals(client.connectionCount, 1);
        using stranger = new HttpClient(base, { tls: clientTls, resolver: { resolve: () => [{ host: HOST }] } });
        const error = await failure(stranger, `https://other.invalid:${port}/`);
        assertEquals([error.code, (error.cause as { code: string }).code], [
          "HTTP_CONNECT_FAILED",
          "HOSTNAME_MISMATCH",
        ]);
        assertThrows(() => new HttpClient(base, { tls: serverTls }), TypeError, "client");
      }));

    it("connects to Unix sockets", () =>
      alongside(base, async () => {
        const path = `\0evbase-client-test-${crypto.randomUUID()}`;
        using server = new HttpServer(base, {}, echo);
        server.listen({ path });
        using client = new HttpClient(base);
        assertEquals((await client.request("http://localhost/u", { unixPath: path })).text(), "GET /u  ");
      }));

    it("hands over the stream of a changed protocol; one that nobody takes is closed with it", async () => {
      const run = (): Promise<void> =>
        alongside(base, async () => {
          const answer = "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi";
          using server = new ScriptedServer(base, answering(answer, answer));
          using client = new HttpClient(base);
          const options = { headers: { Upgrade: "x", Connection: "upgrade" } };
          const url = `http://${HOST}:${server.port}/`;
          using stream = (await client.request(url, options)).takeOver();
          assertEquals(new TextDecoder().decode(await stream.readExactly(2)), "hi");
          assertEquals((await client.request(url, options)).isSwitched, true);
        });
      await run();
      const before = openSocketCount();
      await run();
      assertEquals(openSocketCount(), before);
    });
  });

  describe("HttpClient follows redirects", () => {
    const redirecting: HttpHandler = (request) => {
      const match = /^\/(\d{3})(\/.*)?$/.exec(request.target);
      if (match === null) return echo(request);
      request.reply(Number(match[1]), "moved", { Location: match[2] ?? "/to?x" });
    };

    it("without what is said of a body, where that does not go with it", () =>
      withServer(redirecting, async (client, url) => {
        const headers = Object.fromEntries(DIGEST_FIELDS.map((name) => [name, "x"]));
        const options = { method: "POST", body: "b", headers, maxRedirects: 1 };
        assertEquals((await client.request(`${url}/303`, options)).text(), "GET /to?x  ");
        const kept = (await client.request(`${url}/307`, options)).text();
        for (const name of DIGEST_FIELDS) assertStringIncludes(kept, `${name}=x;`);
      }));

    it("when told to, with the method and body that the status asks for (RFC 9110 section 15.4)", () =>
      withServer(redirecting, async (client, url) => {
        const options = { body: "b", headers: { "content-type": "t", x: "y" }, maxRedirects: 3 };
        const results: Record<string, string> = {};
        for (const status of [301, 302, 303, 307, 308]) {
          for (const method of ["POST", "PUT"]) {
            const response = await client.request(`${url}/${status}`, { ...options, method });
            assertEquals([response.redirected, response.url], [true, `${url}/to?x`]);
            results[`${status} ${method}`] = response.text();
          }
        }
        const get = "GET /to?x  x=y;";
        const post = "POST /to?x b content-type=t;x=y;Content-Length=1;";
        const put = "PUT /to?x b content-type=t;x=y;Content-Length=1;";
        assertEquals(results, {
          "301 POST": get,
          "301 PUT": put,
          "302 POST": get,
          "302 PUT": put,
          "303 POST": get,
          "303 PUT": get,
          "307 POST": post,
          "307 PUT": put,
          "308 POST": post,
          "308 PUT": put,
        });
        assertEquals((await client.request(`${url}/303`, { method: "HEAD", maxRedirects: 1 })).status, 200);
        assertEquals((await client.request(`${url}/301`)).status, 301);
      }));

    it("whatever limit there is for the body of the response in the end", () =>
      alongside(base, async () => {
        const moved = (framing: string): string => `HTTP/1.1 302 Away\r\nLocation: /there\r\n${framing}`;
        using server = new ScriptedServer(
          base,
          answering(
            moved(`Content-Length: 20\r\n\r\n${"x".repeat(20)}`),
            ok("there"),
            moved(`Transfer-Encoding: chunked\r\n\r\n14\r\n${"x".repeat(20)}\r\n0\r\n\r\n`),
            ok("there"),
            moved("Content-Length: 65537\r\n\r\n"),
            ok("there"),
            moved("Content-Length: 0\r\n\r\n"),
            ok("too long a body"),
          ),
        );
        using client = new HttpClient(base, { maxRedirects: 1 });
        const url = `http://${HOST}:${server.port}/`;
        for (const peerCount of [1, 1, 2]) {
          let seen = "";
          const response = await client.request(url, {
            maxBodyBytes: 10,
            onData: (bytes) => void (seen += bytes.length),
          });
          assertEquals([response.status, seen, response.body.length], [200, "5", 0]);
          assertEquals(server.peers.length, peerCount);
        }
        assertEquals((await failure(client, url, { maxBodyBytes: 10 })).code, "HTTP_DATA_TOO_LONG");
      }));

    it("to what is not escaped, as UTF-8, and to one place only", () =>
      alongside(base, async () => {
        const moved = (...to: string[]): string =>
          `HTTP/1.1 302 Away\r\n${to.map((each) => `Location: ${each}\r\n`).join("")}Content-Length: 0\r\n\r\n`;
        using server = new ScriptedServer(
          base,
          answering(
            ...[moved("/caf\xc3\xa9"), ok("1")],
            ...[moved("/\xff"), ok("2")],
            ...[moved("/same", "/same"), ok("3")],
            moved("/one", "/other"),
          ),
        );
        using client = new HttpClient(base, { maxRedirects: 1 });
        const url = `http://${HOST}:${server.port}`;
        const places: string[] = [];
        for (let count = 0; count < 3; count++) places.push((await client.request(url)).url.slice(url.length));
        assertEquals(places, ["/caf%C3%A9", "/%C3%BF", "/same"]);
        assertEquals((await failure(client, url)).code, "HTTP_BAD_REDIRECT");
      }));

    it("and tells no password when it does not", () =>
      withServer((request) => {
        const location = request.target === "/loop" ? "/loop" : "ftp://name:secret@elsewhere/";
        request.reply(302, "", { Location: location });
      }, async (client, url) => {
        const withPassword = url.replace("//", "//name:secret@");
        const errors = [
          await failure(client, `${withPassword}/loop`),
          await failure(client, `${withPassword}/away`),
          await failure(client, `${withPassword}/gone`, { method: "PUT", body: new EvBuffer() }),
          await rejection(client.fetch(`${withPassword}/away`)),
          await rejection(client.request("ftp://name:secret@elsewhere/")),
          await rejection(client.request("http://name:secret@else where/")),
          await rejection(client.request("https://name:secret@elsewhere/")),
        ];
        for (const error of errors) assert(!`${error} ${error.cause}`.includes("secret"), `${error} ${error.cause}`);
      }, { maxRedirects: 1 }));

    it("up to a number, only to URLs of http and https, and not with a body that is gone", () =>
      withServer((request) => {
        if (request.target === "/loop") request.reply(302, "", { Location: "/loop" });
        else if (request.target === "/no") request.reply(302, "", { Location: "ftp://x/" });
        else if (request.target === "/secure") request.reply(302, "", { Location: "https://127.0.0.1/" });
        else request.reply(307, "", { Location: "/" });
      }, async (client, url) => {
        assertEquals((await failure(client, `${url}/loop`)).code, "HTTP_TOO_MANY_REDIRECTS");
        assertEquals((await failure(client, `${url}/no`)).code, "HTTP_BAD_REDIRECT");
        const insecure = await failure(client, `${url}/secure`);
        assertEquals(insecure.code, "HTTP_BAD_REDIRECT");
        assertInstanceOf(insecure.cause, TypeError);
        const buffer = new EvBuffer();
        buffer.add("x");
        assertEquals(
          (await failure(client, `${url}/gone`, { method: "POST", body: buffer })).code,
          "HTTP_BAD_REDIRECT",
        );
      }, { maxRedirects: 2 }));

    it("however much they say beside that, and unless it is cancelled meanwhile", () =>
      alongside(base, async () => {
        const endless = "HTTP/1.1 302 Away\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n";
        using server = new ScriptedServer(base, (peer) => {
          if (peer.received.startsWith("GET /there")) return peer.say(ok("there"));
          const flood = (): void => {
            if (!peer.stream.closed) peer.say("1000\r\n" + "x".repeat(4096) + "\r\n");
          };
          peer.stream.setCallbacks({ write: flood });
          peer.say(endless);
        });
        const url = `http://${HOST}:${server.port}/`;
        using client = new HttpClient(base, { maxRedirects: 1, limits: { maxBodyBytes: 100_000 } });
        assertEquals((await client.request(url)).text(), "there");
        assertEquals(await (await client.fetch(url)).text(), "there");
        using stalled = new ScriptedServer(base, (peer) => peer.say(endless));
        const outcome = new Promise<string>((resolve) => {
          const call = client.request(`http://${HOST}:${stalled.port}/`, {}, (response, error) =>
            resolve(error?.code ?? response!.text()));
          eventually(() =>
            stalled.peers[0]?.received !== undefined && stalled.peers[0].received !== "", "it has come")
            .then(() =>
              new Promise((resolve) => setTimeout(resolve, 20))
            )
            .then(() => call.cancel());
        });
        assertEquals(await outcome, "HTTP_CANCELLED");
      }));

    it("away from a Unix socket, when they lead to another origin", () =>
      alongside(base, async () => {
        const path = `\0evbase-client-test-${crypto.randomUUID()}`;
        using far = new HttpServer(base, {}, echo);
        const { port } = far.listen({ host: HOST, port: 0 });
        using near = new HttpServer(base, {}, (request) => {
          const location = request.target === "/near" ? "/here" : `http://${HOST}:${port}/far`;
          if (request.target === "/here") request.reply(200, "here");
          else request.reply(302, "", { Location: location });
        });
        near.listen({ path });
        using client = new HttpClient(base, { maxRedirects: 1 });
        assertEquals((await client.request("http://localhost/near", { unixPath: path })).text(), "here");
        assertEquals((await client.request("http://localhost/away", { unixPath: path })).text(), "GET /far  ");
      }));

    it("without credentials to another origin", () =>
      alongside(base, async () => {
        using target = new HttpServer(base, {}, echo);
        const { port } = target.listen({ host: HOST, port: 0 });
        await withServerOn((request) => {
          request.reply(302, "", { Location: request.target === "/near" ? "/far" : `http://${HOST}:${port}/` });
        });
        async function withServerOn(handler: HttpHandler): Promise<void> {
          using server = new HttpServer(base, {}, handler);
          const { port } = server.listen({ host: HOST, port: 0 });
          using client = new HttpClient(base, { maxRedirects: 5 });
          const headers = { Authorization: "secret", Cookie: "a=b", X: "y", Host: "given" };
          assertEquals((await client.request(`http://${HOST}:${port}/near`, { headers })).text(), "GET /  X=y;");
        }
      }));
  });

  describe("HttpClient decodes", () => {
    const text = "hello ".repeat(1000);
    const codings: Record<string, Uint8Array> = {
      gzip: gzipSync(text),
      "x-gzip": gzipSync(text),
      deflate: deflateSync(text),
      "gzip, gzip": gzipSync(gzipSync(text)),
      br: brotliCompressSync(text),
      "gzip, br": brotliCompressSync(gzipSync(text)),
    };
    const brotli = brotliCompressSync(text);
    const cutBrotli = brotli.subarray(0, brotli.length - 1);
    const encoded: HttpHandler = (request) => {
      const name = decodeURIComponent(request.target.slice(1));
      if (name === "accept") request.reply(200, request.headers.get("accept-encoding") ?? "none");
      else if (name === "raw") request.reply(200, deflateRawSync(text), { "Content-Encoding": "deflate" });
      else if (name === "cut") request.reply(200, codings["gzip"]!.subarray(0, 20), { "Content-Encoding": "gzip" });
      else if (name === "cut br") request.reply(200, cutBrotli, { "Content-Encoding": "br" });
      else if (name === "bad") request.reply(200, "nonsense", { "Content-Encoding": "br" });
      else if (name === "unknown") request.reply(200, "as it is", { "Content-Encoding": "zstd" });
      else if (name === "bomb") request.reply(200, gzipSync(new Uint8Array(8_000_000)), { "Content-Encoding": "gzip" });
      else request.reply(200, codings[name]!, { "Content-Encoding": name });
    };
    const digested: HttpHandler = (request) => {
      for (const name of DIGEST_FIELDS) request.replyHeaders.set(name, "x");
      encoded(request);
    };
    const hasDigests = (headers: HttpHeaders | Headers): boolean[] => DIGEST_FIELDS.map((name) => headers.has(name));

    it("and leaves out the digests of what was encoded, and those only", () =>
      withServer(digested, async (client, url) => {
        for (const [name, isThere] of [["gzip", false], ["unknown", true]] as const) {
          const expected = DIGEST_FIELDS.map(() => isThere);
          assertEquals(hasDigests((await client.request(`${url}/${name}`)).headers), expected, name);
          const fetched = await client.fetch(`${url}/${name}`);
          assertEquals(hasDigests(fetched.headers), expected, name);
          await fetched.text();
        }
        const plain = await client.request(`${url}/gzip`, { decompress: false });
        assertEquals(hasDigests(plain.headers), DIGEST_FIELDS.map(() => true));
      }, { decompress: true }));

    it("what request() collects, when told to", () =>
      withServer(encoded, async (client, url) => {
        const whole = Object.keys(codings).filter((name) => decodesWholeBrotli() || !name.includes("br"));
        for (const name of [...whole, "raw"]) {
          const response = await client.request(`${url}/${encodeURIComponent(name)}`);
          assertEquals([response.text(), response.headers.has("content-encoding")], [text, false], name);
        }
        assertEquals((await client.request(`${url}/unknown`)).text(), "as it is");
        assertEquals((await client.request(`${url}/accept`)).text(), acceptEncoding("whole"));
        assertEquals((await client.request(`${url}/accept`, { decompress: false })).text(), "none");
        assertEquals((await client.request(`${url}/gzip`, { decompress: false })).body.length, codings["gzip"]!.length);
        assertEquals((await failure(client, `${url}/cut`)).code, "HTTP_BAD_ENCODING");
        for (const name of ["cut br", "bad"]) {
          if (decodesWholeBrotli()) assertEquals((await failure(client, `${url}/${name}`)).code, "HTTP_BAD_ENCODING");
          else assertEquals((await client.request(`${url}/${name}`)).headers.get("content-encoding"), "br");
        }
        assertEquals((await failure(client, `${url}/bomb`)).code, "HTTP_DATA_TOO_LONG");
        assertEquals((await failure(client, `${url}/gzip`, { maxBodyBytes: 5000 })).code, "HTTP_DATA_TOO_LONG");
      }, { decompress: true }));

    it("what fetch() streams", () =>
      withServer(encoded, async (client, url) => {
        for (const name of [...Object.keys(codings), "raw"]) {
          const response = await client.fetch(`${url}/${encodeURIComponent(name)}`);
          assertEquals([await response.text(), response.headers.has("content-encoding")], [text, false], name);
        }
        assertEquals(await (await client.fetch(`${url}/accept`)).text(), "gzip, deflate, br");
        const part = { headers: { Range: "bytes=0-99" } };
        assertEquals(await (await client.fetch(`${url}/accept`, part)).text(), "identity");
        for (const name of ["cut", "cut br", "bad", "bomb"]) {
          const response = await client.fetch(`${url}/${name}`);
          const code = name === "bomb" ? "HTTP_DATA_TOO_LONG" : "HTTP_BAD_ENCODING";
          const error = await rejection(response.arrayBuffer());
          assertInstanceOf(error, TypeError);
          assertEquals((error.cause as HttpClientError).code, code, name);
        }
        const bounded = await client.fetch(`${url}/gzip`, { maxBodyBytes: 5000 });
        const tooLong = await rejection(bounded.text());
        assertInstanceOf(tooLong, TypeError);
        assertEquals((tooLong.cause as HttpClientError).code, "HTTP_DATA_TOO_LONG");
        const dropped = await client.fetch(`${url}/gzip`);
        await dropped.body!.cancel();
      }));

    it("and tells why a body has ended early, which is no fault of its coding", () =>
      alongside(base, async () => {
        const plain = crypto.getRandomValues(new Uint8Array(50_000));
        for (const coding of ["gzip", "deflate", "br", "gzip, gzip"]) {
          const once = gzipSync(plain);
          const whole = coding === "br"
            ? brotliCompressSync(plain)
            : coding === "deflate"
            ? deflateSync(plain)
            : coding === "gzip"
            ? once
            : gzipSync(once);
          const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${whole.length}\r\n\r\n`;
          for (const isAborted of [false, true]) {
            using server = new ScriptedServer(base, (peer) => {
              peer.say(head);
              peer.stream.write(whole.subarray(0, 40_000));
            });
            using client = new HttpClient(base);
            const controller = new AbortController();
            const { signal } = controller;
            const reader = (await client.fetch(`http://${HOST}:${server.port}/`, { signal })).body!.getReader();
            let length = (await reader.read()).value!.length;
            const rest = rejection((async () => {
              for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
            })());
            assert(await isPending(rest));
            const reason = new DOMException("enough", "AbortError");
            if (isAborted) controller.abort(reason);
            else server.peers[0]!.end();
            const error = await rest;
            if (isAborted) {
              assertStrictEquals(error, reason);
            } else {
              assertInstanceOf(error, TypeError);
              assertEquals((error.cause as HttpClientError).code, "HTTP_EOF", coding);
            }
          }
        }
      }));

    it("and is cancelled while it waits for more, also where decoding has not begun", () =>
      alongside(base, async () => {
        const head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10000\r\n\r\n";
        const begun = String.fromCharCode(...gzipSync("x".repeat(100)).subarray(0, 11));
        for (const answer of [head, head + begun]) {
          using server = new ScriptedServer(base, answering(answer));
          using client = new HttpClient(base);
          const response = await client.fetch(`http://${HOST}:${server.port}/`);
          const reader = response.body!.getReader();
          const read = reader.read();
          assert(await isPending(read));
          await reader.cancel("enough");
          assertEquals((await read).done, true);
          await eventually(() => client.connectionCount === 0, "the connection is given up");
        }
      }));
  });

  describe("HttpClient goes through a proxy", () => {
    it("which is asked directly for http, with its credentials", () =>
      alongside(base, async () => {
        using proxy = new ScriptedServer(base, answering(ok("1"), ok("2")));
        const options = {
          kind: "http",
          host: HOST,
          port: proxy.port,
          credentials: { user: "u", password: "p" },
        } as const;
        using client = new HttpClient(base, { proxy: options });
        assertEquals((await client.request("http://example.test/a?b")).text(), "1");
        assertEquals((await client.request("http://other.test:81/")).text(), "2");
        assertEquals(proxy.peers.length, 1);
        assertEquals(proxy.peers[0]!.received.split("\r\n").filter((line) => line !== ""), [
          "GET http://example.test/a?b HTTP/1.1",
          "Host: example.test",
          "Proxy-Authorization: Basic dTpw",
          "GET http://other.test:81/ HTTP/1.1",
          "Host: other.test:81",
          "Proxy-Authorization: Basic dTpw",
        ]);
      }));

    it("over one connection, however often it is described, and with fields of its own", () =>
      alongside(base, async () => {
        using proxy = new ScriptedServer(base, answering(ok("1"), ok("2"), ok("3")));
        const headers = { "User-Agent": "proxied", "Proxy-Authorization": "Bearer token", Host: "ignored" };
        let secret = "a";
        using client = new HttpClient(base, {
          proxy: () => ({ kind: "http", host: HOST, port: proxy.port, headers: { ...headers, "X-Secret": secret } }),
        });
        await client.request("http://example.test/");
        await client.request("http://example.test/", { headers: { "user-agent": "mine" } });
        assertEquals([proxy.peers.length, client.connectionCount], [1, 1]);
        assertEquals(proxy.peers[0]!.received.split("\r\n").filter((line) => line !== ""), [
          "GET http://example.test/ HTTP/1.1",
          "Host: example.test",
          "User-Agent: proxied",
          "Proxy-Authorization: Bearer token",
          "X-Secret: a",
          "GET http://example.test/ HTTP/1.1",
          "Host: example.test",
          "user-agent: mine",
          "Proxy-Authorization: Bearer token",
          "X-Secret: a",
        ]);
        secret = "b";
        await client.request("http://example.test/");
        assertEquals(proxy.peers.length, 2);
      }));

    it("that is nowhere only for whom it was to go by, also when connections have to be waited for", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok("1"), ok("2"), ok("1"), ok("2")));
        for (const nowhere of [{ host: HOST, port: 0 }, { host: "no host", port: 80 }]) {
          const proxy = ({ pathname }: URL): ProxyOptions | null =>
            pathname === "/proxy" ? { kind: "http", ...nowhere } : null;
          using client = new HttpClient(base, { maxConnections: 1, proxy });
          const url = `http://${HOST}:${server.port}`;
          const first = client.request(`${url}/1`);
          const refused = await rejection(client.request(`${url}/proxy`));
          assertInstanceOf(refused, nowhere.port === 0 ? RangeError : TypeError);
          const last = client.request(`${url}/2`);
          assertEquals(client.waitingCount, 1);
          assertEquals([(await first).text(), (await last).text()], ["1", "2"]);
          assertEquals([client.waitingCount, client.connectionCount], [0, 1]);
        }
      }));

    it("of no kind that is not known", async () => {
      const proxy = { kind: "https", host: HOST, port: 1 } as unknown as ProxyOptions;
      using client = new HttpClient(base, { proxy });
      const error = await rejection(client.request("http://example.test/"));
      assertInstanceOf(error, TypeError);
      assert(error.message.includes('"https"'), error.message);
    });

    itNeeds(
      "openssl",
      "openssl",
      "which opens a tunnel for https, or is left out for some URLs",
      () =>
        alongside(base, async () => {
          using serverTls = serverContext();
          using clientTls = clientContext();
          using server = new HttpServer(base, {}, echo);
          const { port } = server.listen({ host: HOST, port: 0, tls: serverTls });
          let asked = "";
          using proxy = new ScriptedServer(base, (peer) => {
            asked = peer.received;
            peer.say("HTTP/1.1 200 OK\r\n\r\n");
            const { stream } = peer;
            const far = new SocketBufferEvent(base);
            far.connect({ family: "ipv4", host: HOST, port });
            stream.setCallbacks({ read: () => far.write(stream.input.take()), event: () => far.close() });
            far.setCallbacks({ read: () => stream.write(far.input.take()) });
            far.enable(EV_READ);
          });
          const options = { kind: "http", host: HOST, port: proxy.port } as const;
          using client = new HttpClient(base, {
            tls: clientTls,
            proxy: (url) => url.pathname === "/direct" ? null : options,
          });
          assertEquals((await client.request(`https://localhost:${port}/x`)).text(), "GET /x  ");
          assert(asked.startsWith(`CONNECT localhost:${port} HTTP/1.1\r\n`));
          assertEquals((await client.request(`https://localhost:${port}/direct`)).text(), "GET /direct  ");
          assertEquals(proxy.peers.length, 1);
        }),
    );
  });

  describe("HttpClient.fetch", () => {
    it("takes what the standard's takes, and answers with a standard Response", () =>
      withServer(echo, async (client, url) => {
        const response = await client.fetch(new URL(`${url}/a`));
        assertInstanceOf(response, Response);
        assertEquals([response.status, response.ok, response.url, response.redirected], [200, true, `${url}/a`, false]);
        assertEquals(response.headers.get("content-type"), "text/plain;charset=utf-8");
        assert((await response.text()).startsWith("GET /a  "));
        const posted = await client.fetch(new Request(`${url}/b`, { method: "POST", body: "from a Request" }));
        assert((await posted.text()).startsWith("POST /b from a Request "));
        const form = await client.fetch(`${url}/c`, { method: "POST", body: new URLSearchParams({ a: "b c" }) });
        const text = await form.text();
        assert(
          text.includes("a=b+c") && text.includes("application/x-www-form-urlencoded") &&
            text.includes("Content-Length=5"),
          text,
        );
        assertEquals((await client.fetch(`${url}/d`, { method: "HEAD" })).body, null);
        assertEquals((await client.fetch(`${url}/e?f#g`)).url, `${url}/e?f`);
      }));

    it("says of a clone of a response where it came from, and both can be read", () =>
      withServer((request) => {
        if (request.target === "/moved") request.reply(302, "", { Location: "/there" });
        else request.reply(200, "twice");
      }, async (client, url) => {
        const response = await client.fetch(`${url}/moved`);
        const clone = response.clone();
        const third = clone.clone();
        for (const each of [response, clone, third]) {
          assertInstanceOf(each, Response);
          assertEquals([each.url, each.redirected, await each.text()], [`${url}/there`, true, "twice"]);
        }
        assertThrows(() => response.clone(), TypeError);
      }));

    it("says how long a body is that is there as a whole, also that of a Request, and can send it again", () =>
      withServer((request) => {
        if (request.target === "/moved") request.reply(307, "", { Location: "/there" });
        else echo(request);
      }, async (client, url) => {
        for (const body of ["text", "", new Uint8Array(300_000), new URLSearchParams("a=b")]) {
          const made = new Request(`${url}/moved`, { method: "PUT", body });
          const length = (await made.clone().arrayBuffer()).byteLength;
          const text = await (await client.fetch(made)).text();
          assert(text.startsWith("PUT /there "), text.slice(0, 100));
          assert(new RegExp(`content-length=${length};`, "i").test(text), text.slice(-300));
        }
      }));

    it("streams the body of a Request that takes its time, and ends it when nobody wants it", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(
          base,
          (peer) => void (peer.received.endsWith("0\r\n\r\n") && peer.say(ok(""))),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        for (const waits of [0, 1, 2]) {
          const body = new ReadableStream<Uint8Array>({
            async start(controller): Promise<void> {
              for (let count = 0; count < 3; count++) {
                if (count === waits) {
                  await eventually(() => server.peers[0]?.received.includes(`/waits-${waits}`) === true, "");
                }
                controller.enqueue(encoder.encode(`<${count}>`));
              }
              controller.close();
            },
          });
          const init = { method: "POST", body, duplex: "half" } as RequestInit;
          assertEquals((await client.fetch(new Request(`${url}waits-${waits}`, init))).status, 200);
          assert(server.peers[0]!.received.endsWith("<0>\r\n3\r\n<1>\r\n3\r\n<2>\r\n0\r\n\r\n"));
        }
        let isCancelled = false;
        const endless = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
        const controller = new AbortController();
        const { signal } = controller;
        const init = { method: "POST", body: endless, duplex: "half", signal } as RequestInit;
        const fetched = rejection(client.fetch(url, init));
        controller.abort(new Error("enough"));
        assertEquals((await fetched).message, "enough");
        await eventually(() => isCancelled, "the stream is cancelled");
      }));

    it("frames bodies itself, whatever the fields of a request say that is passed on", () =>
      withServer(echo, async (client, url) => {
        const text = async (init: RequestInit): Promise<string> => (await client.fetch(url, init)).text();
        const framing = { "Transfer-Encoding": "chunked", "Content-Length": "7" };
        const posted = await text({ method: "POST", headers: framing, body: "four" });
        assert(/^POST \/ four .*content-length=4;/i.test(posted) && !/chunked/.test(posted), posted);
        assert(!/chunked|content-length/i.test(await text({ headers: framing })));
        const body = new Blob(["streamed"]).stream();
        const streamed = await text(
          { method: "POST", body, headers: { "Content-Length": "8" }, duplex: "half" } as RequestInit,
        );
        assert(/^POST \/ streamed .*content-length=8;/i.test(streamed), streamed);
      }));

    it("streams both ways, no faster than the other side", () =>
      alongside(base, async () => {
        let pulled = 0;
        using server = new ScriptedServer(base, (peer) => {
          if (!peer.received.endsWith("0\r\n\r\n")) return;
          peer.say("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
          peer.stream.output.addReference(new Uint8Array(20_000_000).fill(0x7a));
        });
        using client = new HttpClient(base);
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => {
            controller.enqueue(encoder.encode(`piece ${pulled++};`));
            if (pulled === 3) controller.close();
          },
        });
        const response = await client.fetch(`http://${HOST}:${server.port}/`, { method: "POST", body, duplex: "half" });
        const peer = server.peers[0]!;
        assert(
          peer.received.includes("transfer-encoding: chunked") || peer.received.includes("Transfer-Encoding: chunked"),
        );
        assert(peer.received.endsWith("8\r\npiece 0;\r\n8\r\npiece 1;\r\n8\r\npiece 2;\r\n0\r\n\r\n"), peer.received);
        let before = -1;
        await eventually(() => {
          const left = peer.stream.output.length;
          const stood = left === before && left > 0;
          before = left;
          return stood;
        }, "the server has to wait");
        let length = 0;
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) length += piece.length;
        assertEquals(length, 20_000_000);
        assertEquals(client.idleCount, 1);
      }));

    it("follows redirects, refuses them or hands them out", () =>
      withServer((request) => {
        if (request.target === "/to") request.reply(200, "there");
        else request.reply(302, "", { Location: "/to" });
      }, async (client, url) => {
        const followed = await client.fetch(url);
        assertEquals([await followed.text(), followed.redirected, followed.url], ["there", true, `${url}/to`]);
        const manual = await client.fetch(url, { redirect: "manual" });
        assertEquals([manual.status, manual.headers.get("location")], [302, "/to"]);
        await manual.body?.cancel();
        assertInstanceOf(await rejection(client.fetch(url, { redirect: "error" })), TypeError);
      }));

    it("rejects with a TypeError that has a cause, or with the reason of a signal", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(
          base,
          answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", (peer) => peer.end(), () => {}),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        const controller = new AbortController();
        const { signal } = controller;
        const begun = await client.fetch(url, { signal });
        const text = rejection(begun.text());
        controller.abort(new Error("enough"));
        assertEquals((await text).message, "enough");
        const error = await rejection(client.fetch(url));
        assertInstanceOf(error, TypeError);
        assertEquals((error.cause as HttpClientError).code, "HTTP_EOF");
        const reason = new Error("before");
        assertStrictEquals(await rejection(client.fetch(url, { signal: AbortSignal.abort(reason) })), reason);
        const later = new AbortController();
        const waiting = rejection(client.fetch(url, { signal: later.signal }));
        await eventually(() => server.peers.length === 3, "it has connected");
        later.abort(reason);
        assertStrictEquals(await waiting, reason);
        assertInstanceOf(await rejection(client.fetch("/relative")), TypeError);
        assertInstanceOf(await rejection(client.fetch("https://127.0.0.1/")), TypeError);
      }));

    it("fails with a TypeError that has a cause also by a body, of either side, and by what no Response can say", () =>
      alongside(base, async () => {
        const encoded = (body: string): string => ok(body, "Content-Encoding: gzip\r\n");
        using server = new ScriptedServer(
          base,
          answering(
            encoded("no gzip"),
            ok("0123456789"),
            "HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
          ),
        );
        using client = new HttpClient(base);
        const url = `http://${HOST}:${server.port}/`;
        const failing = (): ReadableStream<Uint8Array> =>
          new ReadableStream({ pull: (controller) => controller.error(new Error("source")) });
        const init = (): FetchInit => ({ method: "POST", body: failing(), duplex: "half" });
        const bodies: [() => Promise<unknown>, string][] = [
          [async () => (await client.fetch(url)).text(), "HTTP_BAD_ENCODING"],
          [async () => (await client.fetch(url, { maxBodyBytes: 5 })).text(), "HTTP_DATA_TOO_LONG"],
          [() => client.fetch(url), "HTTP_INVALID_RESPONSE"],
          [() => client.fetch(url, { redirect: "error" }), "HTTP_BAD_REDIRECT"],
          [() => client.fetch(url, init()), "HTTP_BODY_FAILED"],
          [() => client.fetch(new Request(url, init() as RequestInit)), "HTTP_BODY_FAILED"],
        ];
        for (const [fetched, code] of bodies) {
          const error = await rejection(fetched());
          assertInstanceOf(error, TypeError, code);
          assertEquals((error.cause as HttpClientError).code, code);
        }
      }));

    it("hands out no response that changes the protocol, and leaves nothing open of one", () =>
      alongside(base, async () => {
        const switching = "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nand more";
        using server = new ScriptedServer(base, answering(switching, switching, switching));
        using client = new HttpClient(base);
        const headers = { Upgrade: "x", Connection: "Upgrade" };
        for (let count = 1; count <= 3; count++) {
          const error = await rejection(client.fetch(`http://${HOST}:${server.port}/`, { headers }));
          assertInstanceOf(error, TypeError);
          assertEquals((error.cause as HttpClientError).code, "HTTP_INVALID_RESPONSE");
          assertEquals(client.connectionCount, 0);
          await eventually(() => server.peers.length === count && server.peers[count - 1]!.isOver, "it is closed");
        }
      }));

    it("goes by the client's own fields where the request has none, what it accepts among them", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering(ok(""), ok(""), ok(""), ok("")));
        const url = `http://${HOST}:${server.port}/`;
        const fields = async (own: HeadersInit, headers: Record<string, string>): Promise<string[]> => {
          using client = new HttpClient(base, { headers: own as Record<string, string>, decompress: true });
          await client.fetch(url, { headers });
          const { received } = server.peers.at(-1)!;
          return [...received.matchAll(/^(?:accept|range)[\w-]*: .*$/gmi)].map(([line]) => line.toLowerCase()).sort();
        };
        const own = { Accept: "a/b", "Accept-Encoding": "identity" };
        assertEquals(await fields(own, {}), ["accept-encoding: identity", "accept: a/b"]);
        assertEquals(await fields(own, { Accept: "c/d" }), ["accept-encoding: identity", "accept: c/d"]);
        const range = "bytes=0-1";
        assertEquals(
          await fields({ Range: range }, {}),
          ["accept-encoding: identity", "accept: */*", `range: ${range}`],
        );
        // Nor does request() ask for a part of something encoded.
        using client = new HttpClient(base, { headers: { Range: range }, decompress: true });
        await client.request(url);
        assert(!/accept-encoding/i.test(server.peers.at(-1)!.received));
      }));

    it("refuses to pass over an integrity that it does not check", () =>
      withServer(echo, async (client, url) => {
        const integrity = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assertInstanceOf(await rejection(client.fetch(url, { integrity })), TypeError);
        assertEquals(client.connectionCount, 0);
        assertEquals((await client.fetch(url, { integrity: "" })).status, 200);
      }));

    it("gives a connection free when a body is cancelled", () =>
      alongside(base, async () => {
        using server = new ScriptedServer(base, answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"));
        using client = new HttpClient(base);
        const response = await client.fetch(`http://${HOST}:${server.port}/`);
        await response.body!.cancel();
        await eventually(() => client.connectionCount === 0, "it is closed");
      }));
  });
});
