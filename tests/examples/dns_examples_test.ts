import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNames, buildDnsMessage, dnsRecordText, dnsTypeNumber, parseDnsMessage } from "../../mod.ts";
import { ExampleProcess } from "./example_process.ts";

/** Asks by the host's own datagrams until an answer comes; answers its code and records. */
function ask(port: number, name: string, type: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const questions = [{ name, type: dnsTypeNumber(type)!, class: 1 }];
    const query = buildDnsMessage({ id: 7, flags: 0x100, questions, answers: [], authorities: [], additionals: [] });
    const socket: Socket = createSocket("udp4");
    const send = (): void => socket.send(query, port, "127.0.0.1");
    const again = setInterval(send, 500);
    const limit = setTimeout(() => end(() => reject(new Error("There is no answer"))), 15_000);
    const end = (then: () => void): void => {
      clearInterval(again);
      clearTimeout(limit);
      socket.close(() => then());
    };
    socket.once("message", (answer) => {
      const { flags, answers } = parseDnsMessage(new Uint8Array(answer));
      end(() => resolve([String(flags & 15), ...answers.map(dnsRecordText)]));
    });
    send();
  });
}

async function portOf(example: ExampleProcess): Promise<number> {
  const address = await example.address();
  assertMatch(address, /^dns:\/\/127\.0\.0\.1:\d+$/);
  return Number(address.split(":").at(-1));
}

describe("examples/dns-server.ts", () => {
  for (const options of [[], ["--run"], ...backendNames().map((name) => ["--backend", name])]) {
    it(`answers as libevent's sample does, and for its zone ${options.join(" ")}`, async () => {
      const example = new ExampleProcess("dns-server.ts", "-p", "0", ...options);
      const port = await portOf(example);
      assertEquals(await ask(port, "any.name", "A"), ["0", "any.name. 10 IN A 192.168.11.11"]);
      assertEquals(await ask(port, "1.2.0.192.in-addr.arpa", "PTR"), [
        "0",
        "1.2.0.192.in-addr.arpa. 10 IN PTR foo.bar.example.com.",
      ]);
      assertEquals(await ask(port, "any.name", "MX"), ["3"]);
      assertEquals(await ask(port, "WWW.example.org", "A"), [
        "0",
        "WWW.example.org. 3600 IN CNAME web.example.org.",
        "web.example.org. 3600 IN A 192.0.2.80",
      ]);
      assertEquals(await example.stop("SIGTERM"), 0);
      assertEquals(example.stderr, "");
    });
  }

  it("serves the zone file that it is given, and says what it is asked", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-zone-"));
    try {
      const path = join(folder, "zone");
      writeFileSync(path, '$ORIGIN x.test.\n@ 60 SOA ns root 1 2 3 4 5\n* TXT "hello there"\n');
      const example = new ExampleProcess("dns-server.ts", "-p", "0", "-v", path);
      const port = await portOf(example);
      assertEquals(await ask(port, "a.x.test", "TXT"), ["0", 'a.x.test. 60 IN TXT "hello there"']);
      await example.until(() => /127\.0\.0\.1:\d+ asks for a\.x\.test TXT\n/.test(example.stdout));
      assertEquals(await example.stop("SIGINT"), 0);
      writeFileSync(path, "@ 60 SOA ns root 1 2 3 4 5\nx A 192.0.2\n");
      const broken = new ExampleProcess("dns-server.ts", "-p", "0", path);
      assertEquals(await broken.end(), 1);
      assertStringIncludes(broken.stderr, "line 2");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("explains itself, and refuses what it does not know", async () => {
    const help = new ExampleProcess("dns-server.ts", "--help");
    assertEquals(await help.end(), 0);
    assertStringIncludes(help.stdout, "--port");
    for (const wrong of [["-p", "x"], ["--nonsense"], ["--backend", "none"], ["-H", "example.com"], ["a", "b"]]) {
      const example = new ExampleProcess("dns-server.ts", ...wrong);
      assertEquals(await example.end(), 2, wrong.join(" "));
      assertMatch(example.stderr, /^dns-server: .+\n$/);
    }
    const missing = new ExampleProcess("dns-server.ts", "/no/such/zone");
    assertEquals(await missing.end(), 1);
    assertStringIncludes(missing.stderr, "ENOENT");
  });
});
