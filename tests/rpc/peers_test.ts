/** Tagged data and calls against C libevent, in both directions, with a member of every kind. */
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { describe } from "@std/testing/bdd";
import { EventBase } from "../../src/core/mod.ts";
import { HttpClientConnection, HttpServer } from "../../src/http/mod.ts";
import { RpcError, rpcMethod, RpcPool, RpcServer, TagReader, TagWriter } from "../../src/rpc/mod.ts";
import { alongside, rejection } from "../core/async_support.ts";
import { output, PeerFolder } from "../http/peer_support.ts";
import { itNeeds } from "../support/requires.ts";
import { Echo } from "./calls.ts";
import { fullLetter, Letter, shortLetter } from "./letter.ts";
import { hex } from "./tag_support.ts";

const source = new URL("peer.c", import.meta.url);

/** The program, compiled for one test. */
function itAsksPeer(title: string, body: (program: string) => void | Promise<void>): void {
  itNeeds("cc", "gcc", title, async () => {
    using folder = new PeerFolder();
    await body(folder.compile(source, "event_core", "event_extra"));
  });
}

/** The C server, while it runs; it ends when its input does. */
class PeerServer implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(program: string) {
    this.#child = spawn(program, ["server"], { stdio: ["pipe", "pipe", "inherit"] });
  }

  /** Where it listens. */
  port(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#child.stdout.once("data", (data: Uint8Array) => resolve(Number(new TextDecoder().decode(data))));
      this.#child.once("error", reject);
      this.#child.once("exit", () => reject(new Error("the server has ended")));
    });
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }
}

describe("Tagged data of C libevent", () => {
  itAsksPeer("is written in the same bytes", (program) => {
    const { stdout, status } = spawnSync(program, ["write"], { maxBuffer: 1 << 20 });
    assertStrictEquals(status, 0);
    const writer = new TagWriter();
    for (const value of [0, 1, 0xf, 0x10, 0xaf0, 0x1000, 0xbef00, 0xdeadbeef, 0xffffffff]) {
      writer.bareInt(value);
      writer.int(value, value);
    }
    const long = [0n, 0xdeadbeefn, 0x1_0000_0000n, 0x0123456789abcdefn, 0xfedcba9876543210n, 0xffffffffffffffffn];
    for (const value of long) {
      writer.bareInt64(value);
      writer.int64(5, value);
    }
    writer.string(0x7f, "niels");
    writer.string(0x80, "");
    writer.timeval(0x166, { seconds: 1_700_000_000, microseconds: 999_999 });
    writer.bytes(0x10121, Uint8Array.of(0, 255));
    writer.bytes(7, new Uint8Array(5000).fill(0x78));
    const ours = writer.take();
    assertStrictEquals(hex(ours), hex(stdout));
    const reader = new TagReader(new Uint8Array(stdout));
    for (const value of [0, 1, 0xf, 0x10, 0xaf0, 0x1000, 0xbef00, 0xdeadbeef, 0xffffffff]) {
      assertEquals([reader.bareInt(), reader.int(value)], [value, value]);
    }
    for (const value of long) assertEquals([reader.bareInt64(), reader.int64(5)], [value, value]);
    assertEquals([reader.string(0x7f), reader.string(0x80)], ["niels", ""]);
    assertEquals(reader.timeval(0x166), { seconds: 1_700_000_000, microseconds: 999_999 });
    assertEquals(reader.bytes(0x10121, 2), Uint8Array.of(0, 255));
    assertStrictEquals(reader.bytes(7).length, 5000);
    assertStrictEquals(reader.length, 0);
  });

  itAsksPeer("is read as it was written here", (program) => {
    const writer = new TagWriter();
    writer.int(3, 0x1234);
    writer.int(0xffffffff, 0xffffffff);
    writer.int64(5, 0x1122334455667788n);
    writer.string(0x80, "grüße");
    writer.timeval(2, { seconds: 0xffffffff, microseconds: 1 });
    writer.bytes(0x10121, Uint8Array.of(0xab, 0xcd));
    writer.bytes(9, new Uint8Array(300));
    writer.nested(7, () => writer.int(1, 0xbeef));
    const { stdout, status } = spawnSync(program, ["read"], { input: writer.take() });
    assertStrictEquals(status, 0);
    assertEquals(new TextDecoder().decode(stdout).trimEnd().split("\n"), [
      "int 1234",
      "int ffffffff",
      "int64 1122334455667788",
      "string grüße",
      "timeval 4294967295 1",
      "fixed abcd",
      "peek 9 300",
      "consumed 303",
      "nested 7 beef 0",
      "left 0",
    ]);
  });
});

describe("Calls between C libevent and this library", () => {
  itAsksPeer("go from here to its server, and their replies come back", async (program) => {
    using server = new PeerServer(program);
    const port = await server.port();
    using base = new EventBase();
    await alongside(base, async () => {
      using pool = new RpcPool(base, { timeoutMs: 30_000 });
      for (let count = 0; count < 2; count++) {
        pool.addConnection(new HttpClientConnection(base, { host: "127.0.0.1", port }));
      }
      const letters = Array.from({ length: 10 }, (_, at) => at % 2 === 0 ? fullLetter() : shortLetter());
      assertEquals(await Promise.all(letters.map((letter) => pool.call(Echo, letter))), letters);
      for (const name of ["Incomplete", "Unknown"]) {
        const error = await rejection(pool.call(rpcMethod(name, Letter, Letter), shortLetter()));
        assertInstanceOf(error, RpcError);
        assertEquals([error.code, error.response?.status], ["RPC_BAD_PAYLOAD", name === "Unknown" ? 404 : 503]);
      }
      assertEquals(await pool.call(Echo, shortLetter()), shortLetter());
    });
  });

  itAsksPeer("come from its client, without a Host field, and get their replies", async (program) => {
    using base = new EventBase();
    await alongside(base, async () => {
      using server = new HttpServer(base, { leniency: { allowMissingHost: true } });
      using rpc = new RpcServer(server);
      const hosts: (string | undefined)[] = [];
      const letters: unknown[] = [];
      rpc.register(Echo, (letter, { http }) => {
        hosts.push(http.headers.get("host"));
        letters.push(letter);
        return letter;
      });
      rpc.register(rpcMethod("Incomplete", Letter, Letter), (_, call) => call.fail());
      const { port } = server.listen({ host: "127.0.0.1", port: 0 });
      const lines = (await output([program, "client", String(port)])).trimEnd().split("\n");
      assertEquals(lines, [
        `Echo 0 ${Letter.marshal(fullLetter()).length} 1`,
        "Incomplete 2 0 0",
        "Unknown 2 0 0",
      ]);
      assertEquals(letters, [fullLetter()]);
      assertEquals(hosts, [undefined]);
    });
  });
});
