/** An HTTP client: requests by URL, what it keeps and limits, and how it ends. */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import {
  HttpClient,
  HttpClientConnection,
  type HttpClientError,
  type HttpHandler,
  HttpServer,
} from "../../src/http/mod.ts";
import { alongside, eventually, isPending, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { answering, HOST, ok, openSocketCount, ScriptedServer } from "./client_support.ts";
import { type Beside, besideServer, echo, failure } from "./client_beside.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: Beside): Promise<void> => besideServer(base, ...given);

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

    it("forgets nobody who waits for room in all when another one may not wait", () =>
      alongside(base, async () => {
        const held: (() => void)[] = [];
        using server = new HttpServer(base, {}, (request) => void held.push(() => request.reply(200, request.target)));
        const { port } = server.listen({ host: HOST, port: 0 });
        using client = new HttpClient(base, { maxConnections: 1, maxWaiting: 1 });
        const first = client.request(`http://${HOST}:${port}/first`);
        const waiting = client.request(`http://localhost:${port}/waiting`);
        await eventually(() => held.length === 1, "the first one is served");
        assertEquals((await failure(client, `http://localhost:${port}/refused`)).code, "HTTP_QUEUE_FULL");
        held[0]!();
        assertEquals((await first).text(), "/first");
        await eventually(() => held.length === 2, "the one that waited is served");
        held[1]!();
        assertEquals((await waiting).text(), "/waiting");
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
});
