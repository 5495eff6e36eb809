import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type BackendChoice,
  backendNames,
  chooseBackend,
  FEATURE_ANY_DESCRIPTOR,
  FEATURE_CONSTANT_TIME,
  FEATURE_EARLY_CLOSE,
  FEATURE_EDGE,
} from "../../src/backends/mod.ts";
import { libcPath, os, runtime } from "../../src/ffi/mod.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { runScript, type ScriptResult } from "../support/run_script.ts";

const isLinux = os.name === "linux";
// Only root can take on another effective user.
const isRoot = runtime.openLibrary(libcPath, { getuid: { args: [], result: "u32" } }).getuid() === 0;
const everything = ["epoll", "kqueue", "poll", "select"] as const;

// In processes of their own, so that variables of the surroundings, such as a forced backend, do not reach in.
async function choose(choice: BackendChoice = {}, env: Record<string, string> = {}): Promise<ScriptResult> {
  return await runScript(
    `import { chooseBackend } from "../../src/backends/mod.ts";
     try {
       const backend = chooseBackend(${JSON.stringify(choice)});
       console.log(backend.name);
       backend.close();
     } catch (error) {
       console.log(error.name + ": " + error.message);
     }`,
    { env },
  );
}

async function chosen(choice: BackendChoice = {}, env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await choose(choice, env);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

describe("backendNames", () => {
  it("lists the best first", () => {
    const names = backendNames();
    assertEquals(names.slice(0, 3), isLinux ? ["epoll", "poll", "select"] : ["kqueue", "poll", "select"]);
    assertStrictEquals(new Set(names).size, names.length);
  });
});

describe("chooseBackend", () => {
  // The environment of this run may forbid some backends; here it does not matter.
  const name = (choice: BackendChoice): string => {
    const backend = chooseBackend({ ...choice, ignoreEnvironment: true });
    backend.close();
    return backend.name;
  };

  it("takes the best that is not avoided", () => {
    const best = isLinux ? "epoll" : "kqueue";
    assertStrictEquals(name({}), best);
    assertStrictEquals(name({ avoid: [] }), best);
    assertStrictEquals(name({ avoid: [best] }), "poll");
    assertStrictEquals(name({ avoid: ["poll", best] }), "select");
    assertStrictEquals(name({ avoid: ["poll", "select"] }), best);
  });

  it("takes the best that has every feature asked for", { ignore: !isLinux }, () => {
    assertStrictEquals(name({ features: 0 }), "epoll");
    assertStrictEquals(name({ features: FEATURE_EDGE }), "epoll");
    assertStrictEquals(name({ features: FEATURE_EDGE | FEATURE_CONSTANT_TIME | FEATURE_EARLY_CLOSE }), "epoll");
    assertStrictEquals(name({ features: FEATURE_ANY_DESCRIPTOR }), "poll");
    assertStrictEquals(name({ features: FEATURE_ANY_DESCRIPTOR | FEATURE_EARLY_CLOSE }), "poll");
    assertStrictEquals(name({ features: FEATURE_ANY_DESCRIPTOR, avoid: ["poll"] }), "select");
  });

  it("fails when none has the features, and keeps none of those open that it looked at", () => {
    const impossible = FEATURE_ANY_DESCRIPTOR | FEATURE_EDGE | FEATURE_EARLY_CLOSE;
    const before = openDescriptorCount();
    for (let round = 0; round < 200; round++) {
      assertThrows(() => name({ features: impossible }), Error, "poll lacks a feature");
    }
    // The runtime's other threads may open and close something meanwhile, but not 100 of them.
    assertLess(openDescriptorCount() - before, 100);
  });

  it("fails when all are avoided, and says so of each", () => {
    const error = assertThrows(() => name({ avoid: everything }), Error, "Cannot choose a backend: ");
    for (const candidate of backendNames()) assertStringIncludes(error.message, `${candidate} is avoided`);
  });
});

describe("the environment", () => {
  const best = isLinux ? "epoll" : "kqueue";
  const noBest = `EVENT_NO${best.toUpperCase()}`;
  const nothing = { [noBest]: "1", EVENT_NOPOLL: "1", EVENT_NOSELECT: "1" };

  it("disables backends one by one, whatever the variables' values are", async () => {
    assertStrictEquals(await chosen(), best);
    assertStrictEquals(await chosen({}, { [noBest]: "1" }), "poll");
    assertStrictEquals(await chosen({}, { [noBest]: "", EVENT_NOPOLL: "no" }), "select");
    assertStrictEquals(await chosen({}, { EVENT_NOPOLL: "1", EVENT_NOSELECT: "1" }), best);
  });

  it("adds to what the caller avoids", async () => {
    assertStrictEquals(await chosen({ avoid: [best] }, { EVENT_NOPOLL: "1" }), "select");
  });

  it("is not heeded when told so", async () => {
    assertStrictEquals(await chosen({ ignoreEnvironment: true }, nothing), best);
  });

  it("may disable everything, which is an error that lists the reasons", async () => {
    const message = await chosen({}, nothing);
    assertMatch(message, /^Error: Cannot choose a backend: /);
    for (const name of [best, "poll", "select"]) {
      assertStringIncludes(message, `${name} is disabled by EVENT_NO${name.toUpperCase()}`);
    }
    if (isLinux) assertStringIncludes(message, "kqueue needs EVBASE_KQUEUE_LIBRARY here");
  });

  it("gives each reason its own words", { ignore: !isLinux }, async () => {
    assertStrictEquals(
      await chosen({ avoid: ["epoll", "kqueue"], features: FEATURE_EDGE }, { EVENT_NOPOLL: "1" }),
      "Error: Cannot choose a backend: epoll is avoided, poll is disabled by EVENT_NOPOLL, select lacks a feature, " +
        "kqueue is avoided",
    );
  });

  it("shows the choice on the error output when EVENT_SHOW_METHOD is there, even if told not to heed it", async () => {
    for (const ignoreEnvironment of [false, true]) {
      const { code, stdout, stderr } = await choose({ avoid: [best], ignoreEnvironment }, { EVENT_SHOW_METHOD: "1" });
      assertEquals([code, stdout, stderr], [0, "poll", "evbase using: poll\n"]);
    }
  });

  it(
    "does not steer a process with raised rights",
    { ignore: !isLinux || !isRoot },
    async () => {
      const { stdout, stderr } = await runScript(
        `import { backendNames, chooseBackend } from "../../src/backends/mod.ts";
       import { libcPath, runtime } from "../../src/ffi/mod.ts";
       const { seteuid } = runtime.openLibrary(libcPath, { seteuid: { args: ["u32"], result: "i32" } });
       const before = chooseBackend().name;
       const result = seteuid(65534);
       console.log(before, result, chooseBackend().name, backendNames().includes("kqueue"));`,
        { env: { EVENT_NOEPOLL: "1", EVBASE_KQUEUE_LIBRARY: "/nowhere/libkqueue.so" } },
      );
      assertEquals([stdout, stderr], ["poll 0 epoll false", ""]);
    },
  );

  it("shows nothing when no backend could be chosen", async () => {
    const { stdout, stderr } = await choose({}, { ...nothing, EVENT_SHOW_METHOD: "1" });
    assertStrictEquals(stderr, "");
    assert(stdout.startsWith("Error"));
  });
});
