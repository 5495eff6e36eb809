import { TagError } from "./tag_error.ts";

/** Bounds on what a peer may send in one structure. */
export interface RpcLimits {
  /** Structures inside of each other, the outermost included; `TAG_TOO_DEEP` beyond. Default 32. */
  readonly maxDepth: number;
  /** Members of all structures together, each element of an array counted; `TAG_TOO_MANY` beyond. Default 1,000,000. */
  readonly maxMembers: number;
}

/** The limits that hold when none are given. */
export const DEFAULT_RPC_LIMITS: RpcLimits = Object.freeze({ maxDepth: 32, maxMembers: 1_000_000 });

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} when a limit is no whole number above zero.
 */
export function rpcLimits(limits: Partial<RpcLimits> = {}): RpcLimits {
  const all = {
    maxDepth: limits.maxDepth ?? DEFAULT_RPC_LIMITS.maxDepth,
    maxMembers: limits.maxMembers ?? DEFAULT_RPC_LIMITS.maxMembers,
  };
  for (const [name, value] of Object.entries(all)) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new RangeError(`Cannot set ${name} to ${value}: expected a whole number above zero`);
    }
  }
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

  /** There is a member. */
  count(): void {
    if (this.#membersLeft-- === 0) throw new TagError("TAG_TOO_MANY");
  }
}
