import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EVLOOP_NONBLOCK } from "../../src/core/constants.ts";
import { open, os } from "../../src/ffi/mod.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { deeds, searches } from "./evbuffer_deeds.ts";
import { bytesOf, type Deed, type End, type Pair, World } from "./evbuffer_model.ts";

/** Buffers are kept below this, so that a step stays cheap. */
const BYTES_MAX = 20_000;

function openFile(content: string): number {
  const folder = mkdtempSync(join(tmpdir(), "evbase-model-"));
  try {
    writeFileSync(join(folder, "file"), bytesOf(content));
    return open(join(folder, "file"), os.constants.O_RDONLY);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function isFrozen([pair, end]: End): boolean {
  return end === "front" ? pair.isFrontFrozen : pair.isBackFrozen;
}

/** Does it to buffer and model, or sees it refused; either way both are the same afterwards. */
function perform({ needs, isRefused, call, then }: Deed): void {
  if (needs.some(isFrozen)) {
    assertThrows(call, TypeError, "is frozen");
  } else if (isRefused === true) {
    assertThrows(call, TypeError, "belong to a file");
  } else {
    then?.(call());
  }
}

function choose(world: World, pair: Pair): Deed {
  const isShort = pair.text.length < BYTES_MAX;
  const isFile = pair.hasFile();
  if (!isShort || world.random(200) === 0) {
    const { buffer } = pair;
    return { needs: [[pair, "front"]], call: () => buffer.drain(Infinity), then: () => pair.shift(Infinity) };
  }
  return world.pick(isFile ? deeds : world.random(6) === 0 ? searches : deeds)(world, pair);
}

function step(world: World): void {
  const pair = world.pick(world.pairs);
  for (const each of world.pairs) each.calls = 0;
  perform(choose(world, pair));
  if (world.random(10) === 0) world.base.loop(EVLOOP_NONBLOCK);
  for (const each of world.pairs) {
    const { buffer, text } = each;
    assertEquals(buffer.length, text.length);
    assert(each.calls <= 1, `${each.calls} calls of one callback`);
    if (!each.isDeferred) assertEquals([each.added, each.deleted], [each.expectedAdded, each.expectedDeleted]);
    assert(buffer.contiguousLength <= text.length && (buffer.contiguousLength > 0) === (text !== ""));
  }
  if (world.random(40) === 0) assert(world.contentOf(pair) === pair.text);
}

function run(seed: number, steps: number): void {
  const before = openDescriptorCount();
  {
    using descriptors = new Descriptors();
    const world = new World(seed, (content) => descriptors.own(openFile(content)), descriptors.socketpair());
    for (let count = 0; count < steps; count++) {
      try {
        step(world);
      } catch (cause) {
        throw new Error(`Step ${count} from seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, {
          cause,
        });
      }
    }
    world.close();
  }
  assertEquals(openDescriptorCount(), before);
}

describe("EvBuffer beside a plain string", () => {
  for (const seed of [1, 20_011, 987_654_321, 4_000_000_007]) {
    it(`behaves the same through 25,000 random operations from seed ${seed}`, () => run(seed, 25_000));
  }
});
