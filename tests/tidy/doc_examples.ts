/** The TypeScript that README, the documents and JSDoc show, as programs. */
import { filesUnder, type SourceFile } from "./tree.ts";

/** One example: where it stands and what it says. */
export interface Example {
  readonly path: string;
  readonly line: number;
  readonly code: string;
}

/** What an example that is no program of its own needs around it. */
interface Surroundings {
  readonly starts: string;
  readonly before: string;
  readonly after?: string;
}

/** Every place that an example may import from, and its file. */
export const ENTRY_POINTS: Readonly<Record<string, string>> = {
  "@evbase/evbase": "mod.ts",
  ...Object.fromEntries(
    ["core", "http", "tls", "dns", "ws", "rpc", "ffi"].map((name) => [`@evbase/evbase/${name}`, `src/${name}/mod.ts`]),
  ),
};

const WORKER = 'import type { LoopPortHandle } from "@evbase/evbase/core";\n' +
  "const self: { onmessage?: (event: { data: LoopPortHandle }) => void } = {};\n";

const FRAGMENTS: Readonly<Record<string, readonly Surroundings[]>> = {
  "docs/architecture.md": [{
    starts: "interface Backend {",
    before: 'import type { Backend as Ours, BackendName } from "src:backends/backend.ts";\n',
    // It says neither more nor less than the real one.
    after: "const names = (name: keyof Ours): keyof Backend => name;\n" +
      "const ours = (backend: Backend): Ours => backend;\n" +
      "export const same = [names, ours, (backend: Ours): Backend => backend];\n",
  }],
  "docs/threads.md": [{ starts: "// worker.ts", before: WORKER }],
  "src/core/loop_port_sender.ts": [{ starts: "import { LoopPortSender }", before: WORKER }],
  // It is not exported: the example is for those who read the file.
  "src/core/timer_heap.ts": [{ starts: "const heap", before: 'import { TimerHeap } from "src:core/timer_heap.ts";\n' }],
};

/** All blocks of a text that are marked as TypeScript or JavaScript; in JSDoc each line begins with an asterisk. */
export function blocksIn(path: string, text: string): Example[] {
  const found: Example[] = [];
  for (
    const match of text.matchAll(
      /^([ \t]*(?:\* ?)?)```(?:ts|tsx|typescript|js|jsx|javascript|mjs)\b[^\n]*\n([^]*?)^\1```/gm,
    )
  ) {
    const indent = match[1]!.trimEnd().length;
    const lines = match[2]!.split("\n").map((line) =>
      match[1]!.includes("*") ? line.slice(indent).replace(/^ /, "") : line
    );
    found.push({ path, line: text.slice(0, match.index).split("\n").length, code: lines.join("\n") });
  }
  return found;
}

/** How many of such blocks a text has, told by their first lines alone. */
export function blockCount(text: string): number {
  return text.match(/^.*```(?:ts|tsx|typescript|js|jsx|javascript|mjs)\b/gm)?.length ?? 0;
}

/** An example as a program, where `"src:` stands for our source folder. */
export function program({ path, code }: Example): string {
  const { before, after = "" } = FRAGMENTS[path]?.find(({ starts }) => code.startsWith(starts)) ?? { before: "" };
  return `${before}${code}${after}`;
}

/** The places in {@linkcode FRAGMENTS} that no example is at any more. */
export function staleFragments(examples: readonly Example[]): string[] {
  return Object.entries(FRAGMENTS).flatMap(([path, all]) =>
    all.filter(({ starts }) => !examples.some((one) => one.path === path && one.code.startsWith(starts)))
      .map(({ starts }) => `${path}: ${starts}`)
  );
}

/** What the comments behind `console.log(...)` say that it prints. */
export function promisedLines(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\)[;,]? \/\/ (.*)$/gm)].map((match) => match[1]!);
}

/** The files with examples. */
export const documented: readonly SourceFile[] = [
  ...filesUnder(["src", "mod.ts"], [".ts"]),
  ...filesUnder(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "examples", "bench"], [".md"]),
];
