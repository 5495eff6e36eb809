import { bind, os, setSocketOption } from "../ffi/mod.ts";

const { SOL_SOCKET, SO_REUSEPORT } = os.constants;

/**
 * The addresses with a port of their own that UDP sockets of a resolver ask from. Each name server has a socket, and all of these have the same
 * address: since they are connected, the kernel hands each what comes from its server.
 *
 * The first of them is bound alone, and shares only then: so it is refused what another program, or another resolver, has.
 *
 * @internal
 */
export class OwnPorts {
  // How many sockets have an address, by its text.
  readonly #users = new Map<string, number>();

  /**
   * Binds a socket; unless that fails, {@linkcode OwnPorts.release} has to follow.
   *
   * @param name the address as text.
   * @param address the address, in the first `bytes` of that.
   * @returns 0 or `-errno`.
   */
  bind(fd: number, name: string, address: Uint8Array, bytes: number): number {
    const users = this.#users.get(name) ?? 0;
    let result = users > 0 ? share(fd) : 0;
    if (result >= 0) result = bind(fd, address, bytes);
    if (result >= 0 && users === 0) result = share(fd);
    if (result >= 0) this.#users.set(name, users + 1);
    return result;
  }

  /** A socket with the address of that name is closed. */
  release(name: string): void {
    const users = this.#users.get(name)! - 1;
    if (users > 0) this.#users.set(name, users);
    else this.#users.delete(name);
  }
}

function share(fd: number): number {
  return setSocketOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}
