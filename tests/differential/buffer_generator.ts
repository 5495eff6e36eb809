/** Makes scenarios of byte buffers at random, as generator.ts does of events. */
import { Chance } from "./generator.ts";

const STYLES = ["ANY", "CRLF", "CRLF_STRICT", "LF", "NUL"];
const PIECES = ["a", "b", "ab", "\\r", "\\n", "\\r\\n", "\\0", "abc", "xyzzy"];
const TIMES = [1, 1, 1, 2, 3, 20, 300, 700, 2000];
/** What a command that takes a number of bytes is given: often a few, sometimes more than there are. */
const COUNTS = [0, 1, 2, 3, 5, 8, 13, 40, 300, 1024, 3000, 20_000];

/** The names of one scenario, and how its commands are made. */
class BufferCast {
  readonly chance: Chance;
  readonly lines: string[] = [];
  readonly buffers: string[] = [];
  readonly callbacks: string[] = [];
  readonly #freezes: boolean;
  #owners = 0;

  constructor(seed: number, backend: string) {
    const chance = this.chance = new Chance(seed);
    this.#freezes = chance.percent(30);
    this.lines.push(`base backend=${backend}${chance.percent(30) ? " priorities=3" : ""}`, "pair P");
    for (let count = 2 + chance.below(3); count > 0; count--) {
      const name = `b${count}`;
      this.buffers.push(name);
      this.lines.push(`buf ${name}`);
    }
    for (const name of this.buffers) if (chance.percent(25)) this.lines.push(`buf.defer ${name}`);
    if (chance.percent(60)) { for (let count = 1 + chance.below(4); count > 0; count--) this.#listen(`c${count}`); }
  }

  #listen(name: string): void {
    const { chance } = this;
    const buffer = chance.from(this.buffers);
    this.callbacks.push(name);
    this.lines.push(`buf.on ${buffer} ${name}`);
    // C breaks when a callback changes the source of a move that is under way, so each touches its own buffer only.
    if (chance.percent(60)) {
      const script = Array.from({ length: chance.below(3) }, () => this.#simple(buffer));
      this.lines.push(`on ${name} ${1 + chance.below(5)} {`, ...script, "}");
    }
  }

  text(): string {
    return this.chance.percent(6) ? '""' : this.#something();
  }

  #something(): string {
    const { chance } = this;
    const piece = Array.from({ length: 1 + chance.below(5) }, () => chance.from(PIECES)).join("");
    const times = chance.from(TIMES);
    return times === 1 ? piece : `${piece}*${times}`;
  }

  count(): number {
    return this.chance.from(COUNTS);
  }

  /** One that asks for nothing but its own buffer. */
  #simple(name: string): string {
    const { chance } = this;
    const from = chance.percent(40) ? ` ${this.count()}` : "";
    switch (chance.below(12)) {
      case 0:
        return `buf.prepend ${name} ${this.text()}`;
      case 1:
        return `buf.drain ${name} ${this.count()}`;
      case 2:
        return `buf.remove ${name} ${this.count()}`;
      case 3:
        return `buf.copyout ${name} ${this.count()}${from}`;
      case 4:
        return `buf.pullup ${name} ${chance.percent(30) ? -1 : this.count()}`;
      case 5:
        return `buf.peek ${name} ${chance.percent(30) ? -1 : this.count()}${from}`;
      case 6:
        return `buf.eol ${name} ${chance.from(STYLES)}${from}`;
      case 7:
        return `buf.search ${name} ${chance.from(PIECES)}${from}${
          from !== "" && chance.percent(50) ? ` ${this.count()}` : ""
        }`;
      case 8:
        return `buf.ptr ${name} ${this.count()} ${this.count()} ${this.count()}`;
      case 9:
        return `buf.expand ${name} ${this.count()}`;
      default:
        return `buf.add ${name} ${this.text()}`;
    }
  }

  /** Any command. */
  command(): string[] {
    const { chance } = this;
    const name = chance.from(this.buffers);
    const other = chance.from(this.buffers);
    const dice = chance.below(100);
    if (dice < 45) return [this.#simple(name)];
    if (dice < 52) return [`buf.ref ${name} ${this.#something()} r${++this.#owners}`];
    if (dice < 56) return [`buf.addbuf ${name} ${other}`];
    if (dice < 59) return [`buf.prependbuf ${name} ${other}`];
    if (dice < 66) return [`buf.move ${name} ${other} ${this.count()}`];
    if (dice < 68 && name !== other) return [`buf.share ${name} ${other}`];
    if (dice < 74) return [`buf.readln ${name} ${chance.from(STYLES)}`];
    if (dice < 79) return this.#reserve(name);
    if (dice < 82) return this.#write(name);
    if (dice < 86) {
      return [`buf.read ${name} P${chance.below(2)}${chance.percent(50) ? "" : ` ${1 + chance.below(4096)}`}`];
    }
    if (dice < 89 && this.#freezes) {
      return [`buf.${chance.percent(40) ? "freeze" : "unfreeze"} ${name} ${chance.percent(50) ? "front" : "back"}`];
    }
    if (dice < 92 && this.callbacks.length > 0) {
      return [`buf.${chance.from(["enable", "disable", "enable", "off"])} ${chance.from(this.callbacks)}`];
    }
    return [dice < 97 ? "loop NONBLOCK" : `buf.show ${name}`];
  }

  /** Hardly ever nothing, where the two sides differ. */
  #write(name: string): string[] {
    const { chance } = this;
    const count = chance.percent(50) ? "" : ` ${1 + this.count()}`;
    return [`buf.add ${name} ${this.#something()}`, `buf.write ${name} P${chance.below(2)}${count}`];
  }

  #reserve(name: string): string[] {
    const { chance } = this;
    const piece = chance.from(PIECES);
    // Never more than is asked for, which both sides are told in bytes.
    const times = chance.from([1, 2, 30, 400]);
    const room = 10 * times + chance.below(50);
    return [`buf.reserve ${name} ${room} ${1 + chance.below(2)}`, `buf.commit ${name} ${piece}*${times}`];
  }
}

/** The scenario of `seed`. */
export function generateBuffers(seed: number, backend: string): string[] {
  const cast = new BufferCast(seed, backend);
  for (let count = 10 + cast.chance.below(40); count > 0; count--) cast.lines.push(...cast.command());
  cast.lines.push("loop NONBLOCK", ...cast.buffers.map((name) => `buf.show ${name}`));
  return cast.lines;
}
