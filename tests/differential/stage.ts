/** What the parts of the interpreter share: named things, their scripts, and the tables of commands, one for each noun of the language. */
import type { EventBase } from "../../src/core/event_base.ts";
import type { LoopEvent } from "../../src/core/event.ts";
import type { CommonTimeout } from "../../src/core/timer_queue.ts";
import type { DifferenceName, EventMemory } from "./differences.ts";

/** Anything that has a name: a descriptor, an event, a common timeout, or what another noun keeps under it. */
export interface Named {
  readonly name: string;
  fd?: number;
  event?: LoopEvent;
  common?: CommonTimeout;
  readonly memory: EventMemory;
  script: readonly string[];
  runsMax: number;
  runs: number;
}

/** What a command answers: the number C returns, with a note or without; undefined when a name in it is unknown. */
export type Answer = number | readonly [number, string] | undefined;

/** A command gets its words, itself first. Where it throws an Error, C returns -1. */
export type Commands = Readonly<Record<string, (words: readonly string[]) => Answer>>;

/** What the player gives to the commands of a noun. */
export interface Stage {
  /** The base of the scenario. */
  base(): EventBase;
  /** Writes a line into the trace. */
  print(line: string): void;
  /** From here on the libraries deliberately differ. */
  differ(reason: DifferenceName | undefined): void;
  /** The thing of that name, if it has been made or a script been written for it. */
  find(name: string): Named | undefined;
  /** Gives a name. */
  create(name: string): Named;
  /** The number of a descriptor. */
  fd(name: string | undefined): number | undefined;
  /** The name of a descriptor, "" for none that has one. */
  fdName(fd: number): string;
  /** Gives a descriptor a name, and the number that the other side gives it too. */
  nameFd(name: string, fd: number): void;
  /** Writes down that a callback runs, and runs its script; true when it has run more often than it shall. */
  ran(named: Named, what: string): boolean;
  /** Calls `check` before each loop with its flags, and after it with what it has returned. */
  atLoop(check: (flags: number, result?: number) => void): void;
  /** Calls `close` when the scenario is over. */
  atEnd(close: () => void): void;
}
