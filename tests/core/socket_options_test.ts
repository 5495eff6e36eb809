import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { setIpv6Only, setKeepAlive, setNoDelay, setReuseAddress, setReusePort } from "../../src/core/mod.ts";
import { getSocketOption, os, socket } from "../../src/ffi/mod.ts";
import { Descriptors } from "../support/descriptors.ts";

const c = os.constants;
const { EBADF, EOPNOTSUPP } = os.errno as Record<"EBADF" | "EOPNOTSUPP", number>;

describe("socket options", () => {
  let descriptors: Descriptors;
  let tcp: number;

  beforeEach(() => {
    descriptors = new Descriptors();
    tcp = descriptors.own(socket(c.AF_INET, c.SOCK_STREAM, 0));
  });
  afterEach(() => descriptors[Symbol.dispose]());

  it("setNoDelay() sets and clears TCP_NODELAY", () => {
    assertEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
    assertEquals(setNoDelay(tcp, true), 0);
    assertNotEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
    assertEquals(setNoDelay(tcp, false), 0);
    assertEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
  });

  it("setKeepAlive() sets all four settings, and false switches probing off", () => {
    assertEquals(setKeepAlive(tcp, { idleSeconds: 77, intervalSeconds: 11, count: 5 }), 0);
    assertNotEquals(getSocketOption(tcp, c.SOL_SOCKET, c.SO_KEEPALIVE), 0);
    assertEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_KEEPIDLE), 77);
    assertEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_KEEPINTVL), 11);
    assertEquals(getSocketOption(tcp, c.IPPROTO_TCP, c.TCP_KEEPCNT), 5);
    assertEquals(setKeepAlive(tcp, false), 0);
    assertEquals(getSocketOption(tcp, c.SOL_SOCKET, c.SO_KEEPALIVE), 0);
  });

  it("setKeepAlive() reports the setting that the kernel refuses", () => {
    assert(setKeepAlive(tcp, { idleSeconds: -1, intervalSeconds: 1, count: 1 }) < 0);
    assert(setKeepAlive(tcp, { idleSeconds: 1, intervalSeconds: 1, count: 1_000_000 }) < 0);
  });

  it("setReuseAddress() and setReusePort() set what their names say", () => {
    const reusePort = c.SO_REUSEPORT_LB !== 0 ? c.SO_REUSEPORT_LB : c.SO_REUSEPORT;
    assertEquals(getSocketOption(tcp, c.SOL_SOCKET, c.SO_REUSEADDR), 0);
    assertEquals(setReuseAddress(tcp), 0);
    assertNotEquals(getSocketOption(tcp, c.SOL_SOCKET, c.SO_REUSEADDR), 0);
    assertEquals(getSocketOption(tcp, c.SOL_SOCKET, reusePort), 0);
    assertEquals(setReusePort(tcp), 0);
    assertNotEquals(getSocketOption(tcp, c.SOL_SOCKET, reusePort), 0);
  });

  it("setIpv6Only() goes both ways on an IPv6 socket", () => {
    const six = descriptors.own(socket(c.AF_INET6, c.SOCK_STREAM, 0));
    for (const on of [true, false]) {
      assertEquals(setIpv6Only(six, on), 0);
      assertEquals(getSocketOption(six, c.IPPROTO_IPV6, c.IPV6_V6ONLY) !== 0, on);
    }
  });

  it("report -errno for a descriptor that is not open, and for one of another kind", () => {
    assertEquals(setNoDelay(15_000, true), -EBADF);
    assertEquals(setKeepAlive(15_000, false), -EBADF);
    assertEquals(setReuseAddress(15_000), -EBADF);
    const [unix] = descriptors.socketpair();
    assertEquals(setNoDelay(unix, true), -EOPNOTSUPP);
  });
});
