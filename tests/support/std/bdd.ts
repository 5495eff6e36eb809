/**
 * Stand-in for `@std/testing/bdd`: the same names over `node:test`, which Deno and Bun both run with their own test runners. It exists
 * because the tests must run without a network, and it keeps to a strict subset, so that the real package can take its place through
 * the import map.
 *
 * Groups and tests are registered with `node:test`, but the hooks around each test are run from here. Left to the runtimes, an
 * `afterEach` that throws goes unnoticed on Deno, and on Bun the tests of a group still run after its `beforeAll` has thrown. On Deno
 * `node:test` also swallows what a timer or another callback throws, so that is caught here and fails the test.
 *
 * There is no `only`: neither runtime narrows a run by it. `--filter` (Deno) and `-t` (Bun) do.
 */
import nodeTest from "node:test";

/** What a test or a hook runs; the test has ended when the promise has. */
export type TestBody = () => void | Promise<void>;

/** What may be said about a test or a group besides its name. */
export interface TestOptions {
  /** Reports the test, or the group's tests, as skipped and does not run them. */
  ignore?: boolean;
}

/** Registers one test. */
export interface It {
  (name: string, fn: TestBody): void;
  (name: string, options: TestOptions, fn: TestBody): void;
  /** Registers a test that is reported as skipped. */
  skip(name: string, fn: TestBody): void;
  /** The same as `skip`. */
  ignore(name: string, fn: TestBody): void;
}

/** Groups tests, hooks and further groups. */
export interface Describe {
  (name: string, fn: () => void): void;
  (name: string, options: TestOptions, fn: () => void): void;
  /** Registers a group whose tests are not run. */
  skip(name: string, fn: () => void): void;
  /** The same as `skip`. */
  ignore(name: string, fn: () => void): void;
}

/** One `describe`, with what its tests need to know about it. */
class Group {
  readonly name: string;
  readonly parent: Group | undefined;
  readonly before: TestBody[] = [];
  readonly after: TestBody[] = [];
  readonly beforeEach: TestBody[] = [];
  readonly afterEach: TestBody[] = [];
  /** Set once a `beforeAll` hook has thrown: the group's tests then fail instead of running on half a fixture. */
  broken: Error | undefined;

  constructor(name: string, parent: Group | undefined) {
    this.name = name;
    this.parent = parent;
  }

  /** This group and the groups around it, outermost first. */
  lineage(): Group[] {
    return this.parent === undefined ? [this] : [...this.parent.lineage(), this];
  }
}

/** A test or hook that has not ended by then has failed, on both runtimes alike (left alone, Deno waits for ever and Bun 5 s). */
const limits = { timeout: 60_000 };

let current: Group | undefined;

/** What callbacks of the host have thrown since it was last looked at. Bun reports such errors itself and tells no listener. */
const uncaught: unknown[] = [];

// There is no way to want such an error, as there is none on Bun: a test about it starts a process of its own.
globalThis.addEventListener("error", (event) => {
  // Shown at once, since a test whose callback broke may never end.
  console.error("Uncaught:", event.error);
  uncaught.push(event.error);
});

async function runTest(group: Group | undefined, fn: TestBody): Promise<void> {
  const lineage = group === undefined ? [] : group.lineage();
  for (const each of lineage) if (each.broken !== undefined) throw each.broken;

  const errors: unknown[] = [];
  try {
    for (const each of lineage) {
      for (const hook of each.beforeEach) await hook();
    }
    await fn();
  } catch (error) {
    errors.push(error);
  }
  // Cleaning up goes on after a failure, or one failing test would leave its sockets to all that follow.
  for (const each of lineage.reverse()) {
    for (const hook of each.afterEach) {
      try {
        await hook();
      } catch (error) {
        errors.push(error);
      }
    }
  }
  errors.push(...uncaught.splice(0));
  throwAll(errors);
}

function throwAll(errors: unknown[]): void {
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} errors: ${errors.map(String).join("; ")}`);
  if (errors.length === 1) throw errors[0];
}

/** Keeps a failure instead of throwing it, since only the tests of the group can report it on both runtimes. */
async function runBeforeAll(group: Group): Promise<void> {
  try {
    for (const hook of group.before) await hook();
  } catch (cause) {
    group.broken = new Error(
      `beforeAll of "${group.name}" failed: ${String(cause)}`,
      { cause },
    );
  }
}

async function runAfterAll(group: Group): Promise<void> {
  for (const hook of group.after) await hook();
  throwAll(uncaught.splice(0));
}

function fillGroup(group: Group, fn: () => void): void {
  const outer = current;
  current = group;
  try {
    const result: unknown = fn();
    if (result instanceof Promise) {
      throw new TypeError(
        `Cannot describe "${group.name}": its function returned a promise`,
      );
    }
  } finally {
    current = outer;
  }
  nodeTest.before(() => runBeforeAll(group), limits);
  nodeTest.after(() => runAfterAll(group), limits);
}

/** The group a hook belongs to; hooks outside one would leak from file to file on Bun, which runs all files in one process. */
function groupFor(hook: string): Group {
  if (current === undefined) {
    throw new Error(`Cannot register ${hook}: it must stand inside describe()`);
  }
  return current;
}

function register(
  name: string,
  optionsOrFn: TestOptions | TestBody,
  body?: TestBody,
): void {
  const fn = typeof optionsOrFn === "function" ? optionsOrFn : body;
  if (fn === undefined) {
    throw new TypeError(
      `Cannot register the test "${name}": it has no function`,
    );
  }
  if (typeof optionsOrFn !== "function" && optionsOrFn.ignore === true) {
    return skip(name);
  }
  const group = current;
  void nodeTest.it(name, limits, () => runTest(group, fn));
}

function skip(name: string): void {
  void nodeTest.it.skip(name, () => {});
}

function registerGroup(
  name: string,
  optionsOrFn: TestOptions | (() => void),
  body?: () => void,
): void {
  const fn = typeof optionsOrFn === "function" ? optionsOrFn : body;
  if (fn === undefined) {
    throw new TypeError(
      `Cannot register the group "${name}": it has no function`,
    );
  }
  if (typeof optionsOrFn !== "function" && optionsOrFn.ignore === true) {
    return skipGroup(name, fn);
  }
  const group = new Group(name, current);
  void nodeTest.describe(name, () => fillGroup(group, fn));
}

function skipGroup(name: string, fn: () => void): void {
  void nodeTest.describe.skip(
    name,
    () => fillGroup(new Group(name, current), fn),
  );
}

/** Registers one test. */
export const it: It = Object.assign(register, { skip, ignore: skip });

/** Registers one test; another name for `it`. */
export const test: It = it;

/** Groups tests, hooks and further groups. */
export const describe: Describe = Object.assign(registerGroup, {
  skip: skipGroup,
  ignore: skipGroup,
});

/** Registers what runs once, before the group's first test. */
export function beforeAll(fn: TestBody): void {
  groupFor("beforeAll").before.push(fn);
}

/** Registers what runs once, after the group's last test. */
export function afterAll(fn: TestBody): void {
  groupFor("afterAll").after.push(fn);
}

/** Registers what runs before each of the group's tests, those of inner groups included. */
export function beforeEach(fn: TestBody): void {
  groupFor("beforeEach").beforeEach.push(fn);
}

/** Registers what runs after each of the group's tests, also when one has failed. */
export function afterEach(fn: TestBody): void {
  groupFor("afterEach").afterEach.push(fn);
}

/** Another name for `beforeAll`. */
export const before: typeof beforeAll = beforeAll;

/** Another name for `afterAll`. */
export const after: typeof afterAll = afterAll;
