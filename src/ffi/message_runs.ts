/**
 * Datagrams to one peer that the kernel takes as one message and cuts itself: UDP segmentation offload (UDP_SEGMENT, Linux 4.18).
 *
 * @module
 */

import { beginPiece, PIECE_DATA, pieceSpace } from "./ancillary.ts";
import type { MessageBatch } from "./message_batch.ts";
import { MessageHeaders } from "./message_headers.ts";
import { os } from "./platform.ts";
import type { Address } from "./runtime.ts";
import { SOCKET_ADDRESS_BYTES_MAX } from "./sockaddr.ts";
import { getSocketOption } from "./sockets.ts";
import { addressOf, allocate, putAddress } from "./strings.ts";

const { iovec } = os.structs;
const { IPPROTO_UDP, UDP_SEGMENT } = os.constants;
const IOVEC_WORDS = iovec.size >> 2;
const IOVEC_LENGTH = iovec.fields.len.offset >> 2;

/** What a run's ancillary data takes up beyond that of its datagrams. */
const SEGMENT_SPACE = pieceSpace(2);

/** Datagrams that fit into a run (UDP_MAX_SEGMENTS; newer kernels take more). */
export const RUN_DATAGRAMS_MAX = 64;
/** Bytes that fit into a run: an IP packet of 65,535 bytes holds them and any header. */
export const RUN_BYTES_MAX = 65_000;

/**
 * Whether the kernel cuts runs for a socket. One that knows nothing of it would send a run as one large datagram, so it is asked. A size that
 * somebody has already set means that they do it themselves.
 */
export function canSegment(fd: number): boolean {
  return UDP_SEGMENT !== 0 && getSocketOption(fd, IPPROTO_UDP, UDP_SEGMENT) === 0;
}

/**
 * The datagrams of a {@linkcode MessageBatch}, described once more as runs: datagrams of one size to one peer, of which the last may be shorter.
 * Their contents need not lie side by side; where they do, it costs the kernel less.
 */
export class MessageRuns {
  /** Runs that were added. */
  count = 0;

  readonly #messages: MessageBatch;
  readonly #headers: MessageHeaders;
  readonly #iovecs: Uint32Array;
  readonly #iovecsAddress: Address;
  readonly #controls: Uint8Array<ArrayBuffer>;
  readonly #controlsView: DataView;
  readonly #controlsAddress: Address;
  readonly #controlBytes: number;
  // The iovecs that are in use, those of the run at hand, and where in the payload the last one ends.
  #pieces = 0;
  #firstPiece = 0;
  #pieceEnd = -1;

  /**
   * Allocates room for as many runs as there are messages.
   *
   * @param messages whose payload, addresses and ancillary data are used.
   */
  constructor(messages: MessageBatch) {
    const { slots, controlBytes } = messages.shape;
    this.#messages = messages;
    this.#headers = new MessageHeaders(slots);
    this.#iovecs = new Uint32Array(new ArrayBuffer(slots * iovec.size));
    this.#iovecsAddress = addressOf(new Uint8Array(this.#iovecs.buffer));
    this.#controlBytes = controlBytes + SEGMENT_SPACE;
    this.#controls = allocate(slots * this.#controlBytes);
    this.#controlsView = new DataView(this.#controls.buffer);
    this.#controlsAddress = addressOf(this.#controls);
  }

  /** As {@linkcode MessageHeaders.failedBehind}. */
  get failedBehind(): number {
    return this.#headers.failedBehind;
  }

  /** Forgets all runs. */
  clear(): void {
    this.count = this.#pieces = this.#firstPiece = 0;
    this.#pieceEnd = -1;
  }

  /** Adds bytes of the payload to the run at hand. */
  addPiece(offset: number, length: number): void {
    if (offset === this.#pieceEnd) {
      this.#iovecs[(this.#pieces - 1) * IOVEC_WORDS + IOVEC_LENGTH]! += length;
    } else {
      const at = this.#pieces++ * IOVEC_WORDS;
      putAddress(this.#iovecs, at, this.#messages.payloadAddress, offset);
      this.#iovecs[at + IOVEC_LENGTH] = length;
    }
    this.#pieceEnd = offset + length;
  }

  /**
   * Ends the run at hand.
   *
   * @param slot the message whose address and ancillary data it takes.
   * @param segmentBytes of each datagram; 0: there is only one.
   */
  end(slot: number, segmentBytes: number): void {
    const run = this.count++;
    const messages = this.#messages;
    this.#headers.setPieces(run, this.#iovecsAddress, this.#firstPiece * iovec.size, this.#pieces - this.#firstPiece);
    const nameLength = messages.nameLengthAt(slot);
    this.#headers.setName(run, messages.namesAddress, slot * SOCKET_ADDRESS_BYTES_MAX, nameLength);
    const controlLength = this.#writeControl(run, slot, segmentBytes);
    this.#headers.setControl(run, this.#controlsAddress, run * this.#controlBytes, controlLength);
    this.#firstPiece = this.#pieces;
    this.#pieceEnd = -1;
  }

  #writeControl(run: number, slot: number, segmentBytes: number): number {
    const { controls, shape } = this.#messages;
    const [from, to] = [slot * shape.controlBytes, run * this.#controlBytes];
    const length = this.#messages.controlLengthAt(slot);
    for (let index = 0; index < length; index++) this.#controls[to + index] = controls[from + index]!;
    if (segmentBytes === 0) return length;
    const at = to + length;
    const space = beginPiece(this.#controlsView, at, IPPROTO_UDP, UDP_SEGMENT, 2);
    this.#controlsView.setUint16(at + PIECE_DATA, segmentBytes, true);
    return length + space;
  }

  /** Sends the runs from `first` on. Returns how many the kernel took, or `-errno` when the first was refused. */
  send(fd: number, first: number, flags: number): number {
    return this.#headers.send(fd, first, this.count - first, flags);
  }
}
