import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ExampleProcess } from "./example_process.ts";

describe("the example hono", () => {
  it("runs a framework's handler unchanged, with bodies streamed both ways", async () => {
    const example = new ExampleProcess("hono.ts", "-p", "0");
    try {
      const origin = (await example.address()).replace(/\/$/, "");
      const text = async (path: string, init?: RequestInit): Promise<string> =>
        await (await fetch(`${origin}${path}`, init)).text();
      assertEquals(await text("/"), "Hello from Hono!");
      assertEquals(JSON.parse(await text("/users/ada?x=1")), { name: "ada", query: { x: "1" } });
      const large = "0123456789abcdef".repeat(20_000);
      assertEquals(await text("/echo", { method: "POST", body: large }) === large, true);
      assertEquals((await text("/count/1000")).split("\n").length, 1001);
      assertEquals((await fetch(`${origin}/none`)).status, 404);
    } finally {
      await example.stop("SIGKILL");
    }
  });
});
