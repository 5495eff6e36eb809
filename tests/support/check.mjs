/**
 * The one command: everything that must pass before a change is done, the same here and in CI, without a network.
 *
 *   npm test                             all steps, stopping at the first that fails (where CI is "true": going on, to show them all)
 *   npm test -- --quick                  format, lint, types, tests
 *   npm test -- --deno [tests/core ...]  only the tests on Deno, all of them or those named
 *   npm test -- --bun  [tests/core ...]  the same on Bun
 *
 * The last line says `N passed, N failed`, with `, N skipped` where there are any. It sums up the tests on both runtimes and counts
 * each other step as one. The exit code is 0 only if nothing failed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { countTests } from "./junit.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const config = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
const reports = mkdtempSync(join(tmpdir(), "evbase-check-"));

/** A step that has not ended by then is killed and has failed. */
const stepMinutesMax = 20;

const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const places = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const knownOptions = ["--deno", "--bun", "--quick"];

/** What failed, for the list before the last line. */
const complaints = [];
const totals = { passed: 0, failed: 0, skipped: 0 };
let running;

/**
 * `report` is set for a step that runs tests: the JUnit file it writes, which then has the counts.
 *
 * @typedef {{ name: string, command: string[], report?: string }} Step
 */

/** @returns {Step[]} */
function steps() {
  // The permissions stand in deno.json only: [deno, "test", permissions..., "tests/"].
  const permissions = config.tasks.test.command.split(" ").slice(2, -1);
  const denoReport = join(reports, "deno.xml");
  const bunReport = join(reports, "bun.xml");
  const benchReport = join(reports, "bench.xml");
  const testPlaces = places.length > 0 ? places : ["tests"];
  const bunPlaces = testPlaces.map((place) => place.startsWith("/") ? place : `./${place}`);

  const format = { name: "format", command: ["dprint", "check"] };
  const lint = { name: "lint", command: ["deno", "lint", "--quiet"] };
  const types = { name: "types", command: ["deno", "check", "--quiet"] };
  const deno = {
    name: "tests on Deno",
    command: [
      "deno",
      "test",
      ...permissions,
      "--no-check",
      "--reporter=dot",
      `--junit-path=${denoReport}`,
      ...testPlaces,
    ],
    report: denoReport,
  };
  const bun = {
    name: "tests on Bun",
    command: ["bun", "test", ...bunPlaces, "--dots", "--reporter=junit", `--reporter-outfile=${bunReport}`],
    report: bunReport,
  };
  const benches = {
    name: "benches, tiny, on Bun",
    command: ["bun", "test", "./bench", "--dots", "--reporter=junit", `--reporter-outfile=${benchReport}`],
    report: benchReport,
  };
  const docs = {
    name: "documentation",
    command: ["deno", "doc", "--quiet", "--lint", ...Object.values(config.exports)],
  };
  // Works offline, since nothing that is published imports from a registry; it also refuses slow types.
  const publish = { name: "publish, dry run", command: ["deno", "publish", "--quiet", "--dry-run", "--allow-dirty"] };

  const only = [deno, bun].filter((_, index) => options.includes(["--deno", "--bun"][index]));
  if (only.length > 0) return only;
  if (options.includes("--quick")) return [format, lint, types, deno, bun];
  return [format, lint, types, deno, bun, ...(existsSync(join(root, "bench")) ? [benches] : []), docs, publish];
}

/**
 * Runs a command in a process group of its own, so that whatever it leaves behind can be ended with it.
 *
 * @param {string[]} command
 * @returns {Promise<string>} How it ended: "" when well.
 */
function run([name = "", ...args]) {
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules/.bin", name), args, {
      cwd: root,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    });
    running = child;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      killGroup(child);
    }, stepMinutesMax * 60_000);

    for (const stream of [child.stdout, child.stderr]) forward(stream);
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve(`could not be started: ${error.message} (has "npm ci" been run?)`);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      killGroup(child);
      // Output may still be on its way; a process that slipped out of the group must not hold it up for ever.
      const done = () => resolve(isLate ? `took more than ${stepMinutesMax} minutes` : ending(code, signal));
      const patience = setTimeout(done, 2000);
      child.once("close", () => {
        clearTimeout(patience);
        done();
      });
    });
  });
}

function ending(code, signal) {
  if (signal !== null) return `was ended by ${signal}`;
  return code === 0 ? "" : `exited with ${code}`;
}

function killGroup(child) {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is empty, which is how it should be.
  }
}

/** Passes output on; Deno puts each dot on a line of its own when it does not write to a terminal, so those are joined. */
function forward(stream) {
  let rest = "";
  let isInDots = false;
  const write = (line) => {
    if (/^[.,!]$/.test(line)) {
      isInDots = true;
      process.stdout.write(line);
      return;
    }
    process.stdout.write(isInDots ? `\n${line}\n` : `${line}\n`);
    isInDots = false;
  };
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    // Bun writes its dots without an end of line: show them as they come.
    if (/^[.,!]{2,}$/.test(rest)) {
      process.stdout.write(rest);
      rest = "";
    }
    for (const line of lines) write(line);
  });
  stream.on("end", () => {
    if (rest !== "") write(rest);
  });
}

/** @param {Step} step @returns {Promise<boolean>} Whether it went well. */
async function runStep(step) {
  const startMs = Date.now();
  console.log(`\n== ${step.name}: ${step.command.slice(0, 2).join(" ")}`);
  const problem = await run(step.command);
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
  const counts = step.report === undefined ? countStep(step, problem) : countReport(step, step.report, problem);
  totals.passed += counts.passed;
  totals.failed += counts.failed;
  totals.skipped += counts.skipped;
  console.log(`== ${step.name}: ${counts.failed === 0 ? "ok" : "FAILED"} (${summary(counts)}, ${seconds} s)`);
  return counts.failed === 0;
}

/** @param {Step} step @param {string} problem */
function countStep(step, problem) {
  if (problem === "") return { passed: 1, failed: 0, skipped: 0 };
  complaints.push(`${step.name}: ${problem}`);
  return { passed: 0, failed: 1, skipped: 0 };
}

/** A crash, or a run that found no tests, must not pass for a success, so the exit code and the counts have to agree. */
function countReport(step, report, problem) {
  const counts = existsSync(report) ? countTests(readFileSync(report, "utf8")) : { passed: 0, failed: 0, skipped: 0 };
  if (counts.failed > 0) {
    complaints.push(`${step.name}: ${counts.failed} failed`);
  } else if (problem !== "") {
    complaints.push(`${step.name}: ${problem}, although no test is reported as failed`);
    counts.failed++;
  } else if (counts.passed === 0) {
    complaints.push(`${step.name}: no test was run`);
    counts.failed++;
  }
  return counts;
}

function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

async function main() {
  const unknown = options.find((option) => !knownOptions.includes(option));
  if (unknown !== undefined) throw new Error(`Unknown option ${unknown}; there are ${knownOptions.join(", ")}`);
  if (places.length > 0 && !options.includes("--deno") && !options.includes("--bun")) {
    throw new Error(`Test files are named together with --deno or --bun: ${places.join(" ")}`);
  }

  const isGoingOn = process.env["CI"] === "true";
  const all = steps();
  for (const [index, step] of all.entries()) {
    if (await runStep(step) || isGoingOn) continue;
    const left = all.slice(index + 1).map(({ name }) => name);
    if (left.length > 0) complaints.push(`not run: ${left.join("; ")}`);
    break;
  }
  console.log(complaints.length > 0 ? `\n${complaints.join("\n")}\n` : "");
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    killGroup(running);
    rmSync(reports, { recursive: true, force: true });
    process.exit(1);
  });
}

try {
  await main();
} catch (error) {
  console.log(`\nCannot check: ${error.message}\n`);
  totals.failed++;
} finally {
  rmSync(reports, { recursive: true, force: true });
}
console.log(summary(totals));
process.exitCode = totals.failed === 0 ? 0 : 1;
