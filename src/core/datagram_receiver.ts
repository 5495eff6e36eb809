import { os, type SystemError, systemError } from "../ffi/mod.ts";
import { EV_PERSIST, EV_READ } from "./constants.ts";
import {
  BATCH_DEFAULT,
  DATAGRAM_BYTES_DEFAULT,
  giveReceiveBatch,
  ReceiveBatch,
  takeReceiveBatch,
} from "./datagram_batches.ts";
import { DatagramInbox } from "./datagram_inbox.ts";
import type { DatagramLimits } from "./datagram_limits.ts";
import type { DatagramRoute } from "./datagram_route.ts";
import type { DatagramSender } from "./datagram_sender.ts";
import { LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";
import { ReceivedDatagram } from "./received_datagram.ts";
import { Waiter } from "./waiter.ts";
import { watch } from "./watch.ts";

const { EAGAIN, EINTR } = os.errno as Record<"EAGAIN" | "EINTR", number>;

/** How long receiving pauses when the kernel refuses twice in a row: once is what it has to tell of an earlier datagram. */
const PAUSE_MS = 50;

/** What a receiver works with. */
interface ReceiverOptions extends DatagramLimits {
  readonly fd: number;
  readonly wantsPacketInfo: boolean;
  /** What gathers the answers of a batch; undefined: they leave at once. */
  readonly burst: DatagramSender | undefined;
  /** Undefined: datagrams are asked for by {@linkcode DatagramReceiver.take}. */
  readonly callback: ((datagram: ReceivedDatagram) => void) | undefined;
  readonly answer: (data: Uint8Array | string, route: DatagramRoute, length?: number) => boolean;
  readonly report: (error: SystemError) => void;
}

/**
 * The receiving half of a datagram socket.
 *
 * @internal
 */
export class DatagramReceiver {
  /** Datagrams received. */
  received = 0;
  /** Of these, cut ones. */
  truncated = 0;

  readonly #options: ReceiverOptions;
  readonly #inbox: DatagramInbox;
  readonly #shown: ReceivedDatagram;
  readonly #event: LoopEvent;
  readonly #base: EventBase;
  #again: LoopEvent | null = null;
  // A batch of another shape than most sockets use.
  #ownBatch: ReceiveBatch | null = null;
  // Whether the user wants datagrams; without a callback that is when somebody waits.
  #isOn = false;
  #isClosed = false;

  constructor(base: EventBase, options: ReceiverOptions) {
    this.#base = base;
    this.#options = options;
    this.#inbox = new DatagramInbox(base);
    this.#shown = new ReceivedDatagram(options.answer);
    this.#event = new LoopEvent(base, options.fd, EV_READ | EV_PERSIST, () => this.#wake());
  }

  /** Whether datagrams are handed out. */
  get isReceiving(): boolean {
    return this.#isOn;
  }

  /** Hands out datagrams from now on, first those that were received before the pause. */
  resume(): void {
    this.#assertCallback("resume");
    if (this.#isOn) return;
    this.#event.add();
    this.#isOn = true;
    this.#wakeForStored();
  }

  /** Stops that, at once. */
  pause(): void {
    this.#assertCallback("pause");
    this.#stop();
  }

  #assertCallback(doing: string): void {
    if (this.#options.callback !== undefined) return;
    throw new Error(`Cannot ${doing} a datagram socket without a callback: it receives whenever somebody waits`);
  }

  #stop(): void {
    this.#isOn = false;
    this.#event.delete();
    this.#again?.delete();
  }

  /** The next datagram; undefined once closed. */
  take(signal: AbortSignal | undefined): Waiter<ReceivedDatagram | undefined> {
    if (this.#options.callback === undefined) return this.#inbox.take(signal, () => this.#followWaiters());
    const waiter = new Waiter<ReceivedDatagram | undefined>();
    waiter.reject(new Error("Cannot receive by promise: the datagram socket has a callback"));
    return waiter;
  }

  /** What {@linkcode DatagramReceiver.take} has returned is not wanted any more. */
  withdraw(waiter: Waiter<ReceivedDatagram | undefined>): void {
    this.#inbox.withdraw(waiter);
    this.#followWaiters();
  }

  /** Without a callback: watches the socket while somebody waits. */
  #followWaiters(): void {
    if (this.#isClosed || this.#isOn === this.#inbox.isWanted) return;
    if (!this.#inbox.isWanted) {
      this.#stop();
      return;
    }
    const error = watch(this.#event, true);
    this.#isOn = error === null;
    if (error !== null) this.#inbox.fail(error);
  }

  /** What is stored is handed out before the kernel is asked, and the kernel need not have anything. */
  #wakeForStored(): void {
    if (this.#options.callback !== undefined && this.#isOn && this.#inbox.count > 0) this.#event.activate(EV_READ);
  }

  #wake(): void {
    const { burst } = this.#options;
    const batch = this.#takeBatch();
    burst?.beginBurst();
    try {
      this.#handOutStored();
      if (this.#isOn && this.#inbox.count === 0) this.#receive(batch);
    } finally {
      burst?.endBurst();
      this.#giveBatch(batch);
      if (!this.#isClosed) this.#wakeForStored();
    }
  }

  #takeBatch(): ReceiveBatch {
    const { slots, slotBytes } = this.#options;
    if (slots === BATCH_DEFAULT && slotBytes === DATAGRAM_BYTES_DEFAULT) return takeReceiveBatch();
    return this.#ownBatch ??= new ReceiveBatch(slots, slotBytes);
  }

  #giveBatch(batch: ReceiveBatch): void {
    if (batch !== this.#ownBatch) giveReceiveBatch(batch);
  }

  #handOutStored(): void {
    const { callback } = this.#options;
    if (callback === undefined) return;
    while (this.#isOn) {
      const stored = this.#inbox.shift();
      if (stored === undefined) return;
      callback(stored);
    }
  }

  #receive(batch: ReceiveBatch): void {
    const { fd, perWakeMax, wantsPacketInfo, burst } = this.#options;
    let hasFailed = false;
    for (let left = perWakeMax; left > 0 && this.#isOn;) {
      const asked = Math.min(batch.slots, left);
      const count = batch.receive(fd, asked, wantsPacketInfo);
      if (count === -EAGAIN || count === 0) return;
      if (count < 0) {
        left--;
        if (count === -EINTR) continue;
        this.#fail(systemError(count, "recvmsg", "receive a datagram"));
        if (hasFailed) {
          this.#pauseForAMoment();
          return;
        }
        hasFailed = true;
        continue;
      }
      hasFailed = false;
      left -= count;
      this.received += count;
      this.#deliver(batch, count);
      burst?.flush();
      const { failedBehind } = batch.messages;
      if (failedBehind !== 0 && !this.#isClosed) this.#fail(systemError(failedBehind, "recvmsg", "receive a datagram"));
      // The kernel had no more; asking again would only make it say so.
      if (count < asked) return;
    }
  }

  #fail(error: SystemError): void {
    if (!this.#inbox.fail(error)) this.#options.report(error);
    if (this.#options.callback === undefined) this.#followWaiters();
  }

  #deliver(batch: ReceiveBatch, count: number): void {
    const { callback } = this.#options;
    let next = 0;
    try {
      while (next < count && this.#isOn) {
        this.#show(batch, next++);
        if (callback === undefined) this.#inbox.put(this.#shown.copy());
        else callback(this.#shown);
      }
    } finally {
      // A callback has thrown or paused: the rest of the batch is not lost over that.
      while (next < count && !this.#isClosed) {
        this.#show(batch, next++);
        this.#inbox.put(this.#shown.copy());
      }
    }
    if (callback === undefined) this.#followWaiters();
  }

  #show(batch: ReceiveBatch, index: number): void {
    this.#shown.point(batch, index);
    if (this.#shown.truncated) this.truncated++;
  }

  #pauseForAMoment(): void {
    if (!this.#isOn) return;
    this.#event.delete();
    this.#again ??= new LoopEvent(this.#base, -1, 0, () => this.#watchAgain());
    this.#again.add(PAUSE_MS);
  }

  #watchAgain(): void {
    if (!this.#isOn) return;
    const error = watch(this.#event, true);
    if (error === null) return;
    this.#again!.add(PAUSE_MS);
    this.#fail(error);
  }

  /** Stops for good. */
  close(): void {
    this.#stop();
    this.#isClosed = true;
    this.#event.close();
    this.#again?.close();
    this.#inbox.close();
  }
}
