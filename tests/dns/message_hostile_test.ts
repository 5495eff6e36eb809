import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DnsMessageError, parseDnsMessage } from "../../src/dns/mod.ts";
import { assertRefused, bytes } from "./message_support.ts";

/** A message with one question, whose name is `name` and whatever else follows. */
function asking(name: string): Uint8Array {
  return bytes(`0000 0000 0001 0000 0000 0000 ${name} 0001 0001`);
}

function answering(record: string): Uint8Array {
  return bytes(`0000 8000 0001 0001 0000 0000 "a" 00 0001 0001 ${record}`);
}

describe("a hostile DNS message is refused", () => {
  it("wherever it is cut", () => {
    const whole = answering(`c00c 000f 0001 00000000 000a 0001 "mail" c00c 00`).slice(0, -1);
    whole[30] = 9;
    assertEquals(parseDnsMessage(whole).answers[0]?.data, { kind: "MX", preference: 1, exchange: "mail.a" });
    for (let length = 0; length < whole.length; length++) assertRefused(whole.slice(0, length), "DNS_MESSAGE_SHORT");
  });

  it("when a pointer loops, points forward, at itself, into the header or past the end", () => {
    for (const name of ["c00c", `"a" c00c`, "c00e", "c0ff", "ffff", "c000", "c00b", `"a" c00d`]) {
      assertRefused(asking(name), "DNS_BAD_POINTER");
    }
    // Two pointers at each other.
    assertRefused(bytes(`0000 0000 0002 0000 0000 0000 c012 0001 0001 c00c 0001 0001`), "DNS_BAD_POINTER");
    // What is pointed to must be a name that ends before: here the pointer itself would be part of it.
    assertRefused(bytes(`0000 0000 0002 0000 0000 0000 "a" 00 0001 0005 c012 0001 0001`), "DNS_BAD_POINTER");
  });

  it("when a label is of a type that was given up, or a name too long", () => {
    for (const name of ["40", "80", "bf", `"a" 41`]) assertRefused(asking(name), "DNS_BAD_LABEL");
    const label = `"${"a".repeat(63)}"`;
    assertRefused(asking(`${label} ${label} ${label} "${"b".repeat(62)}" 00`), "DNS_NAME_TOO_LONG");
    assertEquals(parseDnsMessage(asking(`${label} ${label} ${label} "${"b".repeat(61)}" 00`)).questions.length, 1);
    // The same by a pointer.
    const long = `${label} ${label} ${label} "${"b".repeat(61)}" 00 0001 0001`;
    assertRefused(bytes(`0000 0000 0002 0000 0000 0000 ${long} "c" c00c 0001 0001`), "DNS_NAME_TOO_LONG");
  });

  it("when its counts promise more than there is, or less", () => {
    for (const counts of ["ffff 0000 0000 0000", "0001 ffff 0000 0000", "0001 0000 ffff 0000", "0001 0000 0000 ffff"]) {
      assertRefused(bytes(`0000 0000 ${counts} "a" 00 0001 0001`), "DNS_MESSAGE_SHORT");
    }
    assertRefused(bytes(`0000 0000 0000 0000 0000 0000 "a" 00 0001 0001`), "DNS_MESSAGE_TRAILING_BYTES");
    assertRefused(bytes(`0000 0000 0000 0000 0000 0000 00`), "DNS_MESSAGE_TRAILING_BYTES");
  });

  it("when data does not fit its type or its length", () => {
    const wrong = [
      "c00c 0001 0001 00000000 0003 c00002",
      "c00c 0001 0001 00000000 0005 c000020100",
      "c00c 001c 0001 00000000 0004 c0000201",
      `c00c 0002 0001 00000000 0001 "a" 00`,
      `c00c 0002 0001 00000000 0004 "a" 00 00`,
      "c00c 0002 0001 00000000 0000",
      "c00c 0010 0001 00000000 0000",
      "c00c 0010 0001 00000000 0003 046161",
      "c00c 0006 0001 00000000 0006 00 00 00000001",
      "c00c 0021 0001 00000000 0006 0000 0000 0000",
      `c00c 0101 0001 00000000 0002 00 00`,
      `c00c 0101 0001 00000000 0005 00 "a b"`,
      "c00c 0040 0001 00000000 0007 0001 00 0001 0001",
      "c00c 0040 0001 00000000 000b 0001 00 0002 0000 0001 0000",
      "c00c 0040 0001 00000000 000b 0001 00 0001 0000 0001 0000",
    ];
    for (const record of wrong) assertRefused(answering(record), "DNS_BAD_RECORD_DATA");
    // RFC 9460 section 2.2: the target is not compressed.
    assertRefused(answering("c00c 0041 0001 00000000 0004 0000 c00c"), "DNS_BAD_POINTER");
  });

  it("when OPT stands in a wrong place, twice, under a name, or with options that do not fit", () => {
    const opt = "00 0029 0200 00000000 0000";
    assertRefused(bytes(`0000 0000 0000 0001 0000 0000 ${opt}`), "DNS_BAD_OPT");
    assertRefused(bytes(`0000 0000 0000 0000 0001 0000 ${opt}`), "DNS_BAD_OPT");
    assertRefused(bytes(`0000 0000 0000 0000 0000 0002 ${opt} ${opt}`), "DNS_BAD_OPT");
    assertRefused(bytes(`0000 0000 0000 0000 0000 0001 "a" ${opt}`), "DNS_BAD_OPT");
    for (const options of ["0003 000a00", "0004 000a0001", "0003 000a00 0000"]) {
      assertThrows(
        () => parseDnsMessage(bytes(`0000 0000 0000 0000 0000 0001 00 0029 0200 00000000 ${options}`)),
        DnsMessageError,
      );
    }
  });

  it("within a time that does not grow with what its pointers lead to", () => {
    // As many pointers to pointers as fit, then records that go through all of them.
    const message = new Uint8Array(65_535);
    const questions = 2600;
    message.set(bytes(`0000 8000 0a28 ffff 0000 0000 "a" 00 0001 0001`));
    let at = 19;
    for (let left = questions - 1, target = 12; left > 0; left--) {
      message.set([0xc0 | target >> 8, target & 0xff, 0, 1, 0, 1], at);
      target = at;
      at += 6;
    }
    const chainEnd = at - 6;
    while (at + 12 <= message.length) {
      message.set([0xc0 | chainEnd >> 8, chainEnd & 0xff, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0], at);
      at += 12;
    }
    const offset = assertRefused(message, "DNS_BAD_POINTER");
    // One hundred and twenty-eight are followed.
    assert(offset < 19 + 130 * 6, `refused at ${offset}`);
  });

  it("or read in a time that its length is worth, where all its names are long and escaped", () => {
    // A name of 255 bytes, and records whose owners and targets are a letter before it, or a pointer to it.
    const start = bytes(
      `0000 8000 0001 0000 0000 0000 3f${"00".repeat(63)}` +
        `3f${"00".repeat(63)}`.repeat(2) + `3a${"00".repeat(58)} 00 0001 0001`,
    );
    const record = bytes(`01 61 c00c 0005 0001 00000000 0004 01 62 c00c c00c 0005 0001 00000000 0002 c00c`);
    const records = Math.floor((65_535 - start.length) / record.length);
    const message = new Uint8Array(start.length + records * record.length);
    message.set(start);
    message.set([records >> 7, records << 1 & 0xff], 6);
    for (let at = start.length; at < message.length; at += record.length) message.set(record, at);
    const started = performance.now();
    for (let round = 0; round < 40; round++) assertStrictEquals(parseDnsMessage(message).answers.length, records * 2);
    // That is three hundred milliseconds for each; it takes a tenth of that on a machine that is busy otherwise.
    assert(performance.now() - started < 12_000);
  });
});
