/** Descriptors that a service manager hands over, by a shell in its place and by systemd's own tool. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { os, runtime } from "../../src/ffi/mod.ts";
import { itNeeds } from "../support/requires.ts";
import { runScript, type ScriptResult } from "../support/run_script.ts";

const { EBADF } = os.errno as Record<"EBADF", number>;
const TIME_LIMIT_MS = 20_000;

/** Prints what was handed over, or the error. Run with no permission but that to use FFI. */
const program = `
import { activatedDescriptors } from "../../src/core/mod.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
try {
  const found = activatedDescriptors();
  const flags = found.map(({ fd }) => fcntl(fd, os.constants.F_GETFD, 0) & os.constants.FD_CLOEXEC);
  console.log(JSON.stringify({ found, flags, again: activatedDescriptors() }));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message, errno: error.errno }));
}
`;

/** Runs the program behind a shell that opens descriptors 3 and 4 and says so in `variables`, in which $$ is the program's id. */
async function handOver(variables: string, setUp: string = "exec 3</dev/null 4<>/dev/null"): Promise<unknown> {
  const launcher = ["bash", "-c", `${setUp}; ${variables} exec "$@"`, "bash"];
  const { code, stdout, stderr }: ScriptResult = await runScript(program, { launcher });
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

describe("activatedDescriptors()", () => {
  itNeeds(
    "bash",
    "bash",
    "names what was handed over and makes it close-on-exec, as often as it is asked",
    async () => {
      const found = [{ fd: 3, name: "web" }, { fd: 4, name: "unknown" }];
      assertEquals(await handOver("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:"), {
        found,
        flags: [1, 1],
        again: found,
      });
      const nameless = [{ fd: 3, name: "unknown" }];
      assertEquals(await handOver("LISTEN_PID=$$ LISTEN_FDS=1"), { found: nameless, flags: [1], again: nameless });
    },
  );

  itNeeds(
    "bash",
    "bash",
    "finds nothing without the variables, and nothing that is meant for another process",
    async () => {
      const nothing = { found: [], flags: [], again: [] };
      for (
        const variables of [
          "",
          "LISTEN_FDS=2",
          "LISTEN_PID=$$",
          "LISTEN_PID=1 LISTEN_FDS=2",
          "LISTEN_PID=$$ LISTEN_FDS=0",
        ]
      ) {
        assertEquals(await handOver(variables), nothing, variables);
      }
    },
  );

  itNeeds("bash", "bash", "refuses variables that make no sense, and descriptors that are not open", async () => {
    for (const value of ["-1", "two", "1.5", "99999999999", '""']) {
      const { name, message } = await handOver(`LISTEN_PID=$$ LISTEN_FDS=${value}`) as {
        name: string;
        message: string;
      };
      assertEquals(name, "Error", value);
      assertMatch(
        message,
        /^Cannot take the activated descriptors: LISTEN_FDS is ".*", not a number from 0 to 999999999$/,
      );
    }
    const many = await handOver("LISTEN_PID=$$ LISTEN_FDS=999999999") as { message: string };
    assertStringIncludes(many.message, "more than this process may have open");
    // Far above what the runtimes open for themselves.
    const closed = await handOver("LISTEN_PID=$$ LISTEN_FDS=5000", "ulimit -n 10000") as {
      name: string;
      errno: number;
    };
    assertEquals([closed.name, closed.errno], ["SystemError", EBADF]);
  });
});

/** Answers one client on each socket that was handed over, and ends. */
const server = `
import { activatedDescriptors, EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
const base = new EventBase();
// A broken test must not leave this process behind.
const limit = base.timer(() => base.loopBreak());
limit.add(${TIME_LIMIT_MS});
let open = 0;
const listeners = activatedDescriptors().map(({ fd, name }) =>
  new Listener(base, { fd }, (client, listener) => {
    const connection = new SocketBufferEvent(base, client);
    connection.write(JSON.stringify([name, listener.address.family]));
    connection.closeAfterFlush();
    listener.close();
    if (--open === 0) limit.delete();
  })
);
open = listeners.length;
base.dispatch();
console.log("served " + listeners.length);
`;

/** What a server on a Unix socket says until it closes. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    connect(path).setEncoding("utf8").on("data", (piece: string) => text += piece)
      .on("close", () => resolve(text)).on("error", reject);
  });
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + TIME_LIMIT_MS; !holds() && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("a listener on an activated socket", () => {
  itNeeds("systemd-socket-activate", "systemd", "serves the client whose connection has started it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evbase-activation-"));
    try {
      const file = join(folder, "server.ts");
      const source = new URL("../../src/", import.meta.url).href;
      writeFileSync(file, server.replaceAll('"../../src/', `"${source}`));
      const paths = ["first", "second"].map((name) => join(folder, name));
      const run = runtime.name === "deno"
        ? ["run", "--no-prompt", "--no-config", "--no-check", "--allow-ffi", file]
        : ["run", file];
      const passed = ["HOME", "PATH", "DENO_DIR", "TMPDIR", "BUN_INSTALL"].flatMap((name) => ["-E", name]);
      const args = [
        ...paths.flatMap((path) => ["-l", path]),
        "--fdname=web:admin",
        ...passed,
        process.execPath,
        ...run,
      ];
      const activator = spawn("systemd-socket-activate", args, { stdio: ["ignore", "pipe", "pipe"] });
      let printed = "";
      activator.stdout.setEncoding("utf8").on("data", (text: string) => printed += text);
      activator.stderr.resume();
      const ended = new Promise((resolve) => activator.on("close", resolve));
      const timer = setTimeout(() => activator.kill("SIGKILL"), TIME_LIMIT_MS);
      await until(() => paths.every((path) => existsSync(path)));
      const answers = await Promise.all(paths.map(ask));
      await ended;
      clearTimeout(timer);
      assertEquals(answers.map((answer) => JSON.parse(answer)), [["web", "unix"], ["admin", "unix"]]);
      assertEquals(printed.trim(), "served 2");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
