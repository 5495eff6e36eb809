import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, it } from "@std/testing/bdd";
import { type BufferEvent, EV_READ, type EventBase } from "../../src/core/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { inputText, settle } from "./bufferevent_support.ts";
import { forEachKind } from "./connection_kinds.ts";

forEachBackend((backend) => {
  forEachKind((kind) => {
    let base: EventBase;
    let descriptors: Descriptors;
    let ends: [BufferEvent, BufferEvent];

    beforeEach(() => {
      base = backend.newBase();
      descriptors = new Descriptors();
      ends = kind.open(base, descriptors);
    });
    afterEach(() => {
      for (const end of ends) end.close();
      base.close();
      descriptors[Symbol.dispose]();
    });

    it("what has come is seen before the loop has brought it, and is brought once", () => {
      const [near, far] = ends;
      near.enable(EV_READ);
      settle(base);
      assertEquals(near.lookAhead(), 0);
      for (const text of ["some", "more"]) {
        far.write(text);
        far.flush();
        assertEquals(near.lookAhead(), 1);
        settle(base);
        assertEquals([inputText(near), near.lookAhead()], [text, 0]);
      }
    });

    it("what has come is seen while nothing is read, and stays", () => {
      const [near, far] = ends;
      settle(base);
      far.write("some");
      far.flush();
      assertEquals(near.lookAhead(), 1);
      settle(base);
      assertEquals([inputText(near), near.lookAhead()], ["", 1]);
      near.enable(EV_READ);
      settle(base);
      assertEquals([inputText(near), near.lookAhead()], ["some", 0]);
    });
  });
});
