import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../../src/core/mod.ts";
import { TagReader, TagWriter } from "../../src/rpc/mod.ts";
import { assertRefused, bufferOf, bytes, forEachSource, hex } from "./tag_support.ts";

function written(write: (writer: TagWriter) => void): string {
  const writer = new TagWriter();
  write(writer);
  const collected = hex(writer.take());
  const buffer = new EvBuffer();
  write(new TagWriter(buffer));
  assertStrictEquals(hex(buffer.take()), collected);
  return collected;
}

const INTEGERS: readonly [number, string][] = [
  [0, "00"],
  [1, "01"],
  [0xf, "0f"],
  [0x10, "1010"],
  [0xaf0, "20fa"],
  [0x1000, "300010"],
  [0xbef00, "400feb"],
  [0xdeadbeef, "7feebdaed0"],
  [0xffffffff, "7ffffffff0"],
];

const LONG_INTEGERS: readonly [bigint, string][] = [
  [0n, "00"],
  [0xdeadbeefn, "7feebdaed0"],
  [0x1_0000_0000n, "8000000001"],
  [0x0123456789abcdefn, "efedcba987654321"],
  [0xfedcba9876543210n, "f0123456789abcdef0"],
  [0xffff_ffff_ffff_ffffn, "fffffffffffffffff0"],
];

const TAGS: readonly [number, string][] = [
  [0, "00"],
  [0x7f, "7f"],
  [0x80, "8001"],
  [0x166, "e602"],
  [0x10121, "a18204"],
  [0xffffffff, "ffffffff0f"],
];

describe("TagWriter writes", () => {
  it("integers digit by digit, the lowest first", () => {
    for (const [value, expected] of INTEGERS) assertStrictEquals(written((writer) => writer.bareInt(value)), expected);
    for (const [value, expected] of LONG_INTEGERS) {
      assertStrictEquals(written((writer) => writer.bareInt64(value)), expected);
    }
  });

  it("tags seven bits at a time, the lowest first", () => {
    for (const [tag, expected] of TAGS) assertStrictEquals(written((writer) => writer.bareTag(tag)), expected);
  });

  it("records of every kind", () => {
    assertStrictEquals(written((writer) => writer.int(3, 0x1234)), "0303343210");
    assertStrictEquals(written((writer) => writer.int64(5, 0x1122334455667788n)), "0509f88776655443322110");
    assertStrictEquals(written((writer) => writer.string(1, "niels")), "01056e69656c73");
    assertStrictEquals(written((writer) => writer.string(1, "é€")), "0105c3a9e282ac");
    assertStrictEquals(written((writer) => writer.string(1, "")), "0100");
    assertStrictEquals(written((writer) => writer.bytes(0x80, bytes("00ff"))), "80010200ff");
    assertStrictEquals(
      written((writer) => writer.timeval(2, { seconds: 1, microseconds: 500_000 })),
      "0204014021a7",
    );
  });

  it("records inside of records, also long ones", () => {
    assertStrictEquals(
      written((writer) =>
        writer.nested(7, () => {
          writer.int(1, 2);
          writer.nested(0x80, () => writer.string(3, "x"));
          writer.nested(4, () => {});
        })
      ),
      "070b0101028001030301780400",
    );
    const text = "x".repeat(1000);
    const record = written((writer) => writer.nested(9, () => writer.string(1, text)));
    assertStrictEquals(record.slice(0, 14), "092be30128e378");
    assertStrictEquals(record.length, 2 * (3 + 3 + 1000));
  });

  it("what a buffer holds, and empties it", () => {
    const payload = bufferOf(bytes('"ab"'), bytes('"cd"'));
    const buffer = new EvBuffer();
    new TagWriter(buffer).buffer(6, payload);
    assertStrictEquals(hex(buffer.take()), "060461626364");
    assertStrictEquals(payload.length, 0);
    assertStrictEquals(written((writer) => writer.buffer(6, bufferOf(bytes('"ab"')))), "06026162");
  });

  it("nothing of a record that fails", () => {
    const writer = new TagWriter();
    writer.int(1, 1);
    assertThrows(
      () =>
        writer.nested(2, () => {
          writer.string(1, "half");
          throw new Error("no");
        }),
      Error,
      "no",
    );
    assertStrictEquals(hex(writer.take()), "010101");
  });

  it("each record once, also those that a callback on the buffer writes", () => {
    const output = new EvBuffer();
    const writer = new TagWriter(output);
    const remark = output.addCallback(() => {
      output.removeCallback(remark);
      writer.int(2, 2);
    });
    writer.int(1, 1);
    writer.int(3, 3);
    assertStrictEquals(hex(output.take()), "010101020102030103");
  });

  it("each record once, whatever a callback on the buffer throws", () => {
    const output = new EvBuffer();
    const writer = new TagWriter(output);
    const faulty = output.addCallback(() => {
      throw new Error("not now");
    });
    assertThrows(() => writer.int(1, 1), Error, "not now");
    output.removeCallback(faulty);
    writer.int(3, 3);
    assertStrictEquals(hex(output.take()), "010101030103");
  });

  it("nothing of a record that its buffer does not take, nor later", () => {
    const output = new EvBuffer();
    const payload = bufferOf(bytes('"ab"'));
    const writer = new TagWriter(output);
    const refusedTwice = (write: () => void): void => {
      for (let count = 0; count < 2; count++) assertThrows(write, TypeError, "frozen");
    };
    output.freezeBack();
    refusedTwice(() => writer.int(1, 1));
    refusedTwice(() => writer.buffer(2, payload));
    output.unfreezeBack();
    payload.freezeFront();
    refusedTwice(() => writer.buffer(3, payload));
    payload.unfreezeFront();
    assertEquals([writer.length, output.length, payload.length], [0, 0, 2]);
    writer.buffer(4, payload);
    assertStrictEquals(hex(output.take()), "04026162");
  });
});

describe("TagWriter refuses", () => {
  const writer = new TagWriter();

  it("numbers that are no whole ones of their size", () => {
    for (const value of [-1, 1.5, 2 ** 32, NaN, Infinity]) {
      assertThrows(() => writer.int(1, value), RangeError);
      assertThrows(() => writer.bareInt(value), RangeError);
      assertThrows(() => writer.string(value, ""), RangeError);
      assertThrows(() => writer.timeval(1, { seconds: value, microseconds: 0 }), RangeError);
      assertThrows(() => writer.nested(value, () => {}), RangeError);
    }
    for (const value of [-1n, 2n ** 64n]) assertThrows(() => writer.int64(1, value), RangeError);
    assertThrows(() => writer.int64(1, 1 as unknown as bigint), RangeError);
    assertStrictEquals(writer.length, 0);
  });

  it("half a surrogate pair", () => {
    assertThrows(() => writer.string(1, "\ud800"), TypeError);
  });

  it("a buffer as a record inside of itself", () => {
    const output = bufferOf(bytes("07"));
    const into = new TagWriter(output);
    assertThrows(() => into.buffer(1, output), TypeError, "itself");
    assertThrows(() => into.nested(2, () => into.buffer(1, output)), TypeError, "itself");
    assertStrictEquals(hex(output.take()), "07");
  });

  it("a buffer with a tag that is none, and leaves what it holds", () => {
    const payload = bufferOf(bytes("07"));
    for (const each of [writer, new TagWriter(new EvBuffer())]) {
      assertThrows(() => each.buffer(2 ** 32, payload), RangeError);
      assertStrictEquals(payload.length, 1);
    }
  });

  it("to be emptied while a record is open", () => {
    writer.int(1, 1);
    assertThrows(() => writer.nested(2, () => void writer.take()), Error, "open");
    assertStrictEquals(hex(writer.take()), "010101");
  });
});

describe("TagReader reads", () => {
  it("integers and tags", () => {
    for (const [value, text] of INTEGERS) {
      forEachSource(bytes(text), (reader) => {
        assertStrictEquals(reader.bareInt(), value);
        assertStrictEquals(reader.length, 0);
      });
    }
    for (const [value, text] of LONG_INTEGERS) {
      forEachSource(bytes(text), (reader) => {
        assertStrictEquals(reader.bareInt64(), value);
        assertStrictEquals(reader.length, 0);
      });
    }
    for (const [tag, text] of TAGS) {
      forEachSource(bytes(text), (reader) => {
        assertStrictEquals(reader.peekTag(), tag);
        assertStrictEquals(reader.bareTag(), tag);
        assertStrictEquals(reader.length, 0);
      });
    }
  });

  it("records of every kind, one after the other", () => {
    const data = bytes(
      '03 03 343210  05 09 f88776655443322110  01 05 "niels"  02 04 01 4021a7  80 01 02 00ff  07 03 01 01 02',
    );
    forEachSource(data, (reader) => {
      assertEquals(reader.peekHeader(), { tag: 3, length: 3 });
      assertStrictEquals(reader.peekLength(), 5);
      assertStrictEquals(reader.int(3), 0x1234);
      assertStrictEquals(reader.int64(5), 0x1122334455667788n);
      assertStrictEquals(reader.string(1), "niels");
      assertEquals(reader.timeval(2), { seconds: 1, microseconds: 500_000 });
      assertEquals(reader.peekHeader(), { tag: 0x80, length: 2 });
      assertEquals(reader.bytes(0x80, 2), bytes("00ff"));
      assertStrictEquals(reader.nested(7, (inner) => inner.int(1)), 2);
      assertStrictEquals(reader.length, 0);
    });
  });

  it("records without knowing what they are", () => {
    forEachSource(bytes('01 05 "niels" 03 01 00 04 00 06 01 "x"'), (reader) => {
      assertEquals(reader.record(), { tag: 1, payload: bytes('"niels"') });
      reader.skip();
      assertEquals(reader.record(), { tag: 4, payload: new Uint8Array(0) });
      assertEquals(reader.header(), { tag: 6, length: 1 });
      assertStrictEquals(reader.length, 1);
    });
    forEachSource(bytes('01 05 "niels" 03 01 00'), (reader) => {
      const target = new EvBuffer();
      assertStrictEquals(reader.recordInto(target), 1);
      assertStrictEquals(target.takeText(), "niels");
      assertStrictEquals(reader.int(3), 0);
    });
  });

  it("what was written in more digits than needed", () => {
    forEachSource(bytes("8000 05 320000"), (reader) => assertRefused("TAG_SHORT", () => reader.int(0)));
    forEachSource(bytes("8000 03 320000"), (reader) => assertStrictEquals(reader.int(0), 2));
  });

  it("payloads that are nobody else's", () => {
    const data = bytes('01 02 "ab"');
    for (const each of [data, Buffer.from(data)]) {
      const payload = new TagReader(each).bytes(1);
      const record = new TagReader(each).record();
      assertStrictEquals(payload.constructor, Uint8Array);
      each.fill(0);
      assertEquals([hex(payload), hex(record.payload)], ["6162", "6162"]);
    }
  });
});

describe("TagReader refuses, and leaves,", () => {
  function refused(
    code: Parameters<typeof assertRefused>[0],
    text: string,
    read: (reader: TagReader) => unknown,
  ): void {
    const data = bytes(text);
    forEachSource(data, (reader) => {
      assertRefused(code, () => read(reader));
      assertStrictEquals(reader.length, data.length);
    });
  }

  it("tags of more than 32 bits", () => {
    for (const text of ["ffffffff10 00", "ffffffff1f", "8080808080 00", "ffffffffff"]) {
      for (const read of ["bareTag", "peekTag", "peekHeader", "record", "skip", "header"] as const) {
        refused("TAG_TOO_LARGE", text, (reader) => reader[read]());
      }
    }
  });

  it("integers of more digits than their kind has", () => {
    refused("TAG_INTEGER_TOO_LARGE", "8000000000", (reader) => reader.bareInt());
    refused("TAG_INTEGER_TOO_LARGE", "01 8000000000", (reader) => reader.peekHeader());
    refused("TAG_INTEGER_TOO_LARGE", "01 05 8000000000", (reader) => reader.int(1));
  });

  it("what ends too early, wherever that is", () => {
    const whole = bytes('a18204 1070 "0123456"');
    for (let length = 0; length < whole.length; length++) {
      forEachSource(whole.slice(0, length), (reader) => {
        assertRefused("TAG_SHORT", () => reader.record());
        assertRefused("TAG_SHORT", () => reader.string(0x10121));
        assertStrictEquals(reader.length, length);
      });
    }
    for (const [, text] of LONG_INTEGERS) {
      const number = bytes(text);
      for (let length = 0; length < number.length; length++) {
        forEachSource(number.slice(0, length), (reader) => assertRefused("TAG_SHORT", () => reader.bareInt64()));
      }
    }
  });

  it("a length that points behind the end, however far", () => {
    refused("TAG_SHORT", '01 7ffffffff0 "abc"', (reader) => reader.bytes(1));
    forEachSource(bytes('01 7ffffffff0 "abc"'), (reader) => {
      assertStrictEquals(reader.peekLength(), 0xffffffff + 6);
    });
  });

  it("another tag", () => {
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.int(2));
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.int64(2));
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.string(2));
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.bytes(2));
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.timeval(2));
    refused("TAG_MISMATCH", "01 01 00", (reader) => reader.nested(2, () => 0));
  });

  it("payloads of another length than their kind has", () => {
    refused("TAG_WRONG_LENGTH", "01 02 0000", (reader) => reader.int(1));
    refused("TAG_WRONG_LENGTH", "01 02 0000", (reader) => reader.int64(1));
    refused("TAG_WRONG_LENGTH", "01 03 000000", (reader) => reader.timeval(1));
    refused("TAG_WRONG_LENGTH", "01 03 000000", (reader) => reader.bytes(1, 2));
    refused("TAG_SHORT", "01 00", (reader) => reader.int(1));
    refused("TAG_SHORT", "01 01 10 10", (reader) => reader.int(1));
    refused("TAG_SHORT", "01 01 00 00", (reader) => reader.timeval(1));
  });

  it("a record for a buffer that takes nothing, or is the one that it comes from", () => {
    const source = bufferOf(bytes('01 01 "x"'));
    const reader = new TagReader(source);
    const target = new EvBuffer();
    target.freezeBack();
    assertThrows(() => reader.recordInto(target), TypeError, "frozen");
    assertThrows(() => reader.recordInto(source), TypeError, "itself");
    assertStrictEquals(reader.length, 3);
  });

  it("text that is no UTF-8", () => {
    refused("TAG_BAD_TEXT", "01 01 ff", (reader) => reader.string(1));
  });
});
