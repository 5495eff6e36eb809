/**
 * What does it cost to send bytes through buffers: add, write to a socket, read on the other side, drain? An EvBuffer beside the
 * plain list of arrays that one would write without it.
 *
 * Tiny by default: it then only says that all bytes arrive. `EVBASE_BENCH=full` measures on the runtime that runs it.
 */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EvBuffer } from "../mod.ts";
import { allocate, close, os, read, runtime, socketpair, write } from "../src/ffi/mod.ts";
import { isFull, rounds } from "./support/settings.ts";
import { interleaved, timeMs } from "./support/stopwatch.ts";
import { figure, markdownTable } from "./support/table.ts";

/** Pieces added before each write, and the bytes of each. */
interface Shape {
  readonly pieces: number;
  readonly bytes: number;
}

const shapes: Shape[] = [{ pieces: 1, bytes: 64 }, { pieces: 16, bytes: 64 }, { pieces: 4, bytes: 4096 }];
const repeats = isFull ? 50_000 : 20;
const pair = new Int32Array(2);
/** Where the arrays' side receives; what came is then copied out, as it would be by anyone who keeps it. */
const scratch = allocate(65_536);

function throughEvBuffers(piece: Uint8Array, pieces: number): number {
  using out = new EvBuffer();
  using into = new EvBuffer();
  let arrived = 0;
  for (let i = 0; i < repeats; i++) {
    for (let k = 0; k < pieces; k++) out.add(piece);
    while (out.length > 0) {
      if (out.writeTo(pair[0]!) < 0 || into.readFrom(pair[1]!, 65_536) < 0) throw new Error("The sockets do not work");
      arrived += into.drain(Infinity);
    }
  }
  return arrived;
}

function throughArrays(piece: Uint8Array, pieces: number): number {
  let arrived = 0;
  for (let i = 0; i < repeats; i++) {
    const list: Uint8Array[] = [];
    for (let k = 0; k < pieces; k++) list.push(piece.slice());
    const all = allocate(piece.length * pieces);
    list.forEach((one, k) => all.set(one, k * piece.length));
    if (write(pair[0]!, all, all.length) !== all.length) throw new Error("The sockets do not work");
    for (let rest = all.length; rest > 0;) {
      const count = read(pair[1]!, scratch, scratch.length);
      if (count <= 0) throw new Error("The sockets do not work");
      rest -= count;
      arrived += scratch.slice(0, count).length;
    }
  }
  return arrived;
}

describe("bytes through buffers and a socket", () => {
  for (const { pieces, bytes } of shapes) {
    it(`all arrive: ${pieces} times ${bytes} bytes at once`, () => {
      const { AF_UNIX, SOCK_STREAM } = os.constants;
      assertEquals(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
      try {
        const piece = allocate(bytes).fill(97);
        const timed = (work: (piece: Uint8Array, pieces: number) => number) => (): number => {
          let arrived = 0;
          const ms = timeMs(() => arrived = work(piece, pieces));
          assertEquals(arrived, repeats * pieces * bytes);
          return ms;
        };
        const subjects = new Map([["EvBuffer", timed(throughEvBuffers)], ["list of arrays", timed(throughArrays)]]);
        const found = interleaved(subjects, repeats, rounds);
        assertEquals(found.size, 2);
        if (!isFull) return;
        const rows = [...found].map(([name, ns]) => [name, figure(ns, 0), figure(ns / found.get("EvBuffer")!)]);
        const title = `${pieces} x ${bytes} bytes, on ${runtime.name}`;
        console.log(`\n${markdownTable([title, "ns/round trip", "times EvBuffer"], rows)}\n`);
      } finally {
        pair.forEach((fd) => close(fd));
      }
    });
  }
});
