/**
 * The headers of messages, as `sendmmsg` and `recvmmsg` take them.
 *
 * @module
 */

import { errno, sys, sysMmsg } from "./libc.ts";
import { os } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { allocate, putAddress } from "./strings.ts";

const { mmsghdr, msghdr } = os.structs;
const { MSG_DONTWAIT, MSG_TRUNC } = os.constants;

// Where the members stand, in 32-bit words. The high halves of lengths stay zero from the start.
const NAME = msghdr.fields.name.offset >> 2;
const NAME_LENGTH = msghdr.fields.namelen.offset >> 2;
const IOV = msghdr.fields.iov.offset >> 2;
const IOV_COUNT = msghdr.fields.iovlen.offset >> 2;
const CONTROL = msghdr.fields.control.offset >> 2;
const CONTROL_LENGTH = msghdr.fields.controllen.offset >> 2;
const FLAGS = msghdr.fields.flags.offset >> 2;
// Without mmsghdr the length has a place of our own behind each header.
const LENGTH = (mmsghdr?.fields.len.offset ?? msghdr.size) >> 2;
const STRIDE_BYTES = mmsghdr?.size ?? msghdr.size + 8;
const STRIDE = STRIDE_BYTES >> 2;

const { EAGAIN, EINTR } = os.errno as Record<"EAGAIN" | "EINTR", number>;

// On Linux the flag also asks for the length that a cut datagram really had.
const RECEIVE_FLAGS = MSG_DONTWAIT | (os.name === "linux" ? MSG_TRUNC : 0);

/** The system calls that move many messages at once. */
export interface ManyMessageCalls {
  /** Receives up to `count` messages. */
  recvmmsg(fd: number, headers: Uint8Array | null, count: number, flags: number, timeout: Uint8Array | null): number;
  /** Sends up to `count` messages. */
  sendmmsg(fd: number, headers: Uint8Array | null, count: number, flags: number): number;
}

/**
 * One header per message: where its address, its contents and its ancillary data are. Where the system moves one message per call
 * only, the same headers go through `recvmsg` and `sendmsg`. Whoever stores an address here keeps the memory.
 */
export class MessageHeaders {
  readonly #headers: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array;
  /** One view per header, for systems that take them one by one. */
  readonly #single: readonly Uint8Array[];
  /** What takes many at once; undefined where they go one by one. */
  readonly #many: ManyMessageCalls | undefined;

  /**
   * After a call that took some: `-errno` when the next message met an error that the kernel will not tell again, else 0. Only where
   * messages go one by one; the calls for many keep the error for their next call.
   */
  failedBehind = 0;

  /** @param many the system calls to use; null: one by one. */
  constructor(count: number, many: ManyMessageCalls | null = sysMmsg ?? null) {
    this.#many = many ?? undefined;
    this.#headers = allocate(count * STRIDE_BYTES);
    this.#words = new Uint32Array(this.#headers.buffer);
    this.#single = this.#many !== undefined
      ? []
      : Array.from({ length: count }, (_, index) => this.#headers.subarray(index * STRIDE_BYTES));
  }

  /** Says where the pieces of message `index` are listed: `count` iovecs at `offset` of the memory at `iovecs`. */
  setPieces(index: number, iovecs: Address, offset: number, count: number): void {
    putAddress(this.#words, index * STRIDE + IOV, iovecs, offset);
    this.#words[index * STRIDE + IOV_COUNT] = count;
  }

  /** Says where the address of message `index` is, and how many bytes it has, or has room for; 0: it has none. */
  setName(index: number, names: Address, offset: number, length: number): void {
    const at = index * STRIDE;
    const words = this.#words;
    // The BSDs take a pointer for an address even where its length is 0.
    if (length === 0) words[at + NAME] = words[at + NAME + 1] = 0;
    else putAddress(words, at + NAME, names, offset);
    words[at + NAME_LENGTH] = length;
  }

  /** Whether message `index` has an address. */
  hasName(index: number): boolean {
    const at = index * STRIDE + NAME;
    return this.#words[at] !== 0 || this.#words[at + 1] !== 0;
  }

  /** Says how many bytes an address has that stays where it is. */
  setNameLength(index: number, length: number): void {
    this.#words[index * STRIDE + NAME_LENGTH] = length;
  }

  /** As {@linkcode MessageHeaders.setName}, of its ancillary data. */
  setControl(index: number, controls: Address, offset: number, length: number): void {
    const at = index * STRIDE;
    if (length === 0) this.#words[at + CONTROL] = this.#words[at + CONTROL + 1] = 0;
    else putAddress(this.#words, at + CONTROL, controls, offset);
    this.#words[at + CONTROL_LENGTH] = length;
  }

  /** After receiving: the bytes of message `index`, on Linux including those that did not fit. */
  lengthAt(index: number): number {
    return this.#words[index * STRIDE + LENGTH]!;
  }

  /** The bytes of its address; after receiving it may be more than there was room for. */
  nameLengthAt(index: number): number {
    return this.#words[index * STRIDE + NAME_LENGTH]!;
  }

  /** The bytes of its ancillary data. */
  controlLengthAt(index: number): number {
    return this.#words[index * STRIDE + CONTROL_LENGTH]!;
  }

  /** After receiving: its `MSG_` flags. */
  flagsAt(index: number): number {
    return this.#words[index * STRIDE + FLAGS]!;
  }

  /** Receives at most `count` messages without blocking. Returns how many came, or `-errno` when none did. */
  receive(fd: number, count: number): number {
    if (this.#many !== undefined) {
      const result = this.#many.recvmmsg(fd, this.#headers, count, RECEIVE_FLAGS, null);
      return result < 0 ? -errno[0]! : result;
    }
    this.failedBehind = 0;
    for (let index = 0; index < count; index++) {
      const result = sys.recvmsg(fd, this.#single[index]!, RECEIVE_FLAGS);
      if (result < 0) return this.#stoppedAt(index, -errno[0]!);
      this.#words[index * STRIDE + LENGTH] = result;
    }
    return count;
  }

  /** Sends `count` messages from `first` on. Returns how many the kernel took, or `-errno` when the first was refused. */
  send(fd: number, first: number, count: number, flags: number): number {
    if (this.#many !== undefined) {
      const headers = first === 0 ? this.#headers : this.#headers.subarray(first * STRIDE_BYTES);
      const result = this.#many.sendmmsg(fd, headers, count, flags);
      return result < 0 ? -errno[0]! : result;
    }
    this.failedBehind = 0;
    for (let index = 0; index < count; index++) {
      const result = sys.sendmsg(fd, this.#single[first + index]!, flags);
      if (result < 0) return this.#stoppedAt(index, -errno[0]!);
    }
    return count;
  }

  #stoppedAt(index: number, result: number): number {
    if (index === 0) return result;
    if (result !== -EAGAIN && result !== -EINTR) this.failedBehind = result;
    return index;
  }
}
