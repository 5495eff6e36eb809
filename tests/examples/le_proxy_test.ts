import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { createHash, randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { backendNames } from "../../mod.ts";
import { itNeeds } from "../support/requires.ts";
import { digestOfFile, digestOfSocket, Files, once, Peer, runLine, textOf, untilThere } from "./carrying_support.ts";
import { ExampleProcess } from "./example_process.ts";

describe("the example le-proxy", () => {
  const running: ExampleProcess[] = [];
  const clients: Socket[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const example of running.splice(0)) await example.stop("SIGKILL");
  });

  function proxy(...options: string[]): ExampleProcess {
    const example = new ExampleProcess("le-proxy.ts", ...options);
    running.push(example);
    return example;
  }

  /** A connection through the example to `peer`: the end of the client, that of the server, and the example itself. */
  async function through(peer: Peer, ...options: string[]): Promise<[Socket, Socket, ExampleProcess]> {
    const example = proxy(...options, "127.0.0.1:0", `127.0.0.1:${peer.port}`);
    const client = open(await example.address());
    return [client, await peer.accept(), example];
  }

  function open(address: string): Socket {
    const client = connect({ host: "127.0.0.1", port: Number(address.split(":")[1]), allowHalfOpen: true });
    client.on("error", () => {});
    clients.push(client);
    return client;
  }

  for (const backend of backendNames()) {
    it(`passes bytes on in both directions by ${backend}, and ends with code 0 on a signal`, async () => {
      await using peer = await Peer.listen();
      const [client, server, example] = await through(peer, "--backend", backend);
      client.end("question");
      assertEquals(await textOf(server), "question");
      server.end("answer");
      assertEquals(await textOf(client), "answer");
      assertEquals(await example.stop(backend === "poll" ? "SIGINT" : "SIGTERM"), 0);
      assertMatch(example.stdout, /^listening on 127\.0\.0\.1:[1-9]\d*\n$/);
      assertEquals(example.stderr, "");
    });
  }

  it("passes 100 MB on in both directions at once, as they are", async () => {
    await using peer = await Peer.listen();
    const [client, server] = await through(peer);
    const pieces = [randomFillSync(new Uint8Array(1_000_000)), randomFillSync(new Uint8Array(1_000_000))] as const;
    const send = async (socket: Socket, piece: Uint8Array): Promise<string> => {
      const hash = createHash("sha256");
      for (let count = 0; count < 100; count++) {
        const next = piece.slice();
        next[count] = count;
        hash.update(next);
        if (!socket.write(next)) await once(socket, "drain");
      }
      socket.end();
      return hash.digest("hex");
    };
    const [there, back, arrivedThere, arrivedBack] = await Promise.all([
      send(client, pieces[0]),
      send(server, pieces[1]),
      digestOfSocket(server),
      digestOfSocket(client),
    ]);
    assertEquals([arrivedThere, arrivedBack], [there, back]);
  });

  itNeeds("socat", "socat", "passes 100 MB on to an echo and back, between Unix sockets", async () => {
    using files = new Files();
    const [near, far, output] = [files.path("near"), files.path("far"), files.path("output")];
    const input = files.random("input", 100_000_000);
    const echo = runLine(`socat -b 65536 UNIX-LISTEN:${far} EXEC:cat`);
    await untilThere(far);
    const example = proxy(`unix:${near}`, `unix:${far}`);
    assertEquals(await example.address(), `unix:${near}`);
    const { code } = await runLine(`socat -b 65536 -t 30 - UNIX-CONNECT:${near} < ${input} > ${output}`);
    assertEquals([code, (await echo).code], [0, 0]);
    assertEquals(await digestOfFile(output), await digestOfFile(input));
  });

  it("keeps one direction when the other has ended, whichever it is", async () => {
    await using peer = await Peer.listen();
    for (const isClientFirst of [true, false]) {
      const [client, server] = await through(peer);
      const [first, second] = isClientFirst ? [client, server] : [server, client];
      first.end("first");
      assertEquals(await textOf(second), "first");
      const received = textOf(first);
      for (const piece of ["and ", "then ", "more"]) second.write(piece);
      second.end();
      assertEquals(await received, "and then more");
    }
  });

  it("passes on an end that comes before the other side is connected", async () => {
    await using peer = await Peer.listen();
    const example = proxy("127.0.0.1:0", `127.0.0.1:${peer.port}`);
    const client = open(await example.address());
    client.end();
    const server = await peer.accept();
    assertEquals(await textOf(server), "");
    server.end("still there");
    assertEquals(await textOf(client), "still there");
  });

  it("does not read ahead of a reader that takes a while, and loses nothing", async () => {
    await using peer = await Peer.listen();
    const [client, server] = await through(peer);
    const total = 60_000_000;
    let isSent = false;
    client.end("x".repeat(total), () => isSent = true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Its own 512 KiB and what the kernel keeps for two connections.
    assert(!isSent, "60 MB fit into buffers that nobody reads");
    let received = 0;
    server.on("data", (piece) => received += piece.length);
    const ended = once(server, "end");
    server.resume();
    await ended;
    assertEquals(received, total);
  });

  it("passes on what was queued before the end", async () => {
    await using peer = await Peer.listen();
    const [client, server] = await through(peer);
    // More than the kernel takes at once, and nobody reads until the client has long ended.
    client.end("y".repeat(300_000));
    await once(client, "finish");
    assertEquals((await textOf(server)).length, 300_000);
  });

  for (const [who, isClient] of [["client", true], ["server", false]] as const) {
    it(`resets the other side when the ${who} is reset`, async () => {
      await using peer = await Peer.listen();
      const [client, server, example] = await through(peer);
      const [one, other] = isClient ? [client, server] : [server, client];
      one.write("something");
      other.resume();
      await once(other, "data");
      const failed = once(other, "error");
      one.resetAndDestroy();
      assertEquals((await failed as { code: string }).code, "ECONNRESET");
      await example.until(() => example.stderr.includes("\n"));
      assertMatch(example.stderr, /^le-proxy: .*ECONNRESET.*\n$/);
      // Others are served as before.
      const next = open(await example.address());
      const nextServer = await peer.accept();
      next.end("again");
      assertEquals(await textOf(nextServer), "again");
    });
  }

  it("resets a client when nobody listens on the far side", async () => {
    const peer = await Peer.listen();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    const example = proxy("127.0.0.1:0", `127.0.0.1:${port}`);
    const client = open(await example.address());
    const failed = once(client, "error");
    client.resume();
    assertEquals((await failed as { code: string }).code, "ECONNRESET");
    await example.until(() => example.stderr.includes("\n"));
    assertMatch(example.stderr, /^le-proxy: .*ECONNREFUSED.*\n$/);
  });

  for (const [title, options] of [["over a connection", ["-s"]], ["with a socket of its own", ["-s", "-W"]]] as const) {
    it(`speaks TLS to the far side ${title}: 10 MB and both ends, one after the other`, async () => {
      // becat is the far side, with a certificate that vouches for itself.
      using files = new Files();
      const input = files.random("input", 10_000_000);
      const far = new ExampleProcess({ hasInput: true }, "becat.ts", "-S", "-l", "127.0.0.1", "0");
      running.push(far);
      const address = await far.addressOnStderr();
      const example = proxy(...options, "--insecure", "127.0.0.1:0", address);
      const client = open(await example.address());
      client.end(readFileSync(input).toString("hex"));
      await far.until(() => far.stdout.length === 20_000_000);
      assertEquals(far.stdout, readFileSync(input).toString("hex"));
      far.write("that was all");
      far.endInput();
      assertEquals([await textOf(client), await far.end()], ["that was all", 0]);
      assertEquals([await example.stop(), example.stderr], [0, ""]);
    });
  }

  it("resets a client when the far side cannot be trusted", async () => {
    const far = new ExampleProcess({ hasInput: true }, "becat.ts", "-S", "-k", "-l", "127.0.0.1", "0");
    running.push(far);
    const example = proxy("-s", "127.0.0.1:0", await far.addressOnStderr());
    const client = open(await example.address());
    const failed = once(client, "error");
    client.resume();
    assertEquals((await failed as { code: string }).code, "ECONNRESET");
    await example.until(() => example.stderr.includes("\n"));
    assertMatch(example.stderr, /^le-proxy: .*DEPTH_ZERO_SELF_SIGNED_CERT.*\n$/);
  });

  it("serves 200 at once", async () => {
    await using peer = await Peer.listen();
    const example = proxy("127.0.0.1:0", `localhost:${peer.port}`);
    const address = await example.address();
    const answers = Array.from({ length: 200 }, async (_, index) => {
      const client = open(address);
      client.end(`${index} `.repeat(1000));
      return await textOf(client);
    });
    for (let count = 0; count < 200; count++) {
      const server = await peer.accept();
      server.pipe(server);
    }
    for (const [index, text] of (await Promise.all(answers)).entries()) {
      assertEquals(text, `${index} `.repeat(1000));
    }
    assertEquals([await example.stop(), example.stderr], [0, ""]);
  });

  for (
    const [mistake, options] of [
      ["an unknown option", ["--bogus", "127.0.0.1:0", "127.0.0.1:1"]],
      ["one address only", ["127.0.0.1:0"]],
      ["a third address", ["127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2"]],
      ["an address that is none", ["127.0.0.1:0", "127.0.0.1:http"]],
      ["-W without -s", ["-W", "127.0.0.1:0", "127.0.0.1:1"]],
      ["no port to connect to", ["127.0.0.1:0", "127.0.0.1"]],
      ["an unknown backend", ["--backend", "sundial", "127.0.0.1:0", "127.0.0.1:1"]],
    ] as const
  ) {
    it(`ends with code 2 and one line for ${mistake}`, async () => {
      const example = proxy(...options);
      assertEquals([await example.end(), example.stdout], [2, ""]);
      assertMatch(example.stderr, /^le-proxy: [^\n]+\n$/);
    });
  }

  it("explains its options", async () => {
    const example = proxy("--help");
    assertEquals([await example.end(), example.stderr], [0, ""]);
    assertMatch(example.stdout, /^Usage: le-proxy \[options\] listen connect\n/);
    for (const option of ["-s", "-W", "--ca", "--insecure", "--backend", "-h"]) {
      assertStringIncludes(example.stdout, option);
    }
  });
});
