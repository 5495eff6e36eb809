/** Plays scenarios on our event loop and writes down what happened, as runner.c does on C libevent. README.md describes the language. */
import {
  type Backend,
  EpollBackend,
  EpollChangelistBackend,
  KqueueBackend,
  PollBackend,
  SelectBackend,
} from "../../src/backends/mod.ts";
import { EV_SIGNAL } from "../../src/core/constants.ts";
import { EventBase, type EventConfig, reactorOf } from "../../src/core/event_base.ts";
import { LoopEvent } from "../../src/core/event.ts";
import { DUE_AT_ONCE } from "../../src/core/timer_queue.ts";
import { IDLE } from "../../src/core/loop_callback.ts";
import { openFromLibc } from "../../src/ffi/libc.ts";
import {
  allocate,
  close,
  fcntl,
  muteSignal,
  open,
  openKqueue,
  os,
  pipe,
  read,
  setNonBlocking,
  shutdown,
  signalChannel,
  socketpair,
  unmuteSignal,
  write,
} from "../../src/ffi/mod.ts";
import { DoubledKqueueBackend } from "../support/backends.ts";
import { waitingBytes } from "../support/descriptors.ts";
import {
  differenceInCommand,
  differenceInTurn,
  type DifferenceName,
  differenceOnDescriptor,
  EventMemory,
} from "./differences.ts";
import { bufferCommands } from "./buffers.ts";
import { bufferEventCommands } from "./bufferevents.ts";
import { flagsText, parseEventFlags, parseLoopFlags, signalOf } from "./flags.ts";
import type { Answer, Commands, Named, Stage } from "./stage.ts";
import type { Cut, Trace } from "./trace.ts";
import { type Ready, VirtualTime } from "./virtual_time.ts";

const FD_FIRST = 700;
const CALLBACKS_MAX = 300, WAITS_MAX = 2000;
const F_GETFD = 1, O_RDWR = 2;
const SIGNALS = [os.constants.SIGUSR1, os.constants.SIGUSR2];

const libc = openFromLibc({
  raise: { args: ["i32"], result: "i32" },
  dup: { args: ["i32"], result: "i32" },
  dup2: { args: ["i32", "i32"], result: "i32" },
});
const bytes = allocate(65536);

/** The kernel has not delivered a signal: no result of a scenario, but a machine or a harness in trouble. */
class LostSignal extends Error {}

function openBackend(name: string): Backend {
  switch (name) {
    case "poll":
      return new PollBackend();
    case "select":
      return new SelectBackend();
    case "kqueue": {
      // The library that EVBASE_KQUEUE_LIBRARY names, where there is one, else our double.
      const provider = openKqueue();
      return provider === undefined ? new DoubledKqueueBackend() : new KqueueBackend(provider);
    }
    case "changelist":
      return new EpollChangelistBackend();
    default:
      return new EpollBackend();
  }
}

/** Plays the lines of one scenario; `dueAtOnce` timeouts leave the heap together. */
export function play(lines: readonly string[], dueAtOnce: number = DUE_AT_ONCE): Trace {
  for (const signo of SIGNALS) muteSignal(signo);
  // A group of connections goes on with a random one: now always with its oldest, as in runner.c.
  const random = Math.random;
  Math.random = () => 0;
  const player = new Player(dueAtOnce);
  try {
    player.play(lines);
  } finally {
    Math.random = random;
    player.close();
    for (const signo of SIGNALS) unmuteSignal(signo);
  }
  return player;
}

class Player implements Trace {
  readonly lines: string[] = [];
  cut: Cut | undefined;
  readonly #dueAtOnce: number;
  readonly #time = new VirtualTime();
  readonly #named = new Map<string, Named>();
  #base: EventBase | undefined;
  #fdNext = FD_FIRST;
  #callbacks = 0;
  #waits = 0;
  #hasReused = false;
  // How many callbacks are running, and whether the time has gone on in one.
  #depth = 0;
  #isLate = false;
  // From which priority on the clock is certain to be read after every callback.
  #refreshedFrom = Infinity;
  // Numbers of the signals that have been raised and perhaps not been read yet.
  readonly #raised = new Set<number>();
  readonly #closers: (() => void)[] = [];
  readonly #loopChecks: ((flags: number, result?: number) => void)[] = [];
  readonly #stage: Stage = {
    base: () => this.#base!,
    print: (line) => this.#print(line),
    differ: (reason) => this.#differ(reason),
    find: (name) => this.#named.get(name),
    create: (name) => this.#create(name),
    fd: (name) => this.#fd(name),
    fdName: (fd) => [...this.#named.values()].find((named) => named.fd === fd)?.name ?? "",
    nameFd: (name, fd) => this.#nameFd(name, fd),
    ran: (named, what) => this.#ran(named, what),
    atLoop: (check) => void this.#loopChecks.push(check),
    atEnd: (close) => void this.#closers.push(close),
  };

  constructor(dueAtOnce: number) {
    this.#dueAtOnce = dueAtOnce;
  }

  play(lines: readonly string[]): void {
    // What earlier scenarios have raised and nobody has read would reach the events of this one.
    signalChannel()?.drain(() => {});
    this.#time.during(() => {
      let script: string[] | undefined;
      for (const line of lines) {
        if (script !== undefined && line !== "}") script.push(line);
        else if (script !== undefined) script = undefined;
        else if (line.startsWith("on ")) this.#define(line.split(/ +/), script = []);
        else this.#runLine(line);
      }
    });
  }

  close(): void {
    for (const close of this.#closers) close();
    for (const { event } of this.#named.values()) event?.close();
    this.#base?.close();
    for (let fd = FD_FIRST; fd < this.#fdNext; fd++) close(fd);
    signalChannel()?.drain(() => {});
  }

  #define([, name = "", runsMax = ""]: readonly string[], script: string[]): void {
    const named = this.#named.get(name) ?? this.#create(name);
    named.script = script;
    named.runsMax = /^\d+$/.test(runsMax) ? Number(runsMax) : 4;
  }

  #create(name: string): Named {
    const named: Named = { name, memory: new EventMemory(), script: [], runsMax: 4, runs: 0 };
    this.#named.set(name, named);
    return named;
  }

  #print(line: string): void {
    this.lines.push(line);
  }

  /** From here on the libraries deliberately differ. */
  #differ(reason: DifferenceName | undefined): void {
    if (reason !== undefined) this.cut ??= { at: this.lines.length, reason };
  }

  #runLine(line: string): void {
    const words = line.split(/ +/);
    const command = words[0]!;
    let answer: Answer;
    const named = this.#named.get(words[1] ?? "");
    if (named?.event !== undefined) {
      this.#differ(differenceInCommand(words, named.event));
      this.#differ(named.memory.noteCommand(words, named.event));
    }
    try {
      answer = this.#commands[command]?.(words);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof LostSignal) throw error;
      // Where C returns -1, ours throws.
      answer = -1;
    }
    if (answer === undefined) return this.#print(`${line} = unknown`);
    this.#print(`${line} = ${typeof answer === "number" ? answer : answer.filter((part) => part !== "").join(" ")}`);
  }

  #ranEvent(named: Named, what: number): void {
    const reason = named.event === undefined ? undefined : named.memory.differenceInRun(named.event);
    if (!this.#ran(named, flagsText(what), reason)) return;
    if (named.event !== undefined) this.#differ(named.memory.noteCommand(["del"], named.event));
    named.event?.delete();
  }

  #ran(named: Named, what: string, reason?: DifferenceName): boolean {
    let isSpent = false;
    this.#depth++;
    this.#print(`cb ${named.name} ${what} @${this.#time.elapsedMs}`);
    this.#differ(reason);
    if (++this.#callbacks > CALLBACKS_MAX) {
      this.#print("too many callbacks");
      this.#base!.loopBreak();
    } else if (++named.runs > named.runsMax) {
      this.#print(`spent ${named.name}`);
      isSpent = true;
    } else {
      for (const line of named.script) this.#runLine(line);
    }
    this.#print(`end ${named.name}`);
    this.#depth--;
    return isSpent;
  }

  #waited(ready: readonly Ready[]): void {
    const { timers, activeCount } = reactorOf(this.#base!);
    if (this.#isLate && ready.length === 0 && activeCount === 0 && timers.nextDeadlineMs < Infinity) {
      this.#differ("sleeps no longer than to the next deadline");
    }
    this.#isLate = false;
    this.#differ(differenceInTurn(reactorOf(this.#base!), ready, this.#hasReused));
    if (!ready.some(({ fd }) => fd === signalChannel()?.readFd)) {
      this.#raised.clear();
    } else {
      reactorOf(this.#base!).signals.forEach((event) => {
        if (event.queueState !== IDLE && this.#raised.has(event.fd)) this.#differ("calls of a signal add up");
      });
    }
    if (++this.#waits <= WAITS_MAX) return;
    this.#print("too many waits");
    this.#base!.loopBreak();
  }

  #stuck(): void {
    if ([...this.#named.values()].some(({ common }) => common !== undefined)) {
      this.#differ("an empty common timeout is forgotten");
    }
    this.#print("stuck");
    this.#base!.loopBreak();
  }

  #open(words: readonly string[]): Answer {
    const settings = new Map<string, string>(
      words.slice(1).map((word) => [word.split("=")[0]!, word.split("=")[1] ?? ""]),
    );
    const [callbacks = -1, interval = -1, from = 1] = settings.get("limits")?.split(",").map(Number) ?? [];
    this.#refreshedFrom = settings.has("nocache") ? 0 : interval < 0 || callbacks >= 0 ? Infinity : from;
    const config: EventConfig = {
      priorities: Number(settings.get("priorities") ?? 1),
      noCacheTime: settings.has("nocache"),
      dispatchLimits: {
        callbacksMax: callbacks < 0 ? Infinity : callbacks,
        intervalMs: interval < 0 ? Infinity : interval,
        fromPriority: from,
      },
      openBackend: () =>
        this.#time.govern(openBackend(settings.get("backend") ?? "epoll"), {
          waited: (ready) => this.#waited(ready),
          stuck: () => this.#stuck(),
        }),
    };
    this.#base = new EventBase(config);
    reactorOf(this.#base).timers.dueAtOnce = this.#dueAtOnce;
    return 0;
  }

  /** Moves `fd` to the number that the other side gives it too, so that both see descriptors in the same order. */
  #nameFd(name: string, fd: number): void {
    const number = this.#fdNext;
    if (fcntl(number, F_GETFD, 0) >= 0) throw new RangeError(`Descriptor ${number} is in use`);
    libc.dup2(fd, number);
    close(fd);
    setNonBlocking(number);
    this.#create(name).fd = number;
    this.#fdNext++;
  }

  #pair(name: string, make: (ends: Int32Array) => number): Answer {
    const ends = new Int32Array(2);
    if (make(ends) < 0) return -1;
    this.#nameFd(`${name}0`, ends[0]!);
    this.#nameFd(`${name}1`, ends[1]!);
    return 0;
  }

  #newEvent(name: string, fd: number | undefined, flags: number): Answer {
    if (fd === undefined) return undefined;
    const named = this.#create(name);
    named.event = new LoopEvent(this.#base!, fd, flags, (what) => this.#ranEvent(named, what));
    return 0;
  }

  /** A descriptor, or -1; undefined for an unknown name. */
  #fd(name: string | undefined): number | undefined {
    return this.#named.get(name ?? "")?.fd;
  }

  #withEvent(name: string | undefined, act: (event: LoopEvent) => Answer): Answer {
    const event = this.#named.get(name ?? "")?.event;
    return event === undefined ? undefined : act(event);
  }

  /**
   * Raises a signal, and waits until the loop can see it where an event waits for it: in C the handler has run when raise()
   * returns, and here too as long as the runtime lets this very thread take the signal.
   */
  #raise(signo: number): void {
    const channel = signalChannel();
    let isAwaited = false;
    reactorOf(this.#base!).signals.forEach((event) => isAwaited ||= event.fd === signo);
    const before = channel === undefined ? 0 : waitingBytes(channel.readFd);
    libc.raise(signo);
    if (channel === undefined || !isAwaited) return;
    for (const end = performance.now() + 10_000; waitingBytes(channel.readFd) <= before;) {
      if (performance.now() > end) throw new LostSignal(`Signal ${signo} was raised and does not arrive`);
    }
  }

  #withFd(name: string | undefined, act: (fd: number) => number): Answer {
    const fd = this.#fd(name);
    return fd === undefined ? undefined : Math.max(-1, act(fd));
  }

  #loop(flags: number): number {
    for (const check of this.#loopChecks) check(flags);
    const result = this.#base!.loop(flags);
    for (const check of this.#loopChecks) check(flags, result);
    return result;
  }

  readonly #loopCommands: Commands = {
    base: (words) => this.#open(words),
    priorities: ([, count]) => (this.#base!.initPriorities(Number(count)), 0),
    pair: ([, name]) =>
      this.#pair(name!, (ends) => socketpair(os.constants.AF_UNIX, os.constants.SOCK_STREAM, 0, ends)),
    pipe: ([, name]) => this.#pair(name!, pipe),
    null: ([, name]) => (this.#nameFd(name!, open("/dev/null", O_RDWR)), 0),
    event: ([, name, fd, flags]) => this.#newEvent(name!, fd === "-1" ? -1 : this.#fd(fd), parseEventFlags(flags)),
    signal: ([, name, signal, flags]) => this.#newEvent(name!, signalOf(signal), parseEventFlags(flags) | EV_SIGNAL),
    timer: ([, name, flags]) => this.#newEvent(name!, -1, parseEventFlags(flags)),
    common: ([, name, ms]) => (this.#create(name!).common = this.#base!.commonTimeout(Number(ms)), 0),
    priority: ([, name, priority]) => this.#withEvent(name, (event) => (event.priority = Number(priority), 0)),
    add: ([, name, timeout]) =>
      this.#withEvent(name, (event) => {
        const common = this.#named.get(timeout ?? "")?.common;
        if (timeout !== undefined && common === undefined && !/^\d+$/.test(timeout)) return undefined;
        if ((event.events & EV_SIGNAL) === 0) this.#differ(differenceOnDescriptor(reactorOf(this.#base!), event.fd));
        event.add(timeout === undefined ? undefined : common ?? Number(timeout));
        return 0;
      }),
    del: ([, name]) => this.#withEvent(name, (event) => (event.delete(), 0)),
    removetimer: ([, name]) => this.#withEvent(name, (event) => (event.removeTimer(), 0)),
    active: ([, name, flags, calls]) =>
      this.#withEvent(name, (event) => {
        // What was raised may still have to be read.
        if (this.#raised.has(event.fd) && (event.events & EV_SIGNAL) !== 0) this.#differ("calls of a signal add up");
        event.activate(parseEventFlags(flags), Number(calls ?? 1));
        return 0;
      }),
    once: ([, name, fd, flags, ms]) => {
      const descriptor = fd === "-1" ? -1 : this.#fd(fd);
      if (descriptor === undefined) return undefined;
      const named = this.#named.get(name!) ?? this.#create(name!);
      this.#differ(differenceOnDescriptor(reactorOf(this.#base!), descriptor));
      const timeoutMs = ms === undefined ? undefined : Number(ms);
      this.#base!.once(descriptor, parseEventFlags(flags), (what) => this.#ranEvent(named, what), timeoutMs);
      return 0;
    },
    pending: ([, name]) => this.#withEvent(name, (event) => [0, flagsText(event.pending())]),
    write: ([, name, count = "1"]) => this.#withFd(name, (fd) => write(fd, bytes, Number(count))),
    read: ([, name, count = "65536"]) => this.#withFd(name, (fd) => read(fd, bytes, Number(count))),
    shutdown: ([, name]) => this.#withFd(name, (fd) => shutdown(fd, os.constants.SHUT_WR)),
    close: ([, name]) => (this.#hasReused = true, this.#withFd(name, close)),
    dup: ([, name, copy]) =>
      this.#withFd(name, (fd) => {
        const copied = libc.dup(fd);
        if (copied < 0) return -1;
        this.#nameFd(copy!, copied);
        return 0;
      }),
    dup2: ([, name, other]) => {
      const place = this.#fd(other);
      this.#hasReused = true;
      return place === undefined ? undefined : this.#withFd(name, (fd) => Math.min(0, libc.dup2(fd, place)));
    },
    raise: ([, signal, times = "1"]) => {
      this.#raised.add(signalOf(signal));
      if (this.#raised.size > 1) this.#differ("signals in order of arrival");
      for (let time = 0; time < Number(times); time++) this.#raise(signalOf(signal));
      return 0;
    },
    advance: ([, ms]) => {
      this.#isLate ||= this.#depth > 0 && reactorOf(this.#base!).runningLevel < this.#refreshedFrom;
      this.#time.elapsedMs += Number(ms);
      return 0;
    },
    updatecache: () => {
      this.#isLate = false;
      this.#base!.updateCacheTime();
      return 0;
    },
    loop: ([, flags]) => this.#loop(parseLoopFlags(flags)),
    loopexit: ([, ms]) => (this.#base!.loopExit(ms === undefined ? undefined : Number(ms)), 0),
    loopbreak: () => (this.#base!.loopBreak(), 0),
    loopcontinue: () => (this.#base!.loopContinue(), 0),
    got: () => [0, `exit ${Number(this.#base!.gotExit)} break ${Number(this.#base!.gotBreak)}`],
    running: () => {
      const running = this.#base!.runningEvent;
      return [0, [...this.#named.values()].find(({ event }) => event !== undefined && event === running)?.name ?? ""];
    },
  };

  // One table for each noun of the language; a file of its own for each but the loop.
  readonly #commands: Commands = {
    ...this.#loopCommands,
    ...bufferCommands(this.#stage),
    ...bufferEventCommands(this.#stage),
  };
}
