import { descriptorLimit, getenv, getpid, setCloseOnExec, systemError } from "../ffi/mod.ts";

/** A descriptor that was handed to this process when it was started. */
export interface ActivatedDescriptor {
  /** Its number. It is open, close-on-exec, and the caller's to use and to close. */
  readonly fd: number;
  /** What the manager calls it (FileDescriptorName= of a systemd socket unit); "unknown" where it says nothing. */
  readonly name: string;
}

/** The first number that is handed on, behind input, output and error output. */
const FIRST_FD = 3;

/**
 * The sockets that a service manager opened for this process before it started it (socket activation, as `sd_listen_fds` of
 * systemd reads it): what LISTEN_FDS counts, if LISTEN_PID names this process, by the names in LISTEN_FDNAMES. The variables
 * are read from the C library, which asks nobody for permission, and stay as they are.
 *
 * A {@linkcode Listener} takes such a socket with its option `fd`.
 *
 * @example
 * ```ts
 * import { activatedDescriptors, EventBase, Listener } from "@evbase/evbase";
 *
 * using base = new EventBase();
 * const [socket] = activatedDescriptors();
 * const where = socket === undefined ? { port: 0 } : { fd: socket.fd };
 * using listener = new Listener(base, where, null);
 * console.log(listener.address);
 * ```
 *
 * @returns an empty array where nothing was handed to this process.
 * @throws {Error} when the variables make no sense.
 * @throws {SystemError} when a descriptor that was announced is not open (EBADF).
 */
export function activatedDescriptors(): ActivatedDescriptor[] {
  const pid = getenv("LISTEN_PID");
  const announced = getenv("LISTEN_FDS");
  // A child inherits the variables, but not what they are about.
  if (pid === undefined || announced === undefined || countIn("LISTEN_PID", pid) !== getpid()) return [];
  const count = countIn("LISTEN_FDS", announced);
  if (FIRST_FD + count > descriptorLimit()) {
    throw new Error(
      `Cannot take the activated descriptors: LISTEN_FDS is ${count}, more than this process may have open`,
    );
  }
  const names = getenv("LISTEN_FDNAMES")?.split(":") ?? [];
  return Array.from({ length: count }, (_, index) => {
    const fd = FIRST_FD + index;
    const result = setCloseOnExec(fd);
    if (result < 0) throw systemError(result, "fcntl", `take the activated descriptor ${fd}`);
    return { fd, name: names[index] || "unknown" };
  });
}

function countIn(variable: string, text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new Error(
    `Cannot take the activated descriptors: ${variable} is ${JSON.stringify(text)}, not a number from 0 to 999999999`,
  );
}
