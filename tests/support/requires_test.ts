import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { findCommand, requires } from "./requires.ts";

describe("looking for a program", () => {
  let empty = "";
  let folder = "";

  beforeEach(() => {
    empty = mkdtempSync(join(tmpdir(), "evbase-empty-"));
    folder = mkdtempSync(join(tmpdir(), "evbase-path-"));
    writeFileSync(join(folder, "tool"), "#!/bin/sh\n");
    chmodSync(join(folder, "tool"), 0o755);
    writeFileSync(join(folder, "text"), "not to be run\n");
    chmodSync(join(folder, "text"), 0o644);
    mkdirSync(join(folder, "directory"));
  });

  afterEach(() => {
    rmSync(empty, { recursive: true });
    rmSync(folder, { recursive: true });
  });

  it("finds it in any folder of the PATH", () => {
    assertEquals(findCommand("tool", [empty, folder].join(delimiter)), join(folder, "tool"));
    assertEquals(findCommand("tool", ["", empty].join(delimiter)), undefined);
  });

  it("passes over folders and files that cannot be run", () => {
    assertEquals(findCommand("directory", folder), undefined);
    assertEquals(findCommand("text", folder), undefined);
  });

  it("says whether the tests can run", () => {
    assert(requires("tool", "tools", { path: folder, ci: true }));
    assertFalse(requires("tool", "tools", { path: empty, ci: false }));
  });

  it("is a failure in CI when there is none", () => {
    const look = (): boolean => requires("tool", "tools", { path: empty, ci: true });
    assertThrows(look, Error, "needs tool, Debian package tools");
  });
});
