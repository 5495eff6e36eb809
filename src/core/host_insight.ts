/** What only some runtimes tell, for who can do without, and what they do without telling. */
import { runtime } from "../ffi/mod.ts";

/** How many bytes of memory an object takes, without those that it refers to, at an estimate; undefined where the runtime has none. */
export const estimateBytes: ((object: object) => number) | undefined = runtime.estimateBytes;

/** What a promise has come to, be it an error, or the promise itself where that is open or the runtime does not tell. */
export const peek: (promise: Promise<unknown>) => unknown = runtime.peek ?? ((promise) => promise);

/** Whether the runtime's `fetch()` decodes a body with this `Content-Encoding`, a field that it leaves as it was either way. */
export const fetchDecodes: (contentEncoding: string) => boolean = runtime.fetchDecodes;
