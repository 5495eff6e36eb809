/**
 * Memory as words of 32 bits, for loops over many bytes.
 *
 * @module
 */

/** Memory up to this size is remembered with its view: what connections receive into, but no large message that is done with. */
const REMEMBERED_BYTES_MAX = 256 * 1024;

// Making a view costs as much as a loop over a hundred bytes, and many frames lie in the same memory.
let viewedBuffer: ArrayBufferLike | null = null;
let view: Int32Array = new Int32Array(0);

/** All whole words of `buffer`. */
export function wordsOf(buffer: ArrayBufferLike): Int32Array {
  if (buffer === viewedBuffer) return view;
  const words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
  if (buffer.byteLength <= REMEMBERED_BYTES_MAX && !mayChangeSize(buffer)) {
    viewedBuffer = buffer;
    view = words;
  }
  return words;
}

function mayChangeSize(buffer: ArrayBufferLike): boolean {
  const { resizable = false, growable = false } = buffer as { resizable?: boolean; growable?: boolean };
  return resizable || growable;
}
