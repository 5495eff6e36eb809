/**
 * Many datagrams in one call.
 *
 * @module
 */

import { type ManyMessageCalls, MessageHeaders } from "./message_headers.ts";
import { os } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { SOCKET_ADDRESS_BYTES_MAX } from "./sockaddr.ts";
import { addressOf, allocate, putAddress } from "./strings.ts";

const { iovec } = os.structs;
const IOVEC_WORDS = iovec.size >> 2;
const IOVEC_LENGTH = iovec.fields.len.offset >> 2;

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
 * Memory for some messages and their addresses, and the headers that describe them to `recvmmsg` and `sendmmsg`. All of it is laid
 * out once, so that a call allocates nothing.
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
  /** Where {@linkcode MessageBatch.payload} is. */
  readonly payloadAddress: Address;
  /** Where {@linkcode MessageBatch.names} are. */
  readonly namesAddress: Address;

  readonly #headers: MessageHeaders;
  readonly #iovecs: Uint32Array;
  readonly #controlsAddress: Address;

  /**
   * Allocates everything; memory that is never touched costs address space only.
   *
   * @param many the system calls to use; null: one by one.
   */
  constructor(shape: MessageBatchShape, many?: ManyMessageCalls | null) {
    const { slots, payloadBytes, controlBytes } = shape;
    this.shape = shape;
    this.payload = allocate(payloadBytes);
    this.names = allocate(slots * SOCKET_ADDRESS_BYTES_MAX);
    this.controls = allocate(Math.max(8, slots * controlBytes));
    this.#headers = new MessageHeaders(slots, many);
    this.#iovecs = new Uint32Array(new ArrayBuffer(slots * iovec.size));
    this.payloadAddress = addressOf(this.payload);
    this.namesAddress = addressOf(this.names);
    this.#controlsAddress = addressOf(this.controls);
    const iovecsAddress = addressOf(new Uint8Array(this.#iovecs.buffer));
    for (let index = 0; index < slots; index++) this.#headers.setPieces(index, iovecsAddress, index * iovec.size, 1);
  }

  /** As {@linkcode MessageHeaders.failedBehind}. */
  get failedBehind(): number {
    return this.#headers.failedBehind;
  }

  /** Says which bytes of {@linkcode MessageBatch.payload} belong to message `index`. */
  setPayload(index: number, offset: number, length: number): void {
    const at = index * IOVEC_WORDS;
    putAddress(this.#iovecs, at, this.payloadAddress, offset);
    this.#iovecs[at + IOVEC_LENGTH] = length;
  }

  /** Says how many bytes the address of message `index` has, or has room for; 0: it has none. */
  setNameLength(index: number, length: number): void {
    // The place of an address is always the same, and nobody changes it.
    if (length > 0 && this.#headers.hasName(index)) this.#headers.setNameLength(index, length);
    else this.#headers.setName(index, this.namesAddress, index * SOCKET_ADDRESS_BYTES_MAX, length);
  }

  /** The same for its ancillary data. */
  setControlLength(index: number, length: number): void {
    this.#headers.setControl(index, this.#controlsAddress, index * this.shape.controlBytes, length);
  }

  /** After receiving: the bytes of message `index`, on Linux including those that did not fit. */
  lengthAt(index: number): number {
    return this.#headers.lengthAt(index);
  }

  /** The bytes of its address; after receiving it may be more than there was room for. */
  nameLengthAt(index: number): number {
    return this.#headers.nameLengthAt(index);
  }

  /** The bytes of its ancillary data. */
  controlLengthAt(index: number): number {
    return this.#headers.controlLengthAt(index);
  }

  /** After receiving: its `MSG_` flags. */
  flagsAt(index: number): number {
    return this.#headers.flagsAt(index);
  }

  /** Receives at most `count` messages without blocking. Returns how many came, or `-errno` when none did. */
  receive(fd: number, count: number): number {
    return this.#headers.receive(fd, count);
  }

  /** Sends `count` messages from `first` on. Returns how many the kernel took, or `-errno` when the first was refused. */
  send(fd: number, first: number, count: number, flags: number): number {
    return this.#headers.send(fd, first, count, flags);
  }
}
