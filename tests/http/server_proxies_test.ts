/** Our server behind the proxies that people put in front of one. */
import { assert, assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { itNeeds } from "../support/requires.ts";
import {
  Daemon,
  output,
  pattern,
  PeerFolder,
  type PeerService,
  sha256,
  withPeerService,
  withStandardService,
} from "./peer_support.ts";
import { eventually, get, type RunningServer } from "./server_support.ts";

const MIB = 1 << 20;

/** What the tests of a proxy are given: a service, and how to ask for it by curl through the proxy. */
interface Proxied extends RunningServer {
  readonly service: PeerService;
  /** The Unix socket at which the proxy listens. */
  readonly socket: string;
  /** A folder for files. */
  readonly folder: PeerFolder;
  /** Asks by curl; what comes back. */
  ask(path: string, ...args: string[]): Promise<string>;
}

/** Runs a proxy in front of our server for as long as `body` does. */
function behind(
  start: (folder: PeerFolder, socket: string, port: number) => readonly string[],
  body: (proxied: Proxied) => Promise<void>,
  withService: typeof withPeerService = withPeerService,
): Promise<void> {
  return withService(async (running) => {
    using folder = new PeerFolder();
    const socket = join(folder.path, "proxy.sock");
    const daemon = await Daemon.start(start(folder, socket, running.port), socket);
    const ask = (path: string, ...args: string[]): Promise<string> =>
      output(["curl", "-sS", "--max-time", "50", "--unix-socket", socket, ...args, `http://proxied${path}`]);
    try {
      await body({ ...running, socket, folder, ask });
    } finally {
      await daemon.stop();
    }
  });
}

/** nginx in the foreground, as one process, with all its files in the folder. */
function nginx(location: string): (folder: PeerFolder, socket: string, port: number) => readonly string[] {
  return (folder, socket, port) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
      `${name}_temp_path tmp_${name};`
    );
    const configuration = folder.write(
      "nginx.conf",
      `daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 200; }
http {
  access_log off; ${temporary.join(" ")} client_max_body_size 100m;
  upstream ours { server 127.0.0.1:${port}; keepalive 8; }
  server {
    listen unix:${socket};
    location / { proxy_pass http://ours; proxy_http_version 1.1; proxy_set_header Connection ""; ${location} }
    location /old/ { proxy_pass http://ours/; }
    location /tunnel {
      proxy_pass http://ours; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    }
  }
}
`,
    );
    return ["nginx", "-p", folder.path, "-c", configuration];
  };
}

/** haproxy in the foreground. */
function haproxy(folder: PeerFolder, socket: string, port: number): readonly string[] {
  const configuration = folder.write(
    "haproxy.cfg",
    `global
  maxconn 200
defaults
  mode http
  timeout connect 20s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  http-reuse always
frontend all
  bind unix@${socket}
  default_backend ours
backend ours
  http-request set-header X-Via haproxy
  server ours 127.0.0.1:${port}
`,
  );
  return ["haproxy", "-db", "-f", configuration];
}

/** A connection to a Unix socket that speaks plain bytes. */
class Line implements Disposable {
  readonly #socket: Socket;
  #received = "";
  #hasEnded = false;

  constructor(path: string) {
    this.#socket = connect({ path });
    this.#socket.setEncoding("latin1").on("data", (text: string) => this.#received += text);
    this.#socket.on("error", () => {}).on("close", () => this.#hasEnded = true);
  }

  send(text: string): void {
    this.#socket.write(text, "latin1");
  }

  /** Waits for `text` and takes everything up to its end. */
  async until(text: string): Promise<string> {
    await eventually(`${text} comes`, () => this.#received.includes(text) || this.#hasEnded);
    const end = this.#received.indexOf(text) + text.length;
    assert(end >= text.length, `The connection ended after ${JSON.stringify(this.#received)}`);
    const taken = this.#received.slice(0, end);
    this.#received = this.#received.slice(end);
    return taken;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Bodies of every kind, which every proxy must be able to pass on. */
async function holdsBodies({ ask, folder, service, errors }: Proxied): Promise<void> {
  assertEquals(await ask("/hello"), "hello");
  // Replies of every framing, larger than any buffer in between.
  for (const path of ["/bytes/1000000", "/chunked/5000000", "/declared/5000000", "/chunked/0"]) {
    const size = Number(path.split("/")[2]);
    assertEquals(sha256(await ask(path)), sha256(pattern(size)), path);
  }
  for (const status of ["204", "304", "404", "500"]) {
    assertEquals(await ask(`/status/${status}`, "-o", "/dev/null", "-w", "%{http_code}"), status);
  }
  assertEquals(
    await ask("/bytes/1000", "-I", "-o", "/dev/null", "-w", "%{http_code} %header{content-length}"),
    "200 1000",
  );

  // Uploads of every framing, with and without an expectation.
  const large = pattern(6 * MIB);
  const file = folder.write("large", large);
  const expected = `${large.length} ${sha256(large)}`;
  for (const fields of [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"], ["-H", "Expect: 100-continue"]]) {
    assertEquals(await ask("/digest", "-T", file, ...fields), expected, fields.join(" "));
  }
  assertEquals(sha256(await ask("/echo", "--data-binary", `@${file}`)), sha256(large));

  // Many at once, and one after the other, over few connections to us.
  const [before, requests] = [service.clients.size, service.requests];
  const urls = Array.from({ length: 99 }, (_, index) => `http://proxied/bytes/${index * 100}`);
  const text = await ask(
    "/hello",
    "--parallel",
    "--parallel-max",
    "4",
    "-o",
    "-",
    ...urls.flatMap((url) => [url, "-o", "-"]),
  );
  assertEquals([text.length, service.requests - requests], [100 * 98 * 99 / 2 + 5, 100]);
  assertLessOrEqual(service.clients.size - before, 8);
  assertEquals(errors, []);
}

/** An upgrade, with bytes in both directions behind it. */
async function upgrades({ socket, errors }: Proxied): Promise<void> {
  using line = new Line(socket);
  line.send(get("/tunnel", "Connection: Upgrade\r\nUpgrade: echo\r\n"));
  assertStringIncludes(await line.until("\r\n\r\n"), "HTTP/1.1 101 ");
  for (const size of [1, 100_000]) {
    line.send(`${pattern(size)}.`);
    assertEquals(await line.until("."), `${pattern(size)}.`);
  }

  assertEquals(errors, []);
}

/** What every proxy must be able to do with us. */
async function holdsEverything(proxied: Proxied): Promise<void> {
  await holdsBodies(proxied);
  await upgrades(proxied);
}

describe("an HttpServer behind nginx", () => {
  for (
    const [title, location] of [
      ["serves everything that nginx buffers", "proxy_buffering on; proxy_request_buffering on;"],
      ["serves everything that nginx passes on at once", "proxy_buffering off; proxy_request_buffering off;"],
    ] as const
  ) {
    itNeeds("nginx", "nginx-light", title, () => behind(nginx(location), holdsEverything));
  }

  itNeeds(
    "nginx",
    "nginx-light",
    "keeps one connection for what comes one after the other, and serves HTTP/1.0",
    () =>
      behind(nginx(""), async ({ ask, service, server }) => {
        for (let round = 0; round < 20; round++) assertEquals(await ask("/bytes/9"), pattern(9));
        assertEquals(await ask("/echo", "-d", "body"), "body");
        assertEquals([service.clients.size, server.connectionCount], [1, 1]);
        // nginx asks by HTTP/1.0 unless told otherwise, and takes the end of the connection for that of the body.
        assertEquals(sha256(await ask("/old/chunked/1000000")), sha256(pattern(1_000_000)));
        assertEquals(await ask("/old/echo", "-d", "body"), "body");
        // It asked by the connection that it had kept, and then by a new one.
        await eventually("all of them are gone", () => server.connectionCount === 0);
      }),
  );

  itNeeds(
    "nginx",
    "nginx-light",
    "has nginx tell its client when a reply breaks off, and goes on",
    () =>
      behind(nginx(""), async ({ ask, errors }) => {
        assertEquals(
          await ask("/cut", "-w", "%{http_code}", "-o", "/dev/null").catch((error) => String(error).includes("18")),
          true,
        );
        assertEquals(await ask("/hello"), "hello");
        assertEquals(errors, []);
      }),
  );
});

describe("an HttpServer behind haproxy", () => {
  itNeeds(
    "haproxy",
    "haproxy",
    "serves everything over connections that haproxy shares",
    () =>
      behind(haproxy, async (proxied) => {
        await holdsEverything(proxied);
        const { ask, service } = proxied;
        const before = service.clients.size;
        for (let round = 0; round < 20; round++) assertEquals(await ask("/bytes/9"), pattern(9));
        assertLessOrEqual(service.clients.size - before, 1);
        assertStringIncludes((await ask("/seen")).toLowerCase(), `["x-via","haproxy"]`);
      }),
  );
});

describe("a standard handler behind a proxy", () => {
  for (const location of ["", "proxy_buffering off; proxy_request_buffering off;"]) {
    itNeeds(
      "nginx",
      "nginx-light",
      `serves everything but upgrades through nginx (${location || "buffered"})`,
      () => behind(nginx(location), holdsBodies, withStandardService),
    );
  }

  itNeeds(
    "haproxy",
    "haproxy",
    "serves everything but upgrades through haproxy",
    () => behind(haproxy, holdsBodies, withStandardService),
  );
});
