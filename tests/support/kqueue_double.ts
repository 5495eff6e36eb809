/**
 * A kqueue for tests on Linux. It reads the very bytes that `KqueueBackend` hands over, refuses whatever macOS's kernel would
 * misunderstand, and waits by epoll, so that edges, hang-ups and closed descriptors come from a real kernel.
 *
 * Each kqueue is an epoll instance with two more inside it, one for the read filters and one for the write filters: kqueue clears each
 * filter's edge on its own, while a single epoll registration would report both directions together.
 */
import {
  close,
  darwinKqueue,
  epollControl,
  epollCreate,
  epollWait,
  type KqueueConstants,
  type KqueueProvider,
  openEventfd,
  os,
  read,
  write,
} from "../../src/ffi/mod.ts";

const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET } = os.constants;
const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = os.constants;
const { EBADF, EEXIST, EINVAL, ENOENT, EPERM } = os.errno as Record<
  "EBADF" | "EEXIST" | "EINVAL" | "ENOENT" | "EPERM",
  number
>;

const EVENT_BYTES = 32;
const BATCH = 64;

/** One struct kevent as it was handed over. */
export interface KeventChange {
  readonly ident: number;
  readonly filter: number;
  readonly flags: number;
}

/** A filter that is registered. */
interface Filter {
  readonly ident: number;
  readonly clear: boolean;
  /** What epoll watches: the descriptor, or for a regular file an eventfd that is always ready. */
  readonly watchedFd: number;
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** The filters of one direction, in an epoll instance of their own. */
class Direction {
  readonly filters = new Map<number, Filter>();
  readonly #interest: number;
  readonly #outerFd: number;
  readonly #epoll = os.structs.epoll_event!;
  readonly #event: Uint8Array = bytes(this.#epoll.size);
  readonly #ready: Uint8Array = bytes(this.#epoll.size * BATCH);
  #fd = -1;

  constructor(outerFd: number, interest: number) {
    this.#outerFd = outerFd;
    this.#interest = interest;
    this.#open();
  }

  #open(): void {
    this.#fd = epollCreate();
    const result = this.#control(this.#outerFd, EPOLL_CTL_ADD, this.#fd, EPOLLIN, this.#fd);
    if (this.#fd < 0 || result < 0) throw new Error(`Cannot set up the kqueue double: ${this.#fd}, ${result}`);
  }

  #control(epollFd: number, operation: number, fd: number, events: number, data: number): number {
    const words = new Int32Array(this.#event.buffer as ArrayBuffer);
    words.fill(0);
    words[0] = events;
    words[this.#epoll.fields.fd.offset / 4] = data;
    return epollControl(epollFd, operation, fd, this.#event);
  }

  #mask(clear: boolean): number {
    return this.#interest | (this.#interest === EPOLLIN ? EPOLLRDHUP : 0) | (clear ? EPOLLET : 0);
  }

  /** Adds or renews a filter; returns 0 or a positive errno. */
  add(ident: number, clear: boolean): number {
    const known = this.filters.get(ident);
    const result = this.#control(this.#fd, EPOLL_CTL_ADD, ident, this.#mask(clear), ident);
    if (result === -EEXIST) {
      // As in FreeBSD's kernel, EV_CLEAR belongs to the filter's creation: adding it again checks readiness anew and no
      // more. Where no filter is known, epoll has kept what closing a duplicated descriptor has taken from a kqueue.
      const filter = known ?? { ident, clear, watchedFd: ident };
      this.filters.set(ident, filter);
      return -this.#control(this.#fd, EPOLL_CTL_MOD, ident, this.#mask(filter.clear), ident);
    }
    if (result === -EPERM) return known === undefined ? this.#addFile(ident, clear) : 0;
    if (result < 0) return -result;
    // Where the double still knew a filter, its descriptor was closed meanwhile and the number means something else now.
    this.filters.set(ident, { ident, clear, watchedFd: ident });
    return 0;
  }

  /** A regular file, which epoll refuses and kqueue accepts: always ready, as an eventfd is. */
  #addFile(ident: number, clear: boolean): number {
    const standIn = openEventfd()!;
    const one = bytes(8);
    one[0] = 1;
    write(standIn, one, 8);
    this.filters.set(ident, { ident, clear, watchedFd: standIn });
    return -this.#control(this.#fd, EPOLL_CTL_ADD, standIn, this.#mask(clear), ident);
  }

  /** Removes a filter; returns 0 or a positive errno. */
  remove(ident: number): number {
    const filter = this.filters.get(ident);
    if (filter === undefined) return ENOENT;
    this.filters.delete(ident);
    if (filter.watchedFd !== ident) return -close(filter.watchedFd);
    return -this.#control(this.#fd, EPOLL_CTL_DEL, ident, 0, ident);
  }

  /** Calls `report` for up to `max` ready filters; returns how many there were. */
  collect(max: number, report: (filter: Filter, isEnd: boolean) => void): number {
    const words = new Int32Array(this.#ready.buffer as ArrayBuffer);
    const stride = this.#epoll.size / 4;
    const found = max === 0 ? 0 : epollWait(this.#fd, this.#ready, Math.min(max, BATCH), 0);
    let reported = 0;
    for (let index = 0; index < found; index++) {
      const ident = words[index * stride + this.#epoll.fields.fd.offset / 4]!;
      const filter = this.filters.get(ident);
      if (filter === undefined || !this.#isCurrent(filter)) {
        this.#forgetClosed();
        continue;
      }
      report(filter, (words[index * stride]! & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) !== 0);
      reported++;
    }
    return reported;
  }

  /** Whether the descriptor is still the one that was registered: epoll goes on reporting a closed one while a duplicate is open. */
  #isCurrent({ ident, watchedFd, clear }: Filter): boolean {
    const result = this.#control(this.#fd, EPOLL_CTL_ADD, watchedFd, this.#mask(clear), ident);
    if (result === 0) this.#control(this.#fd, EPOLL_CTL_DEL, watchedFd, 0, ident);
    return result === -EEXIST;
  }

  /** Closing a descriptor removes its filters from a kqueue. Epoll can be brought to that only by building it anew. */
  #forgetClosed(): void {
    const kept = [...this.filters.values()].filter((filter) => this.#isCurrent(filter));
    close(this.#fd);
    this.#open();
    this.filters.clear();
    for (const filter of kept) {
      this.filters.set(filter.ident, filter);
      this.#control(this.#fd, EPOLL_CTL_ADD, filter.watchedFd, this.#mask(filter.clear), filter.ident);
    }
  }

  close(): void {
    for (const { ident, watchedFd } of this.filters.values()) if (watchedFd !== ident) close(watchedFd);
    this.filters.clear();
    close(this.#fd);
  }
}

/** Everything behind one kqueue descriptor. */
class Queue {
  readonly fd: number = epollCreate();
  readonly reads: Direction = new Direction(this.fd, EPOLLIN);
  readonly writes: Direction = new Direction(this.fd, EPOLLOUT);
  /** Signals that are watched, with how often each was raised since it was last reported. */
  readonly signals = new Map<number, number>();
  readonly #bellFd: number = openEventfd()!;
  readonly #bytes: Uint8Array = bytes(64);

  constructor() {
    const words = new Int32Array(this.#bytes.buffer as ArrayBuffer);
    words[0] = EPOLLIN;
    epollControl(this.fd, EPOLL_CTL_ADD, this.#bellFd, this.#bytes);
  }

  ring(): void {
    const one = bytes(8);
    one[0] = 1;
    write(this.#bellFd, one, 8);
  }

  wait(timeoutMs: number): number {
    return epollWait(this.fd, this.#bytes, 1, timeoutMs);
  }

  silence(): void {
    read(this.#bellFd, this.#bytes, 8);
  }

  /** `fd` itself is the backend's to close. */
  close(): void {
    this.reads.close();
    this.writes.close();
    close(this.#bellFd);
  }
}

/** The double. One serves any number of kqueues; {@linkcode KqueueDouble.close} gives back what their owners do not know of. */
export class KqueueDouble implements KqueueProvider {
  readonly eventSize: number = darwinKqueue.eventSize;
  readonly constants: KqueueConstants = darwinKqueue.constants;
  /** Every change that was handed over, in order. */
  readonly changes: KeventChange[] = [];
  /** A positive errno with which the next change is refused, in its receipt; 0: none. */
  refuseNextChange = 0;
  /** A positive errno with which the next call of `kqueue` or `kevent` fails; 0: none. */
  failNextCall = 0;
  readonly #queues = new Map<number, Queue>();

  kqueue(): number {
    if (this.failNextCall !== 0) return this.#failure();
    const queue = new Queue();
    // The number of a queue that its owner has closed may come back.
    this.#queues.get(queue.fd)?.close();
    this.#queues.set(queue.fd, queue);
    return queue.fd;
  }

  kevent(
    fd: number,
    changes: Uint8Array | null,
    changeCount: number,
    events: Uint8Array,
    eventsMax: number,
    timeout: Uint8Array | null,
  ): number {
    if (this.failNextCall !== 0) return this.#failure();
    const queue = this.#queues.get(fd);
    if (queue === undefined) return -EBADF;
    if (events.length < eventsMax * EVENT_BYTES) {
      throw new Error(`Room for ${eventsMax} events was promised, not given`);
    }
    const timeoutMs = readTimeout(timeout);
    if (changeCount > 0) return this.#change(queue, changes, changeCount, events, eventsMax);
    return this.#fetch(queue, events, eventsMax, timeoutMs);
  }

  /** Raises `signo` in every kqueue that watches it. */
  raise(signo: number): void {
    for (const queue of this.#queues.values()) {
      const count = queue.signals.get(signo);
      if (count === undefined) continue;
      queue.signals.set(signo, count + 1);
      queue.ring();
    }
  }

  /** How many filters all kqueues hold for `ident`. */
  filterCount(ident: number): number {
    let count = 0;
    for (const { reads, writes } of this.#queues.values()) {
      count += Number(reads.filters.has(ident)) + Number(writes.filters.has(ident));
    }
    return count;
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.close();
    this.#queues.clear();
  }

  #failure(): number {
    const error = this.failNextCall;
    this.failNextCall = 0;
    return -error;
  }

  /** With EV_RECEIPT every change is answered by an EV_ERROR record, and nothing is fetched. */
  #change(queue: Queue, changes: Uint8Array | null, count: number, events: Uint8Array, eventsMax: number): number {
    if (changes === null || changes.length < count * EVENT_BYTES) {
      throw new Error(`${count} changes were promised, not given`);
    }
    if (eventsMax < count) throw new Error("A change without room for its receipt");
    for (let index = 0; index < count; index++) {
      const at = index * EVENT_BYTES;
      const change = readChange(changes.subarray(at, at + EVENT_BYTES), this.constants);
      this.changes.push(change);
      const error = this.refuseNextChange !== 0 ? this.refuseNextChange : this.#apply(queue, change);
      this.refuseNextChange = 0;
      writeEvent(events, index, change.ident, change.filter, change.flags | this.constants.KEV_ERROR, error);
    }
    return count;
  }

  #apply(queue: Queue, { ident, filter, flags }: KeventChange): number {
    const { EVFILT_READ, EVFILT_WRITE, EVFILT_SIGNAL, KEV_ADD, KEV_CLEAR } = this.constants;
    const isAdded = (flags & KEV_ADD) !== 0;
    if (filter === EVFILT_SIGNAL) {
      if (isAdded) queue.signals.set(ident, queue.signals.get(ident) ?? 0);
      else if (!queue.signals.delete(ident)) return ENOENT;
      return ident > 0 && ident < 32 ? 0 : EINVAL;
    }
    const direction = filter === EVFILT_READ ? queue.reads : filter === EVFILT_WRITE ? queue.writes : undefined;
    if (direction === undefined) return EINVAL;
    return isAdded ? direction.add(ident, (flags & KEV_CLEAR) !== 0) : direction.remove(ident);
  }

  #fetch(queue: Queue, events: Uint8Array, eventsMax: number, timeoutMs: number): number {
    const { EVFILT_READ, EVFILT_WRITE, EVFILT_SIGNAL, KEV_CLEAR, KEV_EOF } = this.constants;
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = timeoutMs < 0 ? -1 : Math.max(0, Math.ceil(untilMs - performance.now()));
      const woken = queue.wait(leftMs);
      if (woken <= 0) return woken;
      queue.silence();
      let count = 0;
      for (const [signo, raised] of queue.signals) {
        if (raised === 0 || count === eventsMax) continue;
        writeEvent(events, count++, signo, EVFILT_SIGNAL, KEV_CLEAR, raised);
        queue.signals.set(signo, 0);
      }
      for (const [direction, filter] of [[queue.reads, EVFILT_READ], [queue.writes, EVFILT_WRITE]] as const) {
        direction.collect(eventsMax - count, ({ ident, clear }, isEnd) => {
          writeEvent(events, count++, ident, filter, (clear ? KEV_CLEAR : 0) | (isEnd ? KEV_EOF : 0), isEnd ? 0 : 1);
        });
      }
      // Nothing: what woke us was a descriptor that is closed by now.
      if (count > 0 || timeoutMs === 0) return count;
    }
  }
}

function readTimeout(timeout: Uint8Array | null): number {
  if (timeout === null) return -1;
  const view = new DataView(timeout.buffer, timeout.byteOffset, 16);
  const nanoseconds = view.getBigInt64(8, true);
  if (nanoseconds < 0n || nanoseconds >= 1_000_000_000n) throw new Error(`A timeout with ${nanoseconds} nanoseconds`);
  return Number(view.getBigInt64(0, true)) * 1000 + Number(nanoseconds) / 1e6;
}

function readChange(change: Uint8Array, constants: KqueueConstants): KeventChange {
  const view = new DataView(change.buffer, change.byteOffset, EVENT_BYTES);
  const ident = Number(view.getBigUint64(0, true)), filter = view.getInt16(8, true), flags = view.getUint16(10, true);
  const { KEV_ADD, KEV_DELETE, KEV_CLEAR, KEV_RECEIPT } = constants;
  const facts = `ident ${ident}, filter ${filter}, flags 0x${flags.toString(16)}`;
  if (ident > 0x7fffffff) throw new Error(`A change for no descriptor: ${facts}`);
  if ((flags & ~(KEV_ADD | KEV_DELETE | KEV_CLEAR | KEV_RECEIPT)) !== 0) {
    throw new Error(`A change with unknown flags: ${facts}`);
  }
  if (((flags & KEV_ADD) !== 0) === ((flags & KEV_DELETE) !== 0)) {
    throw new Error(`A change that is not one of add, delete: ${facts}`);
  }
  if ((flags & KEV_RECEIPT) === 0) throw new Error(`A change that asks for no receipt: ${facts}`);
  if (view.getUint32(12, true) !== 0 || view.getBigInt64(16, true) !== 0n || view.getBigUint64(24, true) !== 0n) {
    throw new Error(`A change with something in fflags, data or udata: ${facts}`);
  }
  return { ident, filter, flags };
}

function writeEvent(
  events: Uint8Array,
  index: number,
  ident: number,
  filter: number,
  flags: number,
  data: number,
): void {
  const view = new DataView(events.buffer, events.byteOffset + index * EVENT_BYTES, EVENT_BYTES);
  view.setBigUint64(0, BigInt(ident), true);
  view.setInt16(8, filter, true);
  view.setUint16(10, flags, true);
  view.setUint32(12, 0, true);
  view.setBigInt64(16, BigInt(data), true);
  view.setBigUint64(24, 0n, true);
}
