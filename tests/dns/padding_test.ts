import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type DnsMessage, dnsRecord, parseDnsMessage, simpleEdns } from "../../src/dns/mod.ts";
import { writeMessage } from "../../src/dns/message.ts";
import { MessageWriter } from "../../src/dns/message_writer.ts";
import { padAnswer, PADDING, padQuery } from "../../src/dns/padding.ts";
import { QUERY_BYTES_MAX, writeQuery } from "../../src/dns/query_message.ts";
import { WireQuestion } from "../../src/dns/wire_question.ts";

describe("the padding of encrypted DNS (RFC 8467)", () => {
  it("makes queries a multiple of 128 bytes, whatever is asked", () => {
    const into = new Uint8Array(2 + QUERY_BYTES_MAX + 132).fill(0xee);
    for (let length = 1; length <= 200; length++) {
      const name = `${"x".repeat(Math.min(length, 63))}${".x".repeat(Math.max(0, length - 63) >> 1)}`;
      const question = WireQuestion.take(name, 1, false);
      const plain = writeQuery(into, 2, 7, question, 1232, 0x100);
      const end = padQuery(into, 2, plain);
      assertEquals([(end - 2) % 128, end - plain < 128 + 4], [0, true], name);
      const message = parseDnsMessage(into.slice(2, end));
      assertEquals([message.questions[0]!.name, message.edns!.udpSize], [name, 1232]);
      assertEquals(message.edns!.options, [{ code: 12, data: new Uint8Array(end - plain - 4) }]);
      question.give();
    }
  });

  it("makes answers a multiple of 468 bytes, behind other options, and never too long", () => {
    const writer = new MessageWriter();
    for (const count of [0, 1, 20, 30, 200, 2000]) {
      const strings = Array.from({ length: count }, () => new Uint8Array(31));
      const answers = count === 0 ? [] : [dnsRecord("a.test", 60, { kind: "TXT", strings })];
      const edns = { ...simpleEdns(1232), options: [{ code: 3, data: Uint8Array.of(1, 2, 3) }, PADDING] };
      const message: DnsMessage = {
        id: 1,
        flags: 0x8000,
        questions: [],
        answers,
        authorities: [],
        additionals: [],
        edns,
      };
      writeMessage(writer, message, 65_535);
      const before = writer.length;
      padAnswer(writer, edns);
      const bytes = writer.bytes.slice(0, writer.length);
      assertStrictEquals(bytes.length, Math.min(65_535, Math.ceil(before / 468) * 468));
      const { options } = parseDnsMessage(bytes).edns!;
      assertEquals(options, [edns.options[0]!, { code: 12, data: new Uint8Array(bytes.length - before) }]);
    }
  });
});
