/** What curl makes of TLS, compression and streamed uploads. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "../tls/certificate_folder.ts";
import { serverContext } from "../tls/tls_support.ts";
import { output } from "./peer_support.ts";
import { withServer } from "./server_support.ts";

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(2000);

describe("an HttpServer and curl", () => {
  itNeeds("curl", "curl", "understand each other over TLS, compressed, and with large uploads", async () => {
    const folder = mkdtempSync("/tmp/evbase-curl-");
    try {
      const upload = join(folder, "upload");
      writeFileSync(upload, TEXT.repeat(20));
      await withServer({ compression: true, limits: { maxBodyBytes: 100_000_000 } }, undefined, async ({ server }) => {
        server.setHandler(async (request) => {
          if (request.path === "/whole") return request.reply(200, TEXT);
          if (request.path === "/pieces") return await request.replyFrom(200, [TEXT, TEXT]);
          let count = 0;
          for await (const piece of request) count += piece.length;
          request.reply(200, String(count));
        }, { streamBody: true });
        using context = serverContext();
        const { port } = server.listen({ port: 0, tls: context });
        const ask = (...args: string[]): Promise<string> => {
          const path = args.pop()!;
          const { certificateFile } = testCertificates().authority;
          const how = ["--silent", "--show-error", "--max-time", "50", "--cacert", certificateFile];
          const to = ["--resolve", `localhost:${port}:127.0.0.1`, `https://localhost:${port}${path}`];
          return output(["curl", ...how, ...args, ...to]);
        };
        assertEquals(await ask("/whole") === TEXT, true);
        for (const coding of ["gzip", "deflate"]) {
          const fields = ["-H", `Accept-Encoding: ${coding}`, "--compressed"];
          assert(await ask(...fields, "/whole") === TEXT, coding);
          assert(await ask(...fields, "/pieces") === TEXT + TEXT, coding);
        }
        const length = String(TEXT.length * 20);
        assertEquals(await ask("--data-binary", `@${upload}`, "/upload"), length);
        assertEquals(await ask("-T", upload, "-H", "Transfer-Encoding: chunked", "/upload"), length);
        assertEquals(await ask("-T", upload, "-H", "Expect: 100-continue", "/upload"), length);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
