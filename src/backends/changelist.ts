import { os } from "../ffi/mod.ts";
import { INTEREST_EDGE } from "./backend.ts";

const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = os.constants;

const DESCRIPTORS_FIRST = 64;
// What is remembered of a descriptor besides its interests.
const LISTED = 1, RELEASED = 2;

/**
 * What epoll is still to be told: for each descriptor the interest that the kernel knows, the one that is wanted by now,
 * and a list of those where the two may differ. However often a descriptor's interest changes, it stands in the list
 * once, and {@linkcode ChangeList.operationFor} says which single call makes up for all of it.
 *
 * @internal
 */
export class ChangeList {
  #known = new Uint8Array(DESCRIPTORS_FIRST);
  #wanted = new Uint8Array(DESCRIPTORS_FIRST);
  #state = new Uint8Array(DESCRIPTORS_FIRST);
  #tags = new Int32Array(DESCRIPTORS_FIRST);
  // Every descriptor is listed once at most, so that the list never outgrows the tables.
  #list = new Int32Array(DESCRIPTORS_FIRST);
  #count = 0;

  /** How many descriptors are listed. */
  get count(): number {
    return this.#count;
  }

  /** Entry `index` of the list, oldest first. */
  fdAt(index: number): number {
    return this.#list[index]!;
  }

  /** Makes `interest` the one that is wanted for `fd`, 0 for none, and lists the descriptor. */
  put(fd: number, interest: number): void {
    if (fd >= this.#known.length) this.#grow(fd);
    const before = this.#wanted[fd]!;
    this.#wanted[fd] = interest;
    if (this.#known[fd] !== 0 && mustBeToldAgain(before, interest)) this.#state[fd]! |= RELEASED;
    this.#enlist(fd);
  }

  #enlist(fd: number): void {
    if ((this.#state[fd]! & LISTED) !== 0) return;
    this.#state[fd]! |= LISTED;
    this.#list[this.#count++] = fd;
  }

  /** The call that makes the kernel know what is wanted: an `EPOLL_CTL_` number, or 0 when it does already. */
  operationFor(fd: number): number {
    const known = this.#known[fd]!, wanted = this.#wanted[fd]!;
    if (wanted === 0) return known === 0 ? 0 : EPOLL_CTL_DEL;
    if (known === 0) return EPOLL_CTL_ADD;
    return known !== wanted || (this.#state[fd]! & RELEASED) !== 0 ? EPOLL_CTL_MOD : 0;
  }

  /** The interest that is wanted for `fd`. */
  wanted(fd: number): number {
    return this.#wanted[fd]!;
  }

  /** The tag of the kernel's latest entry for `fd`. */
  tagOf(fd: number): number {
    return this.#tags[fd]!;
  }

  /** A tag for a new entry for `fd`, by which its reports are told from those of earlier entries under the same number. */
  newTag(fd: number): number {
    return ++this.#tags[fd]!;
  }

  /** Whether a report of `fd` with `tag` is about what the kernel was last told, not about a file that lost this number. */
  isCurrent(fd: number, tag: number): boolean {
    return this.#known[fd] !== 0 && this.#tags[fd] === tag;
  }

  /** The kernel knows what is wanted for `fd` now. The caller takes it out of the list. */
  settle(fd: number): void {
    this.#known[fd] = this.#wanted[fd]!;
    this.#state[fd] = 0;
  }

  /** The kernel knows nothing of `fd`, whose file is not the one that it was told about. */
  forget(fd: number): void {
    this.#known[fd] = 0;
  }

  /** The kernel knows nothing any more: lists all that is wanted. */
  forgetAll(): void {
    for (let fd = 0; fd < this.#known.length; fd++) {
      if (this.#known[fd] === 0) continue;
      this.forget(fd);
      this.#enlist(fd);
    }
  }

  /** Puts `fd` at `index` of the list; with {@linkcode ChangeList.truncate} it keeps what could not be settled. */
  keep(index: number, fd: number): void {
    this.#list[index] = fd;
  }

  /** Shortens the list to its first `count` entries; the rest is settled. */
  truncate(count: number): void {
    this.#count = count;
  }

  #grow(fd: number): void {
    const length = Math.max(this.#known.length * 2, fd + 1);
    this.#known = grown(new Uint8Array(length), this.#known);
    this.#wanted = grown(new Uint8Array(length), this.#wanted);
    this.#state = grown(new Uint8Array(length), this.#state);
    this.#tags = grown(new Int32Array(length), this.#tags);
    this.#list = grown(new Int32Array(length), this.#list);
  }
}

/**
 * Whether going from one interest to the other is news to the kernel even if the next change brings the old one back.
 * Whoever lets go of a descriptor may close it, and its number may come back with another file behind it. And an edge that
 * was withdrawn and is wanted again has to be armed anew, or readiness that came before is never reported.
 */
function mustBeToldAgain(before: number, after: number): boolean {
  return after === 0 || ((before & INTEREST_EDGE) !== 0 && (before & ~after) !== 0);
}

function grown<T extends Uint8Array | Int32Array>(larger: T, smaller: T): T {
  larger.set(smaller);
  return larger;
}
