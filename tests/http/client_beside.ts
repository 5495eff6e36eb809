/** What the tests of clients share: a client beside a server, and what comes of requests. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import type { EventBase } from "../../src/core/mod.ts";
import {
  HttpClient,
  type HttpClientConnection,
  type HttpClientConnectionOptions,
  HttpClientError,
  type HttpClientOptions,
  type HttpClientRequestOptions,
  type HttpHandler,
  type HttpRequestOptions,
  HttpServer,
} from "../../src/http/mod.ts";
import { alongside, rejection } from "../core/async_support.ts";
import { answering, HOST, ok, openSocketCount, type Script, ScriptedServer } from "./client_support.ts";

/** What serves, what is done with a client of it, and that client's options. */
export type Beside = [
  handler: HttpHandler,
  body: (client: HttpClient, url: string) => Promise<void>,
  options?: HttpClientOptions,
];

/** Runs `body` beside an HttpServer of ours. */
export function besideServer(base: EventBase, ...[handler, body, options = {}]: Beside): Promise<void> {
  return alongside(base, async () => {
    using server = new HttpServer(base, { allowedMethods: 0xffff }, handler);
    const { port } = server.listen({ host: HOST, port: 0 });
    using client = new HttpClient(base, options);
    await body(client, `http://${HOST}:${port}`);
  });
}

/** Answers with what was asked. */
export const echo: HttpHandler = (request) => {
  const fields = [...request.headers].filter(([name]) => name.toLowerCase() !== "host")
    .map(([name, value]) => `${name}=${value};`).join("");
  request.reply(200, `${request.method} ${request.target} ${request.body.takeText()} ${fields}`);
};

/** Why a request has failed. */
export async function failure(
  client: HttpClient,
  url: string,
  options: HttpClientRequestOptions = {},
): Promise<HttpClientError> {
  const error = await rejection(client.request(url, options));
  assertInstanceOf(error, HttpClientError);
  return error;
}

/** What a server says, what is done with a connection to it, and that connection's options. */
export type BesideScript = [
  script: Script,
  body: (connection: HttpClientConnection, server: ScriptedServer) => Promise<void>,
  options?: HttpClientConnectionOptions,
];

/** Runs `body` beside a server with that script. */
export function besideScript(base: EventBase, ...[script, body, options = {}]: BesideScript): Promise<void> {
  return alongside(base, async () => {
    using server = new ScriptedServer(base, script);
    using connection = server.connection(options);
    await body(connection, server);
  });
}

/** The request as the server got it. */
export async function sentBy(base: EventBase, path: string, options: HttpRequestOptions): Promise<string> {
  let text = "";
  await besideScript(base, answering(ok("")), async (connection, server) => {
    const response = await connection.send(path, options);
    assertEquals(response.status, 200);
    text = server.peers[0]!.received.replaceAll(`:${server.port}`, ":PORT");
  });
  return text;
}

/** Runs `body` twice, since the first time may leave open what the runtime keeps for later. */
export async function assertNothingLeftOpen(body: () => Promise<void>): Promise<void> {
  await body();
  const before = openSocketCount();
  await body();
  assertEquals(openSocketCount(), before);
}

/** Why a request over a connection has failed. */
export async function failureOf(
  connection: HttpClientConnection,
  options: HttpRequestOptions = {},
): Promise<HttpClientError> {
  const error = await rejection(connection.send("/", options));
  assertInstanceOf(error, HttpClientError);
  return error;
}
