import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connectWebSocket, type WebSocketSession } from "../../mod.ts";
import { eventually } from "../http/server_support.ts";
import { HttpClient } from "../support/http_client.ts";
import { itNeeds } from "../support/requires.ts";
import { withBase } from "../ws/base_support.ts";
import { Chromium } from "../ws/chromium.ts";
import { ExampleProcess } from "./example_process.ts";

async function portOf(example: ExampleProcess): Promise<number> {
  const address = await example.address();
  assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+$/);
  return Number(address.split(":").at(-1));
}

describe("examples/ws-echo.ts", () => {
  for (const options of [[], ["--deflate"], ["--run"]]) {
    it(`sends messages back ${options.join(" ")}`, () =>
      withBase(async (base) => {
        const example = new ExampleProcess("ws-echo.ts", "-p", "0", ...options);
        const session = await connectWebSocket(base, `ws://127.0.0.1:${await portOf(example)}/`, { deflate: true });
        assertEquals(session.extensions, options.includes("--deflate") ? "permessage-deflate" : "");
        const sent = ["hello", new Uint8Array([1, 2, 3]), "long ".repeat(10_000)];
        for (const message of sent) session.send(message);
        const got: unknown[] = [];
        for await (const message of session) if (got.push(message) === sent.length) session.close();
        assertEquals(got, sent);
        assertEquals(await example.stop("SIGTERM"), 0);
        assertEquals(example.stderr, "");
      }));
  }
});

describe("examples/ws-chat-server.ts", () => {
  it("passes on what each says to all, and serves its page", () =>
    withBase(async (base) => {
      const example = new ExampleProcess("ws-chat-server.ts", "-p", "0");
      const port = await portOf(example);
      using client = await HttpClient.connect(port);
      const page = await client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n").reply();
      assertEquals([page.status, page.headers["content-type"]], [200, "text/html;charset=utf-8"]);
      assertMatch(page.body, /new WebSocket/);
      const lines: [string[], string[]] = [[], []];
      const enter = (index: 0 | 1): Promise<WebSocketSession> =>
        connectWebSocket(base, `ws://127.0.0.1:${port}/ws`, {
          message: (data) => void lines[index].push(String(data)),
        });
      const first = await enter(0);
      await eventually("the first is greeted", () => lines[0].length === 2);
      const second = await enter(1);
      second.send("/name Ada");
      await eventually("she has her name", () => lines[0].at(-1) === "* guest 2 is Ada now");
      second.send("<b>hi</b>");
      await eventually(
        "it is heard",
        () => lines[0].at(-1) === "Ada: <b>hi</b>" && lines[1].at(-1) === "Ada: <b>hi</b>",
      );
      first.send("/leave");
      assertEquals(await first.whenClosed(), { code: 1000, reason: "goodbye", wasClean: true });
      await eventually("it is told", () => lines[1].at(-1) === "* guest 1 has left, 1 are here");
      second.sendBinary(new Uint8Array(1));
      assertEquals((await second.whenClosed()).code, 1003);
      const status = await connectWebSocket(base, `ws://127.0.0.1:${port}/ws`, {
        headers: { Origin: "http://evil.example" },
      })
        .catch((error: { status?: number }) => error.status);
      assertEquals(status, 403);
      assertEquals(await example.stop("SIGTERM"), 0);
      assertEquals(example.stderr, "");
    }));

  itNeeds("chromium", "chromium", "lets two tabs of a browser chat", () =>
    withBase(async (base) => {
      const example = new ExampleProcess("ws-chat-server.ts", "-p", "0");
      const url = `${await example.address()}/`;
      const browser = await Chromium.start(base);
      try {
        const say = (text: string): string => {
          const value = JSON.stringify(text);
          return `document.querySelector("input").value = ${value}; document.querySelector("form").requestSubmit()`;
        };
        const ada = await browser.open(url);
        await ada.shows("you are guest 1");
        const bob = await browser.open(url);
        await bob.shows("you are guest 2");
        await ada.shows("guest 2 has come, 2 are here");
        await ada.evaluate(say("/name Ada"));
        await bob.shows("guest 1 is Ada now");
        await ada.evaluate(say("hello <i>Bob</i> 🎉"));
        await bob.shows("Ada: hello <i>Bob</i> 🎉");
        await bob.evaluate(say("hello Ada"));
        await ada.shows("guest 2: hello Ada");
        assertEquals(await ada.evaluate("socket.extensions"), "permessage-deflate");
        await bob.evaluate(say("/leave"));
        await ada.shows("guest 2 has left, 1 are here");
        await bob.shows("the connection has ended: goodbye");
      } finally {
        await browser.stop();
      }
      assertEquals(await example.stop("SIGTERM"), 0);
      assertEquals(example.stderr, "");
    }));
});
