import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as fields from "../../src/ffi/struct.ts";
import { allocate, bytes, get, getBig, getBytes, ptr, set, struct } from "../../src/ffi/struct.ts";

const everything = struct("struct everything", "everything.h", 64, {
  i8: fields.i8(0),
  u8: fields.u8(1),
  i16: fields.i16(2),
  u16: fields.u16(4),
  u16be: fields.u16be(6),
  i32: fields.i32(8),
  u32: fields.u32(12),
  u32be: fields.u32be(16),
  i64: fields.i64(24),
  u64: fields.u64(32),
  ptr: ptr(40),
  bytes: bytes(48, 4),
});

describe("a struct's table", () => {
  it("carries width and sign of each field", () => {
    const { i8, u16be, i64, ptr, bytes } = everything.fields;
    assertEquals([i8.width, i8.signed], [1, true]);
    assertEquals([u16be.width, u16be.signed], [2, false]);
    assertEquals([i64.width, i64.signed], [8, true]);
    assertEquals([ptr.width, ptr.signed], [8, false]);
    assertEquals(bytes.width, 4);
  });

  it("refuses a field that reaches beyond the struct", () => {
    assertThrows(
      () => struct("struct small", "small.h", 8, { late: fields.u32(6) }),
      RangeError,
      "late at 6",
    );
    assertThrows(
      () => struct("struct small", "small.h", 8, { early: fields.u32(-1) }),
      RangeError,
      "early at -1",
    );
  });
});

describe("get and set", () => {
  it("read back the extremes of every width and sign", () => {
    const view = allocate(everything);
    const extremes: [fields.NumberField, number[]][] = [
      [everything.fields.i8, [-128, 127]],
      [everything.fields.u8, [0, 255]],
      [everything.fields.i16, [-32768, 32767]],
      [everything.fields.u16, [0, 65535]],
      [everything.fields.u16be, [0, 65535]],
      [everything.fields.i32, [-(2 ** 31), 2 ** 31 - 1]],
      [everything.fields.u32, [0, 2 ** 32 - 1]],
      [everything.fields.u32be, [0, 2 ** 32 - 1]],
      [everything.fields.i64, [
        Number.MIN_SAFE_INTEGER,
        -1,
        Number.MAX_SAFE_INTEGER,
      ]],
      [everything.fields.u64, [0, Number.MAX_SAFE_INTEGER]],
    ];
    for (const [field, values] of extremes) {
      for (const value of values) {
        set(view, field, value);
        assertStrictEquals(get(view, field), value, `${field.kind} ${value}`);
        assertStrictEquals(
          getBig(view, field),
          BigInt(value),
          `${field.kind} ${value}`,
        );
      }
    }
  });

  it("write little-endian except where a field is in network order", () => {
    const view = allocate(everything);
    set(view, everything.fields.u16, 0x0102);
    set(view, everything.fields.u16be, 0x0102);
    set(view, everything.fields.i32, 0x01020304);
    set(view, everything.fields.u32be, 0x01020304);
    set(view, everything.fields.u64, 0x0102030405);
    const memory = new Uint8Array(view.buffer);
    assertEquals([...memory.subarray(4, 12)], [2, 1, 1, 2, 4, 3, 2, 1]);
    assertEquals([...memory.subarray(16, 20)], [1, 2, 3, 4]);
    assertEquals([...memory.subarray(32, 40)], [5, 4, 3, 2, 1, 0, 0, 0]);
  });

  it("touch no byte outside the field", () => {
    const view = allocate(everything);
    const memory = new Uint8Array(view.buffer);
    for (const field of Object.values(everything.fields)) {
      if (field.kind === "bytes") continue;
      memory.fill(0xaa);
      if (field.kind === "ptr") set(view, field, 0n);
      else set(view, field, 0);
      const zeros = [...memory.keys()].filter((at) => memory[at] === 0);
      assertEquals(
        zeros,
        Array.from({ length: field.width }, (_, at) => field.offset + at),
        field.kind,
      );
    }
  });

  it("take flag words with the top bit set into signed fields, as C does", () => {
    const view = allocate(everything);
    set(view, everything.fields.i32, 0x80000000);
    assertStrictEquals(get(view, everything.fields.i32), -(2 ** 31));
    assertStrictEquals(view.getUint32(8, true), 0x80000000);
  });

  it("refuse values that do not fit the field", () => {
    const view = allocate(everything);
    const { i8, u16, u32, u64, ptr } = everything.fields;
    for (const value of [256, -129, 1.5, NaN, Infinity]) {
      assertThrows(() => set(view, i8, value), RangeError, "1 bytes");
    }
    assertThrows(() => set(view, u16, 65536), RangeError);
    assertThrows(() => set(view, u32, 2 ** 32), RangeError);
    assertThrows(() => set(view, u64, 2 ** 53), RangeError);
    assertThrows(() => set(view, u64, 2n ** 64n), RangeError);
    assertThrows(() => set(view, ptr, -(2n ** 63n) - 1n), RangeError);
  });

  it("refuse to round a 64-bit integer that only a bigint can hold", () => {
    const view = allocate(everything);
    set(view, everything.fields.u64, 2n ** 64n - 1n);
    assertThrows(
      () => get(view, everything.fields.u64),
      RangeError,
      "only a bigint",
    );
    assertStrictEquals(getBig(view, everything.fields.u64), 2n ** 64n - 1n);
    set(view, everything.fields.i64, -(2n ** 63n));
    assertThrows(
      () => get(view, everything.fields.i64),
      RangeError,
      "only a bigint",
    );
    assertStrictEquals(getBig(view, everything.fields.i64), -(2n ** 63n));
  });

  it("give pointers as bigints", () => {
    const view = allocate(everything);
    set(view, everything.fields.ptr, 0xffff_8000_1234_5678n);
    assertStrictEquals(
      get(view, everything.fields.ptr),
      0xffff_8000_1234_5678n,
    );
  });
});

describe("allocate", () => {
  it("makes zeroed room for several structs, reached through a base", () => {
    const view = allocate(everything, 3);
    assertEquals(view.byteLength, 192);
    assertEquals(view.byteOffset, 0);
    set(view, everything.fields.u32, 7, 128);
    assertStrictEquals(get(view, everything.fields.u32, 128), 7);
    assertStrictEquals(get(view, everything.fields.u32, 64), 0);
    assertStrictEquals(get(view, everything.fields.u32), 0);
  });
});

describe("getBytes", () => {
  it("shares memory with the view, wherever the view begins", () => {
    const memory = new Uint8Array(new ArrayBuffer(160));
    const view = new DataView(memory.buffer, 16);
    getBytes(view, everything.fields.bytes, 64).set([1, 2, 3, 4]);
    assertEquals([...memory.subarray(128, 132)], [1, 2, 3, 4]);
    assertEquals(memory.reduce((sum, byte) => sum + byte, 0), 10);
  });
});
