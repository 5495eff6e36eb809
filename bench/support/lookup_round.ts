/** What the programs of the resolver bench that are written in TypeScript have in common. */
import { cpuUs } from "./stopwatch.ts";

/** Whoever measures looks at the clock that often. */
const LOOKUPS_PER_LOOK = 16;
const DOT = 46, ZERO = 48, ONE = 49;

// Over all rounds, so that no cache has the answer.
let next = 0;

/**
 * Keeps so many lookups under way for so many milliseconds, each of another name, and checks what comes of them.
 *
 * @param lookUp looks up the IPv4 addresses of a name, and tells them, or undefined.
 * @param done told `RIGHT WRONG WALL_US CPU_US` after the last.
 */
export function lookupRound(
  window: number,
  ms: number,
  lookUp: (name: string, told: (address: string | undefined) => void) => void,
  done: (figures: string) => void,
): void {
  let [right, wrong, underWay, isOver] = [0, 0, 0, false];
  const [startedMs, startedCpuUs] = [performance.now(), cpuUs()];
  const begin = (): void => {
    const number = next++;
    underWay++;
    lookUp(`host-${number}.example.org`, (address) => {
      underWay--;
      if (numberOf(address) === number) right++;
      else wrong++;
      const isTime = (right + wrong) % LOOKUPS_PER_LOOK === 0 || underWay === 0;
      if (isTime && performance.now() - startedMs >= ms) isOver = true;
      if (!isOver) begin();
      else if (underWay === 0) end();
    });
  };
  const end = (): void => {
    const wallUs = (performance.now() - startedMs) * 1000;
    done(`${right} ${wrong} ${wallUs.toFixed(1)} ${(cpuUs() - startedCpuUs).toFixed(1)}`);
  };
  for (let index = 0; index < window; index++) begin();
}

/** The number that `bench/peers/dns_responder.c` has made this address of; without making a text, which would take longer. */
function numberOf(address: string | undefined): number {
  if (address === undefined || address.charCodeAt(0) !== ONE || address.charCodeAt(1) !== ZERO) return -1;
  let number = 0;
  let part = 0;
  for (let at = 3; at < address.length; at++) {
    const unit = address.charCodeAt(at);
    if (unit !== DOT) {
      part = part * 10 + unit - ZERO;
      continue;
    }
    number = number << 8 | part;
    part = 0;
  }
  return number << 8 | part;
}

/** What `bench/peers/dns_responder.c` answers for a name with this number. */
export function addressOf(number: number): string {
  return `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}`;
}
