/** Servers and proxies that others have written, asked by our client. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EventBase } from "../../src/core/mod.ts";
import {
  HttpClient,
  type HttpClientError,
  type HttpClientOptions,
  type HttpClientRequestOptions,
  type HttpClientResponse,
  HttpServer,
} from "../../src/http/mod.ts";
import { alongside, eventually, rejection } from "../core/async_support.ts";
import { deadPort } from "../core/bufferevent_support.ts";
import { ExampleProcess } from "../examples/example_process.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { Daemon, pattern, PeerFolder, sha256 } from "./peer_support.ts";

const MIB = 1 << 20;

/** Asks a server behind a Unix socket. */
type Ask = (path: string, options?: HttpClientRequestOptions) => Promise<HttpClientResponse>;

interface Asking {
  readonly client: HttpClient;
  readonly ask: Ask;
  readonly socket: string;
}

/** Starts a server that others have written, and runs `body` with a client beside it. */
async function withPeer(
  commandOf: (folder: PeerFolder, socket: string) => readonly string[],
  body: (asking: Asking) => Promise<void>,
  options: HttpClientOptions = {},
  scheme: "http" | "https" = "http",
): Promise<void> {
  using folder = new PeerFolder();
  const socket = join(folder.path, "socket");
  const daemon = await Daemon.start(commandOf(folder, socket), socket);
  using base = new EventBase();
  try {
    await alongside(base, async () => {
      using client = new HttpClient(base, options);
      const ask: Ask = (path, more = {}) =>
        client.request(`${scheme}://localhost${path}`, { unixPath: socket, ...more });
      await body({ client, ask, socket });
    });
  } finally {
    await daemon.stop();
  }
}

const nodeServer = (_: PeerFolder, socket: string): readonly string[] => [
  "node",
  fileURLToPath(new URL("client_node_server.mjs", import.meta.url)),
  socket,
];

function itNeedsNode(title: string, body: (asking: Asking) => Promise<void>, options: HttpClientOptions = {}): void {
  itNeeds("node", "nodejs", title, () => withPeer(nodeServer, body, options));
}

describe("an HttpClient asks node:http", () => {
  itNeedsNode("over one connection, whatever the framing", async ({ ask, client }) => {
    assertEquals((await ask("/chunked/100000")).body.length, 100_000);
    for (const status of [200, 204, 304, 404, 500]) {
      const response = await ask(`/status/${status}`);
      assertEquals([response.status, response.headers.getAll("x-field"), response.text()], [status, ["a", "b"], ""]);
    }
    assertEquals((await ask("/nothing", { method: "HEAD" })).body.length, 0);
    const response = await ask("/trailers");
    assertEquals([response.text(), [...response.trailers!]], ["body", [["X-Sum", "42"]]]);
    const hints: (string | undefined)[] = [];
    const hinted = await ask("/hints", { onInterim: (head) => void hints.push(head.headers.get("link")) });
    assertEquals([hinted.text(), hints], ["hinted", ["</style.css>; rel=preload"]]);
    // The daemon was looked at by one connection before.
    assertEquals((await ask("/count")).text(), "2");
    assertEquals((await ask("/close")).text(), "bye");
    assertEquals(client.connectionCount, 0);
    assertEquals((await ask("/count")).text(), "3");
  });

  itNeedsNode("to take uploads of every kind", async ({ ask }) => {
    const large = pattern(8 * MIB + 1);
    const expected = `${large.length} ${sha256(large)}`;
    async function* pieces(): AsyncGenerator<string> {
      for (let at = 0; at < large.length; at += 50_000) yield large.slice(at, at + 50_000);
    }
    assertEquals((await ask("/digest", { method: "POST", body: large })).text(), `${expected} counted`);
    assertEquals((await ask("/digest", { method: "POST", body: pieces() })).text(), `${expected} chunked`);
    const headers = { "Content-Length": String(large.length) };
    assertEquals((await ask("/digest", { method: "POST", body: pieces(), headers })).text(), `${expected} counted`);
    const options = { method: "POST", body: large, expectContinue: true, maxRedirects: 1 };
    assertEquals((await ask("/redirect", options)).text(), `${expected} counted`);
  });

  itNeedsNode("for compressed bodies, at once or streamed", async ({ ask, client, socket }) => {
    const response = await ask("/gzip/3000000", { decompress: true });
    assertEquals(response.text(), "0123456789".repeat(300_000));
    const fetched = await client.fetch("http://localhost/gzip/3000000", { unixPath: socket });
    assertEquals(await fetched.text(), "0123456789".repeat(300_000));
  }, { maxDecompressionRatio: 1000 });

  itNeedsNode("and hears of what is cut off, and of another protocol", async ({ ask }) => {
    const error = await rejection(ask("/cut")) as HttpClientError;
    assertEquals(error.code, "HTTP_EOF");
    const response = await ask("/", { headers: { Connection: "Upgrade", Upgrade: "echo" } });
    using stream = response.takeOver();
    assertEquals(new TextDecoder().decode(await stream.readExactly(5)), "first");
    await stream.send("ping");
    assertEquals(new TextDecoder().decode(await stream.readExactly(4)), "ping");
  });

  itNeedsNode(
    "for a body of 100 MiB, piece by piece",
    async ({ client, socket }) => {
      const response = await client.fetch("http://localhost/chunked/104857600", { unixPath: socket });
      let length = 0;
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        length += piece.length;
        assert(piece.length <= 256 * 1024);
      }
      assertEquals(length, 100 * MIB);
    },
  );
});

describe("an HttpClient asks nginx", () => {
  const nginx = (folder: PeerFolder, socket: string): readonly string[] => {
    folder.write("text.txt", pattern(200_000));
    folder.write("large.bin", pattern(3 * MIB));
    const config = folder.write(
      "nginx.conf",
      `daemon off; pid ${folder.path}/pid; error_log ${folder.path}/errors; worker_processes 1; user root;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path ${folder.path}/body; proxy_temp_path ${folder.path}/proxy;
  fastcgi_temp_path ${folder.path}/fcgi; uwsgi_temp_path ${folder.path}/uwsgi; scgi_temp_path ${folder.path}/scgi;
  types { text/plain txt; application/octet-stream bin; }
  gzip on; gzip_min_length 1; gzip_types text/plain;
  server {
    listen unix:${socket}; root ${folder.path}; client_max_body_size 1k;
    location = /moved { return 301 /text.txt; }
    location = /says { return 200 "$request_method $host $content_length"; }
  }
}`,
    );
    return ["nginx", "-c", config, "-p", folder.path];
  };

  itNeeds(
    "nginx",
    "nginx-light",
    "for files, ranges, compressed text and redirects over one connection",
    () =>
      withPeer(nginx, async ({ ask, client }) => {
        const plain = await ask("/text.txt");
        assertEquals([plain.headers.get("content-encoding"), sha256(plain.bytes())], [
          undefined,
          sha256(pattern(200_000)),
        ]);
        const packed = await ask("/text.txt", { headers: { "Accept-Encoding": "gzip" } });
        assertEquals(packed.headers.get("content-encoding"), "gzip");
        assertEquals(packed.headers.get("transfer-encoding"), "chunked");
        const unpacked = await ask("/moved", { decompress: true, maxRedirects: 1 });
        assertEquals([unpacked.redirected, sha256(unpacked.bytes())], [true, sha256(pattern(200_000))]);
        const part = await ask("/large.bin", { headers: { Range: "bytes=1000-1999" } });
        assertEquals([part.status, part.text()], [206, pattern(3 * MIB).slice(1000, 2000)]);
        assertEquals(sha256((await ask("/large.bin")).bytes()), sha256(pattern(3 * MIB)));
        assertEquals((await ask("/says", { method: "POST", body: "abc" })).text(), "POST localhost 3");
        assertEquals((await ask("/nothing")).status, 404);
        assertEquals([client.connectionCount, client.idleCount], [1, 1]);
      }, { maxDecompressionRatio: 1000 }),
  );

  itNeeds(
    "nginx",
    "nginx-light",
    "to take more than it wants, and hears the refusal",
    () =>
      withPeer(nginx, async ({ ask }) => {
        assertEquals((await ask("/says", { method: "POST", body: "x".repeat(2000) })).status, 413);
        const expecting = { method: "POST", body: "x".repeat(2000), expectContinue: true };
        assertEquals((await ask("/says", expecting)).status, 413);
      }),
  );
});

describe("an HttpClient asks openssl s_server", () => {
  const sServer = (mode: "-WWW" | "-HTTP") => (folder: PeerFolder, socket: string): readonly string[] => {
    folder.write("page.txt", pattern(70_000));
    folder.write("response", `HTTP/1.1 203 Own\r\nContent-Length: 4\r\n\r\nbody`);
    const { certificateFile, keyFile } = testCertificates().server;
    const options = `-unix ${socket} -cert ${certificateFile} -key ${keyFile} ${mode}`;
    return ["sh", "-c", `cd ${folder.path} && exec openssl s_server ${options}`];
  };

  itNeeds("openssl", "openssl", "for a file over TLS, whose end is that of the connection", async () => {
    using tls = clientContext();
    await withPeer(
      sServer("-WWW"),
      async ({ ask }) => {
        for (let count = 0; count < 2; count++) {
          const response = await ask("/page.txt");
          const facts = [response.status, response.head.versionMinor, sha256(response.bytes())];
          assertEquals(facts, [200, 0, sha256(pattern(70_000))]);
        }
      },
      { tls },
      "https",
    );
  });

  itNeeds("openssl", "openssl", "for a response that a file holds", async () => {
    using tls = clientContext();
    await withPeer(
      sServer("-HTTP"),
      async ({ ask }) => {
        const response = await ask("/response");
        assertEquals([response.status, response.reason, response.text()], [203, "Own", "body"]);
      },
      { tls },
      "https",
    );
  });
});

describe("an HttpClient asks C libevent's evhttp", () => {
  itNeeds("cc", "gcc", "with and without a body, in chunks, over one connection", async () => {
    using compiled = new PeerFolder();
    const program = compiled.compile(new URL("evhttp_server.c", import.meta.url), "event_core", "event_extra");
    await withPeer((_, socket) => [program, socket], async ({ ask, client }) => {
      const large = pattern(300_000);
      for (const body of ["abc", "", large]) {
        assertEquals((await ask("/echo", { method: "POST", body })).text(), body);
      }
      async function* pieces(): AsyncGenerator<string> {
        for (let at = 0; at < large.length; at += 10_000) yield large.slice(at, at + 10_000);
      }
      assertEquals(sha256((await ask("/echo", { method: "POST", body: pieces() })).text()), sha256(large));
      const expected = Array.from({ length: 1000 }, (_, index) => `piece ${index};`).join("");
      assertEquals((await ask("/chunked")).text(), expected);
      assertEquals((await ask("/echo", { method: "HEAD" })).status, 200);
      assertEquals((await ask("/nothing")).status, 404);
      assertEquals((await ask("/echo", { method: "POST", body: "abc", expectContinue: true })).text(), "abc");
      assert(client.connectionCount <= 1);
    });
  });
});

describe("an HttpClient goes through", () => {
  /** Runs `body` beside a plain and a TLS server of ours. */
  async function withServers(body: (base: EventBase, url: string, secureUrl: string) => Promise<void>): Promise<void> {
    using base = new EventBase();
    await alongside(base, async () => {
      using server = new HttpServer(
        base,
        {},
        (request) => request.reply(200, `${request.target} for ${request.headers.get("host")}`),
      );
      using tls = serverContext();
      const { port } = server.listen({ host: "127.0.0.1", port: 0 });
      const { port: securePort } = server.listen({ host: "127.0.0.1", port: 0, tls });
      await body(base, `http://localhost:${port}`, `https://localhost:${securePort}`);
    });
  }

  itNeeds("tinyproxy", "tinyproxy", "tinyproxy, directly for http and by a tunnel for https", async () => {
    using folder = new PeerFolder();
    using descriptors = new Descriptors();
    const port = deadPort(descriptors);
    const config = folder.write(
      "tinyproxy.conf",
      `Port ${port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\nBasicAuth user secret\nLogFile "${folder.path}/log"\n`,
    );

    const child = spawn("tinyproxy", ["-d", "-c", config], { stdio: "ignore" });
    try {
      await withServers(async (base, url, secureUrl) => {
        using tls = clientContext();
        const proxy = {
          kind: "http",
          host: "127.0.0.1",
          port,
          credentials: { user: "user", password: "secret" },
        } as const;
        using client = new HttpClient(base, { tls, proxy, retries: 50, initialRetryMs: 10 });
        for (let count = 0; count < 2; count++) {
          assertEquals((await client.request(`${url}/plain`)).text(), `/plain for ${new URL(url).host}`);
          assertEquals((await client.request(`${secureUrl}/secure`)).text(), `/secure for ${new URL(secureUrl).host}`);
        }
        using stranger = new HttpClient(base, {
          tls,
          proxy: { ...proxy, credentials: { user: "user", password: "wrong" } },
        });
        assertEquals((await stranger.request(`${url}/plain`)).status, 401);
        const error = await rejection(stranger.request(secureUrl)) as HttpClientError;
        assertEquals(error.code, "HTTP_CONNECT_FAILED");
        assertEquals((error.cause as { code: string }).code, "PROXY_REFUSED");
      });
    } finally {
      child.kill("SIGKILL");
    }
  });

  itNeeds("openssl", "openssl", "a SOCKS5 proxy with a password, for http and https", async () => {
    const example = new ExampleProcess("socks5-server.ts", "-p", "0", "-u", "user:secret");
    try {
      const port = Number(/:(\d+)\b/.exec(await example.address())![1]);
      await withServers(async (base, url, secureUrl) => {
        using tls = clientContext();
        const proxy = {
          kind: "socks5",
          host: "127.0.0.1",
          port,
          credentials: { user: "user", password: "secret" },
        } as const;
        using client = new HttpClient(base, { tls, proxy });
        assertEquals((await client.request(`${url}/plain`)).text(), `/plain for ${new URL(url).host}`);
        assertEquals((await client.request(`${secureUrl}/secure`)).text(), `/secure for ${new URL(secureUrl).host}`);
        using stranger = new HttpClient(base, {
          proxy: { ...proxy, credentials: { user: "user", password: "wrong" } },
        });
        const error = await rejection(stranger.request(url)) as HttpClientError;
        assertEquals((error.cause as { code: string }).code, "PROXY_AUTHENTICATION_FAILED");
        await eventually(() => stranger.connectionCount === 0, "nothing is left");
      });
    } finally {
      await example.stop("SIGKILL");
    }
  });
});
