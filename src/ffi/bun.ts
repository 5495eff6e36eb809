/**
 * {@linkcode Runtime} on Bun.
 *
 * @module
 */

import { createWaiter } from "./bun_waiter.ts";
import type { Address, Calls, NativeType, Runtime, Signature, Signatures, Waiter, Word } from "./runtime.ts";

/** The part of `bun:ffi` that we use; written out so that type-checking needs no Bun. */
interface BunFfi {
  dlopen(path: string, symbols: Record<string, { args: string[]; returns: string }>): { symbols: unknown };
  ptr(view: Uint8Array): number;
  toArrayBuffer(address: number, offset: number, length: number): ArrayBuffer;
  JSCallback: new (
    callback: (...args: never[]) => unknown,
    signature: { args: string[]; returns: string },
  ) => { readonly ptr: number | null };
}

const nativeTypes: Readonly<Record<NativeType, string>> = {
  i32: "i32",
  u32: "u32",
  i64: "i64_fast",
  buffer: "ptr",
  address: "ptr",
  void: "void",
};

/** What Bun's globals hold of use here. */
interface BunGlobals {
  process: { platform: string; arch: string };
  setImmediate(callback: () => void): void;
  Bun: { peek?: (promise: Promise<unknown>) => unknown };
}

const archNames: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** One coding it is, whatever else is there that is none. */
function fetchDecodes(contentEncoding: string): boolean {
  const codings = contentEncoding.toLowerCase().split(",").map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  return codings.length === 1 && /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(codings[0]!);
}

/** Bun, as evbase sees it. */
export function bunRuntime(): Runtime {
  // Bun's own synchronous import: other runtimes can read this file without resolving a `bun:` specifier, and no promise is
  // waited for, which matters to whoever calls dispatch() at the top level of a program (see platform.ts).
  const { require } = import.meta as unknown as { require(name: string): unknown };
  const ffi = require("bun:ffi") as BunFfi;
  const jsc = require("bun:jsc") as {
    drainMicrotasks?: () => void;
    estimateShallowMemoryUsageOf?: (object: object) => number;
  };
  const globals = globalThis as unknown as BunGlobals;

  function openLibrary<const S extends Signatures>(path: string, signatures: S): Calls<S> {
    const symbols: Record<string, { args: string[]; returns: string }> = {};
    for (const [name, { args, result }] of Object.entries(signatures)) {
      symbols[name] = { args: args.map((type) => nativeTypes[type]), returns: nativeTypes[result] };
    }
    return ffi.dlopen(path, symbols).symbols as Calls<S>;
  }

  // Kept for ever: C may hold their addresses for as long as it lives.
  const callbacks: unknown[] = [];

  function createCallback({ args, result }: Signature, callback: (...args: never[]) => unknown): Address {
    const made = new ffi.JSCallback(callback, {
      args: args.map((type) => nativeTypes[type]),
      returns: nativeTypes[result],
    });
    if (made.ptr === null) throw new Error("Cannot make a C function: Bun gave it no address");
    callbacks.push(made);
    return made.ptr;
  }

  function addressOf(bytes: Uint8Array): Address {
    // `ptr` refuses an empty array; nothing is ever read or written through the address of nothing.
    return bytes.length === 0 ? 0 : ffi.ptr(bytes);
  }

  return {
    name: "bun",
    os: globals.process.platform,
    arch: archNames[globals.process.arch] ?? globals.process.arch,
    openLibrary,
    addressOf,
    viewAt: (address: Address, length: number): ArrayBuffer => ffi.toArrayBuffer(address, 0, length),
    word: (value: number): Word => value,
    wordAt: (word: Word, offset: number): Word => (word as number) + offset,
    createCallback: createCallback as Runtime["createCallback"],
    claimSignal: () => {},
    drainMicrotasks: jsc.drainMicrotasks,
    estimateBytes: jsc.estimateShallowMemoryUsageOf,
    peek: globals.Bun.peek,
    fetchDecodes,
    setImmediate: (callback) => globals.setImmediate(callback),
    createWaiter: (libcPath: string): Waiter => createWaiter(libcPath, addressOf),
  };
}
