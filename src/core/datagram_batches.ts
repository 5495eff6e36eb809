import { MessageBatch, PACKET_INFO_BYTES, send, sendto, SOCKET_ADDRESS_BYTES_MAX } from "../ffi/mod.ts";
import type { DatagramRoute } from "./datagram_route.ts";
import { RunPlan } from "./run_plan.ts";
import type { Segmentation } from "./segmentation.ts";

/** Datagrams per system call, unless a socket says otherwise. */
export const BATCH_DEFAULT = 32;
/** Bytes kept of a datagram, unless a socket says otherwise. */
export const DATAGRAM_BYTES_DEFAULT = 65_536;

const SEND_SLOTS = 64;
/** Up to so many bytes it takes less time to copy them one by one than to have them copied. */
const SMALL_BYTES = 128;
const SEND_PAYLOAD_BYTES = 128 * 1024;

/** Where datagrams are received: one slot for each, with room for its contents, its sender and its packet info. */
export class ReceiveBatch {
  /** The memory. */
  readonly messages: MessageBatch;
  /** Most datagrams per call. */
  readonly slots: number;
  /** Bytes kept of each. */
  readonly slotBytes: number;
  // Each slot's memory as an array, made once and only where somebody wants it: making one takes longer than reading a short datagram.
  readonly #memories: Uint8Array[] = [];
  // How many slots hold what the kernel wrote into them, and whether all have room for packet info.
  #used = 0;
  #hasControl = false;

  constructor(slots: number, slotBytes: number) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.messages = new MessageBatch({ slots, payloadBytes: slots * slotBytes, controlBytes: PACKET_INFO_BYTES });
    for (let index = 0; index < slots; index++) {
      this.messages.setPayload(index, index * slotBytes, slotBytes);
      this.messages.setNameLength(index, SOCKET_ADDRESS_BYTES_MAX);
    }
  }

  /** The memory of a slot, from its beginning. */
  memoryAt(index: number): Uint8Array {
    const { payload } = this.messages;
    return this.#memories[index] ??= payload.subarray(index * this.slotBytes, (index + 1) * this.slotBytes);
  }

  /**
   * Receives at most `count` datagrams. Returns how many, or `-errno`.
   *
   * @param wantsControl whether there is to be room for ancillary data. Without, a Unix peer cannot slip descriptors into the process.
   */
  receive(fd: number, count: number, wantsControl: boolean): number {
    const { messages } = this;
    const stale = wantsControl === this.#hasControl ? this.#used : this.slots;
    for (let index = 0; index < stale; index++) {
      messages.setNameLength(index, SOCKET_ADDRESS_BYTES_MAX);
      messages.setControlLength(index, wantsControl ? PACKET_INFO_BYTES : 0);
    }
    this.#hasControl = wantsControl;
    const result = messages.receive(fd, count);
    this.#used = Math.max(0, result);
    return result;
  }
}

/**
 * Where datagrams are gathered that leave together. When it is sent it may put them into another order, in which they are counted from then on;
 * those to one peer keep theirs.
 */
export class SendBatch {
  readonly #messages: MessageBatch = new MessageBatch({
    slots: SEND_SLOTS,
    payloadBytes: SEND_PAYLOAD_BYTES,
    controlBytes: PACKET_INFO_BYTES,
  });
  readonly #offsets: Uint32Array = new Uint32Array(SEND_SLOTS + 1);
  #ownPlan: RunPlan | null = null;
  // How they leave; null: one by one, in the order in which they came.
  #plan: RunPlan | null = null;
  /** Datagrams in it. */
  count = 0;

  /** Bytes in it. */
  get bytes(): number {
    return this.#offsets[this.count]!;
  }

  /** Whether one more of `length` bytes fits. */
  fits(length: number): boolean {
    return this.count < SEND_SLOTS && this.bytes + length <= SEND_PAYLOAD_BYTES;
  }

  /** The memory for their contents. One more is written from {@linkcode SendBatch.bytes} on, for {@linkcode SendBatch.addWritten}. */
  get memory(): Uint8Array {
    return this.#messages.payload;
  }

  /** Copies `data[0..length)` in as one more. It must fit. */
  add(data: Uint8Array, length: number, route: DatagramRoute | null): void {
    const { payload } = this.#messages;
    const offset = this.bytes;
    if (length <= SMALL_BYTES) copyBytes(payload, offset, data, 0, length);
    else payload.set(length === data.length ? data : data.subarray(0, length), offset);
    this.addWritten(length, route);
  }

  /** Adds the one that was written into its memory. It must fit. */
  addWritten(length: number, route: DatagramRoute | null): void {
    const index = this.count;
    const offset = this.bytes;
    const messages = this.#messages;
    messages.setPayload(index, offset, length);
    const nameLength = route === null ? 0 : route.nameLength;
    copyBytes(messages.names, index * SOCKET_ADDRESS_BYTES_MAX, route?.names, route?.nameAt ?? 0, nameLength);
    messages.setNameLength(index, nameLength);
    const controlLength = route === null ? 0 : route.controlLength;
    copyBytes(messages.controls, index * PACKET_INFO_BYTES, route?.controls, route?.controlAt ?? 0, controlLength);
    messages.setControlLength(index, controlLength);
    this.#offsets[++this.count] = offset + length;
  }

  /**
   * Decides how they leave, once all are there. Until then they would leave one by one.
   *
   * @param isFree whether those to different peers may change places.
   */
  arrange(segmentation: Segmentation, isFree: boolean): void {
    this.#plan = null;
    if (this.count < 2 || !segmentation.isOn) return;
    const plan = this.#ownPlan ??= new RunPlan(this.#messages, this.#offsets);
    if (plan.make(this.count, isFree, segmentation)) this.#plan = plan;
  }

  /**
   * Sends from `first` on: 0, where an earlier call has ended, or behind a datagram that was refused. Returns how many the kernel took, or `-errno`.
   */
  send(fd: number, first: number, flags: number): number {
    if (this.#plan !== null) return this.#plan.send(fd, first, flags);
    if (this.count === 1) return this.#sendOnly(fd, flags);
    return this.#messages.send(fd, first, this.count - first, flags);
  }

  /** A single one needs no header, which the kernel would have to read and to write. */
  #sendOnly(fd: number, flags: number): number {
    const messages = this.#messages;
    if (messages.controlLengthAt(0) > 0) return messages.send(fd, 0, 1, flags);
    const nameLength = messages.nameLengthAt(0);
    const result = nameLength === 0
      ? send(fd, messages.payload, this.bytes, flags)
      : sendto(fd, messages.payload, this.bytes, flags, messages.names, nameLength);
    return result < 0 ? result : 1;
  }

  /**
   * When sending from `first` on was refused with `result`: whether that was a run of several, whose datagrams go one by one from now on, so that it
   * is to be tried again.
   */
  split(first: number, result: number): boolean {
    return this.#plan !== null && this.#plan.split(first, result);
  }

  /** After sending some: `-errno` that the next one met and the kernel will not tell again, else 0. */
  get failedBehind(): number {
    return this.#plan === null ? this.#messages.failedBehind : this.#plan.failedBehind;
  }

  #slotOf(index: number): number {
    return this.#plan === null ? index : this.#plan.slotAt(index);
  }

  /** The contents of one, as a view that the next {@linkcode SendBatch.add} after a clear overwrites. */
  dataAt(index: number): Uint8Array {
    const slot = this.#slotOf(index);
    return this.#messages.payload.subarray(this.#offsets[slot]!, this.#offsets[slot + 1]!);
  }

  /** Where one goes, in memory of the batch; null where it has no address. */
  routeAt(index: number): DatagramRoute | null {
    const slot = this.#slotOf(index);
    const messages = this.#messages;
    const nameLength = messages.nameLengthAt(slot);
    if (nameLength === 0) return null;
    return {
      names: messages.names,
      nameAt: slot * SOCKET_ADDRESS_BYTES_MAX,
      nameLength,
      controls: messages.controls,
      controlAt: slot * PACKET_INFO_BYTES,
      controlLength: messages.controlLengthAt(slot),
    };
  }

  /** Empties it. */
  clear(): void {
    this.count = 0;
    this.#plan = null;
  }
}

/** A loop, since the pieces are so small that making a view costs more. */
function copyBytes(to: Uint8Array, at: number, from: Uint8Array | undefined, start: number, length: number): void {
  if (from === undefined) return;
  for (let index = 0; index < length; index++) to[at + index] = from[start + index]!;
}

// Nothing is received or sent while user code runs in between, except by loops inside callbacks; so a thread needs few of each.
const idleReceive: ReceiveBatch[] = [];
const idleSend: SendBatch[] = [];

/** A batch of the default shape, until {@linkcode giveReceiveBatch}. */
export function takeReceiveBatch(): ReceiveBatch {
  return idleReceive.pop() ?? new ReceiveBatch(BATCH_DEFAULT, DATAGRAM_BYTES_DEFAULT);
}

/** Gives back what {@linkcode takeReceiveBatch} gave. */
export function giveReceiveBatch(batch: ReceiveBatch): void {
  idleReceive.push(batch);
}

/** An empty batch, until {@linkcode giveSendBatch}. */
export function takeSendBatch(): SendBatch {
  return idleSend.pop() ?? new SendBatch();
}

/** Gives back what {@linkcode takeSendBatch} gave. */
export function giveSendBatch(batch: SendBatch): void {
  batch.clear();
  idleSend.push(batch);
}
