import { runtime } from "../ffi/mod.ts";

/** How many bytes of memory an object takes, without those that it refers to, at an estimate; undefined where the runtime has none. */
export const estimateBytes: ((object: object) => number) | undefined = runtime.estimateBytes;
