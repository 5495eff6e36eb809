/** Every operation of a buffer, for the comparison with its model. */
import { assert, assertEquals } from "@std/assert";
import {
  type EolStyle,
  EVBUFFER_EOL_ANY,
  EVBUFFER_EOL_CRLF,
  EVBUFFER_EOL_CRLF_STRICT,
  EVBUFFER_EOL_LF,
  EVBUFFER_EOL_NUL,
} from "../../src/core/evbuffer_search.ts";
import { os, read, write } from "../../src/ffi/mod.ts";
import { bytesOf, type Deed, latin1, type Pair, type World } from "./evbuffer_model.ts";

const endings: Record<EolStyle, RegExp> = {
  [EVBUFFER_EOL_ANY]: /[\r\n]+/g,
  [EVBUFFER_EOL_CRLF]: /\r?\n/g,
  [EVBUFFER_EOL_CRLF_STRICT]: /\r\n/g,
  [EVBUFFER_EOL_LF]: /\n/g,
  [EVBUFFER_EOL_NUL]: /\0/g,
};

/** The first line ending at or after `from`. */
function eolIn(text: string, style: EolStyle, from: number): { position: number; length: number } | null {
  const ending = endings[style];
  ending.lastIndex = from;
  const match = ending.exec(text);
  return match === null ? null : { position: match.index, length: match[0].length };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const wire = new Uint8Array(new ArrayBuffer(65_536));
const EAGAIN = os.errno.EAGAIN!;

/** Text is added as UTF-8, Latin-1 or bytes. */
function adding(world: World, pair: Pair): Deed {
  const { buffer } = pair;
  const text = world.someText();
  const needs = [[pair, "back"]] as const;
  const add = (call: () => unknown, expected: string): Deed => ({ needs, call, then: () => pair.append(expected) });
  switch (world.random(6)) {
    case 0:
      return add(() => buffer.addLatin1(text), text);
    case 1: {
      const plain = text.replaceAll("\xff", "d");
      return add(() => buffer.addAscii(plain), plain);
    }
    case 2:
      return add(() => buffer.add(text), latin1(encoder.encode(text)));
    case 3: {
      const cut = world.random(text.length + 1);
      const pieces = [text.slice(0, cut), text.slice(cut), ""].map(bytesOf);
      return {
        needs,
        call: () => buffer.addAll(pieces),
        then: (count) => {
          assertEquals(count, text.length);
          pair.append(text);
        },
      };
    }
    default:
      return add(() => buffer.add(bytesOf(text)), text);
  }
}

function prepending(world: World, pair: Pair): Deed {
  const text = world.someText();
  const needs = [[pair, "front"]] as const;
  if (world.random(3) > 0) {
    return { needs, call: () => pair.buffer.prepend(bytesOf(text)), then: () => pair.prepend(text) };
  }
  return { needs, call: () => pair.buffer.prepend(text), then: () => pair.prepend(latin1(encoder.encode(text))) };
}

function referring(world: World, pair: Pair): Deed {
  const text = world.someText();
  const memory = bytesOf(text);
  const released = (given: Uint8Array): void => {
    assert(given === memory);
    // What an owner may do with memory that was given back; nobody may still look at it.
    memory.fill(0x2a);
    world.borrowed--;
  };
  const needs = [[pair, "back"]] as const;
  const from = world.random(3) === 0 ? world.random(text.length + 1) : 0;
  const length = from === 0 ? text.length : world.random(text.length - from + 1);
  return {
    needs,
    call: () => {
      world.borrowed++;
      try {
        if (from === 0) pair.buffer.addReference(memory, released);
        else pair.buffer.addReferencePart(memory, from, length, released);
      } catch (error) {
        world.borrowed--;
        throw error;
      }
    },
    then: () => pair.append(text.slice(from, from + length)),
  };
}

function sharing(world: World, pair: Pair): Deed {
  const source = world.other(pair);
  return {
    needs: source.text === "" ? [] : [[pair, "back"]],
    call: () => pair.buffer.addBufferReference(source.buffer),
    then: () => pair.append(source.text, source.kinds),
  };
}

function addingFiles(world: World, pair: Pair): Deed {
  const needs = [[pair, "back"]] as const;
  const from = world.random(5000);
  const length = world.random(3) === 0 ? -1 : world.random(Math.min(400, 5000 - from));
  const isPlain = world.random(4) === 0;
  const segment = world.pick(world.segments);
  const base = isPlain ? 0 : segment.offset;
  const end = length < 0 ? (isPlain ? world.content.length : 5100) : base + from + length;
  const text = world.content.slice(base + from, end);
  const kind = isPlain || segment.mode === "sendfile" ? "f" : "m";
  return {
    needs,
    call: () =>
      isPlain ? pair.buffer.addFile(world.fileFd, from, length) : pair.buffer.addFileSegment(segment, from, length),
    then: (count) => {
      assertEquals(count, text.length);
      pair.append(text, kind.repeat(text.length));
    },
  };
}

function loading(world: World, pair: Pair): Deed {
  const count = world.random(2) === 0 ? pair.text.length : world.count(pair);
  const kinds = pair.kinds.slice(0, count);
  return {
    needs: [],
    call: () => pair.buffer.loadFiles(count),
    then: (loaded) => {
      assertEquals(loaded, kinds.replaceAll("m", "").length);
      pair.kinds = "m".repeat(kinds.length) + pair.kinds.slice(count);
    },
  };
}

function taking(world: World, pair: Pair): Deed {
  const { buffer, text } = pair;
  const count = world.count(pair);
  const needs = [[pair, "front"]] as const;
  const isRefused = pair.hasFile(0, count);
  switch (world.random(5)) {
    case 0:
      return {
        needs,
        call: () => buffer.drain(count),
        then: (drained) => assertEquals(drained, pair.shift(count).text.length),
      };
    case 1:
      return {
        needs,
        isRefused,
        call: () => latin1(buffer.take(count)),
        then: (taken) => assertEquals(taken, pair.shift(count).text),
      };
    case 2:
      return {
        needs,
        isRefused,
        call: () => buffer.takeText(count),
        then: (taken) => assertEquals(taken, decoder.decode(bytesOf(pair.shift(count).text))),
      };
    case 3: {
      const target = new Uint8Array(count);
      return {
        needs,
        isRefused,
        call: () => buffer.remove(target),
        then: (removed) => assertEquals(latin1(target.subarray(0, removed as number)), pair.shift(count).text),
      };
    }
    default: {
      const target = new Uint8Array(count);
      const from = world.random(text.length + 3);
      return {
        needs,
        isRefused: pair.hasFile(from, from + count),
        call: () => buffer.copyOut(target, from),
        then: (copied) => assertEquals(latin1(target.subarray(0, copied as number)), text.slice(from, from + count)),
      };
    }
  }
}

function looking(world: World, pair: Pair): Deed {
  const { buffer, text } = pair;
  const count = world.random(3) === 0 ? -1 : world.count(pair);
  const length = count < 0 ? text.length : count;
  if (world.random(2) === 0) {
    const expected = length === 0 || length > text.length ? null : text.slice(0, length);
    return {
      needs: [],
      isRefused: expected !== null && pair.hasFile(0, length),
      call: () => buffer.pullup(count),
      then: (view) => assertEquals(view === null ? null : latin1(view as Uint8Array), expected),
    };
  }
  const from = world.random(text.length + 3);
  return {
    needs: [],
    isRefused: pair.hasFile(from, count < 0 ? text.length : from + count),
    call: () => buffer.peek(count, from).map(latin1).join(""),
    then: (seen) => assertEquals(seen, text.slice(from, count < 0 ? text.length : from + count)),
  };
}

function readingLines(world: World, pair: Pair): Deed {
  const { buffer, text } = pair;
  const style = world.random(5) as EolStyle;
  const match = eolIn(text, style, 0);
  const take = (): string => pair.shift(match!.position + match!.length).text.slice(0, match!.position);
  if (world.random(2) === 0) {
    return {
      needs: [[pair, "front"]],
      call: () => buffer.readLine(style),
      then: (line) => assertEquals(line, match === null ? null : decoder.decode(bytesOf(take()))),
    };
  }
  return {
    needs: [[pair, "front"]],
    call: () => buffer.readLineBytes(style),
    then: (line) => assertEquals(line === null ? null : latin1(line as Uint8Array), match === null ? null : take()),
  };
}

function searching(world: World, pair: Pair): Deed {
  const { buffer, text } = pair;
  const { random } = world;
  const at = random(text.length + 1);
  const needle = random(2) === 0 ? text.slice(at, at + random(8)) : world.textOf(random(6));
  const [from, to] = [random(text.length + 1), random(text.length + 20)];
  const look = (call: () => unknown, expected: unknown): Deed => ({
    needs: [],
    call,
    then: (found) => assertEquals(found, expected),
  });
  const style = random(5) as EolStyle;
  switch (random(6)) {
    case 0:
      return look(
        () => buffer.searchRange(bytesOf(needle), from, to),
        from > to ? -1 : text.slice(0, to).indexOf(needle, from),
      );
    case 1:
      return look(() => buffer.search(bytesOf(needle), from), text.indexOf(needle, from));
    case 2: {
      const byte = needle.length === 0 ? 0x61 : needle.charCodeAt(0);
      return look(() => buffer.indexOf(byte, from), text.indexOf(String.fromCharCode(byte), from));
    }
    case 3:
      return look(() => buffer.searchEol(style, from), eolIn(text, style, from));
    case 4: {
      const match = eolIn(text, style, from);
      return look(() => {
        const cursor = buffer.cursor();
        cursor.set(from);
        return [cursor.findEol(style), cursor.position];
      }, [match, match === null ? -1 : match.position]);
    }
    default: {
      const step = random(text.length + 5) - random(5);
      const isThere = from + step >= 0 && from + step <= text.length;
      const found = isThere ? text.indexOf(needle, from + step) : -1;
      return look(() => {
        const cursor = buffer.cursor();
        return [cursor.set(from), cursor.move(step), cursor.find(bytesOf(needle)), cursor.position];
      }, [true, isThere, found >= 0, found]);
    }
  }
}

function moving(world: World, pair: Pair): Deed {
  const other = world.random(20) === 0 ? pair : world.other(pair);
  const isNothing = other === pair || other.text === "";
  switch (world.random(3)) {
    case 0:
      return {
        needs: isNothing ? [] : [[pair, "back"], [other, "front"]],
        call: () => pair.buffer.addBuffer(other.buffer),
        then: () => {
          if (isNothing) return;
          const { text, kinds } = other.shift(Infinity);
          pair.append(text, kinds);
        },
      };
    case 1:
      return {
        needs: isNothing ? [] : [[pair, "front"], [other, "front"]],
        call: () => pair.buffer.prependBuffer(other.buffer),
        then: () => {
          if (isNothing) return;
          const { text, kinds } = other.shift(Infinity);
          pair.prepend(text, kinds);
        },
      };
    default: {
      const count = world.count(pair);
      return {
        needs: other === pair || count === 0 ? [] : [[pair, "front"], [other, "back"]],
        call: () => pair.buffer.removeBuffer(other.buffer, count),
        then: (moved) => {
          const taken = other === pair ? { text: "", kinds: "" } : pair.shift(count);
          assertEquals(moved, taken.text.length);
          if (other !== pair) other.append(taken.text, taken.kinds);
        },
      };
    }
  }
}

function reserving(world: World, pair: Pair): Deed {
  const { buffer } = pair;
  const text = world.someText();
  const needs = [[pair, "back"]] as const;
  const spare = world.random(100);
  const kind = world.random(4);
  if (kind === 0) {
    return {
      needs,
      call: () => {
        const chain = buffer.reserveTail(text.length + spare);
        chain.bytes.set(bytesOf(text), chain.end);
        buffer.commitTail(text.length);
      },
      then: () => pair.append(text),
    };
  }
  if (kind === 1) return { needs: [], call: () => buffer.expand(text.length) };
  return {
    needs,
    call: () => {
      const extents = buffer.reserve(text.length + spare, 1 + world.random(2));
      let rest = bytesOf(text);
      const filled = extents.map((extent) => {
        const part = rest.subarray(0, extent.length);
        extent.set(part);
        rest = rest.subarray(part.length);
        return extent.subarray(0, part.length);
      });
      return buffer.commit(kind === 2 ? filled : text.length);
    },
    then: (count) => {
      assertEquals(count, text.length);
      pair.append(text);
    },
  };
}

/** Through the socket pair, which is empty before and afterwards. */
function writing(world: World, pair: Pair): Deed {
  const count = world.random(2) === 0 ? Infinity : world.count(pair);
  const isSocket = world.random(2) === 0;
  return {
    needs: [[pair, "front"]],
    call: () => isSocket ? pair.buffer.sendTo(world.ends[0], count) : pair.buffer.writeTo(world.ends[0], count),
    then: (result) => {
      const written = result as number;
      // A part is fine, but not nothing where there was something.
      assert(written <= Math.min(count, pair.text.length) && (written > 0) === (pair.text !== "" && count > 0));
      let arrived = "";
      while (arrived.length < written) {
        const got = read(world.ends[1], wire, wire.length);
        assert(got > 0);
        arrived += latin1(wire.subarray(0, got));
      }
      assertEquals(arrived, pair.shift(written).text);
    },
  };
}

function reading(world: World, pair: Pair): Deed {
  const text = world.random(6) === 0 ? "" : world.someText();
  const count = world.random(2) === 0 ? undefined : 1 + world.random(6000);
  const max = count ?? pair.buffer.maxRead;
  return {
    needs: [[pair, "back"]],
    call: () => {
      if (!pair.isBackFrozen && text !== "") {
        wire.set(bytesOf(text));
        assertEquals(write(world.ends[0], wire, text.length), text.length);
      }
      return pair.buffer.readFrom(world.ends[1], count);
    },
    then: (result) => {
      const expected = Math.min(max, text.length);
      assertEquals(result, expected === 0 ? -EAGAIN : expected);
      pair.append(text.slice(0, expected));
      // What was left behind belongs to nobody.
      if (expected < text.length) assertEquals(read(world.ends[1], wire, wire.length), text.length - expected);
    },
  };
}

function freezing(world: World, pair: Pair): Deed {
  const { buffer } = pair;
  return {
    needs: [],
    call: () => {
      switch (world.random(10)) {
        case 0:
          buffer.freezeFront();
          pair.isFrontFrozen = true;
          break;
        case 1:
          buffer.freezeBack();
          pair.isBackFrozen = true;
          break;
        default:
          buffer.unfreezeFront();
          buffer.unfreezeBack();
          pair.isFrontFrozen = pair.isBackFrozen = false;
      }
    },
  };
}

/** A second registration comes, is switched off, and goes: each change is then told as often as it should be. */
function listening(world: World, pair: Pair): Deed {
  let calls = 0;
  const text = world.textOf(3);
  return {
    needs: [[pair, "back"]],
    call: () => {
      const entry = pair.buffer.addCallback(() => calls++);
      try {
        // So that it is told apart from the loop's calls.
        entry.immediate = true;
        pair.buffer.add(bytesOf(text));
        entry.enabled = false;
        pair.buffer.add(bytesOf(text));
      } finally {
        assert(pair.buffer.removeCallback(entry));
      }
      pair.buffer.add(bytesOf(text));
    },
    then: () => {
      assertEquals(calls, 1);
      pair.append(text + text + text);
      // Three changes in one deed.
      if (!pair.isDeferred) pair.calls -= 2;
    },
  };
}

/** All of them, as often as they shall come. */
export const deeds: readonly ((world: World, pair: Pair) => Deed)[] = [
  adding,
  adding,
  prepending,
  referring,
  referring,
  sharing,
  addingFiles,
  loading,
  taking,
  taking,
  taking,
  looking,
  looking,
  moving,
  moving,
  reserving,
  reserving,
  writing,
  writing,
  reading,
  freezing,
  listening,
];

/** Those that go through bytes from the front on, for buffers without files. */
export const searches: readonly ((world: World, pair: Pair) => Deed)[] = [readingLines, searching, searching];
