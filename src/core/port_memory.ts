/**
 * Where everything stands in the memory that a {@linkcode LoopPort} shares with its senders.
 *
 * ```text
 * cells   header | used: one bit per block | links | lengths | below      32 bits each
 * blocks  128 bytes each
 * ```
 *
 * @module
 */

/** Bytes in a block. A message takes a whole number of them; 128 holds most notifications and costs a tenth in bookkeeping. */
export const BLOCK_BYTES = 128;
/** Blocks whose bits share one cell, and the step in which the capacity grows. */
export const BLOCKS_PER_CELL = 32;
/** More would not be countable in bytes by 32 bits with the bookkeeping added. */
const CAPACITY_BYTES_MAX = 2 ** 30;

/** In cell 0, so that foreign memory is recognised: it also says which version of this layout it is. */
const SIGNATURE = 0x45_50_02_01;

// Header cells. What different threads write often stands 64 bytes apart, so that they do not take each other's cache line.
const SIGNATURE_CELL = 0;
const BLOCKS_CELL = 1;
/** 1 once the port is closed. */
export const CLOSED = 2;
/** Blocks that nobody has reserved. */
export const FREE = 16;
/** The newest message that has not been fetched, as 1 + its first block; 0: none. */
export const TOP = 32;
/** Counts the times the loop has begun to look for messages. */
export const ROUND = 48;
/** The round in which a sender has written to the descriptor last. */
export const RUNG = 64;
/** 1 when a sender has asked for a mere wake-up. */
export const WAKE_ASKED = 65;
/** Senders that are about to write to the descriptor, or doing so. */
export const WRITERS = 80;
const HEADER_CELLS = 96;

/** The parts of a port's memory, as one thread sees them. */
export class PortMemory {
  /** What the views below look at; it can be posted to other threads. */
  readonly shared: SharedArrayBuffer;
  /** All the cells. Those of the header and the bits of used blocks are only touched through `Atomics`. */
  readonly cells: Int32Array<SharedArrayBuffer>;
  /** The blocks, one after the other. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** How many blocks there are, a multiple of {@linkcode BLOCKS_PER_CELL}. */
  readonly blockCount: number;
  /** First cell with the bits of used blocks. */
  readonly used: number = HEADER_CELLS;
  /** Cell of block 0 that holds 1 + the next block of the same message, 0 at its end. */
  readonly links: number;
  /** Cell of block 0 that holds the message's length in bytes, when the message begins there. */
  readonly lengths: number;
  /** Cell of block 0 that holds 1 + the first block of the neighbouring message, when a message begins there; 0: none. */
  readonly below: number;

  private constructor(shared: SharedArrayBuffer, blockCount: number) {
    const cellCount = cellsFor(blockCount);
    this.shared = shared;
    this.blockCount = blockCount;
    this.cells = new Int32Array(shared, 0, cellCount);
    this.bytes = new Uint8Array(shared, cellCount * 4, blockCount * BLOCK_BYTES);
    this.links = this.used + blockCount / BLOCKS_PER_CELL;
    this.lengths = this.links + blockCount;
    this.below = this.lengths + blockCount;
  }

  /**
   * Makes the memory of a new port; `capacityBytes` is rounded up.
   *
   * @throws {RangeError} for a capacity that is no whole number from 1 to 1 GiB.
   */
  static create(capacityBytes: number): PortMemory {
    if (!Number.isInteger(capacityBytes) || capacityBytes < 1 || capacityBytes > CAPACITY_BYTES_MAX) {
      throw new RangeError(
        `Cannot open a loop port for ${capacityBytes} bytes: the capacity is a whole number from 1 to ${CAPACITY_BYTES_MAX}`,
      );
    }
    const blockCount = Math.ceil(capacityBytes / (BLOCK_BYTES * BLOCKS_PER_CELL)) * BLOCKS_PER_CELL;
    const shared = new SharedArrayBuffer(cellsFor(blockCount) * 4 + blockCount * BLOCK_BYTES);
    const memory = new PortMemory(shared, blockCount);
    memory.cells[BLOCKS_CELL] = blockCount;
    memory.cells[FREE] = blockCount;
    // Rounds begin at 1, so that none has been rung in yet.
    memory.cells[ROUND] = 1;
    memory.cells[SIGNATURE_CELL] = SIGNATURE;
    return memory;
  }

  /**
   * Looks at memory that {@linkcode PortMemory.create} has made, maybe in another thread.
   *
   * @throws {TypeError} when it is anything else.
   */
  static open(shared: SharedArrayBuffer): PortMemory {
    if (!(shared instanceof SharedArrayBuffer)) {
      throw new TypeError("Cannot open a loop port's handle: its memory is not a SharedArrayBuffer");
    }
    const header = shared.byteLength < HEADER_CELLS * 4 ? new Int32Array(2) : new Int32Array(shared, 0, HEADER_CELLS);
    const blockCount = header[BLOCKS_CELL]!;
    if (
      header[SIGNATURE_CELL] !== SIGNATURE || shared.byteLength !== cellsFor(blockCount) * 4 + blockCount * BLOCK_BYTES
    ) {
      throw new TypeError("Cannot open a loop port's handle: its memory is not that of a port of this version");
    }
    return new PortMemory(shared, blockCount);
  }

  /** Most bytes that can be under way, and in one message. */
  get capacityBytes(): number {
    return this.blockCount * BLOCK_BYTES;
  }
}

function cellsFor(blockCount: number): number {
  return HEADER_CELLS + blockCount / BLOCKS_PER_CELL + 3 * blockCount;
}
