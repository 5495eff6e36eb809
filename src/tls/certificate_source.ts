/**
 * Where certificates come from: text, bytes or files.
 *
 * @module
 */

import { OpenFile } from "../core/mod.ts";
import { allocate, pread, systemError } from "../ffi/mod.ts";
import type { CertificateInput } from "./tls_options.ts";

/** Larger than any bundle of authorities. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** The bytes of an input, and what to call it in an error. */
export interface CertificateSource {
  /** PEM or DER. */
  readonly bytes: Uint8Array;
  /** Such as `/etc/ssl/key.pem` or "the text given as key". */
  readonly label: string;
  /** Whether it is PEM. */
  readonly isPem: boolean;
}

const encoder = new TextEncoder();

/**
 * Reads an input.
 *
 * @param option the name of the option it was given as.
 * @throws {TypeError} for text that is no PEM, which mostly is a path.
 * @throws {SystemError} when a file cannot be read.
 * @throws {RangeError} when a file is too large to be what it should be.
 */
export function readSource(input: CertificateInput, option: string): CertificateSource {
  if (typeof input === "string") {
    if (!input.includes("-----BEGIN ")) {
      throw new TypeError(
        `Cannot use ${JSON.stringify(input.slice(0, 60))} as ${option}: no PEM; for a file pass { file }`,
      );
    }
    return { bytes: encoder.encode(input), label: `the text given as ${option}`, isPem: true };
  }
  if (input instanceof Uint8Array) return { bytes: input, label: `the bytes given as ${option}`, isPem: isPem(input) };
  const bytes = readFile(input.file);
  return { bytes, label: input.file, isPem: isPem(bytes) };
}

/** Reads several inputs. */
export function readSources(
  inputs: CertificateInput | readonly CertificateInput[] | undefined,
  option: string,
): CertificateSource[] {
  if (inputs === undefined) return [];
  const list = Array.isArray(inputs) ? inputs as readonly CertificateInput[] : [inputs as CertificateInput];
  return list.map((input) => readSource(input, option));
}

/** DER begins with the tag of a SEQUENCE, which in text is the digit 0; PEM may begin with anything but says BEGIN. */
function isPem(bytes: Uint8Array): boolean {
  return bytes[0] !== 0x30 || String.fromCharCode(...bytes.subarray(0, 2)) === "0-";
}

function readFile(path: string): Uint8Array {
  using file = OpenFile.open(path);
  if (!file.isFile) throw new TypeError(`Cannot read ${path}: not a file`);
  if (file.size > FILE_BYTES_MAX) throw new RangeError(`Cannot read ${path}: ${file.size} bytes are too many`);
  const bytes = allocate(file.size);
  for (let at = 0; at < bytes.length;) {
    const got = pread(file.fd, bytes.subarray(at), bytes.length - at, at);
    if (got < 0) throw systemError(got, "pread", "read", { path });
    if (got === 0) return bytes.subarray(0, at);
    at += got;
  }
  return bytes;
}
