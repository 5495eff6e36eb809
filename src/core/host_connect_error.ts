import { os, SystemError, type SystemErrorFacts } from "../ffi/mod.ts";

const { EHOSTUNREACH, ETIMEDOUT, ECANCELED } = os.errno as Record<string, number>;

/**
 * Why there is no connection to a host: its name has no address (`HOST_NOT_FOUND`), it took too long (`ETIMEDOUT`), it was
 * aborted (`ECANCELED`), or no address could be connected to; then `code` is that of the last one that failed.
 */
export class HostConnectError extends SystemError {
  /** Always `HostConnectError`. */
  override readonly name: string = "HostConnectError";
  /** What each of the addresses tried has failed with, in the order in which they did. */
  readonly errors: readonly SystemError[];

  /** @internal */
  constructor(errno: number, syscall: string, facts: SystemErrorFacts, errors: readonly SystemError[]) {
    super(errno, syscall, "connect to", facts);
    this.errors = errors;
  }

  /** @internal Every address has failed. */
  static unreachable(host: string, port: number, errors: readonly SystemError[]): HostConnectError {
    const last = errors.at(-1)!;
    const hint = errors.length === 1
      ? undefined
      : `each of ${errors.length} addresses has failed, this is the last error`;
    const facts = { address: host, port, cause: last, ...(hint === undefined ? {} : { hint }) };
    return new HostConnectError(last.errno, last.syscall, facts, errors);
  }

  /** @internal The name has no address. */
  static notFound(host: string, port: number, cause: Error): HostConnectError {
    const error = new HostConnectError(EHOSTUNREACH!, "resolve", { address: host, port, cause }, []);
    // There is no errno for it.
    Object.defineProperty(error, "code", { value: "HOST_NOT_FOUND", enumerable: true });
    error.message = `Cannot look up ${host}: ${cause.message} (HOST_NOT_FOUND)`;
    return error;
  }

  /** @internal It took too long. */
  static tookTooLong(host: string, port: number, errors: readonly SystemError[]): HostConnectError {
    return new HostConnectError(ETIMEDOUT!, "connect", { address: host, port }, errors);
  }

  /** @internal Nobody wants it any more. */
  static aborted(host: string, port: number, reason: unknown, errors: readonly SystemError[]): HostConnectError {
    return new HostConnectError(ECANCELED!, "connect", { address: host, port, cause: reason }, errors);
  }
}
