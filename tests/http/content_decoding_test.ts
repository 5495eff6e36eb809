import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { decodeBody, decodedStream, decodesWholeBrotli } from "../../src/http/content_decoding.ts";

const LIMITS = { maxBytes: 1_000_000, maxRatio: 1000 };
const text = "a text that is said, said again, and then once more: a text that is said, said again, and then once more";
const bodies: readonly [name: string, coding: string, body: Uint8Array][] = [
  ["gzip", "gzip", gzipSync(text)],
  ["deflate", "deflate", deflateSync(text)],
  ["deflate without a head", "deflate", deflateRawSync(text)],
  ["Brotli", "br", brotliCompressSync(text)],
];

/** What comes of a body that comes in these pieces: its text, or the code of the error. */
async function streamed(coding: string, ...pieces: readonly Uint8Array[]): Promise<string> {
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  try {
    return await new Response(decodedStream(source, [coding], LIMITS)).text();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function whole(coding: string, body: Uint8Array): string {
  try {
    return new TextDecoder().decode(decodeBody(body, [coding], LIMITS));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("decoding", () => {
  for (const [name, coding, body] of bodies) {
    it(`takes ${name} however it is cut into pieces`, async () => {
      for (let at = 0; at <= body.length; at++) {
        assertEquals(await streamed(coding, body.subarray(0, at), body.subarray(at)), text);
      }
      assertEquals(await streamed(coding, ...Array.from(body, (byte) => Uint8Array.of(byte))), text);
    });

    it(`notices ${name} of which the end is missing, wherever that begins`, async () => {
      for (let length = 1; length < body.length; length++) {
        const cut = body.subarray(0, length);
        assertEquals(await streamed(coding, cut), "HTTP_BAD_ENCODING", `${length} of ${body.length}`);
        const verdict = coding === "br" && !decodesWholeBrotli() ? "HTTP_BAD_ENCODING" : whole(coding, cut);
        assertEquals(verdict, "HTTP_BAD_ENCODING", `${length} of ${body.length}`);
      }
    });
  }

  it("notices what is none", async () => {
    for (const [, coding] of bodies) {
      const nonsense = new TextEncoder().encode("<html>this is no such thing, however long it goes on</html>");
      assertEquals(await streamed(coding, nonsense), "HTTP_BAD_ENCODING", coding);
    }
    assert(bodies.every(([, coding, body]) => coding === "br" || whole(coding, body) === text));
  });
});
