import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, afterEach, beforeAll, describe, it } from "@std/testing/bdd";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { backendNames } from "../../mod.ts";
import { itNeeds } from "../support/requires.ts";
import { digestOfFile, Files, Peer, runLine, textOf, untilThere } from "./carrying_support.ts";
import { ExampleProcess, type ExampleStart } from "./example_process.ts";

describe("the example becat", () => {
  let files: Files;
  const running: ExampleProcess[] = [];

  beforeAll(() => {
    files = new Files();
  });
  afterEach(async () => {
    for (const example of running.splice(0)) await example.stop("SIGKILL");
  });
  afterAll(() => files[Symbol.dispose]());

  function becat(how: ExampleStart, ...options: string[]): ExampleProcess {
    const example = new ExampleProcess(how, "becat.ts", ...options);
    running.push(example);
    return example;
  }

  /** Starts one that listens; returns it and the port. */
  async function listening(how: ExampleStart, ...options: string[]): Promise<[ExampleProcess, string]> {
    const example = becat(how, "-l", ...options, "127.0.0.1", "0");
    return [example, (await example.addressOnStderr()).replace(/^127\.0\.0\.1:/, "")];
  }

  describe("carries", () => {
    it("100 MB from a file to a file, as they are", async () => {
      const input = files.random("input", 100_000_000);
      const output = files.path("output");
      const [server, port] = await listening({ shellLine: `exec "$@" > ${output}` });
      const client = becat({ shellLine: `exec "$@" < ${input}` }, "127.0.0.1", port);
      assertEquals([await client.end(), await server.end()], [0, 0]);
      assertEquals(await digestOfFile(output), await digestOfFile(input));
      assertEquals([client.stdout, client.stderr], ["", ""]);
    });

    itNeeds("socat", "socat", "100 MB to an echo and back at once, through pipes and a Unix socket", async () => {
      const input = files.random("input", 100_000_000);
      const [output, socket] = [files.path("output"), files.path("echo")];
      const echo = runLine(`socat -b 65536 UNIX-LISTEN:${socket} EXEC:cat`);
      await untilThere(socket);
      const client = becat({ shellLine: `cat ${input} | "$@" | cat > ${output}` }, "-U", socket);
      assertEquals([await client.end(), (await echo).code], [0, 0]);
      assertEquals(await digestOfFile(output), await digestOfFile(input));
    });

    for (const backend of backendNames()) {
      it(`2 MB from a pipe to a pipe and from a file to a file by ${backend}`, async () => {
        const input = files.random("input", 2_000_000);
        for (const [from, to] of [["cat $in |", "| cat >"], ["< $in", ">"]] as const) {
          const output = files.path("output");
          const line = (rest: string): string => `in=${input}; ${rest}`;
          const [server, port] = await listening({ shellLine: `"$@" ${to} ${output}` }, "--backend", backend);
          const client = becat(
            { shellLine: line(from.endsWith("|") ? `${from} "$@"` : `"$@" ${from}`) },
            "--backend",
            backend,
            "127.0.0.1",
            port,
          );
          assertEquals([await client.end(), await server.end()], [0, 0]);
          assertEquals(await digestOfFile(output), await digestOfFile(input));
        }
      });
    }

    it("bytes one at a time when told so", async () => {
      const [server, port] = await listening({}, "-R", "1");
      const client = becat({ hasInput: true }, "-b", "1", "127.0.0.1", port);
      client.write("one byte at a time");
      client.endInput();
      assertEquals([await client.end(), await server.end(), server.stdout], [0, 0, "one byte at a time"]);
    });

    it("everything to a reader that takes a while, and does not read ahead of it", async () => {
      await using peer = await Peer.listen();
      // Its input stays open: a peer on Deno's node:net loses what it has queued when it hears of the end.
      const client = becat({ hasInput: true }, "127.0.0.1", String(peer.port));
      client.pauseReading();
      const socket = await peer.accept();
      const total = 40_000_000;
      let isSent = false;
      socket.end("x".repeat(total), () => isSent = true);
      // Its own 256 KiB, what the kernel keeps for the connection and the pipes: far less than all of it.
      await client.until(() => client.stdout.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert(!isSent, "40 MB fit into buffers that nobody reads");
      client.resumeReading();
      await client.until(() => client.stdout.length === total);
      client.endInput();
      assertEquals(await client.end(), 0);
    });
  });

  describe("keeps one direction when the other has ended:", () => {
    it("the input's end is passed on, and what comes after it is written", async () => {
      await using peer = await Peer.listen();
      const client = becat({ hasInput: true }, "127.0.0.1", String(peer.port));
      client.write("question");
      client.endInput();
      const socket = await peer.accept();
      assertEquals(await textOf(socket), "question");
      socket.end("answer");
      assertEquals([await client.end(), client.stdout], [0, "answer"]);
    });

    it("after the other side's end, the input is sent on", async () => {
      await using peer = await Peer.listen();
      const client = becat({ hasInput: true }, "-v", "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      socket.end("first");
      await client.until(() => client.stderr.includes("The other side has ended\n") && client.stdout === "first");
      const received = textOf(socket);
      client.write("and ");
      client.write("then");
      client.endInput();
      assertEquals([await received, await client.end()], ["and then", 0]);
    });

    itNeeds("socat", "socat", "at a terminal the other side's end suffices", async () => {
      await using peer = await Peer.listen();
      // socat gives the example a terminal of its own, whose input never ends.
      const shellLine = `exec socat -u "EXEC:$*,pty,setsid,ctty" -`;
      const client = becat({ shellLine }, "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      const received = textOf(socket);
      socket.end("bye");
      assertEquals([await received, await client.end(), client.stdout], ["", 0, "bye"]);
    });
  });

  describe("speaks with", () => {
    itNeeds("socat", "socat", "socat", async () => {
      const [server, port] = await listening({ hasInput: true });
      server.write("from becat");
      server.endInput();
      const { stdout } = await runLine(`printf 'from socat' | socat -t 30 - TCP:127.0.0.1:${port}`);
      assertEquals([stdout, await server.end(), server.stdout], ["from becat", 0, "from socat"]);
    });

    itNeeds("ncat", "ncat", "ncat", async () => {
      const [server, port] = await listening({ hasInput: true });
      server.write("from becat");
      server.endInput();
      const { stdout } = await runLine(`printf 'from ncat' | ncat 127.0.0.1 ${port}`);
      assertEquals([stdout, await server.end(), server.stdout], ["from becat", 0, "from ncat"]);
    });

    itNeeds("nc.openbsd", "netcat-openbsd", "nc over Unix sockets, both as client and as server", async () => {
      const socket = files.path("socket");
      const server = becat({ hasInput: true }, "-l", "-U", socket);
      assertEquals(await server.addressOnStderr(), `unix:${socket}`);
      server.write("from becat");
      server.endInput();
      const asClient = await runLine(`printf 'from nc' | nc.openbsd -N -U ${socket}`);
      assertEquals([asClient.stdout, await server.end(), server.stdout], ["from becat", 0, "from nc"]);

      const listener = runLine(`rm -f ${socket}; printf 'nc again' | nc.openbsd -N -l -U ${socket}`);
      await untilThere(socket);
      const client = becat({ hasInput: true }, "-U", socket);
      client.write("becat again");
      client.endInput();
      assertEquals([await client.end(), client.stdout], [0, "nc again"]);
      assertEquals((await listener).stdout, "becat again");
    });
  });

  describe("speaks TLS", () => {
    it("to itself, and carries 20 MB as they are", async () => {
      const input = files.random("input", 20_000_000);
      const output = files.path("output");
      const [server, port] = await listening({ shellLine: `exec "$@" > ${output}` }, "-S");
      const client = becat({ shellLine: `exec "$@" < ${input}` }, "-S", "--insecure", "127.0.0.1", port);
      assertEquals([await client.end(), await server.end()], [0, 0]);
      assertEquals(await digestOfFile(output), await digestOfFile(input));
    });

    it("and refuses a certificate that nobody vouches for", async () => {
      const [server, port] = await listening({}, "-S");
      const client = becat({}, "-S", "127.0.0.1", port);
      assertEquals([await client.end(), await server.end()], [1, 1]);
      assertMatch(client.stderr, /^becat: .*DEPTH_ZERO_SELF_SIGNED_CERT.*\n$/m);
    });

    itNeeds("openssl", "openssl", "with openssl s_client", async () => {
      const [server, port] = await listening({ hasInput: true }, "-S");
      // It stays after the end of its own input, and leaves at ours.
      const client = runLine(`printf 'from s_client' | openssl s_client -quiet -connect 127.0.0.1:${port}`);
      await server.until(() => server.stdout === "from s_client");
      server.write("from becat\n");
      server.endInput();
      assertEquals([(await client).stdout, await server.end()], ["from becat\n", 0]);
    });

    itNeeds("openssl", "openssl", "with openssl s_server, whose certificate it verifies", async () => {
      const [certificate, key] = [files.path("cert.pem"), files.path("key.pem")];
      const names = `-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1`;
      await runLine(
        `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ${names} -keyout ${key} -out ${certificate}`,
      );
      const socket = files.path("tls");
      // An input that never ends, or it would leave at once.
      const input = `mkfifo ${files.path("never")}; exec 3<>${files.path("never")}`;
      const server = runLine(
        `${input}; exec openssl s_server -quiet -naccept 1 -unix ${socket} -cert ${certificate} -key ${key} <&3`,
      );
      await untilThere(socket);
      const client = becat({ hasInput: true }, "-S", "--ca", certificate, "-U", socket);
      client.write("verified");
      client.endInput();
      assertEquals([await client.end(), (await server).stdout, client.stderr], [0, "verified", ""]);

      // The same files serve the other way round.
      const [own, port] = await listening({ hasInput: true }, "-S", "--cert", certificate, "--key", key);
      const verified = runLine(
        `printf x | openssl s_client -quiet -verify_return_error -CAfile ${certificate} -connect 127.0.0.1:${port}`,
      );
      await own.until(() => own.stdout === "x");
      own.endInput();
      assertEquals([(await verified).code, await own.end()], [0, 0]);
    });
  });

  describe("when something fails,", () => {
    it("writes what has come before a reset, and ends with code 1", async () => {
      await using peer = await Peer.listen();
      const client = becat({ hasInput: true }, "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      socket.write("partly");
      await client.until(() => client.stdout === "partly");
      socket.resetAndDestroy();
      assertEquals(await client.end(), 1);
      assertMatch(
        client.stderr,
        /^becat: got event 0x21 on descriptor \d+: .*ECONNRESET.*; terminating the connection\n$/,
      );
    });

    it("says that nobody listens", async () => {
      const peer = await Peer.listen();
      const { port } = peer;
      await peer[Symbol.asyncDispose]();
      const client = becat({}, "127.0.0.1", String(port));
      assertEquals([await client.end(), client.stdout], [1, ""]);
      assertMatch(client.stderr, /^becat: .*ECONNREFUSED.*\n$/);
    });

    it("gives up after the read timeout", async () => {
      await using peer = await Peer.listen();
      const client = becat({ hasInput: true }, "-t", "0.05", "127.0.0.1", String(peer.port));
      assertEquals(await client.end(), 1);
      assertMatch(client.stderr, /^becat: got event 0x41 on descriptor \d+: timed out; terminating the connection\n$/);
    });

    it("gives up after the write timeout", async () => {
      await using peer = await Peer.listen();
      const client = becat({ shellLine: `exec "$@" < /dev/zero` }, "-T", "0.05", "127.0.0.1", String(peer.port));
      assertEquals(await client.end(), 1);
      assertMatch(client.stderr, /^becat: got event 0x42 on descriptor \d+: timed out; terminating the connection\n$/);
    });

    it("ends when nobody reads its output any more", async () => {
      await using peer = await Peer.listen();
      const code = files.path("code");
      const shellLine = `{ "$@"; echo $? > ${code}; } | head -c 5`;
      const client = becat({ shellLine, hasInput: true }, "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      socket.write("12345");
      await client.until(() => client.stdout === "12345");
      const closed = new Promise((resolve) => socket.once("close", resolve));
      // Until head has ended, the pipe takes a little more.
      const timer = setInterval(() => socket.write("more"), 5);
      socket.resume();
      await closed;
      clearInterval(timer);
      await client.end();
      assertEquals(readFileSync(code, "utf8"), "1\n");
      assertStringIncludes(client.stderr, "EPIPE");
    });

    it("ends when the output is full", async () => {
      await using peer = await Peer.listen();
      const client = becat({ shellLine: `exec "$@" > /dev/full`, hasInput: true }, "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      socket.write("something");
      assertEquals(await client.end(), 1);
      assertStringIncludes(client.stderr, "ENOSPC");
      socket.destroy();
    });
  });

  it("comes from the address and port it is told", async () => {
    await using peer = await Peer.listen();
    for (const port of ["0", "other"]) {
      // A port that was free a moment ago.
      const number = port === "0" ? 0 : await freePort();
      const client = becat({}, "-s", "127.0.0.2", "-p", String(number), "127.0.0.1", String(peer.port));
      const socket = await peer.accept();
      assertEquals(socket.remoteAddress, "127.0.0.2");
      if (number !== 0) assertEquals(socket.remotePort, number);
      socket.end();
      assertEquals(await client.end(), 0);
    }
  });

  it("serves one after the other with -k", async () => {
    const [server, port] = await listening({}, "-k", "-v");
    for (const word of ["one", "two", "three"]) {
      const socket = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
      socket.end(word);
      assertEquals(await textOf(socket), "");
      await server.until(() => server.stdout.endsWith(word));
    }
    assertEquals([await server.stop("SIGTERM"), server.stdout], [0, "onetwothree"]);
    assertEquals(server.stderr.match(/^becat: Accepting 127\.0\.0\.1:\d+$/gm)?.length, 3);
    assertEquals(server.stderr.match(/^becat: Freeing the connection$/gm)?.length, 3);
  });

  it("listens where -s and -p say, and says so", async () => {
    const server = becat({}, "-l", "-s", "127.0.0.3", "-p", "0");
    const address = await server.addressOnStderr();
    assertMatch(address, /^127\.0\.0\.3:[1-9]\d*$/);
    const socket = connect({ port: Number(address.split(":")[1]), host: "127.0.0.3" });
    socket.end("x");
    assertEquals([await server.end(), server.stdout], [0, "x"]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`ends with code 0 on ${signal}, listening or connected`, async () => {
      const [server, port] = await listening({ hasInput: true });
      await using peer = await Peer.listen();
      const client = becat({ hasInput: true }, "-v", "127.0.0.1", String(peer.port));
      await client.until(() => client.stderr.includes("Connected"));
      assertEquals([await server.stop(signal), await client.stop(signal)], [0, 0]);
      assertEquals(server.stderr, `listening on 127.0.0.1:${port}\nbecat: ${signal} received; terminating\n`);
      assertStringIncludes(client.stderr, `becat: ${signal} received; terminating\n`);
    });
  }

  it("says and carries everything through one pipe for both", async () => {
    const line = files.path("line");
    const server = becat({ shellLine: `exec "$@" 2>&1` }, "-v", "-l", "127.0.0.1", "0");
    assertMatch(await server.address(), /^127\.0\.0\.1:\d+$/);
    const input = files.random("input", 300_000);
    const port = (await server.address()).replace("127.0.0.1:", "");
    const client = becat({ shellLine: `exec "$@" < ${input} 2> ${line}` }, "127.0.0.1", port);
    assertEquals([await client.end(), await server.end(), server.stderr], [0, 0, ""]);
    assertMatch(server.stdout, /^listening on .*\nbecat: Accepting /);
    assertStringIncludes(server.stdout, "becat: Freeing the connection\n");
  });

  for (
    const [mistake, options] of [
      ["an unknown option", ["--bogus"]],
      ["an unknown backend", ["--backend", "sundial", "127.0.0.1", "1"]],
      ["a port that is no number", ["127.0.0.1", "http"]],
      ["a port that is too large", ["127.0.0.1", "65536"]],
      ["port 0 without -l", ["127.0.0.1", "0"]],
      ["-k without -l", ["-k"]],
      ["a third argument", ["a", "1", "b"]],
      ["a timeout that is none", ["-t", "0"]],
      ["a read size that is none", ["-R", "0"]],
      ["a source that is no address", ["-s", "nowhere", "127.0.0.1", "1"]],
      ["a certificate without -S", ["--cert", "x.pem"]],
      ["a path and a host", ["-U", "/tmp/x", "127.0.0.1"]],
    ] as const
  ) {
    it(`ends with code 2 and one line for ${mistake}`, async () => {
      const example = becat({}, ...options);
      assertEquals([await example.end(), example.stdout], [2, ""]);
      assertMatch(example.stderr, /^becat: [^\n]+\n$/);
    });
  }

  it("explains its options", async () => {
    const example = becat({}, "--help");
    assertEquals([await example.end(), example.stderr], [0, ""]);
    assertMatch(example.stdout, /^Usage: becat \[options\] \[host\] \[port\]\n/);
    for (
      const option of [
        "-l",
        "-k",
        "-p",
        "-s",
        "-U",
        "-K",
        "-t",
        "-T",
        "-R",
        "-b",
        "-S",
        "--cert",
        "--key",
        "--ca",
        "--insecure",
        "-v",
        "--backend",
        "-h",
      ]
    ) {
      assertStringIncludes(example.stdout, option);
    }
  });
});

async function freePort(): Promise<number> {
  const peer = await Peer.listen();
  const { port } = peer;
  await peer[Symbol.asyncDispose]();
  return port;
}
