import { allocate, os, WakeChannel, write } from "../ffi/mod.ts";
import { CLOSED, ROUND, RUNG, WRITERS } from "./port_memory.ts";

/** How often {@linkcode PortBell.shut} looks, a millisecond apart, whether the last writer is done. */
const LOOKS_MAX = 20;

/**
 * Channels that a sender of a closed port may still write to, with the cells of each such port. They are used again, and closed
 * once every writer turns out to be done.
 */
const suspects = new Map<WakeChannel, readonly Int32Array<SharedArrayBuffer>[]>();
/** Those of them that no open port of this thread uses. */
const spares: WakeChannel[] = [];

const { EINTR } = os.errno as Record<"EINTR", number>;
const one = allocate(8);
one[0] = 1;

/**
 * How threads wake the loop of a {@linkcode LoopPort}: by writing to a descriptor, but only if nobody has since the loop
 * looked last, and never once the port is closed.
 *
 * The round that a sender stores after its write says "rung" for that round only. A plain flag would stay up for ever if
 * its sender were terminated between raising the flag and writing, and everybody would think that the loop was awake.
 *
 * @internal
 */
export class PortBell {
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #fd: number;

  /** @param fd what to write to. */
  constructor(cells: Int32Array<SharedArrayBuffer>, fd: number) {
    this.#cells = cells;
    this.#fd = fd;
  }

  /** Whether the port was closed. */
  get isShut(): boolean {
    return Atomics.load(this.#cells, CLOSED) !== 0;
  }

  /** Sees to it that the loop looks after this call. Returns false when the port was closed. */
  ring(): boolean {
    const cells = this.#cells;
    const round = Atomics.load(cells, ROUND);
    if (Atomics.load(cells, RUNG) === round) return !this.isShut;
    // The closer sets its flag and then looks at the count; we count and then look at the flag. One of us sees the other.
    Atomics.add(cells, WRITERS, 1);
    const isOpen = !this.isShut;
    // A full channel is as good as a written one; only an interrupted write would be a wake-up lost.
    while (isOpen && write(this.#fd, one, 8) === -EINTR);
    Atomics.sub(cells, WRITERS, 1);
    if (isOpen) Atomics.store(cells, RUNG, round);
    if (this.isShut) Atomics.notify(cells, WRITERS);
    return isOpen;
  }

  /** The loop is about to look: what is rung from now on needs another look. */
  answer(channel: WakeChannel): void {
    // In this order. Whoever believes in the old round has done its part before the loop looks.
    channel.drain();
    Atomics.add(this.#cells, ROUND, 1);
  }

  /**
   * Closes the channel as soon as nobody writes to it any more. A write takes microseconds, so a sender that has not
   * finished after 20 ms was terminated in it, or gets no processor time, and nobody can tell which. The descriptor then
   * stays open and goes to the next port of this thread: a late write is one needless look there, and hits no other file.
   * When that port is closed the writer is asked for again, so that one that was merely slow costs no descriptor in the end.
   */
  shut(channel: WakeChannel): void {
    const cells = this.#cells;
    Atomics.store(cells, CLOSED, 1);
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const writers = Atomics.load(cells, WRITERS);
      if (writers === 0) break;
      Atomics.wait(cells, WRITERS, writers, 1);
    }
    suspects.set(channel, [...suspects.get(channel) ?? [], cells]);
    if (isSuspect(channel)) spares.push(channel);
    else channel.close();
  }
}

/** Whether some sender of a closed port may still write to `channel`. A writer that comes later sees that its port is closed. */
function isSuspect(channel: WakeChannel): boolean {
  const unfinished = suspects.get(channel)?.filter((cells) => Atomics.load(cells, WRITERS) !== 0) ?? [];
  if (unfinished.length > 0) suspects.set(channel, unfinished);
  else suspects.delete(channel);
  return unfinished.length > 0;
}

/** A channel for a new port, or `-errno`. It may be readable already. */
export function openChannel(): WakeChannel | number {
  return spares.pop() ?? WakeChannel.open();
}
