import { systemError } from "./errors.ts";
import { close, pipe, read, setPipeSize } from "./files.ts";
import { os, runtime } from "./platform.ts";
import { mapMemory, protectMemory, sigaction, unmapMemory } from "./process.ts";
import { SIGNAL_RECORD_BYTES, signalCode } from "./signal_code.ts";
import { allocate } from "./strings.ts";
import { get, set } from "./struct.ts";

const PAGE_BYTES = 64 * 1024;
const RECORDS_PER_READ = 256;
const PIPE_BYTES = 1024 * 1024;

/** What the kernel told about one signal. */
export interface SignalRecord {
  /** The signal's number. */
  readonly signo: number;
  /** Why it was sent: SI_USER 0, SI_QUEUE -1, SI_TIMER -2, ...; for SIGCHLD a CLD_ code. */
  readonly code: number;
  /** Sender's process id, where a process sent it. */
  readonly pid: number;
  /** Sender's user id. */
  readonly uid: number;
  /** For SIGCHLD the exit status or signal, else the integer given to `sigqueue`. */
  readonly value: number;
}

/**
 * The way signals reach this thread's loops (Linux): a pipe that the machine-code handler of `signal_code.ts` writes to.
 * A pipe rather than a socketpair, because it takes a hundred times as many records before it is full.
 *
 * It is opened at the first use and then kept for the life of the thread: another thread may be inside the handler at any
 * time, so neither its code nor its descriptor may ever mean something else.
 */
export class SignalChannel {
  /** Becomes readable when a signal has arrived. */
  readonly readFd: number;

  readonly #codeAddress: number;
  readonly #lost: Int32Array;
  readonly #lostSeen = new Int32Array(os.constants.NSIG);
  readonly #previous = new Map<number, Uint8Array>();
  readonly #bytes: Uint8Array = allocate(RECORDS_PER_READ * SIGNAL_RECORD_BYTES);
  readonly #words: Int32Array = new Int32Array(this.#bytes.buffer as ArrayBuffer);

  private constructor(readFd: number, codeAddress: number, countersAddress: number) {
    this.readFd = readFd;
    this.#codeAddress = codeAddress;
    this.#lost = new Int32Array(runtime.viewAt(countersAddress, os.constants.NSIG * 4));
  }

  /** Opens the channel, or returns `-errno`. */
  static open(): SignalChannel | number {
    const pair = new Int32Array(2);
    const result = pipe(pair);
    if (result < 0) return result;
    const [readFd, writeFd] = [pair[0]!, pair[1]!];
    // 32,768 records instead of 2,048. Refused to users who hold many pipes: then the smaller one must do.
    setPipeSize(writeFd, PIPE_BYTES);
    const counters = mapMemory(PAGE_BYTES);
    const code = counters < 0 ? counters : mapCode(signalCode(runtime.arch, writeFd, counters));
    if (code >= 0) return new SignalChannel(readFd, code, counters);
    if (counters >= 0) unmapMemory(counters, PAGE_BYTES);
    close(readFd);
    close(writeFd);
    return code;
  }

  /** Starts catching `signo`; the disposition it had is kept for {@linkcode SignalChannel.restore}. Returns 0 or `-errno`. */
  install(signo: number): number {
    const previous = allocate(os.structs.sigaction.size);
    const result = setHandler(signo, this.#codeAddress, previous);
    // Where giving it back has failed, the handler to remember is the one from before that.
    if (result >= 0 && !this.#previous.has(signo)) this.#previous.set(signo, previous);
    return result;
  }

  /** Gives `signo` back to whoever had it before {@linkcode SignalChannel.install}, if it is still ours. Returns 0 or `-errno`. */
  restore(signo: number): number {
    const previous = this.#previous.get(signo);
    if (previous === undefined) return 0;
    const result = giveBack(signo, this.#codeAddress, previous);
    if (result >= 0) this.#previous.delete(signo);
    return result;
  }

  /**
   * Hands the records that have arrived to `visit`, some hundreds at most; the rest keeps the descriptor readable. Signals
   * whose records found no room come last, as a count without a record. Returns whether there may be more.
   */
  drain(visit: (signo: number, count: number, record: SignalRecord | null) => void): boolean {
    const got = read(this.readFd, this.#bytes, this.#bytes.length);
    for (let at = 0; at + SIGNAL_RECORD_BYTES <= got; at += SIGNAL_RECORD_BYTES) {
      const word = at >> 2, words = this.#words;
      // Linux's siginfo_t: signo, errno, code, padding, pid, uid, then status or value.
      const record: SignalRecord = {
        signo: words[word]!,
        code: words[word + 2]!,
        pid: words[word + 4]!,
        uid: words[word + 5]!,
        value: words[word + 6]!,
      };
      visit(record.signo, 1, record);
    }
    // Those that are not caught any more too: what was lost of them must not count for whoever catches them next.
    for (let signo = 1; signo < this.#lostSeen.length; signo++) {
      const lost = (Atomics.load(this.#lost, signo) - this.#lostSeen[signo]!) | 0;
      if (lost === 0) continue;
      this.#lostSeen[signo] = this.#lostSeen[signo]! + lost;
      visit(signo, lost, null);
    }
    return got === this.#bytes.length;
  }
}

/** Replaces the disposition of `signo`, which goes to `previous`. Returns 0 or `-errno`. */
function setHandler(signo: number, handlerAddress: number, previous: Uint8Array): number {
  const name = signalName(signo);
  if (name !== undefined) runtime.claimSignal(name);
  const layout = os.structs.sigaction;
  const action = allocate(layout.size);
  const view = new DataView(action.buffer);
  const { handler, mask, flags } = layout.fields;
  set(view, handler, BigInt(handlerAddress));
  action.fill(0xff, mask.offset, mask.offset + mask.width);
  // SIG_DFL and SIG_IGN, 0 and 1, take no arguments.
  if (handlerAddress > 1) set(view, flags, os.constants.SA_SIGINFO | os.constants.SA_RESTART);
  return sigaction(signo, action, previous);
}

/**
 * Puts `previous` back where our handler stands. One that somebody has installed over it since, like the host for a listener of its own,
 * stays: the signal would end the process of a program that listens for it. Returns 0 or `-errno`.
 */
function giveBack(signo: number, ourHandler: number, previous: Uint8Array): number {
  const current = allocate(previous.length);
  const result = sigaction(signo, null, current);
  const handler = Number(get(new DataView(current.buffer), os.structs.sigaction.fields.handler));
  return result < 0 || handler !== ourHandler ? result : sigaction(signo, previous, current);
}

/** Signals that kqueues report, by number: how many do, and the disposition from before. */
const muted = new Map<number, { count: number; readonly previous: Uint8Array }>();

/**
 * Takes the effect from `signo` that it has by default, which is mostly the end of the process: a kqueue reports signals
 * beside their disposition, not instead of it. Counted, so that several loops can report one signal. Returns 0 or
 * `-errno`.
 */
export function muteSignal(signo: number): number {
  const known = muted.get(signo);
  if (known !== undefined) {
    known.count++;
    return 0;
  }
  const previous = allocate(os.structs.sigaction.size);
  const result = setHandler(signo, mutingHandler(signo), previous);
  if (result >= 0) muted.set(signo, { count: 1, previous });
  return result;
}

/** An ignored SIGCHLD would make the kernel reap children unseen; its default does nothing anyway. */
function mutingHandler(signo: number): number {
  const { SIGCHLD, SIG_DFL, SIG_IGN } = os.constants;
  return signo === SIGCHLD ? SIG_DFL : SIG_IGN;
}

/** Undoes one {@linkcode muteSignal}. */
export function unmuteSignal(signo: number): void {
  const known = muted.get(signo);
  if (known === undefined || --known.count > 0) return;
  muted.delete(signo);
  giveBack(signo, mutingHandler(signo), known.previous);
}

/** Maps a page that holds `code` and may be executed; returns its address or `-errno`. */
function mapCode(code: Uint8Array): number {
  const address = mapMemory(PAGE_BYTES);
  if (address < 0) return address;
  // The page is never writable and executable at once. Making it executable also brings arm64's instruction cache up to
  // date: the kernel does that when it first maps a page so.
  new Uint8Array(runtime.viewAt(address, PAGE_BYTES)).set(code);
  const result = protectMemory(address, PAGE_BYTES, os.constants.PROT_READ | os.constants.PROT_EXEC);
  if (result >= 0) return address;
  unmapMemory(address, PAGE_BYTES);
  return result;
}

/** The name of a signal number, undefined for real-time and unknown ones. */
export function signalName(signo: number): string | undefined {
  for (const [name, number] of Object.entries(os.constants)) {
    if (number === signo && /^SIG[A-Z]+[0-9]?$/.test(name) && name !== "SIG") return name;
  }
  return undefined;
}

/**
 * The number of a signal given by number or name (`"SIGTERM"`).
 *
 * @throws {TypeError} when this system has no such signal.
 */
export function signalNumber(signal: number | string): number {
  if (typeof signal === "number") {
    if (Number.isInteger(signal) && signal > 0 && signal < os.constants.NSIG) return signal;
    throw new TypeError(`Cannot use signal ${signal}: signals are numbered 1 to ${os.constants.NSIG - 1} here`);
  }
  const number = /^SIG[A-Z]+[0-9]?$/.test(signal)
    ? (os.constants as unknown as Record<string, number>)[signal]
    : undefined;
  if (number === undefined || number === 0) {
    throw new TypeError(`Cannot use signal ${signal}: ${os.name} has none of that name`);
  }
  return number;
}

let channel: SignalChannel | undefined;

/**
 * This thread's channel; undefined on systems where kqueue reports signals (macOS, FreeBSD).
 *
 * @throws {SystemError} when it cannot be opened, for want of descriptors (EMFILE, ENFILE) or because the system lets no
 * memory become executable.
 */
export function signalChannel(): SignalChannel | undefined {
  if (os.name !== "linux") return undefined;
  if (channel === undefined) {
    const opened = SignalChannel.open();
    if (typeof opened === "number") {
      const { EMFILE, ENFILE } = os.errno;
      const syscall = opened === -EMFILE! || opened === -ENFILE! ? "pipe" : "mmap";
      throw systemError(opened, syscall, "open the signal channel");
    }
    channel = opened;
  }
  return channel;
}
