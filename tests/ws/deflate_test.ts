import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "@std/testing/bdd";
import { constants, deflateRawSync } from "node:zlib";
import {
  acceptDeflate,
  checkDeflateOptions,
  deflateOffer,
  type DeflateOptions,
  type DeflateParameters,
  readDeflateReply,
} from "../../src/ws/deflate_parameters.ts";
import { parseExtensions } from "../../src/ws/extension_list.ts";
import { PermessageDeflate } from "../../src/ws/permessage_deflate.ts";
import { concat, hex, utf8 } from "./frame_support.ts";

const DEFAULTS: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

describe("the list of extensions", () => {
  it("is parsed by the rules of RFC 6455 section 9.1", () => {
    assertEquals(parseExtensions(""), []);
    assertEquals(parseExtensions(' foo , bar; baz=2 ,, q ; a ; b = "x\\y" '), [
      { name: "foo", parameters: [] },
      { name: "bar", parameters: [["baz", "2"]] },
      { name: "q", parameters: [["a", null], ["b", "xy"]] },
    ]);
  });

  it("is malformed as a whole when any part of it is", () => {
    const many = Array(33).fill("x").join(",");
    for (
      const bad of [
        "a b",
        "a;",
        "a;;b",
        "a; =1",
        "a; b=",
        'a; b=""',
        'a; b="x y"',
        'a; b="x',
        "a/b",
        "=",
        ";",
        "a; b=1 2",
        many,
      ]
    ) {
      assertEquals(parseExtensions(bad), null, bad);
    }
  });
});

describe("the negotiation of permessage-deflate", () => {
  const accept = (offers: string, options: DeflateOptions = {}): string | null =>
    acceptDeflate(parseExtensions(offers)!, options)?.reply ?? null;

  it("accepts offers on a server as RFC 7692 section 7.1 says", () => {
    const name = "permessage-deflate";
    assertEquals(accept(name), name);
    assertEquals(accept(`${name}; client_max_window_bits`), name);
    assertEquals(accept(`${name}; client_max_window_bits=10`), `${name}; client_max_window_bits=10`);
    assertEquals(accept(`${name}; client_max_window_bits="9"`), `${name}; client_max_window_bits=9`);
    assertEquals(accept(`${name}; server_max_window_bits=8`), `${name}; server_max_window_bits=8`);
    // Whoever asks for a window is answered, also where it is the largest one.
    assertEquals(accept(`${name}; server_max_window_bits=15`), `${name}; server_max_window_bits=15`);
    assertEquals(accept(`${name}; client_max_window_bits=15`), name);
    assertEquals(accept(`${name}; server_no_context_takeover`), `${name}; server_no_context_takeover`);
    assertEquals(accept(`${name}; client_no_context_takeover`), `${name}; client_no_context_takeover`);
    const own = {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 11,
      clientMaxWindowBits: 12,
    };
    const takeovers = "; server_no_context_takeover; client_no_context_takeover";
    // The client does not name its own window, so it may not be told of one.
    assertEquals(accept(name, own), `${name}${takeovers}; server_max_window_bits=11`);
    const bits = "; server_max_window_bits=11; client_max_window_bits=12";
    assertEquals(accept(`${name}; client_max_window_bits`, own), name + takeovers + bits);
  });

  it("declines an offer with anything wrong in it, and takes the next", () => {
    const bad = [
      "unknown",
      "unknown=1",
      "server_no_context_takeover=1",
      "client_no_context_takeover=true",
      "server_max_window_bits",
      "server_max_window_bits=7",
      "server_max_window_bits=16",
      "server_max_window_bits=08",
      "server_max_window_bits=+9",
      "client_max_window_bits=0",
      "client_max_window_bits=99",
      "client_max_window_bits; client_max_window_bits=9",
      "server_no_context_takeover; server_no_context_takeover",
    ];
    for (const parameters of bad) {
      assertEquals(accept(`permessage-deflate; ${parameters}`), null, parameters);
      assertEquals(accept(`permessage-deflate; ${parameters}, permessage-deflate`), "permessage-deflate", parameters);
    }
    assertEquals(accept("x-webkit-deflate-frame, permessage-bzip2"), null);
  });

  it("offers on a client what its options say", () => {
    assertEquals(deflateOffer({}), "permessage-deflate; client_max_window_bits");
    const all = {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 10,
    };
    const takeovers = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assertEquals(deflateOffer(all), `${takeovers}; server_max_window_bits=9; client_max_window_bits=10`);
  });

  it("takes only replies on a client that answer the offer", () => {
    const read = (reply: string, options: DeflateOptions = {}): DeflateParameters | null =>
      readDeflateReply(parseExtensions(reply)![0]!, options);
    assertEquals(read("permessage-deflate"), DEFAULTS);
    assertEquals(
      read("permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9"),
      {
        serverNoContextTakeover: true,
        clientNoContextTakeover: false,
        serverMaxWindowBits: 10,
        clientMaxWindowBits: 9,
      },
    );
    assertEquals(read("permessage-deflate", { clientNoContextTakeover: true })?.clientNoContextTakeover, true);
    assertEquals(read("permessage-bzip2"), null);
    assertEquals(read("permessage-deflate; unknown"), null);
    assertEquals(read("permessage-deflate; client_max_window_bits"), null);
    assertEquals(read("permessage-deflate", { serverNoContextTakeover: true }), null);
    assertEquals(read("permessage-deflate", { serverMaxWindowBits: 10 }), null);
    assertEquals(read("permessage-deflate; server_max_window_bits=11", { serverMaxWindowBits: 10 }), null);
    assertEquals(read("permessage-deflate; client_max_window_bits=11", { clientMaxWindowBits: 10 }), null);
  });

  it("refuses options that are out of range", () => {
    const bad: DeflateOptions[] = [{ serverMaxWindowBits: 7 }, { clientMaxWindowBits: 16 }, { level: 10 }, {
      minBytes: -1,
    }, { level: 0.5 }];
    for (const options of bad) assertThrows(() => checkDeflateOptions(options), RangeError, Object.keys(options)[0]);
  });
});

describe("permessage-deflate", () => {
  const MAX = 1 << 20;
  const text = (message: Uint8Array | string): string => {
    assert(message instanceof Uint8Array, `it was refused: ${message}`);
    return new TextDecoder().decode(message);
  };

  it("decompresses the examples of RFC 7692 section 7.2.3", () => {
    const codec = new PermessageDeflate("server", DEFAULTS);
    assertEquals(text(codec.decompress(hex("f248cdc9c90700"), MAX)), "Hello");
    // Refers back to the first message.
    assertEquals(text(codec.decompress(hex("f200110000"), MAX)), "Hello");
    // Without compression, with a final block, in two blocks, and empty.
    assertEquals(text(codec.decompress(hex("000500faff48656c6c6f00"), MAX)), "Hello");
    assertEquals(text(codec.decompress(hex("f348cdc9c9070000"), MAX)), "Hello");
    assertEquals(text(codec.decompress(hex("f248050000 00ffffcac9c90700"), MAX)), "Hello");
    assertEquals(text(codec.decompress(hex("00"), MAX)), "");
    assertEquals(text(codec.decompress(hex("f200110000"), MAX)), "Hello");
  });

  it("refuses to refer back where every message begins anew", () => {
    const codec = new PermessageDeflate("server", { ...DEFAULTS, clientNoContextTakeover: true });
    assertEquals(text(codec.decompress(hex("f248cdc9c90700"), MAX)), "Hello");
    assertEquals(codec.decompress(hex("f200110000"), MAX), "WS_BAD_COMPRESSION");
  });

  it("understands what it says itself, with every window, in fragments, empty and large", () => {
    const noise = new Uint8Array(70_000).map((_, at) => (at * at * 31) >> 5);
    for (const serverMaxWindowBits of [8, 9, 10, 15]) {
      for (const serverNoContextTakeover of [false, true]) {
        const agreed = { ...DEFAULTS, serverMaxWindowBits, serverNoContextTakeover };
        const [out, back] = [new PermessageDeflate("server", agreed), new PermessageDeflate("client", agreed)];
        const words = utf8("to be, or not to be, that is the question; ".repeat(200));
        for (
          const message of [utf8("Hello"), new Uint8Array(0), words, noise, words, utf8("Hello"), noise.subarray(5)]
        ) {
          assertEquals(back.decompress(out.compress(message, true), MAX), message.slice());
          const [a, b] = [message.subarray(0, message.length >> 1), message.subarray(message.length >> 1)];
          const parts = [
            out.compress(a, false),
            out.compress(new Uint8Array(0), false),
            out.compress(b, false),
            out.compress(hex(""), true),
          ];
          assertEquals(back.decompress(concat(...parts), MAX), message.slice());
        }
      }
    }
  });

  it("remembers what it was given as it was, also of a Buffer", () => {
    for (const length of [1000, 40_000]) {
      const client = new PermessageDeflate("client", DEFAULTS);
      const server = new PermessageDeflate("server", DEFAULTS);
      const first = new Uint8Array(length).map((_, at) => at * at >> 3);
      const given = Buffer.from(first);
      assertEquals(server.decompress(client.compress(given, true), length), first);
      given.reverse();
      const second = Uint8Array.from(given);
      assertEquals(server.decompress(client.compress(given, true), length), second);
    }
  });

  it("lets a client with a small window be a client with a small window", () => {
    const agreed = { ...DEFAULTS, clientMaxWindowBits: 9 };
    const [client, server] = [new PermessageDeflate("client", agreed), new PermessageDeflate("server", agreed)];
    for (let index = 0; index < 20; index++) {
      const message = utf8(`message ${index} `.repeat(index * 5));
      assertEquals(server.decompress(client.compress(message, true), MAX), message);
    }
  });

  it("stops a message that grows beyond the limit, long before it is all there", () => {
    const bomb = deflateRawSync(new Uint8Array(64 << 20), { finishFlush: constants.Z_SYNC_FLUSH });
    assertLess(bomb.length, 100_000);
    const codec = new PermessageDeflate("server", DEFAULTS);
    assertEquals(codec.decompress(bomb.subarray(0, -4), 100_000), "WS_MESSAGE_TOO_LARGE");
    const exact = new PermessageDeflate("client", DEFAULTS).compress(new Uint8Array(1000), true);
    assertEquals(codec.decompress(exact, 999), "WS_MESSAGE_TOO_LARGE");
    assertEquals(codec.decompress(exact, 1000), new Uint8Array(1000));
  });

  it("refuses a message that is cut off, wherever that is", () => {
    const agreed = { ...DEFAULTS, clientNoContextTakeover: true };
    const message = new PermessageDeflate("client", agreed).compress(
      utf8("to be or not to be, ".repeat(9) + "that"),
      true,
    );
    const codec = new PermessageDeflate("server", agreed);
    for (let length = 1; length < message.length; length++) {
      assertEquals(codec.decompress(message.subarray(0, length), MAX), "WS_BAD_COMPRESSION", `${length} bytes`);
    }
  });

  describe("behind a final block", () => {
    const raw = (text: string): Uint8Array => new Uint8Array(deflateRawSync(utf8(text)));
    const flushed = (text: string): Uint8Array =>
      new Uint8Array(deflateRawSync(utf8(text), { finishFlush: constants.Z_SYNC_FLUSH })).slice(0, -4);
    const ANEW = { ...DEFAULTS, clientNoContextTakeover: true };

    it("reads on, whatever stands there", () => {
      for (const agreed of [DEFAULTS, ANEW]) {
        const codec = new PermessageDeflate("server", agreed);
        assertEquals(text(codec.decompress(concat(raw("Hello "), flushed("world")), MAX)), "Hello world");
        assertEquals(text(codec.decompress(concat(raw("Hello "), raw("world"), hex("00")), MAX)), "Hello world");
        assertEquals(text(codec.decompress(concat(raw("Hello "), raw(""), raw("world")), MAX)), "Hello world");
        assertEquals(text(codec.decompress(raw("Hello"), MAX)), "Hello");
        const long = Array.from({ length: 9000 }, (_, at) => `${at * at} `).join("");
        assertEquals(text(codec.decompress(concat(raw(long), raw(long), flushed("end")), MAX)), `${long}${long}end`);
      }
    });

    it("lets the rest, and later messages, refer to what was before it", () => {
      const codec = new PermessageDeflate("server", DEFAULTS);
      // The block that follows says "as five bytes before, five bytes long", as in section 7.2.3.2.
      assertEquals(text(codec.decompress(concat(raw("Hello"), hex("f200110000")), MAX)), "HelloHello");
      assertEquals(text(codec.decompress(hex("f200110000"), MAX)), "Hello");
      const anew = new PermessageDeflate("server", ANEW);
      assertEquals(text(anew.decompress(concat(raw("Hello"), hex("f200110000")), MAX)), "HelloHello");
      assertEquals(anew.decompress(hex("f200110000"), MAX), "WS_BAD_COMPRESSION");
    });

    it("refuses what is not compressed, or cut off", () => {
      for (const agreed of [DEFAULTS, ANEW]) {
        const codec = new PermessageDeflate("server", agreed);
        for (const rest of ["ffffffffffdead", "07", "0005000000", "de"]) {
          assertEquals(codec.decompress(concat(raw("Hello"), hex(rest)), MAX), "WS_BAD_COMPRESSION", rest);
        }
        const whole = raw("to be or not to be, that is the question");
        for (let length = 1; length < whole.length; length++) {
          const cut = concat(raw("Hello"), whole.subarray(0, length));
          assertEquals(codec.decompress(cut, MAX), "WS_BAD_COMPRESSION", `${length} bytes`);
        }
      }
    });

    it("counts all for the limit", () => {
      const message = concat(raw("Hello "), raw("world"), flushed("!"));
      for (const agreed of [DEFAULTS, ANEW]) {
        for (let limit = 1; limit < 12; limit++) {
          assertEquals(new PermessageDeflate("server", agreed).decompress(message, limit), "WS_MESSAGE_TOO_LARGE");
        }
        assertEquals(text(new PermessageDeflate("server", agreed).decompress(message, 12)), "Hello world!");
      }
    });

    it("goes on so often, and no more", () => {
      const codec = new PermessageDeflate("server", DEFAULTS);
      const block = raw("x");
      const blocks = (count: number): Uint8Array =>
        new Uint8Array(count * block.length + 1).map((_, at) =>
          block[at % block.length]! * Number(at < count * block.length)
        );
      assertEquals(text(codec.decompress(blocks(256), MAX)), "x".repeat(256));
      assertEquals(codec.decompress(blocks(257), MAX), "WS_TOO_MANY_FRAGMENTS");
      const before = codec.bytesDecompressed;
      assertEquals(codec.decompress(blocks(100_000), MAX), "WS_TOO_MANY_FRAGMENTS");
      assertLess(codec.bytesDecompressed - before, 2 << 20);
    });
  });

  it("refuses what is not compressed", () => {
    const codec = new PermessageDeflate("server", DEFAULTS);
    for (const bytes of ["ff", "ffffff", "07", "0005000000"]) {
      assertEquals(codec.decompress(hex(bytes), MAX), "WS_BAD_COMPRESSION", bytes);
    }
  });
});
