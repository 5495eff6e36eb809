/**
 * How pieces of ancillary data lie behind each other: a header, the data, and bytes up to the next boundary.
 *
 * @module
 */

import { os } from "./platform.ts";

const { cmsghdr } = os.structs;
const ALIGNMENT = os.name === "darwin" ? 4 : 8;
const LEVEL = cmsghdr.fields.level.offset;
const TYPE = cmsghdr.fields.type.offset;

/** Where the data of a piece begins (CMSG_LEN(0)). */
export const PIECE_DATA: number = alignedLength(cmsghdr.size);

function alignedLength(length: number): number {
  return (length + ALIGNMENT - 1) & -ALIGNMENT;
}

/** The bytes that a piece with so many bytes of data takes up (CMSG_SPACE). */
export function pieceSpace(dataBytes: number): number {
  return alignedLength(PIECE_DATA + dataBytes);
}

/** Begins a piece at `at`, all zeros behind its header. Returns what {@linkcode pieceSpace} does. */
export function beginPiece(into: DataView, at: number, level: number, type: number, dataBytes: number): number {
  const space = pieceSpace(dataBytes);
  for (let index = at; index < at + space; index++) into.setUint8(index, 0);
  into.setUint32(at, PIECE_DATA + dataBytes, true);
  into.setInt32(at + LEVEL, level, true);
  into.setInt32(at + TYPE, type, true);
  return space;
}

/** Calls `visit` with each piece of ancillary data: its level, type, and where its data begins. A malformed end is left out. */
export function forEachPiece(
  view: DataView,
  start: number,
  length: number,
  visit: (level: number, type: number, at: number, dataBytes: number) => void,
): void {
  const end = start + length;
  for (let at = start; at + PIECE_DATA <= end;) {
    const pieceBytes = view.getUint32(at, true);
    if (pieceBytes < PIECE_DATA || at + pieceBytes > end) return;
    visit(view.getInt32(at + LEVEL, true), view.getInt32(at + TYPE, true), at + PIECE_DATA, pieceBytes - PIECE_DATA);
    at += alignedLength(pieceBytes);
  }
}
