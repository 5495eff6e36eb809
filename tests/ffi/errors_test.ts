import { assert, assertEquals, assertFalse, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { errnoMeaning, errnoTable } from "../../src/ffi/errno.ts";
import { errnoMessage, errnoName, SystemError, systemError } from "../../src/ffi/errors.ts";
import { os } from "../../src/ffi/platform.ts";

const { EACCES, EADDRINUSE, ECONNREFUSED, EMFILE, ENOENT } = os
  .errno as Readonly<
    Record<
      "EACCES" | "EADDRINUSE" | "ECONNREFUSED" | "EMFILE" | "ENOENT",
      number
    >
  >;

describe("the errno table", () => {
  it("gives a name and a meaning to every number of every system", () => {
    for (const system of ["linux", "darwin", "freebsd"] as const) {
      for (const [name, number] of Object.entries(errnoTable(system))) {
        assertMatch(name, /^E[A-Z0-9]+$/);
        assert(Number.isInteger(number) && number > 0 && number < 134, name);
        assertMatch(errnoMeaning(name) ?? "", /^[a-z].*[^.]$/, name);
      }
    }
  });

  it("leaves out the names a system does not have", () => {
    assertFalse("EFTYPE" in errnoTable("linux"));
    assertEquals(errnoTable("darwin")["EFTYPE"], 79);
  });

  it("differs between systems where their headers do", () => {
    const row = (name: string) => (["linux", "darwin", "freebsd"] as const).map((system) => errnoTable(system)[name]);
    assertEquals(row("EAGAIN"), [11, 35, 35]);
    assertEquals(row("ECONNREFUSED"), [111, 61, 61]);
    assertEquals(row("EOPNOTSUPP"), [95, 102, 45]);
    assertEquals(row("ECANCELED"), [125, 89, 85]);
  });

  it("shares a number between two names only where C does", () => {
    for (const system of ["linux", "darwin", "freebsd"] as const) {
      const names = Object.entries(errnoTable(system));
      const doubles = names.filter(([, number], at) => names.findIndex(([, other]) => other === number) !== at);
      assertEquals(
        doubles.map(([name]) => name),
        system === "darwin" ? [] : ["ENOTSUP"],
      );
    }
  });
});

describe("errnoName and errnoMessage", () => {
  it("name the numbers of the running system", () => {
    assertEquals(errnoName(ECONNREFUSED), "ECONNREFUSED");
    assertEquals(errnoMessage(ECONNREFUSED), "connection refused");
  });

  it("prefer the first of two names for a number", () => {
    assertEquals(errnoName(os.errno["EOPNOTSUPP"]!), "EOPNOTSUPP");
  });

  it("say the number itself where it has no name", () => {
    assertEquals(errnoName(999), "errno 999");
    assertEquals(errnoMessage(999), "unknown error");
  });
});

describe("SystemError", () => {
  it("says what was being done, then the facts", () => {
    const error = new SystemError(EACCES, "bind", "bind", {
      address: "127.0.0.1",
      port: 80,
    });
    assertEquals(
      error.message,
      "Cannot bind 127.0.0.1:80: permission denied (EACCES)",
    );
    assertEquals(error.name, "SystemError");
    assertInstanceOf(error, Error);
  });

  it("carries code, errno, syscall and facts as properties", () => {
    const error = new SystemError(ECONNREFUSED, "connect", "connect to", {
      address: "::1",
      port: 8080,
    });
    assertEquals(
      error.message,
      "Cannot connect to [::1]:8080: connection refused (ECONNREFUSED)",
    );
    assertEquals([error.code, error.errno, error.syscall], [
      "ECONNREFUSED",
      ECONNREFUSED,
      "connect",
    ]);
    assertEquals([error.address, error.port], ["::1", 8080]);
    assertFalse("path" in error);
    assertFalse("hint" in error);
  });

  it("shows paths, abstract names, and addresses or ports alone", () => {
    const message = (
      facts: { address?: string; port?: number; path?: string },
    ) =>
      new SystemError(EADDRINUSE, "bind", "bind", facts).message.split(
        ": address already",
      )[0];
    assertEquals(
      message({ path: "/run/evbase.sock" }),
      "Cannot bind /run/evbase.sock",
    );
    assertEquals(message({ path: "\0evbase" }), "Cannot bind @evbase");
    assertEquals(message({ address: "::1" }), "Cannot bind ::1");
    assertEquals(message({ port: 53 }), "Cannot bind port 53");
    assertEquals(message({}), "Cannot bind");
  });

  it("ends with the hint when there is one, and keeps the cause", () => {
    const cause = new Error("first");
    const error = new SystemError(EMFILE, "accept4", "accept a connection", {
      hint: "raise the limit",
      cause,
    });
    assertMatch(
      error.message,
      /^Cannot accept a connection: .*\(EMFILE\); raise the limit$/,
    );
    assertEquals(error.hint, "raise the limit");
    assertEquals(error.cause, cause);
  });

  it("refuses a number that is no errno", () => {
    for (const errno of [0, -2, 1.5, NaN]) {
      assertThrows(
        () => new SystemError(errno, "open", "open"),
        RangeError,
        "errno must be a positive integer",
      );
    }
  });
});

describe("systemError", () => {
  it("turns -errno into an error", () => {
    const error = systemError(-ENOENT, "open", "open", { path: "/nowhere" });
    assertEquals([error.code, error.errno, error.path], [
      "ENOENT",
      ENOENT,
      "/nowhere",
    ]);
    assertEquals(
      error.message,
      "Cannot open /nowhere: no such file or directory (ENOENT)",
    );
  });

  it("refuses the result of a call that succeeded", () => {
    assertThrows(() => systemError(0, "open", "open"), RangeError);
    assertThrows(() => systemError(3, "open", "open"), RangeError);
  });
});
