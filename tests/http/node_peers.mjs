/**
 * Clients of npm and node against a server: `node node_peers.mjs PORT`. Every line that it prints is a check that has held; the first
 * that does not ends it with an error.
 */
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import process from "node:process";
import { Writable } from "node:stream";
import { Client, FormData, request, stream } from "undici";

const port = Number(process.argv[2]);
const origin = `http://127.0.0.1:${port}`;
const large = Buffer.alloc(3_000_000, "0123456789abcdef-");

/** One request by node:http. */
function ask(agent, path, { method = "GET", headers = {}, body = [], expect = false } = {}) {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ port, host: "127.0.0.1", agent, path, method, headers }, (response) => {
      const pieces = [];
      // The response has no socket any more when it ends.
      const { localPort } = response.socket;
      response.on("data", (piece) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(pieces),
          localPort,
        });
      });
    });
    asked.on("error", reject);
    const send = () => {
      for (const piece of body) asked.write(piece);
      asked.end();
    };
    if (expect) asked.once("continue", send);
    else send();
  });
}

async function nodeHttp() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  for (let round = 0; round < 20; round++) ports.add((await ask(agent, "/hello")).localPort);
  const chunked = await ask(agent, "/echo", { method: "POST", body: [large.subarray(0, 10), large.subarray(10)] });
  assert.deepEqual([chunked.status, chunked.body.equals(large)], [200, true]);
  ports.add(chunked.localPort);
  const expecting = await ask(agent, "/echo", {
    method: "PUT",
    headers: { Expect: "100-continue" },
    body: ["x"],
    expect: true,
  });
  assert.deepEqual([expecting.status, String(expecting.body)], [200, "x"]);
  const head = await ask(agent, "/bytes/1000", { method: "HEAD" });
  assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "1000", 0]);
  for (const status of [204, 304]) assert.equal((await ask(agent, `/status/${status}`)).body.length, 0);
  ports.add((await ask(agent, "/hello")).localPort);
  assert.equal(ports.size, 1);
  agent.destroy();
  console.log("node:http keeps one connection for everything");

  const many = new Agent({ keepAlive: true, maxSockets: 50 });
  const replies = await Promise.all(Array.from({ length: 500 }, (_, index) => ask(many, `/bytes/${index * 37}`)));
  replies.forEach(({ body }, index) => assert.equal(body.length, index * 37));
  many.destroy();
  console.log("node:http asks 500 times on 50 connections");

  const upgraded = await new Promise((resolve, reject) => {
    const asked = httpRequest({
      port,
      host: "127.0.0.1",
      path: "/tunnel",
      headers: { Connection: "Upgrade", Upgrade: "echo" },
    });
    asked.on("upgrade", (response, socket, head) => resolve({ response, socket, head }));
    asked.on("error", reject);
    asked.end();
  });
  assert.equal(upgraded.response.headers.upgrade, "echo");
  upgraded.socket.write("ping");
  for await (const piece of upgraded.socket) {
    assert.equal(String(piece), "ping");
    break;
  }
  console.log("node:http upgrades");

  await assert.rejects(ask(undefined, "/cut"), { code: "ECONNRESET" });
  console.log("node:http notices a body that breaks off");
}

async function undici() {
  const client = new Client(origin, { pipelining: 10 });
  const bodies = await Promise.all(Array.from({ length: 200 }, async (_, index) => {
    const path = index % 7 === 0 ? "/late" : index % 3 === 0 ? `/chunked/${index * 500}` : `/bytes/${index}`;
    const { statusCode, body } = await client.request({ path, method: "GET" });
    assert.equal(statusCode, 200);
    return (await body.text()).length;
  }));
  bodies.forEach((length, index) => {
    assert.equal(length, index % 7 === 0 ? 4 : index % 3 === 0 ? index * 500 : index);
  });
  console.log("undici pipelines");

  async function* pieces() {
    for (let at = 0; at < large.length; at += 70_000) yield large.subarray(at, at + 70_000);
  }
  const uploaded = await client.request({ path: "/echo", method: "POST", body: pieces() });
  assert.equal(Buffer.from(await uploaded.body.arrayBuffer()).equals(large), true);
  console.log("undici streams a body up, and down again");

  let received = 0;
  await stream(`${origin}/chunked/2000000`, { method: "GET" }, () =>
    new Writable({
      write: (piece, _encoding, done) => {
        received += piece.length;
        done();
      },
    }));
  assert.equal(received, 2_000_000);
  const { body } = await request(`${origin}/declared/1000000`);
  assert.equal((await body.arrayBuffer()).byteLength, 1_000_000);
  console.log("undici streams bodies of known and unknown length");

  const abort = new AbortController();
  const endless = await request(`${origin}/declared/16000000`, { signal: abort.signal });
  await assert.rejects(async () => {
    for await (const _ of endless.body) abort.abort();
  }, { name: "AbortError" });
  assert.equal(await (await request(`${origin}/hello`)).body.text(), "hello");
  console.log("undici goes away in the middle of a reply");

  const form = new FormData();
  form.set("a", "1");
  const fetched = await fetch(`${origin}/echo`, { method: "POST", body: form });
  assert.match(await fetched.text(), /name="a"\r\n\r\n1\r\n/);
  await assert.rejects(async () => await (await fetch(`${origin}/cut`)).text());
  console.log("fetch sends forms, and notices a body that breaks off");
  await client.close();
}

await nodeHttp();
await undici();
process.exit(0);
