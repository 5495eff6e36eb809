/**
 * Names, meanings and the error class for what the operating system refuses.
 *
 * Calls into C answer with `-errno`; would-block and in-progress stay numbers and never reach this file. Whatever a
 * program should hear about becomes a {@linkcode SystemError}, whose `code` is the same on every system.
 *
 * @module
 */

import { errnoMeaning } from "./errno.ts";
import { os } from "./platform.ts";

/** Name of each number; where two names share one, the first row of the table wins. */
const names: ReadonlyMap<number, string> = new Map(
  Object.entries(os.errno).reverse().map(([name, number]) => [number, name]),
);

/**
 * The name of an errno number on this operating system, such as `ECONNREFUSED`; `errno 999` for a number without one.
 *
 * @param errno a positive errno number
 */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/**
 * What an errno number means, in a few lower-case words without a full stop.
 *
 * @param errno a positive errno number
 */
export function errnoMessage(errno: number): string {
  return errnoMeaning(errnoName(errno)) ?? "unknown error";
}

/** What a failed call was about. Each fact becomes a property of the error and part of its message. */
export interface SystemErrorFacts {
  /** The address or host in question, without its port. */
  readonly address?: string;
  /** The port that goes with `address`. */
  readonly port?: number;
  /** The file or Unix socket in question. */
  readonly path?: string;
  /** A likely cause or cure, as a sentence without a full stop. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * The operating system, or the peer through it, refused something.
 *
 * The message says what was being done and then the facts: `Cannot bind 127.0.0.1:80: permission denied (EACCES)`.
 *
 * @example
 * ```ts
 * import { SystemError } from "@evbase/evbase/ffi";
 *
 * function explain(error: unknown): string {
 *   if (error instanceof SystemError && error.code === "EADDRINUSE") return `somebody else listens on ${error.port}`;
 *   return String(error);
 * }
 * ```
 */
export class SystemError extends Error {
  /** Always `SystemError`. */
  override readonly name: string = "SystemError";
  /** The errno's name, such as `ECONNREFUSED`: the same on every system, and the thing to compare. */
  readonly code: string;
  /** The errno number, positive; it differs between systems. */
  readonly errno: number;
  /** The C function that failed. */
  readonly syscall: string;
  // Declared only, so that an error without a fact has no such property when it is printed.
  /** The address in question, when there is one. */
  declare readonly address?: string;
  /** The port in question, when there is one. */
  declare readonly port?: number;
  /** The file or Unix socket in question, when there is one. */
  declare readonly path?: string;
  /** A likely cause or cure, when one is known. */
  declare readonly hint?: string;

  /**
   * Describes a failed call.
   *
   * @param errno the errno number, positive
   * @param syscall the C function that failed
   * @param action what was being done, to stand after "Cannot" and before the address or path: `bind`, `connect to`
   * @param facts what it was being done to
   * @throws {RangeError} when `errno` is not a positive integer
   */
  constructor(
    errno: number,
    syscall: string,
    action: string,
    facts: SystemErrorFacts = {},
  ) {
    if (!Number.isInteger(errno) || errno <= 0) {
      throw new RangeError(
        `Cannot describe a failed ${syscall}: errno must be a positive integer, not ${errno}`,
      );
    }
    const code = errnoName(errno);
    const hint = facts.hint === undefined ? "" : `; ${facts.hint}`;
    super(
      `Cannot ${[action, ...targets(facts)].join(" ")}: ${errnoMessage(errno)} (${code})${hint}`,
      facts.cause === undefined ? undefined : { cause: facts.cause },
    );
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (facts.address !== undefined) this.address = facts.address;
    if (facts.port !== undefined) this.port = facts.port;
    if (facts.path !== undefined) this.path = facts.path;
    if (facts.hint !== undefined) this.hint = facts.hint;
  }
}

function targets({ address, port, path }: SystemErrorFacts): string[] {
  const texts: string[] = [];
  if (address !== undefined) {
    if (port === undefined) texts.push(address);
    else {texts.push(
        address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
      );}
  } else if (port !== undefined) {
    texts.push(`port ${port}`);
  }
  // An abstract Unix socket's name begins with a zero byte, which is conventionally shown as "@".
  if (path !== undefined) texts.push(path.replace(/^\0/, "@"));
  return texts;
}

/**
 * Turns the result of a failed call into the error to throw or deliver.
 *
 * @param result what the call returned: `-errno`
 * @param syscall the C function that failed
 * @param action what was being done, to stand after "Cannot" and before the address or path: `bind`, `connect to`
 * @param facts what it was being done to
 * @throws {RangeError} when `result` is not negative, since such a call has not failed
 */
export function systemError(
  result: number,
  syscall: string,
  action: string,
  facts: SystemErrorFacts = {},
): SystemError {
  return new SystemError(-result, syscall, action, facts);
}
