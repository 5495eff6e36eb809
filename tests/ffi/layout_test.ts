/**
 * Holds the tables of struct layouts, constants and errno numbers against the C headers of the system the test runs on:
 * the tables are written out as C assertions, and the compiler judges them without producing code.
 */

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { darwin } from "../../src/ffi/darwin.ts";
import { freebsd } from "../../src/ffi/freebsd.ts";
import { linux } from "../../src/ffi/linux.ts";
import { syscallNumbers } from "../../src/ffi/linux_calls.ts";
import type { Arch, OsData } from "../../src/ffi/os_data.ts";
import { os, runtime } from "../../src/ffi/platform.ts";
import type { Struct } from "../../src/ffi/struct.ts";

const headers: Readonly<Record<OsData["name"], readonly string[]>> = {
  linux: ["sys/epoll.h", "sys/eventfd.h", "sys/timerfd.h"],
  darwin: ["sys/event.h"],
  freebsd: ["sys/event.h"],
};

const commonHeaders = [
  "dirent.h",
  "errno.h",
  "fcntl.h",
  "net/if.h",
  "netdb.h",
  "netinet/in.h",
  "netinet/tcp.h",
  "netinet/udp.h",
  "poll.h",
  "signal.h",
  "stddef.h",
  "sys/ioctl.h",
  "sys/mman.h",
  "sys/resource.h",
  "sys/socket.h",
  "sys/stat.h",
  "sys/time.h",
  "sys/types.h",
  "sys/uio.h",
  "sys/un.h",
  "sys/wait.h",
  "time.h",
  "unistd.h",
];

/** Constants that go by another name in an operating system's headers than in our tables. */
const spelledOtherwise: Readonly<
  Record<OsData["name"], Readonly<Record<string, string>>>
> = {
  linux: {},
  darwin: {
    TCP_CORK: "TCP_NOPUSH",
    TCP_KEEPIDLE: "TCP_KEEPALIVE",
    CLOCK_MONOTONIC_COARSE: "CLOCK_MONOTONIC",
  },
  freebsd: {
    TCP_CORK: "TCP_NOPUSH",
    CLOCK_MONOTONIC_COARSE: "CLOCK_MONOTONIC_FAST",
    NOTE_ABSOLUTE: "NOTE_ABSTIME",
  },
};

/** Preprocessor conditions for names that a header may truly lack, or define otherwise, and why. */
const guards: Readonly<
  Record<OsData["name"], Readonly<Record<string, string>>>
> = {
  // musl's header says 128, and glibc's said so before 2.30.
  linux: {
    SOMAXCONN: "defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 30)",
    EAI_ADDRFAMILY: "defined(EAI_ADDRFAMILY)",
  },
  // Both came with recent SDKs.
  darwin: {
    MSG_NOSIGNAL: "defined(MSG_NOSIGNAL)",
    ENOTCAPABLE: "defined(ENOTCAPABLE)",
  },
  // eventfd came with FreeBSD 13, the other two with 13 or 14.
  freebsd: {
    EFD_SEMAPHORE: "defined(EFD_SEMAPHORE)",
    EFD_NONBLOCK: "defined(EFD_NONBLOCK)",
    EFD_CLOEXEC: "defined(EFD_CLOEXEC)",
    POLLRDHUP: "defined(POLLRDHUP)",
    EINTEGRITY: "defined(EINTEGRITY)",
    EAI_ADDRFAMILY: "defined(EAI_ADDRFAMILY)",
  },
};

function cName(data: OsData, name: string): string {
  return spelledOtherwise[data.name][name] ??
    name.replace(/^KEV_/, "EV_").replace(/^SC_/, "_SC_");
}

function assertion(condition: string, said: string): string {
  return `_Static_assert(${condition}, "${said}");`;
}

function structAssertions({ name, size, fields, prefix }: Struct): string[] {
  const lines = [
    assertion(`sizeof(${name}) == ${size}`, `${name} has ${size} bytes`),
  ];
  for (const [key, field] of Object.entries(fields)) {
    const member = field.member ?? prefix + key;
    const type = `__typeof__(((${name} *)0)->${member})`;
    const said = `${name} ${member}`;
    lines.push(
      assertion(
        `offsetof(${name}, ${member}) == ${field.offset}`,
        `${said} is at ${field.offset}`,
      ),
    );
    lines.push(
      assertion(
        `sizeof(${type}) == ${field.width}`,
        `${said} has ${field.width} bytes`,
      ),
    );
    if (field.kind === "ptr" || field.kind === "bytes") continue;
    lines.push(
      assertion(
        `(((${type})-1) < 0) == ${field.signed ? 1 : 0}`,
        `${said}: signed is ${field.signed}`,
      ),
    );
  }
  return lines;
}

/** A C source that compiles only where the headers agree with `data`. */
function source(data: OsData): string {
  const lines = [
    "#define _GNU_SOURCE 1",
    // Without it macOS hides the newer names of IPv6.
    "#define __APPLE_USE_RFC_3542 1",
    ...commonHeaders.map((header) => `#include <${header}>`),
  ];
  lines.push(...headers[data.name].map((header) => `#include <${header}>`));
  if (data.name === "freebsd") {
    lines.push(
      "#if __has_include(<sys/eventfd.h>)",
      "#include <sys/eventfd.h>",
      "#endif",
    );
  }
  for (const table of Object.values(data.structs) as (Struct | null)[]) {
    if (table !== null) {
      lines.push(`#include <${table.header}>`, ...structAssertions(table));
    }
  }
  for (
    const [name, value] of Object.entries({ ...data.constants, ...data.errno })
  ) {
    const c = cName(data, name);
    // A zero either is C's own value or says that the name does not exist here; both are wrong if C has another value.
    const guard = guards[data.name][name] ??
      (value === 0 ? `defined(${c})` : "1");
    lines.push(
      `#if ${guard}`,
      assertion(`(long long)(${c}) == ${value}LL`, `${c} is ${value}`),
      "#endif",
    );
  }
  return lines.join("\n") + "\n";
}

function compile(text: string): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "evbase-layout-"));
  try {
    const file = join(folder, "layout.c");
    writeFileSync(file, text);
    const { status, stderr } = spawnSync("cc", [
      "-std=gnu11",
      "-fsyntax-only",
      file,
    ], { encoding: "utf8" });
    return { status, output: stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compilerWorks(): boolean {
  try {
    return spawnSync("cc", ["--version"]).status === 0;
  } catch {
    return false;
  }
}

// Continuous integration must have a compiler, so there the tests run and fail without one.
const ignore = !compilerWorks() && process.env["CI"] !== "true";
const needs = ignore ? " [needs cc (Debian package gcc)]" : "";

describe("the tables of the running system", () => {
  it(
    `agree with its C headers in layouts, constants and errno numbers${needs}`,
    { ignore },
    () => {
      const { status, output } = compile(source(os));
      assertEquals(status, 0, output);
    },
  );

  it(
    `would be refused by the compiler if an offset, a sign or a constant were wrong${needs}`,
    { ignore },
    () => {
      const { pollfd } = os.structs;
      const wrong: OsData = {
        ...os,
        constants: { ...os.constants, SIGUSR1: os.constants.SIGUSR1 + 1 },
        structs: {
          ...os.structs,
          pollfd: {
            ...pollfd,
            fields: {
              ...pollfd.fields,
              fd: { ...pollfd.fields.fd, signed: false },
              revents: { ...pollfd.fields.revents, offset: 5 },
            },
          },
        },
      };
      const { status, output } = compile(source(wrong));
      assertNotEquals(status, 0);
      assertStringIncludes(output, "SIGUSR1 is ");
      assertStringIncludes(output, "struct pollfd fd: signed is false");
      assertStringIncludes(output, "struct pollfd revents is at 5");
    },
  );
});

describe("the numbers of system calls", () => {
  it(`are those of the C headers${needs}`, { ignore: ignore || os.name !== "linux" }, () => {
    const numbers = Object.entries(syscallNumbers[runtime.arch as Arch]);
    assertEquals(numbers.length, 4);
    const lines = numbers.map(([name, number]) => assertion(`SYS_${name} == ${number}`, `SYS_${name} is ${number}`));
    const { status, output } = compile(["#include <sys/syscall.h>", ...lines, ""].join("\n"));
    assertEquals(status, 0, output);
  });

  it("are on arm64 those that Linux gives to every newer architecture", () => {
    // asm-generic/unistd.h
    assertEquals(syscallNumbers.aarch64, { recvfrom: 207, sendto: 206, epoll_pwait: 22, epoll_pwait2: 441 });
  });
});

/** Sizes of every struct in the order of the interface; null where the system has no such struct. */
function sizes(data: OsData): Record<string, number | null> {
  const tables = Object.entries(data.structs) as [string, Struct | null][];
  return Object.fromEntries(
    tables.map(([name, table]) => [name, table === null ? null : table.size]),
  );
}

/** Sizes that all supported systems share. */
const shared = {
  sockaddr_in: 16,
  sockaddr_in6: 28,
  timeval: 16,
  timespec: 16,
  pollfd: 8,
  iovec: 16,
  linger: 8,
  rlimit: 16,
  addrinfo: 48,
  ip_mreqn: 12,
  ip_mreq_source: 12,
  in6_pktinfo: 20,
};

describe("the tables of every system", () => {
  it("have the sizes of Linux on x86-64", () => {
    const own = {
      sockaddr_un: 110,
      msghdr: 56,
      stat: 144,
      sigaction: 152,
      siginfo: 128,
      dirent: 280,
      cmsghdr: 16,
      mmsghdr: 64,
      group_req: 136,
      group_source_req: 264,
      in_pktinfo: 12,
      sockaddr_dl: null,
    };
    assertEquals(sizes(linux("x86_64")), {
      ...shared,
      ...own,
      epoll_event: 12,
      kevent: null,
    });
  });

  it("have the sizes of Linux on arm64", () => {
    const own = {
      sockaddr_un: 110,
      msghdr: 56,
      stat: 128,
      sigaction: 152,
      siginfo: 128,
      dirent: 280,
      cmsghdr: 16,
      mmsghdr: 64,
      group_req: 136,
      group_source_req: 264,
      in_pktinfo: 12,
      sockaddr_dl: null,
    };
    assertEquals(sizes(linux("aarch64")), {
      ...shared,
      ...own,
      epoll_event: 16,
      kevent: null,
    });
  });

  it("have the sizes of macOS", () => {
    const own = {
      sockaddr_un: 106,
      msghdr: 48,
      stat: 144,
      sigaction: 16,
      siginfo: 104,
      dirent: 1048,
      cmsghdr: 12,
      mmsghdr: null,
      group_req: 132,
      group_source_req: 260,
      in_pktinfo: 12,
      sockaddr_dl: 20,
    };
    assertEquals(sizes(darwin("aarch64")), {
      ...shared,
      ...own,
      epoll_event: null,
      kevent: 32,
    });
    assertEquals(sizes(darwin("x86_64")), sizes(darwin("aarch64")));
  });

  it("have the sizes of FreeBSD", () => {
    const own = {
      sockaddr_un: 106,
      msghdr: 48,
      stat: 224,
      sigaction: 32,
      siginfo: 80,
      dirent: 280,
      cmsghdr: 12,
      mmsghdr: 56,
      group_req: 136,
      group_source_req: 264,
      in_pktinfo: null,
      sockaddr_dl: 54,
    };
    assertEquals(sizes(freebsd("x86_64")), {
      ...shared,
      ...own,
      epoll_event: null,
      kevent: 64,
    });
    assertEquals(sizes(freebsd("aarch64")), sizes(freebsd("x86_64")));
  });

  it("put the fields that differ between systems where each system has them", () => {
    const [x86, arm, mac, bsd] = [
      linux("x86_64"),
      linux("aarch64"),
      darwin("aarch64"),
      freebsd("x86_64"),
    ];
    const offsets = ({ structs }: OsData): number[] => [
      structs.sockaddr_in.fields.family.offset,
      structs.addrinfo.fields.addr.offset,
      structs.addrinfo.fields.canonname.offset,
      structs.sigaction.fields.mask.offset,
      structs.sigaction.fields.flags.offset,
      structs.siginfo.fields.pid.offset,
      structs.msghdr.fields.flags.offset,
      structs.stat.fields.mode.offset,
      structs.stat.fields.size.offset,
      structs.msghdr.fields.control.offset,
      structs.cmsghdr.fields.level.offset,
      structs.group_req.fields.group.offset,
      structs.group_source_req.fields.source.offset,
      structs.ip_mreq_source.fields.interface.offset,
    ];
    assertEquals(offsets(x86), [0, 24, 32, 8, 136, 16, 48, 24, 48, 32, 8, 8, 136, 4]);
    assertEquals(offsets(arm), [0, 24, 32, 8, 136, 16, 48, 16, 48, 32, 8, 8, 136, 4]);
    assertEquals(offsets(mac), [1, 32, 24, 8, 12, 12, 44, 4, 96, 32, 4, 4, 132, 8]);
    assertEquals(offsets(bsd), [1, 32, 24, 12, 8, 12, 44, 24, 112, 32, 4, 8, 136, 8]);
    assertEquals(mac.structs.timeval.fields.usec.width, 4);
    assertEquals(
      [x86, mac, bsd].map(({ structs }) => structs.stat.fields.mode.width),
      [4, 2, 2],
    );
    assertEquals([x86, mac, bsd].map(({ structs }) => structs.mmsghdr?.fields.len.offset), [56, undefined, 48]);
    assertEquals(x86.structs.epoll_event?.fields.fd.offset, 4);
    assertEquals(arm.structs.epoll_event?.fields.fd.offset, 8);
  });

  it("number the options of multicast and packet info as each system does", () => {
    const numbers = ({ constants: c }: OsData): number[] => [
      c.IP_TTL,
      c.IP_PKTINFO,
      c.IP_RECVDSTADDR,
      c.IP_MULTICAST_IF,
      c.IP_MULTICAST_TTL,
      c.IP_MULTICAST_LOOP,
      c.IP_ADD_MEMBERSHIP,
      c.IP_DROP_SOURCE_MEMBERSHIP,
      c.IPV6_UNICAST_HOPS,
      c.IPV6_MULTICAST_HOPS,
      c.IPV6_RECVPKTINFO,
      c.MCAST_JOIN_GROUP,
      c.MCAST_LEAVE_SOURCE_GROUP,
    ];
    assertEquals(numbers(linux("aarch64")), [2, 8, 0, 32, 33, 34, 35, 40, 16, 18, 49, 42, 47]);
    assertEquals(numbers(darwin("aarch64")), [4, 26, 7, 9, 10, 11, 12, 71, 4, 10, 61, 80, 83]);
    assertEquals(numbers(freebsd("x86_64")), [4, 0, 7, 9, 10, 11, 12, 71, 4, 10, 36, 80, 83]);
  });

  it("size sun_path as pathMax says", () => {
    for (
      const data of [
        linux("x86_64"),
        linux("aarch64"),
        darwin("aarch64"),
        freebsd("x86_64"),
      ]
    ) {
      assertEquals(data.structs.sockaddr_un.fields.path.width, data.pathMax);
    }
  });

  it("hold only safe integers, and every system's constants have the same names", () => {
    const names = Object.keys(linux("x86_64").constants);
    for (
      const { constants, errno } of [
        linux("aarch64"),
        darwin("aarch64"),
        freebsd("x86_64"),
      ]
    ) {
      assertEquals(Object.keys(constants), names);
      assert(
        Object.values({ ...constants, ...errno }).every(Number.isSafeInteger),
      );
    }
  });
});
