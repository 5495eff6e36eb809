import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventBase, PairBufferEvent, SocketBufferEvent, socketPair } from "../../src/core/mod.ts";
import { WebSocketSession } from "../../src/ws/mod.ts";
import { settle } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext } from "../tls/tls_support.ts";
import { concat, frame, masked } from "./frame_support.ts";
import { Rig } from "./session_support.ts";

const SHORT_MS = 20;

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

    it("is over when it is cut by who watches its output, whatever it was sending", () => {
      const cases: readonly [string, (rig: Rig) => void, string][] = [
        ["close", (rig) => rig.session.close(), "close 1006 unclean"],
        ["the answer to a close", (rig) => rig.send(masked(8, "")), "close 1005 unclean"],
        ["a fault", (rig) => rig.send(frame(1, "x")), "close 1002 unclean"],
        ["a pong", (rig) => rig.send(masked(9, "")), "close 1006 unclean"],
        ["a message", (rig) => void rig.session.send("x"), "close 1006 unclean"],
      ];
      for (const [what, act, told] of cases) {
        using rig = new Rig({ closeTimeoutMs: SHORT_MS }, backend);
        rig.session.stream.output.addCallback(() => rig.session.terminate());
        act(rig);
        rig.peer.close();
        // Nothing keeps the loop from ending, least of all a timer that would tell of more.
        rig.base.dispatch();
        assertEquals([what, rig.session.state, ...rig.told()], [what, "closed", told]);
      }
    });

    it("and throw goes on with what comes later, also when it was held before", () => {
      const heard: unknown[] = [];
      using rig = new Rig({
        message: (data, session) => {
          heard.push(data);
          if (data === "hold") session.pause();
          if (data === "throw") throw new Error("in the callback");
        },
      }, backend);
      rig.send(masked(1, "hold"), masked(1, "throw"));
      assertEquals(heard, ["hold"]);
      rig.session.resume();
      assertThrows(() => rig.settle(), Error, "in the callback");
      rig.send(masked(1, "later"));
      assertEquals(heard, ["hold", "throw", "later"]);
    });

    it("and throw hears of the end, also when it was held before", () => {
      using rig = new Rig({
        message: (data, session) => {
          if (data === "hold") session.pause();
          if (data === "throw") throw new Error("in the callback");
        },
      }, backend);
      rig.send(masked(1, "hold"), masked(1, "throw"));
      rig.session.resume();
      assertThrows(() => rig.settle(), Error, "in the callback");
      rig.peer.close();
      rig.settle();
      assertEquals(rig.told(), ["error WS_CONNECTION_ENDED", "close 1006 unclean"]);
    });
  });
});

describe("a session over a pair in memory", () => {
  it("hears what the other end says as it goes, also from inside a message callback", () => {
    using base = new EventBase();
    const [ours, theirs] = PairBufferEvent.create(base);
    const told: unknown[] = [];
    using session = new WebSocketSession(ours, { role: "server" }, {
      message: (data) => {
        told.push(data);
        if (data !== "one") return;
        theirs.write(concat(masked(1, "two"), masked(8, "")));
        theirs.close();
      },
      error: ({ code }) => told.push(code),
      close: (code) => told.push(code),
    });
    theirs.write(masked(1, "one"));
    settle(base);
    assertEquals([told, session.state], [["one", "two", 1005], "closed"]);
  });
});

describe("a session whose close callback throws", () => {
  it("leaves nothing open of its connection", () => {
    using base = new EventBase();
    const [ours, theirs] = PairBufferEvent.create(base);
    const close = (): void => {
      throw new Error("mine");
    };
    const session = new WebSocketSession(ours, { role: "server" }, { close });
    assertThrows(() => session.terminate(), Error, "mine");
    assertEquals([session.state, ours.closed], ["closed", true]);
    theirs.close();
  });

  itNeeds("openssl", "openssl", "leaves nothing open below TLS either", () => {
    using base = new EventBase();
    using context = clientContext();
    const [ours, theirs] = PairBufferEvent.create(base);
    const stream = context.secure(ours, { hostname: "localhost" });
    const close = (): void => {
      throw new Error("mine");
    };
    const session = new WebSocketSession(stream, { role: "client" }, { close });
    assertThrows(() => session.terminate(), Error, "mine");
    assertEquals([session.state, stream.closed, ours.closed], ["closed", true, true]);
    theirs.close();
  });
});

describe("a loop over messages", () => {
  forEachBackend((backend) => {
    it("ends with the base", async () => {
      const base = backend.newBase();
      const [ours, theirs] = socketPair();
      using peer = new SocketBufferEvent(base, theirs);
      using session = new WebSocketSession(new SocketBufferEvent(base, ours), { role: "server" });
      const messages: unknown[] = [];
      const looping = (async () => {
        for await (const message of session) messages.push(message);
      })();
      peer.write(masked(1, "one"));
      settle(base);
      base.close();
      await looping;
      assertEquals([messages, session.state], [["one"], "open"]);
    });
  });
});
