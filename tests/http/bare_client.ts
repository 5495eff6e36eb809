/** A client without a loop: a bare descriptor that does exactly what it is told, when it is told. */
import { assertEquals } from "@std/assert";
import {
  allocate,
  close,
  connect,
  encodeSocketAddress,
  os,
  read,
  shutdown,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  write,
} from "../../src/ffi/mod.ts";
import { setResetOnClose, socketPair } from "../../src/core/mod.ts";
import type { HttpServer } from "../../src/http/mod.ts";

const { AF_INET, SOCK_STREAM } = os.constants;
const AGAIN = -os.errno["EAGAIN"]!;
const room = allocate(256 * 1024);

/** How a connection stands, seen from the client: open, ended, or reset by the server. */
export type Standing = "open" | "ended" | "reset";

/** A connection to a server. */
export class BareClient implements Disposable {
  readonly #fd: number;
  #closed = false;
  /** Everything that has come and was read, one character per byte. */
  received = "";
  /** How the connection stood when it was last read from or written to. */
  standing: Standing = "open";

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** By a socket pair: what is sent has arrived when the call returns, and no port is taken. */
  static paired(server: HttpServer, transport: Parameters<HttpServer["accept"]>[1] = {}): BareClient {
    const [ours, theirs] = socketPair();
    server.accept(theirs, transport);
    return new BareClient(ours);
  }

  /** By TCP, which alone can be reset. */
  static tcp(port: number): BareClient {
    const fd = socket(AF_INET, SOCK_STREAM, 0);
    const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const result = connect(fd, address, encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port }, address));
    // It is non-blocking, and loopback completes the handshake meanwhile.
    assertEquals(result === 0 || result === -os.errno["EINPROGRESS"]!, true, String(result));
    return new BareClient(fd);
  }

  /** Sends as much of `bytes` from `start` on as the kernel takes; returns how much that was. */
  sendSome(bytes: Uint8Array, start: number = 0): number {
    const count = write(this.#fd, bytes.subarray(start), bytes.length - start);
    if (count >= 0) return count;
    if (count !== AGAIN) this.standing = "reset";
    return 0;
  }

  /** Sends text with one byte per character, which has to fit. */
  send(text: string): this {
    if (text === "") return this;
    const bytes = bytesOf(text);
    const count = this.sendSome(bytes);
    if (this.standing === "open") assertEquals(count, bytes.length, "the kernel takes all of it");
    return this;
  }

  /** Reads up to `max` bytes of what there is, or all of it; returns what came. */
  read(max: number = Infinity): string {
    let text = "";
    while (text.length < max) {
      const count = read(this.#fd, room, Math.min(room.length, max - text.length));
      if (count === 0 && this.standing === "open") this.standing = "ended";
      else if (count < 0 && count !== AGAIN) this.standing = "reset";
      if (count <= 0) break;
      text += latin1(room.subarray(0, count));
    }
    this.received += text;
    return text;
  }

  /** Ends our side; the other may go on. */
  endWriting(): void {
    assertEquals(shutdown(this.#fd, os.constants.SHUT_WR), 0);
  }

  /** Cuts the connection by a reset, as a crashed client's kernel does. */
  reset(): void {
    assertEquals(setResetOnClose(this.#fd, true), 0);
    this.close();
  }

  /** Closes it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    assertEquals(close(this.#fd), 0);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Text with one byte per character. */
export function bytesOf(text: string): Uint8Array {
  const bytes = allocate(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
