import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { forEachBackend } from "../support/backends.ts";
import { Rig } from "./session_support.ts";

describe("a session whose callbacks use it", () => {
  forEachBackend((backend) => {
    for (const act of ["send", "ping", "sendFragment"] as const) {
      it(`by ${act} when it is told that too much waits hears of that once`, () => {
        let errors = 0;
        using rig = new Rig({
          maxOutputBytes: 1000,
          error: (_error, session) => {
            if (++errors > 100) throw new Error("There is no end");
            assertEquals(act === "sendFragment" ? session.sendFragment("more", true) : session[act]("more"), -1);
          },
        }, backend);
        rig.session.send("x".repeat(2000));
        assertEquals(rig.session.send("one too many"), -1);
        assertEquals([errors, rig.session.state, rig.told()], [1, "closed", ["close 1006 unclean"]]);
      });
    }
  });
});
