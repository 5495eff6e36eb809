import { assertEquals, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { type EventBase, PairBufferEvent } from "../../src/core/mod.ts";
import { backendsUnderTest } from "../support/backends.ts";
import { alongside, rejection, text } from "./async_support.ts";

describe("awaited reads beside callbacks on the input", () => {
  let base: EventBase;
  let near: PairBufferEvent;
  let far: PairBufferEvent;

  beforeEach(() => {
    base = backendsUnderTest[0]!.newBase();
    [near, far] = PairBufferEvent.create(base);
  });
  afterEach(() => {
    near.close();
    far.close();
    base.close();
  });

  it("are all served when one of the callbacks aborts the read that is being served", () =>
    alongside(base, async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const first = near.readExactly(3, { signal: controller.signal });
      const second = near.readExactly(3);
      near.input.addCallback((_buffer, { deleted }) => {
        if (deleted > 0) controller.abort(reason);
      });
      far.write("abcdef");
      assertStrictEquals(await rejection(first), reason);
      assertEquals(text(await second), "def");
    }));

  it("find their line when somebody else takes from an input that defers its callbacks", () =>
    alongside(base, async () => {
      near.input.deferCallbacks(base);
      const line = near.readLine();
      far.write("abcdef");
      near.input.drain(6);
      far.write("xy\nz");
      assertEquals(await line, "xy");
    }));
});
