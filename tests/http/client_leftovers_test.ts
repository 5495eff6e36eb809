import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  BEV_NEED_MORE,
  BEV_OK,
  type BufferEvent,
  EV_READ,
  EV_TIMEOUT,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { HttpClientConnection, type HttpRequestOptions } from "../../src/http/mod.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { alongside } from "../core/async_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "../tls/tls_support.ts";
import { answering, HOST, ok, ScriptedServer } from "./client_support.ts";
import { textOf } from "./parse_support.ts";

/** Makes an end of a connection out of the one underneath. */
type Layer = (below: BufferEvent, role: "client" | "server") => BufferEvent;

const filter: Layer = (below) => new FilterBufferEvent(below);

function tls(below: BufferEvent, role: "client" | "server"): BufferEvent {
  using context = role === "client" ? clientContext() : serverContext();
  const stream = new TlsBufferEvent(below, context, { hostname: "localhost", closeTimeoutMs: 0 });
  stream.enable(EV_READ | EV_WRITE);
  return stream;
}

const KINDS: readonly { name: string; layers: readonly Layer[] }[] = [
  { name: "a socket", layers: [] },
  { name: "a filter", layers: [filter] },
  { name: "TLS", layers: [tls] },
  { name: "TLS over a filter", layers: [filter, tls] },
  { name: "a filter over TLS", layers: [tls, filter] },
  { name: "TLS over TLS", layers: [tls, tls] },
];

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n";
const FORGED = ok("forged");

forEachBackend((backend) => {
  let base: EventBase;
  let descriptors: Descriptors;

  beforeEach(() => {
    base = backend.newBase();
    descriptors = new Descriptors();
  });
  afterEach(() => {
    base.close();
    descriptors[Symbol.dispose]();
  });

  /**
   * Runs `body` with a client's connection over a stream of that kind. Who is at its other end is called with each request; whoever is
   * connected to anew answers "fresh".
   */
  function withStream(
    layers: readonly Layer[],
    serve: (far: BufferEvent, method: string) => void,
    body: (connection: HttpClientConnection, far: BufferEvent) => Promise<void>,
  ): Promise<void> {
    return alongside(base, async () => {
      const [one, other] = descriptors.socketpair().map((fd) => new SocketBufferEvent(base, descriptors.release(fd)));
      let [near, far]: BufferEvent[] = [one!, other!];
      for (const layer of layers) [near, far] = [layer(near!, "client"), layer(far!, "server")];
      far!.setCallbacks({ read: (stream) => serve(stream, /^\w*/.exec(textOf(stream.input.take()))![0]) });
      far!.enable(EV_READ);
      using server = new ScriptedServer(base, answering(ok("fresh"), ok("fresh")));
      using connection = HttpClientConnection.over(near!, { host: HOST, port: server.port });
      await body(connection, far!);
      far!.close();
    });
  }

  /** Sends each part by itself, though all of them before anybody can read. */
  function say(stream: BufferEvent, ...parts: string[]): void {
    for (const part of parts) {
      stream.write(part);
      stream.flush();
    }
  }

  async function text(connection: HttpClientConnection, options: HttpRequestOptions = {}): Promise<string> {
    return (await connection.send("/", options)).text();
  }

  for (const { name, layers } of KINDS) {
    const run = (title: string, body: () => Promise<void>): void => {
      if (layers.includes(tls)) itNeeds("openssl", "openssl", title, body);
      else it(title, body);
    };

    describe(`What a server has sent unasked by ${name}`, () => {
      run(
        "answers no request that waits",
        () =>
          withStream(layers, (far) => say(far, HEAD, FORGED), async (connection) => {
            const both = [text(connection, { method: "HEAD" }), text(connection)];
            assertEquals(await Promise.all(both), ["", "fresh"]);
          }),
      );

      run(
        "answers no request that waits for a response which is paused",
        () =>
          withStream(layers, (far) => say(far, ok("first"), FORGED), async (connection) => {
            const first = new Promise<string>((resolve) => {
              const request = connection.request("/", {
                onHead() {
                  request.pause();
                  base.once(-1, EV_TIMEOUT, () => request.resume());
                },
              }, (response, error) => resolve(response?.text() ?? `${error}`));
            });
            assertEquals(await Promise.all([first, text(connection)]), ["first", "fresh"]);
          }),
      );

      run("is noticed before the next request is made, as the end is", async () => {
        const spoil = [
          (far: BufferEvent) => say(far, FORGED),
          (far: BufferEvent) => {
            far.closeAfterFlush();
            far.flush();
          },
        ];
        for (const spoiled of spoil) {
          await withStream(layers, (far) => say(far, ok("first")), async (connection, far) => {
            assertEquals(await text(connection), "first");
            let closed = 0;
            connection.onClose = () => void closed++;
            const before = connection.stream!;
            const second = new Promise<string>((resolve) => {
              // In one callback: the loop has no chance to hear of it in between.
              base.once(-1, EV_TIMEOUT, () => {
                spoiled(far);
                resolve(text(connection, { method: "POST", body: "x" }));
              });
            });
            assertEquals(await second, "fresh");
            assertEquals([before.closed, closed], [true, 1]);
          });
        }
      });
    });
  }

  it("What a filter has come to hold in part answers no request", () => {
    const whole: Layer = (below) =>
      new FilterBufferEvent(below, {
        input(source, target, limit) {
          const count = Math.min(limit, source.length - source.length % 8);
          if (count === 0) return BEV_NEED_MORE;
          source.removeBuffer(target, count);
          return BEV_OK;
        },
      });
    const padded = (text: string): string => text.replace("OK", "OK".padEnd(2 + (8 - text.length % 8) % 8, "!"));
    const forged = padded(FORGED);
    return withStream(
      [(below, role) => role === "client" ? whole(below, role) : below],
      (far, method) => say(far, method === "HEAD" ? padded(HEAD) + forged.slice(0, 4) : forged.slice(4)),
      async (connection) => {
        const both = [text(connection, { method: "HEAD" }), text(connection)];
        assertEquals(await Promise.all(both), ["", "fresh"]);
      },
    );
  });
});
