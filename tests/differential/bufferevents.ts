/** The commands that begin with "bev": buffered connections, as bufferevents.c does them in C. */
import type { BufferEvent } from "../../src/core/bufferevent.ts";
import type { DeferredCalls } from "../../src/core/bufferevent_calls.ts";
import { PairBufferEvent } from "../../src/core/bufferevent_pair.ts";
import {
  BEV_EVENT_CONNECTED,
  BEV_FINISHED,
  BEV_NORMAL,
  EV_READ,
  EV_WRITE,
  EVLOOP_NONBLOCK,
  EVLOOP_ONCE,
} from "../../src/core/constants.ts";
import { reactorOf } from "../../src/core/event_base.ts";
import { EvBuffer } from "../../src/core/evbuffer.ts";
import { RateLimit } from "../../src/core/rate_limit.ts";
import { RateLimitGroup } from "../../src/core/rate_limit_group.ts";
import { read, write } from "../../src/ffi/mod.ts";
import {
  callbackWords,
  directionWords,
  eventWords,
  modeWords,
  optionWords,
  parseWords,
  triggerWords,
  unparseWords,
} from "./bufferevent_words.ts";
import { parseText, showBytes } from "./buffers.ts";
import { LoopbackAddress } from "./loopback_address.ts";
import type { Answer, Commands, Named, Stage } from "./stage.ts";
import { transforms } from "./transforms.ts";
import { WatchedFilter, WatchedSocket } from "./watched_connections.ts";

/** What both sides let one read and one sending take at most; C's buffers read no more, whatever they are told. */
const READ_MAX = 4096, WRITE_MAX = 16_384;
const KINDS = ["read", "write", "event"] as const;

/** A connection that has not been freed. */
interface Part {
  readonly name: string;
  readonly bev: BufferEvent;
  readonly callbacks: Readonly<Record<typeof KINDS[number], Named>>;
  /** Which callbacks it has, as bits in the order of `KINDS`. */
  has: number;
  /** Bytes that have left its input. */
  taken: number;
  readonly closes: boolean;
  readonly isPlain: boolean;
  readonly isDeferred: boolean;
}

/** What a connection has still to tell from the loop. */
function dueCalls(bev: BufferEvent): DeferredCalls | null {
  return (bev as unknown as { readonly deferredCalls: DeferredCalls | null }).deferredCalls;
}

/** The table of a scenario. */
export function bufferEventCommands(stage: Stage): Commands {
  const parts = new Map<string, Part>();
  const groups = new Map<string, RateLimitGroup>();
  const addresses = new Map<string, LoopbackAddress>();
  /** When limits were set, on the clock of the base. */
  const limitedAt = new Map<BufferEvent, number>();
  const isTaken = (name: string): boolean => parts.has(name) || groups.has(name) || addresses.has(name);

  function withPart(name: string | undefined, act: (bev: BufferEvent, part: Part) => Answer): Answer {
    const part = parts.get(name ?? "");
    return part === undefined ? undefined : act(part.bev, part);
  }

  function withSocket(name: string | undefined, act: (bev: WatchedSocket, part: Part) => Answer): Answer {
    return withPart(name, (bev, part) => bev instanceof WatchedSocket ? act(bev, part) : undefined);
  }

  function hasFilter(under: BufferEvent): boolean {
    return [...parts.values()].some(({ bev }) => bev instanceof WatchedFilter && bev.underlying === under);
  }

  /** What differs in the flushing of a pair. */
  function differsFlush(end: PairBufferEvent, which: number, mode: number): void {
    const { partner } = end;
    if (partner === null || mode === BEV_NORMAL) return;
    for (const [direction, source, target] of [[EV_READ, partner, end], [EV_WRITE, end, partner]] as const) {
      if ((which & direction) === 0) continue;
      const room = target.getWatermark(EV_READ).high - target.input.length;
      if (source.output.length === 0) stage.differ("a pair's flush tells of what it moved");
      else if (room > 0 && source.output.length > room) stage.differ("flushing a pair moves everything");
    }
    if (mode === BEV_FINISHED && hasFilter(partner)) stage.differ("the end of the stream flushes the input transform");
  }

  function differsClose(part: Part): void {
    const { bev } = part;
    if (bev instanceof PairBufferEvent && bev.partner !== null) stage.differ("closing an end of a pair is told");
    if (hasFilter(bev)) stage.differ("closing what is underneath closes the filter");
    if (part.isPlain && part.closes) stage.differ("a connection is closed at once");
    if (bev instanceof WatchedFilter && part.closes && bev.underlying instanceof PairBufferEvent) {
      stage.differ("closing an end of a pair is told");
    }
  }

  /** Whatever changes a filter's state has it look at once for what waits. */
  function differsWaiting(bev: BufferEvent): void {
    if (!(bev instanceof WatchedFilter)) return;
    const { underlying } = bev;
    // What the other end of a pair holds comes at once.
    const ahead = underlying instanceof PairBufferEvent ? underlying.partner?.output.length ?? 0 : 0;
    if (underlying.input.length + bev.output.length + ahead > 0) stage.differ("a filter goes on as soon as it may");
  }

  /** To take from an input that is full changes a filter's state, too: what waits for the other direction goes on. */
  function differsRoom(bev: BufferEvent): void {
    const { high } = bev.getWatermark(EV_READ);
    if (high !== 0 && bev.input.length >= high && bev.output.length > 0) differsWaiting(bev);
  }

  /** Where C starts timeouts anew, for which there is no reason. */
  function restarts(bev: BufferEvent, directions: number): void {
    if (bev instanceof WatchedSocket) bev.restarted |= directions;
  }

  function differsTimeouts(bev: BufferEvent, readMs: number, writeMs: number): void {
    if (writeMs >= 0 && bev instanceof PairBufferEvent) stage.differ("a pair's write timer is about writing");
    if (writeMs >= 0 && bev instanceof WatchedFilter) stage.differ("a filter's write timer is about writing");
    if (!(bev instanceof WatchedSocket)) return;
    const isReading = (bev.enabled & EV_READ) !== 0 && bev.getWatermark(EV_READ).high === 0;
    if ((bev.times[0] >= 0 && readMs < 0 && !isReading) || (bev.times[1] >= 0 && writeMs < 0)) {
      stage.differ("a timeout that is lifted stays lifted");
    }
    bev.times = [readMs, writeMs];
  }

  function differsLimit(bev: BufferEvent): void {
    if (bev instanceof PairBufferEvent) stage.differ("the limits of a pair hold");
    if (bev instanceof WatchedFilter) stage.differ("the limits of a filter are those underneath");
  }

  stage.atLoop((flags, result) => {
    if (groups.size === 0) return;
    const mayWait = (flags & EVLOOP_ONCE) !== 0 && (flags & EVLOOP_NONBLOCK) === 0;
    if (result === undefined ? mayWait : result === 1) stage.differ("a group sleeps while nobody waits");
  });

  function tell(part: Part, kind: typeof KINDS[number], what: string): void {
    const { bev } = part;
    const takenBefore = part.taken;
    stage.ran(part.callbacks[kind], `${what}in ${bev.input.length} out ${bev.output.length}`);
    if (bev.closed) return;
    const { high } = bev.getWatermark(EV_READ);
    const isFull = high !== 0 && bev.input.length >= high && (bev.enabled & EV_READ) !== 0;
    if (kind === "read" && isFull && part.taken === takenBefore) {
      stage.differ("a callback that takes nothing is not called again");
    }
    // It is called again before the event that is due.
    const calls = dueCalls(bev);
    if (kind === "read" && calls !== null && (calls.events & ~BEV_EVENT_CONNECTED) !== 0 && (calls.read || isFull)) {
      stage.differ("an event waits for what came before it");
    }
  }

  function setCallbacks(part: Part): void {
    const { bev, has } = part;
    bev.setCallbacks({
      ...((has & 1) !== 0 && { read: () => tell(part, "read", "") }),
      ...((has & 2) !== 0 && { write: () => tell(part, "write", "") }),
      ...((has & 4) !== 0 && { event: (what: number) => tell(part, "event", `${unparseWords(eventWords, what)} `) }),
    });
  }

  function add(name: string, bev: BufferEvent, options: number): number {
    const callback = (kind: string): Named => stage.find(`${name}.${kind}`) ?? stage.create(`${name}.${kind}`);
    const part: Part = {
      name,
      bev,
      callbacks: { read: callback("read"), write: callback("write"), event: callback("event") },
      has: 7,
      taken: 0,
      closes: (options & optionWords.CLOSE) !== 0,
      isPlain: (options & optionWords.PLAIN) !== 0,
      isDeferred: (options & optionWords.DEFER) !== 0 || bev instanceof PairBufferEvent,
    };
    bev.input.addCallback((_, { deleted }) => part.taken += deleted);
    parts.set(name, part);
    setCallbacks(part);
    return 0;
  }

  /** A descriptor, or -1. */
  function descriptor(word: string | undefined): number | undefined {
    return word === "-1" ? -1 : stage.fd(word);
  }

  function limitOf([, , readRate, readBurst, writeRate, writeBurst, tickMs]: readonly string[]): RateLimit {
    return new RateLimit({
      readRate: Number(readRate),
      readBurst: Number(readBurst),
      writeRate: Number(writeRate),
      writeBurst: Number(writeBurst),
      tickMs: Number(tickMs),
    });
  }

  /** Forgets those that have been closed, also together with another one. */
  function forgetClosed(): void {
    for (const [name, { bev }] of parts) if (bev.closed) parts.delete(name);
  }

  function nameOf(bev: BufferEvent | null): string {
    return [...parts.values()].find((part) => part.bev === bev)?.name ?? "";
  }

  stage.atEnd(() => {
    for (const { bev } of parts.values()) bev.close();
    for (const group of groups.values()) group.close();
    for (const address of addresses.values()) address.close();
  });

  const trigger = ([command, name, what, how]: readonly string[]): Answer =>
    withPart(name, (bev) => {
      const flags = parseWords(triggerWords, how);
      const options = {
        ignoreWatermarks: (flags & triggerWords.IGNORE) !== 0,
        defer: (flags & triggerWords.DEFER) !== 0,
      };
      if (command === "bev.trigger") bev.trigger(parseWords(directionWords, what), options);
      else bev.triggerEvent(parseWords(eventWords, what), options);
      return 0;
    });

  const listen = ([command, name = ""]: readonly string[]): Answer => {
    if (isTaken(name)) return undefined;
    addresses.set(name, new LoopbackAddress(command === "listen"));
    return 0;
  };

  return {
    bev: ([, name = "", fd, options]) => {
      const number = descriptor(fd);
      if (number === undefined || isTaken(name)) return undefined;
      const flags = parseWords(optionWords, options);
      return add(
        name,
        new WatchedSocket(stage, hasFilter, number, {
          deferCallbacks: (flags & optionWords.DEFER) !== 0,
          keepOpen: (flags & optionWords.CLOSE) === 0,
          isPlain: (flags & optionWords.PLAIN) !== 0,
          ...((flags & optionWords.PLAIN) === 0 && { maxSingleRead: READ_MAX, maxSingleWrite: WRITE_MAX }),
        }),
        flags,
      );
    },
    "bev.pair": ([, name = "", other = ""]) => {
      if (isTaken(name) || isTaken(other)) return undefined;
      const [one, two] = PairBufferEvent.create(stage.base());
      add(name, one, 0);
      return add(other, two, 0);
    },
    "bev.filter": ([, name = "", under, input = "", output = "", options]) =>
      withPart(under, (underlying) => {
        if (isTaken(name)) return undefined;
        const flags = parseWords(optionWords, options);
        return add(
          name,
          new WatchedFilter(stage, underlying, {
            input: transforms[input],
            output: transforms[output],
            deferCallbacks: (flags & optionWords.DEFER) !== 0,
            keepOpen: (flags & optionWords.CLOSE) === 0,
          }),
          flags,
        );
      }),
    "bev.free": ([, name]) =>
      withPart(name, (bev, part) => {
        differsClose(part);
        bev.close();
        forgetClosed();
        return 0;
      }),
    "bev.write": ([, name, text]) =>
      withPart(name, (bev, { isPlain }) => {
        if (isPlain) stage.differ("what is queued leaves at the end of the callback");
        bev.write(parseText(text!));
        return 0;
      }),
    "bev.writebuf": ([, name, text]) =>
      withPart(name, (bev, { isPlain }) => {
        if (isPlain) stage.differ("what is queued leaves at the end of the callback");
        const other = new EvBuffer();
        other.add(parseText(text!));
        bev.writeBuffer(other);
        return 0;
      }),
    "bev.read": ([, name, count]) =>
      withPart(name, (bev) => {
        const bytes = new Uint8Array(Number(count));
        differsRoom(bev);
        const length = bev.read(bytes);
        return [length, showBytes(bytes.subarray(0, length))];
      }),
    "bev.readbuf": ([, name]) =>
      withPart(name, (bev) => {
        const other = new EvBuffer();
        differsRoom(bev);
        const length = bev.readBuffer(other);
        return [length, showBytes(other.take())];
      }),
    "bev.show": ([, name]) =>
      withPart(name, ({ input, output }) => [0, `in ${showBuffer(input)} out ${showBuffer(output)}`]),
    "fd.send": ([, name, text]) => {
      const fd = stage.fd(name);
      if (fd === undefined) return undefined;
      const bytes = parseText(text!);
      return Math.max(-1, write(fd, bytes, bytes.length));
    },
    "fd.recv": ([, name, count]) => {
      const fd = stage.fd(name);
      if (fd === undefined) return undefined;
      const bytes = new Uint8Array(new ArrayBuffer(Number(count)));
      const length = read(fd, bytes, bytes.length);
      return length < 0 ? -1 : [length, showBytes(bytes.subarray(0, length))];
    },
    "bev.enable": ([, name, which]) =>
      withPart(name, (bev, { isPlain }) => {
        const enabled = parseWords(directionWords, which);
        if (bev instanceof WatchedSocket && bev.hasFailed) stage.differ("a connect that fails leaves nothing behind");
        if (isPlain && (enabled & EV_WRITE) !== 0) stage.differ("enabling writing is no progress");
        if (isPlain && bev.fd < 0) stage.differ("without a descriptor nothing is waited for");
        differsWaiting(bev);
        restarts(bev, enabled & bev.enabled);
        bev.enable(enabled);
        return 0;
      }),
    "bev.disable": ([, name, which]) =>
      withPart(name, (bev) => {
        differsWaiting(bev);
        bev.disable(parseWords(directionWords, which));
        return 0;
      }),
    "bev.enabled": ([, name]) => withPart(name, (bev) => [0, unparseWords(directionWords, bev.enabled)]),
    "bev.setcb": ([, name, which]) =>
      withPart(name, (_, part) => {
        part.has = parseWords(callbackWords, which);
        if (part.isDeferred && part.has !== 7) stage.differ("a deferred call waits for its callback");
        setCallbacks(part);
        return 0;
      }),
    "bev.watermark": ([, name, which, low, high]) =>
      withPart(name, (bev) => {
        differsWaiting(bev);
        restarts(bev, parseWords(directionWords, which) & EV_READ);
        bev.setWatermark(parseWords(directionWords, which), Number(low), Number(high));
        return 0;
      }),
    "bev.marks": ([, name, which]) =>
      withPart(name, (bev) => {
        const { low, high } = bev.getWatermark(parseWords(directionWords, which));
        return [0, `${low} ${high}`];
      }),
    "bev.timeouts": ([, name, readMs, writeMs]) =>
      withPart(name, (bev) => {
        differsWaiting(bev);
        differsTimeouts(bev, Number(readMs), Number(writeMs));
        bev.setTimeouts(Number(readMs), Number(writeMs));
        return 0;
      }),
    "bev.trigger": trigger,
    "bev.triggerevent": trigger,
    "bev.flush": ([, name, which, mode]) =>
      withPart(name, (bev) => {
        const [directions, how] = [parseWords(directionWords, which), parseWords(modeWords, mode)];
        if (bev instanceof WatchedFilter) {
          const reads = (directions & EV_READ) !== 0 && bev.underlying.input.length > 0;
          const idles = (directions & EV_WRITE) !== 0 && how !== BEV_NORMAL && bev.output.length === 0;
          if (reads || idles) stage.differ("a filter's flush tells of what it moved");
        }
        const bottom = bev instanceof WatchedFilter ? bev.underlying : bev;
        if (bottom instanceof PairBufferEvent) differsFlush(bottom, directions, how);
        bev.flush(directions, how);
        return 0;
      }),
    "bev.priority": ([, name, priority]) =>
      withPart(name, (bev) => {
        if (priority === undefined) return bev.priority;
        if (reactorOf(bev.base).activeCount > 0) stage.differ("a priority can be set while callbacks are due");
        bev.priority = Number(priority);
        return 0;
      }),
    "bev.setfd": ([, name, fd]) =>
      withSocket(name, (bev) => {
        const number = descriptor(fd);
        if (number === undefined) return undefined;
        bev.takeFd();
        bev.replaceFd(number);
        return 0;
      }),
    "bev.getfd": ([, name]) =>
      withPart(name, (bev) => {
        if (bev instanceof WatchedSocket && bev.hasFailed) stage.differ("a connect that fails leaves nothing behind");
        return bev.fd < 0 ? -1 : [0, stage.fdName(bev.fd)];
      }),
    "bev.partner": ([, name]) =>
      withPart(name, (bev) => [0, nameOf(bev instanceof PairBufferEvent ? bev.partner : null)]),
    "bev.underlying": ([, name]) =>
      withPart(name, (bev) => [0, nameOf(bev instanceof WatchedFilter ? bev.underlying : null)]),
    "bev.maxread": ([, name, count]) =>
      withPart(name, (bev) => (differsLimit(bev), bev.maxSingleRead = Number(count), 0)),
    "bev.maxwrite": ([, name, count]) =>
      withPart(name, (bev) => (differsLimit(bev), bev.maxSingleWrite = Number(count), 0)),
    "bev.max": ([, name]) =>
      withPart(name, (bev, { isPlain }) => {
        differsLimit(bev);
        if (isPlain) stage.differ("more bytes at a time");
        return [0, `${bev.maxSingleRead} ${bev.maxSingleWrite} now ${bev.maxToRead} ${bev.maxToWrite}`];
      }),
    "bev.rate": (words) =>
      withPart(words[1], (bev) => {
        const limit = words[2] === "none" ? null : limitOf(words);
        differsLimit(bev);
        if (limit !== null && bev.rateLimit !== null && limit.tickMs !== bev.rateLimit.tickMs) {
          stage.differ("a bucket survives another length of tick");
        }
        if (limit !== null && bev.rateLimit !== null && limitedAt.get(bev) !== bev.base.now()) {
          stage.differ("a tick is worth what was set when it passed");
        }
        limitedAt.set(bev, bev.base.now());
        bev.setRateLimit(limit);
        return 0;
      }),
    "bev.limits": ([, name]) =>
      withPart(name, (bev) => bev.rateLimit === null ? undefined : [0, `${bev.readLimit} ${bev.writeLimit}`]),
    "bev.decread": ([, name, count]) =>
      withPart(name, (bev) => bev.rateLimit === null ? undefined : (bev.decrementReadLimit(Number(count)), 0)),
    "bev.decwrite": ([, name, count]) =>
      withPart(name, (bev) => bev.rateLimit === null ? undefined : (bev.decrementWriteLimit(Number(count)), 0)),
    "bev.group": (words) => {
      const limit = limitOf(words);
      if (isTaken(words[1]!)) return undefined;
      if (stage.base().now() % limit.tickMs !== 0) stage.differ("an empty bucket is looked at when its tick begins");
      groups.set(words[1]!, new RateLimitGroup(stage.base(), limit));
      return 0;
    },
    "bev.setgroup": (words) => {
      const limit = limitOf(words);
      const group = groups.get(words[1]!);
      if (group === undefined) return undefined;
      if (group.share(EV_READ) === 0 || group.share(EV_WRITE) === 0) stage.differ("a group's new limit counts at once");
      group.limit = limit;
      return 0;
    },
    "bev.share": ([, name, bytes]) => {
      const group = groups.get(name!);
      return group === undefined ? undefined : (group.minShare = Number(bytes), 0);
    },
    "bev.totals": ([, name]) => {
      const group = groups.get(name!);
      if (group === undefined) return undefined;
      const { totalRead, totalWritten, readLimit, writeLimit } = group;
      return [0, `read ${totalRead} written ${totalWritten} left ${readLimit} ${writeLimit}`];
    },
    "bev.reset": ([, name]) => {
      const group = groups.get(name!);
      return group === undefined ? undefined : (group.resetTotals(), 0);
    },
    "bev.join": ([, name, group]) =>
      withPart(
        name,
        (bev) => groups.has(group!) ? (differsLimit(bev), groups.get(group!)!.add(bev), 0) : undefined,
      ),
    "bev.leave": ([, name]) => withPart(name, (bev) => (bev.rateLimitGroup?.remove(bev), 0)),
    listen,
    refuse: listen,
    accept: ([, name, end]) => {
      const fd = addresses.get(name!)?.accept();
      if (fd === undefined) return undefined;
      if (fd < 0) return -1;
      stage.nameFd(end!, fd);
      return 0;
    },
    "bev.connect": ([, name, address]) =>
      withSocket(name, (bev) => {
        const to = addresses.get(address!);
        return to === undefined ? undefined : (bev.connect(to.address), 0);
      }),
  };
}

function showBuffer(buffer: EvBuffer): string {
  const bytes = new Uint8Array(buffer.length);
  let at = 0;
  for (const view of buffer.peek()) {
    bytes.set(view, at);
    at += view.length;
  }
  return showBytes(bytes);
}
