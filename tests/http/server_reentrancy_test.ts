import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  BaseClosedError,
  BEV_FINISHED,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  EventBase,
  EVLOOP_NONBLOCK,
  PairBufferEvent,
  SocketBufferEvent,
  socketPair,
} from "../../src/core/mod.ts";
import { type HttpHandler, type HttpRequest, HttpServer } from "../../src/http/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { echo, eventually, get, signal, withServer } from "./server_support.ts";

const HALF = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\n\r\nhalf";
const UPGRADE = get("/chat", "Connection: Upgrade\r\nUpgrade: echo\r\n");
const streamed = (server: HttpServer, handler: HttpHandler): void => server.setHandler(handler, { streamBody: true });

describe("a handler that is told that its client has gone", () => {
  forEachBackend((backend) => {
    for (const act of ["pauseBody", "resumeBody", "readBody"] as const) {
      it(`may call ${act} then, which changes nothing any more`, () => {
        const asked = signal<HttpRequest>();
        return withServer({}, undefined, async ({ connect, server, errors }) => {
          streamed(server, (request) => {
            request.onClose = () => void Promise.resolve(request[act]()).catch(() => {});
            asked.resolve(request);
          });
          const client = await connect();
          client.send(HALF);
          const request = await asked.promise;
          await eventually("the piece is there", () => request.body.length === 4);
          if (act === "resumeBody") request.pauseBody();
          server.setTimeouts({ bodyTimeoutMs: 20 });
          request.connection.close();
          assertEquals(server.connectionCount, 0);
          // Longer than what would be waited for.
          await new Promise((resolve) => setTimeout(resolve, 60));
          server.close();
          assertEquals([server.connectionCount, errors], [0, []]);
        }, backend.newBase());
      });
    }
  });

  it("may close the connection that is being failed", () =>
    withServer({}, undefined, async ({ exchange, server, errors }) => {
      streamed(server, (request) => {
        request.onClose = () => request.connection.close();
      });
      const bad = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
      await exchange(`${bad}nonsense\r\n`);
      await eventually("nobody is connected", () => server.connectionCount <= 0);
      assertEquals([server.connectionCount, errors], [0, []]);
    }));
});

describe("a maker of error pages", () => {
  it("may close the connection that the page is for", () => {
    let asked = 0;
    const onErrorPage = (_status: number, _text: string, request: HttpRequest | undefined): undefined => {
      asked++;
      request?.connection.close();
    };
    return withServer({ onErrorPage }, undefined, async ({ exchange, server, errors }) => {
      streamed(server, () => {});
      const bad = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
      assertEquals(await exchange(`${bad}nonsense\r\n`), "");
      assertEquals([server.connectionCount, asked, errors], [0, 1, []]);
    });
  });

  it("that answers by itself leaves no second reply to be given", () => {
    const onErrorPage = (_status: number, _text: string, request: HttpRequest | undefined): undefined => {
      if (request?.replyStarted === false) request.reply(400, "my own");
    };
    return withServer({ onErrorPage }, undefined, async ({ exchange, server, errors }) => {
      server.route("/error", (request) => request.replyError(403));
      for (const refused of [get("/nothing"), get("/error")]) {
        const all = await exchange(refused + get("/", "Connection: close\r\n"));
        assertEquals([all.split("HTTP/1.1 400 ").length, all.split("HTTP/1.1").length], [3, 3], all);
      }
      const all = await exchange(get("/", "Expect: the-unexpected\r\n") + get("/next"));
      assertEquals([all.split("HTTP/1.1").length, all.endsWith("\r\n\r\nmy own"), errors], [2, true, []], all);
    });
  });
});

describe("a reply that was begun when the server asked about the request", () => {
  forEachBackend((backend) => {
    it("is left to whoever has begun it where no handler answers", () => {
      const onNewRequest = (request: HttpRequest): void => {
        request.replyStart(200);
        setTimeout(() => {
          request.replyChunk(request.path);
          request.replyEnd();
        }, 1);
      };
      return withServer({ onNewRequest }, undefined, async ({ connect, errors }) => {
        const client = await connect();
        client.send(get("/1") + get("/2"));
        assertEquals([(await client.reply()).body, (await client.reply()).body, errors], ["/1", "/2", []]);
      }, backend.newBase());
    });
  });
});

describe("a body that is stopped and let go in one breath", () => {
  forEachBackend((backend) => {
    for (const where of ["handler", "callback"] as const) {
      it(`by a ${where} is read on`, () =>
        withServer({}, undefined, async ({ connect, server }) => {
          streamed(server, (request) => {
            const breathe = (): void => {
              request.pauseBody();
              request.resumeBody();
            };
            if (where === "handler") breathe();
            let length = 0;
            request.onBody = (piece) => {
              length += piece.length;
              if (where === "callback") breathe();
            };
            request.onBodyEnd = () => request.reply(200, String(length));
          });
          const client = await connect();
          await client.sendAndWait(HALF);
          await new Promise((resolve) => setTimeout(resolve, 10));
          assertEquals((await client.send("half").reply()).body, "8");
        }, backend.newBase()));
    }
  });
});

describe("a request that was answered before its body was complete", () => {
  for (const end of ["ends", "is late"] as const) {
    it(`gets no second reply when that ${end}`, () =>
      withServer({ bodyTimeoutMs: 20 }, undefined, async ({ connect, server }) => {
        streamed(server, (request) => request.reply(200, "first"));
        const client = await connect();
        client.send(HALF);
        if (end === "ends") client.end();
        const all = await client.untilClose();
        assertStringIncludes(all, "HTTP/1.1 200 ");
        assertEquals(all.split("HTTP/1.1").length, 2, all);
      }));
  }

  it("and before the client was told to send it ends the connection", () => {
    const onContinue = (request: HttpRequest): void => request.replyError(413);
    return withServer({ onContinue }, echo, async ({ exchange }) => {
      // Whether a client goes on with that body or with its next request, nobody can tell (RFC 9110 section 10.1.1).
      const expecting = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
      const all = await exchange(expecting + get("/smuggled"));
      assertStringIncludes(all, "HTTP/1.1 413 ");
      assertStringIncludes(all, "\r\nConnection: close\r\n");
      assertEquals(all.split("HTTP/1.1").length, 2, all);
    });
  });

  for (const asked of ["onNewRequest", "onContinue"] as const) {
    it(`in part, by ${asked}, has no 100 in the middle of that, and is the last one`, () => {
      const begin = (request: HttpRequest): void => {
        if (request.method !== "POST") return;
        request.replyStart(200);
        request.replyChunk("a");
      };
      const end: HttpHandler = (request) => {
        if (!request.replyStarted) return echo(request);
        request.replyChunk(`b${request.body.takeText()}`);
        request.replyEnd();
      };
      return withServer({ [asked]: begin }, end, async ({ connect, errors }) => {
        const client = await connect();
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        const head = await client.until("\r\n\r\n");
        assertStringIncludes(head, "HTTP/1.1 200 ");
        client.send(`body${get("/next")}`);
        assertEquals(await client.untilClose(), "1\r\na\r\n5\r\nbbody\r\n0\r\n\r\n");
        assertEquals(errors, []);
      });
    });
  }
});

describe("what has come behind a request", () => {
  forEachBackend((backend) => {
    it("belongs to whoever takes the connection over when asked about the request", () => {
      const onNewRequest = (request: HttpRequest): void => {
        if (request.path !== "/chat") return;
        const stream = request.takeOver(101);
        stream.writeBuffer(stream.input);
        stream.closeAfterFlush();
      };
      return withServer({ onNewRequest }, echo, async ({ exchange, errors }) => {
        const all = await exchange(`${get("/")}${UPGRADE}early`);
        assert(all.endsWith("\r\n\r\nearly"), all);
        assertEquals(errors, []);
      }, backend.newBase());
    });

    it("is the next request when an offer was declined by whoever was asked about it", () =>
      withServer({ onNewRequest: (request) => void echo(request) }, undefined, async ({ connect }) => {
        const client = await connect();
        client.send(UPGRADE + UPGRADE + get("/next"));
        const bodies = [await client.reply(), await client.reply(), await client.reply()].map(({ body }) => body);
        assertEquals(bodies, ["GET /chat ", "GET /chat ", "GET /next "]);
      }, backend.newBase()));
  });
});

describe("a stream that has received something already", () => {
  forEachBackend((backend) => {
    for (
      const [kind, early, late] of [["whole", get("/early"), get("/late")], [
        "half",
        "GET /early HT",
        "TP/1.1\r\nHost: t\r\n\r\n",
      ]] as const
    ) {
      it(`has its ${kind} request answered`, () =>
        withServer({}, echo, async ({ base, server }) => {
          const [ours, theirs] = socketPair();
          const stream = new SocketBufferEvent(base, ours);
          await using client = new AsyncClient(new SocketBufferEvent(base, theirs));
          client.stream.write(`PROXY\r\n${early}`);
          // What came before HTTP is the caller's, here a line.
          const line = new TextDecoder().decode((await stream.readSome())!);
          assert(line.startsWith("PROXY\r\n"));
          stream.input.prepend(new TextEncoder().encode(line.slice(7)));
          server.serveStream(stream);
          client.stream.write(late);
          assertStringIncludes(await client.until("/early "), "HTTP/1.1 200 OK\r\n");
        }, backend.newBase()));
    }
  });
});

/** A client on the same loop. */
class AsyncClient implements AsyncDisposable {
  readonly stream: SocketBufferEvent;

  constructor(stream: SocketBufferEvent) {
    this.stream = stream;
  }

  async until(text: string): Promise<string> {
    let received = "";
    while (!received.includes(text)) {
      const piece = await this.stream.readSome(undefined, { signal: AbortSignal.timeout(15_000) });
      if (piece === null) throw new Error(`The connection has ended after ${JSON.stringify(received)}`);
      received += new TextDecoder().decode(piece);
    }
    return received;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.stream.close();
    return Promise.resolve();
  }
}

describe("a server that drains", () => {
  forEachBackend((backend) => {
    it("closes a connection whose reply had begun before", () => {
      const begun = signal<HttpRequest>();
      const handler: HttpHandler = (request) => {
        request.replyStart(200);
        begun.resolve(request);
      };
      return withServer({}, handler, async ({ connect, server }) => {
        const client = await connect();
        client.send(get("/"));
        const request = await begun.promise;
        const drained = server.drain({ timeoutMs: 8000 });
        request.replyChunk("done");
        request.replyEnd();
        assertEquals((await client.reply()).body, "done");
        await client.untilClose();
        client.end();
        assertEquals(await drained, true);
      }, backend.newBase());
    });

    it("closes a connection that was finishing a body which was answered before", () =>
      withServer({}, undefined, async ({ connect, server }) => {
        streamed(server, (request) => request.reply(200, "first"));
        const client = await connect();
        await client.send(HALF).reply();
        const drained = server.drain({ timeoutMs: 8000 });
        client.send("half");
        await client.untilClose();
        client.end();
        assertEquals(await drained, true);
      }, backend.newBase()));
  });

  it("waits as long as it is to, however long the callback was busy before that says so", async () => {
    using base = new EventBase();
    using server = new HttpServer(base);
    const [ours, theirs] = socketPair();
    server.serveStream(new SocketBufferEvent(base, ours));
    using client = new SocketBufferEvent(base, theirs);
    client.write("GET / HTTP/1.1\r\n");
    base.loop(EVLOOP_NONBLOCK);
    let begunMs = 0;
    let drained: Promise<boolean> | null = null;
    using busy = base.timer(() => {
      const startMs = performance.now();
      while (performance.now() - startMs < 60) { /* busy */ }
      begunMs = performance.now();
      drained = server.drain({ timeoutMs: 50 }).finally(() => endMs = performance.now());
    });
    let endMs = 0;
    busy.add(0);
    await base.run();
    assertEquals(await drained, false);
    // Half a millisecond for two clocks that are not the same.
    assert(endMs - begunMs >= 49.5, `${endMs - begunMs} ms`);
  });

  it("is closed at once when its base is", async () => {
    const base = new EventBase();
    const server = new HttpServer(base);
    const [ours, theirs] = socketPair();
    server.serveStream(new SocketBufferEvent(base, ours));
    using client = new SocketBufferEvent(base, theirs);
    client.write("GET / HTTP/1.1\r\n");
    base.loop(EVLOOP_NONBLOCK);
    const drained = server.drain({ timeoutMs: Infinity });
    base.close();
    assertEquals([await drained, server.connectionCount], [false, 0]);
  });
});

describe("a server that is closed", () => {
  it("closes all that was taken over, also when an owner throws", () => {
    const streams: SocketBufferEvent[] = [];
    const handler: HttpHandler = (request) => {
      const stream = request.takeOver(101) as SocketBufferEvent;
      stream.whenClosed = () => {
        throw new Error("in the owner's callback");
      };
      streams.push(stream);
    };
    return withServer({}, handler, async ({ connect, server }) => {
      for (let count = 0; count < 3; count++) await (await connect()).send(UPGRADE).until("\r\n\r\n");
      let thrown: unknown;
      try {
        server.close();
      } catch (error) {
        thrown = error;
      }
      assertEquals([String(thrown), streams.map(({ closed }) => closed)], [
        "Error: in the owner's callback",
        [true, true, true],
      ]);
    });
  });
});

describe("a handler that waits when the base is closed", () => {
  forEachBackend((backend) => {
    for (const what of ["readBody", "replyWrite"] as const) {
      it(`in ${what} learns of that`, async () => {
        const base = backend.newBase();
        const outcome = signal<unknown>();
        using server = new HttpServer(base);
        streamed(server, (request) => {
          request.replyStart(200);
          const waiting: Promise<unknown> = what === "readBody"
            ? request.readBody()
            : request.replyWrite(new Uint8Array(8 * 1024 * 1024));
          waiting.then(outcome.resolve, outcome.resolve);
          request.connection.server.base.loopBreak();
        });
        const [ours, theirs] = socketPair();
        server.serveStream(new SocketBufferEvent(base, ours));
        using client = new SocketBufferEvent(base, theirs);
        client.write(HALF.slice(0, -4));
        base.loop();
        base.close();
        const error = await outcome.promise;
        assert(error instanceof BaseClosedError, String(error));
      });
    }
  });
});

describe("a handler that fails once the base is closed", () => {
  forEachBackend((backend) => {
    it("is told to onError, and harms nobody else", async () => {
      const base = backend.newBase();
      const told: unknown[] = [];
      const outcome = signal();
      using server = new HttpServer(base, {
        onError: (error) => {
          told.push(error);
          outcome.resolve();
        },
      });
      streamed(server, async (request) => {
        request.connection.server.base.loopBreak();
        await request.text();
      });
      const [ours, theirs] = socketPair();
      server.serveStream(new SocketBufferEvent(base, ours));
      using client = new SocketBufferEvent(base, theirs);
      client.write(HALF);
      base.loop();
      base.close();
      await outcome.promise;
      // An error that nobody has caught would be seen by then.
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals(told.map((error) => error instanceof BaseClosedError), [true]);
    });
  });
});

describe("a piece of which nothing is sent", () => {
  forEachBackend((backend) => {
    for (const [what, method, piece] of [["is empty", "GET", ""], ["answers HEAD", "HEAD", "piece"]] as const) {
      it(`counts as sent from the loop, also while nothing else of the runtime runs, where it ${what}`, () => {
        using base = backend.newBase();
        const told: string[] = [];
        const asked: HttpRequest[] = [];
        using server = new HttpServer(base, {}, (request) => {
          asked.push(request);
          request.replyStart(200);
        });
        const [ours, theirs] = socketPair();
        server.accept(ours);
        using client = new SocketBufferEvent(base, theirs);
        client.enable(EV_READ);
        client.write(get("/").replace("GET", method) + get("/next"));
        for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
        const request = asked[0]!;
        request.replyChunk(piece, (isSent) => {
          told.push(`sent ${isSent}`);
          request.replyEnd();
        });
        told.push("asked");
        for (let turn = 0; turn < 5; turn++) base.loop(EVLOOP_NONBLOCK);
        assertEquals([told, asked.length], [["asked", "sent true"], 2]);
      });
    }
  });
});

describe("a connection that is taken over", () => {
  forEachBackend((backend) => {
    it("still tells what became of the reply before", () => {
      const outcome = signal<boolean>();
      const handler: HttpHandler = (request) => {
        if (request.path === "/chat") return echoBytes(request.takeOver(101));
        request.onComplete = outcome.resolve;
        request.reply(200, "x".repeat(100_000));
      };
      return withServer({}, handler, async ({ connect }) => {
        const client = await connect();
        client.send(get("/") + UPGRADE);
        assertEquals((await client.reply()).body.length, 100_000);
        assertEquals(await outcome.promise, true);
      }, backend.newBase());
    });

    it("tells its new owner of an end that has come before", () => {
      const asked = signal<HttpRequest>();
      return withServer({}, asked.resolve, async ({ base, server }) => {
        const [ours, theirs] = PairBufferEvent.create(base);
        theirs.enable(EV_READ);
        server.serveStream(ours);
        theirs.write(UPGRADE);
        const request = await asked.promise;
        theirs.flush(EV_WRITE, BEV_FINISHED);
        await new Promise((resolve) => setTimeout(resolve, 5));
        echoBytes(request.takeOver(101));
        await eventually("the new owner has closed it", () => ours.closed);
        theirs.close();
      }, backend.newBase());
    });
  });
});

/** Sends back what comes, until its end. */
function echoBytes(stream: BufferEvent): void {
  stream.setCallbacks({ read: () => stream.writeBuffer(stream.input), event: () => stream.closeAfterFlush() });
  stream.enable(EV_READ);
}
