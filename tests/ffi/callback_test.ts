import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { addressOf, allocate, libcPath, openLibrary, os, runtime } from "../../src/ffi/mod.ts";

const signatures = { qsort: { args: ["address", "u32", "u32", "address"], result: "void" } } as const;

describe("createCallback", () => {
  it("lets C call back from within a call of ours, as often as it likes", () => {
    const libc = openLibrary(libcPath, signatures);
    assert(typeof libc !== "string");
    let calls = 0;
    const garbage: unknown[] = [];
    const compare = runtime.createCallback({ args: ["address", "address"], result: "i32" }, (a, b) => {
      calls++;
      // Memory is made, and collected, in the middle of the call.
      garbage[calls % 100] = { a, b, text: `${calls}` };
      return new Int32Array(runtime.viewAt(Number(a), 4))[0]! - new Int32Array(runtime.viewAt(Number(b), 4))[0]!;
    });
    const bytes = allocate(400);
    const numbers = new Int32Array(bytes.buffer);
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 100; i++) numbers[i] = (i * 37 + round) % 101;
      const sorted = [...numbers].sort((a, b) => a - b);
      libc.qsort(runtime.word(addressOf(bytes)), 100, 4, runtime.word(compare));
      assertEquals([...numbers], sorted);
    }
    assert(calls > 5000, `${calls} calls`);
  });
});

describe("openLibrary", () => {
  it("says in one line why a library or a function in it is not there", () => {
    for (const [path, name] of [["/no/such/library.so", "qsort"], [libcPath, "no_such_function"]] as const) {
      const answer = openLibrary(path, { [name]: signatures.qsort });
      assert(typeof answer === "string");
      assert(answer.length > 0 && !answer.includes("\n"), answer);
    }
    assertStringIncludes(os.opensslHint, "install");
  });
});
