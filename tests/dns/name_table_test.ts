import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type NameEntry, nameHash, NameTable } from "../../src/dns/name_table.ts";
import { Random } from "../support/fuzz.ts";

class Entry implements NameEntry<Entry> {
  sibling: Entry | null = null;
  readonly key: string;
  readonly hash: number;
  readonly kind: number;

  constructor(key: string, kind: number, hash: number = nameHash(key)) {
    this.key = key;
    this.kind = kind;
    this.hash = hash;
  }
}

describe("NameTable", () => {
  it("finds what a map would find, whatever was added and deleted before", () => {
    const random = new Random(1);
    const table = new NameTable<Entry>();
    const model = new Map<string, Entry>();
    for (let step = 0; step < 20_000; step++) {
      // More is added than deleted at first, and less in the end.
      const isFilling = step < 10_000;
      const [key, kind] = [`n${random.below(1000)}.test`, random.below(2)];
      const known = model.get(`${kind} ${key}`) ?? null;
      assertStrictEquals(table.find(key, nameHash(key), kind), known);
      if (known === null && random.below(10) < (isFilling ? 9 : 1)) {
        const entry = new Entry(key, kind);
        table.add(entry);
        model.set(`${kind} ${key}`, entry);
      } else if (known !== null && random.below(10) < (isFilling ? 1 : 9)) {
        table.delete(known);
        model.delete(`${kind} ${key}`);
      }
      assertStrictEquals(table.size, model.size);
    }
    assertEquals(new Set(table.all()), new Set(model.values()));
    table.clear();
    assertEquals([table.size, table.all()], [0, []]);
  });

  it("tells names of one hash apart", () => {
    const table = new NameTable<Entry>();
    const entries = ["a", "b", "c"].map((key) => new Entry(key, 1, 7));
    for (const entry of entries) table.add(entry);
    assertEquals(entries.map(({ key }) => table.find(key, 7, 1)), entries);
    assertStrictEquals(table.find("a", 7, 2), null);
    table.delete(entries[1]!);
    table.delete(entries[1]!);
    assertEquals([table.find("b", 7, 1), table.size], [null, 2]);
    assertStrictEquals(table.find("a", 7, 1), entries[0]!);
  });

  it("hashes names differently", () => {
    const hashes = new Set(Array.from({ length: 1000 }, (_, index) => nameHash(`host-${index}.example.org`) & 0xfff));
    assert(hashes.size > 700, `${hashes.size} of 1000 in 4096 places`);
  });
});
