import { pipe, read, write } from "./files.ts";
import { sys } from "./libc.ts";
import { os } from "./platform.ts";
import { openEventfd } from "./waiting.ts";
import { allocate } from "./strings.ts";

const { EINTR } = os.errno as Record<"EINTR", number>;

// An eventfd takes exactly eight bytes; a pipe takes them as well.
const one = allocate(8);
one[0] = 1;

/** A descriptor pair through which any thread wakes a loop: an eventfd, or a pipe where there is none. */
export class WakeChannel {
  /** Becomes readable after {@linkcode WakeChannel.signal}. */
  readonly readFd: number;
  /** What other threads write to. The same as `readFd` for an eventfd. */
  readonly writeFd: number;
  readonly #sink: Uint8Array = allocate(512);

  private constructor(readFd: number, writeFd: number) {
    this.readFd = readFd;
    this.writeFd = writeFd;
  }

  /** Opens a channel, or returns `-errno`. */
  static open(): WakeChannel | number {
    const eventfd = openEventfd();
    if (eventfd !== undefined) return eventfd < 0 ? eventfd : new WakeChannel(eventfd, eventfd);
    const pair = new Int32Array(2);
    const result = pipe(pair);
    return result < 0 ? result : new WakeChannel(pair[0]!, pair[1]!);
  }

  /** Wakes the loop. A full channel is as good as a written one; only an interrupted write would be a wake-up lost. */
  signal(): void {
    while (write(this.writeFd, one, 8) === -EINTR);
  }

  /** Empties the channel. Where that fails it stays readable, so that whoever watches it tries again. */
  drain(): void {
    while (read(this.readFd, this.#sink, this.#sink.length) === this.#sink.length);
  }

  /** Closes both ends. */
  close(): void {
    sys.close(this.readFd);
    if (this.writeFd !== this.readFd) sys.close(this.writeFd);
  }
}
