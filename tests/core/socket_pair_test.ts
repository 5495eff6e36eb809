import { assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { closeDescriptor, getSocketType, socketPair, type SocketPairOptions, SystemError } from "../../src/core/mod.ts";
import { fcntl, os } from "../../src/ffi/mod.ts";
import { Descriptors, openDescriptorCount, readText, writeText } from "../support/descriptors.ts";
import { withFault } from "../support/faults.ts";

const c = os.constants;

describe("socketPair()", () => {
  let descriptors: Descriptors;

  beforeEach(() => void (descriptors = new Descriptors()));
  afterEach(() => descriptors[Symbol.dispose]());

  function pair(options?: SocketPairOptions): [number, number] {
    const [one, other] = socketPair(options);
    return [descriptors.own(one), descriptors.own(other)];
  }

  it("makes two ends that hear each other", () => {
    const [one, other] = pair();
    assertEquals([getSocketType(one), getSocketType(other)], [c.SOCK_STREAM, c.SOCK_STREAM]);
    writeText(one, "there");
    writeText(one, " and");
    assertEquals(readText(other), "there and");
    writeText(other, "back");
    assertEquals(readText(one), "back");
    descriptors.close(other);
    assertEquals(readText(one), "");
  });

  it("keeps datagrams and messages apart", () => {
    for (const [type, number] of [["datagram", c.SOCK_DGRAM], ["seqpacket", c.SOCK_SEQPACKET]] as const) {
      if (type === "seqpacket" && os.name === "darwin") continue;
      const [one, other] = pair({ type });
      assertEquals(getSocketType(one), number);
      writeText(one, "first");
      writeText(one, "second");
      assertEquals([readText(other), readText(other)], ["first", "second"]);
    }
  });

  it("makes ends that do not block and are closed on exec, unless told otherwise", () => {
    const flags = (fd: number): boolean[] => [
      (fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK) === 0,
      (fcntl(fd, c.F_GETFD, 0) & c.FD_CLOEXEC) !== 0,
    ];
    for (const fd of pair()) assertEquals(flags(fd), [false, true]);
    for (const fd of pair({ blocking: true })) assertEquals(flags(fd), [true, true]);
    for (const fd of pair({ closeOnExec: false })) assertEquals(flags(fd), [false, false]);
  });

  it("refuses a type that does not exist, and reports what the system refuses", () => {
    const before = openDescriptorCount();
    assertThrows(() => socketPair({ type: "raw" as "stream" }), TypeError, '"raw"');
    withFault({ call: "socketpair", error: "EMFILE" }, () => {
      const error = assertThrows(() => socketPair(), SystemError, "Cannot make a socket pair");
      assertEquals([error.code, error.syscall], ["EMFILE", "socketpair"]);
    });
    assertEquals(openDescriptorCount(), before);
    const [one, other] = socketPair();
    assertEquals([closeDescriptor(one), closeDescriptor(other)], [0, 0]);
    assertEquals(openDescriptorCount(), before);
  });
});
