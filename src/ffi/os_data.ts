/**
 * What one operating system looks like from its C library: names, numbers and struct layouts, as plain data.
 *
 * `linux.ts`, `darwin.ts` and `freebsd.ts` each build one of these; `platform.ts` picks the running one. All three are
 * 64-bit and little-endian.
 *
 * @module
 */

import type { OpensslData } from "./openssl_data.ts";
import type { OsConstants } from "./os_constants.ts";
import type { OsDatagramStructs } from "./os_datagram_structs.ts";
import type { BytesField, NumberField, PointerField, Struct } from "./struct.ts";

export type { OsConstants } from "./os_constants.ts";
export type { OsDatagramConstants } from "./os_datagram_constants.ts";
export type { OsDatagramStructs } from "./os_datagram_structs.ts";
export type { OsSocketConstants } from "./os_socket_constants.ts";

/** Processor architectures the tables cover. */
export type Arch = "x86_64" | "aarch64";

/** Layouts that every operating system has, by their C names; fields one of them lacks are not listed here. */
export interface OsStructs extends OsDatagramStructs {
  /** An IPv4 address and port. On BSD the family is one byte, after a length byte. */
  readonly sockaddr_in: Struct<
    { family: NumberField; port: NumberField; addr: BytesField }
  >;
  /** An IPv6 address, port, flow label and scope. */
  readonly sockaddr_in6: Struct<
    {
      family: NumberField;
      port: NumberField;
      flowinfo: NumberField;
      addr: BytesField;
      scope_id: NumberField;
    }
  >;
  /** A path, or on Linux an abstract name. */
  readonly sockaddr_un: Struct<{ family: NumberField; path: BytesField }>;
  /** Seconds and microseconds. macOS has four bytes of padding after its 32-bit `usec`. */
  readonly timeval: Struct<{ sec: NumberField; usec: NumberField }>;
  /** Seconds and nanoseconds. */
  readonly timespec: Struct<{ sec: NumberField; nsec: NumberField }>;
  /** One descriptor given to poll. */
  readonly pollfd: Struct<
    { fd: NumberField; events: NumberField; revents: NumberField }
  >;
  /** One piece of a vectored read or write. */
  readonly iovec: Struct<{ base: PointerField; len: NumberField }>;
  /** Arguments of sendmsg and recvmsg. */
  readonly msghdr: Struct<
    {
      name: PointerField;
      namelen: NumberField;
      iov: PointerField;
      iovlen: NumberField;
      control: PointerField;
      controllen: NumberField;
      flags: NumberField;
    }
  >;
  /** Value of SO_LINGER. */
  readonly linger: Struct<{ onoff: NumberField; linger: NumberField }>;
  /** Soft and hard limit of a resource. */
  readonly rlimit: Struct<{ cur: NumberField; max: NumberField }>;
  /** What stat says of a file; `mtimeSec` and `mtimeNsec` say when its content last changed. */
  readonly stat: Struct<
    {
      dev: NumberField;
      ino: NumberField;
      mode: NumberField;
      size: NumberField;
      mtimeSec: NumberField;
      mtimeNsec: NumberField;
    }
  >;
  /** A signal's disposition, as the C library's `sigaction` takes it. */
  readonly sigaction: Struct<
    { handler: PointerField; mask: BytesField; flags: NumberField }
  >;
  /** What a signal handler is told. `value` and `valueInt` are two views of the value `sigqueue` sent. */
  readonly siginfo: Struct<
    {
      signo: NumberField;
      errno: NumberField;
      code: NumberField;
      pid: NumberField;
      uid: NumberField;
      status: NumberField;
      addr: PointerField;
      value: PointerField;
      valueInt: NumberField;
    }
  >;
  /** One directory entry; `name` ends at its first zero byte, `reclen` counts the bytes of the entry. */
  readonly dirent: Struct<
    {
      ino: NumberField;
      reclen: NumberField;
      type: NumberField;
      name: BytesField;
    }
  >;
  /** One answer of getaddrinfo. */
  readonly addrinfo: Struct<
    {
      flags: NumberField;
      family: NumberField;
      socktype: NumberField;
      protocol: NumberField;
      addrlen: NumberField;
      addr: PointerField;
      canonname: PointerField;
      next: PointerField;
    }
  >;
  /** One readiness report of epoll; null outside Linux. `fd` is the low half of the 64-bit user data. */
  readonly epoll_event:
    | Struct<{ events: NumberField; fd: NumberField; data: NumberField }>
    | null;
  /** One change or report of kqueue; null on Linux. */
  readonly kevent:
    | Struct<
      {
        ident: NumberField;
        filter: NumberField;
        flags: NumberField;
        fflags: NumberField;
        data: NumberField;
        udata: PointerField;
      }
    >
    | null;
}

/** One operating system. */
export interface OsData extends OpensslData {
  /** Which one. */
  readonly name: "linux" | "darwin" | "freebsd";
  /** File names of the C library to try, in order. */
  readonly libcNames: readonly string[];
  /** The function that returns the address of the calling thread's errno. */
  readonly errnoSymbol: string;
  /** errno numbers by name. */
  readonly errno: Readonly<Record<string, number>>;
  /** Numbers the headers define. */
  readonly constants: OsConstants;
  /** Struct layouts. */
  readonly structs: OsStructs;
  /** Bytes in `sun_path`, the terminating zero included. */
  readonly pathMax: number;
  /** True where a socket address begins with a byte that holds its own length (macOS, FreeBSD). */
  readonly hasSockaddrLength: boolean;
}
