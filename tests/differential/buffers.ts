/** The commands that begin with "buf": byte buffers, as buffers.c does them in C. */
import { type BufferCallbackEntry, EvBuffer } from "../../src/core/evbuffer.ts";
import type { Chain } from "../../src/core/chain.ts";
import type { EolStyle } from "../../src/core/evbuffer_search.ts";
import { splitsReference } from "./buffer_differences.ts";
import type { Answer, Commands, Named, Stage } from "./stage.ts";

const SHOWN_MAX = 48;
const STYLES = ["ANY", "CRLF", "CRLF_STRICT", "LF", "NUL"];

/** A buffer, what is reserved in it, and who listens to it. */
interface Part {
  readonly buffer: EvBuffer;
  readonly callbacks: Set<Named>;
  isDeferred: boolean;
  /** Whether C may have left empty chunks at its end, by reading and by making room. */
  hasRead: boolean;
  hasRoom: boolean;
  extents: readonly Uint8Array[];
  reserved: number;
  /** Commands that have named the buffer, and how many had when room was reserved. */
  uses: number;
  reservedAt: number;
}

/** `\r \n \0 \s \\` stand for bytes, `""` for nothing, and `ab*3` for `ababab`. */
export function parseText(word: string): Uint8Array {
  if (word === '""') return new Uint8Array(0);
  const star = word.lastIndexOf("*");
  const escapes: Record<string, string> = { r: "\r", n: "\n", 0: "\0", s: " " };
  const plain = (star < 0 ? word : word.slice(0, star)).replace(
    /\\(.)/g,
    (_, letter: string) => escapes[letter] ?? letter,
  );
  const text = plain.repeat(star < 0 ? 1 : Number(word.slice(star + 1)));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes for the trace; many of them as a checksum. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length > SHOWN_MAX) {
    const hash = bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16_777_619), 2_166_136_261 | 0) >>> 0;
    return `${bytes.length} bytes ${hash.toString(16).padStart(8, "0")}`;
  }
  const escapes: Record<string, string> = {
    "\r": "\\r",
    "\n": "\\n",
    "\0": "\\0",
    " ": "\\s",
    "\\": "\\\\",
    '"': '\\"',
  };
  return `"${Array.from(bytes, (byte) => String.fromCharCode(byte)).map((one) => escapes[one] ?? one).join("")}"`;
}

function joined(views: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(views.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const view of views) {
    all.set(view, at);
    at += view.length;
  }
  return all;
}

function chainsOf(buffer: EvBuffer): Chain[] {
  const chains: Chain[] = [];
  for (let chain = buffer.firstChain; chain !== null; chain = chain.next) chains.push(chain);
  return chains;
}

/** The table of a scenario. */
export function bufferCommands(stage: Stage): Commands {
  const parts = new Map<string, Part>();
  const entries = new Map<string, { part: Part; entry: BufferCallbackEntry }>();
  /** Chains that show parts of another buffer, and those that are shown elsewhere. */
  const borrowing = new WeakSet<Chain>(), lending = new WeakSet<Chain>();
  let isOver = false;

  function withBuffer(name: string | undefined, act: (part: Part) => Answer): Answer {
    const part = parts.get(name ?? "");
    if (part === undefined) return undefined;
    part.uses++;
    return act(part);
  }

  function withTwo(
    one: string | undefined,
    other: string | undefined,
    act: (part: Part, source: Part) => Answer,
  ): Answer {
    return withBuffer(one, (part) => withBuffer(other, (source) => act(part, source)));
  }

  function doubled(part: Part): boolean {
    return !part.isDeferred && part.callbacks.size > 0;
  }

  function differsIdle({ isDeferred, callbacks }: Part, isNothing: boolean): void {
    if (isNothing && isDeferred && callbacks.size > 0) stage.differ("adding nothing is no change");
  }

  /** The chunks of `source`, with what C has left behind them, come to `target`. */
  function inherit(target: Part, source: Part): void {
    target.hasRead ||= source.hasRead;
    target.hasRoom ||= source.hasRoom;
  }

  function differsFrozen({ buffer }: Part, isNothing: boolean): void {
    if (buffer.isFrontFrozen && isNothing) stage.differ("a frozen end refuses nothing, too");
  }

  /** A position that the buffer has, or undefined. */
  function positionIn({ buffer }: Part, word: string | undefined): number | undefined {
    const position = Number(word ?? 0);
    return position <= buffer.length ? position : undefined;
  }

  function look(
    name: string | undefined,
    from: string | undefined,
    act: (part: Part, from: number) => Uint8Array | null,
  ): Answer {
    return withBuffer(name, (part) => {
      const position = positionIn(part, from);
      if (position === undefined) return -1;
      const bytes = act(part, position);
      return bytes === null ? -1 : [bytes.length, showBytes(bytes)];
    });
  }

  function release(name: string, length: number): void {
    if (!isOver) stage.print(`released ${name} ${length}`);
  }

  function move(source: Part, target: Part, count: number): number {
    const isPartial = count > 0 && count < source.buffer.length && source !== target;
    if (isPartial && splitsReference(source.buffer, count)) stage.differ("a part of a reference stays one");
    const isSeen = [...target.callbacks].some(({ script }) => script.length > 0);
    if (isPartial && isSeen && !target.isDeferred) stage.differ("a move is complete before anybody hears of it");
    inherit(target, source);
    return source.buffer.removeBuffer(target.buffer, count);
  }

  function share(target: Part, source: Part): void {
    const before = new Set(chainsOf(target.buffer));
    if (target !== source && chainsOf(source.buffer).some((chain) => borrowing.has(chain))) {
      stage.differ("what is shared can be shared");
    }
    target.buffer.addBufferReference(source.buffer);
    for (const chain of chainsOf(source.buffer)) lending.add(chain);
    for (const chain of chainsOf(target.buffer)) if (!before.has(chain)) borrowing.add(chain);
  }

  function pullUp({ buffer }: Part, count: number): Uint8Array | null {
    const first = buffer.firstChain;
    const length = count < 0 ? buffer.length : count;
    const isShared = first !== null && (lending.has(first) || borrowing.has(first));
    if (isShared && length <= buffer.length && length > buffer.contiguousLength) {
      stage.differ("pulling up writes to no shared memory");
    }
    return buffer.pullup(count);
  }

  function search(part: Part, text: string, from: string | undefined, to: string | undefined): number {
    const [start, end] = [positionIn(part, from), positionIn(part, to)];
    if (start === undefined || end === undefined) return -1;
    const needle = parseText(text);
    if (to === undefined) return part.buffer.search(needle, start);
    if (needle.length === 0 && start > end) stage.differ("an empty needle lies inside its range");
    return part.buffer.searchRange(needle, start, end);
  }

  function listen(part: Part, name: string): Answer {
    if (parts.has(name) || entries.has(name)) return undefined;
    const named = stage.find(name) ?? stage.create(name);
    const entry = part.buffer.addCallback((_, { originalLength, added, deleted }) => {
      const isSpent = stage.ran(named, `${originalLength} +${added} -${deleted}`);
      if (isSpent && entries.has(name)) entry.enabled = false;
    });
    entries.set(name, { part, entry });
    part.callbacks.add(named);
    return 0;
  }

  function withEntry(name: string | undefined, act: (entry: BufferCallbackEntry, part: Part) => number): Answer {
    const found = entries.get(name ?? "");
    return found === undefined ? undefined : act(found.entry, found.part);
  }

  function commit({ buffer, extents }: Part, bytes: Uint8Array): void {
    let done = 0;
    const filled: Uint8Array[] = [];
    for (const extent of extents) {
      if (done === bytes.length) break;
      const part = bytes.subarray(done, done + extent.length);
      extent.set(part);
      filled.push(extent.subarray(0, part.length));
      done += part.length;
    }
    buffer.commit(filled);
  }

  stage.atEnd(() => {
    isOver = true;
    for (const { buffer } of parts.values()) buffer.close();
  });

  return {
    buf: ([, name = ""]) => {
      if (parts.has(name) || entries.has(name)) return undefined;
      stage.find(name) ?? stage.create(name);
      const buffer = new EvBuffer();
      parts.set(name, {
        buffer,
        callbacks: new Set(),
        isDeferred: false,
        hasRead: false,
        hasRoom: false,
        extents: [],
        reserved: -1,
        uses: 0,
        reservedAt: 0,
      });
      return 0;
    },
    "buf.add": ([, name, text]) =>
      withBuffer(name, (part) => {
        differsIdle(part, parseText(text!).length === 0);
        part.buffer.add(parseText(text!));
        return 0;
      }),
    "buf.prepend": ([, name, text]) =>
      withBuffer(name, (part) => {
        differsFrozen(part, parseText(text!).length === 0);
        part.buffer.prepend(parseText(text!));
        return 0;
      }),
    "buf.addall": ([, name, ...texts]) =>
      withBuffer(name, (part) => {
        if (doubled(part)) stage.differ("an operation is one change");
        differsIdle(part, texts.every((text) => parseText(text).length === 0));
        return part.buffer.addAll(texts.map(parseText));
      }),
    "buf.ref": ([, name, text, owner]) =>
      withBuffer(name, ({ buffer }) => {
        const bytes = parseText(text!);
        if (bytes.length === 0) stage.differ("no reference is kept to nothing");
        buffer.addReference(bytes, ({ length }) => release(owner!, length));
        return 0;
      }),
    "buf.share": ([, name, source]) => withTwo(name, source, (part, from) => (share(part, from), 0)),
    "buf.addbuf": ([, name, source]) =>
      withTwo(name, source, (part, from) => (inherit(part, from), part.buffer.addBuffer(from.buffer), 0)),
    "buf.prependbuf": ([, name, source]) =>
      withTwo(name, source, (part, from) => (inherit(part, from), part.buffer.prependBuffer(from.buffer), 0)),
    "buf.move": ([, source, name, count]) => withTwo(source, name, (from, part) => move(from, part, Number(count))),
    "buf.drain": ([, name, count]) =>
      withBuffer(name, (part) => {
        differsFrozen(part, part.buffer.length === 0);
        differsIdle(part, count === "0");
        part.buffer.drain(Number(count));
        return 0;
      }),
    "buf.remove": ([, name, count]) =>
      look(name, undefined, (part) => {
        differsFrozen(part, part.buffer.length === 0 || count === "0");
        const target = new Uint8Array(Number(count));
        return target.subarray(0, part.buffer.remove(target));
      }),
    "buf.copyout": ([, name, count, from]) =>
      look(name, from, (part, position) => {
        differsFrozen(part, part.buffer.length <= position || count === "0");
        const target = new Uint8Array(Number(count));
        return target.subarray(0, part.buffer.copyOut(target, position));
      }),
    "buf.pullup": ([, name, count]) => look(name, undefined, (part) => pullUp(part, Number(count))),
    "buf.peek": ([, name, count, from]) =>
      look(name, from, ({ buffer }, position) => joined(buffer.peek(Number(count), position))),
    "buf.show": ([, name]) => look(name, undefined, ({ buffer }) => joined(buffer.peek())),
    "buf.readln": ([, name, style]) =>
      look(name, undefined, (part) => {
        const kind = STYLES.indexOf(style!) as EolStyle;
        const eol = part.buffer.isFrontFrozen ? null : part.buffer.searchEol(kind);
        if (doubled(part) && eol !== null && eol.position > 0) stage.differ("an operation is one change");
        return part.buffer.readLineBytes(kind);
      }),
    "buf.eol": ([, name, style, from]) =>
      withBuffer(name, (part) => {
        const position = positionIn(part, from);
        if (position === undefined) return -1;
        const match = part.buffer.searchEol(STYLES.indexOf(style!) as EolStyle, position);
        return match === null ? -1 : [match.position, `length ${match.length}`];
      }),
    "buf.search": ([, name, text, from, to]) => withBuffer(name, (part) => search(part, text!, from, to)),
    "buf.ptr": ([, name, position, ...steps]) =>
      withBuffer(name, ({ buffer }) => {
        const cursor = buffer.cursor();
        let isThere = cursor.set(Number(position));
        const seen = [cursor.position];
        for (const step of steps) {
          isThere = cursor.move(Number(step));
          seen.push(cursor.position);
        }
        return [isThere ? 0 : -1, `at ${seen.join(" ")}`];
      }),
    "buf.freeze": ([, name, end]) =>
      withBuffer(name, ({ buffer }) => (end === "front" ? buffer.freezeFront() : buffer.freezeBack(), 0)),
    "buf.unfreeze": ([, name, end]) =>
      withBuffer(name, ({ buffer }) => (end === "front" ? buffer.unfreezeFront() : buffer.unfreezeBack(), 0)),
    "buf.expand": ([, name, count]) =>
      withBuffer(name, (part) => (part.hasRoom = true, part.buffer.expand(Number(count)), 0)),
    "buf.reserve": ([, name, count, extents]) =>
      withBuffer(name, (part) => {
        part.reserved = -1;
        part.extents = part.buffer.reserve(Number(count), Number(extents ?? 1));
        part.reserved = Number(count);
        part.reservedAt = part.uses;
        return 0;
      }),
    "buf.commit": ([, name, text]) =>
      withBuffer(name, (part) => {
        const bytes = parseText(text!);
        if (bytes.length > part.reserved) return undefined;
        if (part.hasRead && part.hasRoom) stage.differ("what was reserved can be committed");
        part.hasRoom = true;
        if (part.uses > part.reservedAt + 1) stage.differ("reserved room is given up when the buffer changes");
        part.reserved = -1;
        return (commit(part, bytes), 0);
      }),
    "buf.on": ([, name, callback]) => withBuffer(name, (part) => listen(part, callback!)),
    "buf.off": ([, name]) =>
      withEntry(name, (entry, part) => {
        part.callbacks.delete(stage.find(name!)!);
        entries.delete(name!);
        return part.buffer.removeCallback(entry) ? 0 : -1;
      }),
    "buf.enable": ([, name]) => withEntry(name, (entry) => (entry.enabled = true, 0)),
    "buf.disable": ([, name]) => withEntry(name, (entry) => (entry.enabled = false, 0)),
    "buf.defer": ([, name]) =>
      withBuffer(name, (part) => {
        part.isDeferred = true;
        part.buffer.deferCallbacks(stage.base());
        return 0;
      }),
    "buf.read": ([, name, fd, count]) =>
      withBuffer(name, (part) => {
        const { buffer } = part;
        const descriptor = stage.fd(fd);
        if (descriptor === undefined) return undefined;
        part.hasRead = true;
        if (Number(count ?? 0) > buffer.maxRead) stage.differ("reading takes as much as it is told");
        return Math.max(-1, buffer.readFrom(descriptor, count === undefined ? undefined : Number(count)));
      }),
    "buf.write": ([, name, fd, count]) =>
      withBuffer(name, ({ buffer }) => {
        const descriptor = stage.fd(fd);
        if (descriptor === undefined) return undefined;
        const isNothing = buffer.length === 0 || count === "0";
        if (isNothing && !buffer.isFrontFrozen) stage.differ("writing nothing is no failure");
        return Math.max(-1, buffer.writeTo(descriptor, count === undefined ? undefined : Number(count)));
      }),
  };
}
