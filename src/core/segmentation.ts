import { canSegment, os } from "../ffi/mod.ts";

const { EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP } = os.errno as Record<string, number>;

/**
 * Whether the datagrams of a socket leave in runs that the kernel cuts, and what has come of it so far.
 *
 * @internal
 */
export class Segmentation {
  readonly #fd: number;
  // Undefined until the kernel was asked.
  #isOn: boolean | undefined;
  #hasWorked = false;

  /** @param isWanted false for a Unix socket, or where the user wants none. */
  constructor(fd: number, isWanted: boolean) {
    this.#fd = fd;
    if (!isWanted) this.#isOn = false;
  }

  /** Whether to try it. */
  get isOn(): boolean {
    return this.#isOn ??= canSegment(this.#fd);
  }

  /** The kernel has taken a run. */
  worked(): void {
    this.#hasWorked = true;
  }

  /**
   * The kernel has refused a run with `result`, and taken its first datagram alone. Some errors mean that it is like that everywhere (EIO: there is
   * nobody to compute checksums); others come of the way to one peer (EMSGSIZE, or EINVAL in older kernels, when it carries less).
   */
  refused(result: number): void {
    const never = result === -EIO! || result === -ENOPROTOOPT! || result === -EOPNOTSUPP!;
    if (never || (result === -EINVAL! && !this.#hasWorked)) this.#isOn = false;
  }
}
