/** What all examples have in common: how they refuse a command line, and how those end that serve. */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { ExampleProcess } from "./example_process.ts";

const examples = readdirSync(new URL("../../examples/", import.meta.url)).filter((name) => name.endsWith(".ts")).sort();

/** Those that serve TCP at `-p port`, until they are told to end. */
const servers = [
  "echo.ts",
  "hono.ts",
  "http-hello.ts",
  "http-server.ts",
  "rpc-server.ts",
  "socks5-server.ts",
  "ws-chat-server.ts",
  "ws-echo.ts",
];

/** It has refused to start, and said why in one line. */
async function refuses(code: number, name: string, ...options: string[]): Promise<void> {
  const example = new ExampleProcess(name, ...options);
  const title = `${name} ${options.join(" ")}`;
  assertEquals([await example.end(), example.stdout], [code, ""], `${title}: ${example.stderr}`);
  assertMatch(example.stderr, new RegExp(`^${name.slice(0, -".ts".length)}: .+\n$`), title);
}

describe("the examples", () => {
  for (const name of examples) {
    it(`refuse an option that they do not have, in a line and with status 2: ${name}`, () =>
      refuses(2, name, "--no-such-option"));
  }

  for (const name of servers) {
    it(`refuse a port that is none, and one that is taken: ${name}`, async () => {
      await refuses(2, name, "-p", "x");
      await refuses(2, name, "-p", "65536");
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
      try {
        const { port } = other.address() as { port: number };
        await refuses(1, name, "-p", String(port));
      } finally {
        other.close();
      }
    });

    it(`end with status 0 when they are told to: ${name}`, async () => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        const example = new ExampleProcess(name, "-p", "0");
        assertMatch(await example.address(), /^(http:\/\/)?127\.0\.0\.1:\d+\/?$/);
        assertEquals(await example.stop(signal), 0, example.stderr);
        assertEquals(example.stderr, "");
      }
    });
  }

  it("refuse a backend that there is not: those whose command line has one", async () => {
    for (const name of ["echo.ts", "http-hello.ts", "socks5-server.ts", "unix-echo.ts", "ws-echo.ts"]) {
      await refuses(2, name, "--backend", "none");
    }
  });
});
