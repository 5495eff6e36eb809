/**
 * What every operation of an {@linkcode EvBuffer} rests on: its length, its two freezes, its callbacks, and the paths that
 * protocol code and the loop take to its memory.
 *
 * @module
 */

import type { Chain } from "./chain.ts";
import { ChainQueue } from "./chain_queue.ts";
import { type ChunkPool, sharedChunkPool } from "./chunk_pool.ts";
import type { EvBuffer } from "./evbuffer.ts";
import type { EventBase } from "./event_base.ts";
import { type BufferCallback, BufferCallbackEntry, BufferCallbacks } from "./evbuffer_callbacks.ts";
import { readIntoQueue, receiveIntoQueue, sendLone, writeChains } from "./evbuffer_io.ts";
import { Reservation } from "./evbuffer_reserve.ts";

/**
 * What a buffer belongs to, and what hears of its changes besides the callbacks: after them, at once, and without a closure or a list
 * for it, of which a connection would otherwise need two.
 *
 * @internal
 */
export interface BufferOwner {
  /** `added` or `deleted` bytes are above zero, or both. */
  bufferChanged(buffer: BufferBase, added: number, deleted: number): void;
}

/** How a buffer is made. */
export interface EvBufferOptions {
  /** Where the buffer's memory comes from; a pool shared by the whole thread by default. */
  pool?: ChunkPool;
}

/** The part of {@linkcode EvBuffer} that deals with room, state and descriptors rather than with content. */
export abstract class BufferBase {
  /** How many bytes one {@linkcode BufferBase.readFrom} reads at most unless told otherwise; libevent's `max_read`. */
  maxRead = 4096;
  /** The bytes. */
  protected readonly queue: ChainQueue;
  /** Whether nothing may leave or enter at the front. */
  protected frontFrozen = false;
  /** Whether nothing may enter at the back. */
  protected backFrozen = false;
  /** @internal */
  owner: BufferOwner | null = null;
  #callbacks: BufferCallbacks | null = null;
  #reservation: Reservation | null = null;

  /** Makes an empty buffer (`evbuffer_new`). */
  constructor(options?: EvBufferOptions) {
    this.queue = new ChainQueue(options?.pool ?? sharedChunkPool);
  }

  /** How many bytes the buffer holds (`evbuffer_get_length`). */
  get length(): number {
    return this.queue.length;
  }

  /** How many bytes at the front lie in one piece (`evbuffer_get_contiguous_space`). */
  get contiguousLength(): number {
    const first = this.queue.first;
    return first === null ? 0 : first.end - first.start;
  }

  /**
   * The chain that holds the first byte, or null. For protocol code that reads in place: unlike a view from
   * {@linkcode EvBuffer.peek} this does not take the memory out of circulation, so nothing of it may be kept.
   */
  get firstChain(): Chain | null {
    return this.queue.first;
  }

  /** Whether the front is frozen; see {@linkcode BufferBase.freezeFront}. */
  get isFrontFrozen(): boolean {
    return this.frontFrozen;
  }

  /** Whether the back is frozen; see {@linkcode BufferBase.freezeBack}. */
  get isBackFrozen(): boolean {
    return this.backFrozen;
  }

  /** Forbids to drain, remove, copy out, read lines, prepend and write (`evbuffer_freeze` with `at_front`). */
  freezeFront(): void {
    this.frontFrozen = true;
  }

  /** Allows again what {@linkcode BufferBase.freezeFront} forbade. */
  unfreezeFront(): void {
    this.frontFrozen = false;
  }

  /** Forbids to add, reserve, commit, read from a descriptor and move other buffers in (`evbuffer_freeze` at the back). */
  freezeBack(): void {
    this.backFrozen = true;
  }

  /** Allows again what {@linkcode BufferBase.freezeBack} forbade. */
  unfreezeBack(): void {
    this.backFrozen = false;
  }

  /**
   * Drops up to `count` bytes from the front and returns how many (`evbuffer_drain`).
   *
   * @throws {TypeError} when the front is frozen.
   * @throws {RangeError} when `count` is not a whole number, zero or more; Infinity stands for everything.
   */
  drain(count: number): number {
    if (this.frontFrozen) refuseFrozen("drain", "front");
    checkCount("drain", count);
    return this.drainFront(count);
  }

  /**
   * Makes sure that the next `bytes` bytes that are added will lie in one piece (`evbuffer_expand`).
   *
   * @throws {RangeError} when `bytes` is not a whole number from zero to {@linkcode ROOM_BYTES_MAX}.
   */
  expand(bytes: number): void {
    checkRoom("expand by", bytes);
    this.queue.expand(bytes);
  }

  /**
   * Hands out `bytes` zeroed bytes (at least one) behind the end, in one piece or, with `extentsMax` above 1, in several
   * (`evbuffer_reserve_space`). They become data by {@linkcode BufferBase.commit}. A second call replaces the first.
   *
   * @throws {TypeError} when the back is frozen.
   * @throws {RangeError} when a number is not whole, too small, or above {@linkcode ROOM_BYTES_MAX}.
   */
  reserve(bytes: number, extentsMax = 1): Uint8Array[] {
    if (this.backFrozen) refuseFrozen("reserve space in", "back");
    checkRoom("reserve", bytes);
    if (!(extentsMax >= 1)) throw new RangeError(`Cannot reserve space in a buffer: ${extentsMax} extents are too few`);
    this.#reservation?.abandon();
    this.#reservation = null;
    this.#reservation = new Reservation(this.queue, bytes, extentsMax);
    return this.#reservation.views.slice();
  }

  /**
   * Adds what was written to the extents of the last {@linkcode BufferBase.reserve} (`evbuffer_commit_space`): a number of
   * bytes from the first extent on, or the extents themselves, each cut to what was written
   * (`extent.subarray(0, written)`). Returns how many bytes were added.
   *
   * @throws {TypeError} when the back is frozen, nothing is reserved, the buffer has changed meanwhile, or the extents are others.
   * @throws {RangeError} when more is committed than was reserved.
   */
  commit(written: number | readonly Uint8Array[]): number {
    if (this.backFrozen) refuseFrozen("commit to", "back");
    const reservation = this.#reservation;
    if (reservation === null) throw new TypeError("Cannot commit to a buffer: no space is reserved");
    const before = this.queue.length;
    const added = reservation.commit(written);
    this.#reservation = null;
    this.changed(before, added, 0);
    return added;
  }

  /**
   * Finds a chain with room for `bytes` bytes in one piece, for protocol code: write to `chain.bytes` from `chain.end` on,
   * then say how much by {@linkcode BufferBase.commitTail}, with no other call to this buffer in between. Unlike
   * {@linkcode BufferBase.reserve} it makes no view, zeroes nothing and keeps the memory in circulation.
   *
   * @throws {TypeError} when the back is frozen.
   */
  reserveTail(bytes: number): Chain {
    if (this.backFrozen) refuseFrozen("reserve space in", "back");
    return this.queue.reserveTail(bytes);
  }

  /**
   * Adds the next `count` bytes of the chain that {@linkcode BufferBase.reserveTail} returned; 0 gives unused room back.
   *
   * @throws {RangeError} when there is not that much room, or `count` is not a whole number, zero or more.
   */
  commitTail(count: number): void {
    const before = this.queue.length;
    this.queue.commitTail(count);
    this.changed(before, count, 0);
  }

  /**
   * Reads once from a descriptor and adds what came (`evbuffer_read`), at most `bytesMax` bytes; more than 64 KiB beyond the
   * room at hand take several calls.
   *
   * @returns how many bytes came; 0 when the other side has finished; `-errno` when nothing could be read.
   * @throws {TypeError} when the back is frozen.
   * @throws {RangeError} when `bytesMax` is not a whole number above zero.
   */
  readFrom(fd: number, bytesMax: number = this.maxRead): number {
    if (this.backFrozen) refuseFrozen("read into", "back");
    checkCount("read", bytesMax);
    if (bytesMax === 0) throw new RangeError("Cannot read into a buffer: 0 bytes are too few");
    const before = this.queue.length;
    const result = readIntoQueue(this.queue, fd, bytesMax);
    if (result > 0) this.changed(before, result, 0);
    return result;
  }

  /**
   * @internal {@linkcode BufferBase.readFrom} for sockets that bring much at a time: the bytes get memory of their own, and stay where the
   * kernel has put them.
   */
  receiveFrom(fd: number, bytesMax: number): number {
    if (this.backFrozen) refuseFrozen("read into", "back");
    const before = this.queue.length;
    const result = receiveIntoQueue(this.queue, fd, bytesMax);
    if (result > 0) this.changed(before, result, 0);
    return result;
  }

  /**
   * Writes once to a descriptor and drains what it took (`evbuffer_write_atmost`), at most `bytesMax` bytes and 128 extents.
   * Bytes of a file go out alone; call again while there is something left and the result is positive.
   *
   * Unlike libevent, an empty buffer is no failure, a file obeys `bytesMax` as well, and a file that would block is reported
   * like everything else that would block.
   *
   * @returns how many bytes were written, 0 when there were none to write, or `-errno`; `-EIO` when a file has become
   * shorter than the part that was added.
   * @throws {TypeError} when the front is frozen, or when memory that was added by reference has been transferred away.
   * @throws {RangeError} when `bytesMax` is not a whole number, zero or more.
   */
  writeTo(fd: number, bytesMax = Infinity): number {
    return this.#writeTo(fd, bytesMax, false);
  }

  /** {@linkcode BufferBase.writeTo} for descriptors known to be sockets, which are cheaper to send to than to write to. */
  sendTo(fd: number, bytesMax = Infinity): number {
    return this.#writeTo(fd, bytesMax, true);
  }

  /**
   * @internal Sends all there is, frozen or not, if that lies in one piece of the buffer's own memory and nobody looks; the owner, who asks
   * for it, does not hear of the change. Returns 0 if it is otherwise, how many bytes were sent, or `-errno`.
   */
  sendLone(fd: number, bytesMax: number): number {
    return this.#callbacks === null ? sendLone(fd, this.queue, bytesMax) : 0;
  }

  #writeTo(fd: number, bytesMax: number, isSocket: boolean): number {
    if (this.frontFrozen) refuseFrozen("write from", "front");
    checkCount("write", bytesMax);
    const first = this.queue.first;
    if (first === null || bytesMax === 0) return 0;
    const result = writeChains(fd, first, bytesMax, isSocket);
    if (result > 0) this.drainFront(result);
    return result;
  }

  /** @internal Whether it is empty, and nobody is called for changes or forbids them. */
  get isIdle(): boolean {
    return this.queue.length === 0 && this.#callbacks === null && !this.backFrozen;
  }

  /**
   * @internal Puts a chain of the buffer's own pool, which has data, before all others, whether or not the front is frozen. The owner, who does
   * it, does not hear of the change.
   */
  prependChain(chain: Chain): void {
    const before = this.queue.length;
    this.queue.prepend(chain);
    this.#callbacks?.notify(this as unknown as EvBuffer, before, this.queue.length - before, 0);
  }

  /** @internal Copies what is left of `bytes` when they were added last, by reference, so that their owner may change them. */
  ownLast(bytes: Uint8Array): void {
    this.queue.ownLast(bytes);
  }

  /** @internal Whether anybody is called for changes. */
  get hasCallbacks(): boolean {
    return this.#callbacks !== null;
  }

  /** Registers a callback for every change; the one registered last is called first (`evbuffer_add_cb`). */
  addCallback(callback: BufferCallback): BufferCallbackEntry {
    this.#callbacks ??= new BufferCallbacks();
    return this.#callbacks.add(callback);
  }

  /**
   * Removes one registration, or the newest one of a function (`evbuffer_remove_cb_entry`, `evbuffer_remove_cb`); returns
   * whether there was one.
   */
  removeCallback(registration: BufferCallbackEntry | BufferCallback): boolean {
    const callbacks = this.#callbacks;
    if (callbacks === null) return false;
    const entry = registration instanceof BufferCallbackEntry ? registration : callbacks.find(registration);
    const removed = entry !== null && callbacks.remove(entry);
    if (callbacks.isEmpty && !callbacks.isDeferred) this.#callbacks = null;
    return removed;
  }

  /**
   * Calls the callbacks from the loop of `base` from now on, once for all changes since the last time (`evbuffer_defer_callbacks`). A
   * registration whose `immediate` is set is still called for every change, at once.
   */
  deferCallbacks(base: EventBase): void {
    this.#callbacks ??= new BufferCallbacks();
    this.#callbacks.defer(this as unknown as EvBuffer, base);
  }

  /** Drops all bytes and callbacks, frozen or not, without calling anybody but the owners of references (`evbuffer_free`). */
  close(): void {
    this.owner = null;
    this.#callbacks?.cancel();
    this.#callbacks = null;
    this.#reservation?.abandon();
    this.#reservation = null;
    this.queue.clear();
  }

  /** Same as {@linkcode BufferBase.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Drops bytes without asking whether the front is frozen, and reports it. */
  protected drainFront(count: number): number {
    const before = this.queue.length;
    const drained = count < before ? count : before;
    try {
      this.queue.drain(drained);
    } catch (error) {
      // Only the owner of a reference can have failed; the bytes are gone, and whoever counts them must hear of it.
      this.changed(before, 0, drained);
      throw error;
    }
    this.changed(before, 0, drained);
    return drained;
  }

  /** Tells the callbacks, if there are any and something changed. */
  protected changed(originalLength: number, added: number, deleted: number): void {
    if (added <= 0 && deleted <= 0) return;
    try {
      if (this.#callbacks !== null) this.#callbacks.notify(this as unknown as EvBuffer, originalLength, added, deleted);
    } finally {
      // Whatever a callback has thrown: a connection would stand still for ever over a change it has not heard of.
      if (this.owner !== null) this.owner.bufferChanged(this, added, deleted);
    }
  }
}

/** Says that a frozen end forbids what was asked for. */
export function refuseFrozen(action: string, end: "front" | "back"): never {
  throw new TypeError(`Cannot ${action} a buffer: its ${end} is frozen`);
}

/** Refuses anything but a whole number of bytes, zero or more; Infinity stands for all there are. */
export function checkCount(action: string, count: number): void {
  if (count < 0 || count !== Math.floor(count)) {
    throw new RangeError(`Cannot ${action} ${count} in a buffer: a whole number, zero or more, is needed`);
  }
}

/** The most bytes of room that can be asked for at once. */
export const ROOM_BYTES_MAX: number = 2 ** 31;

function checkRoom(action: string, bytes: number): void {
  checkCount(action, bytes);
  if (bytes > ROOM_BYTES_MAX) {
    throw new RangeError(`Cannot ${action} ${bytes} in a buffer: room is made for ${ROOM_BYTES_MAX} bytes at most`);
  }
}
