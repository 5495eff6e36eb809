import { copyOf } from "./copy_of.ts";
import type { DatagramRoute } from "./datagram_route.ts";

/** A datagram that waits, in memory of its own. */
export interface QueuedDatagram {
  /** Its contents. */
  readonly data: Uint8Array;
  /** Where it goes; null: to whom the socket is connected. */
  readonly route: DatagramRoute | null;
  /** Its address as a string, to tell destinations apart. */
  readonly key: string;
}

/** The address of a route as a string, one character per byte. */
export function routeKey(route: DatagramRoute | null): string {
  if (route === null) return "";
  return String.fromCharCode(...route.names.subarray(route.nameAt, route.nameAt + route.nameLength));
}

/**
 * Datagrams that wait until the kernel takes more, first in first out.
 *
 * @internal
 */
export class DatagramQueue {
  readonly #bytesMax: number;
  readonly #countMax: number;
  #entries: QueuedDatagram[] = [];
  // Where the first one stands; what is before it has gone.
  #first = 0;
  #bytes = 0;
  readonly #perKey = new Map<string, number>();

  constructor(bytesMax: number, countMax: number) {
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  /** How many wait. */
  get count(): number {
    return this.#entries.length - this.#first;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `count` more with `bytes` together would stay within the limits. */
  hasRoom(count: number, bytes: number): boolean {
    return this.count + count <= this.#countMax && this.#bytes + bytes <= this.#bytesMax;
  }

  /** Whether any of them goes where `key` says. */
  holds(key: string): boolean {
    return this.#perKey.has(key);
  }

  /** Appends a copy. */
  push(data: Uint8Array, route: DatagramRoute | null): void {
    const key = routeKey(route);
    this.#entries.push({ data: copyOf(data), route: copyRoute(route), key });
    this.#bytes += data.length;
    this.#perKey.set(key, (this.#perKey.get(key) ?? 0) + 1);
  }

  /** The one that is `index` behind the first. */
  at(index: number): QueuedDatagram | undefined {
    return this.#entries[this.#first + index];
  }

  /** Takes the first `count` out. */
  shift(count: number): void {
    for (let index = 0; index < count; index++) this.#forget(this.#entries[this.#first++]!);
    if (this.#first === this.#entries.length) this.#entries = [];
    // Moved now and then only, so that each datagram is moved once on average.
    else if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
    } else return;
    this.#first = 0;
  }

  /** Takes those out for which `isDone` says so, in order. */
  removeWhere(isDone: (entry: QueuedDatagram) => boolean): void {
    const waiting = this.#entries.slice(this.#first);
    this.#entries = [];
    this.#first = 0;
    for (const entry of waiting) {
      if (isDone(entry)) this.#forget(entry);
      else this.#entries.push(entry);
    }
  }

  #forget({ data, key }: QueuedDatagram): void {
    this.#bytes -= data.length;
    const left = this.#perKey.get(key)! - 1;
    if (left === 0) this.#perKey.delete(key);
    else this.#perKey.set(key, left);
  }
}

function copyRoute(route: DatagramRoute | null): DatagramRoute | null {
  if (route === null) return null;
  const { names, nameAt, nameLength, controls, controlAt, controlLength } = route;
  return {
    names: names.slice(nameAt, nameAt + nameLength),
    nameAt: 0,
    nameLength,
    controls: controls.slice(controlAt, controlAt + controlLength),
    controlAt: 0,
    controlLength,
  };
}
