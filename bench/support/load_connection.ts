import { BEV_EVENT_CONNECTED, type ByteSink, EV_READ, type EventBase, SocketBufferEvent } from "../../mod.ts";

/** What all connections of one load share. */
export interface LoadPlan {
  /** Requests sent at once on a connection; the next batch goes out when all of them have been answered. */
  readonly depth: number;
  /** The body every response must have, byte for byte. */
  readonly body: Uint8Array;
  /** Says how many requests to send next, `depth` at most; 0: the connection is done. */
  take(): number;
  /** A response was right and took this long, in milliseconds. */
  answered(latencyMs: number): void;
  /** Something was not as it must be; the load ends with that. */
  failed(why: string): void;
  /** A connection has nothing more to do. */
  done(): void;
}

const CR = 13, LF = 10;
const STATUS = new TextEncoder().encode("HTTP/1.1 200 ");
const decoder = new TextDecoder();
const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");

/**
 * One keep-alive connection that sends requests and looks at every byte that matters of every response: status, length
 * and content of the body, and that nothing comes unasked.
 */
export class LoadConnection implements ByteSink {
  readonly #plan: LoadPlan;
  readonly #stream: SocketBufferEvent;
  readonly #batch: Uint8Array;
  // Bytes of a response that has not come completely.
  #rest: Uint8Array = new Uint8Array(0);
  #outstanding = 0;
  #sentAtMs = 0;
  #isDone = false;
  // The last head, up to its end, and what it said: most servers repeat it for a second.
  #knownHead: Uint8Array = new Uint8Array(0);

  /** Connects to `port` on 127.0.0.1; requests begin with {@linkcode LoadConnection.send}. */
  constructor(base: EventBase, port: number, plan: LoadPlan, connected: () => void) {
    this.#plan = plan;
    this.#batch = repeat(REQUEST, plan.depth);
    this.#stream = new SocketBufferEvent(base);
    this.#stream.setSink(this);
    this.#stream.setCallbacks({
      event: (what) => {
        if ((what & BEV_EVENT_CONNECTED) !== 0) connected();
        else if (!this.#isDone) plan.failed(`the connection ended: ${this.#stream.error?.message ?? "end of stream"}`);
      },
    });
    this.#stream.connect({ family: "ipv4", host: "127.0.0.1", port });
    this.#stream.enable(EV_READ);
  }

  /** Sends the next batch, or ends the connection when the plan has none. */
  send(): void {
    const count = this.#plan.take();
    if (count === 0) {
      this.#isDone = true;
      this.#stream.close();
      this.#plan.done();
      return;
    }
    this.#outstanding = count;
    this.#sentAtMs = performance.now();
    this.#stream.write(count === this.#plan.depth ? this.#batch : this.#batch.subarray(0, count * REQUEST.length));
  }

  receive(received: Uint8Array, from: number, to: number): void {
    let [bytes, at, end] = [received, from, to];
    if (this.#rest.length > 0) {
      bytes = joined(this.#rest, received.subarray(from, to));
      [at, end] = [0, bytes.length];
      this.#rest = new Uint8Array(0);
    }
    while (at < end) {
      const size = this.#responseSize(bytes, at, end);
      if (size < 0) return;
      if (size === 0) {
        this.#rest = bytes.slice(at, end);
        return;
      }
      if (this.#outstanding === 0) return this.#plan.failed("a response came that nobody had asked for");
      at += size;
      this.#outstanding--;
      this.#plan.answered(performance.now() - this.#sentAtMs);
    }
    if (this.#outstanding === 0) this.send();
  }

  /** Bytes of the response at `at`; 0: it is not complete yet, -1: it was wrong and that has been told. */
  #responseSize(bytes: Uint8Array, at: number, end: number): number {
    const { body } = this.#plan;
    const headSize = this.#headSize(bytes, at, end);
    if (headSize <= 0) return headSize;
    const size = headSize + body.length;
    if (end - at < size) return 0;
    if (!startsWith(bytes, at + headSize, body)) return this.#wrong("another body than expected", bytes, at, end);
    return size;
  }

  #headSize(bytes: Uint8Array, at: number, end: number): number {
    const known = this.#knownHead;
    if (known.length > 0 && end - at >= known.length && startsWith(bytes, at, known)) return known.length;
    const bodyAt = behindHead(bytes, at, end);
    if (bodyAt < 0) return 0;
    if (!startsWith(bytes, at, STATUS)) return this.#wrong("another status than 200", bytes, at, end);
    const text = decoder.decode(bytes.subarray(at, bodyAt));
    const lengths = [...text.matchAll(/\r\ncontent-length: *(\d+)(?=\r)/gi)];
    if (lengths.length !== 1 || Number(lengths[0]![1]) !== this.#plan.body.length) {
      return this.#wrong("another Content-Length than expected", bytes, at, end);
    }
    this.#knownHead = bytes.slice(at, bodyAt);
    return bodyAt - at;
  }

  #wrong(what: string, bytes: Uint8Array, at: number, end: number): -1 {
    const shown = JSON.stringify(decoder.decode(bytes.subarray(at, Math.min(end, at + 300))));
    this.#plan.failed(`a response has ${what}: ${shown}`);
    return -1;
  }
}

/** Index behind the empty line that ends a head, -1 without one. */
function behindHead(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at + 3; i < end; i++) {
    if (bytes[i] === LF && bytes[i - 1] === CR && bytes[i - 2] === LF && bytes[i - 3] === CR) return i + 1;
  }
  return -1;
}

function startsWith(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) {
    if (bytes[at + i] !== expected[i]) return false;
  }
  return true;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(new ArrayBuffer(first.length + second.length));
  all.set(first);
  all.set(second, first.length);
  return all;
}

function repeat(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(new ArrayBuffer(bytes.length * count));
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}
