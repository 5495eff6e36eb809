import type { RpcStruct } from "./rpc_struct.ts";

/** What stands in front of the name in the path of a call (RPCs of evrpc live there). */
const PATH_PREFIX = "/.rpc.";
const NAME = /^[A-Za-z0-9_.~-]+$/;

/** A call that servers offer and clients make: a name, what is asked, and what is answered. Made by {@linkcode rpcMethod}. */
export interface RpcMethod<Request, Reply> {
  /** Its name. */
  readonly name: string;
  /** Where it is on a server: `/.rpc.` and the name. */
  readonly path: string;
  /** What a client sends. */
  readonly request: RpcStruct<Request>;
  /** What a server answers. */
  readonly reply: RpcStruct<Reply>;
}

/**
 * Declares a call (EVRPC_HEADER and EVRPC_GENERATE).
 *
 * @param name letters, digits and `_ . ~ -`.
 * @throws {TypeError} for another name.
 */
export function rpcMethod<Request, Reply>(
  name: string,
  request: RpcStruct<Request>,
  reply: RpcStruct<Reply>,
): RpcMethod<Request, Reply> {
  if (!NAME.test(name)) throw new TypeError(`Cannot make a call named ${JSON.stringify(name)}`);
  return { name, path: PATH_PREFIX + name, request, reply };
}
