/** How a program of a bench, running on its own, is asked for one round after another. */
import { readSync } from "node:fs";

const chunk = new Uint8Array(4096);
let rest = "";

/**
 * The numbers on the next line of standard input; undefined at its end. It blocks, which keeps the host's loop out of what is
 * measured.
 */
export function nextRequest(): number[] | undefined {
  while (!rest.includes("\n")) {
    const count = readSync(0, chunk);
    if (count === 0) return undefined;
    rest += String.fromCharCode(...chunk.subarray(0, count));
  }
  const end = rest.indexOf("\n");
  const line = rest.slice(0, end);
  rest = rest.slice(end + 1);
  return line.split(" ").map(Number);
}
