/**
 * Makes system calls fail on purpose. The tables of C functions in `src/ffi/libc.ts` are plain objects, and every call site
 * reads its function from the table at the moment of the call; so a test can put another function there for a while, and
 * nothing in `src` has to know about it or pays for it.
 */
import {
  errno,
  sys,
  sysAddressed,
  sysEpoll,
  sysFcntl,
  sysFcntlPadded,
  sysFreebsd,
  sysKqueue,
  sysLinux,
  sysMmsg,
  sysPpoll,
} from "../../src/ffi/libc.ts";
import { os, runtime } from "../../src/ffi/mod.ts";

type CFunction = (...args: unknown[]) => unknown;
type Table = Record<string, CFunction>;

const tables: readonly Table[] = [
  sys,
  sysAddressed,
  sysLinux,
  sysFreebsd,
  sysKqueue,
  sysMmsg,
  sysPpoll,
  sysEpoll,
  sysFcntl,
  sysFcntlPadded,
].filter((table) => table !== undefined) as unknown as Table[];

/** Tables whose functions return `-errno` themselves. */
const answering: readonly unknown[] = [sysAddressed, sysEpoll];

/** Functions whose failure is an address: MAP_FAILED. */
const ADDRESS_CALLS = ["mmap"];
/** Functions whose failure is NULL. */
const POINTER_CALLS = ["readdir"];

/** Which call fails, how, and when. */
export interface Fault {
  /** The C function. It fails in whatever form it is called (`recv` also where it takes an address). */
  readonly call: string;
  /** The errno it fails with, by name. */
  readonly error: string;
  /** Which calls: all by default; the so-manieth only (1 is the first); or those that the function picks by their arguments. */
  readonly when?: number | ((...args: number[]) => boolean);
  /** At most so many of them; without limit by default. */
  readonly times?: number;
  /** Makes the real call all the same, and only its result is replaced: for `close`, which gives the number back even when it fails. */
  readonly after?: boolean;
  /** The object to take the function from, where it is no C function: it then returns `-errno`. */
  readonly on?: object;
}

/** What has happened to a fault's function so far. */
export interface FaultCount {
  /** How often it was called. */
  calls: number;
  /** How often it failed on purpose. */
  injected: number;
}

function holdersOf(call: string): Table[] {
  return tables.filter((table) => typeof table[call] === "function");
}

function failureOf(call: string): unknown {
  if (POINTER_CALLS.includes(call)) return runtime.word(0);
  return ADDRESS_CALLS.includes(call) ? runtime.word(-1) : -1;
}

function inject(fault: Fault, count: FaultCount): () => void {
  const number = os.errno[fault.error];
  if (number === undefined) throw new RangeError(`Cannot inject ${fault.error}: ${os.name} has no such error`);
  const holders = fault.on === undefined ? holdersOf(fault.call) : [fault.on as Table];
  if (holders.length === 0) throw new RangeError(`Cannot inject a fault into ${fault.call}: no table has it here`);
  const times = fault.times ?? Infinity;
  const originals = holders.map((table) => table[fault.call]!);
  holders.forEach((table, index) => {
    const real = originals[index]!;
    const failure = fault.on !== undefined || answering.includes(table) ? -number : failureOf(fault.call);
    table[fault.call] = (...args: unknown[]): unknown => {
      count.calls++;
      if (count.injected >= times || !isMeant(fault, count.calls, args)) return real.apply(table, args);
      count.injected++;
      if (fault.after === true) real.apply(table, args);
      errno[0] = number;
      return failure;
    };
  });
  return () => holders.forEach((table, index) => table[fault.call] = originals[index]!);
}

function isMeant({ when }: Fault, call: number, args: readonly unknown[]): boolean {
  if (when === undefined) return true;
  return typeof when === "number" ? call === when : when(...args as number[]);
}

/**
 * Runs `body` while calls fail as told, and puts everything right again however it ends. The first fault of several that
 * want the same call is the last to be asked.
 *
 * @param body is handed one count per fault, which goes on counting while it runs.
 */
export function withFaults<T>(faults: readonly Fault[], body: (...counts: FaultCount[]) => T): T {
  const counts = faults.map(() => ({ calls: 0, injected: 0 }));
  const undo: (() => void)[] = [];
  const restore = (): void => undo.reverse().forEach((one) => one());
  let result: T;
  try {
    faults.forEach((fault, index) => undo.push(inject(fault, counts[index]!)));
    result = body(...counts);
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore) as T;
  restore();
  return result;
}

/** {@linkcode withFaults} with a single one. */
export function withFault<T>(fault: Fault, body: (count: FaultCount) => T): T {
  return withFaults([fault], (count) => body(count!));
}

/** Whether some table holds `call` here. */
export function canFail(call: string): boolean {
  return holdersOf(call).length > 0;
}
