/**
 * Makes scenarios at random, each from its own seed, and makes failing ones shorter. Whatever is left to chance in C (random starts, equal
 * deadlines) is either made definite by the players or recognised by differences.ts, so anything goes that the language can say.
 */

/** A small seeded generator of numbers (mulberry32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 * limit);
  }

  percent(percentage: number): boolean {
    return this.below(100) < percentage;
  }

  from<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const LOOPS = ["loop ONCE", "loop NONBLOCK", "loop ONCE|NONBLOCK", "loop ONCE", "loop"];
const DURATION_MS_MAX = 900;
/** In a crowd of timers callbacks take so long that many are due together. */
const CROWDED_MS_MAX = 150;

/** The names a scenario is made of, and how much of everything there is. */
class Cast {
  readonly chance: Chance;
  readonly isEpoll: boolean;
  readonly lines: string[] = [];
  readonly fds: string[] = [];
  readonly events: string[] = [];
  readonly timers: string[] = [];
  readonly signals: string[] = [];
  readonly commons: string[] = [];
  // All events of a descriptor must agree on edges, in C too.
  readonly edgeFd: string | undefined;
  readonly priorities: number;
  readonly closes: boolean;
  readonly isCrowded: boolean;

  constructor(seed: number, backend: string) {
    const chance = this.chance = new Chance(seed);
    this.isEpoll = backend === "epoll" || backend === "changelist";
    this.closes = (backend === "epoll" || backend === "poll") && chance.percent(20);
    this.priorities = chance.from([1, 1, 2, 3]);
    this.isCrowded = chance.percent(30);
    this.lines.push(`base backend=${backend}${this.#settings()}`);
    for (let index = 1 + chance.below(3); index > 0; index--) {
      const name = `p${index}`;
      this.lines.push(`${chance.percent(80) || backend === "kqueue" ? "pair" : "pipe"} ${name}`);
      this.fds.push(`${name}0`, `${name}1`);
    }
    this.edgeFd = this.isEpoll && !this.closes && chance.percent(15) ? chance.from(this.fds) : undefined;
    if (chance.percent(25)) this.#declare("common", this.commons, () => `${this.duration()}`);
    for (let count = 1 + chance.below(5); count > 0; count--) this.#declareEvent();
    for (let count = this.isCrowded ? 4 + chance.below(6) : chance.below(4); count > 0; count--) {
      this.#declare("timer", this.timers, () => chance.percent(50) ? "PERSIST" : "");
    }
    if (chance.percent(40)) this.#declareSignals();
    for (const name of this.all) if (this.priorities > 1 && chance.percent(60)) this.lines.push(this.#priority(name));
  }

  get all(): string[] {
    return [...this.events, ...this.timers, ...this.signals];
  }

  /** Milliseconds that hardly ever meet: equal deadlines may fire in any order in C. */
  duration(): number {
    return 1 + this.chance.below(this.isCrowded ? CROWDED_MS_MAX : DURATION_MS_MAX);
  }

  #settings(): string {
    const priorities = this.priorities > 1 ? ` priorities=${this.priorities}` : "";
    const cache = this.chance.percent(10) ? " nocache" : "";
    if (!this.chance.percent(20)) return priorities + cache;
    const interval = this.chance.percent(30) ? this.chance.below(30) : -1;
    return `${priorities}${cache} limits=${1 + this.chance.below(3)},${interval},${this.chance.below(2)}`;
  }

  #declare(kind: string, names: string[], rest: () => string): void {
    const name = `${kind[0]}${names.length + 1}`;
    names.push(name);
    this.lines.push(`${kind} ${name} ${rest()}`.trim());
  }

  #declareEvent(): void {
    const { chance } = this;
    const kinds = ["READ", "READ", "READ", "WRITE", "READ|WRITE"];
    if (this.isEpoll) kinds.push("CLOSED", "READ|CLOSED");
    this.#declare("event", this.events, () => {
      const fd = chance.from(this.fds);
      return `${fd} ${chance.from(kinds)}${fd === this.edgeFd ? "|ET" : ""}${chance.percent(60) ? "|PERSIST" : ""}`;
    });
  }

  #declareSignals(): void {
    const { chance } = this;
    for (let count = 1 + chance.below(2); count > 0; count--) {
      this.#declare(
        "signal",
        this.signals,
        () => `${chance.percent(90) ? "USR2" : "USR1"} ${chance.percent(70) ? "PERSIST" : ""}`,
      );
    }
  }

  #priority(name: string): string {
    return `priority ${name} ${this.chance.below(this.priorities)}`;
  }

  /** Any command; those that only callbacks may use with `inside`. */
  command(inside: boolean): string[] {
    const { chance } = this;
    const name = chance.from(this.all);
    const dice = chance.below(100);
    if (dice < 24) return [this.#add(name)];
    if (dice < 32) return [`del ${name}`];
    if (dice < 40) return [this.#activate(name)];
    if (dice < 46) return [`pending ${name}`];
    if (dice < 56) return [`write ${chance.from(this.fds)} ${1 + chance.below(3)}`];
    if (dice < 64) return [`read ${chance.from(this.fds)}${chance.percent(30) ? " 1" : ""}`];
    if (dice < 70) {
      return this.signals.length > 0 ? [`raise USR2${chance.percent(30) ? " 2" : ""}`] : [`pending ${name}`];
    }
    if (dice < 73) return [`removetimer ${name}`];
    if (dice < 77) return [this.#once()];
    if (dice < 80) {
      return inside ? [chance.from(["loopcontinue", "loopbreak", "loopexit"])] : [`loopexit ${this.duration()}`];
    }
    if (dice < 82) return [this.#priority(name)];
    if (dice < 84) return inside ? ["running"] : ["got"];
    if (dice < 87) {
      return [
        `advance ${1 + chance.below(this.isCrowded ? CROWDED_MS_MAX : 60)}`,
        ...(inside && chance.percent(80) ? ["updatecache"] : []),
      ];
    }
    if (dice < 90) return this.#hangUp();
    return inside ? [this.#add(name)] : [chance.from(LOOPS)];
  }

  #add(name: string): string {
    const { chance } = this;
    const isTimer = this.timers.includes(name);
    if (!isTimer && chance.percent(this.signals.includes(name) ? 95 : 65)) return `add ${name}`;
    return `add ${name} ${this.commons.length > 0 && chance.percent(60) ? this.commons[0] : this.duration()}`;
  }

  #activate(name: string): string {
    const { chance } = this;
    if (this.signals.includes(name)) return `active ${name} SIGNAL ${1 + chance.below(3)}`;
    return `active ${name} ${chance.from(["READ", "WRITE", "READ|WRITE", "TIMEOUT"])}`;
  }

  #once(): string {
    const { chance } = this;
    const name = `o${1 + chance.below(3)}`;
    if (chance.percent(40)) return `once ${name} -1 TIMEOUT${chance.percent(50) ? "" : ` ${this.duration()}`}`;
    const fd = chance.from(this.fds.filter((each) => each !== this.edgeFd));
    return `once ${name} ${fd} ${chance.from(["READ", "WRITE"])}${chance.percent(50) ? "" : ` ${this.duration()}`}`;
  }

  #hangUp(): string[] {
    const { chance } = this;
    const fd = chance.from(this.fds);
    if (!this.closes) return chance.percent(30) ? [`shutdown ${fd}`] : [`read ${fd}`];
    return [chance.from([`close ${fd}`, `shutdown ${fd}`, `dup2 ${chance.from(this.fds)} ${fd}`])];
  }
}

/** The scenario of `seed`. */
export function generate(seed: number, backend: string): string[] {
  const cast = new Cast(seed, backend);
  const { chance, lines } = cast;
  for (const name of [...cast.all, "o1"]) {
    if (!chance.percent(60)) continue;
    lines.push(`on ${name} ${1 + chance.below(4)} {`);
    for (let count = 1 + chance.below(4); count > 0; count--) lines.push(...cast.command(true));
    lines.push("}");
  }
  for (const name of cast.all) {
    if (chance.percent(50)) lines.push(`add ${name}${cast.timers.includes(name) ? ` ${cast.duration()}` : ""}`);
  }
  for (let count = 5 + chance.below(20); count > 0; count--) lines.push(...cast.command(false));
  lines.push("loop NONBLOCK", ...cast.all.map((name) => `pending ${name}`), "loopexit 2500", "loop", "got");
  return lines;
}

/** Leaves out lines, and whole callback scripts, for as long as `fails` holds. */
export function shrink(lines: readonly string[], fails: (lines: readonly string[]) => boolean): readonly string[] {
  let kept = lines;
  for (let size = Math.max(1, lines.length >> 1); size >= 1; size >>= 1) {
    for (let at = 1; at < kept.length;) {
      const shorter = without(kept, at, size);
      if (shorter.length < kept.length && fails(shorter)) kept = shorter;
      else at++;
    }
  }
  return kept;
}

/** Without `size` lines from `at` on; a script that begins there goes as a whole, and its braces never alone. */
function without(lines: readonly string[], at: number, size: number): readonly string[] {
  const first = lines[at]!;
  if (first === "}") return lines;
  const end = first.startsWith("on ") ? lines.indexOf("}", at) + 1 : Math.min(lines.length, at + size);
  const dropped = lines.slice(at, end);
  const isWhole = first.startsWith("on ") || !dropped.some((line) => line === "}" || line.startsWith("on "));
  return isWhole ? [...lines.slice(0, at), ...lines.slice(end)] : lines;
}
