import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNames } from "../../mod.ts";
import { ExampleProcess } from "./example_process.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(
  url: string | { socketPath: string; path: string },
  method: string = "GET",
  body: string | Uint8Array = "",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { Connection: "close", "Content-Length": body.length } };
    const receive = (message: import("node:http").IncomingMessage): void => {
      let text = "";
      message.setEncoding("utf8").on("data", (piece: string) => text += piece);
      message.on("end", () => resolve({ status: message.statusCode!, body: text }));
    };
    const asked = typeof url === "string" ? request(url, options, receive) : request({ ...url, ...options }, receive);
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Runs it to its end. */
async function run(...options: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const example = new ExampleProcess("http-server.ts", ...options);
  const code = await example.end();
  return { code, stdout: example.stdout, stderr: example.stderr };
}

describe("the example http-server", () => {
  let folder = "";
  let example: ExampleProcess | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "evbase-example-"));
    writeFileSync(join(folder, "a.txt"), "content");
  });
  afterEach(async () => {
    await example?.stop("SIGKILL");
    example = undefined;
    rmSync(folder, { recursive: true });
  });

  it("says on one line where it listens, serves its own folder, and ends with code 0 on SIGTERM", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0");
    const url = await example.address();
    assertMatch(url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    const { status, body } = await ask(url + "/");
    assertEquals(status, 200);
    assertStringIncludes(body, "<h1>It works</h1>");
    assertEquals(await example.stop("SIGTERM"), 0);
    assertEquals([example.stdout, example.stderr], [`listening on ${url}\n`, ""]);
  });

  it("serves the folder it is given, and ends with code 0 on SIGINT", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const url = await example.address();
    assertEquals(await ask(url + "/a.txt"), { status: 200, body: "content" });
    assertEquals((await ask(url + "/b.txt")).status, 404);
    assertEquals(await example.stop("SIGINT"), 0);
  });

  it("serves beside the host's own loop", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", "--run", folder);
    assertEquals(await ask(await example.address() + "/a.txt"), { status: 200, body: "content" });
    assertEquals(await example.stop(), 0);
  });

  for (const backend of backendNames()) {
    it(`waits by ${backend} when told so`, async () => {
      example = new ExampleProcess("http-server.ts", "-p", "0", "--backend", backend, folder);
      assertEquals(await ask(await example.address() + "/a.txt"), { status: 200, body: "content" });
      assertEquals(await example.stop(), 0);
    });
  }

  it("prints what it is sent, and requests to /dump, without what would steer a terminal", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const url = await example.address();
    assertEquals(await ask(url + "/some/where?x=1", "POST", "first\n\x1b[31mred"), { status: 200, body: "OK\n" });
    assertEquals(await ask(url + "/dump?y=2"), { status: 200, body: "OK\n" });
    assertEquals((await ask(url + "/z", "PATCH", "third")).status, 200);
    await example.until(() => example!.stdout.includes("third\n>>>\n"));
    assertMatch(example.stdout, /\nPOST \/some\/where\?x=1\n {2}\S/);
    assertMatch(example.stdout, /\n {2}content-length: 14\n/i);
    assertStringIncludes(example.stdout, "\n<<< 14 bytes\nfirst\n\\x1b[31mred\n>>>\n");
    assertStringIncludes(example.stdout, "\nGET /dump?y=2\n");
    assertStringIncludes(example.stdout, "\nPATCH /z\n");
    assertEquals(await example.stop(), 0);
  });

  it("prints no more than the beginning of a large body", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const url = await example.address();
    assertEquals((await ask(url + "/x", "PUT", new Uint8Array(100_000).fill(97))).status, 200);
    await example.until(() => example!.stdout.includes("bytes more)\n"));
    assertStringIncludes(example.stdout, "\n<<< 100000 bytes\n");
    assertStringIncludes(example.stdout, `${"a".repeat(65_536)}\n>>>\n(34464 bytes more)\n`);
  });

  it("goes on serving when nobody reads what it prints", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const url = await example.address();
    example.pauseReading();
    const body = new Uint8Array(60_000).fill(97);
    for (let count = 0; count < 30; count++) assertEquals((await ask(url + "/x", "POST", body)).status, 200);
    assertEquals(await ask(url + "/a.txt"), { status: 200, body: "content" });
    example.resumeReading();
    await example.until(() => example!.stdout.includes("<<< 60000 bytes\naaaa"));
    assertEquals(await example.stop(), 0);
  });

  it("refuses bodies that are larger than allowed", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", "-m", "4", folder);
    const url = await example.address();
    assertEquals([(await ask(url, "POST", "1234")).status, (await ask(url, "POST", "12345")).status], [200, 413]);
  });

  it("prints each request line to stderr when told so", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", "-v", folder);
    await ask(await example.address() + "/a.txt?q");
    await example.until(() => example!.stderr.includes("\n"));
    assertEquals(example.stderr, "GET /a.txt?q\n");
  });

  it("listens on a Unix socket, removes a stale one first, and its own at the end", async () => {
    const path = join(folder, "socket");
    example = new ExampleProcess("http-server.ts", "-U", path, folder);
    assertEquals(await example.address(), `unix:${path}`);
    assertEquals(await ask({ socketPath: path, path: "/a.txt" }), { status: 200, body: "content" });
    await example.stop("SIGKILL");
    assert(existsSync(path));

    const refused = await run("-U", path, folder);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /^http-server: Cannot bind .*EADDRINUSE.*\n$/);

    example = new ExampleProcess("http-server.ts", "-U", path, "-u", folder);
    await example.address();
    assertEquals((await ask({ socketPath: path, path: "/" })).status, 200);
    assertEquals(await example.stop(), 0);
    assert(!existsSync(path));
  });

  it("puts an IPv6 address in brackets", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", "-H", "::1", folder);
    await example.until(() => (example!.stdout + example!.stderr).includes("\n"));
    if (example.stderr.includes("EADDRNOTAVAIL")) return; // This machine has no IPv6.
    assertMatch(await example.address(), /^http:\/\/\[::1\]:\d+$/);
  });

  it("says in one line that a port is taken", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const port = new URL(await example.address()).port;
    const { code, stdout, stderr } = await run("-p", port, folder);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^http-server: Cannot bind 127\.0\.0\.1:\d+: .*\(EADDRINUSE\)\n$/);
  });

  it("says in one line what is wrong with its folder", async () => {
    const missing = await run("-p", "0", join(folder, "missing"));
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertMatch(missing.stderr, /^http-server: Cannot find \S+missing: .*\(ENOENT\)\n$/);
    const file = await run("-p", "0", join(folder, "a.txt"));
    assertEquals([file.code, file.stdout], [1, ""]);
    assertMatch(file.stderr, /^http-server: Cannot list \S+a\.txt: .*\(ENOTDIR\)\n$/);
  });

  for (
    const [mistake, options] of [
      ["an unknown option", ["--bogus"]],
      ["an unknown backend", ["--backend", "sundial"]],
      ["a port that is no number", ["-p", "http"]],
      ["a port that is too large", ["-p", "65536"]],
      ["a host that is no address", ["-p", "0", "-H", "no-address"]],
      ["a second folder", ["a", "b"]],
    ] as const
  ) {
    it(`ends with code 2 and one line for ${mistake}`, async () => {
      const { code, stdout, stderr } = await run(...options);
      assertEquals([code, stdout], [2, ""]);
      assertMatch(stderr, /^http-server: [^\n]+\n$/);
    });
  }

  it("explains its options", async () => {
    const { code, stdout, stderr } = await run("--help");
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Usage: http-server \[options\] \[docroot\]\n/);
    for (const option of ["-p", "-H", "-U", "-u", "-m", "-v", "--backend", "--run", "-h"]) {
      assertStringIncludes(stdout, option);
    }
  });

  it("survives clients that send nonsense or leave", async () => {
    example = new ExampleProcess("http-server.ts", "-p", "0", folder);
    const url = new URL(await example.address());
    for (const bytes of ["\x00\x01\x02\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"]) {
      const socket = connect(Number(url.port), url.hostname);
      await new Promise<void>((resolve) => socket.on("connect", resolve));
      await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
      socket.destroy();
    }
    assertEquals((await ask(url.href + "a.txt")).status, 200);
    assertEquals(await example.stop(), 0);
  });
});
