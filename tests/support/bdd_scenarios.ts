/**
 * Test files in miniature, run by std_test.ts in a runtime of their own: one that must pass, and several that must not. The scenario is
 * named by an environment variable. The name of this file keeps it out of ordinary test runs.
 */
import process from "node:process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "./std/bdd.ts";

function explode(): never {
  throw new Error("thrown on purpose");
}

function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

const scenarios: Record<string, () => void> = {
  passes: () => {
    it("runs", () => {});
    it.skip("is skipped", explode);
    it("is ignored", { ignore: true }, explode);
    describe.skip("group left out", () => it("is not run", explode));
  },
  throwingTest: () => it("fails", explode),
  rejectingTest: () => it("fails", () => Promise.reject(new Error("rejected on purpose"))),
  throwingBeforeAll: () => {
    beforeAll(explode);
    it("fails although its body is fine", () => {});
  },
  throwingBeforeEach: () => {
    beforeEach(explode);
    it("fails although its body is fine", () => {});
  },
  throwingAfterEach: () => {
    afterEach(explode);
    it("fails although its body is fine", () => {});
  },
  throwingAfterAll: () => {
    afterAll(explode);
    it("is fine, the group is not", () => {});
  },
  throwingTimer: () => {
    it("fails although its body is fine", async () => {
      setTimeout(explode, 1);
      await later();
    });
  },
  throwingTimerAfterTheTest: () => {
    afterAll(later);
    it("is fine, the group is not", () => void setTimeout(explode, 1));
  },
  throwingInnerGroup: () => describe("inner group", explode),
  promisingGroup: () => describe("inner group", () => Promise.resolve() as unknown as void),
};

const name = process.env["BDD_SCENARIO"] ?? "";
describe("scenario", scenarios[name] ?? explode);
