/**
 * Many datagrams in one call.
 *
 * @module
 */

import { errno, sys, sysMmsg } from "./libc.ts";
import { os } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { SOCKET_ADDRESS_BYTES_MAX } from "./sockaddr.ts";
import { addressOf, allocate, putAddress } from "./strings.ts";

const { mmsghdr, msghdr, iovec } = os.structs;
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
const IOVEC_WORDS = iovec.size >> 2;
const IOVEC_LENGTH = iovec.fields.len.offset >> 2;

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

/** How large the parts of a {@linkcode MessageBatch} are. */
export interface MessageBatchShape {
  /** Messages that fit. */
  readonly slots: number;
  /** Bytes for the contents of all messages together. */
  readonly payloadBytes: number;
  /** Bytes for the ancillary data of each message. */
  readonly controlBytes: number;
}

/**
 * Memory for some messages and their addresses, and the headers that describe them to `recvmmsg` and `sendmmsg`; where the
 * system has neither, the same headers go through `recvmsg` and `sendmsg` one by one. All of it is laid out once, so that a call
 * allocates nothing.
 */
export class MessageBatch {
  /** Its sizes. */
  readonly shape: MessageBatchShape;
  /** The contents of the messages. */
  readonly payload: Uint8Array<ArrayBuffer>;
  /** One sockaddr per message, {@linkcode SOCKET_ADDRESS_BYTES_MAX} bytes apart. */
  readonly names: Uint8Array<ArrayBuffer>;
  /** The messages' ancillary data, as far apart as the shape says. */
  readonly controls: Uint8Array<ArrayBuffer>;

  readonly #headers: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #iovecs: Uint32Array;
  readonly #payloadAddress: Address;
  readonly #namesAddress: Address;
  readonly #controlsAddress: Address;
  /** One view per header, for systems that take them one by one. */
  readonly #single: readonly Uint8Array[];

  /** What takes many at once; undefined where they go one by one. */
  readonly #many: ManyMessageCalls | undefined;

  /**
   * After a call that took some: `-errno` when the next message met an error that the kernel will not tell again, else 0. Only where
   * messages go one by one; the calls for many keep the error for their next call.
   */
  failedBehind = 0;

  /**
   * Allocates everything; memory that is never touched costs address space only.
   *
   * @param many the system calls to use; null: one by one.
   */
  constructor(shape: MessageBatchShape, many: ManyMessageCalls | null = sysMmsg ?? null) {
    this.#many = many ?? undefined;
    const { slots, payloadBytes, controlBytes } = shape;
    this.shape = shape;
    this.payload = allocate(payloadBytes);
    this.names = allocate(slots * SOCKET_ADDRESS_BYTES_MAX);
    this.controls = allocate(Math.max(1, slots * controlBytes));
    this.#headers = allocate(slots * STRIDE_BYTES);
    this.#words = new Uint32Array(this.#headers.buffer);
    this.#iovecs = new Uint32Array(new ArrayBuffer(slots * iovec.size));
    this.#payloadAddress = addressOf(this.payload);
    this.#namesAddress = addressOf(this.names);
    this.#controlsAddress = addressOf(this.controls);
    const iovecsAddress = addressOf(new Uint8Array(this.#iovecs.buffer));
    for (let index = 0; index < slots; index++) {
      putAddress(this.#words, index * STRIDE + IOV, iovecsAddress, index * iovec.size);
      this.#words[index * STRIDE + IOV_COUNT] = 1;
    }
    this.#single = this.#many !== undefined
      ? []
      : Array.from({ length: slots }, (_, index) => this.#headers.subarray(index * STRIDE_BYTES));
  }

  /** Says which bytes of {@linkcode MessageBatch.payload} belong to message `index`. */
  setPayload(index: number, offset: number, length: number): void {
    const at = index * IOVEC_WORDS;
    putAddress(this.#iovecs, at, this.#payloadAddress, offset);
    this.#iovecs[at + IOVEC_LENGTH] = length;
  }

  /** Says how many bytes the address of message `index` has, or has room for; 0: it has none. */
  setNameLength(index: number, length: number): void {
    const at = index * STRIDE;
    const words = this.#words;
    // The BSDs take a pointer for an address even where its length is 0. Else it is always the same, and nobody changes it.
    if (length === 0) words[at + NAME] = words[at + NAME + 1] = 0;
    else if (words[at + NAME] === 0 && words[at + NAME + 1] === 0) {
      putAddress(words, at + NAME, this.#namesAddress, index * SOCKET_ADDRESS_BYTES_MAX);
    }
    words[at + NAME_LENGTH] = length;
  }

  /** The same for its ancillary data. */
  setControlLength(index: number, length: number): void {
    const at = index * STRIDE;
    if (length === 0) this.#words[at + CONTROL] = this.#words[at + CONTROL + 1] = 0;
    else putAddress(this.#words, at + CONTROL, this.#controlsAddress, index * this.shape.controlBytes);
    this.#words[at + CONTROL_LENGTH] = length;
  }

  /** After receiving: the bytes of message `index`, on Linux including those that did not fit. */
  lengthAt(index: number): number {
    return this.#words[index * STRIDE + LENGTH]!;
  }

  /** After receiving: the bytes of its sender's address; it may be more than there was room for. */
  nameLengthAt(index: number): number {
    return this.#words[index * STRIDE + NAME_LENGTH]!;
  }

  /** After receiving: the bytes of its ancillary data. */
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
