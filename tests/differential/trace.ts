/** What a player of scenarios writes down, and how two such records are held against each other. */
import type { DifferenceName } from "./differences.ts";

/** The record of one scenario. */
export interface Trace {
  /** One line for each command and each callback. */
  readonly lines: readonly string[];
  /** From which line on the two libraries deliberately differ, and why; absent when they never do. */
  readonly cut?: Cut | undefined;
}

/** Where a comparison ends. */
export interface Cut {
  /** Index of the first line that is not compared. */
  readonly at: number;
  /** The difference that was met. */
  readonly reason: DifferenceName;
}

/** Splits the runner's output, or a file of scenarios, into the lines between "scenario NAME" and "end". */
export function splitScenarios(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let lines: string[] | undefined;
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line.startsWith("scenario ")) found.set(line.slice("scenario ".length), lines = []);
    else if (line === "end") lines = undefined;
    else if (line !== "" && !line.startsWith("#")) lines?.push(line);
  }
  return found;
}

/** The index of the first line in which the traces differ, up to the cut; -1 when they agree. */
export function firstDifference(theirs: readonly string[], ours: Trace): number {
  const length = ours.cut?.at ?? Math.max(theirs.length, ours.lines.length);
  for (let index = 0; index < length; index++) if (theirs[index] !== ours.lines[index]) return index;
  return -1;
}

/** Both traces side by side, with a mark at the first difference. */
export function sideBySide(theirs: readonly string[], ours: Trace): string {
  const first = firstDifference(theirs, ours);
  const width = Math.max(10, ...theirs.map((line) => line.length));
  const rows = [`  ${"C".padEnd(width)}  ours`];
  for (let index = 0; index < Math.max(theirs.length, ours.lines.length); index++) {
    if (index === ours.cut?.at) rows.push(`  (not compared from here on: ${ours.cut.reason})`);
    rows.push(`${index === first ? ">" : " "} ${(theirs[index] ?? "").padEnd(width)}  ${ours.lines[index] ?? ""}`);
  }
  return rows.join("\n");
}
