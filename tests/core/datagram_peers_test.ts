import { assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Datagram, EventBase } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { exchangeBySocat, Socat } from "../support/socat.ts";

/** Runs `work` beside a loop, in a folder of its own. */
async function beside(base: EventBase, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evbase-peers-"));
  using alive = base.timer(() => base.loopBreak());
  alive.add(30_000);
  const running = base.run();
  try {
    await work(folder);
  } finally {
    base.loopBreak();
    await running;
    rmSync(folder, { recursive: true });
  }
}

forEachBackend((backend) => {
  describe("datagrams to and from socat", () => {
    for (const [family, host, shown] of [["UDP4", "127.0.0.1", "127.0.0.1"], ["UDP6", "::1", "[::1]"]] as const) {
      itNeeds("socat", "socat", `are answered over ${family}`, async () => {
        using base = backend.newBase();
        using server = new Datagram(base, { host, port: 0, packetInfo: true }, (datagram) => {
          datagram.reply(datagram.bytes);
        });
        await beside(base, async () => {
          assertEquals(await exchangeBySocat(`${family}:${shown}:${server.port}`, "to and fro"), "to and fro");
        });
      });
    }

    itNeeds("socat", "socat", "are answered over Unix sockets with names", async () => {
      using base = backend.newBase();
      await beside(base, async (folder) => {
        const path = join(folder, "server");
        using _server = new Datagram(base, { path }, (datagram) => datagram.reply(datagram.bytes));
        const client = `UNIX-SENDTO:${path},bind=${join(folder, "client")}`;
        assertEquals(await exchangeBySocat(client, "by path"), "by path");
      });
    });

    itNeeds("socat", "socat", "reach a socat that echoes", async () => {
      using base = backend.newBase();
      await beside(base, async (folder) => {
        const path = join(folder, "echo");
        const socat = new Socat("-d", "-d", `UNIX-RECVFROM:${path},fork`, "PIPE");
        try {
          await socat.until(() => socat.stderr.includes("receiving on"));
          using client = new Datagram(base, { path: join(folder, "client") });
          client.send("Hello, socat", { family: "unix", path });
          assertEquals((await client.receive()).text(), "Hello, socat");
        } finally {
          await socat.stop();
        }
      });
    });
  });
});

const C_PEER = `
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* Sends COUNT numbered datagrams of 100 bytes to a port of 127.0.0.1, then counts COUNT answers that come back in order and unharmed. */
int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), count = atoi(argv[2]), good = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  struct timeval limit = {.tv_sec = 10};
  char out[100], in[200];
  (void)argc;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  for (int i = 0; i < count; i++) {
    memset(out, 'a' + i % 26, sizeof out);
    snprintf(out, sizeof out, "%d", i);
    if (send(fd, out, sizeof out, 0) != sizeof out) return 2;
  }
  for (int i = 0; i < count; i++) {
    memset(out, 'a' + i % 26, sizeof out);
    snprintf(out, sizeof out, "%d", i);
    if (recv(fd, in, sizeof in, 0) == sizeof out && memcmp(in, out, sizeof out) == 0) good++;
  }
  printf("%d\\n", good);
  return 0;
}
`;

describe("datagrams to and from a C program", () => {
  itNeeds("cc", "gcc", "come back unharmed and in order, many at once", async () => {
    using base = new EventBase();
    using server = new Datagram(base, { port: 0, receiveBufferBytes: 1_000_000 }, (datagram) => {
      datagram.reply(datagram.bytes);
    });
    await beside(base, async (folder) => {
      const [source, program] = [join(folder, "peer.c"), join(folder, "peer")];
      writeFileSync(source, C_PEER);
      const { status, stderr } = spawnSync("cc", ["-O1", "-o", program, source], { encoding: "utf8" });
      assertEquals(status, 0, stderr);
      const printed = await new Promise<string>((resolve) => {
        let text = "";
        const child = spawn(program, [String(server.port), "200"]);
        child.stdout.on("data", (bytes: Uint8Array) => text += String(bytes));
        child.once("close", (code) => resolve(`${text.trim()} ${code}`));
      });
      assertEquals(printed, "200 0");
      assertEquals([server.counts.received, server.counts.sent], [200, 200]);
    });
  });
});
