/** Addresses of scenarios: a TCP socket that listens on the loopback interface, or that no longer does. */
import {
  accept,
  allocate,
  bind,
  close,
  encodeSocketAddress,
  getsockname,
  listen,
  os,
  setNonBlocking,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  type SocketAddress,
} from "../../src/ffi/mod.ts";
import { optionalAddress } from "../../src/core/socket_address.ts";

/** One of them; give it back with `close()`. */
export class LoopbackAddress {
  /** Where to connect to. */
  readonly address: SocketAddress;
  #fd: number;

  /** @param isServed false: nobody listens there any more. */
  constructor(isServed: boolean) {
    this.#fd = socket(os.constants.AF_INET, os.constants.SOCK_STREAM, 0);
    setNonBlocking(this.#fd);
    const bytes = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port: 0 }, bytes);
    if (bind(this.#fd, bytes, length) < 0 || listen(this.#fd, 16) < 0) throw new Error("Cannot listen");
    this.address = optionalAddress(this.#fd, getsockname)!;
    if (!isServed) this.close();
  }

  /** The next connection, or a negative number. */
  accept(): number {
    return accept(this.#fd, allocate(SOCKET_ADDRESS_BYTES_MAX), allocate(4));
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }
}
