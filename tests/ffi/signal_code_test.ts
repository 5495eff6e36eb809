/** The machine code of the signal handler: its bytes, and what they do in a C program of their own, on the real and on an emulated processor. */
import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { os, runtime } from "../../src/ffi/mod.ts";
import { SIGNAL_RECORD_BYTES, signalCode } from "../../src/ffi/signal_code.ts";
import { findCommand, itNeeds } from "../support/requires.ts";

const FD = 77;
/** Above four gigabytes, so that both halves of the address count. */
const COUNTERS = 0x5_1234_0000;

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Runs a command and returns what it prints; its failure is the test's. */
function output(command: string, ...args: string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 });
  assertEquals(status, 0, `${command} ended with ${status ?? signal}: ${stderr}${stdout}`);
  return stdout;
}

function inFolder(body: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "evbase-code-"));
  try {
    body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("signalCode", () => {
  it("for x86-64 moves the descriptor, makes one system call and counts a loss, as written here", () => {
    assertEquals(
      hex(signalCode("x86_64", FD, COUNTERS)),
      "41 89 f8 bf 4d 00 00 00 ba 20 00 00 00 b8 01 00 00 00 0f 05 85 c0 79 0f " +
        "48 b9 00 00 34 12 05 00 00 00 f0 42 ff 04 81 c3",
    );
  });

  it("for arm64 does the same, with both numbers behind the code and the address aligned", () => {
    const code = signalCode("aarch64", FD, COUNTERS);
    assertEquals(code.length, 68);
    assertEquals(hex(code.subarray(0, 4)), "e9 03 00 2a");
    assertEquals(hex(code.subarray(48, 52)), "c0 03 5f d6");
    assertEquals(hex(code.subarray(56)), "00 00 34 12 05 00 00 00 4d 00 00 00");
  });

  it("gives every caller bytes of his own", () => {
    const first = signalCode("x86_64", 1, 0), second = signalCode("x86_64", 2, 0);
    assertNotEquals(hex(first), hex(second));
    assertEquals(hex(signalCode("x86_64", 1, 0)), hex(first));
  });

  it("jumps within itself and to the start of an instruction", () => {
    const code = signalCode("x86_64", FD, COUNTERS);
    assertEquals(code[22], 0x79);
    assertEquals(code[24 + code[23]!], 0xc3);
  });
});

describe("a disassembler", () => {
  itNeeds("objdump", "binutils", "reads the x86-64 bytes as the instructions that the comments name", () => {
    inFolder((folder) => {
      const file = join(folder, "code");
      writeFileSync(file, signalCode("x86_64", FD, COUNTERS));
      const listing = output(
        "objdump",
        "-D",
        "-b",
        "binary",
        "-m",
        "i386:x86-64",
        "-M",
        "intel",
        "--no-show-raw-insn",
        file,
      );
      const instructions = listing.split("\n").filter((line) => /^\s+[0-9a-f]+:/.test(line))
        .map((line) => line.replace(/\s+/g, " ").trim());
      assertEquals(instructions, [
        "0: mov r8d,edi",
        "3: mov edi,0x4d",
        "8: mov edx,0x20",
        "d: mov eax,0x1",
        "12: syscall",
        "14: test eax,eax",
        "16: jns 0x27",
        "18: movabs rcx,0x512340000",
        "22: lock inc DWORD PTR [rcx+r8*4]",
        "27: ret",
      ]);
    });
  });
});

/**
 * Installs the code as a handler and prints what it did: two records, then the counters after signals that found the pipe
 * full, and whether errno was left alone.
 */
const program = (arch: string): string => `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const unsigned char code[] = { ${Array.from(signalCode(arch, FD, COUNTERS)).join(", ")} };

static void show(int from) {
  int words[${SIGNAL_RECORD_BYTES / 4}];
  long got = read(from, words, sizeof words);
  printf("%ld bytes, signo %d, code %d, own pid %d, own uid %d, value %d\\n", got, words[0], words[2],
         words[4] == getpid(), words[5] == (int)getuid(), words[2] == SI_QUEUE ? words[6] : 0);
}

int main(void) {
  int ends[2];
  void *page = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned *counters = mmap((void *)${COUNTERS}UL, 65536, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page == MAP_FAILED || counters != (void *)${COUNTERS}UL) return perror("mmap"), 1;
  memcpy(page, code, sizeof code);
  if (mprotect(page, 65536, PROT_READ | PROT_EXEC) < 0) return perror("mprotect"), 1;
  if (pipe2(ends, O_NONBLOCK) < 0 || dup2(ends[1], ${FD}) < 0) return perror("pipe"), 1;

  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
  action.sa_sigaction = (void (*)(int, siginfo_t *, void *))page;
  sigfillset(&action.sa_mask);
  if (sigaction(SIGUSR1, &action, 0) < 0 || sigaction(SIGUSR2, &action, 0) < 0) return perror("sigaction"), 1;

  kill(getpid(), SIGUSR1);
  show(ends[0]);
  sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 12345 });
  show(ends[0]);

  char zeros[4096] = { 0 };
  while (write(${FD}, zeros, sizeof zeros) > 0);
  while (write(${FD}, zeros, 1) > 0);
  errno = 123;
  for (int i = 0; i < 3; i++) raise(SIGUSR1);
  for (int i = 0; i < 5; i++) raise(SIGUSR2);
  int kept = errno;
  unsigned sum = 0;
  for (int i = 0; i < 65536 / 4; i++) sum += counters[i];
  printf("lost %u and %u of %u, errno %d\\n", counters[SIGUSR1], counters[SIGUSR2], sum, kept);
  return 0;
}
`;

const expected = `${SIGNAL_RECORD_BYTES} bytes, signo 10, code 0, own pid 1, own uid 1, value 0
${SIGNAL_RECORD_BYTES} bytes, signo 12, code -1, own pid 1, own uid 1, value 12345
lost 3 and 5 of 8, errno 123
`;

/** Compiles the program with `compiler` and runs it by `launcher`. */
function runCode(arch: string, compiler: string, launcher: readonly string[]): void {
  inFolder((folder) => {
    const source = join(folder, "program.c"), binary = join(folder, "program");
    writeFileSync(source, program(arch));
    output(compiler, "-O1", "-static", "-o", binary, source);
    const [command, ...args] = [...launcher, binary];
    assertStringIncludes(output(command!, ...args), expected);
  });
}

describe("the handler in a program of its own", { ignore: os.name !== "linux" }, () => {
  itNeeds("gcc", "gcc", "writes records, counts what finds no room, and leaves errno alone", () => {
    runCode(runtime.arch, "gcc", []);
  });

  // Whichever is missing gives the test its name.
  const [command, debianPackage] = findCommand("qemu-aarch64") === undefined
    ? ["qemu-aarch64", "qemu-user"]
    : ["aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"];
  itNeeds(command, debianPackage, "does the same on arm64, emulated", () => {
    runCode("aarch64", "aarch64-linux-gnu-gcc", ["qemu-aarch64"]);
  });
});
