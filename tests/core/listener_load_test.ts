import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EV_READ, type EventBase, Listener, SocketBufferEvent } from "../../src/core/mod.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { backendsUnderTest } from "../support/backends.ts";
import { openDescriptorCount } from "../support/descriptors.ts";
import { garbageCollector } from "../support/garbage.ts";
import { runScript } from "../support/run_script.ts";
import { until } from "./bufferevent_support.ts";

/** Runs out of descriptors with 20 clients waiting, lets some time pass, then gives the descriptors back. */
const starving = `
import { EventBase, Listener } from "../../src/core/mod.ts";
import { allocate, close, connect, dup, encodeSocketAddress, os, setDescriptorLimit, socket } from "../../src/ffi/mod.ts";

const PAUSES = 4;
const base = new EventBase();
const errors = [];
let accepted = 0;
let turns = 0;
const listener = new Listener(base, { port: 0, onError: (error) => errors.push(error.code) }, (fd) => {
  accepted++;
  close(fd);
});
const address = allocate(128);
const length = encodeSocketAddress(listener.address, address);
for (let count = 0; count < 20; count++) connect(socket(os.constants.AF_INET, os.constants.SOCK_STREAM, 0), address, length);
setDescriptorLimit(64);
const hoard = [];
for (let fd = dup(listener.fd); fd >= 0; fd = dup(listener.fd)) hoard.push(fd);
const started = base.now();
while (errors.length < PAUSES) {
  base.loop(1);
  turns++;
}
const elapsed = base.now() - started;
const during = accepted;
const wasEnabled = listener.enabled;
for (const fd of hoard) close(fd);
base.loopExit(10_000);
while (accepted < 20 && !base.gotExit) base.loop(1);
console.log(JSON.stringify({ errors, accepted, during, turns, elapsed, wasEnabled, hoarded: hoard.length }));
`;

/** How many of `references` are dead after some full collections. */
async function collected(references: readonly WeakRef<object>[]): Promise<number> {
  const collect = garbageCollector();
  let dead = 0;
  for (let attempt = 0; attempt < 10 && dead < references.length * 0.9; attempt++) {
    // A weak reference that was made or read in this task stays alive until the task ends.
    await new Promise((resolve) => setTimeout(resolve, 1));
    collect();
    dead = references.filter((reference) => reference.deref() === undefined).length;
  }
  return dead;
}

describe("a listener without descriptors to give", () => {
  it("pauses, tells, lets connections wait, and takes them up by itself", async () => {
    const { code, stdout, stderr } = await runScript(starving);
    assertEquals(stderr, "");
    assertEquals(code, 0);
    const { errors, accepted, during, turns, elapsed, wasEnabled, hoarded } = JSON.parse(stdout);
    assertEquals(errors, ["EMFILE", "EMFILE", "EMFILE", "EMFILE"]);
    assertEquals(during, 0);
    assertEquals(accepted, 20);
    assert(wasEnabled);
    assertGreaterOrEqual(hoarded, 1);
    // Four attempts with three pauses between them, and per attempt a turn for the socket and one for the timer.
    assertGreaterOrEqual(elapsed, 150);
    assertLessOrEqual(turns, 10);
  });
});

describe("2,000 connections that come and go", () => {
  for (const backend of backendsUnderTest) {
    it(`leave nothing behind with ${backend.name}${backend.isDouble ? " (a double of it)" : ""}`, async () => {
      using base: EventBase = backend.newBase();
      const reactor = reactorOf(base);
      const references: WeakRef<object>[] = [];
      let ended = 0;
      using listener = new Listener(base, { port: 0 }, (fd) => {
        const server = new SocketBufferEvent(base, fd);
        references.push(new WeakRef(server));
        server.setTimeouts(60_000, 60_000);
        server.setCallbacks({
          read: (server) => {
            server.writeBuffer(server.input);
            server.closeAfterFlush();
          },
        });
        server.enable(EV_READ);
      });
      const round = (): void => {
        const client = new SocketBufferEvent(base);
        references.push(new WeakRef(client));
        client.setTimeouts(60_000, 60_000);
        client.setCallbacks({
          event: (_what, client) => {
            if (client.remoteAddress !== undefined && client.input.length === 0) return;
            assertEquals(client.input.length, 4);
            client.close();
            ended++;
          },
        });
        client.enable(EV_READ);
        client.connect(listener.address);
        client.write("ping");
        const target = ended + 1;
        until(base, () => ended === target, "the round");
      };
      for (let count = 0; count < 50; count++) round();
      const descriptors = openDescriptorCount();
      const pending = reactor.pendingCount;
      for (let count = 0; count < 2000; count++) round();
      assertEquals(openDescriptorCount(), descriptors);
      assertEquals(reactor.pendingCount, pending);
      assertEquals(reactor.activeCount, 0);
      // Not all: an engine that scans the stack for what looks like a pointer may take some for used.
      assertGreaterOrEqual(await collected(references), references.length * 0.9);
    });
  }
});

describe("2,000 listeners that come and go", () => {
  for (const backend of backendsUnderTest) {
    it(`leave nothing behind with ${backend.name}${backend.isDouble ? " (a double of it)" : ""}`, () => {
      using base: EventBase = backend.newBase();
      const folder = mkdtempSync(join(tmpdir(), "evbase-listeners-"));
      try {
        const reactor = reactorOf(base);
        const controller = new AbortController();
        const before = openDescriptorCount();
        const { pendingCount } = reactor;
        for (let round = 0; round < 2000; round++) {
          const where = round % 4 === 0 ? { path: join(folder, "socket"), mode: 0o600 } : { port: 0 };
          const listener = new Listener(base, { ...where, signal: controller.signal }, () => {});
          if (round % 2 === 0) listener.disable();
          if (round % 3 === 0) listener.setCallback(null);
          listener.close();
        }
        assertEquals(openDescriptorCount(), before);
        assertEquals(reactor.pendingCount, pendingCount);
        assertEquals(readdirSync(folder), []);
        controller.abort();
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});
