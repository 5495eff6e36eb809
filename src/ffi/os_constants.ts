/**
 * The constants of an operating system, by their names in C.
 *
 * Every OS has every member. Where an OS has no such thing the value is 0, and the member's comment says so; where C
 * itself defines a name as 0 (AF_UNSPEC, SHUT_RD, ...) the comment speaks of no absence. Flag words with the top bit set
 * are written as positive numbers.
 *
 * @module
 */

import type { OsDatagramConstants } from "./os_datagram_constants.ts";
import type { OsSocketConstants } from "./os_socket_constants.ts";

/** Numbers the C headers of an operating system define. */
export interface OsConstants extends OsSocketConstants, OsDatagramConstants {
  // Files.

  /** Read. */
  readonly O_RDONLY: number;
  /** Write. */
  readonly O_WRONLY: number;
  /** Both. */
  readonly O_RDWR: number;
  /** Mask of the three above. */
  readonly O_ACCMODE: number;
  /** Create when missing. */
  readonly O_CREAT: number;
  /** Fail when it exists. */
  readonly O_EXCL: number;
  /** Do not adopt the terminal. */
  readonly O_NOCTTY: number;
  /** Cut to nothing. */
  readonly O_TRUNC: number;
  /** Write at the end. */
  readonly O_APPEND: number;
  /** Do not block. */
  readonly O_NONBLOCK: number;
  /** Must be a directory; its bit differs between Linux architectures. */
  readonly O_DIRECTORY: number;
  /** Do not follow a link; its bit differs between Linux architectures. */
  readonly O_NOFOLLOW: number;
  /** Close on exec. */
  readonly O_CLOEXEC: number;
  /** Duplicate. */
  readonly F_DUPFD: number;
  /** Read descriptor flags. */
  readonly F_GETFD: number;
  /** Write descriptor flags. */
  readonly F_SETFD: number;
  /** Read status flags. */
  readonly F_GETFL: number;
  /** Write status flags. */
  readonly F_SETFL: number;
  /** Duplicate, with close on exec. */
  readonly F_DUPFD_CLOEXEC: number;
  /** The descriptor flag. */
  readonly FD_CLOEXEC: number;
  /** ioctl: bytes waiting to be read. */
  readonly FIONREAD: number;
  /** ioctl: do not block. */
  readonly FIONBIO: number;
  /** From the start. */
  readonly SEEK_SET: number;
  /** From here. */
  readonly SEEK_CUR: number;
  /** From the end. */
  readonly SEEK_END: number;
  /** Mask of the file type in a mode. */
  readonly S_IFMT: number;
  /** Pipe. */
  readonly S_IFIFO: number;
  /** Character device. */
  readonly S_IFCHR: number;
  /** Directory. */
  readonly S_IFDIR: number;
  /** Regular file. */
  readonly S_IFREG: number;
  /** Symbolic link. */
  readonly S_IFLNK: number;
  /** Socket. */
  readonly S_IFSOCK: number;
  /** Directory entry of unknown type: ask stat. */
  readonly DT_UNKNOWN: number;
  /** Pipe. */
  readonly DT_FIFO: number;
  /** Character device. */
  readonly DT_CHR: number;
  /** Directory. */
  readonly DT_DIR: number;
  /** Block device. */
  readonly DT_BLK: number;
  /** Regular file. */
  readonly DT_REG: number;
  /** Symbolic link. */
  readonly DT_LNK: number;
  /** Socket. */
  readonly DT_SOCK: number;

  // epoll, eventfd and timerfd (Linux; FreeBSD 13 has eventfd); 0 where missing or unused.

  /** Readable. */
  readonly EPOLLIN: number;
  /** Urgent data. */
  readonly EPOLLPRI: number;
  /** Writable. */
  readonly EPOLLOUT: number;
  /** Error; always reported. */
  readonly EPOLLERR: number;
  /** Both directions closed; always reported. */
  readonly EPOLLHUP: number;
  /** The peer stopped sending. */
  readonly EPOLLRDHUP: number;
  /** Wakes one of several waiters. */
  readonly EPOLLEXCLUSIVE: number;
  /** Disarms after one report. */
  readonly EPOLLONESHOT: number;
  /** Edge triggered. */
  readonly EPOLLET: number;
  /** Adds a descriptor. */
  readonly EPOLL_CTL_ADD: number;
  /** Removes a descriptor. */
  readonly EPOLL_CTL_DEL: number;
  /** Changes a descriptor. */
  readonly EPOLL_CTL_MOD: number;
  /** Close on exec. */
  readonly EPOLL_CLOEXEC: number;
  /** Reads take one at a time. */
  readonly EFD_SEMAPHORE: number;
  /** Do not block. */
  readonly EFD_NONBLOCK: number;
  /** Close on exec. */
  readonly EFD_CLOEXEC: number;
  /** Do not block. */
  readonly TFD_NONBLOCK: number;
  /** Close on exec. */
  readonly TFD_CLOEXEC: number;

  // poll.

  /** Readable. */
  readonly POLLIN: number;
  /** Urgent data. */
  readonly POLLPRI: number;
  /** Writable. */
  readonly POLLOUT: number;
  /** Error; always reported. */
  readonly POLLERR: number;
  /** Hung up; always reported. */
  readonly POLLHUP: number;
  /** Not an open descriptor; always reported. */
  readonly POLLNVAL: number;
  /** The peer stopped sending; absent on macOS. */
  readonly POLLRDHUP: number;

  // kqueue (macOS and FreeBSD); 0 on Linux. C spells KEV_ADD as EV_ADD; libevent's own EV_ flags keep that prefix here.

  /** Readable. */
  readonly EVFILT_READ: number;
  /** Writable. */
  readonly EVFILT_WRITE: number;
  /** Changes of a file. */
  readonly EVFILT_VNODE: number;
  /** Changes of a process. */
  readonly EVFILT_PROC: number;
  /** Signals sent to this process. */
  readonly EVFILT_SIGNAL: number;
  /** Timers. */
  readonly EVFILT_TIMER: number;
  /** Raised by the program. */
  readonly EVFILT_USER: number;
  /** Adds or changes. */
  readonly KEV_ADD: number;
  /** Removes. */
  readonly KEV_DELETE: number;
  /** Reports again. */
  readonly KEV_ENABLE: number;
  /** Stops reporting. */
  readonly KEV_DISABLE: number;
  /** Removes after one report. */
  readonly KEV_ONESHOT: number;
  /** Resets after each report: edge triggered. */
  readonly KEV_CLEAR: number;
  /** Answers each change with KEV_ERROR and its result. */
  readonly KEV_RECEIPT: number;
  /** Disables after each report. */
  readonly KEV_DISPATCH: number;
  /** `data` holds an errno, or 0 in a receipt. */
  readonly KEV_ERROR: number;
  /** The other side is done; `fflags` may hold an errno. */
  readonly KEV_EOF: number;
  /** Raises an EVFILT_USER. */
  readonly NOTE_TRIGGER: number;
  /** `data` is a low-water mark in bytes. */
  readonly NOTE_LOWAT: number;
  /** The file was unlinked. */
  readonly NOTE_DELETE: number;
  /** The file was written. */
  readonly NOTE_WRITE: number;
  /** The file grew. */
  readonly NOTE_EXTEND: number;
  /** Attributes changed. */
  readonly NOTE_ATTRIB: number;
  /** The link count changed. */
  readonly NOTE_LINK: number;
  /** The file was renamed. */
  readonly NOTE_RENAME: number;
  /** Access was revoked. */
  readonly NOTE_REVOKE: number;
  /** The process exited. */
  readonly NOTE_EXIT: number;
  /** The process forked. */
  readonly NOTE_FORK: number;
  /** The process executed a program. */
  readonly NOTE_EXEC: number;
  /** Timer in seconds. */
  readonly NOTE_SECONDS: number;
  /** Timer in microseconds. */
  readonly NOTE_USECONDS: number;
  /** Timer in nanoseconds. */
  readonly NOTE_NSECONDS: number;
  /** Timer at a time of day; NOTE_ABSTIME on FreeBSD. */
  readonly NOTE_ABSOLUTE: number;

  // Clocks.

  /** Time of day. */
  readonly CLOCK_REALTIME: number;
  /** Never goes back. */
  readonly CLOCK_MONOTONIC: number;
  /** Cheaper and coarser; macOS has none, so CLOCK_MONOTONIC stands in for it. */
  readonly CLOCK_MONOTONIC_COARSE: number;

  // Signals; 0 where the OS has no such signal.

  /** Terminal closed, or reload. */
  readonly SIGHUP: number;
  /** Interrupt key. */
  readonly SIGINT: number;
  /** Quit key. */
  readonly SIGQUIT: number;
  /** Illegal instruction. */
  readonly SIGILL: number;
  /** Breakpoint. */
  readonly SIGTRAP: number;
  /** abort(). */
  readonly SIGABRT: number;
  /** Emulator trap; not on Linux. */
  readonly SIGEMT: number;
  /** Bad memory access. */
  readonly SIGBUS: number;
  /** Arithmetic fault. */
  readonly SIGFPE: number;
  /** Cannot be caught. */
  readonly SIGKILL: number;
  /** Free to use. */
  readonly SIGUSR1: number;
  /** Invalid memory reference. */
  readonly SIGSEGV: number;
  /** Free to use. */
  readonly SIGUSR2: number;
  /** Write without reader. */
  readonly SIGPIPE: number;
  /** alarm(). */
  readonly SIGALRM: number;
  /** Please end. */
  readonly SIGTERM: number;
  /** Unused; Linux only. */
  readonly SIGSTKFLT: number;
  /** A child changed state. */
  readonly SIGCHLD: number;
  /** Continue. */
  readonly SIGCONT: number;
  /** Cannot be caught. */
  readonly SIGSTOP: number;
  /** Stop key. */
  readonly SIGTSTP: number;
  /** Background read. */
  readonly SIGTTIN: number;
  /** Background write. */
  readonly SIGTTOU: number;
  /** Urgent data on a socket. */
  readonly SIGURG: number;
  /** CPU limit. */
  readonly SIGXCPU: number;
  /** File size limit. */
  readonly SIGXFSZ: number;
  /** Virtual timer. */
  readonly SIGVTALRM: number;
  /** Profiling timer. */
  readonly SIGPROF: number;
  /** Window size changed. */
  readonly SIGWINCH: number;
  /** A descriptor is ready. */
  readonly SIGIO: number;
  /** Power failure; Linux only. */
  readonly SIGPWR: number;
  /** Bad system call. */
  readonly SIGSYS: number;
  /** Status key; not on Linux. */
  readonly SIGINFO: number;
  /** One more than the largest number in the header; FreeBSD's real-time signals lie beyond. */
  readonly NSIG: number;

  // Signal actions and masks.

  /** Default action, as a handler. */
  readonly SIG_DFL: number;
  /** Ignore, as a handler. */
  readonly SIG_IGN: number;
  /** No SIGCHLD for stopped children. */
  readonly SA_NOCLDSTOP: number;
  /** Children leave no zombies. */
  readonly SA_NOCLDWAIT: number;
  /** The handler takes three arguments. */
  readonly SA_SIGINFO: number;
  /** Runs on the alternate stack. */
  readonly SA_ONSTACK: number;
  /** Restarts interrupted calls. */
  readonly SA_RESTART: number;
  /** Does not block the signal while handling it. */
  readonly SA_NODEFER: number;
  /** Back to the default after one delivery. */
  readonly SA_RESETHAND: number;
  /** Adds to the mask. */
  readonly SIG_BLOCK: number;
  /** Removes from the mask. */
  readonly SIG_UNBLOCK: number;
  /** Replaces the mask. */
  readonly SIG_SETMASK: number;

  // Memory, limits, system, children.

  /** No access. */
  readonly PROT_NONE: number;
  /** Pages can be read. */
  readonly PROT_READ: number;
  /** Pages can be written. */
  readonly PROT_WRITE: number;
  /** Pages can be executed. */
  readonly PROT_EXEC: number;
  /** Changes are shared. */
  readonly MAP_SHARED: number;
  /** Changes are private. */
  readonly MAP_PRIVATE: number;
  /** Backed by no file. */
  readonly MAP_ANONYMOUS: number;
  /** Pages for generated code; macOS only. */
  readonly MAP_JIT: number;
  /** Limit on open descriptors. */
  readonly RLIMIT_NOFILE: number;
  /** sysconf: bytes in a page (_SC_PAGESIZE). */
  readonly SC_PAGESIZE: number;
  /** sysconf: processors online (_SC_NPROCESSORS_ONLN). */
  readonly SC_NPROCESSORS_ONLN: number;
  /** waitpid returns at once. */
  readonly WNOHANG: number;
}
