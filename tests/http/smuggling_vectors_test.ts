/** Each of the attacks in `smuggling_attacks.ts` is refused, or there is but one way to read it. */
import { assert, assertEquals, assertFalse, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseEveryWay } from "./parse_support.ts";
import { echo, withServer } from "./server_support.ts";
import { attacks, HOST, SMUGGLED } from "./smuggling_attacks.ts";

describe("A request is not smuggled by", () => {
  for (const { title, text, gives } of attacks) {
    it(title, () => {
      const { events, heads } = parseEveryWay(text);
      const seen = events.map((event) => event.replace(/^ERROR (\S+).*$/, "BAD $1"));
      // In a refused body, what came before the fault may have been passed on already.
      const told = gives.startsWith("BAD") ? [seen.at(-1)] : seen;
      assertStrictEquals(told.join(", "), gives);
      assertFalse(heads.some((head) => String(head["target"]).includes("smuggled")), "the smuggled request was seen");
    });
  }

  it("has a title for each, which names a section", () => {
    for (const { title } of attacks) assert(/\(RFC \d+ section [\d.]+\)$/.test(title), title);
    assertEquals(new Set(attacks.map(({ title }) => title)).size, attacks.length);
  });
});

describe("A server serves no request out of a body that it did not ask for", () => {
  const announced = `Content-Length: ${SMUGGLED.length}\r\n`;
  const cases: [string, string, RegExp][] = [
    [
      "when the expectation is unknown (RFC 9110 section 10.1.1)",
      `POST / HTTP/1.1\r\n${HOST}Expect: y 100-continue\r\n${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 417 /,
    ],
    [
      "when the expectation stands twice (RFC 9110 section 10.1.1)",
      `POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nExpect: 200\r\n${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 417 /,
    ],
    [
      "when a blank stands before Expect's colon (RFC 9112 section 5.1)",
      `POST / HTTP/1.1\r\n${HOST}Expect : 100-continue\r\n${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      "when the method is not allowed (RFC 9110 section 15.5.6)",
      `PATCH / HTTP/1.1\r\n${HOST}${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 405 /,
    ],
    [
      "when the method is unknown (RFC 9110 section 15.6.2)",
      `BREW / HTTP/1.1\r\n${HOST}${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 501 /,
    ],
    [
      "when the body is too long (RFC 9110 section 15.5.14)",
      `POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 413 /,
    ],
    [
      "when the body came before 100 was sent (RFC 9110 section 10.1.1)",
      `POST / HTTP/1.1\r\n${HOST}Connection: close\r\nExpect: 100-continue\r\n${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    ],
    [
      "when HEAD has a body (RFC 9110 section 9.3.2)",
      `HEAD / HTTP/1.1\r\n${HOST}Connection: close\r\n${announced}\r\n${SMUGGLED}`,
      /^HTTP\/1\.1 200 OK\r\n/,
    ],
  ];
  for (const [title, text, reply] of cases) {
    it(title, () =>
      withServer({}, echo, async ({ exchange }) => {
        const received = await exchange(text);
        assert(reply.test(received), received);
        const finals = received.match(/HTTP\/1\.1 [2-5]\d\d /g);
        assertStrictEquals(finals?.length, 1, received);
      }));
  }
});
