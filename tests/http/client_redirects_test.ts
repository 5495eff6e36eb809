/** Where a client follows redirects to, and with what. */
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { EvBuffer, type EventBase } from "../../src/core/mod.ts";
import { DIGEST_FIELDS } from "../../src/http/digest_fields.ts";
import { HttpClient, type HttpHandler, HttpServer } from "../../src/http/mod.ts";
import { alongside, eventually, rejection } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { type Beside, besideServer, echo, failure } from "./client_beside.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";

forEachBackend((backend) => {
  let base: EventBase;

  beforeEach(() => void (base = backend.newBase()));
  afterEach(() => base.close());

  const withServer = (...given: Beside): Promise<void> => besideServer(base, ...given);

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
});
