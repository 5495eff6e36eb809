import { assert, assertEquals, assertGreater, assertNotEquals, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  accept,
  addressOf,
  allocate,
  bind,
  connect,
  encodeSocketAddress,
  fcntl,
  getpeername,
  getSocketOption,
  getsockname,
  listen,
  os,
  poll,
  recv,
  recvAt,
  runtime,
  send,
  sendAt,
  sendFrom,
  setSocketOption,
  setSocketOptionBytes,
  shutdown,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
  socketpair,
  takeSocketError,
} from "../../src/ffi/mod.ts";
import { Descriptors, type Pair, readText, writeText } from "../support/descriptors.ts";
import { type Fault, withFaults } from "../support/faults.ts";
import { runScript } from "../support/run_script.ts";

const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_TYPE, SO_KEEPALIVE, SO_LINGER } = os.constants;
const { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, SHUT_WR, SHUT_RDWR } = os.constants;
const { F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK, POLLIN, POLLOUT } = os.constants;
const { EAGAIN, EBADF, ECONNREFUSED, EINPROGRESS, EINVAL, ENOTCONN, ENOTSOCK, EPIPE } = os.errno as Record<
  "EAGAIN" | "EBADF" | "ECONNREFUSED" | "EINPROGRESS" | "EINVAL" | "ENOTCONN" | "ENOTSOCK" | "EPIPE",
  number
>;

describe("socket calls", () => {
  let descriptors: Descriptors;
  beforeEach(() => {
    descriptors = new Descriptors();
  });
  afterEach(() => descriptors[Symbol.dispose]());

  function assertPrepared(fd: number): void {
    assertNotEquals(fcntl(fd, F_GETFL, 0) & O_NONBLOCK, 0);
    assertStrictEquals(fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  }

  /** Sleeps until `fd` has one of `events`; the limit only keeps a broken test from hanging. */
  function untilReady(fd: number, events: number): void {
    const pollfd = allocate(8);
    new Int32Array(pollfd.buffer)[0] = fd;
    new Int16Array(pollfd.buffer)[2] = events;
    assertStrictEquals(poll(pollfd, 1, 10_000), 1);
  }

  /** A listening TCP socket on a free loopback port, with its sockaddr. */
  function listener(): { fd: number; address: Uint8Array; length: number } {
    const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
    const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port: 0 }, address);
    assertStrictEquals(bind(fd, address, length), 0);
    assertStrictEquals(listen(fd, 5), 0);
    assertStrictEquals(getsockname(fd, address), length);
    return { fd, address, length };
  }

  function acceptNext(fd: number): { fd: number; address: Uint8Array; length: number } {
    const address = allocate(SOCKET_ADDRESS_BYTES_MAX), lengthStorage = allocate(4);
    const cell = new Int32Array(lengthStorage.buffer);
    cell[0] = address.length;
    untilReady(fd, POLLIN);
    return { fd: descriptors.own(accept(fd, address, lengthStorage)), address, length: cell[0] };
  }

  function tcpPair(): Pair {
    const { fd, address, length } = listener();
    const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
    const result = connect(client, address, length);
    assert(result === 0 || result === -EINPROGRESS, String(result));
    return [client, acceptNext(fd).fd];
  }

  describe("socket", () => {
    it("makes a non-blocking close-on-exec socket", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_DGRAM, 0));
      assertPrepared(fd);
      assertStrictEquals(getSocketOption(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    });

    it("answers -errno for a family that does not exist", () => {
      assertStrictEquals(socket(9999, SOCK_STREAM, 0), -os.errno["EAFNOSUPPORT"]!);
    });
  });

  describe("socketpair", () => {
    it("makes two connected non-blocking close-on-exec sockets", () => {
      const [left, right] = descriptors.socketpair();
      assertNotEquals(left, right);
      assertPrepared(left);
      assertPrepared(right);
      writeText(left, "over");
      assertStrictEquals(readText(right), "over");
      writeText(right, "back");
      assertStrictEquals(readText(left), "back");
    });

    it("answers -errno and leaves the pair alone where the family has none", () => {
      const pair = Int32Array.of(-7, -8);
      assertStrictEquals(socketpair(AF_INET, SOCK_STREAM, 0, pair), -os.errno["EOPNOTSUPP"]!);
      assertEquals([...pair], [-7, -8]);
    });
  });

  describe("bind, listen, connect and accept", () => {
    it("lead to an accepted socket that is non-blocking and close-on-exec", () => {
      const { fd, address, length } = listener();
      const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      const result = connect(client, address, length);
      assert(result === 0 || result === -EINPROGRESS, String(result));
      const accepted = acceptNext(fd);
      assertPrepared(accepted.fd);
      untilReady(client, POLLOUT);
      assertStrictEquals(takeSocketError(client), 0);

      // Each side knows the other by the address that it has itself.
      const own = allocate(SOCKET_ADDRESS_BYTES_MAX), peer = allocate(SOCKET_ADDRESS_BYTES_MAX);
      assertStrictEquals(getsockname(client, own), accepted.length);
      assertEquals(accepted.address.subarray(0, accepted.length), own.subarray(0, accepted.length));
      assertStrictEquals(getpeername(client, peer), length);
      assertEquals(peer.subarray(0, length), address.subarray(0, length));
    });

    it("answer -EAGAIN when nobody is waiting", () => {
      const { fd } = listener();
      const lengthStorage = allocate(4);
      new Int32Array(lengthStorage.buffer)[0] = SOCKET_ADDRESS_BYTES_MAX;
      assertStrictEquals(accept(fd, allocate(SOCKET_ADDRESS_BYTES_MAX), lengthStorage), -EAGAIN);
    });

    it("accept a connection whose peer is gone already", async () => {
      // As macOS does it: by fcntl, and with an option that its kernel refuses once both directions have ended.
      const { code, stdout, stderr } = await runScript(`
        import { os } from "../../src/ffi/platform.ts";
        import { errno, sys } from "../../src/ffi/libc.ts";
        Object.assign(os.constants, { SOCK_NONBLOCK: 0, SOCK_CLOEXEC: 0, SO_NOSIGPIPE: os.constants.SO_KEEPALIVE });
        const { socket } = await import("../../src/ffi/sockets.ts");
        const { AF_INET, SOCK_STREAM } = os.constants;
        for (const name of ["EINVAL", "ENOMEM"]) {
          sys.setsockopt = () => {
            errno[0] = os.errno[name];
            return -1;
          };
          const fd = socket(AF_INET, SOCK_STREAM, 0);
          console.log(fd >= 0 ? "open" : fd === -os.errno[name] ? name : fd);
        }
      `);
      assertEquals([code, stdout], [0, "open\nENOMEM"], stderr);
    });

    it("tell how far a connect has come whose errno the runtime has written over", () => {
      const { address, length } = listener();
      const told: readonly [second: string | null, result: readonly number[]][] = [
        // A connection over loopback may be through by then.
        [null, [0, -EINPROGRESS]],
        ["EALREADY", [-EINPROGRESS]],
        ["EISCONN", [0]],
        ["ECONNREFUSED", [-ECONNREFUSED]],
        ["EAGAIN", [0, -EINPROGRESS]],
      ];
      for (const [error, results] of told) {
        const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
        const second: Fault[] = error === null ? [] : [{ call: "connect", error, when: 2 }];
        const first: Fault = { call: "connect", error: "EAGAIN", times: 1, after: true };
        const result = withFaults([...second, first], () => connect(client, address, length));
        assert(results.includes(result), `${error}: ${result}`);
      }
    });

    it("tell by the first connect what belongs to it, and what goes on", () => {
      const { address, length } = listener();
      for (const error of ["EALREADY", "EISCONN"]) {
        const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
        const fault: Fault = { call: "connect", error, times: 1 };
        assertStrictEquals(withFaults([fault], () => connect(client, address, length)), -os.errno[error]!);
      }
      const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      withFaults([{ call: "connect", error: "EAGAIN" }], (count) => {
        assertStrictEquals(connect(client, address, length), -EAGAIN);
        assertStrictEquals(count!.calls, 3);
      });
    });

    it("answer -errno for what is no socket", () => {
      const [readEnd] = descriptors.pipe();
      const address = allocate(16);
      assertStrictEquals(bind(readEnd, address, 16), -ENOTSOCK);
      assertStrictEquals(listen(readEnd, 5), -ENOTSOCK);
      assertStrictEquals(connect(-1, address, 16), -EBADF);
      assertStrictEquals(accept(-1, address, allocate(4)), -EBADF);
      assertStrictEquals(getsockname(readEnd, address), -ENOTSOCK);
      assertStrictEquals(getpeername(readEnd, address), -ENOTSOCK);
      assertStrictEquals(shutdown(readEnd, SHUT_RDWR), -ENOTSOCK);
    });

    it("leave a refused connection's error to be taken once", () => {
      const { fd, address, length } = listener();
      descriptors.close(fd);
      const client = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      const result = connect(client, address, length);
      // Loopback may refuse at once; then there is nothing to take.
      if (result === -ECONNREFUSED) return;
      assertStrictEquals(result, -EINPROGRESS);
      untilReady(client, POLLOUT);
      assertStrictEquals(takeSocketError(client), ECONNREFUSED);
      assertStrictEquals(takeSocketError(client), 0);
    });

    it("say that a socket without a peer has none", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      assertStrictEquals(getpeername(fd, allocate(SOCKET_ADDRESS_BYTES_MAX)), -ENOTCONN);
    });

    it("report at most as much of an address as there is room for", () => {
      const { fd } = listener();
      assertStrictEquals(getsockname(fd, allocate(4)), 4);
    });
  });

  describe("recv and send", () => {
    it("move bytes, and peek when asked to", () => {
      const [client, server] = tcpPair();
      const bytes = Uint8Array.from("hello", (letter) => letter.charCodeAt(0));
      assertStrictEquals(send(client, bytes, 4, MSG_NOSIGNAL), 4);
      untilReady(server, POLLIN);
      const got = allocate(16);
      assertStrictEquals(recv(server, got, 16, MSG_PEEK), 4);
      assertStrictEquals(recv(server, got, 3, 0), 3);
      assertEquals([...got.subarray(0, 4)], [...bytes.subarray(0, 3), bytes[3]!]);
      assertStrictEquals(recv(server, got, 16, 0), 1);
    });

    it("answer -EAGAIN when nothing is there, 0 at the end, -EPIPE after it", () => {
      const [left, right] = descriptors.socketpair();
      const bytes = allocate(8);
      assertStrictEquals(recv(left, bytes, 8, 0), -EAGAIN);
      assertStrictEquals(recv(left, bytes, 8, MSG_DONTWAIT), -EAGAIN);
      assertStrictEquals(shutdown(right, SHUT_WR), 0);
      assertStrictEquals(recv(left, bytes, 8, 0), 0);
      assertStrictEquals(send(right, bytes, 8, MSG_NOSIGNAL), -EPIPE);
      assertStrictEquals(send(-1, bytes, 8, 0), -EBADF);
      assertStrictEquals(recv(-1, bytes, 8, 0), -EBADF);
    });

    it("carry an empty datagram, which is not the end", () => {
      const pair = new Int32Array(2);
      assertStrictEquals(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
      const [left, right] = [descriptors.own(pair[0]!), descriptors.own(pair[1]!)];
      assertStrictEquals(send(left, allocate(0), 0, MSG_NOSIGNAL), 0);
      assertStrictEquals(send(left, allocate(3), 3, MSG_NOSIGNAL), 3);
      assertStrictEquals(recv(right, allocate(8), 8, 0), 0);
      assertStrictEquals(recv(right, allocate(8), 8, 0), 3);
      assertStrictEquals(recv(right, allocate(8), 8, 0), -EAGAIN);
    });

    it("work on memory in the middle of an array when given an address", () => {
      const [left, right] = descriptors.socketpair();
      const from = Uint8Array.from({ length: 64 }, (_, index) => index);
      const outgoing = allocate(64), incoming = allocate(64);
      outgoing.set(from);
      assertStrictEquals(sendAt(left, addressOf(outgoing) + 10, 5, MSG_NOSIGNAL), 5);
      const [into, out] = [runtime.word(addressOf(incoming)), runtime.word(addressOf(outgoing))];
      assertStrictEquals(recvAt(right, runtime.wordAt(into, 20), 44, 0), 5);
      assertEquals([...incoming.subarray(18, 27)], [0, 0, 10, 11, 12, 13, 14, 0, 0]);
      assertEquals([...outgoing], [...from]);
      assertStrictEquals(recvAt(right, into, 64, 0), -EAGAIN);
      assertStrictEquals(sendAt(-1, addressOf(outgoing), 1, 0), -EBADF);
      assertStrictEquals(sendFrom(left, out, 0, 3, MSG_NOSIGNAL), 3);
      assertStrictEquals(sendFrom(left, out, 60, 4, MSG_NOSIGNAL), 4);
      assertStrictEquals(recvAt(right, runtime.wordAt(into, 57), 7, 0), 7);
      assertEquals([...incoming.subarray(56)], [0, 0, 1, 2, 60, 61, 62, 63]);
      assertStrictEquals(sendFrom(-1, out, 1, 1, 0), -EBADF);
    });
  });

  describe("socket options", () => {
    it("are written and read as integers", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      assertStrictEquals(getSocketOption(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
      assertStrictEquals(setSocketOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
      assertGreater(getSocketOption(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    });

    it("are written as structs", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      const { size, fields } = os.structs.linger;
      const linger = allocate(size), view = new DataView(linger.buffer);
      view.setInt32(fields.onoff.offset, 1, true);
      view.setInt32(fields.linger.offset, 3, true);
      assertStrictEquals(setSocketOptionBytes(fd, SOL_SOCKET, SO_LINGER, linger), 0);
      assertStrictEquals(setSocketOptionBytes(fd, SOL_SOCKET, SO_LINGER, allocate(1)), -EINVAL);
      // The first member of struct linger: switched on.
      assertGreater(getSocketOption(fd, SOL_SOCKET, SO_LINGER), 0);
    });

    it("answer -errno for an unknown option or no socket", () => {
      const fd = descriptors.own(socket(AF_INET, SOCK_STREAM, 0));
      const { ENOPROTOOPT } = os.errno;
      assertStrictEquals(setSocketOption(fd, SOL_SOCKET, 99_999, 1), -ENOPROTOOPT!);
      assertStrictEquals(getSocketOption(fd, SOL_SOCKET, 99_999), -ENOPROTOOPT!);
      assertStrictEquals(getSocketOption(-1, SOL_SOCKET, SO_TYPE), -EBADF);
      assertStrictEquals(takeSocketError(-1), -EBADF);
    });
  });
});
