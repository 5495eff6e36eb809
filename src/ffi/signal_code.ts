/**
 * The signal handler, as machine code. JavaScript cannot run inside a signal handler, and `signalfd` needs the signal
 * blocked in every thread, which nobody can promise inside a runtime. So a handler of a few instructions, the same for
 * every signal, writes the head of the `siginfo_t` it is given into a pipe; the loop reads it there.
 *
 * It makes one raw system call, which leaves errno alone, and touches nothing but its arguments. When the pipe is full it
 * adds one to a counter of the signal instead, so that a signal may lose its details but is never uncounted.
 *
 * @module
 */

/** Bytes of `siginfo_t` that one record holds: number, errno, code, sender and value. */
export const SIGNAL_RECORD_BYTES = 32;

/** The handler for `arch`, writing to descriptor `fd` and counting losses in 32-bit words at address `counters`. */
export function signalCode(arch: string, fd: number, counters: number): Uint8Array {
  const bytes = new Uint8Array(arch === "x86_64" ? x86 : arm);
  const view = new DataView(bytes.buffer);
  const [fdAt, countersAt] = arch === "x86_64" ? [4, 26] : [64, 56];
  view.setInt32(fdAt, fd, true);
  view.setUint32(countersAt, counters >>> 0, true);
  view.setUint32(countersAt + 4, Math.floor(counters / 4294967296), true);
  return bytes;
}

// deno-fmt-ignore
// dprint-ignore
const x86: readonly number[] = [
  0x41, 0x89, 0xf8,                         //  0  mov  r8d, edi        signo, kept for the counter
  0xbf, 0, 0, 0, 0,                         //  3  mov  edi, fd
  0xba, SIGNAL_RECORD_BYTES, 0, 0, 0,       //  8  mov  edx, 32         rsi is the siginfo already
  0xb8, 1, 0, 0, 0,                         // 13  mov  eax, SYS_write
  0x0f, 0x05,                               // 18  syscall
  0x85, 0xc0,                               // 20  test eax, eax
  0x79, 0x0f,                               // 22  jns  39
  0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0,       // 24  mov  rcx, counters
  0xf0, 0x42, 0xff, 0x04, 0x81,             // 34  lock inc dword [rcx + r8 * 4]
  0xc3,                                     // 39  ret
];

// deno-fmt-ignore
// dprint-ignore
const arm: readonly number[] = [
  0xe9, 0x03, 0x00, 0x2a,                   //  0  mov  w9, w0          signo, kept for the counter
  0xe0, 0x01, 0x00, 0x18,                   //  4  ldr  w0, fd
  0x02, 0x04, 0x80, 0x52,                   //  8  mov  w2, #32         x1 is the siginfo already
  0x08, 0x08, 0x80, 0x52,                   // 12  mov  w8, #64         SYS_write
  0x01, 0x00, 0x00, 0xd4,                   // 16  svc  #0
  0xe0, 0x00, 0xf8, 0x36,                   // 20  tbz  w0, #31, 48
  0x03, 0x01, 0x00, 0x58,                   // 24  ldr  x3, counters
  0x63, 0x48, 0x29, 0x8b,                   // 28  add  x3, x3, w9, uxtw #2
  0x65, 0x7c, 0x5f, 0x88,                   // 32  ldxr w5, [x3]
  0xa5, 0x04, 0x00, 0x11,                   // 36  add  w5, w5, #1
  0x65, 0x7c, 0x06, 0x88,                   // 40  stxr w6, w5, [x3]
  0xa6, 0xff, 0xff, 0x35,                   // 44  cbnz w6, 32
  0xc0, 0x03, 0x5f, 0xd6,                   // 48  ret
  0x1f, 0x20, 0x03, 0xd5,                   // 52  nop
  0, 0, 0, 0, 0, 0, 0, 0,                   // 56  counters
  0, 0, 0, 0,                               // 64  fd
];
