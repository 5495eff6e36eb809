/**
 * Error numbers of the C library: one row per name, with its number on each operating system and what it means.
 * 0 stands for a name an operating system does not have.
 *
 * Rows follow Linux's order. Where two names share a number (ENOTSUP), the one that appears first names the number.
 *
 * @module
 */

type Row = readonly [
  linux: number,
  darwin: number,
  freebsd: number,
  message: string,
];

const rows: Readonly<Record<string, Row>> = {
  EPERM: [1, 1, 1, "operation not permitted"],
  ENOENT: [2, 2, 2, "no such file or directory"],
  ESRCH: [3, 3, 3, "no such process"],
  EINTR: [4, 4, 4, "interrupted by a signal"],
  EIO: [5, 5, 5, "input/output error"],
  ENXIO: [6, 6, 6, "no such device or address, or nobody at the other end"],
  E2BIG: [7, 7, 7, "argument list too long"],
  ENOEXEC: [8, 8, 8, "not an executable format"],
  EBADF: [9, 9, 9, "not an open descriptor"],
  ECHILD: [10, 10, 10, "no child process"],
  EAGAIN: [11, 35, 35, "not ready yet, or out of a resource for now"],
  ENOMEM: [12, 12, 12, "out of memory"],
  EACCES: [13, 13, 13, "permission denied"],
  EFAULT: [14, 14, 14, "bad memory address"],
  ENOTBLK: [15, 15, 15, "not a block device"],
  EBUSY: [16, 16, 16, "device or resource busy"],
  EEXIST: [17, 17, 17, "already exists"],
  EXDEV: [18, 18, 18, "on another file system"],
  ENODEV: [19, 19, 19, "no such device"],
  ENOTDIR: [20, 20, 20, "not a directory"],
  EISDIR: [21, 21, 21, "is a directory"],
  EINVAL: [22, 22, 22, "invalid argument"],
  ENFILE: [23, 23, 23, "the system has too many open files"],
  EMFILE: [24, 24, 24, "this process has too many open descriptors"],
  ENOTTY: [
    25,
    25,
    25,
    "the descriptor does not support this control operation",
  ],
  ETXTBSY: [26, 26, 26, "program file is being executed"],
  EFBIG: [27, 27, 27, "file too large"],
  ENOSPC: [28, 28, 28, "no space left, or a system limit reached"],
  ESPIPE: [29, 29, 29, "cannot seek in a pipe or socket"],
  EROFS: [30, 30, 30, "read-only file system"],
  EMLINK: [31, 31, 31, "too many links"],
  EPIPE: [32, 32, 32, "nobody reads at the other end"],
  EDOM: [33, 33, 33, "argument outside the function's domain"],
  ERANGE: [34, 34, 34, "result out of range"],
  EDEADLK: [35, 11, 11, "would deadlock"],
  ENAMETOOLONG: [36, 63, 63, "name too long"],
  ENOLCK: [37, 77, 77, "no locks available"],
  ENOSYS: [38, 78, 78, "not supported by this system"],
  ENOTEMPTY: [39, 66, 66, "directory not empty"],
  ELOOP: [40, 62, 62, "too many symbolic links"],
  ENOMSG: [42, 91, 83, "no message of that type"],
  EIDRM: [43, 90, 82, "identifier removed"],
  ENODATA: [61, 96, 0, "no data available"],
  ETIME: [62, 101, 0, "timer expired"],
  EREMOTE: [66, 71, 71, "object is remote"],
  ENOLINK: [67, 97, 91, "link severed"],
  EPROTO: [71, 100, 92, "protocol error"],
  EMULTIHOP: [72, 95, 90, "multihop attempted"],
  EBADMSG: [74, 94, 89, "malformed message"],
  EOVERFLOW: [75, 84, 84, "value too large for its type"],
  EILSEQ: [84, 92, 86, "invalid byte sequence"],
  EUSERS: [87, 68, 68, "too many users"],
  ENOTSOCK: [88, 38, 38, "not a socket"],
  EDESTADDRREQ: [89, 39, 39, "destination address required"],
  EMSGSIZE: [90, 40, 40, "message too long"],
  EPROTOTYPE: [91, 41, 41, "protocol does not fit the socket type"],
  ENOPROTOOPT: [92, 42, 42, "unknown protocol option"],
  EPROTONOSUPPORT: [93, 43, 43, "protocol not supported"],
  ESOCKTNOSUPPORT: [94, 44, 44, "socket type not supported"],
  EOPNOTSUPP: [95, 102, 45, "operation not supported"],
  ENOTSUP: [95, 45, 45, "operation not supported"],
  EPFNOSUPPORT: [96, 46, 46, "protocol family not supported"],
  EAFNOSUPPORT: [97, 47, 47, "address family not supported"],
  EADDRINUSE: [98, 48, 48, "address already in use"],
  EADDRNOTAVAIL: [99, 49, 49, "address not available on this host"],
  ENETDOWN: [100, 50, 50, "network is down"],
  ENETUNREACH: [101, 51, 51, "network unreachable"],
  ENETRESET: [102, 52, 52, "connection dropped by a network reset"],
  ECONNABORTED: [103, 53, 53, "connection aborted"],
  ECONNRESET: [104, 54, 54, "connection reset by the peer"],
  ENOBUFS: [105, 55, 55, "no buffer space available"],
  EISCONN: [106, 56, 56, "already connected"],
  ENOTCONN: [107, 57, 57, "not connected"],
  ESHUTDOWN: [108, 58, 58, "cannot send after shutdown"],
  ETOOMANYREFS: [109, 59, 59, "too many references"],
  ETIMEDOUT: [110, 60, 60, "timed out"],
  ECONNREFUSED: [111, 61, 61, "connection refused"],
  EHOSTDOWN: [112, 64, 64, "host is down"],
  EHOSTUNREACH: [113, 65, 65, "host unreachable"],
  EALREADY: [114, 37, 37, "already in progress"],
  EINPROGRESS: [115, 36, 36, "started and still in progress"],
  ESTALE: [116, 70, 70, "stale file handle"],
  EDQUOT: [122, 69, 69, "disk quota exceeded"],
  ECANCELED: [125, 89, 85, "cancelled"],
  EOWNERDEAD: [130, 105, 96, "the previous owner died"],
  ENOTRECOVERABLE: [131, 104, 95, "state not recoverable"],
  EPROCLIM: [0, 67, 67, "too many processes"],
  EFTYPE: [0, 79, 79, "wrong file type or format"],
  EAUTH: [0, 80, 80, "authentication error"],
  ENEEDAUTH: [0, 81, 81, "authentication required"],
  ENOATTR: [0, 93, 87, "no such attribute"],
  ENOTCAPABLE: [0, 107, 93, "not permitted by the descriptor's capabilities"],
  ECAPMODE: [0, 0, 94, "not permitted in capability mode"],
  EINTEGRITY: [0, 0, 97, "integrity check failed"],
};

/** errno numbers of one operating system by name; names it does not have are left out. `EWOULDBLOCK` is `EAGAIN`. */
export function errnoTable(
  os: "linux" | "darwin" | "freebsd",
): Readonly<Record<string, number>> {
  const column = { linux: 0, darwin: 1, freebsd: 2 }[os] as 0 | 1 | 2;
  const table: Record<string, number> = {};
  for (const [name, row] of Object.entries(rows)) {
    if (row[column] !== 0) table[name] = row[column];
  }
  return table;
}

/** What an errno name means, in a few words that fit after a colon; undefined for a name this table lacks. */
export function errnoMeaning(name: string): string | undefined {
  return Object.hasOwn(rows, name) ? rows[name]?.[3] : undefined;
}
