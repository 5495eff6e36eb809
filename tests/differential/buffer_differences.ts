/** Where our byte buffers deliberately differ from C's, as differences.ts says of the loop. */
import { type Chain, CHAIN_MEMORY } from "../../src/core/chain.ts";
import type { EvBuffer } from "../../src/core/evbuffer.ts";

/** Name and reason of every difference. */
export const bufferDifferences = {
  "a frozen end refuses nothing, too":
    "What needs a frozen end throws, however many bytes it is about. C lets nothing be prepended, drained and taken out.",
  "writing nothing is no failure": "Writing from an empty buffer, or at most 0 bytes, returns 0; in C it returns -1.",
  "an operation is one change":
    "Each operation calls a callback once. In C a line and its ending are two changes, and so are the pieces of addAll.",
  "a move is complete before anybody hears of it":
    "Callbacks run when both buffers are in their final state. In C the target of a move in part hears of it while its source still " +
    "seems to hold what was moved.",
  "a part of a reference stays one":
    "Moving a part of borrowed memory shares it, and its owner is told after both parts. C copies the part.",
  "no reference is kept to nothing":
    "The owner of no bytes is told at once; in C he is when the chain without bytes is freed.",
  "what is shared can be shared":
    "A buffer that shows parts of another can itself be shown in a third; C refuses that.",
  "pulling up writes to no shared memory":
    "Joining chains takes memory of its own where the first is shared. C writes behind the shared bytes, over what another buffer " +
    "has joined there.",
  "reserved room is given up when the buffer changes":
    "Whatever changes the buffer ends a reservation. In C some of it can still be committed, depending on which chunks it lies in.",
  "what was reserved can be committed":
    "Room in one piece can be committed however the buffer came by its chunks. In C that fails where one reading or reservation has left " +
    "empty chunks behind, and another reservation takes the first of several.",
  "adding nothing is no change":
    "What adds or drains nothing leaves deferred callbacks alone. In C their place in the line is taken then, though nobody is called for it.",
  "reading takes as much as it is told":
    "A number of bytes that is given takes the place of the buffer's own maximum. In C the smaller one counts.",
  "an empty needle lies inside its range":
    "Nothing is found only between the start and the end of a range; in C at the start always.",
} as const;

/** One of the names. */
export type BufferDifferenceName = keyof typeof bufferDifferences;

/** The chain that holds byte `position`, and where it begins. */
export function chainAt(buffer: EvBuffer, position: number): { chain: Chain; start: number } | undefined {
  let start = 0;
  for (let chain = buffer.firstChain; chain !== null; chain = chain.next) {
    const end = start + chain.end - chain.start;
    if (position < end) return { chain, start };
    start = end;
  }
  return undefined;
}

/** Whether moving `count` bytes out of the buffer takes a part of borrowed memory. */
export function splitsReference(buffer: EvBuffer, count: number): boolean {
  const at = count < buffer.length ? chainAt(buffer, count) : undefined;
  return at !== undefined && at.start < count && at.chain.kind !== CHAIN_MEMORY;
}
