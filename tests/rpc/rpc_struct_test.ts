import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import { field, type RpcStruct, rpcStruct, TagError } from "../../src/rpc/mod.ts";
import { Duel, Errand, fullLetter, Letter, type LetterValue, shortLetter } from "./letter.ts";
import { assertRefused, bufferOf, bytes, hex } from "./tag_support.ts";

interface Tree {
  leaf: number;
  branches: Tree[];
}

const Tree: RpcStruct<Tree> = rpcStruct("tree", {
  leaf: field.int(1),
  branches: field.array(field.struct(2, () => Tree)),
});

function treeOfDepth(depth: number): Tree {
  let tree: Tree = { leaf: 0, branches: [] };
  for (let at = 1; at < depth; at++) tree = { leaf: at, branches: [tree] };
  return tree;
}

describe("RpcStruct marshals", () => {
  it("members in the order of their declaration", () => {
    assertStrictEquals(
      hex(
        Letter.marshal({ receiver: "b", errands: [], sender: "a", duel: { call: "x", weapon: "y", rounds: [1, 2] } }),
      ),
      hex(bytes('01 01 "a" 02 01 "b" 03 0e a18204 01 "y" 02 01 "x" 03 01 01 03 01 02')),
    );
    assertStrictEquals(hex(Letter.marshal(shortLetter())), hex(bytes('01 01 "a" 02 01 "b"')));
  });

  it("into a buffer, all or nothing", () => {
    const buffer = bufferOf(bytes("ff"));
    Letter.marshalInto(buffer, shortLetter());
    assertThrows(() => Letter.marshalInto(buffer, { sender: "x" } as LetterValue), TypeError);
    assertStrictEquals(hex(buffer.take()), hex(bytes('ff 01 01 "a" 02 01 "b"')));
  });

  it("nothing that a structure is not", () => {
    const letter = shortLetter();
    const refused = (wrong: object, message: string): void => {
      const error = assertThrows(() => Letter.marshal({ ...letter, ...wrong } as LetterValue), TypeError);
      assert(error.message.includes(message), error.message);
    };
    refused({ sender: undefined }, "letter: its member sender is missing");
    refused({ sender: 1 }, "letter.sender: expected a string");
    refused({ sender: "\udc00" }, "letter.sender: expected a string");
    refused({ errands: {} }, "letter.errands: expected an array");
    refused({ errands: [1] }, "letter.errands[0]: expected an object, as errand is one");
    refused({ duel: { weapon: "x", call: "y", rounds: [-1] } }, "duel.rounds[0]: expected a whole number of 32 bits");
    refused({ duel: { weapon: "x", rounds: [] } }, "duel: its member call is missing");
    const errand = { how: "", seal: new Uint8Array(24), notes: [], prices: [] };
    refused({ errands: [{ ...errand, seal: new Uint8Array(23) }] }, "errand.seal: expected a Uint8Array of 24 bytes");
    refused({ errands: [{ ...errand, parcel: [1] }] }, "errand.parcel: expected a Uint8Array");
    refused({ errands: [{ ...errand, distance: 1 }] }, "errand.distance: expected a bigint");
    refused({ errands: [{ ...errand, distance: -1n }] }, "errand.distance: expected a bigint");
    refused({ errands: [{ ...errand, distance: 2n ** 64n }] }, "errand.distance: expected a bigint");
  });

  it("no object that contains itself", () => {
    const tree: Tree = { leaf: 1, branches: [] };
    tree.branches.push(tree);
    assertThrows(() => Tree.marshal(tree), TypeError, "nested");
  });
});

describe("RpcStruct unmarshals", () => {
  it("what it has marshalled, from bytes and from buffers", () => {
    for (const letter of [fullLetter(), shortLetter()]) {
      const data = Letter.marshal(letter);
      assertEquals(Letter.unmarshal(data), letter);
      for (let at = 0; at <= data.length; at++) {
        const buffer = bufferOf(data.slice(0, at), data.slice(at));
        assertEquals(Letter.unmarshal(buffer), letter);
        assertStrictEquals(buffer.length, 0);
        buffer.close();
      }
    }
  });

  it("members in any order", () => {
    assertEquals(Letter.unmarshal(bytes('02 01 "b" 01 01 "a"')), shortLetter());
    assertEquals(Duel.unmarshal(bytes('03 01 01 02 01 "x" 03 01 02 a18204 01 "y" 03 01 03')), {
      weapon: "y",
      call: "x",
      rounds: [1, 2, 3],
    });
  });

  it("structures inside of themselves", () => {
    for (const depth of [1, 2, 32]) assertEquals(Tree.unmarshal(Tree.marshal(treeOfDepth(depth))), treeOfDepth(depth));
  });

  it("nothing, where nothing is required", () => {
    const Empty = rpcStruct("empty", { note: field.optional(field.string(1)), list: field.array(field.int(2)) });
    assertEquals(Empty.unmarshal(new Uint8Array(0)), { list: [] });
    assertEquals(Empty.unmarshal(new EvBuffer()), { list: [] });
    assertEquals(Empty.marshal({ list: [] }), new Uint8Array(0));
  });
});

describe("RpcStruct refuses", () => {
  it("every cut of a message, and leaves it in its buffer", () => {
    const data = Letter.marshal(fullLetter());
    let letters = 0;
    for (let length = 0; length < data.length; length++) {
      const buffer = bufferOf(data.slice(0, length));
      try {
        // Where a member that may be missing would begin, it is a letter as well.
        assertStrictEquals(hex(Letter.marshal(Letter.unmarshal(buffer))), hex(data.slice(0, length)));
        letters++;
      } catch (error) {
        if (!(error instanceof TagError)) throw error;
        assert(["TAG_SHORT", "TAG_MISSING"].includes(error.code), `${error}`);
        assertStrictEquals(buffer.length, length);
      }
      buffer.close();
    }
    assertStrictEquals(letters, 3);
  });

  it("tags that it does not know, also inside of members", () => {
    assertRefused("TAG_UNKNOWN", () => Letter.unmarshal(bytes('01 01 "a" 02 01 "b" 05 00')));
    assertRefused("TAG_UNKNOWN", () => Letter.unmarshal(bytes('01 01 "a" 02 01 "b" 03 02 07 00')));
  });

  it("members that come twice, unless they are arrays", () => {
    assertRefused("TAG_REPEATED", () => Letter.unmarshal(bytes('01 01 "a" 01 01 "a" 02 01 "b"')));
    assertRefused("TAG_REPEATED", () => Letter.unmarshal(bytes('01 00 01 00 02 01 "b"')));
  });

  it("what lacks a member that is required", () => {
    assertRefused("TAG_MISSING", () => Letter.unmarshal(bytes('01 01 "a"')));
    assertRefused("TAG_MISSING", () => Letter.unmarshal(bytes("")));
    assertRefused("TAG_MISSING", () => Letter.unmarshal(bytes('01 01 "a" 02 01 "b" 03 00')));
  });

  it("members of another kind or length", () => {
    assertRefused("TAG_WRONG_LENGTH", () => Errand.unmarshal(bytes('01 00 03 01 "x"')));
    assertRefused("TAG_BAD_TEXT", () => Errand.unmarshal(bytes("01 01 80")));
    assertRefused("TAG_INTEGER_TOO_LARGE", () => Errand.unmarshal(bytes("06 05 8000000000")));
  });

  it("what goes deeper, or has more members, than the limits say", () => {
    const deep = Tree.marshal(treeOfDepth(4));
    assertEquals(Tree.unmarshal(deep, { maxDepth: 4, maxMembers: 11 }), treeOfDepth(4));
    assertRefused("TAG_TOO_DEEP", () => Tree.unmarshal(deep, { maxDepth: 3 }));
    assertRefused("TAG_TOO_MANY", () => Tree.unmarshal(deep, { maxMembers: 10 }));
    assertThrows(() => Tree.unmarshal(deep, { maxDepth: 0 }), RangeError);
    assertThrows(() => Tree.marshal(treeOfDepth(4), { maxDepth: 3 }), TypeError, "nested in 3 others");
    assertEquals(Tree.unmarshal(Tree.marshal(treeOfDepth(50), { maxDepth: 50 }), { maxDepth: 50 }), treeOfDepth(50));
    // Nested by hand, since ours does not write that.
    let hostile = bytes("01 01 00");
    for (let depth = 1; depth < 33; depth++) {
      const length = hostile.length;
      const head = length < 16 ? [2, length] : [2, 0x10 | (length & 15), (length >> 4) << 4];
      if (length > 255) head.splice(1, 2, 0x20 | (length & 15), (length >> 4 & 15) << 4 | length >> 8);
      hostile = Uint8Array.of(1, 1, 0, ...head, ...hostile);
    }
    assertRefused("TAG_TOO_DEEP", () => Tree.unmarshal(hostile));
    assertStrictEquals(Tree.unmarshal(hostile, { maxDepth: 33 }).leaf, 0);
  });
});

describe("RpcStruct bounds", () => {
  const Arrays = rpcStruct(
    "arrays",
    Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`list${at}`, field.array(field.int(at))])),
  );
  const Many = rpcStruct("many", { all: field.array(field.struct(1, Arrays)) });

  it("what two bytes of a message become, where they are a structure of arrays", () => {
    const message = (count: number): Uint8Array => Uint8Array.from({ length: 2 * count }, (_, at) => 1 - at % 2);
    assertStrictEquals(Many.unmarshal(message(4000)).all.length, 4000);
    assertRefused("TAG_TOO_MANY", () => Many.unmarshal(message(5000)));
    assertStrictEquals(Many.unmarshal(message(2), { maxMembers: 43 }).all.length, 2);
    assertRefused("TAG_TOO_MANY", () => Many.unmarshal(message(2), { maxMembers: 42 }));
  });
});

describe("RpcStruct knows", () => {
  it("which members are missing, also inside of others", () => {
    assertEquals(Letter.missing({}), ["sender", "receiver"]);
    const half = { ...shortLetter(), duel: { weapon: "x" }, errands: [{ how: "" }, { seal: new Uint8Array(24) }] };
    assertEquals(Letter.missing(half as unknown as LetterValue), ["duel.call", "errands.0.seal", "errands.1.how"]);
    assert(Letter.isComplete(fullLetter()));
    assert(!Letter.isComplete({ sender: "x" }));
  });

  it("where to end with an object that contains itself, or is nested too deep", () => {
    const tree: Tree = { leaf: 1, branches: [] };
    tree.branches.push(tree, tree);
    for (const look of [() => Tree.missing(tree), () => Tree.isComplete(tree)]) {
      assertThrows(look, TypeError, "Cannot look for what is missing in tree: it is nested in 32 others, or in itself");
    }
    assertEquals(Tree.missing(treeOfDepth(32)), []);
    assertThrows(() => Tree.missing(treeOfDepth(33)), TypeError, "nested in 32 others");
    assertEquals(Tree.missing(treeOfDepth(33), { maxDepth: 33 }), []);
    assert(Tree.isComplete(treeOfDepth(40), { maxDepth: 40 }));
  });
});

describe("rpcStruct refuses", () => {
  it("two members with one tag, tags that are none, and names that all objects have", () => {
    assertThrows(
      () => rpcStruct("x", { a: field.int(1), b: field.string(1) }),
      TypeError,
      "a and b have the same tag, 1",
    );
    for (const tag of [-1, 0.5, 2 ** 32]) assertThrows(() => field.int(tag), RangeError);
    assertThrows(() => field.bytes(1, -1), RangeError);
    for (const name of ["constructor", "toString", "__proto__"]) {
      assertThrows(() => rpcStruct("x", Object.fromEntries([[name, field.int(1)]])), TypeError, name);
    }
    // Objects have those first, wherever they were declared.
    assertThrows(() => rpcStruct("x", { a: field.int(1), 7: field.int(2) }), TypeError, "7");
  });
});
