/** The examples that make HTTP requests, against servers in this process, which have permissions that the examples have not. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EV_READ, EventBase, HttpServer, Listener, SocketBufferEvent } from "../../mod.ts";
import { alongside } from "../core/async_support.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { serverContext } from "../tls/tls_support.ts";
import { ExampleProcess } from "./example_process.ts";

const LARGE = "0123456789".repeat(300_000);

/** Where the servers are. */
interface Servers {
  readonly url: string;
  readonly secureUrl: string;
  /** A folder, removed afterwards. */
  readonly folder: string;
}

async function withServers(body: (servers: Servers) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evbase-client-"));
  using base = new EventBase();
  try {
    await alongside(base, async () => {
      using server = new HttpServer(base, { compression: {} }, (request) => {
        if (request.target === "/large") request.reply(200, LARGE);
        else if (request.target === "/moved") request.reply(302, "", { Location: "/there" });
        else if (request.target === "/never") return;
        else {request.reply(
            200,
            `${request.method} ${request.target} ${request.headers.get("x")} ${request.body.takeText()}\n`,
          );}
      });
      const { port } = server.listen({ host: "127.0.0.1", port: 0 });
      using tls = serverContext();
      const { port: securePort } = server.listen({ host: "127.0.0.1", port: 0, tls });
      server.listen({ path: join(folder, "socket") });
      await body({ url: `http://localhost:${port}`, secureUrl: `https://localhost:${securePort}`, folder });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs an example to its end. */
async function run(
  name: string,
  ...options: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const example = new ExampleProcess(name, ...options);
  const code = await example.end();
  return { code, stdout: example.stdout, stderr: example.stderr };
}

async function outputOf(name: string, ...options: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(name, ...options);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

describe("examples/http-client.ts", () => {
  it("makes requests as it is told, and writes what comes back to standard output or a file", () =>
    withServers(async ({ url, folder }) => {
      assertEquals(await outputOf("http-client.ts", `${url}/a?b`), "GET /a?b undefined \n");
      const options = ["-X", "PUT", "-d", "data", "-H", "X: y", "-L", `${url}/put`];
      assertEquals(await outputOf("http-client.ts", ...options), "PUT /put y data\n");
      writeFileSync(join(folder, "body"), "from a file");
      assertEquals(
        await outputOf("http-client.ts", "-d", `@${folder}/body`, `${url}/post`),
        "POST /post undefined from a file\n",
      );
      assertEquals(await outputOf("http-client.ts", "-o", join(folder, "out"), `${url}/large`), "");
      assert(readFileSync(join(folder, "out"), "latin1") === LARGE);
      assert(await outputOf("http-client.ts", "--compressed", `${url}/large`) === LARGE);
      assertEquals(await outputOf("http-client.ts", "-L", `${url}/moved`), "GET /there undefined \n");
      assertEquals(
        await outputOf("http-client.ts", "-U", join(folder, "socket"), "http://any.host/"),
        "GET / undefined \n",
      );
    }));

  it("waits for a reader that is slow", () =>
    withServers(async ({ url }) => {
      const example = new ExampleProcess("http-client.ts", `${url}/large`);
      example.pauseReading();
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(await example.end(), 0);
      assert(example.stdout === LARGE);
    }));

  it("shows both heads when asked to", () =>
    withServers(async ({ url }) => {
      const { code, stderr } = await run("http-client.ts", "-v", "-H", "X: y", `${url}/moved`);
      assertEquals(code, 0);
      for (const line of [`> GET ${url}/moved\n`, "> X: y\n", "< HTTP/1.1 302 Found\n", "< Location: /there\n"]) {
        assertStringIncludes(stderr, line);
      }
    }));

  it("says what went wrong: 1 for the request, 2 for the command line", () =>
    withServers(async ({ url, secureUrl }) => {
      for (
        const [code, message, ...options] of [
          [1, "HTTP_CONNECT_FAILED", "http://127.0.0.1:1/"],
          [1, "HTTP_TIMEOUT", "-m", "1", `${url}/never`],
          [1, "Cannot create", "-o", "/no/such/folder/file", url],
          [2, "https takes a secure layer", secureUrl],
          [2, "one URL"],
          [2, "one URL", url, url],
          [2, "it is no URL", "nonsense"],
          [2, "unknown option", "--nonsense", url],
          [2, "it is -4 or -6", "-4", "-6", url],
          [2, "-H takes", "-H", "nonsense", url],
          [2, "a proxy is http: or socks5:", "--proxy", "ftp://x", url],
        ] as const
      ) {
        const ended = await run("http-client.ts", ...options);
        assertEquals([ended.code, ended.stdout], [code, ""], ended.stderr);
        assertStringIncludes(ended.stderr.toLowerCase(), message.toLowerCase());
      }
      const { code, stdout } = await run("http-client.ts", "--help");
      assertEquals([code, stdout.split("\n")[0]], [0, "Usage: http-client [options] url"]);
    }));
});

describe("examples/https-client.ts", () => {
  itNeeds(
    "openssl",
    "openssl",
    "verifies whom it speaks to, unless it is told not to",
    () =>
      withServers(async ({ url, secureUrl }) => {
        const { authority } = testCertificates();
        const ca = ["--ca", authority.certificateFile];
        assertEquals(await outputOf("https-client.ts", ...ca, `${secureUrl}/x`), "GET /x undefined \n");
        assertEquals(await outputOf("https-client.ts", "--insecure", `${secureUrl}/x`), "GET /x undefined \n");
        assertEquals(await outputOf("https-client.ts", `${url}/plain`), "GET /plain undefined \n");
        const { code, stderr } = await run("https-client.ts", secureUrl);
        assertEquals(code, 1);
        assertStringIncludes(stderr, "HTTP_CONNECT_FAILED");
      }),
  );
});

describe("examples/http-connect.ts", () => {
  it("goes through a proxy, and hears when that refuses", () =>
    withServers(async ({ url }) => {
      using base = new EventBase();
      await alongside(base, async () => {
        const opened: { close(): void }[] = [];
        const heads: string[] = [];
        using proxy = new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
          const near = new SocketBufferEvent(base, fd);
          const far = new SocketBufferEvent(base);
          opened.push(near, far);
          near.setCallbacks({
            read: () => {
              const head = near.input.takeText();
              heads.push(head);
              if (!head.startsWith("CONNECT localhost:")) {
                return void near.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
              }
              far.connectHostname("localhost", Number(/:(\d+)/.exec(head)![1]));
              near.write("HTTP/1.1 200 OK\r\n\r\n");
              near.setCallbacks({ read: () => far.write(near.input.take()) });
            },
          });
          far.setCallbacks({ read: () => near.write(far.input.take()) });
          near.enable(EV_READ);
          far.enable(EV_READ);
        });
        const through = `http://127.0.0.1:${proxy.port}`;
        // In UTF-8, whatever it is (RFC 7617).
        const withUser = through.replace("//", "//%C3%BC%E2%82%AC:p%C3%A4ss@");
        for (const way of [through, withUser]) {
          const text = await outputOf("http-connect.ts", way, `${url}/x`);
          assert(text.startsWith("HTTP/1.1 200 OK\n") && text.endsWith("\n\nGET /x undefined \n\n"), text);
        }
        assert(!heads[0]!.includes("Proxy-Authorization"));
        assertStringIncludes(heads[1]!, "\r\nProxy-Authorization: Basic w7zigqw6cMOkc3M=\r\n");
        assertEquals((await run("http-connect.ts", through.replace("//", "//a%3Ab:c@"), `${url}/x`)).code, 2);
        const { code, stderr } = await run("http-connect.ts", through, "http://127.0.0.1:1/");
        assertEquals([code, stderr], [1, "The proxy refuses: 403 No\n"]);
        assertEquals((await run("http-connect.ts", through)).code, 2);
        for (const connection of opened) connection.close();
      });
    }));
});
