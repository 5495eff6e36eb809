/** TLS that has shaken hands and goes on in another connection. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { BEV_EVENT_CONNECTED, type BufferEvent, EV_READ, EV_WRITE, type EventBase } from "../../src/core/mod.ts";
import { engineCount } from "../../src/tls/tls_engine.ts";
import { type OpenTls, TlsBufferEvent } from "../../src/tls/mod.ts";
import { assertRejectsWith, eventually } from "../core/async_support.ts";
import { assertSameBytes, inputText, journal, pattern, settle, until } from "../core/bufferevent_support.ts";
import { assertNoneLeft } from "../faults/waiting.ts";
import { forEachBackend } from "../support/backends.ts";
import { Descriptors, openDescriptorCount } from "../support/descriptors.ts";
import { itNeeds } from "../support/requires.ts";
import { testCertificates } from "./certificate_folder.ts";
import { type Ends, failureOf, openEnds, shakeHands } from "./tls_support.ts";

function it(title: string, fn: () => void | Promise<void>): void {
  itNeeds("openssl", "openssl", title, fn);
}

forEachBackend((backend) => {
  for (const over of ["sockets", "pair"] as const) {
    describe(`TLS that goes on in another connection, over ${over}`, () => {
      let base: EventBase;
      let descriptors: Descriptors;
      let open: (BufferEvent | OpenTls)[];
      let client: TlsBufferEvent;
      let server: TlsBufferEvent;
      let descriptorsBefore: number;
      let enginesBefore: number;

      beforeEach(() => {
        testCertificates();
        descriptorsBefore = openDescriptorCount();
        enginesBefore = engineCount();
        base = backend.newBase();
        descriptors = new Descriptors();
        open = [];
        ({ client, server } = ends());
        shakeHands(base, { client, server });
      });
      afterEach(() => {
        for (const thing of open) thing.close();
        descriptors[Symbol.dispose]();
        base.close();
        assertNoneLeft(descriptorsBefore);
        assertEquals(engineCount(), enginesBefore);
      });

      function ends(): Ends {
        const ends = openEnds(base, over === "sockets" ? descriptors : null);
        open.push(ends.client, ends.server, ends.client.underlying, ends.server.underlying);
        return ends;
      }

      /** The same in a connection of its own over the same one; it reads and writes. */
      function moved(end: TlsBufferEvent): TlsBufferEvent {
        const next = new TlsBufferEvent(end.underlying, end.detach(), { closeTimeoutMs: 0 });
        next.enable(EV_READ | EV_WRITE);
        open.push(next);
        return next;
      }

      it("needs no event to say that it is open, and knows what was agreed on", () => {
        const next = moved(server);
        const told = journal(next);
        assert(server.closed && !next.closed && next.isConnected);
        assertEquals([next.version, next.details.serverName], ["TLSv1.3", "localhost"]);
        client.write("hello");
        until(base, () => next.input.length === 5, "hello");
        assertEquals(told, ["read"]);
        next.closeAfterFlush();
        assertEquals(failureOf(base, client).code, "");
      });

      it("takes along what was received and not read, and written and not sent", () => {
        client.write("received ");
        until(base, () => server.input.length === 9, "the first part");
        server.disable(EV_READ | EV_WRITE);
        server.write("queued");
        client.write("and held");
        settle(base);
        const next = moved(server);
        const told = journal(next);
        until(base, () => next.input.length === 17 && client.input.length === 6, "all of it");
        assertEquals([inputText(next), inputText(client)], ["received and held", "queued"]);
        assertEquals(told[0], "read");
      });

      it("takes along a record that was read in part, and those behind it", () => {
        const bytes = pattern(100_000);
        server.setWatermark(EV_READ, 0, 1000);
        client.write(bytes);
        until(base, () => server.input.length === 1000, "as much as it may hold");
        const next = moved(server);
        until(base, () => next.input.length === bytes.length, "all of it");
        assertSameBytes(next.input.take(), bytes);
      });

      it("may change hands while a read is under way, over and over", () => {
        let holder = server;
        let text = "";
        let changes = 0;
        function hold(next: TlsBufferEvent): void {
          holder = next;
          next.setSink({
            receive(bytes, start, end) {
              text += new TextDecoder().decode(bytes.subarray(start, end));
              changes++;
              hold(moved(next));
            },
          });
        }
        hold(server);
        // Records of their own, which lie behind each other when they are read.
        for (let i = 0; i < 10; i++) {
          client.write(String(i));
          client.flush();
        }
        until(base, () => changes === 10, "all records");
        assertEquals(text, "0123456789");
        holder.write("done");
        until(base, () => client.input.length === 4, "the answer");
      });

      it("may be taken out as soon as the handshake has ended", () => {
        const late = ends();
        let next: TlsBufferEvent | null = null;
        late.server.setCallbacks({
          event(what, end) {
            if (what === BEV_EVENT_CONNECTED) next = moved(end);
          },
        });
        late.client.write("early");
        until(base, () => next?.input.length === 5, "what came right behind the handshake");
        assertEquals(inputText(next!), "early");
      });

      it("rejects who waits for the old connection, whose bytes have not left", async () => {
        client.disable(EV_WRITE);
        client.write("later");
        const waiting = [client.flushed(), client.readExactly(1)];
        let over = 0;
        for (const promise of waiting) promise.catch(() => over++);
        const next = moved(client);
        await eventually(() => over === 2, "both are rejected");
        for (const promise of waiting) await assertRejectsWith(promise, "CLOSED");
        until(base, () => server.input.length === 5, "the bytes");
        await next.flushed();
      });

      it("is given up without a word to the peer", () => {
        using tls = client.detach();
        assert(!tls.closed && tls.details.version === "TLSv1.3");
        tls.close();
        assert(tls.closed);
        assertEquals(engineCount(), enginesBefore + 1);
        client.underlying.endWriting();
        assertEquals(failureOf(base, server).code, "TLS_TRUNCATED");
        assertThrows(() => new TlsBufferEvent(server.underlying, tls), TypeError, "was closed");
      });

      it("goes on in one connection only", () => {
        const tls = client.detach();
        const next = new TlsBufferEvent(client.underlying, tls, { closeTimeoutMs: 0 });
        open.push(next);
        assert(tls.closed);
        assertThrows(() => new TlsBufferEvent(client.underlying, tls), TypeError, "in use");
        tls.close();
        next.write("still there");
        until(base, () => server.input.length === 11, "the bytes");
      });

      it("cannot be taken out before the handshake, at an end, after a failure or from within what is being sent", () => {
        const refuse = (end: TlsBufferEvent): unknown => assertThrows(() => end.detach(), TypeError, "Cannot detach");
        const early = ends();
        refuse(early.client);

        let refused = 0;
        const entry = client.output.addCallback((_buffer, { deleted }) => {
          if (deleted > 0) refused += refuse(client) === undefined ? 0 : 1;
        });
        client.write("x");
        until(base, () => server.input.length === 1, "a byte");
        assertEquals(refused, 1);
        client.output.removeCallback(entry);

        client.endWriting();
        refuse(client);
        const told = journal(server);
        until(base, () => told.includes("EOF|READING"), "the end");
        refuse(server);
        client.close();
        refuse(client);
      });
    });
  }
});
