import { assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import {
  enableDebugLogging,
  EVENT_DBG_ALL,
  EVENT_DBG_NONE,
  EVENT_LOG_DEBUG,
  EVENT_LOG_ERR,
  EVENT_LOG_MSG,
  EVENT_LOG_WARN,
  EventBase,
  setLogCallback,
} from "../../src/core/mod.ts";
import { isDebugLogged, log } from "../../src/core/log.ts";
import { runScript } from "../support/run_script.ts";

describe("the log", () => {
  afterEach(() => {
    setLogCallback(null);
    enableDebugLogging(EVENT_DBG_NONE);
  });

  function record(): [number, string][] {
    const entries: [number, string][] = [];
    setLogCallback((level, message) => entries.push([level, message]));
    return entries;
  }

  it("has libevent's levels", () => {
    assertEquals([EVENT_LOG_DEBUG, EVENT_LOG_MSG, EVENT_LOG_WARN, EVENT_LOG_ERR], [0, 1, 2, 3]);
    assertEquals([EVENT_DBG_NONE, EVENT_DBG_ALL], [0, 0xffffffff]);
  });

  it("hands each message with its level to the callback, debug notes only when they are wanted", () => {
    const entries = record();
    const all = [EVENT_LOG_DEBUG, EVENT_LOG_MSG, EVENT_LOG_WARN, EVENT_LOG_ERR];
    for (const level of all) log(level, `of level ${level}`);
    assertEquals(entries, [[1, "of level 1"], [2, "of level 2"], [3, "of level 3"]]);
    entries.length = 0;
    enableDebugLogging();
    for (const level of all) log(level, "again");
    assertEquals(entries.map(([level]) => level), all);
    for (const mask of [1, 0x80000000, EVENT_DBG_ALL]) {
      enableDebugLogging(mask);
      assertEquals(isDebugLogged(), true);
    }
    enableDebugLogging(EVENT_DBG_NONE);
    assertFalse(isDebugLogged());
  });

  it("lets what the callback throws through", () => {
    setLogCallback(() => {
      throw new Error("thrown on purpose");
    });
    assertThrows(() => log(EVENT_LOG_WARN, "x"), Error, "thrown on purpose");
  });

  it("goes to the error output without a callback, behind its level, and nowhere with one that does nothing", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { enableDebugLogging, setLogCallback } from "../../src/core/mod.ts";
      import { log } from "../../src/core/log.ts";
      enableDebugLogging();
      for (const level of [0, 1, 2, 3, 4]) log(level, "text " + level);
      setLogCallback(() => {});
      log(2, "unheard");
      setLogCallback(null);
      log(3, "heard");
    `);
    assertEquals([code, stdout], [0, ""]);
    assertEquals(stderr, "[debug] text 0\n[msg] text 1\n[warn] text 2\n[err] text 3\n[???] text 4\n[err] heard\n");
  });

  it("shows the method of a base when EVENT_SHOW_METHOD is there", async () => {
    const program = `
      import { EventBase, setLogCallback } from "../../src/core/mod.ts";
      new EventBase({ avoid: ["epoll", "kqueue"] }).close();
      setLogCallback((level, message) => console.log(level, message));
      new EventBase({ avoid: ["epoll", "kqueue", "poll"] }).close();
    `;
    const { stdout, stderr } = await runScript(program, { env: { EVENT_SHOW_METHOD: "1" } });
    assertEquals([stderr, stdout], ["[msg] evbase using: poll\n", "1 evbase using: select"]);
  });

  it("notes a base that is closed with events in it, when debug notes are wanted", () => {
    const entries = record();
    const close = (): void => {
      const base = new EventBase({ ignoreEnvironment: true });
      base.timer(() => {}).add(1000);
      base.close();
    };
    close();
    assertEquals(entries, []);
    enableDebugLogging();
    close();
    assertEquals(entries.length, 1);
    assertStringIncludes(entries[0]![1], "1 events");
  });
});
