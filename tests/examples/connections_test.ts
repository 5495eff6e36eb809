/** The examples of connections, driven by other people's programs. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNames } from "../../mod.ts";
import { itNeeds } from "../support/requires.ts";
import { ExampleProcess } from "./example_process.ts";

/** Runs a program to its end and returns what it prints. */
function run(command: string, options: readonly string[], input: string | null = null): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, options, { stdio: ["pipe", "pipe", "pipe"], timeout: 20_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => output += text);
    child.once("error", reject).once("close", () => resolve(output));
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

/** Runs `body` with an example and ends it by a signal, cleanly. */
async function against(example: ExampleProcess, body: (address: string) => Promise<void>): Promise<void> {
  try {
    await body(await example.address());
  } finally {
    assertEquals(await example.stop("SIGINT"), 0, example.stderr);
  }
}

/** Sends bytes and gives what comes back until the other side ends, or until `length` bytes are there. */
function exchange(port: number, pieces: readonly Uint8Array[], length = Infinity): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const got: number[] = [];
    const socket: Socket = connect(port, "127.0.0.1", () => {
      for (const piece of pieces) socket.write(piece);
    });
    const finish = (): void => {
      socket.destroy();
      resolve(Uint8Array.from(got));
    };
    socket.on("data", (bytes: Uint8Array) => {
      got.push(...bytes);
      if (got.length >= length) finish();
    });
    socket.once("end", finish);
    socket.once("error", reject);
  });
}

const bytes = (...numbers: number[]): Uint8Array => Uint8Array.from(numbers);

describe("echo.ts", () => {
  for (const backend of backendNames()) {
    itNeeds(
      "socat",
      "socat",
      `sends back what socat sends, and its end (${backend})`,
      () =>
        against(new ExampleProcess("echo.ts", "-p", "0", "--backend", backend), async (address) => {
          const text = "all that is said\n".repeat(50_000);
          assertEquals(await run("socat", ["-t10", "-", `TCP:${address}`], text), text);
        }),
    );
  }
});

describe("unix-echo.ts", () => {
  itNeeds("socat", "socat", "sends back what socat sends, and removes its socket at the end", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-echo-"));
    const path = join(folder, "socket");
    try {
      await against(new ExampleProcess("unix-echo.ts", path), async (address) => {
        assertEquals(address, path);
        const text = "all that is said\n".repeat(50_000);
        assertEquals(await run("socat", ["-t10", "-", `UNIX-CONNECT:${path}`], text), text);
      });
      assert(!existsSync(path));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("socks5-server.ts", () => {
  /** A server behind the proxy; its port is handed to `body`. */
  async function withServer(host: string, body: (port: number) => Promise<void>): Promise<void> {
    const server = createServer((_request, response) => response.end("behind the proxy"));
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    try {
      await body((server.address() as AddressInfo).port);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const curl = (...options: string[]): Promise<string> => run("curl", ["-sS", "-m15", "--noproxy", "", ...options]);

  itNeeds(
    "curl",
    "curl",
    "curl reaches servers by name, IPv4 and IPv6 address through it",
    () =>
      against(new ExampleProcess("socks5-server.ts", "-p", "0"), async (proxy) => {
        await withServer("127.0.0.1", async (port) => {
          for (const host of ["127.0.0.1", "localhost"]) {
            assertEquals(await curl("--socks5-hostname", proxy, `http://${host}:${port}/`), "behind the proxy");
          }
        });
        await withServer("::1", async (port) => {
          assertEquals(await curl("--socks5-hostname", proxy, `http://[::1]:${port}/`), "behind the proxy");
        });
      }),
  );

  itNeeds(
    "curl",
    "curl",
    "curl needs the right password where there is one",
    () =>
      against(
        new ExampleProcess("socks5-server.ts", "-p", "0", "-u", "ada:secret:1"),
        (proxy) =>
          withServer("127.0.0.1", async (port) => {
            const url = `http://127.0.0.1:${port}/`;
            assertEquals(await curl("-x", `socks5h://ada:secret%3A1@${proxy}`, url), "behind the proxy");
            assertMatch(await curl("-x", `socks5h://ada:wrong@${proxy}`, url), /^curl: \(97\)/);
            assertMatch(await curl("-x", `socks5h://${proxy}`, url), /^curl: \(97\)/);
          }),
      ),
  );

  it("answers what it cannot do with the code for it, whatever the pieces a request comes in", () =>
    against(new ExampleProcess("socks5-server.ts", "-p", "0"), async (proxy) => {
      const port = Number(proxy.split(":")[1]);
      const name = [...new TextEncoder().encode("example.test")];
      const cases: readonly (readonly [string, number[], number])[] = [
        ["a refused port", [5, 1, 0, 1, 127, 0, 0, 1, 0, 1], 5],
        ["a name that nobody can look up", [5, 1, 0, 3, name.length, ...name, 0, 80], 4],
        ["a name that is none", [5, 1, 0, 3, 2, 0, 0, 0, 80], 4],
        ["BIND", [5, 2, 0, 1, 127, 0, 0, 1, 0, 1], 7],
        ["an address of no type", [5, 1, 0, 9], 8],
      ];
      for (const [what, request, code] of cases) {
        const whole = [5, 1, 0, ...request];
        for (const pieces of [[bytes(...whole)], whole.map((byte) => bytes(byte))]) {
          assertEquals([...await exchange(port, pieces)], [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], what);
        }
      }
      assertEquals([...await exchange(port, [bytes(5, 1, 2)])], [5, 0xff]);
      assertEquals([...await exchange(port, [bytes(4, 1)])], []);
    }));
});
