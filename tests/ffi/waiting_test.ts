import { assertEquals, assertGreaterOrEqual, assertLess, assertNotEquals, assertStrictEquals, fail } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  allocate,
  epollControl,
  epollCreate,
  epollWait,
  fcntl,
  openEventfd,
  os,
  poll,
  read,
  select,
  WakeChannel,
  write,
} from "../../src/ffi/mod.ts";
import { Descriptors, openDescriptorCount, writeText } from "../support/descriptors.ts";

const { F_DUPFD, F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK, POLLIN, POLLNVAL, POLLOUT } = os.constants;
const { EPOLLIN, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } = os.constants;
const { EAGAIN, EBADF, EEXIST, EINVAL, ENOENT } = os.errno as Record<
  "EAGAIN" | "EBADF" | "EEXIST" | "EINVAL" | "ENOENT",
  number
>;
const isLinux = os.name === "linux";

describe("calls that wait", () => {
  let descriptors: Descriptors;
  beforeEach(() => {
    descriptors = new Descriptors();
  });
  afterEach(() => descriptors[Symbol.dispose]());

  /** struct pollfd for each descriptor. */
  function pollfds(...fds: number[]): Uint8Array<ArrayBuffer> {
    const bytes = allocate(fds.length * 8);
    fds.forEach((fd, index) => {
      new Int32Array(bytes.buffer)[index * 2] = fd;
      new Int16Array(bytes.buffer)[index * 4 + 2] = POLLIN | POLLOUT;
    });
    return bytes;
  }

  function reported(bytes: Uint8Array<ArrayBuffer>, index: number): number {
    return new Int16Array(bytes.buffer)[index * 4 + 3]!;
  }

  describe("poll", () => {
    it("tells for each descriptor what it is ready for", () => {
      const [readEnd, writeEnd] = descriptors.pipe();
      const fds = pollfds(readEnd, writeEnd);
      assertStrictEquals(poll(fds, 2, 0), 1);
      assertEquals([reported(fds, 0), reported(fds, 1)], [0, POLLOUT]);
      writeText(writeEnd, "x");
      assertStrictEquals(poll(fds, 2, -1), 2);
      assertEquals([reported(fds, 0), reported(fds, 1)], [POLLIN, POLLOUT]);
    });

    it("answers 0 when the time has passed, and not before", () => {
      const [readEnd] = descriptors.pipe();
      const start = performance.now();
      assertStrictEquals(poll(pollfds(readEnd), 1, 20), 0);
      assertGreaterOrEqual(performance.now() - start, 19.5);
    });

    it("marks a descriptor that is not open", () => {
      const fds = pollfds(0x7fff_fff0);
      assertStrictEquals(poll(fds, 1, 0), 1);
      assertStrictEquals(reported(fds, 0), POLLNVAL);
    });

    it("sleeps on nothing at all", () => {
      assertStrictEquals(poll(allocate(0), 0, 1), 0);
    });
  });

  describe("select", () => {
    const isSet = (set: Uint8Array, fd: number): boolean => (set[fd >> 3]! & 1 << (fd & 7)) !== 0;
    const setOf = (...fds: number[]): Uint8Array => {
      const set = allocate(1024);
      for (const fd of fds) set[fd >> 3]! |= 1 << (fd & 7);
      return set;
    };

    it("leaves in the sets what is ready", () => {
      const [readEnd, writeEnd] = descriptors.pipe();
      const reads = setOf(readEnd, writeEnd), writes = setOf(writeEnd);
      const limit = Math.max(readEnd, writeEnd) + 1;
      assertStrictEquals(select(limit, reads, writes, null, allocate(os.structs.timeval.size)), 1);
      assertEquals([isSet(reads, readEnd), isSet(writes, writeEnd)], [false, true]);
      writeText(writeEnd, "x");
      const readsNow = setOf(readEnd);
      assertStrictEquals(select(limit, readsNow, setOf(), setOf(), null), 1);
      assertStrictEquals(isSet(readsNow, readEnd), true);
    });

    it("answers -errno for a descriptor that is not open and for a time that makes no sense", () => {
      // High up, where no other thread of the runtime opens something meanwhile.
      const closed = descriptors.own(fcntl(descriptors.pipe()[0], F_DUPFD, 200));
      descriptors.close(closed);
      const timeout = allocate(os.structs.timeval.size);
      assertStrictEquals(select(closed + 1, setOf(closed), setOf(), null, timeout), -EBADF);
      new DataView(timeout.buffer).setInt32(os.structs.timeval.fields.sec.offset, -1, true);
      new DataView(timeout.buffer).setInt32(os.structs.timeval.fields.sec.offset + 4, -1, true);
      assertStrictEquals(select(0, setOf(), setOf(), null, timeout), -EINVAL);
    });
  });

  describe("epoll", { ignore: !isLinux }, () => {
    const event = (events: number, fd: number): Uint8Array => {
      const { size, fields } = os.structs.epoll_event!;
      const bytes = allocate(size), view = new DataView(bytes.buffer);
      view.setUint32(fields.events.offset, events, true);
      view.setInt32(fields.fd.offset, fd, true);
      return bytes;
    };

    it("reports the descriptor that was stored with the interest", () => {
      const epollFd = descriptors.own(epollCreate());
      assertStrictEquals(fcntl(epollFd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
      const [readEnd, writeEnd] = descriptors.pipe();
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_ADD, readEnd, event(EPOLLIN, readEnd)), 0);
      const { size, fields } = os.structs.epoll_event!;
      const events = allocate(size * 4), view = new DataView(events.buffer);
      assertStrictEquals(epollWait(epollFd, events, 4, 0), 0);
      writeText(writeEnd, "x");
      assertStrictEquals(epollWait(epollFd, events, 4, -1), 1);
      assertStrictEquals(view.getUint32(fields.events.offset, true), EPOLLIN);
      assertStrictEquals(view.getInt32(fields.fd.offset, true), readEnd);
    });

    it("answers -errno for changes that do not fit what the kernel knows", () => {
      const epollFd = descriptors.own(epollCreate());
      const [readEnd, writeEnd] = descriptors.pipe();
      const change = event(EPOLLIN, readEnd);
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_MOD, readEnd, change), -ENOENT);
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_DEL, readEnd, change), -ENOENT);
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_ADD, readEnd, change), 0);
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_ADD, readEnd, change), -EEXIST);
      assertStrictEquals(epollControl(epollFd, EPOLL_CTL_ADD, -1, change), -EBADF);
      assertStrictEquals(epollControl(writeEnd, EPOLL_CTL_ADD, readEnd, change), -EINVAL);
      assertStrictEquals(epollWait(-1, allocate(64), 4, 0), -EBADF);
      assertStrictEquals(epollWait(epollFd, allocate(64), 0, 0), -EINVAL);
    });
  });

  describe("openEventfd", () => {
    it("opens a non-blocking close-on-exec counter on Linux, and nothing elsewhere", () => {
      const fd = openEventfd();
      if (!isLinux) return assertStrictEquals(fd, undefined);
      assertStrictEquals(typeof fd, "number");
      descriptors.own(fd!);
      assertNotEquals(fcntl(fd!, F_GETFL, 0) & O_NONBLOCK, 0);
      assertStrictEquals(fcntl(fd!, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
      const bytes = allocate(8);
      assertStrictEquals(read(fd!, bytes, 8), -EAGAIN);
      bytes[0] = 3;
      assertStrictEquals(write(fd!, bytes, 8), 8);
      assertStrictEquals(write(fd!, bytes, 8), 8);
      assertStrictEquals(read(fd!, bytes, 8), 8);
      assertStrictEquals(bytes[0], 6);
    });
  });

  describe("WakeChannel", () => {
    const openChannel = (): WakeChannel => {
      const channel = WakeChannel.open();
      return typeof channel === "number" ? fail(`open returned ${channel}`) : channel;
    };
    const isReadable = (fd: number): boolean => {
      const fds = pollfds(fd);
      assertGreaterOrEqual(poll(fds, 1, 0), 0);
      return (reported(fds, 0) & POLLIN) !== 0;
    };

    it("becomes readable by any number of signals and stops being so by one drain", () => {
      const channel = openChannel();
      try {
        assertStrictEquals(isReadable(channel.readFd), false);
        channel.drain();
        for (const signals of [1, 2, 500]) {
          for (let count = 0; count < signals; count++) channel.signal();
          assertStrictEquals(isReadable(channel.readFd), true);
          channel.drain();
          assertStrictEquals(isReadable(channel.readFd), false);
        }
      } finally {
        channel.close();
      }
    });

    it("never blocks whoever signals", () => {
      const channel = openChannel();
      try {
        for (let count = 0; count < 20_000; count++) channel.signal();
        channel.drain();
        assertStrictEquals(isReadable(channel.readFd), false);
      } finally {
        channel.close();
      }
    });

    it("closes what it has opened", () => {
      const before = openDescriptorCount();
      for (let round = 0; round < 200; round++) openChannel().close();
      // The runtime's other threads may open and close something meanwhile, but not 100 of them.
      assertLess(openDescriptorCount() - before, 100);
    });
  });
});
