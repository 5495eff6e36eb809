import { TagError } from "./tag_error.ts";

/** Bounds on what a peer may send in one structure. */
export interface RpcLimits {
  /** Structures inside of each other, the outermost included; `TAG_TOO_DEEP` beyond. It holds for what is marshalled as well. Default 32. */
  readonly maxDepth: number;
  /**
   * Members of all structures together, each array and each element of one counted, since an empty array is a piece of memory as well;
   * `TAG_TOO_MANY` beyond. Default 100,000.
   */
  readonly maxMembers: number;
}

/** The limits that hold when none are given. A hundred thousand members are read in less than half a second, whatever they are. */
export const DEFAULT_RPC_LIMITS: RpcLimits = Object.freeze({ maxDepth: 32, maxMembers: 100_000 });

/** Those that have been checked. */
const checked: WeakSet<Partial<RpcLimits>> = new WeakSet([DEFAULT_RPC_LIMITS]);

/**
 * Fills in the defaults. What it has returned passes through unchanged.
 *
 * @throws {RangeError} when a limit is no whole number above zero.
 */
export function rpcLimits(limits: Partial<RpcLimits> = DEFAULT_RPC_LIMITS): RpcLimits {
  if (checked.has(limits)) return limits as RpcLimits;
  const all: RpcLimits = {
    maxDepth: limits.maxDepth ?? DEFAULT_RPC_LIMITS.maxDepth,
    maxMembers: limits.maxMembers ?? DEFAULT_RPC_LIMITS.maxMembers,
  };
  for (const [name, value] of Object.entries(all)) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new RangeError(`Cannot set ${name} to ${value}: expected a whole number above zero`);
    }
  }
  checked.add(Object.freeze(all));
  return all;
}

/** What is left of the limits while a message is read. @internal */
export class StructBudget {
  #depthLeft: number;
  #membersLeft: number;

  constructor({ maxDepth, maxMembers }: RpcLimits) {
    this.#depthLeft = maxDepth;
    this.#membersLeft = maxMembers;
  }

  /** A structure begins. */
  enter(): void {
    if (this.#depthLeft-- === 0) throw new TagError("TAG_TOO_DEEP");
  }

  /** It has ended well; there is no other end that is survived. */
  leave(): void {
    this.#depthLeft++;
  }

  /** There are so many members. */
  count(members: number): void {
    this.#membersLeft -= members;
    if (this.#membersLeft < 0) throw new TagError("TAG_TOO_MANY");
  }
}
