import { assert, assertEquals, assertFalse, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import { beforeEach, describe } from "@std/testing/bdd";
import { writeFileSync } from "node:fs";
import {
  BEV_EVENT_CONNECTED,
  BEV_EVENT_EOF,
  BEV_EVENT_ERROR,
  BEV_EVENT_READING,
  BEV_EVENT_TIMEOUT,
  BEV_EVENT_WRITING,
  type BufferEvent,
  EV_READ,
  EV_WRITE,
  type EventBase,
  FilterBufferEvent,
  OpenFile,
  PairBufferEvent,
  type SecureLayer,
  SocketBufferEvent,
} from "../../src/core/mod.ts";
import { engineCount } from "../../src/tls/tls_engine.ts";
import { TlsBufferEvent, TlsContext } from "../../src/tls/mod.ts";
import {
  assertSameBytes,
  deadPort,
  inputText,
  journal,
  listeningSocket,
  pattern,
  resetAndClose,
  settle,
  tcpPair,
  until,
} from "../core/bufferevent_support.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount, writeText } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";
import { acceptOne, clientContext, failureOf, openEnds, serverContext, shakeHands } from "./tls_support.ts";
import { TlsWorkbench } from "./workbench.ts";

function it(title: string, fn: () => void): void {
  itNeeds("openssl", "openssl", title, fn);
}

forEachBackend((backend) => {
  const workbench = new TlsWorkbench(() => backend.newBase());
  const { ends, connected } = workbench;
  let base: EventBase;
  let descriptors: Descriptors;
  let open: BufferEvent[];
  let engines: number;

  beforeEach(() => void ({ base, descriptors, open, engines } = workbench));

  describe("TlsBufferEvent", () => {
    it("is made by a context, for protocols that know only of secure layers", () => {
      const [one, other] = PairBufferEvent.create(base);
      using asking = clientContext();
      using serving = serverContext();
      const layers: readonly SecureLayer[] = [asking, serving];
      const client = layers[0]!.secure(one, { hostname: "localhost" });
      const server = layers[1]!.secure(other);
      open.push(client, server);
      server.enable(EV_READ);
      client.write("secret");
      until(base, () => server.input.length === 6, "the text");
      assertEquals(inputText(server), "secret");
      assertThrows(() => asking.secure(PairBufferEvent.create(base)[0]), TypeError);
    });

    it("carries TLS inside TLS inside a filter, without mixing them up", () => {
      using clients = clientContext();
      using servers = serverContext();
      let [one, other]: [BufferEvent, BufferEvent] = PairBufferEvent.create(base);
      for (let depth = 0; depth < 3; depth++) {
        one = new TlsBufferEvent(new FilterBufferEvent(one), clients, { hostname: "localhost" });
        other = new TlsBufferEvent(new FilterBufferEvent(other), servers);
      }
      open.push(one, other);
      one.enable(EV_READ);
      other.enable(EV_READ);
      const bytes = pattern(300_000);
      one.write(bytes);
      other.write(bytes);
      until(base, () => one.input.length + other.input.length === 2 * bytes.length, "all of it");
      assertSameBytes(one.input.take(), bytes);
      assertSameBytes(other.input.take(), bytes);
      one.close();
      until(base, () => other.closed || !(other.enabled & EV_READ), "the end");
    });

    it("takes a conversation over midway, with the bytes that had come already", () => {
      const [near, far] = descriptors.socketpair();
      const plain = new SocketBufferEvent(base, near, { keepOpen: true });
      const other = new SocketBufferEvent(base, far, { keepOpen: true });
      open.push(plain, other);
      plain.enable(EV_READ);
      other.enable(EV_READ);
      other.write("STARTTLS\r\n");
      using clients = clientContext();
      using servers = serverContext();
      // The client does not wait for an answer.
      const client = new TlsBufferEvent(other, clients, { hostname: "localhost" });
      open.push(client);
      until(base, () => plain.input.search("\r\n") >= 0 && plain.input.length > 100, "the command and a hello");
      assertEquals(plain.input.readLine(), "STARTTLS");
      const server = new TlsBufferEvent(plain, servers);
      open.push(server);
      shakeHands(base, { client, server });
    });

    it("gives the connection underneath back when it is to be kept", () => {
      const { client, server } = connected({ clientEnd: { keepOpen: true }, serverEnd: { keepOpen: true } });
      const below = [client.underlying, server.underlying] as const;
      const told = journal(server);
      server.enable(EV_READ);
      client.close();
      until(base, () => told.length > 0, "the end of TLS");
      assertEquals(told, ["EOF|READING"]);
      server.close();
      assertFalse(below[0].closed || below[1].closed);
      open.push(...below);
      below[1].enable(EV_READ);
      below[0].write("in the clear");
      // The server's own farewell comes first.
      until(base, () => below[1].input.length >= 12, "plain bytes");
      assertEquals(inputText(below[1]), "in the clear");
    });

    it("tells of a connect that fails as it is, and can try again", () => {
      using clients = clientContext();
      using servers = serverContext();
      const client = TlsBufferEvent.overSocket(base, -1, clients, { hostname: "localhost" });
      open.push(client);
      const told = journal(client);
      client.enable(EV_READ);
      client.write("hello");
      client.connect({ family: "ipv4", host: "127.0.0.1", port: deadPort(descriptors) });
      until(base, () => told.length > 0, "the refusal");
      assertEquals([told, client.error?.code], [["ERROR"], "ECONNREFUSED"]);
      // Nobody is waited for any more, so the loop ends.
      base.dispatch();
      const { fd, port } = listeningSocket(descriptors);
      client.connect({ family: "ipv4", host: "127.0.0.1", port });
      const accepted = new SocketBufferEvent(base, acceptOne(base, fd));
      const server = new TlsBufferEvent(accepted, servers);
      open.push(server);
      server.enable(EV_READ);
      until(base, () => server.input.length === 5, "hello");
      assertEquals(told.slice(0, 2), ["ERROR", "CONNECTED"]);
    });

    it("connects once: what has ended or failed is refused, instead of waiting for nobody", () => {
      using clients = clientContext();
      using servers = serverContext();
      for (const [hostname, ending] of [["localhost", "EOF|READING"], ["wrong.example", "ERROR|READING"]] as const) {
        const { fd, port } = listeningSocket(descriptors);
        const address = { family: "ipv4", host: "127.0.0.1", port } as const;
        const client = TlsBufferEvent.overSocket(base, -1, clients, { hostname, closeTimeoutMs: 0 });
        open.push(client);
        const told = journal(client);
        client.enable(EV_READ);
        client.connect(address);
        const server = TlsBufferEvent.overSocket(base, acceptOne(base, fd), servers, { closeTimeoutMs: 0 });
        open.push(server);
        server.enable(EV_READ);
        until(base, () => (client.isSecure && server.isSecure) || told.includes("ERROR|READING"), "the handshake");
        if (client.isSecure) assertThrows(() => client.connect(address), TypeError);
        server.closeAfterFlush();
        until(base, () => told.includes(ending), "the end");
        assertThrows(() => client.connect(address), TypeError);
        client.close();
        assertThrows(() => client.connect(address), TypeError);
      }
    });

    it("has all of its work done in the queue that its priority says", () => {
      using ranked = backend.newBase({ priorities: 3 });
      const { client, server } = openEnds(ranked, descriptors, { clientEnd: { deferCallbacks: true } });
      shakeHands(ranked, { client, server });
      settle(ranked);
      const told = journal(client);
      client.trigger(EV_WRITE);
      settle(ranked);
      client.priority = 0;
      const seen: (number | string)[] = [];
      const other = ranked.event(-1, 0, () => void seen.push(client.output.length, ...told.slice(1)));
      other.activate(EV_READ);
      client.write("first");
      client.trigger(EV_WRITE);
      settle(ranked);
      assertEquals([client.priority, seen], [0, [0, "write"]]);
      for (const each of [client, server, other]) each.close();
    });

    it("times a handshake out, and leaves an established connection alone", () => {
      const { client, server } = ends({ clientEnd: { handshakeTimeoutMs: 20 } });
      server.disable(EV_READ | EV_WRITE);
      const { what, code } = failureOf(base, client);
      assertEquals([what, code], [BEV_EVENT_TIMEOUT | BEV_EVENT_READING, "TLS_HANDSHAKE_TIMEOUT"]);
      const other = connected({ clientEnd: { handshakeTimeoutMs: 300 }, serverEnd: { handshakeTimeoutMs: 300 } });
      const told = journal(other.client);
      base.loopExit(400);
      base.dispatch();
      assertEquals(told, []);
    });

    it("calls a stream that was cut off an error, during the handshake and after it", () => {
      const early = ends();
      early.client.underlying.close();
      assert(early.client.closed);
      const [one, other] = tcpPair(descriptors);
      using servers = serverContext();
      using clients = clientContext();
      const server = TlsBufferEvent.overSocket(base, one, servers, { keepOpen: true, allowDirtyShutdown: true });
      const client = TlsBufferEvent.overSocket(base, other, clients, { keepOpen: true, hostname: "localhost" });
      open.push(server, client);
      server.enable(EV_READ);
      until(base, () => client.underlying.output.length === 0 && server.underlying.output.length === 0, "a start");
      (client.underlying as SocketBufferEvent).endWriting();
      assertEquals(failureOf(base, server), {
        what: BEV_EVENT_ERROR | BEV_EVENT_READING,
        code: "TLS_HANDSHAKE_TRUNCATED",
      });

      const strict = connected();
      (strict.client.underlying as SocketBufferEvent).endWriting();
      assertEquals(failureOf(base, strict.server), {
        what: BEV_EVENT_ERROR | BEV_EVENT_READING,
        code: "TLS_TRUNCATED",
      });
      const lenient = connected({ serverEnd: { allowDirtyShutdown: true } });
      (lenient.client.underlying as SocketBufferEvent).endWriting();
      assertEquals(failureOf(base, lenient.server), { what: BEV_EVENT_EOF | BEV_EVENT_READING, code: "" });
    });

    it("tells of a reset with the system's error", () => {
      const [one, other] = tcpPair(descriptors);
      using clients = clientContext();
      using servers = serverContext();
      const client = TlsBufferEvent.overSocket(base, one, clients, { keepOpen: true, hostname: "localhost" });
      const server = TlsBufferEvent.overSocket(base, other, servers, { keepOpen: true });
      open.push(client, server);
      client.enable(EV_READ);
      server.enable(EV_READ);
      shakeHands(base, { client, server });
      resetAndClose(descriptors, (server.underlying as SocketBufferEvent).takeFd());
      assertEquals(failureOf(base, client).code, "ECONNRESET");
    });

    it("announces its end with close(), and the other side hears of it after the data", () => {
      const { client, server } = connected();
      const told = journal(server);
      client.write("last words");
      client.flush();
      client.close();
      until(base, () => told.includes("EOF|READING"), "the end");
      assertEquals([told, inputText(server)], [["read", "EOF|READING"], "last words"]);
    });

    it("closes after everything was sent, and after the peer has ended", () => {
      const { client, server } = connected({ clientEnd: { closeTimeoutMs: -1 } });
      const bytes = pattern(3_000_000);
      client.write(bytes);
      client.closeAfterFlush();
      const told = journal(server);
      until(base, () => told.includes("EOF|READING"), "the end");
      assertSameBytes(server.input.take(), bytes);
      settle(base);
      assertFalse(client.closed);
      server.closeAfterFlush();
      assert(server.closed);
      until(base, () => client.closed, "both are closed");
    });

    it("does not wait for ever for a peer that never ends", () => {
      const { client, server } = connected({ clientEnd: { closeTimeoutMs: 20 } });
      server.disable(EV_READ);
      client.write("bye");
      client.closeAfterFlush();
      until(base, () => client.closed, "the time is up");
      const idle = ends({ clientEnd: { closeTimeoutMs: 20 } });
      idle.client.closeAfterFlush();
      assert(idle.client.closed);
    });

    it("ends one direction and goes on with the other", () => {
      const { client, server } = connected();
      const told = journal(server);
      client.write("question");
      client.endWriting();
      until(base, () => told.includes("EOF|READING"), "the end of the question");
      assertEquals(inputText(server), "question");
      server.write("answer");
      until(base, () => client.input.length === 6, "the answer");
      client.write("too late");
      settle(base);
      assertEquals(server.input.length, 0);
    });

    it("announces its end once a renegotiation that is under way has ended", () => {
      const reneg = { maxVersion: "TLSv1.2", allowRenegotiation: true } as const;
      for (const end of ["closeAfterFlush", "endWriting"] as const) {
        const { client, server } = connected({ client: reneg, server: reneg, clientEnd: { closeTimeoutMs: 2000 } });
        const told = journal(server);
        client.disable(EV_READ);
        assert(client.renegotiate());
        client[end]();
        until(base, () => told.length > 0, "the end");
        assertEquals([told, server.error], [["EOF|READING"], null], end);
      }
    });

    it("closes though something was written behind its end, which stays unsent", () => {
      for (const closeTimeoutMs of [0, 20]) {
        const { client, server } = connected({ clientEnd: { closeTimeoutMs } });
        const told = journal(server);
        client.disable(EV_READ);
        client.write("in time");
        client.endWriting();
        until(base, () => told.includes("EOF|READING"), "the end");
        client.write("too late");
        client.closeAfterFlush();
        until(base, () => client.closed, "closed");
        assertEquals(inputText(server), "in time");
      }
    });

    it("loses nothing when a callback throws in the middle of what has come", () => {
      const { client, server } = connected();
      let got = "";
      let failures = 2;
      server.setSink({
        receive(bytes, start, end) {
          got += new TextDecoder().decode(bytes.subarray(start, end));
          if (failures-- > 0) throw new Error("on purpose");
        },
      });
      for (const text of ["a", "b", "c", "d"]) {
        client.write(text);
        client.flush();
      }
      let thrown = 0;
      for (let turn = 0; turn < 20 && got.length < 4; turn++) {
        try {
          base.loop(1);
        } catch (error) {
          assertEquals((error as Error).message, "on purpose");
          thrown++;
        }
      }
      assertEquals([got, thrown], ["abcd", 2]);
    });

    it("may be closed in any of its callbacks", () => {
      for (const when of ["connected", "read", "sink", "write", "end"] as const) {
        const both = ends({ over: "pair" });
        const { server, client } = both;
        const stop = (): void => server.close();
        server.setCallbacks({
          event(what) {
            if (what === BEV_EVENT_CONNECTED ? when === "connected" : when === "end") stop();
          },
          read: () => when === "read" && stop(),
          write: () => when === "write" && stop(),
        });
        if (when === "sink") server.setSink({ receive: stop });
        client.write("hello");
        server.write("hello");
        if (when === "end") client.closeAfterFlush();
        until(base, () => server.closed, `closed when ${when}`);
        client.close();
      }
    });

    it("holds what has come while reading is disabled, and goes on when it is enabled", () => {
      const { client, server } = connected();
      server.disable(EV_READ);
      const bytes = pattern(200_000);
      client.write(bytes);
      settle(base);
      assertEquals(server.input.length, 0);
      server.setCallbacks({ read: (end) => end.input.length < 100_000 || end.disable(EV_READ) });
      server.enable(EV_READ);
      until(base, () => server.input.length >= 100_000, "half of it");
      assertEquals(server.enabled & EV_READ, 0);
      const half = server.input.length;
      settle(base);
      assertEquals(server.input.length, half);
      server.setCallbacks({});
      server.enable(EV_READ);
      until(base, () => server.input.length === bytes.length, "the rest");
      assertSameBytes(server.input.take(), bytes);
    });

    it("encrypts no more than a slow reader leaves room for, and tells when its queue has gone", () => {
      const { client, server } = connected();
      server.disable(EV_READ);
      const told = journal(client);
      client.write(pattern(4_000_000));
      settle(base);
      assertLess(client.underlying.output.length, 400_000);
      assert(client.output.length > 3_000_000);
      assertEquals(told, []);
      server.enable(EV_READ);
      until(base, () => server.input.length === 4_000_000, "all of it");
      settle(base);
      assertEquals(told.at(-1), "write");
      assertEquals(client.output.length + client.underlying.output.length, 0);
    });

    it("sends files, and says when one has become shorter", () => {
      const { folder } = testCertificates();
      const bytes = pattern(100_000);
      const path = folder.write("sent.bin", bytes);
      const { client, server } = connected();
      client.write("before ");
      client.output.addFile(OpenFile.open(path).detach(), 0, bytes.length, { closeOnFree: true });
      client.write(" after");
      until(base, () => server.input.length === bytes.length + 13, "the file");
      assertEquals(new TextDecoder().decode(server.input.take(7)), "before ");
      assertSameBytes(server.input.take(bytes.length), bytes);
      assertEquals(inputText(server), " after");
      client.output.addFile(OpenFile.open(path).detach(), 0, bytes.length, { closeOnFree: true });
      writeFileSync(path, "short");
      assertEquals(failureOf(base, client), { what: BEV_EVENT_ERROR | BEV_EVENT_WRITING, code: "EIO" });
    });

    it("speaks for itself where plain text comes instead of TLS", () => {
      const [one, other] = descriptors.socketpair();
      using servers = serverContext();
      const server = TlsBufferEvent.overSocket(base, one, servers, { keepOpen: true });
      open.push(server);
      server.enable(EV_READ);
      writeText(other, "GET / HTTP/1.1\r\n\r\n");
      assertEquals(failureOf(base, server).code, "TLS_HTTP_REQUEST");
    });

    it("refuses what cannot be used, and then leaves the descriptor open", () => {
      const [one] = descriptors.socketpair();
      using clients = clientContext();
      const before = openDescriptorCount();
      assertThrows(() => TlsBufferEvent.overSocket(base, one, clients), TypeError, "hostname");
      assertEquals(openDescriptorCount(), before);
      const [near, far] = PairBufferEvent.create(base);
      near.close();
      assertThrows(() => new TlsBufferEvent(near, clients, { hostname: "a" }), TypeError, "closed");
      assertThrows(() => new TlsBufferEvent(far, clients, { hostname: "a", closeTimeoutMs: NaN }), RangeError);
      const fine = new TlsBufferEvent(far, clients, { hostname: "a" });
      assertThrows(() => fine.connect({ family: "ipv4", host: "127.0.0.1", port: 1 }), TypeError);
      assertStrictEquals(fine.remoteAddress, undefined);
      fine.close();
    });

    it("gives everything back over hundreds of connections, failed ones included", () => {
      using clients = clientContext({ sessionsMax: 8 });
      using servers = serverContext();
      using strangers = TlsContext.client({ ca: testCertificates().server.certificate });
      const before = openDescriptorCount();
      for (let i = 0; i < 150; i++) {
        const [one, other] = new Descriptors().socketpair();
        const client = TlsBufferEvent.overSocket(base, one, i % 3 === 0 ? strangers : clients, {
          hostname: "localhost",
        });
        const server = TlsBufferEvent.overSocket(base, other, servers);
        const finish = (_what: number, end: BufferEvent): void => void (_what === BEV_EVENT_CONNECTED || end.close());
        client.setCallbacks({ event: finish, read: (end) => end.closeAfterFlush() });
        server.setCallbacks({ event: finish, read: (end) => end.writeBuffer(end.input) });
        client.enable(EV_READ);
        server.enable(EV_READ);
        client.write("hello");
        until(base, () => client.closed && server.closed, "both are closed");
      }
      assertEquals([engineCount(), openDescriptorCount()], [engines, before]);
    });
  });
});
