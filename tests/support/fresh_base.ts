/** What most tests of a loop begin with, and have to leave closed. */
import { afterEach, beforeEach } from "@std/testing/bdd";
import type { EventBase } from "../../src/core/mod.ts";
import type { BackendUnderTest } from "./backends.ts";
import { Descriptors } from "./descriptors.ts";

/** A base, and descriptors to be used on it. */
export interface FreshBase {
  readonly base: EventBase;
  readonly descriptors: Descriptors;
}

/** Gives each test of the group a base of its own and descriptors, which are closed behind it. */
export function freshBase(backend: BackendUnderTest, begin: (fresh: FreshBase) => void): void {
  let fresh: FreshBase;
  beforeEach(() => {
    fresh = { base: backend.newBase(), descriptors: new Descriptors() };
    begin(fresh);
  });
  afterEach(() => {
    fresh.descriptors[Symbol.dispose]();
    fresh.base.close();
  });
}
