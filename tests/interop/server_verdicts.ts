/**
 * Asks nginx, Apache, haproxy, Caddy (which is Go's net/http), node and h11 what they make of the requests in `tests/http/verdict_vectors.ts` and prints a table
 * for `tests/http/server_verdicts_test.ts`. It is run by hand, on Debian with the packages nginx, apache2, haproxy,
 * caddy and python3-h11:
 *
 *     bun tests/interop/server_verdicts.ts [part of a title]
 *
 * nginx, Apache, haproxy and Caddy stand before a server that writes down what they pass on, node and h11 answer with what they read.
 * A letter is what was made of a request: "a" accepted and read as the vector says, "o" accepted and read in another way, "r" refused
 * by a status or a closed connection, "w" waited for more.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Vector, vectors } from "../http/verdict_vectors.ts";

const QUIET_MS = 400;
const START_MS = 10_000;

/** A server to ask: how it is started in a folder, on a port, before another. */
interface Peer {
  readonly name: string;
  readonly command: readonly string[];
  readonly files: (folder: string, port: number, upstream: number) => Readonly<Record<string, string>>;
}

const nodeServer = `
const http = require("node:http");
http.createServer((request, response) => {
  let body = "";
  request.setEncoding("latin1").on("data", (piece) => body += piece).on("end", () => {
    response.setHeader("X-Read", encodeURIComponent(request.method + " " + request.url + (body && " " + body)));
    response.end();
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
`;

const h11Server = `
import h11, socketserver, sys, urllib.parse
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        connection = h11.Connection(h11.SERVER)
        head, body = None, b""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                self.request.sendall(b"HTTP/1.1 %d Refused\\r\\nConnection: close\\r\\n\\r\\n" % error.error_status_hint)
                return
            if event is h11.NEED_DATA:
                connection.receive_data(self.request.recv(65536))
            elif isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                text = head.method + b" " + head.target + (b" " + body if body else b"")
                fields = [("X-Read", urllib.parse.quote_from_bytes(text)), ("Content-Length", "0")]
                self.request.sendall(connection.send(h11.Response(status_code=200, headers=fields)))
                self.request.sendall(connection.send(h11.EndOfMessage()))
                if connection.our_state is h11.MUST_CLOSE: return
                connection.start_next_cycle()
            else:
                return
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`;

const peers: readonly Peer[] = [
  {
    name: "nginx",
    command: ["nginx", "-p", ".", "-c", "nginx.conf"],
    files: (folder, port, upstream) => ({
      "nginx.conf": `daemon off; user root; pid ${folder}/pid; error_log ${folder}/log; events {}
        http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
          fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
          server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstream}; } } }`,
    }),
  },
  {
    name: "apache",
    command: ["apache2", "-f", "apache.conf", "-DFOREGROUND"],
    files: (folder, port, upstream) => ({
      "apache.conf": `ServerRoot ${folder}
        LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
        LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
        LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
        LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
        Listen 127.0.0.1:${port}
        ServerName a
        User www-data
        PidFile ${folder}/pid
        ErrorLog ${folder}/log
        ProxyPass / http://127.0.0.1:${upstream}/ nocanon`,
    }),
  },
  {
    name: "haproxy",
    command: ["haproxy", "-db", "-f", "haproxy.cfg"],
    files: (_, port, upstream) => ({
      "haproxy.cfg": `defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  option http-buffer-request
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server one 127.0.0.1:${upstream}
`,
    }),
  },
  {
    name: "caddy",
    command: ["caddy", "run", "--config", "caddy.conf", "--adapter", "caddyfile"],
    files: (_, port, upstream) => ({
      "caddy.conf": `{
        admin off
        auto_https off
      }
      http://:${port} {
        bind 127.0.0.1
        reverse_proxy 127.0.0.1:${upstream}
      }
`,
    }),
  },
  {
    name: "node",
    command: ["node", "node.cjs", "PORT"],
    files: () => ({ "node.cjs": nodeServer }),
  },
  {
    name: "h11",
    command: ["/usr/bin/python3", "h11_server.py", "PORT"],
    files: () => ({ "h11_server.py": h11Server }),
  },
];

/** What the proxy under test has passed on since this was emptied. */
const passedOn: string[] = [];

/** Takes whole requests off `bytes`, which a proxy has framed well; returns how many bytes they were. */
function takeRequests(bytes: string, onRequest: (read: string) => void): number {
  let at = 0;
  for (;;) {
    const headEnd = bytes.indexOf("\r\n\r\n", at);
    if (headEnd < 0) return at;
    const head = bytes.slice(at, headEnd + 2);
    let body = "";
    let end = headEnd + 4;
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (/\r\ntransfer-encoding:/i.test(head)) {
      const last = /(?:^|\r\n)0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(bytes.slice(end));
      if (last === null) return at;
      const coded = bytes.slice(end, end + last.index);
      for (let p = 0; p < coded.length;) {
        const lineEnd = coded.indexOf("\r\n", p);
        const size = Number.parseInt(coded.slice(p), 16);
        body += coded.slice(lineEnd + 2, lineEnd + 2 + size);
        p = lineEnd + 4 + size;
      }
      end += last.index + last[0].length;
    } else if (length !== undefined) {
      if (bytes.length < end + Number(length)) return at;
      body = bytes.slice(end, end + Number(length));
      end += Number(length);
    }
    const line = head.slice(0, head.indexOf("\r\n")).replace(/ HTTP\/\d\.\d$/, "");
    onRequest(body === "" ? line : `${line} ${body}`);
    at = end;
  }
}

function record(socket: Socket): void {
  let bytes = "";
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece) => {
    bytes += piece.toString("latin1");
    bytes = bytes.slice(takeRequests(bytes, (read) => {
      passedOn.push(read);
      socket.write("HTTP/1.1 200 OK\r\nX-Read: passed-on\r\nContent-Length: 0\r\n\r\n");
    }));
  });
}

/** Sends the bytes and collects what comes back, until the other side closes or nothing more has come for a while. */
function ask(port: number, text: string): Promise<{ reply: string; closed: boolean }> {
  return new Promise((resolve) => {
    let reply = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text, "latin1"));
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ reply, closed });
    };
    let timer = setTimeout(() => finish(false), QUIET_MS);
    socket.on("data", (piece) => {
      reply += piece.toString("latin1");
      clearTimeout(timer);
      timer = setTimeout(() => finish(false), QUIET_MS);
    });
    socket.on("close", () => finish(true));
    socket.on("error", () => finish(true));
  });
}

/** The letter for one vector, and what lies behind it. */
async function verdictOf(port: number, { text, reads }: Vector): Promise<[string, string]> {
  passedOn.length = 0;
  const { reply, closed } = await ask(port, text);
  const statuses = [...reply.matchAll(/HTTP\/1\.\d (\d{3})/g)].map((match) => match[1]!);
  const answered = [...reply.matchAll(/x-read: ([^\r\n]*)/gi)].map((match) => match[1]!);
  const readings = answered.map((read, at) => read === "passed-on" ? passedOn[at] ?? "?" : decodeLatin1(read));
  const details = `${statuses.join(" ")}${closed ? " closed" : ""} ${JSON.stringify(readings)}`;
  if (statuses.some((status) => status >= "400") || (closed && readings.length === 0)) return ["r", details];
  if (readings.length === 0) return ["w", details];
  // Whether a proxy leaves scheme and authority in the target, and whether it escapes what it passes on, is a matter of taste.
  const paths = readings.map((reading) => decodeLatin1(reading.replace(/^(\S+) [a-z]+:\/\/[^/ ]*/, "$1 ")));
  return [JSON.stringify(paths) === JSON.stringify(reads.map(decodeLatin1)) ? "a" : "o", details];
}

function decodeLatin1(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const { reply } = await ask(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    if (reply !== "") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Cannot ask ${child.spawnargs[0]}: it does not listen`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port))
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function askAll(peer: Peer, upstream: number, asked: readonly Vector[]): Promise<[string, string][]> {
  const folder = mkdtempSync(join(tmpdir(), "verdicts-"));
  const port = await freePort();
  mkdirSync(join(folder, "logs"));
  for (const [name, text] of Object.entries(peer.files(folder, port, upstream))) {
    writeFileSync(join(folder, name), text);
  }
  const [command = "", ...args] = peer.command.map((part) => part === "PORT" ? String(port) : part);
  const full = args.map((part) => /\.(conf|cfg)$/.test(part) ? join(folder, part) : part);
  const child = spawn(command, full, { cwd: folder, stdio: ["ignore", "ignore", "ignore"] });
  try {
    await untilListening(port, child);
    const verdicts: [string, string][] = [];
    for (const vector of asked) verdicts.push(await verdictOf(port, vector));
    return verdicts;
  } finally {
    if (child.exitCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await gone;
    }
    rmSync(folder, { recursive: true });
  }
}

async function main(part: string): Promise<void> {
  const upstream = createServer(record);
  const port = await new Promise<number>((resolve) =>
    upstream.listen(0, "127.0.0.1", () => resolve((upstream.address() as { port: number }).port))
  );
  const asked = vectors.filter(({ title }) => title.includes(part));
  const columns: [string, string][][] = [];
  for (const peer of peers) columns.push(await askAll(peer, port, asked));
  asked.forEach(({ title }, row) => {
    const letters = columns.map((column) => column[row]![0]).join("");
    const details = columns.map((column, at) => `${peers[at]!.name}: ${column[row]![1]}`).join(" | ");
    console.log(`${JSON.stringify(title)}: ${JSON.stringify(letters)}, // ${details}`);
  });
  upstream.close();
}

await main(process.argv[2] ?? "");
// Connections that a proxy keeps to the upstream would keep this process alive.
process.exit(0);
