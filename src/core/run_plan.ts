import {
  type MessageBatch,
  MessageRuns,
  os,
  RUN_BYTES_MAX,
  RUN_DATAGRAMS_MAX,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../ffi/mod.ts";
import type { Segmentation } from "./segmentation.ts";

const { EAGAIN, EINTR } = os.errno as Record<"EAGAIN" | "EINTR", number>;

/**
 * Larger datagrams go one by one: every link of IPv6 carries so much in one packet of 1280 bytes (RFC 8200 section 5), and nearly every one of
 * IPv4; a run whose datagrams are larger than the way to the peer carries is refused.
 */
const SEGMENT_BYTES_MAX = 1232;
/** With so many peers at most a datagram's is compared. Of more, each that comes again has two runs or more. */
const PEERS_COMPARED_MAX = 16;
const NAME_WORDS = SOCKET_ADDRESS_BYTES_MAX >> 2;

/**
 * How the datagrams of a batch leave in runs: as few as possible, each peer's datagrams in their order. Its positions count
 * the datagrams in the order in which they leave; slots are where they are in the batch.
 *
 * @internal
 */
export class RunPlan {
  readonly #messages: MessageBatch;
  readonly #offsets: Uint32Array;
  readonly #runs: MessageRuns;
  readonly #nameWords: Uint32Array;
  readonly #controlWords: Uint32Array;
  readonly #slots: Uint8Array;
  /** Where runs begin, and behind the last one where it ends. */
  readonly #starts: Uint8Array;
  // Each peer's datagrams are a list: its first and last, and what comes behind each.
  readonly #heads: Uint8Array;
  readonly #tails: Uint8Array;
  readonly #nexts: Uint8Array;

  /** As {@linkcode MessageRuns.failedBehind}. */
  failedBehind = 0;
  #segmentation: Segmentation | undefined;
  /** The next run to be sent. */
  #run = 0;
  /** Datagrams before this position go one by one; and why, until it is known whether it helps. */
  #aloneEnd = 0;
  #refusal = 0;

  /** @param offsets where the contents of each datagram begin in the payload, and behind the last where they end. */
  constructor(messages: MessageBatch, offsets: Uint32Array) {
    const { slots } = messages.shape;
    this.#messages = messages;
    this.#offsets = offsets;
    this.#runs = new MessageRuns(messages);
    this.#nameWords = new Uint32Array(messages.names.buffer);
    this.#controlWords = new Uint32Array(messages.controls.buffer);
    this.#slots = new Uint8Array(slots);
    this.#starts = new Uint8Array(slots + 1);
    this.#heads = new Uint8Array(slots);
    this.#tails = new Uint8Array(slots);
    this.#nexts = new Uint8Array(slots);
  }

  /**
   * Plans how the first `count` datagrams leave. Returns false when each would go alone all the same.
   *
   * @param isFree whether datagrams to different peers may change places.
   */
  make(count: number, isFree: boolean, segmentation: Segmentation): boolean {
    this.#segmentation = segmentation;
    this.#run = this.#aloneEnd = this.#refusal = 0;
    if (isFree) {
      if (this.#sortByPeer(count) === count) return false;
    } else {
      for (let slot = 0; slot < count; slot++) this.#slots[slot] = slot;
    }
    this.#divide(count);
    return this.#runs.count < count;
  }

  /** Brings the datagrams of each peer together. Returns how many peers were told apart. */
  #sortByPeer(count: number): number {
    let peers = 0;
    for (let slot = 0; slot < count; slot++) {
      let peer = this.#peerOf(slot, peers);
      if (peer < 0) this.#heads[peer = peers++] = slot;
      else this.#nexts[this.#tails[peer]!] = slot;
      this.#tails[peer] = slot;
    }
    let position = 0;
    for (let peer = 0; peer < peers; peer++) {
      const last = this.#tails[peer]!;
      for (let slot = this.#heads[peer]!;; slot = this.#nexts[slot]!) {
        this.#slots[position++] = slot;
        if (slot === last) break;
      }
    }
    return peers;
  }

  /** Which of the peers found last a datagram goes to, or -1. Of two that are the same one it is the later, so that the order is kept. */
  #peerOf(slot: number, peers: number): number {
    const end = Math.max(0, peers - PEERS_COMPARED_MAX);
    for (let peer = peers - 1; peer >= end; peer--) {
      if (this.#haveSameName(this.#heads[peer]!, slot)) return peer;
    }
    return -1;
  }

  #divide(count: number): void {
    const runs = this.#runs;
    runs.clear();
    for (let position = 0; position < count;) {
      this.#starts[runs.count] = position;
      const first = this.#slots[position]!;
      const bytes = this.#addPiece(first);
      const start = position++;
      if (bytes > 0 && bytes <= SEGMENT_BYTES_MAX) position = this.#extend(first, bytes, position, count);
      runs.end(first, position - start > 1 ? bytes : 0);
    }
    this.#starts[runs.count] = count;
  }

  /** Adds what can follow in the run of the datagram in slot `first`. Returns the position behind. */
  #extend(first: number, segmentBytes: number, position: number, count: number): number {
    const end = Math.min(count, position - 1 + RUN_DATAGRAMS_MAX);
    let total = segmentBytes;
    for (let length = segmentBytes; position < end && length === segmentBytes; position++) {
      const slot = this.#slots[position]!;
      length = this.#lengthOf(slot);
      total += length;
      if (length === 0 || length > segmentBytes || total > RUN_BYTES_MAX) break;
      if (!this.#haveSameName(first, slot) || !this.#haveSameControl(first, slot)) break;
      this.#addPiece(slot);
    }
    return position;
  }

  #lengthOf(slot: number): number {
    return this.#offsets[slot + 1]! - this.#offsets[slot]!;
  }

  #addPiece(slot: number): number {
    const length = this.#lengthOf(slot);
    this.#runs.addPiece(this.#offsets[slot]!, length);
    return length;
  }

  #haveSameName(one: number, other: number): boolean {
    const length = this.#messages.nameLengthAt(one);
    return length === this.#messages.nameLengthAt(other) &&
      areEqual(this.#nameWords, one * NAME_WORDS, other * NAME_WORDS, length);
  }

  #haveSameControl(one: number, other: number): boolean {
    const length = this.#messages.controlLengthAt(one);
    const stride = this.#messages.shape.controlBytes >> 2;
    return length === this.#messages.controlLengthAt(other) &&
      areEqual(this.#controlWords, one * stride, other * stride, length);
  }

  /** In which slot the datagram is that leaves at this position. */
  slotAt(position: number): number {
    return this.#slots[position]!;
  }

  /**
   * Sends from position `first` on, which is 0, where an earlier call has ended, or behind a datagram that was refused. Returns how many datagrams
   * the kernel took, or `-errno` that the first or its run met.
   */
  send(fd: number, first: number, flags: number): number {
    this.failedBehind = 0;
    if (first < this.#aloneEnd) return this.#sendAlone(fd, first, flags);
    const starts = this.#starts;
    while (starts[this.#run]! < first) this.#run++;
    const result = this.#runs.send(fd, this.#run, flags);
    if (result < 0) return result;
    this.failedBehind = this.#runs.failedBehind;
    const end = this.#run + result;
    const sent = starts[end]! - first;
    if (sent > result) this.#segmentation!.worked();
    this.#run = end;
    return sent;
  }

  #sendAlone(fd: number, position: number, flags: number): number {
    const result = this.#messages.send(fd, this.#slots[position]!, 1, flags);
    if (result > 0 && this.#refusal !== 0) this.#segmentation!.refused(this.#refusal);
    if (result !== -EAGAIN && result !== -EINTR) this.#refusal = 0;
    return result;
  }

  /** When a run that begins at `first` was refused with `result`: has its datagrams go one by one. Returns false when there is only one. */
  split(first: number, result: number): boolean {
    const end = this.#starts[this.#run + 1]!;
    if (first < this.#aloneEnd || end - first < 2) return false;
    this.#aloneEnd = end;
    this.#refusal = result;
    return true;
  }
}

function areEqual(words: Uint32Array, one: number, other: number, bytes: number): boolean {
  for (let index = (bytes + 3 >> 2) - 1; index >= 0; index--) {
    if (words[one + index] !== words[other + index]) return false;
  }
  return true;
}
