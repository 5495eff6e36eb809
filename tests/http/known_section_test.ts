/** A client says much the same with each request: what was found out about the same bytes before must be right again, wherever they lie. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bytesOf, parseEveryWay, transcribe } from "./parse_support.ts";

const PLAIN = "Host: localhost\r\nAccept: */*\r\n\r\n";
const SECTIONS: readonly (readonly [section: string, body: string])[] = [
  [PLAIN, ""],
  // All but the last value the same.
  ["Host: localhost\r\nAccept: */1\r\n\r\n", ""],
  // The known one is the beginning of another line, and another one the beginning of the known one.
  ["Host: localhost\r\nAccept: */*\r\nX: y\r\n\r\n", ""],
  ["Host: localhost\r\n\r\n", ""],
  ["Host: localhost\r\nContent-Length: 3\r\n\r\n", "abc"],
  ["Host: localhost\r\nContent-Length: 5\r\n\r\n", "abcde"],
  ["Host: other\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nhi\r\n0\r\nT: v\r\n\r\n"],
  ["Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ""],
  ["Host: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "x"],
  [`Host: a\r\nLong: ${"v".repeat(1100)}\r\n\r\n`, ""],
];

function requestOf([section, body]: readonly [string, string], target: string): string {
  return `POST ${target} HTTP/1.1\r\n${section}${body}`;
}

/** What one parser says about the requests one after the other, and what a new one says about each. */
function compare(texts: readonly string[]): void {
  const alone = texts.map((text) => transcribe([bytesOf(text)]));
  const together = transcribe([bytesOf(texts.join(""))]);
  assertEquals(together.heads, alone.flatMap(({ heads }) => heads));
  assertEquals(together.framings, alone.flatMap(({ framings }) => framings));
  assertEquals(together.events, alone.flatMap(({ events }) => events));
}

describe("a section of header fields that has come before", () => {
  it("says the same again, and one that differs says what it says: every two of ten, in turn", () => {
    for (const first of SECTIONS) {
      for (const second of SECTIONS) {
        compare([
          requestOf(first, "/1"),
          requestOf(first, "/longer/than/before"),
          requestOf(second, "/3"),
          requestOf(first, "/4"),
          requestOf(second, "/5?q"),
        ]);
      }
    }
  });

  it("says the same again behind the same request line: every two of ten, in turn", () => {
    for (const first of SECTIONS) {
      for (const second of SECTIONS) {
        const [one, other] = [requestOf(first, "/"), requestOf(second, "/")];
        compare([one, one, other, one, other, other, requestOf(first, "/x"), one, requestOf(second, "/y"), other]);
      }
    }
  });

  it("is recognized, and told from others, however the bytes are cut", () => {
    const [plain, like, longer] = SECTIONS as [typeof SECTIONS[0], typeof SECTIONS[0], typeof SECTIONS[0]];
    const order = [plain, plain, like, like, longer, plain];
    parseEveryWay(order.map((each, at) => requestOf(each, `/${at}`)).join(""));
    parseEveryWay(order.map((each) => requestOf(each, "/")).join(""));
  });

  it("is looked for again after many that were new", () => {
    const texts: string[] = [];
    for (let index = 0; index < 300; index++) texts.push(requestOf([`Host: h${index}\r\n\r\n`, ""], "/"));
    for (let index = 0; index < 300; index++) texts.push(requestOf(SECTIONS[index % 3 === 0 ? 4 : 5]!, `/${index}`));
    compare(texts);
    compare(
      texts.map((_, index) => requestOf(SECTIONS[index % 7 === 0 ? 1 : 0]!, index % 3 === 0 ? `/${index}` : "/")),
    );
  });

  it("does not make up for a fault in another place", () => {
    const good = requestOf(SECTIONS[0]!, "/");
    for (const bad of ["GET / HTTP/1.2\r\n", "GET  / HTTP/1.1\r\n", "GET http://elsewhere/ HTTP/1.1\r\n"]) {
      const alone = transcribe([bytesOf(bad + PLAIN)]).events;
      const after = transcribe([bytesOf(good + good + bad + PLAIN)]).events;
      assertEquals(alone.length, 1);
      assertEquals(after.at(-1)?.split(" @")[0], alone[0]!.split(" @")[0]);
    }
  });
});
