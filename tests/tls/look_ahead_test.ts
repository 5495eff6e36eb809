/** What lies underneath and was not read yet: only looking into it tells what it is. */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { EV_READ, EV_WRITE, EventBase, PairBufferEvent, SocketBufferEvent } from "../../src/core/mod.ts";
import { TlsBufferEvent } from "../../src/tls/mod.ts";
import { inputText, settle, until } from "../core/bufferevent_support.ts";
import { Descriptors } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { clientContext, serverContext } from "./tls_support.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

/** A client over a socket, and a server whose bytes go there only when they are passed on. */
interface Ends {
  readonly base: EventBase;
  readonly client: TlsBufferEvent;
  readonly server: TlsBufferEvent;
  /** Passes on so many bytes of the server's, all by default, without turning the loop. */
  pass(count?: number): void;
}

function withEnds(body: (ends: Ends) => void): void {
  using base = new EventBase();
  using descriptors = new Descriptors();
  using clients = clientContext();
  using servers = serverContext({ minVersion: "TLSv1.3" });
  const [one, other] = descriptors.socketpair().map((fd) => new SocketBufferEvent(base, fd, { keepOpen: true }));
  const [below, wire] = PairBufferEvent.create(base);
  using server = new TlsBufferEvent(below, servers, { closeTimeoutMs: 0 });
  using client = new TlsBufferEvent(one!, clients, { hostname: "localhost", closeTimeoutMs: 0 });
  for (const end of [client, server, wire, other!]) end.enable(EV_READ | EV_WRITE);
  const toServer = (): void => void wire.writeBuffer(other!.input);
  other!.setCallbacks({ read: toServer });
  const pass = (count = Infinity): void => {
    settle(base);
    wire.input.removeBuffer(other!.output, count);
    other!.flush();
  };
  until(base, () => {
    if (!client.isSecure) pass();
    return client.isSecure && server.isSecure;
  }, "both have shaken hands");
  body({ base, client, server, pass });
  other!.close();
  wire.close();
}

describe("Looking ahead below TLS", () => {
  it("finds no data in tickets for sessions, and data behind them", () =>
    withEnds(({ base, client, server, pass }) => {
      pass();
      assertEquals(client.underlying.lookAhead(), 1);
      assertEquals(client.lookAhead(), 0);
      assertEquals([client.underlying.lookAhead(), client.isSecure], [0, true]);
      server.write("data");
      pass();
      assertEquals(client.lookAhead(), 1);
      assertEquals(inputText(client), "data");
      settle(base);
      assertEquals([inputText(client), client.lookAhead()], ["", 0]);
    }));

  it("finds what was fed in part, and the end", () =>
    withEnds(({ base, client, server, pass }) => {
      server.write("data");
      pass();
      settle(base);
      assertEquals([inputText(client), client.lookAhead()], ["data", 0]);
      server.write("more");
      for (const count of [3, 10]) {
        pass(count);
        assertEquals([client.lookAhead(), inputText(client)], [1, ""]);
        settle(base);
        assertEquals([client.lookAhead(), inputText(client)], [1, ""]);
      }
      pass();
      assertEquals([client.lookAhead(), inputText(client), client.lookAhead()], [1, "more", 0]);
      server.close();
      pass();
      assertEquals(client.lookAhead(), -1);
    }));

  it("finds the records that came together with the one that is being read", () =>
    withEnds(({ base, client, server, pass }) => {
      const seen: string[] = [];
      client.setSink({ receive: () => void seen.push(`${client.lookAhead()}`) });
      for (const part of ["a", "b", "c"]) {
        server.write(part);
        server.flush();
      }
      pass();
      settle(base);
      assertEquals(seen, ["1", "1", "0"]);
      assert(client.isSecure);
    }));
});
