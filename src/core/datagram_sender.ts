import {
  allocate,
  decodeSocketAddress,
  os,
  send,
  sendto,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
  type SystemError,
  systemError,
  type SystemErrorFacts,
} from "../ffi/mod.ts";
import { EV_PERSIST, EV_WRITE } from "./constants.ts";
import { giveSendBatch, type SendBatch, takeSendBatch } from "./datagram_batches.ts";
import type { DatagramLimits } from "./datagram_limits.ts";
import { DatagramQueue, routeKey } from "./datagram_queue.ts";
import type { DatagramRoute } from "./datagram_route.ts";
import { LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";
import type { Segmentation } from "./segmentation.ts";
import { watch } from "./watch.ts";

const { EAGAIN, ECONNREFUSED, EINTR, ENOBUFS } = os.errno as Record<
  "EAGAIN" | "ECONNREFUSED" | "EINTR" | "ENOBUFS",
  number
>;
const { MSG_DONTWAIT } = os.constants;

/** How long to wait for an unconnected Unix socket's peer at first, and at most: nothing tells when it has room again. */
const RETRY_MS_MIN = 1;
const RETRY_MS_MAX = 64;

/** What a sender works for. */
interface SenderOptions extends DatagramLimits {
  readonly fd: number;
  readonly family: SocketAddress["family"];
  /** Whether datagrams leave in runs. */
  readonly segmentation: Segmentation;
  /** Takes note of an error, without calling user code at once. */
  readonly report: (error: SystemError) => void;
  /** What waited has been sent. */
  readonly drained: () => void;
}

// sendto wants a sockaddr at the beginning of an array.
const name = allocate(SOCKET_ADDRESS_BYTES_MAX);

/**
 * The sending half of a datagram socket: at once where the kernel takes it, gathered within a burst, queued where it does not.
 * No user code runs inside any of its methods.
 *
 * @internal
 */
export class DatagramSender {
  /** Whether the kernel knows a peer. */
  isConnected = false;
  /** Datagrams that the kernel took. */
  sent = 0;
  /** Datagrams dropped since the queue was full, or the socket was closed over them. */
  dropped = 0;
  /** Datagrams that the kernel refused. */
  refused = 0;

  readonly #base: EventBase;
  readonly #options: SenderOptions;
  readonly #queue: DatagramQueue;
  #batch: SendBatch | null = null;
  #bursts = 0;
  #writable: LoopEvent | null = null;
  #retry: LoopEvent | null = null;
  #retryMs = RETRY_MS_MIN;
  // Whether the descriptor does not tell when there is room again.
  #isBlind = false;

  constructor(base: EventBase, options: SenderOptions) {
    this.#base = base;
    this.#options = options;
    this.#queue = new DatagramQueue(options.queueBytesMax, options.queueDatagramsMax);
  }

  /** Datagrams that wait, gathered ones included. */
  get waitingCount(): number {
    return this.#queue.count + (this.#batch?.count ?? 0);
  }

  /** Their bytes. */
  get waitingBytes(): number {
    return this.#queue.bytes + (this.#batch?.bytes ?? 0);
  }

  /** From now on datagrams are gathered. Bursts may be nested. */
  beginBurst(): void {
    this.#bursts++;
  }

  /** Sends what was gathered; gathering ends with the outermost burst. */
  endBurst(): void {
    this.#bursts--;
    this.flush();
  }

  /**
   * Sends one datagram, or keeps a copy of it.
   *
   * @param route null: to the peer.
   * @param length how much of `data` it is; who has the datagram in larger memory need not make an array of its length.
   * @returns false when it was refused or dropped.
   */
  send(data: Uint8Array, route: DatagramRoute | null, length: number = data.length): boolean {
    const batch = this.#batch;
    if (batch !== null && this.#bursts > 0 && batch.fits(length) && this.#fitsBehind(batch, length)) {
      batch.add(data, length, route);
      return true;
    }
    return this.#sendWhole(length === data.length ? data : data.subarray(0, length), route);
  }

  /** Whether one more may be gathered, as nothing waits that it would overtake. */
  #fitsBehind(batch: SendBatch, length: number): boolean {
    return this.#queue.count === 0 && this.#queue.hasRoom(batch.count + 1, batch.bytes + length);
  }

  #sendWhole(data: Uint8Array, route: DatagramRoute | null): boolean {
    if (this.#mustQueue(route)) return this.#enqueue(data, route);
    if (this.#bursts > 0 || (route !== null && route.controlLength > 0)) return this.#gather(data, route);
    return this.#sendOrQueue(data, route);
  }

  /** Sends one past what is gathered, of which there is nothing. */
  #sendOrQueue(data: Uint8Array, route: DatagramRoute | null): boolean {
    const result = this.#sendOne(data, route);
    if (result >= 0) return true;
    if (this.#isFull(result)) {
      const isQueued = this.#enqueue(data, route);
      if (isQueued) this.#waitForRoom();
      return isQueued;
    }
    this.#refuse(result, data.length, route);
    return false;
  }

  /** The order is kept: behind what waits, one waits as well; of Unix destinations each has an order of its own. */
  #mustQueue(route: DatagramRoute | null): boolean {
    if (this.#queue.count === 0) return false;
    return !this.#hasManyPeers || this.#queue.holds(routeKey(route));
  }

  /** Whether the peers of this socket fill up one by one, instead of the socket itself. */
  get #hasManyPeers(): boolean {
    return this.#options.family === "unix" && !this.isConnected;
  }

  /** Whether a call may fail for what became of an earlier datagram. A Unix socket's calls fail for their own. */
  get #hearsOfEarlier(): boolean {
    return this.isConnected && this.#options.family !== "unix";
  }

  #enqueue(data: Uint8Array, route: DatagramRoute | null): boolean {
    if (!this.#queue.hasRoom(1, data.length)) {
      this.dropped++;
      return false;
    }
    this.#queue.push(data, route);
    return true;
  }

  #gather(data: Uint8Array, route: DatagramRoute | null): boolean {
    let batch = this.#batch ??= takeSendBatch();
    if (!batch.fits(data.length) || !this.#queue.hasRoom(batch.count + 1, batch.bytes + data.length)) {
      this.flush();
      if (this.#mustQueue(route)) return this.#enqueue(data, route);
      batch = this.#batch ??= takeSendBatch();
    }
    // Larger than all that can be gathered: only Unix sockets carry so much, which have no ancillary data.
    if (!batch.fits(data.length)) return this.#sendOrQueue(data, route);
    const refusedBefore = this.refused;
    batch.add(data, data.length, route);
    // What may not wait leaves at once; by way of the batch, since there may be ancillary data.
    if (!this.#queue.hasRoom(1, data.length)) return this.#sendAlone(batch);
    if (this.#bursts === 0) this.flush();
    return this.refused === refusedBefore;
  }

  /** Sends the only datagram of a batch, or drops it. */
  #sendAlone(batch: SendBatch): boolean {
    const refusedBefore = this.refused;
    const isDone = this.#transmit(batch) === 1;
    batch.clear();
    if (!isDone) this.dropped++;
    return isDone && this.refused === refusedBefore;
  }

  /** Sends what was gathered; what the kernel does not take now goes into the queue. */
  flush(): void {
    const batch = this.#batch;
    if (batch === null) return;
    const done = this.#transmit(batch);
    for (let index = done; index < batch.count; index++) this.#queue.push(batch.dataAt(index), batch.routeAt(index));
    this.#batch = null;
    giveSendBatch(batch);
    if (this.#queue.count > 0) {
      // The first one's peer is full; the others' may not be.
      if (this.#hasManyPeers) this.#drainPeers();
      if (this.#queue.count > 0) this.#waitForRoom();
    }
  }

  /**
   * Sends a batch. Returns how many are done with, sent or refused; fewer than all of them when the kernel is full.
   *
   * @param isFree whether those to different peers may change places; those that are not done with have done so then.
   */
  #transmit(batch: SendBatch, isFree = true): number {
    batch.arrange(this.#options.segmentation, isFree);
    let first = 0;
    // What connected sockets are told of earlier datagrams: it stands in the way of the next one, which is still to be sent.
    let earlier = 0;
    while (first < batch.count) {
      const result = batch.send(this.#options.fd, first, MSG_DONTWAIT);
      if (result > 0) {
        this.sent += result;
        if (earlier !== 0) this.#tellEarlier(earlier);
        earlier = this.#hearsOfEarlier ? batch.failedBehind : 0;
        first += result;
      } else if (this.#isFull(result)) {
        if (earlier !== 0) this.#tellEarlier(earlier);
        return first;
      } else if (result !== -EINTR) {
        if (this.#hearsOfEarlier && earlier === 0) {
          earlier = result;
          continue;
        }
        const isSplit = batch.split(first, result);
        // What it says twice is of this one, or of a run; but that no peer can have refused yet.
        const isOwn = earlier === result && !(isSplit && result === -ECONNREFUSED);
        if (earlier !== 0 && !isOwn) this.#tellEarlier(earlier);
        earlier = 0;
        if (isSplit) continue;
        this.#refuse(result, batch.dataAt(first).length, batch.routeAt(first));
        first++;
      }
    }
    if (earlier !== 0) this.#tellEarlier(earlier);
    return first;
  }

  /** One system call, more where an earlier error or a signal is in the way. Returns its result. */
  #sendOne(data: Uint8Array, route: DatagramRoute | null): number {
    let earlier = 0;
    for (;;) {
      const result = this.#call(data, route);
      if (result === -EINTR) continue;
      if (result < 0 && this.#hearsOfEarlier && earlier === 0 && !this.#isFull(result)) {
        earlier = result;
        continue;
      }
      if (result >= 0) this.sent++;
      if (earlier !== 0 && (result >= 0 || this.#isFull(result))) this.#tellEarlier(earlier);
      return result;
    }
  }

  #call(data: Uint8Array, route: DatagramRoute | null): number {
    const { fd } = this.#options;
    if (route === null || route.nameLength === 0) return send(fd, data, data.length, MSG_DONTWAIT);
    const { names, nameAt, nameLength } = route;
    if (nameAt === 0) return sendto(fd, data, data.length, MSG_DONTWAIT, names, nameLength);
    for (let index = 0; index < nameLength; index++) name[index] = names[nameAt + index]!;
    return sendto(fd, data, data.length, MSG_DONTWAIT, name, nameLength);
  }

  /** Whether a result says that there is no room now. The BSDs say of a Unix peer's full queue ENOBUFS, and not when that has passed. */
  #isFull(result: number): boolean {
    if (result === -EAGAIN) return true;
    if (result !== -ENOBUFS || this.#options.family !== "unix") return false;
    this.#isBlind = true;
    return true;
  }

  #refuse(result: number, length: number, route: DatagramRoute | null): void {
    this.refused++;
    const action = `send a datagram of ${length} bytes${route === null || route.nameLength === 0 ? "" : " to"}`;
    const facts = { ...factsOf(route), ...hintFor(result, this.#options.family) };
    this.#options.report(systemError(result, "sendmsg", action, facts));
  }

  #tellEarlier(result: number): void {
    this.#options.report(systemError(result, "sendmsg", "have earlier datagrams delivered"));
  }

  /** Waits until the kernel takes more, by the descriptor or, where that does not tell, by time. */
  #waitForRoom(): void {
    if (this.#hasManyPeers || this.#isBlind) {
      this.#retry ??= new LoopEvent(this.#base, -1, 0, () => this.#drain());
      if (this.#retry.pending() !== 0) return;
      this.#retry.add(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
      return;
    }
    this.#writable ??= new LoopEvent(this.#base, this.#options.fd, EV_WRITE | EV_PERSIST, () => this.#drain());
    const error = watch(this.#writable, true);
    if (error === null) return;
    this.#options.report(error);
    this.dropAll();
  }

  #drain(): void {
    const before = this.#queue.count;
    if (this.#hasManyPeers) this.#drainPeers();
    else this.#drainQueue();
    if (this.#queue.count < before) this.#retryMs = RETRY_MS_MIN;
    if (this.#queue.count > 0) {
      this.#waitForRoom();
      return;
    }
    this.#writable?.delete();
    this.#options.drained();
  }

  /** Sends from the front of the queue until it is empty or the kernel is full. */
  #drainQueue(): void {
    const batch = takeSendBatch();
    try {
      while (this.#queue.count > 0) {
        batch.clear();
        for (let entry = this.#queue.at(0); entry !== undefined && batch.fits(entry.data.length);) {
          batch.add(entry.data, entry.data.length, entry.route);
          entry = this.#queue.at(batch.count);
        }
        if (batch.count === 0) {
          const { data, route } = this.#queue.at(0)!;
          const result = this.#sendOne(data, route);
          if (this.#isFull(result)) return;
          if (result < 0) this.#refuse(result, data.length, route);
          this.#queue.shift(1);
          continue;
        }
        // In the order of the queue, whose first ones are then done with.
        const done = this.#transmit(batch, false);
        this.#queue.shift(done);
        if (done < batch.count) return;
      }
    } finally {
      giveSendBatch(batch);
    }
  }

  /** Goes once through the queue, passing over what goes to peers that are found full. */
  #drainPeers(): void {
    const full = new Set<string>();
    this.#queue.removeWhere(({ data, route, key }) => {
      if (full.has(key)) return false;
      const result = this.#sendOne(data, route);
      if (this.#isFull(result)) full.add(key);
      else if (result < 0) this.#refuse(result, data.length, route);
      return !this.#isFull(result);
    });
  }

  /** Drops what waits. */
  dropAll(): void {
    this.dropped += this.#queue.count;
    this.#queue.shift(this.#queue.count);
    this.#writable?.delete();
    this.#retry?.delete();
  }

  /** Sends what the kernel takes, and drops the rest. */
  close(): void {
    this.flush();
    this.dropAll();
    this.#writable?.close();
    this.#retry?.close();
  }
}

function factsOf(route: DatagramRoute | null): SystemErrorFacts {
  if (route === null || route.nameLength === 0) return {};
  const raw = route.names.subarray(route.nameAt, route.nameAt + route.nameLength);
  const to = decodeSocketAddress(raw, route.nameLength);
  return to.family === "unix" ? { path: to.path } : { address: to.host, port: to.port };
}

function hintFor(result: number, family: SocketAddress["family"]): SystemErrorFacts {
  const { EMSGSIZE, EACCES } = os.errno;
  if (result === -EMSGSIZE!) {
    return {
      hint: family === "unix"
        ? "the kernel's send buffer limits it, see sendBufferBytes"
        : `UDP carries at most ${family === "ipv4" ? 65_507 : 65_527} bytes`,
    };
  }
  return result === -EACCES! && family !== "unix" ? { hint: "broadcast addresses need the option broadcast" } : {};
}
