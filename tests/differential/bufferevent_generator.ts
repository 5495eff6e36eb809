/** Makes scenarios of buffered connections at random, as generator.ts does of events. */
import { Chance } from "./generator.ts";

const PIECES = ["a", "ab", "abc", "hello", "xyzzy", "0123456789"];
const TIMES = [1, 1, 1, 1, 2, 5, 40, 300, 900];
const COUNTS = [1, 2, 3, 5, 8, 40, 300, 5000];
const MARKS = [0, 0, 1, 4, 10, 100, 3000];
const EVENTS = ["EOF|READING", "TIMEOUT|WRITING", "ERROR|READING", "CONNECTED"];
const TRANSFORMS = ["null", "null", "twice", "half", "fours"];
const TICK_MS = 100;

/** The names of one scenario, and how its commands are made. */
class BufferEventCast {
  readonly chance: Chance;
  readonly lines: string[] = [];
  /** Connections that commands may name; those under a filter are left to it. */
  readonly names: string[] = [];
  readonly #sockets: string[] = [];
  /** Descriptors that no connection has. */
  readonly #peers: string[] = [];
  readonly #priorities: number;
  /** Where limits count, time passes in ticks. */
  readonly #isLimited: boolean;
  #hasFreed = false;

  constructor(seed: number, backend: string) {
    const chance = this.chance = new Chance(seed);
    this.#priorities = chance.percent(30) ? 3 : 1;
    this.#isLimited = chance.percent(20);
    this.lines.push(`base backend=${backend}${this.#priorities > 1 ? ` priorities=${this.#priorities}` : ""}`);
    for (let count = 1 + chance.below(3); count > 0; count--) this.#declareSockets(count);
    if (chance.percent(30)) {
      this.lines.push("bev.pair m1 m2");
      this.names.push("m1", "m2");
    }
    if (chance.percent(30)) this.#declareFilter();
    for (const name of this.names) this.#setUp(name);
    if (!this.#isLimited) { for (let count = chance.below(3); count > 0; count--) this.#declareTimer(`t${count}`); }
  }

  #declareSockets(index: number): void {
    const { chance } = this;
    this.lines.push(`pair P${index}`);
    for (const end of [0, 1]) {
      if (end === 1 && chance.percent(50)) {
        this.#peers.push(`P${index}1`);
        continue;
      }
      const name = `s${index}${end}`;
      this.lines.push(
        `bev ${name} P${index}${end} ${chance.percent(70) ? "CLOSE" : ""}|${chance.percent(30) ? "DEFER" : ""}`,
      );
      this.names.push(name);
      this.#sockets.push(name);
    }
  }

  #declareFilter(): void {
    const { chance } = this;
    const under = chance.from(this.names);
    this.names.splice(this.names.indexOf(under), 1);
    if (this.#sockets.includes(under)) this.#sockets.splice(this.#sockets.indexOf(under), 1);
    if (chance.percent(30)) this.lines.push(`bev.watermark ${under} WRITE ${chance.from(MARKS)} ${chance.from(MARKS)}`);
    const options = `${chance.percent(50) ? "CLOSE" : ""}|${chance.percent(85) ? "DEFER" : ""}`;
    this.lines.push(`bev.filter f ${under} ${chance.from(TRANSFORMS)} ${chance.from(TRANSFORMS)} ${options}`);
    this.names.push("f");
  }

  #setUp(name: string): void {
    const { chance } = this;
    const isSocket = this.#sockets.includes(name);
    if (isSocket && this.#isLimited && chance.percent(60)) this.lines.push(this.#limit(name));
    if (chance.percent(85)) this.lines.push(`bev.enable ${name} READ`);
    if (chance.percent(30)) this.lines.push(this.#marks(name));
    if (isSocket && !this.#isLimited && chance.percent(30)) this.lines.push(this.#timeouts(name));
    if (isSocket && chance.percent(20)) this.lines.push(`bev.maxread ${name} ${5 + chance.below(300)}`);
    if (isSocket && chance.percent(20)) this.lines.push(`bev.maxwrite ${name} ${5 + chance.below(300)}`);
    // One that takes nothing is called for ever in C, at a high watermark.
    const takes = chance.percent(90) ? [`bev.read ${name} ${chance.from(COUNTS)}`] : [];
    this.#script(`${name}.read`, chance.percent(70) ? [`bev.readbuf ${name}`] : takes, name);
    if (chance.percent(50)) this.#script(`${name}.write`, [], name);
    if (chance.percent(50)) this.#script(`${name}.event`, [], name);
  }

  #script(callback: string, first: readonly string[], own: string): void {
    const { chance } = this;
    const rest = Array.from(
      { length: chance.below(3) },
      () => this.command(chance.percent(60) ? own : chance.from(this.names)),
    );
    this.lines.push(`on ${callback} ${1 + chance.below(6)} {`, ...first, ...rest, "}");
  }

  #declareTimer(name: string): void {
    this.lines.push(`timer ${name}`, `add ${name} ${1 + this.chance.below(900)}`);
    this.#script(name, [], this.chance.from(this.names));
  }

  #text(): string {
    const times = this.chance.from(TIMES);
    return `${this.chance.from(PIECES)}${times === 1 ? "" : `*${times}`}`;
  }

  #marks(name: string): string {
    const { chance } = this;
    return `bev.watermark ${name} ${chance.from(["READ", "READ", "WRITE", "READ|WRITE"])} ${chance.from(MARKS)} ${
      chance.from(MARKS)
    }`;
  }

  #timeouts(name: string): string {
    const { chance } = this;
    const time = (): number => chance.percent(60) ? 1 + chance.below(900) : -1;
    return `bev.timeouts ${name} ${time()} ${time()}`;
  }

  #limit(name: string): string {
    const { chance } = this;
    const [read, written] = [1 + chance.below(500), 1 + chance.below(500)];
    return `bev.rate ${name} ${read} ${read + chance.below(300)} ${written} ${written + chance.below(300)} ${TICK_MS}`;
  }

  /** Something that a script may say, too. */
  command(name: string): string {
    const { chance } = this;
    const dice = chance.below(100);
    if (dice < 30) return `bev.write ${name} ${this.#text()}`;
    if (dice < 33) return `bev.writebuf ${name} ${this.#text()}`;
    if (dice < 42 && this.#peers.length > 0) return `fd.send ${chance.from(this.#peers)} ${this.#text()}`;
    if (dice < 50 && this.#peers.length > 0) {
      return `fd.recv ${chance.from(this.#peers)} ${chance.percent(50) ? 65536 : chance.from(COUNTS)}`;
    }
    if (dice < 55) return `bev.read ${name} ${chance.from(COUNTS)}`;
    if (dice < 58) return `bev.readbuf ${name}`;
    if (dice < 64) return `bev.enable ${name} ${chance.from(["READ", "READ", "WRITE", "READ|WRITE"])}`;
    if (dice < 68) return `bev.disable ${name} ${chance.from(["READ", "READ", "WRITE", "READ|WRITE"])}`;
    if (dice < 72) return this.#marks(name);
    if (dice < 74 && this.#sockets.includes(name) && !this.#isLimited) return this.#timeouts(name);
    if (dice < 76) {
      return `bev.trigger ${name} ${chance.from(["READ", "WRITE", "READ|WRITE"])} ${
        chance.from(["", "IGNORE", "DEFER", "IGNORE|DEFER"])
      }`.trim();
    }
    if (dice < 77) return `bev.triggerevent ${name} ${chance.from(EVENTS)} ${chance.percent(30) ? "DEFER" : ""}`.trim();
    if (dice < 80) {
      return `bev.flush ${name} ${chance.from(["READ", "WRITE", "READ|WRITE"])} ${
        chance.from(["NORMAL", "FLUSH", "FINISHED"])
      }`;
    }
    if (dice < 82) {
      return `bev.setcb ${name} ${
        chance.from(["READ|WRITE|EVENT", "READ|WRITE|EVENT", "READ|EVENT", "EVENT", "none"])
      }`;
    }
    if (dice < 83 && this.#peers.length > 0) return `shutdown ${chance.from(this.#peers)}`;
    if (dice < 85) return this.#rare(name);
    return dice < 93 ? `bev.show ${name}` : `bev.enabled ${name}`;
  }

  #rare(name: string): string {
    const { chance } = this;
    const isSocket = this.#sockets.includes(name);
    switch (chance.below(5)) {
      case 0:
        // What is there of a pair is never freed: the sides differ in what the other end hears.
        if (name.startsWith("m")) return `bev.partner ${name}`;
        this.#hasFreed = true;
        return `bev.free ${name}`;
      case 1:
        return isSocket && this.#priorities > 1
          ? `bev.priority ${name} ${chance.below(this.#priorities)}`
          : `bev.priority ${name}`;
      case 2:
        return isSocket ? `bev.max ${name}` : `bev.marks ${name} READ`;
      case 3:
        return isSocket && this.#isLimited ? this.#limit(name) : `bev.show ${name}`;
      default:
        return isSocket && this.#isLimited ? `bev.limits ${name}` : `bev.getfd ${name}`;
    }
  }

  /** How time goes on. ONCE would return for what C finalizes, where something has been freed. */
  pause(): string[] {
    const { chance } = this;
    if (chance.percent(60)) return ["loop NONBLOCK"];
    if (this.#isLimited) return [`loopexit ${TICK_MS * (1 + chance.below(3))}`, "loop"];
    if (chance.percent(30) && !this.#hasFreed) return ["loop ONCE|NONBLOCK"];
    return [`loopexit ${1 + chance.below(700)}`, "loop"];
  }
}

/** The scenario of `seed`. */
export function generateBufferEvents(seed: number, backend: string): string[] {
  const cast = new BufferEventCast(seed, backend);
  for (let count = 8 + cast.chance.below(30); count > 0; count--) {
    if (cast.chance.percent(25)) cast.lines.push(...cast.pause());
    else cast.lines.push(cast.command(cast.chance.from(cast.names)));
  }
  cast.lines.push("loop NONBLOCK", ...cast.names.map((name) => `bev.show ${name}`));
  return cast.lines;
}
