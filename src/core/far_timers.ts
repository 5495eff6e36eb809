import { TimerRows } from "./timer_rows.ts";
import { RUN_MAX, type TimerRun } from "./timer_run.ts";
import type { TimerSlots } from "./timer_slots.ts";

/** Set in the place of every timer that is here, in the table of slots. */
export const FAR = 2 ** 30;

/** A page has so many rows; a bag has at most one page that is not full. */
const PAGE_SHIFT = 6, PAGE = 1 << PAGE_SHIFT, PAGE_MASK = PAGE - 1;

/** The pool begins with so many pages. */
const PAGES_MIN = 64;

/** The tables of bags are never shorter. */
const BAGS_MIN = 8;

/** Pages that are allocated, but were never touched, are address space only: growing by much saves copying, and costs nothing. */
const GROWTH = 4;

/** A bag that is too large for a run is split into bags of about so many, */
const SPLIT_SIZE = RUN_MAX / 4;
/** but into no more than this at once: the ends of all of them have to stay in the processor's first cache. */
const SPLIT_MAX = 64;

/** Neighbours that have no more than this together are made one when the pool shrinks. */
const MERGE_MAX = RUN_MAX / 2;

/**
 * The timers behind the first ones, in bags: whatever is in a bag is due before whatever is in the bag behind it, and within one there is no
 * order at all. So adding is appending and removing is filling a gap, however many there are. A bag gets its order when its time has
 * come: it is split, and split again, until one fits into a run. That is a bucket sort, which reads and writes memory in sequence and spares
 * those who are cancelled before.
 *
 * Bags are a stack: the farthest is number 0, the nearest is on top and never empty. Only the top is ever split, taken away, or covered
 * by another, so a bag keeps its number.
 *
 * A bag is a chain of pages of one pool. A place is an index into the pool's rows.
 *
 * @internal
 */
export class FarTimers {
  /** How many there are. */
  size = 0;
  /** What is due before this does not belong here; NaN, which no deadline reaches, while there is nothing here. */
  horizonMs = NaN;

  readonly #table: TimerSlots;
  #rows = new TimerRows(0);
  // By page: the page before it in its bag or in the list of free pages, -1 for the first; and the number of its bag.
  #previous = new Int32Array(0);
  #bagOf = new Int32Array(0);
  // Used again first; what follows from #untouched on was never used.
  #freePage = -1;
  #untouched = 0;
  #freePages = 0;
  // By bag: a time that no timer in it is due before, the place of the last one or -1, and how many there are.
  #froms = new Float64Array(BAGS_MIN);
  #lasts = new Int32Array(BAGS_MIN);
  #sizes = new Int32Array(BAGS_MIN);
  #bags = 0;

  /** @param table is told the place of each timer. */
  constructor(table: TimerSlots) {
    this.#table = table;
  }

  /** How many timers there is memory for that was touched. */
  get touched(): number {
    return this.#untouched << PAGE_SHIFT;
  }

  /** The deadline of the timer at `place`. */
  deadlineAt(place: number): number {
    return this.#rows.deadlines[place]!;
  }

  /** Adds a timer that is due at the horizon or later, with the highest sequence of all. */
  add(deadlineMs: number, sequence: number, slot: number): void {
    // First of all, since it may give bags other numbers.
    if (this.#freePages === 0) this.#reserve(1);
    this.#append(deadlineMs >= this.#froms[0]! ? 0 : this.#bagFor(deadlineMs), deadlineMs, sequence, slot);
    this.size++;
  }

  /**
   * Gives the timer at `place` another deadline, and the highest sequence of all, if that leaves it in its bag. Otherwise returns false,
   * having done nothing.
   */
  update(place: number, deadlineMs: number, sequence: number): boolean {
    if (!(deadlineMs >= this.horizonMs)) return false;
    if (this.#bagFor(deadlineMs) !== this.#bagOf[place >> PAGE_SHIFT]!) return false;
    this.#rows.deadlines[place] = deadlineMs;
    this.#rows.sequences[place] = sequence;
    return true;
  }

  /** Takes the timer at `place` out; the last one of its bag fills the gap. */
  remove(place: number): void {
    const bag = this.#bagOf[place >> PAGE_SHIFT]!;
    const last = this.#lasts[bag]!;
    if (place !== last) {
      const { deadlines, sequences, slots } = this.#rows;
      const slot = slots[last]!;
      this.#rows.put(place, deadlines[last]!, sequences[last]!, slot);
      this.#table.places[slot] = FAR | place;
    }
    if ((last & PAGE_MASK) === 0) {
      const page = last >> PAGE_SHIFT;
      this.#lasts[bag] = endOf(this.#freeUp(page)) - 1;
    } else {
      this.#lasts[bag] = last - 1;
    }
    this.size--;
    // Nothing else leaves anything to tidy.
    if (--this.#sizes[bag]! === 0 || this.size < this.touched / 4) this.#tidy();
  }

  /** Begins a bag in front of all others, for timers of which the first is due at `fromMs`: before the horizon, which moves there. */
  cover(fromMs: number): void {
    this.#push(fromMs);
    this.horizonMs = fromMs;
  }

  /** Makes a run of those that are due first. */
  give(run: TimerRun): void {
    while (this.#sizes[this.#bags - 1]! > RUN_MAX) this.#split();
    const { deadlines, sequences, slots } = this.#rows;
    const bag = this.#bags - 1;
    let end = this.#lasts[bag]! + 1;
    for (let page = end - 1 >> PAGE_SHIFT; page >= 0; page = this.#freeUp(page), end = endOf(page)) {
      for (let place = page << PAGE_SHIFT; place < end; place++) {
        run.collect(deadlines[place]!, sequences[place]!, slots[place]!);
      }
    }
    run.sort();
    this.size -= this.#sizes[bag]!;
    this.#sizes[bag] = 0;
    this.#tidy();
  }

  /** The farthest bag that begins at `deadlineMs` or before: if more than one begins just then, who comes last belongs into the last. */
  #bagFor(deadlineMs: number): number {
    const froms = this.#froms;
    let low = 0;
    for (let high = this.#bags - 1; low < high;) {
      const middle = low + high >> 1;
      if (froms[middle]! <= deadlineMs) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts a timer at the end of `bag`; there is a free page. */
  #append(bag: number, deadlineMs: number, sequence: number, slot: number): void {
    let place = this.#lasts[bag]! + 1;
    // After a full page, and in an empty bag.
    if ((place & PAGE_MASK) === 0) place = this.#newPage(bag) << PAGE_SHIFT;
    this.#rows.put(place, deadlineMs, sequence, slot);
    this.#table.places[slot] = FAR | place;
    this.#lasts[bag] = place;
    this.#sizes[bag]!++;
  }

  /** Chains a free page to the end of `bag`. */
  #newPage(bag: number): number {
    let page = this.#freePage;
    if (page < 0) page = this.#untouched++;
    else this.#freePage = this.#previous[page]!;
    this.#freePages--;
    this.#previous[page] = this.#lasts[bag]! >> PAGE_SHIFT;
    this.#bagOf[page] = bag;
    return page;
  }

  /** Returns the page before it. */
  #freeUp(page: number): number {
    const previous = this.#previous[page]!;
    this.#previous[page] = this.#freePage;
    this.#freePage = page;
    this.#freePages++;
    return previous;
  }

  /** Puts an empty bag on top. */
  #push(fromMs: number): void {
    const bag = this.#bags++;
    const { length } = this.#froms;
    if (bag === length) {
      this.#froms = extended(this.#froms, new Float64Array(2 * length));
      this.#lasts = extended(this.#lasts, new Int32Array(2 * length));
      this.#sizes = extended(this.#sizes, new Int32Array(2 * length));
    }
    this.#froms[bag] = fromMs;
    this.#lasts[bag] = -1;
    this.#sizes[bag] = 0;
  }

  /** Puts several bags in the place of the top: a step of a bucket sort. */
  #split(): void {
    let count = Math.min(SPLIT_MAX, Math.ceil(this.#sizes[this.#bags - 1]! / SPLIT_SIZE));
    // Gives bags other numbers, perhaps. What pages the old bag has become free as they are read.
    this.#reserve(count);
    const top = --this.#bags;
    let end = this.#lasts[top]! + 1;
    let page = end - 1 >> PAGE_SHIFT;
    let keys = this.#rows.deadlines;
    let [least, most] = this.#extentOf(keys, page, end);
    if (least === most) {
      keys = this.#rows.sequences;
      [least, most] = this.#extentOf(keys, page, end);
    }
    const scale = count / (most - least);
    const isEven = scale > 0 && scale < Infinity;
    // An end that is at infinity, or out of all proportion, is cut off from the rest instead.
    if (!isEven) count = 2;
    const cut = least === -Infinity ? -Number.MAX_VALUE : most;
    for (let bag = 0; bag < count; bag++) this.#push(Infinity);
    const { deadlines, sequences, slots } = this.#rows;
    const [froms, lasts, sizes] = [this.#froms, this.#lasts, this.#sizes];
    const { places } = this.#table;
    const nearest = this.#bags - 1;
    for (; page >= 0; page = this.#freeUp(page), end = endOf(page)) {
      for (let from = page << PAGE_SHIFT; from < end; from++) {
        const key = keys[from]!;
        const part = isEven ? (key - least) * scale | 0 : key < cut ? 0 : 1;
        // The greatest of all falls behind the last part.
        const bag = part < count ? nearest - part : top;
        const deadlineMs = deadlines[from]!;
        if (deadlineMs < froms[bag]!) froms[bag] = deadlineMs;
        // As #append does, of which a million calls took half as long again.
        let place = lasts[bag]! + 1;
        if ((place & PAGE_MASK) === 0) place = this.#newPage(bag) << PAGE_SHIFT;
        const slot = slots[from]!;
        deadlines[place] = deadlineMs;
        sequences[place] = sequences[from]!;
        slots[place] = slot;
        places[slot] = FAR | place;
        lasts[bag] = place;
        sizes[bag]!++;
      }
    }
    // The first and the last part always have somebody. An empty one begins where the next one does, and so gets nobody.
    for (let bag = top + 1; bag < nearest; bag++) if (this.#sizes[bag] === 0) froms[bag] = froms[bag - 1]!;
    this.#tidy();
  }

  /** The least and the greatest key of a bag, given its last page and where that ends. */
  #extentOf(keys: Float64Array, page: number, end: number): [least: number, most: number] {
    let [least, most] = [Infinity, -Infinity];
    for (; page >= 0; page = this.#previous[page]!, end = endOf(page)) {
      for (let place = page << PAGE_SHIFT; place < end; place++) {
        const key = keys[place]!;
        if (key < least) least = key;
        if (key > most) most = key;
      }
    }
    return [least, most];
  }

  /** Takes empty bags from the top, and gives memory back that is not needed any more. */
  #tidy(): void {
    while (this.#bags > 0 && this.#sizes[this.#bags - 1] === 0) this.#bags--;
    this.horizonMs = this.#bags === 0 ? NaN : this.#froms[this.#bags - 1]!;
    if (this.size < this.touched / 4 && (this.size === 0 || this.#untouched > PAGES_MIN)) this.#pack();
  }

  /** Sees to it that so many pages are free. */
  #reserve(pages: number): void {
    if (this.#freePages >= pages) return;
    // Many bags with few in each waste most of their pages.
    if (this.size < this.touched / 2) this.#pack();
    while (this.#freePages < pages) this.#extend(Math.max(PAGES_MIN, GROWTH * this.#bagOf.length));
  }

  #extend(pages: number): void {
    this.#freePages += pages - this.#bagOf.length;
    this.#rows = this.#rows.extended(pages * PAGE);
    this.#previous = extended(this.#previous, new Int32Array(pages));
    this.#bagOf = extended(this.#bagOf, new Int32Array(pages));
  }

  /** Moves everything to a pool of half as many pages again as it needs, and makes one of small neighbours. */
  #pack(): void {
    const { deadlines, sequences, slots } = this.#rows;
    const [previous, froms, lasts, sizes, bags] = [this.#previous, this.#froms, this.#lasts, this.#sizes, this.#bags];
    this.#rows = new TimerRows(0);
    this.#previous = new Int32Array(0);
    this.#bagOf = new Int32Array(0);
    this.#freePage = -1;
    this.#freePages = this.#untouched = 0;
    this.#froms = new Float64Array(BAGS_MIN);
    this.#lasts = new Int32Array(BAGS_MIN);
    this.#sizes = new Int32Array(BAGS_MIN);
    this.#bags = 0;
    if (bags === 0) return;
    // Two neighbours have more than MERGE_MAX, so that pages that are not full are fewer than half of those that are.
    this.#extend(Math.max(PAGES_MIN, 2 * this.size >> PAGE_SHIFT));
    for (let from = 0; from < bags; from++) {
      const below = this.#bags - 1;
      // The top stays, even if it is only about to be filled.
      if (sizes[from] === 0 && from < bags - 1) continue;
      if (below >= 0 && this.#sizes[below]! + sizes[from]! <= MERGE_MAX) this.#froms[below] = froms[from]!;
      else this.#push(froms[from]!);
      let end = lasts[from]! + 1;
      for (let page = end - 1 >> PAGE_SHIFT; page >= 0; page = previous[page]!, end = endOf(page)) {
        for (let place = page << PAGE_SHIFT; place < end; place++) {
          this.#append(this.#bags - 1, deadlines[place]!, sequences[place]!, slots[place]!);
        }
      }
    }
  }
}

/** Where a page ends. */
function endOf(page: number): number {
  return page + 1 << PAGE_SHIFT;
}

function extended<T extends Float64Array | Int32Array>(shorter: T, longer: T): T {
  longer.set(shorter);
  return longer;
}
