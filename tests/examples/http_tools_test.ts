/** Both examples against the programs people point at a server, over every backend, blocking and beside the host's loop. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe } from "@std/testing/bdd";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  createReadStream,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNames } from "../../mod.ts";
import { itNeeds } from "../support/requires.ts";
import { ExampleProcess } from "./example_process.ts";

const TIME_LIMIT_MS = 50_000;
const BIG_BYTES = 100 * 1024 * 1024;

/** Runs a program to its end; fails unless it exits with 0. */
function run(program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: TIME_LIMIT_MS, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(`${program} ${args.join(" ")} failed: ${stderr}${stdout}`, { cause: error }));
    });
  });
}

/** Runs `use` against an example, which must end with code 0 on SIGTERM afterwards. */
async function against(example: ExampleProcess, use: (url: string) => Promise<void>): Promise<void> {
  try {
    await use(await example.address());
    assertEquals(await example.stop("SIGTERM"), 0);
  } finally {
    await example.stop("SIGKILL");
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

/** What `wrk` and `ab` say of failures: nothing at all when there were none. */
function assertNoFailures(report: string): void {
  for (const complaint of [/Socket errors:.*/, /Non-2xx.*/, /Failed requests: +[1-9].*/, /Non-2xx responses: .*/]) {
    assertEquals(complaint.exec(report)?.[0], undefined);
  }
}

const modes = backendNames().flatMap((backend) => [
  ["--backend", backend],
  ["--backend", backend, "--run"],
]);

describe("the examples, driven by", () => {
  let folder = "";
  let bigHash = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evbase-tools-"));
    writeFileSync(join(folder, "small.txt"), "small\n");
    const big = openSync(join(folder, "big.bin"), "w");
    const piece = randomBytes(1024 * 1024);
    for (let written = 0; written < BIG_BYTES; written += piece.length) {
      piece.writeUInt32LE(written, 0);
      writeSync(big, piece);
    }
    closeSync(big);
    bigHash = await hashOf(join(folder, "big.bin"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const mode of modes) {
    const title = mode.slice(1).join(" ");

    itNeeds(
      "curl",
      "curl",
      `curl: a 100 MB file arrives byte for byte (${title})`,
      () =>
        against(new ExampleProcess("http-server.ts", "-p", "0", ...mode, folder), async (url) => {
          const target = join(folder, "curl.out");
          await run("curl", "-sSf", "-o", target, `${url}/big.bin`);
          assertEquals(await hashOf(target), bigHash);
          const { stdout } = await run("curl", "-sSf", "-r", "1048576-1048579", "-i", `${url}/big.bin`);
          assertStringIncludes(stdout, "206 Partial Content");
        }),
    );

    itNeeds(
      "wget",
      "wget",
      `wget: a 100 MB file, resumed in the middle, is whole (${title})`,
      () =>
        against(new ExampleProcess("http-server.ts", "-p", "0", ...mode, folder), async (url) => {
          const target = join(folder, "wget.out");
          copyFileSync(join(folder, "big.bin"), target);
          truncateSync(target, BIG_BYTES / 2 + 1);
          await run("wget", "-q", "-c", "-O", target, `${url}/big.bin`);
          assertEquals(statSync(target).size, BIG_BYTES);
          assertEquals(await hashOf(target), bigHash);
          rmSync(target);
        }),
    );

    for (const [example, path, ...root] of [["http-hello.ts", "/"], ["http-server.ts", "/small.txt", ""]] as const) {
      const options = (): string[] => ["-p", "0", ...mode, ...(root.length > 0 ? [folder] : [])];

      itNeeds(
        "ab",
        "apache2-utils",
        `ab: ${example} answers HTTP/1.0 with and without keep-alive (${title})`,
        () =>
          against(new ExampleProcess(example, ...options()), async (url) => {
            for (const keepAlive of [["-k"], []]) {
              const { stdout } = await run("ab", "-q", "-n", "500", "-c", "20", ...keepAlive, `${url}${path}`);
              assertMatch(stdout, /Complete requests: +500\n/);
              if (keepAlive.length > 0) assertMatch(stdout, /Keep-Alive requests: +500\n/);
              assertNoFailures(stdout);
            }
          }),
      );

      itNeeds(
        "wrk",
        "wrk",
        `wrk: ${example} keeps 1,000 connections alive at once (${title})`,
        () =>
          against(new ExampleProcess(example, ...options()), async (url) => {
            // A second is plenty, unless the machine is busy with something else.
            let served = 0;
            for (let seconds = 1; served < 1000; seconds *= 4) {
              const { stdout } = await run(
                "wrk",
                "-t1",
                "-c1000",
                `-d${seconds}s`,
                "--timeout",
                "30s",
                `${url}${path}`,
              );
              assertNoFailures(stdout);
              served = Number(/(\d+) requests in/.exec(stdout)?.[1]);
              assert(served >= 1000 || seconds < 16, stdout);
            }
          }),
      );
    }
  }
});
