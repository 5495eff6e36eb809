/**
 * {@linkcode Runtime} on Deno.
 *
 * @module
 */

import { setImmediate as nodeSetImmediate } from "node:timers";
import type { Address, Calls, NativeType, Runtime, Signature, Signatures, Waiter, Word } from "./runtime.ts";

const nativeTypes: Readonly<Record<NativeType, Deno.NativeResultType>> = {
  i32: "i32",
  u32: "u32",
  i64: "i64",
  buffer: "buffer",
  address: "u64",
  void: "void",
};

function openLibrary<const S extends Signatures>(path: string, signatures: S): Calls<S> {
  const symbols: Record<string, Deno.ForeignFunction> = {};
  for (const [name, { args, result }] of Object.entries(signatures)) {
    symbols[name] = {
      parameters: args.map((type) => nativeTypes[type] as Deno.NativeType),
      result: nativeTypes[result],
    };
  }
  return Deno.dlopen(path, symbols).symbols as unknown as Calls<S>;
}

function addressOf(bytes: Uint8Array): Address {
  // Deno's type asks for a view over a plain ArrayBuffer, which every array we hand to the kernel is.
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>)));
}

function viewAt(address: Address, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new RangeError("Cannot view memory at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

// Kept for ever: C may hold their addresses for as long as it lives.
const callbacks: unknown[] = [];

function createCallback(signature: Signature, callback: (...args: never[]) => unknown): Address {
  const made = new Deno.UnsafeCallback(
    {
      parameters: signature.args.map((type) => nativeTypes[type] as Deno.NativeType),
      result: nativeTypes[signature.result],
    },
    callback as unknown as Deno.UnsafeCallbackFunction,
  );
  callbacks.push(made);
  return Number(Deno.UnsafePointer.value(made.pointer));
}

/** Only an internal door leads to the microtask queue, so it is looked for and never relied on. */
function findMicrotaskDrain(): (() => void) | undefined {
  try {
    const internal = (Deno as unknown as Record<symbol, unknown>)[(Deno as unknown as { internal: symbol }).internal];
    const run = (internal as { core?: { runMicrotasks?: unknown } }).core?.runMicrotasks;
    return typeof run === "function" ? () => void run() : undefined;
  } catch {
    return undefined;
  }
}

/** Signals for which Deno installs handlers of its own some 500 ms after start, over whatever stands there. */
const lateSignals: readonly string[] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"];

function nothing(): void {}

/** A `poll` on Deno's blocking pool; Deno itself keeps the process alive while it is under way. */
function createWaiter(libcPath: string): Waiter {
  const library = Deno.dlopen(libcPath, {
    poll: { parameters: ["buffer", "u32", "i32"], result: "i32", nonblocking: true },
  });
  return {
    wait: (pollfds, count, timeoutMs) => library.symbols.poll(pollfds as Uint8Array<ArrayBuffer>, count, timeoutMs),
    close: () => library.close(),
  };
}

/** Deno, as evbase sees it. */
export function denoRuntime(): Runtime {
  return {
    name: "deno",
    os: Deno.build.os,
    arch: Deno.build.arch,
    openLibrary,
    addressOf,
    viewAt,
    word: (value: number): Word => BigInt(value),
    wordAt: (word: Word, offset: number): Word => (word as bigint) + BigInt(offset),
    createCallback: createCallback as Runtime["createCallback"],
    claimSignal(name: string): void {
      if (!lateSignals.includes(name)) return;
      // Registering makes Deno install its handler now instead of half a second later; ours then goes on top for good.
      Deno.addSignalListener(name as Deno.Signal, nothing);
      Deno.removeSignalListener(name as Deno.Signal, nothing);
    },
    drainMicrotasks: findMicrotaskDrain(),
    estimateBytes: undefined,
    peek: undefined,
    fetchDecodes: (contentEncoding) => /^(?:gzip|br)$/i.test(contentEncoding),
    setImmediate: (callback) => void nodeSetImmediate(callback),
    createWaiter,
  };
}
