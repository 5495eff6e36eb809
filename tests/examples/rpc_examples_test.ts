import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ExampleProcess } from "./example_process.ts";

/** Runs the client to its end. */
async function ask(...options: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const client = new ExampleProcess("rpc-client.ts", ...options);
  const code = await client.end();
  return { code, stdout: client.stdout, stderr: client.stderr };
}

describe("examples/rpc-server.ts and rpc-client.ts", () => {
  it("greet, add, and tell failures by their codes", async () => {
    const server = new ExampleProcess("rpc-server.ts", "-p", "0", "-v");
    const port = (await server.address()).split(":").at(-1)!;
    assertEquals(await ask("-p", port, "greet", "Ada", "2"), {
      code: 0,
      stdout: "Hello, Ada!\nHello, Ada!\n",
      stderr: "",
    });
    assertEquals(await ask("-p", port, "greet", "Ünal"), { code: 0, stdout: "Hello, Ünal!\n", stderr: "" });
    assertEquals(await ask("-p", port, "sum", "1", "2", "9007199254740991"), {
      code: 0,
      stdout: "9007199254740994\n",
      stderr: "",
    });
    await server.until(() => server.stdout.includes("Sum: "));
    assertMatch(server.stdout, /^Greet: 8 bytes$/m);
    assertEquals(await server.stop("SIGTERM"), 0);
    assertEquals(server.stderr, "");
    const refused = await ask("-p", port, "sum", "1");
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /RPC_NO_RESPONSE/);
  });

  it("refuse a command line that is none", async () => {
    for (const options of [[], ["greet"], ["sum"], ["sum", "x"], ["-p", "x", "sum", "1"], ["-t", "0", "sum", "1"]]) {
      const { code, stdout } = await ask(...options);
      assertEquals([code, stdout], [2, ""], options.join(" "));
    }
  });
});
