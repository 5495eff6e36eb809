/** Other implementations and programs on the far side: what they think of us counts more than what we think of ourselves. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  type BufferEvent,
  EV_READ,
  type EventBase,
  Listener,
} from "../../src/core/mod.ts";
import { TlsBufferEvent, type TlsContext } from "../../src/tls/mod.ts";
import { until } from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";
import { Peer, runPeer } from "./peer_program.ts";
import { clientContext, serverContext } from "./tls_support.ts";

forEachBackend((backend) => {
  let base: EventBase;
  let servers: TlsContext;
  let listener: Listener;
  let connections: TlsBufferEvent[];
  let told: string[];

  beforeEach(() => {
    base = backend.newBase();
    connections = [];
    told = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    listener?.close();
    servers?.close();
    base.close();
  });

  /** Serves every connection with `read`, and ends when the peer does. Returns the port. */
  function serve(context: TlsContext, read: (connection: BufferEvent) => void = echo): number {
    servers = context;
    listener = new Listener(base, { host: "127.0.0.1", port: 0 }, (fd) => {
      const connection = TlsBufferEvent.overSocket(base, fd, context);
      connections.push(connection);
      connection.setCallbacks({
        read,
        event(what) {
          if (what === BEV_EVENT_CONNECTED) {
            const { sessionReused } = connection.details;
            told.push(`${connection.version}${sessionReused ? " again" : ""}`);
          } else {
            told.push((what & BEV_EVENT_EOF) !== 0 ? "end" : connection.error?.code ?? "?");
            connection.closeAfterFlush();
          }
        },
      });
      connection.enable(EV_READ);
    });
    return (listener.address as { port: number }).port;
  }

  function echo(connection: BufferEvent): void {
    connection.writeBuffer(connection.input);
  }

  const trust = (): string => testCertificates().authority.certificateFile;

  describe("a server of ours", () => {
    for (const [flag, version] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]] as const) {
      itNeeds(
        "openssl",
        "openssl",
        `talks to openssl s_client with ${version}, which verifies it and agrees on a protocol`,
        async () => {
          const port = serve(serverContext({ alpn: ["two", "one"] }));
          const { code, stdout, stderr } = await runPeer(base, "openssl", [
            ...["s_client", "-connect", `127.0.0.1:${port}`, flag, "-CAfile", trust(), "-verify_return_error"],
            ...["-verify_hostname", "localhost", "-servername", "localhost", "-alpn", "one,two"],
          ], { input: "hello from openssl\n", holdInput: "hello from openssl" });
          assertEquals(code, 0, stderr);
          assertStringIncludes(stdout, "Verify return code: 0 (ok)");
          assertStringIncludes(stdout, "ALPN protocol: two");
          assertStringIncludes(stdout, `New, ${version}`);
          assertStringIncludes(stdout, "hello from openssl");
          assertEquals(told[0], version);
        },
      );
    }

    itNeeds(
      "openssl",
      "openssl",
      "lets s_client -reconnect take its session up again, with tickets and without",
      async () => {
        for (const sessionTickets of [true, false]) {
          told = [];
          const port = serve(serverContext({ sessionTickets }));
          const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-tls1_2", "-CAfile", trust(), "-reconnect"];
          const { stdout } = await runPeer(base, "openssl", args);
          assertEquals(stdout.match(/^Reused, TLSv1\.2/gm)?.length, 5);
          assertEquals(told.filter((entry) => entry === "TLSv1.2 again").length, 5);
          listener.close();
          servers.close();
        }
      },
    );

    itNeeds(
      "openssl",
      "openssl",
      "lets s_client take a session of TLS 1.3 up again, after a reload as well",
      async () => {
        const port = serve(serverContext());
        const file = `${testCertificates().folder.path}/session.pem`;
        const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-tls1_3", "-CAfile", trust()];
        await runPeer(base, "openssl", [...args, "-sess_out", file], { input: "ticket\n", holdInput: "ticket" });
        servers.reload();
        const { stdout } = await runPeer(base, "openssl", [...args, "-sess_in", file], {
          input: "x\n",
          holdInput: "x",
        });
        assertStringIncludes(stdout, "Reused, TLSv1.3");
        assert(told.includes("TLSv1.3 again"));
      },
    );

    for (const [sessionTickets, tickets] of [[true, 1], [false, 1], [0, 0], [3, 3]] as const) {
      itNeeds(
        "openssl",
        "openssl",
        `gives s_client ${tickets} tickets with sessionTickets: ${sessionTickets}`,
        async () => {
          const port = serve(serverContext({ sessionTickets }));
          const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-tls1_3", "-CAfile", trust(), "-msg"];
          const { stdout } = await runPeer(base, "openssl", args, { input: "tickets\n", holdInput: "\ntickets" });
          assertEquals(stdout.match(/NewSessionTicket/g)?.length ?? 0, tickets);
        },
      );
    }

    itNeeds("openssl", "openssl", "refuses s_client without a certificate where one is required", async () => {
      const { authority, client } = testCertificates();
      const port = serve(serverContext({ ca: authority.certificate, clientCertificate: "require" }));
      const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", trust(), "-ign_eof"];
      const refused = await runPeer(base, "openssl", args, { input: "hello\n" });
      assertStringIncludes(refused.stderr + refused.stdout, "alert");
      assert(told.includes("TLS_PEER_DID_NOT_RETURN_A_CERTIFICATE"), told.join());
      const shown = ["-cert", client.certificateFile, "-key", client.keyFile];
      const served = await runPeer(base, "openssl", [...args.slice(0, -1), ...shown], {
        input: "hello\n",
        holdInput: "hello",
      });
      assertStringIncludes(served.stdout, "hello");
    });

    itNeeds("curl", "curl", "serves curl, a large reply and TLS 1.2 included", async () => {
      const body = "0123456789abcdef".repeat(1 << 16);
      const port = serve(serverContext({ alpn: ["http/1.1"] }), (connection) => {
        if (connection.input.search("\r\n\r\n") < 0) return;
        connection.input.drain(Infinity);
        connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
        connection.write(body);
        connection.closeAfterFlush();
      });
      for (const extra of [[], ["--tls-max", "1.2"]]) {
        const { code, stdout, stderr } = await runPeer(base, "curl", [
          ...["-sS", "--cacert", trust(), "--resolve", `localhost:${port}:127.0.0.1`, ...extra],
          `https://localhost:${port}/`,
        ]);
        assertEquals([code, stderr], [0, ""]);
        assertEquals(stdout.length, body.length);
        assertEquals(stdout === body, true);
      }
      const wrong = await runPeer(base, "curl", [
        ...["-sS", "--cacert", trust(), "--resolve", `example.org:${port}:127.0.0.1`],
        `https://example.org:${port}/`,
      ]);
      assertEquals(wrong.code, 60);
    });

    itNeeds("socat", "socat", "echoes what socat sends", async () => {
      const port = serve(serverContext());
      const address = `OPENSSL:127.0.0.1:${port},cafile=${trust()},commonname=localhost`;
      const { stdout, stderr } = await runPeer(base, "socat", ["-", address], {
        input: "by socat\n",
        holdInput: "by socat",
      });
      assertEquals([stdout, stderr], ["by socat\n", ""]);
    });

    itNeeds("ncat", "ncat", "echoes what ncat sends", async () => {
      const port = serve(serverContext());
      const args = [
        "--ssl-verify",
        "--ssl-trustfile",
        trust(),
        "--ssl-servername",
        "localhost",
        "127.0.0.1",
        String(port),
      ];
      const { stdout, stderr } = await runPeer(base, "ncat", args, { input: "by ncat\n", holdInput: "by ncat" });
      assertEquals([stdout, stderr], ["by ncat\n", ""]);
    });

    itNeeds("stunnel", "stunnel4", "echoes what comes through a stunnel", async () => {
      const port = serve(serverContext());
      // Without "accept" it has its own input and output for the plain side.
      const config = testCertificates().folder.write(
        "stunnel.conf",
        `foreground = yes\nsyslog = no\ndebug = 3\nclient = yes\nconnect = 127.0.0.1:${port}\n` +
          `verifyChain = yes\nCAfile = ${trust()}\ncheckHost = localhost\n`,
      );
      const { stdout, stderr } = await runPeer(base, "stunnel", [config], {
        input: "by stunnel\n",
        holdInput: "by stunnel",
      });
      assertEquals(stdout, "by stunnel\n", stderr);
    });
  });

  describe("a client of ours", () => {
    for (const [flag, version] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]] as const) {
      itNeeds(
        "openssl",
        "openssl",
        `talks to openssl s_server with ${version}, and takes its session up again`,
        async () => {
          const { server } = testCertificates();
          const peer = new Peer("openssl", [
            ...[
              "s_server",
              "-accept",
              "127.0.0.1:0",
              flag,
              "-cert",
              server.certificateFile,
              "-key",
              server.keyFile,
              "-rev",
            ],
            ...["-alpn", "reverse"],
          ], { holdInput: "never" });
          const port = Number((await peer.printed(/ACCEPT .*:(\d+)/))[1]);
          using clients = clientContext({ alpn: ["reverse"], sessionsMax: 2 });
          const seen: string[] = [];
          for (let i = 0; i < 2; i++) {
            const client = TlsBufferEvent.overSocket(base, -1, clients, { hostname: "localhost" });
            connections.push(client);
            let ended = false;
            client.setCallbacks({
              event: (what) => {
                if (what !== BEV_EVENT_CONNECTED) ended = true;
                else seen.push(`${client.version} ${client.alpnProtocol} ${client.details.sessionReused}`);
              },
              read: (connection) => {
                const line = connection.input.readLine();
                if (line === null) return;
                seen.push(line);
                client.closeAfterFlush();
              },
            });
            client.enable(EV_READ);
            client.connect({ family: "ipv4", host: "127.0.0.1", port });
            client.write("abcdef\n");
            until(base, () => client.closed || ended, "an answer");
          }
          await peer.stop();
          assertEquals(seen, [`${version} reverse false`, "fedcba", `${version} reverse true`, "fedcba"]);
        },
      );
    }

    itNeeds("openssl", "openssl", "is told by s_server's alert why it was refused", async () => {
      const { server } = testCertificates();
      const peer = new Peer("openssl", [
        ...["s_server", "-accept", "127.0.0.1:0", "-cert", server.certificateFile, "-key", server.keyFile],
        ...["-Verify", "1", "-verify_return_error"],
      ], { holdInput: "never" });
      const port = Number((await peer.printed(/ACCEPT .*:(\d+)/))[1]);
      using clients = clientContext();
      const client = TlsBufferEvent.overSocket(base, -1, clients, { hostname: "localhost" });
      connections.push(client);
      client.enable(EV_READ);
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      until(base, () => client.error !== null, "an alert");
      await peer.stop();
      assertMatch(client.error!.code, /^TLS_ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/);
    });
  });
});
