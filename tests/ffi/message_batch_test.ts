import { assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { sysMmsg } from "../../src/ffi/libc.ts";
import {
  allocate,
  bind,
  connect,
  decodeSocketAddress,
  disconnect,
  encodeSocketAddress,
  getpeername,
  getsockname,
  interfaceIndex,
  interfaceName,
  MessageBatch,
  os,
  recvfrom,
  sendto,
  socket,
  SOCKET_ADDRESS_BYTES_MAX,
} from "../../src/ffi/mod.ts";
import { Descriptors } from "../support/descriptors.ts";
import { withFault } from "../support/faults.ts";

const { AF_INET, SOCK_DGRAM, MSG_TRUNC, MSG_DONTWAIT } = os.constants;
const { EAGAIN, ECONNREFUSED, ENOTCONN } = os.errno as Record<"EAGAIN" | "ECONNREFUSED" | "ENOTCONN", number>;
const SHAPE = { slots: 4, payloadBytes: 40, controlBytes: 64 };

interface Socket {
  readonly fd: number;
  readonly address: Uint8Array;
  readonly length: number;
}

describe("calls on datagram sockets", () => {
  let descriptors: Descriptors;
  beforeEach(() => {
    descriptors = new Descriptors();
  });
  afterEach(() => descriptors[Symbol.dispose]());

  function udp(): Socket {
    const fd = descriptors.own(socket(AF_INET, SOCK_DGRAM, 0));
    const address = allocate(SOCKET_ADDRESS_BYTES_MAX);
    const length = encodeSocketAddress({ family: "ipv4", host: "127.0.0.1", port: 0 }, address);
    assertStrictEquals(bind(fd, address, length), 0);
    getsockname(fd, address);
    return { fd, address, length };
  }

  function bytes(text: string): Uint8Array {
    return new TextEncoder().encode(text);
  }

  it("sendto and recvfrom carry addresses", () => {
    const [one, other] = [udp(), udp()];
    assertStrictEquals(sendto(one.fd, bytes("hello"), 5, 0, other.address, other.length), 5);
    const [room, from, length] = [allocate(10), allocate(SOCKET_ADDRESS_BYTES_MAX), allocate(4)];
    new Int32Array(length.buffer)[0] = from.length;
    assertStrictEquals(recvfrom(other.fd, room, 10, 0, from, length), 5);
    assertEquals(decodeSocketAddress(from, one.length), decodeSocketAddress(one.address, one.length));
    assertStrictEquals(recvfrom(other.fd, room, 10, MSG_DONTWAIT, null, null), -EAGAIN);
  });

  it("disconnect makes the kernel forget the peer", () => {
    const [one, other] = [udp(), udp()];
    assertStrictEquals(connect(one.fd, other.address, other.length), 0);
    assertStrictEquals(getpeername(one.fd, allocate(SOCKET_ADDRESS_BYTES_MAX)), other.length);
    assertStrictEquals(disconnect(one.fd), 0);
    assertStrictEquals(getpeername(one.fd, allocate(SOCKET_ADDRESS_BYTES_MAX)), -ENOTCONN);
  });

  it("interfaces have names and indexes", () => {
    const name = os.name === "linux" ? "lo" : "lo0";
    const index = interfaceIndex(name);
    assertNotEquals(index, 0);
    assertStrictEquals(interfaceName(index), name);
    assertStrictEquals(interfaceIndex("no such interface"), 0);
    assertStrictEquals(interfaceIndex(""), 0);
    assertStrictEquals(interfaceIndex("lo\0"), 0);
    assertStrictEquals(interfaceName(0x7fffffff), undefined);
  });

  for (const many of sysMmsg === undefined ? [undefined] : [sysMmsg, undefined]) {
    describe(`a batch of messages that go ${many === undefined ? "one by one" : "by one call"}`, () => {
      function receiving(): MessageBatch {
        const batch = new MessageBatch(SHAPE, many ?? null);
        for (let index = 0; index < SHAPE.slots; index++) {
          batch.setPayload(index, index * 10, 10);
          batch.setNameLength(index, SOCKET_ADDRESS_BYTES_MAX);
        }
        return batch;
      }

      it("is received with lengths, senders and flags", () => {
        const [one, other] = [udp(), udp()];
        for (const text of ["a", "", "0123456789abc"]) {
          sendto(one.fd, bytes(text), text.length, 0, other.address, other.length);
        }
        const batch = receiving();
        assertStrictEquals(batch.receive(other.fd, 4), 3);
        const cut = os.name === "linux" ? 13 : 10;
        assertEquals([0, 1, 2].map((index) => batch.lengthAt(index)), [1, 0, cut]);
        assertEquals([0, 1, 2].map((index) => batch.flagsAt(index) & MSG_TRUNC), [0, 0, MSG_TRUNC]);
        assertEquals([0, 1, 2].map((index) => batch.nameLengthAt(index)), [16, 16, 16]);
        assertEquals([0, 1, 2].map((index) => batch.controlLengthAt(index)), [0, 0, 0]);
        const name = batch.names.subarray(SOCKET_ADDRESS_BYTES_MAX, SOCKET_ADDRESS_BYTES_MAX + 16);
        assertEquals(decodeSocketAddress(name, 16), decodeSocketAddress(one.address, 16));
        assertEquals(batch.payload.subarray(20, 30), bytes("0123456789"));
        assertStrictEquals(batch.receive(other.fd, 4), -EAGAIN);
      });

      it("is sent from any message on, with addresses or without", () => {
        const [one, other] = [udp(), udp()];
        const batch = receiving();
        batch.payload.set(bytes("firstsecondthird"));
        [[0, 5], [5, 6], [11, 5]].forEach(([offset, length], index) => {
          batch.setPayload(index, offset!, length!);
          batch.names.set(other.address.subarray(0, 16), index * SOCKET_ADDRESS_BYTES_MAX);
          batch.setNameLength(index, 16);
        });
        assertStrictEquals(batch.send(one.fd, 1, 2, 0), 2);
        connect(one.fd, other.address, other.length);
        for (let index = 0; index < 3; index++) batch.setNameLength(index, 0);
        assertStrictEquals(batch.send(one.fd, 0, 1, 0), 1);
        const found = receiving();
        assertStrictEquals(found.receive(other.fd, 4), 3);
        const texts = [0, 1, 2].map((index) =>
          new TextDecoder().decode(found.payload.subarray(index * 10, index * 10 + found.lengthAt(index)))
        );
        assertEquals(texts, ["second", "third", "first"]);
      });

      it("says what the first one met, and keeps what a later one did", () => {
        const [one, other] = [udp(), udp()];
        for (const text of ["a", "b"]) sendto(one.fd, bytes(text), 1, 0, other.address, other.length);
        const batch = receiving();
        const call = many === undefined ? "recvmsg" : "recvmmsg";
        withFault({ call, error: "ECONNREFUSED", when: 1 }, () => {
          assertStrictEquals(batch.receive(other.fd, 4), -ECONNREFUSED);
        });
        if (many !== undefined) return;
        withFault({ call, error: "ECONNREFUSED", when: 2 }, () => {
          assertStrictEquals(batch.receive(other.fd, 4), 1);
          assertStrictEquals(batch.failedBehind, -ECONNREFUSED);
        });
        assertStrictEquals(batch.receive(other.fd, 4), 1);
        assertStrictEquals(batch.failedBehind, 0);
      });
    });
  }
});
