import {
  allocate,
  close,
  connect,
  encodeSocketAddress,
  os,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  SystemError,
  systemError,
  takeSocketError,
} from "../ffi/mod.ts";
import type { IpSocketAddress } from "./address_queue.ts";
import { EV_PERSIST, EV_WRITE } from "./constants.ts";
import { LoopEvent } from "./event.ts";
import type { EventBase } from "./event_base.ts";
import { bindTo } from "./local_address.ts";

const { EINPROGRESS, EINTR } = os.errno as Record<string, number>;
const { AF_INET, AF_INET6, SOCK_STREAM } = os.constants;

/**
 * One socket that is being connected to one address.
 *
 * @internal
 */
export class ConnectAttempt {
  readonly #address: IpSocketAddress;
  readonly #from: IpSocketAddress | undefined;
  #fd = -1;
  #event: LoopEvent | null = null;

  /**
   * @param address where to.
   * @param from the address of this side, of the same family; undefined: the system's choice.
   */
  constructor(address: IpSocketAddress, from: IpSocketAddress | undefined) {
    this.#address = address;
    this.#from = from;
  }

  /**
   * Opens the socket and begins.
   *
   * @param ended called from the loop with null when it is connected, else with the error; not for what begin() returns.
   * @returns why it cannot even begin, or null.
   * @throws what is nobody's refusal, such as what debug mode finds; nothing is left open then.
   */
  begin(base: EventBase, level: number, ended: (error: SystemError | null) => void): SystemError | null {
    try {
      const fd = this.#connect();
      const event = this.#event = new LoopEvent(base, fd, EV_WRITE | EV_PERSIST, () => {
        const error = takeSocketError(fd);
        // Nothing was taken: the socket stays writable, and the next turn asks again.
        if (error === -EINTR!) return;
        if (error === 0) return ended(null);
        this.close();
        ended(this.#failure(error > 0 ? -error : error));
      });
      event.level = level;
      event.add();
      return null;
    } catch (error) {
      this.close();
      if (error instanceof SystemError) return error;
      throw error;
    }
  }

  /** Opens the socket and has the system begin; returns the socket. */
  #connect(): number {
    const address = this.#address;
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress(address, bytes);
    const fd = socket(address.family === "ipv4" ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    if (fd < 0) throw systemError(fd, "socket", "open a socket for", this.#facts);
    this.#fd = fd;
    if (this.#from !== undefined) bindTo(fd, this.#from);
    const result = connect(fd, bytes, length);
    if (result < 0 && result !== -EINPROGRESS! && result !== -EINTR!) throw this.#failure(result);
    return fd;
  }

  /** Hands the connected socket over. */
  takeFd(): number {
    const fd = this.#fd;
    this.#event?.close();
    this.#event = null;
    this.#fd = -1;
    return fd;
  }

  /** Gives it up. */
  close(): void {
    const fd = this.takeFd();
    if (fd >= 0) close(fd);
  }

  get #facts(): { readonly address: string; readonly port: number } {
    return { address: this.#address.host, port: this.#address.port };
  }

  #failure(result: number): SystemError {
    return systemError(result, "connect", "connect to", this.#facts);
  }
}
