import { runtime } from "./platform.ts";
import { mapMemory, unmapMemory } from "./process.ts";

/**
 * Memory outside the JavaScript heap, for what another thread hands to the kernel: a buffer of the heap is freed with its
 * thread, when a Worker is terminated for instance, and a call that is still under way would write into what comes to lie there.
 * Memory that nobody gives back stays mapped instead.
 */
export class MappedBytes {
  /** The memory, zeros at first. Not to be touched after {@linkcode MappedBytes.unmap}. */
  readonly bytes: Uint8Array;
  readonly #address: number;

  private constructor(address: number, length: number) {
    this.#address = address;
    this.bytes = new Uint8Array(runtime.viewAt(address, length));
  }

  /** Maps `length` bytes, or returns `-errno`. */
  static map(length: number): MappedBytes | number {
    const address = mapMemory(length);
    return address < 0 ? address : new MappedBytes(address, length);
  }

  /** Gives the memory back. No call may be using it. */
  unmap(): void {
    unmapMemory(this.#address, this.bytes.length);
  }
}
