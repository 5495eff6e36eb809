import { assert, assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { addressOf, allocate, cString, libcPath, os, runtime } from "../../src/ffi/mod.ts";
import { chooseOs } from "../../src/ffi/platform.ts";
import { runScript } from "../support/run_script.ts";

describe("chooseOs", () => {
  it("has data for every supported pair of system and processor", () => {
    for (const name of ["linux", "darwin", "freebsd"] as const) {
      for (const arch of ["x86_64", "aarch64"]) assertStrictEquals(chooseOs({ os: name, arch }).name, name);
    }
  });

  it("refuses another system by its name, and says which there are", () => {
    assertThrows(
      () => chooseOs({ os: "windows", arch: "x86_64" }),
      Error,
      'unsupported operating system "windows" (supported: linux, darwin, freebsd)',
    );
  });

  it("refuses another processor by its name, and says which there are", () => {
    assertThrows(
      () => chooseOs({ os: "linux", arch: "riscv64" }),
      Error,
      'unsupported processor architecture "riscv64" (supported: x86_64, aarch64)',
    );
  });
});

describe("the running platform", () => {
  it("is the one that the process itself tells", () => {
    assertStrictEquals(os.name, process.platform as string);
    assertEquals(runtime.arch, process.arch === "arm64" ? "aarch64" : "x86_64");
    assertStrictEquals(runtime.name, process.versions["bun"] === undefined ? "deno" : "bun");
    assert(os.libcNames.includes(libcPath));
  });

  it("views foreign memory without copying it", () => {
    const bytes = allocate(8);
    const view = new Uint8Array(runtime.viewAt(addressOf(bytes), 8));
    bytes[3] = 7;
    assertStrictEquals(view[3], 7);
    view[4] = 9;
    assertStrictEquals(bytes[4], 9);
    assertThrows(() => runtime.viewAt(0, 8));
  });

  it("takes 32-bit numbers and addresses to C and back unchanged", () => {
    const calls = runtime.openLibrary(libcPath, {
      abs: { args: ["i32"], result: "i32" },
      htonl: { args: ["u32"], result: "u32" },
      llabs: { args: ["i64"], result: "i64" },
      strchr: { args: ["address", "i32"], result: "address" },
    });
    assertStrictEquals(calls.abs(-2147483647), 2147483647);
    assertStrictEquals(calls.htonl(0x010000ff), 0xff000001);
    assertStrictEquals(Number(calls.llabs(runtime.word(-(2 ** 52)))), 2 ** 52);
    const text = cString("find x here");
    const address = addressOf(text);
    assertStrictEquals(Number(calls.strchr(runtime.word(address), 0x78)), address + 5);
    assertStrictEquals(Number(calls.strchr(runtime.word(address), 0x79)), 0);
    assertStrictEquals(text.length, 12);
  });

  it("throws for a library or a function that is not there", () => {
    assertThrows(() => runtime.openLibrary("libnothing-of-that-name.so.9", {}));
    assertThrows(() => runtime.openLibrary(libcPath, { no_such_function_: { args: [], result: "i32" } }));
  });

  it("runs promise reactions at once where it can", async () => {
    const drain = runtime.drainMicrotasks;
    if (drain === undefined) return;
    // From a callback of the host: inside a promise reaction V8 does not begin another round.
    const [before, after] = await new Promise<[boolean, boolean]>((resolve) => {
      runtime.setImmediate(() => {
        let ran = false;
        void Promise.resolve().then(() => {
          ran = true;
        });
        const ranBefore = ran;
        drain();
        resolve([ranBefore, ran]);
      });
    });
    assertEquals([before, after], [false, true]);
  });

  it("calls back on the host's next turn, after promises", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      runtime.setImmediate(() => {
        order.push("immediate");
        resolve();
      });
      void Promise.resolve().then(() => order.push("promise"));
      order.push("now");
    });
    assertEquals(order, ["now", "promise", "immediate"]);
  });
});

describe("permissions on Deno", { ignore: runtime.name !== "deno" }, () => {
  const program = `import { getpid } from "../../src/ffi/mod.ts"; console.log("pid", getpid() > 0);`;

  it("need not go beyond --allow-ffi", async () => {
    const { code, stdout, stderr } = await runScript(program);
    assertEquals([code, stdout, stderr], [0, "pid true", ""]);
  });

  it("are withheld from the scripts of these tests, so that needing one would show", async () => {
    const names = ["ffi", "env", "read", "write", "net", "run", "sys"];
    const { stdout } = await runScript(
      `for (const name of ${JSON.stringify(names)}) console.log(name, Deno.permissions.querySync({ name }).state);`,
    );
    const granted = stdout.split("\n").filter((line) => line.endsWith(" granted"));
    assertEquals(granted, ["ffi granted"]);
    assertStrictEquals(stdout.split("\n").length, names.length);
  });

  it("are asked for in one clear sentence when they are missing", async () => {
    const { code, stdout, stderr } = await runScript(program, { permissions: [] });
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "Deno was started without --allow-ffi; run it as `deno run --allow-ffi ...`");
    assertStrictEquals(stderr.split("Deno was started without").length, 2);
  });
});
