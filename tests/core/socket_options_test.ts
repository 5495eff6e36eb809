import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  closeDescriptor,
  getIpv6Only,
  getReceiveBufferBytes,
  getResetOnClose,
  getReuseAddress,
  getReusePort,
  getSendBufferBytes,
  getSocketType,
  isListening,
  setCloseOnExec,
  setIpv6Only,
  setNonBlocking,
  setReceiveBufferBytes,
  setResetOnClose,
  setReuseAddress,
  setReusePort,
  setSendBufferBytes,
  takeSocketError,
} from "../../src/core/mod.ts";
import { fcntl, os, setSocketOptionBytes, socket } from "../../src/ffi/mod.ts";
import { Descriptors, readText, writeText } from "../support/descriptors.ts";
import { clientSocket, deadPort, listeningSocket, tcpPair, untilReadable } from "./bufferevent_support.ts";

const c = os.constants;
const { EBADF, ECONNREFUSED, ECONNRESET, ENOTSOCK, ENOTSUP } = os.errno as Record<string, number>;

describe("socket options", () => {
  let descriptors: Descriptors;
  let tcp: number;

  beforeEach(() => {
    descriptors = new Descriptors();
    tcp = descriptors.own(socket(c.AF_INET, c.SOCK_STREAM, 0));
  });
  afterEach(() => descriptors[Symbol.dispose]());

  it("that are on or off are read as they were set", () => {
    const six = descriptors.own(socket(c.AF_INET6, c.SOCK_STREAM, 0));
    const switches = [
      [tcp, setReuseAddress, getReuseAddress],
      [tcp, setResetOnClose, getResetOnClose],
      [six, setIpv6Only, getIpv6Only],
      ...(os.name === "darwin" ? [] : [[tcp, setReusePort, getReusePort] as const]),
    ] as const;
    for (const [fd, set, get] of switches) {
      for (const on of [true, false, true]) {
        assertEquals(set(fd, on), 0);
        assertEquals(get(fd), on ? 1 : 0, set.name);
      }
    }
  });

  it("setReuseAddress() and setReusePort() switch on without a word", () => {
    assertEquals([getReuseAddress(tcp), getReusePort(tcp)], [0, 0]);
    assertEquals(setReuseAddress(tcp), 0);
    assertEquals(getReuseAddress(tcp), 1);
    assertEquals(setReusePort(tcp), os.name === "darwin" ? -ENOTSUP! : 0);
    assertEquals(getReusePort(tcp), os.name === "darwin" ? 0 : 1);
  });

  it("for buffers are read as the system has granted them", () => {
    const times = os.name === "linux" ? 2 : 1;
    for (
      const [set, get] of [[setSendBufferBytes, getSendBufferBytes], [
        setReceiveBufferBytes,
        getReceiveBufferBytes,
      ]] as const
    ) {
      assertEquals(set(tcp, 30_000), 0);
      assertEquals(get(tcp), 30_000 * times);
      for (const bytes of [-1, 0.5, NaN, 2 ** 31]) {
        assertThrows(() => set(tcp, bytes), RangeError, `Cannot use ${bytes}`);
      }
    }
  });

  it("setResetOnClose() makes the peer meet a reset instead of an end", () => {
    for (const on of [false, true]) {
      const [client, server] = tcpPair(descriptors);
      assertEquals(setResetOnClose(server, on), 0);
      descriptors.close(server);
      untilReadable(client);
      assertEquals(readText(client), on ? -ECONNRESET! : "");
    }
  });

  it("getResetOnClose() tells lingering from resetting", () => {
    const linger = new Int32Array(2);
    linger[0] = 1;
    linger[1] = 5;
    assertEquals(setSocketOptionBytes(tcp, c.SOL_SOCKET, c.SO_LINGER, new Uint8Array(linger.buffer)), 0);
    assertEquals(getResetOnClose(tcp), 0);
  });

  it("isListening() and getSocketType() tell what a descriptor is", () => {
    const [unix] = descriptors.socketpair();
    const [pipe] = descriptors.pipe();
    const datagram = descriptors.own(socket(c.AF_INET, c.SOCK_DGRAM, 0));
    assertEquals([isListening(listeningSocket(descriptors).fd), isListening(tcp), isListening(unix)], [1, 0, 0]);
    assertEquals([getSocketType(tcp), getSocketType(datagram)], [c.SOCK_STREAM, c.SOCK_DGRAM]);
    assertEquals([isListening(pipe), getSocketType(pipe)], [-ENOTSOCK!, -ENOTSOCK!]);
  });

  it("takeSocketError() tells of a failed connection, once", () => {
    const client = clientSocket(descriptors, deadPort(descriptors));
    untilReadable(client);
    assertEquals(takeSocketError(client), ECONNREFUSED);
    assertEquals(takeSocketError(client), 0);
  });

  it("setNonBlocking() and setCloseOnExec() go both ways, and again", () => {
    for (const on of [false, false, true, true]) {
      assertEquals([setNonBlocking(tcp, on), setCloseOnExec(tcp, on)], [0, 0]);
      assertEquals((fcntl(tcp, c.F_GETFL, 0) & c.O_NONBLOCK) !== 0, on);
      assertEquals((fcntl(tcp, c.F_GETFD, 0) & c.FD_CLOEXEC) !== 0, on);
    }
    const [one, other] = descriptors.socketpair();
    assertEquals(setNonBlocking(one, false), 0);
    writeText(other, "x");
    assertEquals(readText(one), "x");
  });

  it("report -errno for a descriptor that is not open, and for one of another kind", () => {
    const setters = [setReuseAddress, setResetOnClose, setIpv6Only, setNonBlocking, setCloseOnExec];
    for (const set of setters) assertEquals(set(15_000, true), -EBADF!);
    const getters = [
      getReuseAddress,
      getReusePort,
      getIpv6Only,
      getSendBufferBytes,
      getReceiveBufferBytes,
      getResetOnClose,
      getSocketType,
      isListening,
    ];
    for (const get of getters) assertEquals(get(15_000), -EBADF!);
    assertEquals([setSendBufferBytes(15_000, 1), setReceiveBufferBytes(15_000, 1)], [-EBADF!, -EBADF!]);
    assertEquals(closeDescriptor(15_000), -EBADF!);
    assert(setIpv6Only(tcp, true) < 0);
    assertNotEquals(getIpv6Only(tcp), 1);
  });
});
