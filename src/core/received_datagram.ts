import {
  allocate,
  decodeSocketAddress,
  os,
  PACKET_INFO_BYTES,
  type PacketInfo,
  readPacketInfo,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  writeReplyInfo,
} from "../ffi/mod.ts";
import type { ReceiveBatch } from "./datagram_batches.ts";
import type { DatagramRoute } from "./datagram_route.ts";

const { MSG_TRUNC } = os.constants;
const decoder = new TextDecoder();
// Whatever becomes of an answer, it is sent or copied at once, and so is what goes with it.
const replyControls = allocate(PACKET_INFO_BYTES);

/** How a datagram is answered: with `length` bytes of the data, or all of it. */
type Answer = (data: Uint8Array | string, route: DatagramRoute, length?: number) => boolean;

/**
 * A datagram that was received.
 *
 * The one that a callback is handed is valid until the callback returns: its memory, and the object itself, are used again for
 * the next. {@linkcode ReceivedDatagram.copy} makes one to keep; those from {@linkcode Datagram.receive} are such already.
 */
export class ReceivedDatagram {
  /** Bytes it had when it was sent; where the system does not tell (macOS, FreeBSD) those that were kept. */
  length = 0;
  /** Whether some of its bytes did not fit into `maxDatagramBytes` and are lost. */
  truncated = false;

  /** @internal Its sender's sockaddr, and the packet info of an answer, as a route. */
  names: Uint8Array = allocate(0);
  /** @internal */
  nameAt = 0;
  /** @internal */
  nameLength = 0;
  /** @internal */
  controls: Uint8Array = allocate(0);
  /** @internal */
  controlAt = 0;
  /** @internal */
  controlLength = 0;

  readonly #answer: Answer;
  /** @internal Where it is, from the beginning; larger than the datagram. */
  memory: Uint8Array = allocate(0);
  #kept = 0;
  #bytes: Uint8Array | undefined;
  // Often many come from one sender: its address is kept with the bytes it was decoded from.
  #sender: SocketAddress | undefined;
  readonly #senderBytes: Uint8Array = allocate(SOCKET_ADDRESS_BYTES_MAX);
  #senderLength = -1;

  /** @internal */
  constructor(answer: Answer) {
    this.#answer = answer;
  }

  /** @internal Shows the datagram in slot `index`. */
  point(batch: ReceiveBatch, index: number): void {
    const { messages, slotBytes } = batch;
    this.length = messages.lengthAt(index);
    this.truncated = (messages.flagsAt(index) & MSG_TRUNC) !== 0;
    this.memory = batch.memoryAt(index);
    this.#kept = Math.min(this.length, slotBytes);
    this.#bytes = undefined;
    this.names = messages.names;
    this.nameAt = index * SOCKET_ADDRESS_BYTES_MAX;
    this.nameLength = Math.min(messages.nameLengthAt(index), SOCKET_ADDRESS_BYTES_MAX);
    this.controls = messages.controls;
    this.controlAt = index * PACKET_INFO_BYTES;
    this.controlLength = messages.controlLengthAt(index);
  }

  /** Its bytes, as a view of the memory it was received in. */
  get bytes(): Uint8Array {
    return this.#bytes ??= this.memory.subarray(0, this.#kept);
  }

  /** Its bytes as UTF-8 text. */
  text(): string {
    return decoder.decode(this.bytes);
  }

  /** Who sent it, decoded when asked for. A Unix socket that was not bound has an empty path. */
  get sender(): SocketAddress {
    if (this.#sender === undefined || !this.#isSameSender()) {
      const raw = this.names.subarray(this.nameAt, this.nameAt + this.nameLength);
      this.#sender = decodeSocketAddress(raw, this.nameLength);
      this.#senderBytes.set(raw);
      this.#senderLength = this.nameLength;
    }
    return this.#sender;
  }

  #isSameSender(): boolean {
    if (this.#senderLength !== this.nameLength) return false;
    for (let index = 0; index < this.nameLength; index++) {
      if (this.#senderBytes[index] !== this.names[this.nameAt + index]) return false;
    }
    return true;
  }

  /** The address of this host that it was sent to, or the group or broadcast address; undefined unless `packetInfo` was asked for. */
  get localAddress(): string | undefined {
    return this.#packetInfo()?.localAddress;
  }

  /** Index of the interface it came in by; 0 unless `packetInfo` was asked for. */
  get interfaceIndex(): number {
    return this.#packetInfo()?.interfaceIndex ?? 0;
  }

  #packetInfo(): PacketInfo | undefined {
    return this.controlLength === 0 ? undefined : readPacketInfo(this.controls, this.controlAt, this.controlLength);
  }

  /**
   * Sends an answer to its sender; with `packetInfo` from the address it was sent to. See {@linkcode Datagram.send}.
   *
   * @returns false when it was refused at once, or the socket is closed.
   */
  reply(data: Uint8Array | string): boolean {
    return this.replyWith(data, undefined);
  }

  /** @internal As {@linkcode ReceivedDatagram.reply}, with the first `length` bytes of larger memory. */
  replyWith(data: Uint8Array | string, length: number | undefined): boolean {
    if (this.controlLength === 0) return this.#answer(data, this, length);
    const controls = replyControls;
    const controlLength = writeReplyInfo(this.controls, this.controlAt, this.controlLength, controls, 0);
    const { names, nameAt, nameLength } = this;
    return this.#answer(data, { names, nameAt, nameLength, controls, controlAt: 0, controlLength }, length);
  }

  /** The same in memory of its own. */
  copy(): ReceivedDatagram {
    const copy = new ReceivedDatagram(this.#answer);
    copy.length = this.length;
    copy.truncated = this.truncated;
    copy.memory = copy.#bytes = this.memory.slice(0, this.#kept);
    copy.#kept = this.#kept;
    copy.names = this.names.slice(this.nameAt, this.nameAt + this.nameLength);
    copy.nameLength = this.nameLength;
    copy.controls = this.controls.slice(this.controlAt, this.controlAt + this.controlLength);
    copy.controlLength = this.controlLength;
    return copy;
  }
}
