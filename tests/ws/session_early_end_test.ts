import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EV_READ, EventBase, PairBufferEvent } from "../../src/core/mod.ts";
import { WebSocketSession } from "../../src/ws/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { hex } from "./frame_support.ts";

describe("a session whose connection ends while what has come before that waits", () => {
  it("is over with that, also when it came before the session was made", () => {
    for (const [bytes, told] of [["880203e8", "1000 true"], ["ffff", "1002 false"]] as const) {
      using base = new EventBase();
      const [ours, theirs] = PairBufferEvent.create(base);
      const log: string[] = [];
      const close = (code: number, _reason: string, wasClean: boolean): void => void log.push(`${code} ${wasClean}`);
      // As behind the reply of a server.
      ours.setCallbacks({ read: () => void new WebSocketSession(ours, { role: "client" }, { close }) });
      ours.enable(EV_READ);
      theirs.enable(EV_READ);
      theirs.write(hex(bytes));
      theirs.endWriting();
      settle(base);
      assertEquals(log, [told]);
      theirs.close();
    }
  });
});
