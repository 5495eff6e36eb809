import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, it } from "@std/testing/bdd";
import type { BufferEvent, EventBase } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { alongside, eventually, text } from "./async_support.ts";
import { forEachKind } from "./connection_kinds.ts";

/** Ways to ask for "abc" of "abc\n". */
const reads: readonly (readonly [string, (near: BufferEvent, signal?: AbortSignal) => Promise<string | null>])[] = [
  ["readSome", async (near, signal) => text(await near.readSome(3, { signal }))],
  ["readExactly", async (near, signal) => text(await near.readExactly(3, { signal }))],
  ["readLine", (near, signal) => near.readLine(undefined, { signal })],
  ["readUntil", async (near, signal) => text(await near.readUntil("\n", { signal }))],
  ["readInto", async (near, signal) => {
    const target = new Uint8Array(3);
    return text(target.subarray(0, await near.readInto(target, { signal })));
  }],
];

forEachBackend((backend) =>
  forEachKind((kind) => {
    let base: EventBase;
    let descriptors: Descriptors;
    let near: BufferEvent;
    let far: BufferEvent;

    beforeEach(() => {
      base = backend.newBase();
      descriptors = new Descriptors();
      [near, far] = kind.open(base, descriptors);
    });
    afterEach(() => {
      near.close();
      far.close();
      descriptors[Symbol.dispose]();
      base.close();
    });

    /** What is read next, after the rest of "abc\n" if only "abc" was asked for. */
    async function next(name: string): Promise<string | null> {
      if (name !== "readLine" && name !== "readUntil") assertEquals(await near.readLine(), "");
      return await near.readLine();
    }

    for (const [name, read] of reads) {
      it(`${name}: an abort by a callback that hears of what was read comes too late`, () =>
        alongside(base, async () => {
          const controller = new AbortController();
          const entry = near.input.addCallback((_buffer, { deleted }) => {
            if (deleted > 0) controller.abort(new Error("enough"));
          });
          const first = read(near, controller.signal);
          far.write("abc\ndef\n");
          assertEquals(await first, "abc");
          near.input.removeCallback(entry);
          assertEquals(await next(name), "def");
        }));

      it(`${name}: what a callback throws that hears of what was read is told as any callback's, and loses nothing`, () =>
        alongside(base, async () => {
          const errors: unknown[] = [];
          base.onError = (error) => errors.push(error);
          const entry = near.input.addCallback((_buffer, { deleted }) => {
            if (deleted > 0) throw new Error("from the callback");
          });
          const first = read(near);
          far.write("abc\ndef\n");
          assertEquals(await first, "abc");
          near.input.removeCallback(entry);
          await eventually(() => errors.length > 0, "the error");
          assertEquals(errors[0], new Error("from the callback"));
          assertEquals(await next(name), "def");
          // Also where the data is there already.
          near.input.addCallback((_buffer, { deleted }) => {
            if (deleted > 0) throw new Error("once more");
          });
          far.write("abc\n");
          await eventually(() => near.input.length === 4, "the data");
          const before = errors.length;
          assertEquals(await read(near), "abc");
          await eventually(() => errors.length > before, "the error");
        }));
    }

    it("find their line when somebody else takes from an input that defers its callbacks", () =>
      alongside(base, async () => {
        near.input.deferCallbacks(base);
        const line = near.readLine();
        far.write("abcdef");
        await eventually(() => near.input.length === 6, "the data");
        near.input.drain(6);
        far.write("xy\nz");
        assertEquals(await line, "xy");
      }));
  })
);
