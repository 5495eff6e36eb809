/** Requests that somebody keeps after they were answered stay what they were, whatever is received after them. */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reactorOf } from "../../src/core/event_base.ts";
import type { HttpRequest } from "../../src/http/mod.ts";
import { get, post, withServer } from "./server_support.ts";

describe("a request that is kept", () => {
  it("stays what it was through many others, with bodies and pipelining", async () => {
    const kept: HttpRequest[] = [];
    const rounds = [0, 1, 2, 3, 4];
    await withServer({}, (request) => {
      kept.push(request);
      request.reply(200, "x");
    }, async ({ connect }) => {
      using client = await connect();
      for (const round of rounds) {
        // Each array leaves in one piece.
        for (
          const requests of [
            [get(`/${round}`)],
            [get(`/${round}?again`)],
            [get(`/${round}`), get(`/${round}/behind`), post(`/${round}/body`, `body ${round}`)],
            [get("/", `X-Round: ${round}\r\n`)],
          ]
        ) {
          client.send(requests.join(""));
          for (const _ of requests) await client.reply();
        }
      }
    });
    assertEquals(
      kept.map((request) => request.target),
      rounds.flatMap((
        round,
      ) => [`/${round}`, `/${round}?again`, `/${round}`, `/${round}/behind`, `/${round}/body`, "/"]),
    );
    assertEquals(kept.flatMap((request) => request.headers.get("x-round") ?? []), rounds.map(String));
    assertEquals(new Set(kept.map((request) => request.headers.get("host"))), new Set(["test"]));
  });

  it("stays what it was where others are the same byte by byte, and come between others in every way", async () => {
    const kept: { request: HttpRequest; isSame: boolean }[] = [];
    const same = get("/same?q", "X-Round: same\r\n");
    const other = (round: number): string => get(`/other/${round}`, `X-Round: ${round}\r\n`);
    await withServer({}, (request) => {
      kept.push({ request, isSame: request.target === "/same?q" });
      request.reply(200, "x");
    }, async ({ connect }) => {
      using client = await connect();
      for (let round = 0; round < 40; round++) {
        const ways = [[same], [same, same], [same, other(round)], [other(round), same], [same, post("/b", "body")]];
        const requests = ways[round % ways.length]!;
        const text = requests.join("");
        const cut = round % 3 === 0 ? text.length : round % text.length;
        await client.sendAndWait(text.slice(0, cut));
        client.send(text.slice(cut));
        for (const _ of requests) await client.reply();
      }
    });
    for (const { request, isSame } of kept) {
      assertEquals(request.target === "/same?q", isSame);
      assertEquals([request.path, request.query], isSame ? ["/same", "q"] : [request.target, undefined]);
      if (request.target === "/b") continue;
      assertEquals(request.headers.get("x-round"), isSame ? "same" : request.target.slice("/other/".length));
    }
  });

  it("has header fields of its own, whoever changes those of another one that is the same", async () => {
    const kept: HttpRequest[] = [];
    await withServer({}, (request) => {
      kept.push(request);
      request.headers.add("X-Seen", String(kept.length));
      request.reply(200, "x");
    }, async ({ connect }) => {
      using client = await connect();
      for (let round = 0; round < 4; round++) {
        client.send(get("/", "A: b\r\n"));
        await client.reply();
      }
    });
    assertEquals(kept.map(({ headers }) => headers.getAll("x-seen")), [["1"], ["2"], ["3"], ["4"]]);
  });
});

describe("the memory that requests are received in", () => {
  it("serves the next one when a request repeats another, and lasts where it does not, or has a body", async () => {
    await withServer({}, (request) => request.reply(200, "x"), async ({ base, connect }) => {
      const { readSlab } = reactorOf(base);
      using client = await connect();
      const exchange = async (text: string): Promise<number> => {
        client.send(text);
        await client.reply();
        return readSlab.start;
      };
      await exchange(get("/1"));
      const [first, { bytes }] = [await exchange(get("/1")), readSlab];
      for (let round = 0; round < 100; round++) assertEquals(await exchange(get("/1")), first);
      assertStrictEquals(readSlab.bytes, bytes);
      // The next one takes the place of the last, and is the first to keep it.
      assertEquals(await exchange(get("/2")), first);
      const second = await exchange(get("/1"));
      assert(second > first);
      assertEquals(await exchange(get("/1")), second);
      assertEquals(await exchange(post("/1", "body")), second);
      const third = await exchange(post("/1", "body"));
      assert(third > second);
      assert(await exchange(get("/1")) > third);
    });
  });
});
