/** Our event loop, buffers and connections against C libevent: the same scenarios, played on both, must leave the same traces. README.md tells more. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertGreater, assertNotEquals, fail } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { DUE_AT_ONCE } from "../../src/core/timer_queue.ts";
import { os } from "../../src/ffi/mod.ts";
import { findCommand, itNeeds } from "../support/requires.ts";
import { generateBuffers } from "./buffer_generator.ts";
import { generateBufferEvents } from "./bufferevent_generator.ts";
import { type DifferenceName, differences } from "./differences.ts";
import { generate, shrink } from "./generator.ts";
import { play } from "./interpreter.ts";
import { Runner } from "./runner.ts";
import { firstDifference, sideBySide, splitScenarios, type Trace } from "./trace.ts";

const BACKENDS = ["epoll", "changelist", "poll", "select", "kqueue"];
/** Scenarios per backend that are made at random, and the seed of the first. */
const COUNT = Number(process.env["EVBASE_DIFFERENTIAL"] ?? 300);
const FIRST_SEED = Number(process.env["EVBASE_DIFFERENTIAL_SEED"] ?? 1);

const folder = new URL("scenarios/", import.meta.url);
// Read once, as the interpreter is loaded once: a file that is edited during a run must not meet a program from before the edit.
const files: ReadonlyMap<string, string> = new Map(
  readdirSync(folder).filter((name) => name.endsWith(".txt")).sort()
    .map((name) => [name, readFileSync(new URL(name, folder), "utf8")]),
);
const isLinux = os.name === "linux";

type Scenarios = Map<string, string[]>;

/** The scenarios of a file that are meant for `backend`, which is put into their first line. */
function scenariosIn(file: string, backend: string): Scenarios {
  const found: Scenarios = new Map();
  for (const [name, lines] of splitScenarios(files.get(file)!)) {
    const only = lines.find((line) => line.startsWith("only "));
    if (only !== undefined && !only.slice("only ".length).split(",").includes(backend)) continue;
    found.set(
      name,
      lines.filter((line) => line !== only).map((line) => line.replace(/^base\b/, `base backend=${backend}`)),
    );
  }
  return found;
}

function hasHeader(): boolean {
  if (!isLinux || findCommand("cc") === undefined) return false;
  return spawnSync("cc", ["-fsyntax-only", "-include", "event2/event.h", "-x", "c", "/dev/null"]).status === 0;
}

const headerIsThere = hasHeader();

/** Registers a test that needs a C compiler and libevent's headers; without them as `itNeeds` does. */
function itCompares(title: string, fn: () => void): void {
  if (findCommand("cc") === undefined || headerIsThere) return itNeeds("cc", "gcc", title, fn);
  const missing = "needs event2/event.h, Debian package libevent-dev";
  if (process.env["CI"] === "true") it(`${title} (${missing})`, () => fail(`Cannot run this test: ${missing}`));
  else it.skip(`${title} (${missing})`, fn);
}

let runner: Runner;

/** What to say about a scenario whose traces differ. */
function complaint(name: string, lines: readonly string[], dueAtOnce: number): string {
  const theirsFor = (some: readonly string[]): string[] => runner.play(new Map([["shrunk", some]])).get("shrunk") ?? [];
  const shortest = shrink(lines, (some) => firstDifference(theirsFor(some), play(some, dueAtOnce)) >= 0);
  const traces = sideBySide(theirsFor(shortest), play(shortest, dueAtOnce));
  return `${name}, ${dueAtOnce} due at once\n\n${shortest.join("\n")}\n\n${traces}\n`;
}

/** Plays all on both sides, fails with the first few that differ, and returns our traces. */
function compare(scenarios: Scenarios): Trace[] {
  const theirs = runner.play(scenarios);
  const wrong: string[] = [];
  const traces: Trace[] = [];
  for (const [name, lines] of scenarios) {
    // Nobody may see that of many due timers only a few are active at a time; with one at a time, two are many.
    for (const dueAtOnce of [1, DUE_AT_ONCE]) {
      const ours = play(lines, dueAtOnce);
      traces.push(ours);
      if (firstDifference(theirs.get(name) ?? [], ours) < 0 || wrong.length >= 3) continue;
      wrong.push(complaint(name, lines, dueAtOnce));
    }
  }
  if (wrong.length > 0) fail(`C and ours differ in:\n${wrong.join("\n")}`);
  return traces;
}

/** Compares scenarios that are made from seeds; most of what they say must have been compared. */
function compareRandom(make: (seed: number) => string[]): void {
  const scenarios: Scenarios = new Map();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT; seed++) scenarios.set(`seed ${seed}`, make(seed));
  const traces = compare(scenarios);
  const all = traces.reduce((sum, { lines }) => sum + lines.length, 0);
  const compared = traces.reduce((sum, { lines, cut }) => sum + (cut?.at ?? lines.length), 0);
  assertGreater(compared, all * 0.6);
}

describe("ours and C libevent agree", { ignore: !isLinux }, () => {
  beforeAll(() => {
    if (headerIsThere) runner = new Runner();
  });
  afterAll(() => {
    if (headerIsThere) runner.close();
  });

  for (const backend of BACKENDS) {
    for (const file of [...files.keys()].filter((name) => name !== "differences.txt")) {
      itCompares(`with ${backend} in ${file}`, () => {
        const cuts = compare(scenariosIn(file, backend)).map(({ cut }) => cut?.reason).filter((cut) =>
          cut !== undefined
        );
        assertEquals(cuts, []);
      });
    }

    itCompares(`with ${backend} in scenarios made at random`, () => {
      compareRandom((seed) => generate(seed, backend));
    });
  }

  // C's changelist gives places in the kernel's list to what it has waited for and given up before it came to wait.
  for (const backend of BACKENDS.filter((name) => name !== "changelist")) {
    itCompares(`with ${backend} in scenarios of connections made at random`, () => {
      compareRandom((seed) => generateBufferEvents(seed, backend));
    });
  }

  // One backend is enough: of the loop they need only that it calls what is deferred.
  itCompares("in scenarios of buffers made at random", () => {
    compareRandom((seed) => generateBuffers(seed, "epoll"));
  });

  const shown = scenariosIn("differences.txt", "epoll");
  it("but for the differences that have a name, each of which is shown by a scenario", () => {
    assertEquals([...shown.keys()].sort(), Object.keys(differences).sort());
  });

  for (const [name, lines] of shown) {
    itCompares(`but for this: ${name}`, () => {
      const theirs = runner.play(new Map([[name, lines]])).get(name) ?? [];
      const ours = play(lines);
      assertEquals(firstDifference(theirs, ours), -1, sideBySide(theirs, ours));
      assertEquals(ours.cut?.reason, name as DifferenceName, sideBySide(theirs, ours));
      assertNotEquals(theirs.slice(ours.cut!.at), ours.lines.slice(ours.cut!.at));
    });
  }
});

describe("the comparison", () => {
  it("finds the first line that differs, a missing one too, and looks no further than the cut", () => {
    assertEquals(firstDifference(["a", "b"], { lines: ["a", "b"] }), -1);
    assertEquals(firstDifference(["a", "b"], { lines: ["a", "c"] }), 1);
    assertEquals(firstDifference(["a"], { lines: ["a", "b"] }), 1);
    assertEquals(firstDifference(["a", "b"], { lines: ["a"] }), 1);
    const cut = { at: 1, reason: "simultaneous deadlines" } as const;
    assertEquals(firstDifference(["a", "b"], { lines: ["a", "c"], cut }), -1);
    assertEquals(firstDifference([], { lines: ["a", "c"], cut }), 0);
  });

  it("makes the same scenarios from the same seeds, and others from others", () => {
    assertEquals(generate(7, "epoll"), generate(7, "epoll"));
    assertNotEquals(generate(7, "epoll"), generate(8, "epoll"));
    assertEquals(generateBuffers(7, "epoll"), generateBuffers(7, "epoll"));
    assertNotEquals(generateBuffers(7, "epoll"), generateBuffers(8, "epoll"));
    assertEquals(generateBufferEvents(7, "epoll"), generateBufferEvents(7, "epoll"));
    assertNotEquals(generateBufferEvents(7, "epoll"), generateBufferEvents(8, "epoll"));
  });

  it("shortens a scenario to the lines that matter, scripts as a whole", () => {
    const lines = ["base", "pair P", "on A {", "add A", "}", "add B", "on B {", "bad", "}", "loop", "worse", "got"];
    const shortest = shrink(lines, (some) => some.includes("bad") && some.includes("worse"));
    assertEquals(shortest, ["base", "on B {", "bad", "}", "worse"]);
  });
});

describe("our side of a scenario", { ignore: !isLinux }, () => {
  it("says what is unknown, refused and stuck, and never sleeps", () => {
    const { lines } = play([
      "base",
      "nonsense 1",
      "add X",
      "event E -1 SIGNAL|READ",
      "timer T",
      "add T 86400000",
      "loop",
      "loop NO_EXIT_ON_EMPTY",
    ]);
    assertEquals(lines, [
      "base = 0",
      "nonsense 1 = unknown",
      "add X = unknown",
      "event E -1 SIGNAL|READ = -1",
      "timer T = 0",
      "add T 86400000 = 0",
      "cb T TIMEOUT @86400000",
      "end T",
      "loop = 1",
      "stuck",
      "loop NO_EXIT_ON_EMPTY = 0",
    ]);
  });

  it("ends scenarios that would go on for ever", () => {
    const forever = ["base", "pair P", "event W P1 WRITE|PERSIST", "on W 9999 {", "}", "add W", "loop"];
    const { lines } = play(forever);
    assert(lines.includes("too many callbacks"));
    assertEquals(lines.at(-1), "loop = 0");
  });
});
