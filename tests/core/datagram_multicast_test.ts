import { assert, assertEquals, assertFalse, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type EventBase, SystemError } from "../../src/core/mod.ts";
import { getSocketOption, interfaceIndex, os, runtime } from "../../src/ffi/mod.ts";
import { forEachBackend } from "../support/backends.ts";
import { canHaveOwnNetwork, commandFor, inOwnNetwork, OWN_NETWORK_NEEDS } from "../support/own_network.ts";
import { settle, until } from "./bufferevent_support.ts";
import { freshSockets, type Sockets, untilReceived } from "./datagram_support.ts";

const LOOPBACK = os.name === "linux" ? "lo" : "lo0";
const c = os.constants;

forEachBackend((backend) => {
  let base: EventBase;
  let sockets: Sockets;
  freshSockets(backend, (fresh) => ({ base, sockets } = fresh));

  /** A group of its own for each test file run, so that runs beside each other do not meet. */
  const group = `239.${1 + process.pid % 250}.${process.pid >> 8 & 255}.${runtime.name === "deno" ? 1 : 2}`;
  const to = (port: number, host: string = group) => ({ family: "ipv4", host, port }) as const;

  describe("multicast over the loopback interface", () => {
    it("reaches members until they leave", () => {
      const one = sockets.receiver({ host: "0.0.0.0", port: 0, reuseAddress: true });
      const { port } = one.socket;
      const other = sockets.receiver({ host: "0.0.0.0", port, reuseAddress: true });
      const stranger = sockets.receiver({ host: "0.0.0.0", port, reuseAddress: true });
      // Groups that others have joined are none of its business, also on Linux.
      stranger.socket.join("224.0.0.200", { interface: LOOPBACK });
      one.socket.join(group, { interface: LOOPBACK });
      other.socket.join(group, { interface: interfaceIndex(LOOPBACK) });
      const client = sockets.open({ multicastInterface: LOOPBACK });
      assert(client.send("first", to(port)));
      assertEquals(untilReceived(base, one, 1), ["first"]);
      assertEquals(untilReceived(base, other, 1), ["first"]);
      one.socket.leave(group, { interface: LOOPBACK });
      client.send("second", to(port));
      client.send("link-local", to(port, "224.0.0.200"));
      assertEquals(untilReceived(base, other, 2), ["first", "second"]);
      assertEquals(untilReceived(base, stranger, 1), ["link-local"]);
      settle(base);
      assertEquals([one.texts, stranger.texts], [["first"], ["link-local"]]);
    });

    it("takes an interface by one of its addresses", () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      server.socket.join(group, { interface: "127.0.0.1" });
      const client = sockets.open({ multicastInterface: "127.0.0.1" });
      client.send("x", to(server.socket.port));
      assertEquals(untilReceived(base, server, 1), ["x"]);
      server.socket.leave(group, { interface: "127.0.0.1" });
    });

    it("can be from one source only", () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      const options = { interface: LOOPBACK, source: "127.0.0.2" };
      server.socket.join(group, options);
      const wanted = sockets.open({ host: "127.0.0.2", port: 0, multicastInterface: LOOPBACK });
      const unwanted = sockets.open({ host: "127.0.0.3", port: 0, multicastInterface: LOOPBACK });
      unwanted.send("unwanted", to(server.socket.port));
      wanted.send("wanted", to(server.socket.port));
      assertEquals(untilReceived(base, server, 1), ["wanted"]);
      server.socket.leave(group, options);
      wanted.send("after leaving", to(server.socket.port));
      settle(base);
      assertEquals(server.texts, ["wanted"]);
    });

    it("can be from one source on an interface given by its address, and then be left again", () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      const options = { interface: "127.0.0.1", source: "127.0.0.2" };
      server.socket.join(group, options);
      assertThrows(() => server.socket.join(group, options), SystemError, "EADDR");
      const wanted = sockets.open({ host: "127.0.0.2", port: 0, multicastInterface: LOOPBACK });
      const unwanted = sockets.open({ host: "127.0.0.3", port: 0, multicastInterface: LOOPBACK });
      unwanted.send("unwanted", to(server.socket.port));
      wanted.send("wanted", to(server.socket.port));
      assertEquals(untilReceived(base, server, 1), ["wanted"]);
      server.socket.leave(group, options);
      wanted.send("after leaving", to(server.socket.port));
      settle(base);
      assertEquals(server.texts, ["wanted"]);
    });

    it("does not come back when the sender says so", () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      server.socket.join(group, { interface: LOOPBACK });
      const client = sockets.open({ multicastInterface: LOOPBACK });
      client.setMulticastLoopback(false);
      assertEquals(getSocketOption(client.fd, c.IPPROTO_IP, c.IP_MULTICAST_LOOP), 0);
      client.setMulticastLoopback(true);
      client.setMulticastTtl(0);
      client.setTtl(9);
      assertEquals(getSocketOption(client.fd, c.IPPROTO_IP, c.IP_MULTICAST_TTL), 0);
      assertEquals(getSocketOption(client.fd, c.IPPROTO_IP, c.IP_TTL), 9);
      client.send("within this host", to(server.socket.port));
      assertEquals(untilReceived(base, server, 1), ["within this host"]);
    });

    it("tells the group that a datagram came for, and lets the kernel choose where to answer from", () => {
      const groups: unknown[] = [];
      const server = sockets.open({ host: "0.0.0.0", port: 0, packetInfo: true }, (datagram) => {
        groups.push([datagram.localAddress, datagram.interfaceIndex]);
        datagram.reply("answer");
      });
      server.join(group, { interface: LOOPBACK });
      const client = sockets.receiver({ host: "127.0.0.1", port: 0, multicastInterface: LOOPBACK });
      client.socket.send("x", to(server.port));
      assertEquals(untilReceived(base, client, 1), ["answer"]);
      assertEquals(groups, [[group, interfaceIndex(LOOPBACK)]]);
      assertEquals(server.counts.errors, 0);
    });

    it("does both on a dual-stack socket", { ignore: os.name !== "linux" }, () => {
      const groups: unknown[] = [];
      const server = sockets.open({ host: "::", port: 0, dualStack: true, packetInfo: true }, (datagram) => {
        groups.push([datagram.localAddress, datagram.interfaceIndex]);
        datagram.reply("answer");
      });
      server.join(group, { interface: LOOPBACK });
      const client = sockets.receiver({ host: "127.0.0.1", port: 0, multicastInterface: LOOPBACK });
      client.socket.send("x", to(server.port));
      until(base, () => client.texts.length + server.counts.errors === 1, "the answer");
      assertEquals(server.lastError, null);
      assertEquals(groups, [[`::ffff:${group}`, interfaceIndex(LOOPBACK)]]);
    });

    it("has its options for both families on a dual-stack socket", { ignore: os.name !== "linux" }, () => {
      const server = sockets.receiver({ host: "0.0.0.0", port: 0 });
      server.socket.join(group, { interface: LOOPBACK });
      const options = { host: "::", port: 0, ttl: 7, multicastTtl: 9, multicastLoopback: false };
      const client = sockets.open({ ...options, dualStack: true, multicastInterface: LOOPBACK });
      const read = (fd: number): number[] => [
        getSocketOption(fd, c.IPPROTO_IP, c.IP_TTL),
        getSocketOption(fd, c.IPPROTO_IP, c.IP_MULTICAST_TTL),
        getSocketOption(fd, c.IPPROTO_IP, c.IP_MULTICAST_LOOP),
        getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS),
        getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_HOPS),
        getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_LOOP),
      ];
      assertEquals(read(client.fd), [7, 9, 0, 7, 9, 0]);
      assertEquals(getSocketOption(client.fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_IF), interfaceIndex(LOOPBACK));
      client.setMulticastLoopback(true);
      client.send("by name", to(server.socket.port));
      assertEquals(untilReceived(base, server, 1), ["by name"]);
      const byAddress = sockets.open({ host: "::", port: 0, dualStack: true, multicastInterface: "127.0.0.1" });
      byAddress.send("by address", to(server.socket.port));
      assertEquals(untilReceived(base, server, 2), ["by name", "by address"]);
      assertEquals(getSocketOption(byAddress.fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_IF), 0);
      // The options of IPv4 are none of the business of a socket for IPv6 alone.
      const six = sockets.open(options);
      assertEquals(read(six.fd).slice(3), [7, 9, 0]);
      assert(read(six.fd)[1] !== 9);
      assertThrows(() => six.setMulticastInterface("127.0.0.1"), SystemError, "ENXIO");
    });

    it("says what is wrong", () => {
      const socket = sockets.open({ host: "0.0.0.0", port: 0 });
      socket.join(group, { interface: LOOPBACK });
      const again = assertThrows(() => socket.join(group, { interface: LOOPBACK }), SystemError);
      assertEquals([again.code, again.address], ["EADDRINUSE", group]);
      const never = assertThrows(() => socket.leave("239.9.9.9", { interface: LOOPBACK }), SystemError);
      assertEquals(never.code, "EADDRNOTAVAIL");
      const missing = assertThrows(() => socket.join("239.9.9.9", { interface: "no-such-if" }), SystemError);
      assertStringIncludes(missing.message, 'the network interface "no-such-if"');
      assertThrows(() => socket.join("192.0.2.1"), TypeError, "224.0.0.0 to 239.255.255.255");
      assertThrows(() => socket.join("fe80::1"), TypeError, "ff00::");
      assertThrows(() => socket.join("example.com"), TypeError, "not an IP address");
      assertThrows(() => socket.join("ff02::1"), TypeError, 'family "ipv4"');
      assertThrows(() => socket.join(group, { source: "::1" }), TypeError, "::1");
      assertThrows(() => socket.join(group, { interface: -1 }), RangeError, "-1");
      assertThrows(() => socket.setMulticastTtl(256), RangeError, "256");
      const unix = sockets.open({ family: "unix" });
      assertThrows(() => unix.join(group), TypeError, 'family "unix"');
      assertThrows(() => unix.setTtl(3), TypeError, 'family "unix"');
      assertThrows(() => unix.setMulticastInterface(LOOPBACK), TypeError, 'family "unix"');
      socket.close();
      assertThrows(() => socket.join(group), Error, "closed");
    });
  });

  describe("multicast over IPv6", () => {
    it("has the options of its own", () => {
      const { fd } = sockets.open({
        host: "::",
        port: 0,
        ttl: 7,
        multicastTtl: 0,
        multicastLoopback: false,
        multicastInterface: LOOPBACK,
      });
      assertEquals(getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS), 7);
      assertEquals(getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_HOPS), 0);
      assertEquals(getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_LOOP), 0);
      assertEquals(getSocketOption(fd, c.IPPROTO_IPV6, c.IPV6_MULTICAST_IF), interfaceIndex(LOOPBACK));
    });

    it("joins and leaves groups, by scope or by interface", () => {
      const socket = sockets.open({ host: "::", port: 0 });
      socket.join(`ff01::1234%${LOOPBACK}`);
      assertThrows(() => socket.join("ff01::1234", { interface: LOOPBACK }), SystemError, "EADDRINUSE");
      socket.leave("ff01::1234", { interface: LOOPBACK });
      socket.join("ff02::1234", { interface: LOOPBACK, source: "::1" });
      socket.leave("ff02::1234", { interface: LOOPBACK, source: "::1" });
      assertFalse(socket.closed);
    });
  });
});

/** Runs in a network of its own: two ends of a cable, which take multicast, other than a loopback interface without a route for it. */
const PROGRAM = fileURLToPath(new URL("datagram_multicast_program.ts", import.meta.url));
const PREPARE =
  "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && " +
  "ip addr add fe80::9/64 dev v0 nodad && ip addr add fe80::8/64 dev v1 nodad";

describe("multicast over IPv6 in a network of its own", () => {
  const ignore = !canHaveOwnNetwork(PREPARE);
  const needs = ignore ? OWN_NETWORK_NEEDS : "";
  it(`reaches members of ff01 and ff02 groups on the interface they joined on${needs}`, { ignore }, () => {
    const { status, stdout, stderr } = inOwnNetwork(`${PREPARE} && ${commandFor(PROGRAM)}`);
    assertEquals({ status, stderr }, { status: 0, stderr: "" });
    assertEquals(stdout.trim().split("\n"), ["ff01::1234 v0 v0", "ff02::1234 v0 v0", "ff01::1234 v0", "ff02::1234 v0"]);
  });
});
