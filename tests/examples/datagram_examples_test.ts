import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createSocket, type Socket } from "node:dgram";
import { backendNames } from "../../mod.ts";
import { os } from "../../src/ffi/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { ExampleProcess } from "./example_process.ts";
import { exchangeBySocat } from "../support/socat.ts";

const LOOPBACK = os.name === "linux" ? "lo" : "lo0";

/** Asks by the host's own datagrams until an answer comes: a datagram may get lost. */
function ask(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = createSocket("udp4");
    const again = setInterval(() => socket.send(text, port, "127.0.0.1"), 500);
    const limit = setTimeout(() => end(() => reject(new Error("There is no answer"))), 15_000);
    const end = (then: () => void): void => {
      clearInterval(again);
      clearTimeout(limit);
      socket.close(() => then());
    };
    socket.once("message", (answer) => end(() => resolve(answer.toString())));
    socket.send(text, port, "127.0.0.1");
  });
}

async function portOf(example: ExampleProcess): Promise<number> {
  const address = await example.address();
  assertMatch(address, /^udp:\/\/127\.0\.0\.1:\d+$/);
  return Number(address.split(":").at(-1));
}

describe("examples/udp-echo.ts", () => {
  for (const options of [[], ["--run"], ...backendNames().map((name) => ["--backend", name])]) {
    it(`answers with what it gets ${options.join(" ")}`, async () => {
      const example = new ExampleProcess("udp-echo.ts", "-p", "0", ...options);
      assertEquals(await ask(await portOf(example), "Hello, World!"), "Hello, World!");
      assertEquals(await example.stop("SIGTERM"), 0);
      assertEquals(example.stderr, "");
    });
  }

  it("says who sends how much when it is told to", async () => {
    const example = new ExampleProcess("udp-echo.ts", "--port", "0", "--verbose");
    await ask(await portOf(example), "12345");
    await example.until(() => /5 bytes from 127\.0\.0\.1:\d+\n/.test(example.stdout));
    assertEquals(await example.stop("SIGINT"), 0);
  });

  itNeeds("socat", "socat", "answers socat", async () => {
    const example = new ExampleProcess("udp-echo.ts", "-p", "0");
    const port = await portOf(example);
    assertEquals(await exchangeBySocat(`UDP4:127.0.0.1:${port}`, "by socat"), "by socat");
    assertEquals(await example.stop(), 0);
  });

  it("explains itself, and refuses what it does not know", async () => {
    const help = new ExampleProcess("udp-echo.ts", "--help");
    assertEquals(await help.end(), 0);
    assertStringIncludes(help.stdout, "--port");
    for (const wrong of [["-p", "x"], ["-p", "99999"], ["--nonsense"], ["--backend", "none"], ["-H", "example.com"]]) {
      const example = new ExampleProcess("udp-echo.ts", ...wrong);
      assertEquals(await example.end(), 2, wrong.join(" "));
      assertMatch(example.stderr, /^udp-echo: .+\n$/);
    }
    const busy = new ExampleProcess("udp-echo.ts", "-H", "192.0.2.1", "-p", "0");
    assertEquals(await busy.end(), 1);
    assertStringIncludes(busy.stderr, "EADDRNOTAVAIL");
  });
});

describe("examples/multicast.ts", () => {
  it("hears over the loopback interface what another sends, and ends after as many as it was told", async () => {
    const listener = new ExampleProcess("multicast.ts", "-i", LOOPBACK, "-p", "0", "-n", "2", "listen");
    const address = await listener.address();
    assertMatch(address, /^udp:\/\/239\.255\.77\.77:\d+$/);
    const port = address.split(":").at(-1)!;
    const sender = new ExampleProcess("multicast.ts", "-i", LOOPBACK, "-p", port, "send", "Hello", "everybody\x1b[31m");
    assertEquals(await sender.end(), 0);
    assertEquals(sender.stdout, "sent 2 of 2\n");
    assertEquals(await listener.end(), 0);
    const heard = listener.stdout.trim().split("\n").slice(1);
    assertMatch(heard[0] ?? "", /^[0-9.]+:\d+: Hello$/);
    assertMatch(heard[1] ?? "", /: everybody\\x1b\[31m$/);
  });

  it("listens until it is told to end", async () => {
    const listener = new ExampleProcess("multicast.ts", "-g", "224.0.0.199", "-i", LOOPBACK, "-p", "0", "listen");
    await listener.address();
    assertEquals(await listener.stop("SIGINT"), 0);
  });

  it("explains itself, and refuses what it does not know", async () => {
    const help = new ExampleProcess("multicast.ts", "--help");
    assertEquals(await help.end(), 0);
    assertStringIncludes(help.stdout, "--group");
    const wrong = [[], ["shout"], ["send"], ["listen", "x"], ["-g", "example.com", "listen"], [
      "-t",
      "256",
      "send",
      "x",
    ]];
    for (const options of [...wrong, ["-g", "192.0.2.1", "-p", "0", "listen"]]) {
      const example = new ExampleProcess("multicast.ts", ...options);
      assertEquals(await example.end(), 2, options.join(" "));
      assertMatch(example.stderr, /^multicast: .+\n$/);
    }
    const missing = new ExampleProcess("multicast.ts", "-i", "no-such-if", "send", "x");
    assertEquals(await missing.end(), 1);
    assertStringIncludes(missing.stderr, "no-such-if");
  });
});
