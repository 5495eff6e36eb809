/**
 * Asks an HTTP proxy for a tunnel by CONNECT, makes a request through it and prints the response: step by step, where a client with
 * the option `proxy` does all of it by itself.
 *
 * ```sh
 * deno run --allow-ffi examples/http-connect.ts http://[user:password@]proxy:port http://host:port/path
 * bun examples/http-connect.ts http://[user:password@]proxy:port http://host:port/path
 * ```
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import {
  type BufferEvent,
  EventBase,
  EVHTTP_REQ_CONNECT,
  HttpClientConnection,
  type HttpClientResponse,
  lookUpBlocking,
  type ProxyCredentials,
} from "../mod.ts";
import { proxyOf } from "./shared/fetching.ts";
import { runMain, UsageError } from "./shared/program.ts";

// A program with one thing to do may block for it.
const resolver = { resolve: (host: string) => lookUpBlocking(host, null).map(({ address }) => address) };

/** User and password in UTF-8 and base64 (RFC 7617); `btoa()` takes nothing but Latin-1. */
function basicCredentials({ user, password }: ProxyCredentials): string {
  if (user.includes(":")) throw new UsageError("a user of the proxy has no colon in the name");
  return Buffer.from(`${user}:${password}`).toString("base64");
}

/** Asks for a tunnel. */
function connectThrough(
  base: EventBase,
  proxyUrl: string,
  url: URL,
  done: (response: HttpClientResponse) => void,
): void {
  const proxy = proxyOf(proxyUrl);
  if (proxy.kind !== "http") throw new UsageError("the proxy has to be an http: one");
  const toProxy = new HttpClientConnection(base, { host: proxy.host, port: proxy.port }, { resolver });
  const { credentials } = proxy;
  const headers: Record<string, string> = credentials === undefined
    ? {}
    : { "Proxy-Authorization": `Basic ${basicCredentials(credentials)}` };
  const authority = `${url.hostname}:${url.port === "" ? 80 : url.port}`;
  toProxy.request(authority, { method: EVHTTP_REQ_CONNECT, headers }, (response, error) => {
    if (response === null) return fail(base, error!.message);
    done(response);
    toProxy.close();
  });
}

/** Makes the request, over a stream that leads to the server. */
function requestOver(base: EventBase, stream: BufferEvent, url: URL, done: () => void): void {
  const target = { host: url.hostname, port: url.port === "" ? 80 : Number(url.port) };
  const connection = HttpClientConnection.over(stream, target);
  connection.request(url.pathname + url.search, { headers: { Connection: "close" } }, (response, error) => {
    connection.close();
    if (response === null) return fail(base, error!.message);
    console.log(`HTTP/1.${response.head.versionMinor} ${response.status} ${response.reason}`);
    for (const [name, value] of response.headers) console.log(`${name}: ${value}`);
    console.log(`\n${response.text()}`);
    done();
  });
}

function fail(base: EventBase, message: string): void {
  console.error(message);
  base.loopBreak();
}

await runMain("http-connect", () => {
  const [proxyUrl, text, ...rest] = process.argv.slice(2);
  if (proxyUrl === undefined || text === undefined || rest.length > 0 || !URL.canParse(text)) {
    throw new UsageError("usage: http-connect proxy-url url");
  }
  const url = new URL(text);
  if (url.protocol !== "http:") throw new UsageError("the URL has to be an http: one");
  using base = new EventBase();
  let exitCode = 1;
  connectThrough(base, proxyUrl, url, (response) => {
    if (!response.isSwitched) return fail(base, `The proxy refuses: ${response.status} ${response.reason}`);
    requestOver(base, response.takeOver(), url, () => {
      exitCode = 0;
      base.loopBreak();
    });
  });
  base.dispatch();
  return exitCode;
});
